use serde_json::Value;

use super::*;
use crate::guard::Judgement;
use crate::plan::Plan;
use crate::report::{View, sample};

const NOWHERE: Driver<'_> = Driver { version: "1.2.3", repository: "" };

fn written(driver: Driver<'_>) -> String {
    let (found, sources) = sample::problems();
    let mut out = Vec::new();
    problems(&found, &sources, driver, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_log_is_as_expected() {
    let driver = Driver { version: "1.2.3", repository: "https://git.example.org/kedrctl" };
    snapbox::assert_data_eq!(written(driver), snapbox::file!["problems.sarif": Text].raw());
}

/// What the specification asks for where its schema says nothing.
#[test]
fn the_parts_of_the_log_fit_each_other() {
    let log: Value = serde_json::from_str(&written(NOWHERE)).unwrap();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["E001", "E021", "E045", "W003"], "each rule once");
    assert!(rules.iter().all(|rule| rule.get("helpUri").is_none()), "of no repository");
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert_eq!(result["level"], rules[index]["defaultConfiguration"]["level"]);
    }
    let uri = |result: usize| {
        &run["results"][result]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    };
    assert_eq!(uri(0), "b%1B.yaml", "a path that is not there");
    assert_eq!(uri(1), "my%20state/a.yaml", "of what no line says, the first file");
    assert_eq!(uri(2), "my%20state/a.yaml");
    let region = &run["results"][2]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        region,
        &serde_json::json!({ "startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 21 })
    );
    let related = &run["results"][2]["relatedLocations"];
    assert_eq!((related[0]["id"].as_u64(), related.as_array().unwrap().len()), (Some(0), 1));
}

const DRIFT: View = View::Drift { require_contact: false };

fn told(plan: &Plan, judgement: &Judgement, view: View) -> String {
    let mut out = Vec::new();
    sample::told(plan, judgement, view, |told| write(told, NOWHERE, &mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

/// What is written fits a subset of the specification's schema, which is not to be had as a package.
fn checked(text: &str) -> Value {
    let schema = serde_json::from_str(include_str!("subset.schema.json")).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let log: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
    }
    log
}

#[test]
fn all_that_is_written_fits_the_schema() {
    checked(&written(NOWHERE));
    let mut out = Vec::new();
    sample::no_plan(DRIFT, |no_plan| write_failed(no_plan, NOWHERE, &mut out)).unwrap();
    let log = checked(&String::from_utf8(out).unwrap());
    let run = &log["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["results"].as_array().unwrap().len(), 3, "what is wrong with the files");
    assert_eq!(run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().len(), 1);
    let mut wrong = log.clone();
    wrong["runs"][0]["results"][0]["level"] = "fatal".into();
    let schema = serde_json::from_str(include_str!("subset.schema.json")).unwrap();
    assert!(!jsonschema::validator_for(&schema).unwrap().is_valid(&wrong));
}

#[test]
fn thirty_changes_are_as_expected() {
    let text = told(&sample::many(30), &Judgement::default(), DRIFT);
    checked(&text);
    snapbox::assert_data_eq!(text, snapbox::file!["../golden/drift.sarif": Text].raw());
}

#[test]
fn ten_thousand_changes_each_have_a_result() {
    let plan = sample::ten_thousand();
    let sums = plan.sums();
    let drift = checked(&told(plan, &Judgement::default(), DRIFT));
    let proposed = serde_json::from_str(&told(plan, &Judgement::default(), View::Plan)).unwrap();
    for (log, level) in [(drift, "error"), (proposed, "note")] {
        let results = log["runs"][0]["results"].as_array().unwrap();
        let of = |rule: &str| results.iter().filter(|one| one["ruleId"] == rule).collect::<Vec<_>>();
        let isolation = of("isolation-differs");
        // Exclusions are a change of an isolation, and counted with the rules.
        let exclusions = sums.change - of("prevention-differs").len() as u64;
        assert_eq!(isolation.len() as u64, sums.isolate + sums.release + exclusions);
        assert!(isolation.iter().all(|one| one["level"] == level));
        let prints: BTreeSet<&str> =
            results.iter().map(|one| one["partialFingerprints"]["subject/v1"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), results.len(), "each subject has its own");
    }
}

#[test]
fn a_result_is_known_again_wherever_its_line_has_moved() {
    let prints = |plan: &Plan| {
        let log = checked(&told(plan, &Judgement::default(), DRIFT));
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results
            .iter()
            .map(|one| one["partialFingerprints"]["subject/v1"].to_string())
            .collect::<BTreeSet<String>>()
    };
    let of = |line: u32, name: &str| {
        let mut plan = sample::many(1);
        let mut moved = crate::resolve::DesiredHost {
            entry: name.into(),
            origin: sample::origin("other.yaml", line),
            sensor: plan.servers[0].judged[0].whom.sensor().unwrap().clone(),
            groups: std::sync::Arc::new([]),
            is_named: true,
            isolation: None,
            prevention: None,
        };
        moved.is_named = true;
        plan.servers[0].judged_mut()[0].whom = crate::plan::Whom::Host(std::sync::Arc::new(moved));
        plan
    };
    assert_eq!(prints(&of(3, "WS-1")), prints(&of(90, "front-desk")));
}

#[test]
fn hostile_texts_are_texts() {
    let (plan, judgement) = sample::hostile();
    let text = told(&plan, &judgement, View::Plan);
    checked(&text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}'));
}
