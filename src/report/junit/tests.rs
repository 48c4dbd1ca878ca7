use roxmltree::{Document, Node};

use super::*;
use crate::guard::Judgement;
use crate::plan::Plan;
use crate::report::{View, sample};

const DRIFT: View = View::Drift { require_contact: false };
const STRICT: View = View::Drift { require_contact: true };

fn written(plan: &Plan, judgement: &Judgement, view: View) -> String {
    let mut out = Vec::new();
    sample::told(plan, judgement, view, |told| write(told, &mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

/// The structure that readers of JUnit know: elements, attributes, and counts that are right.
fn is_junit(text: &str) -> [usize; 3] {
    let document = Document::parse(text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let number = |node: &Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let mut totals = [0; 3];
    for suite in root.children().filter(Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        let timestamp = suite.attribute("timestamp").unwrap();
        timestamp.parse::<jiff::civil::DateTime>().unwrap();
        let (mut counts, mut names) = ([0; 3], std::collections::BTreeSet::new());
        for case in suite.children().filter(Node::is_element) {
            assert_eq!(case.tag_name().name(), "testcase");
            assert!(names.insert((case.attribute("classname").unwrap(), case.attribute("name").unwrap())));
            if let Some(line) = case.attribute("line") {
                assert!(line.parse::<u32>().unwrap() > 0 && case.attribute("file").is_some());
            }
            counts[0] += 1;
            for part in case.children().filter(Node::is_element) {
                match part.tag_name().name() {
                    "failure" => counts[1] += 1,
                    "error" => counts[2] += 1,
                    "system-out" => continue,
                    other => panic!("<{other}>"),
                }
                assert!(part.attribute("type").is_some() && part.attribute("message").is_some());
            }
        }
        assert_eq!(counts, ["tests", "failures", "errors"].map(|name| number(&suite, name)));
        counts.iter().zip(&mut totals).for_each(|(count, total)| *total += count);
    }
    assert_eq!(totals, ["tests", "failures", "errors"].map(|name| number(&root, name)));
    totals
}

#[test]
fn thirty_changes_are_as_expected() {
    let text = written(&sample::many(30), &Judgement::default(), DRIFT);
    is_junit(&text);
    snapbox::assert_data_eq!(text, snapbox::file!["../golden/drift.junit.xml": Text].raw());
}

#[test]
fn ten_thousand_changes_are_as_many_cases() {
    let plan = sample::ten_thousand();
    let managed: usize = plan.servers.iter().map(|server| server.judged.len()).sum();
    for view in [View::Plan, DRIFT, STRICT] {
        let [tests, failures, errors] = is_junit(&written(plan, &Judgement::default(), view));
        assert_eq!(tests, managed + 2);
        let sums = plan.sums();
        let differ = sums.isolate + sums.release + sums.change + sums.left_alone + sums.held;
        assert_eq!(failures as u64, differ);
        assert_eq!(errors == 0, view.is_complete(plan));
        let without_contact = if view == STRICT { 3 } else { 0 };
        let without_end = if view == View::Plan { 0 } else { sums.end_unknown };
        assert_eq!(errors as u64, 3 + without_contact + without_end);
    }
}

#[test]
fn a_hostile_name_is_a_name() {
    let (plan, judgement) = sample::hostile();
    let text = written(&plan, &judgement, View::Plan);
    is_junit(&text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    let document = Document::parse(&text).unwrap();
    let known = ["testsuites", "testsuite", "testcase", "failure", "error", "system-out"];
    assert!(
        document.descendants().filter(Node::is_element).all(|node| known.contains(&node.tag_name().name()))
    );
}

#[test]
fn two_hosts_of_one_name_are_two_cases() {
    let mut plan = sample::many(2);
    let twice = plan.servers[0].judged.to_vec();
    plan.servers[0].judged_mut().extend(twice);
    let two = crate::plan::Judged {
        whom: crate::plan::Whom::Host(sample::host(9, "WS-00000.corp.example")),
        ..plan.servers[0].judged[0].clone()
    };
    *plan.servers[0].judged_mut() = vec![plan.servers[0].judged[0].clone(), two];
    is_junit(&written(&plan, &Judgement::default(), DRIFT));
}

#[test]
fn where_there_is_no_plan_the_reasons_are_errors() {
    let mut out = Vec::new();
    sample::no_plan(DRIFT, |no_plan| write_failed(no_plan, &mut out)).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(is_junit(&text), [4, 0, 4]);
    assert!(text.contains(" file=\"my state/a.yaml\" line=\"3\""), "{text}");
}
