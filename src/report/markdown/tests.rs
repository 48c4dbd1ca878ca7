use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;
use crate::execute::{ChangeOutcome, Outcome, WriteResult};
use crate::plan::Plan;
use crate::report::sample;

const DRIFT: View = View::Drift { require_contact: false };

fn written(plan: &Plan, judgement: &Judgement, view: View) -> String {
    let mut out = Vec::new();
    sample::told(plan, judgement, view, |told| write(told, &mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

/// Read as a code host reads it: whatever is not in a code span is in our own words, and there is no link, image or
/// tag but ours.
fn is_harmless(text: &str) {
    assert!(text.len() < 65_000, "{} bytes", text.len());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}'));
    assert!(text.starts_with("<!-- kedrctl "), "{}", &text[..40]);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let (mut columns, mut cells) = (0, 0);
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Text(text) => {
                for wrong in ["@", "http", "evil", "onerror", "script", "#1", "|"] {
                    assert!(!text.contains(wrong), "{text}");
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let html = html.trim();
                let is_title = html.starts_with("<summary>") && html.ends_with("</summary>");
                let is_marker = html.starts_with("<!-- kedrctl ")
                    && html.ends_with(" -->")
                    && html[5..html.len() - 4]
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b" ._".contains(&b));
                assert!(matches!(html, "" | "<details>" | "</details>") || is_title || is_marker, "{html}");
            }
            Event::Start(Tag::Table(alignments)) => columns = alignments.len(),
            Event::Start(Tag::TableRow | Tag::TableHead) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => assert_eq!(cells, columns, "a row is whole"),
            Event::Start(
                Tag::Paragraph
                | Tag::Heading { .. }
                | Tag::HtmlBlock
                | Tag::List(None)
                | Tag::Item
                | Tag::Strong,
            )
            | Event::End(_)
            | Event::Code(_)
            | Event::SoftBreak => {}
            Event::Start(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => panic!("not of ours"),
        }
    }
}

#[test]
fn thirty_changes_are_as_expected() {
    for (view, judgement) in [(View::Plan, sample::hostile().1), (DRIFT, Judgement::default())] {
        is_harmless(&written(&sample::many(30), &judgement, view));
    }
    let text = written(&sample::many(30), &Judgement::default(), View::Plan);
    snapbox::assert_data_eq!(text, snapbox::file!["../golden/plan.md": Text].raw());
}

#[test]
fn ten_thousand_changes_fit_into_a_comment_and_releases_come_first() {
    let plan = sample::ten_thousand();
    for view in [View::Plan, DRIFT] {
        let text = written(plan, &Judgement::default(), view);
        is_harmless(&text);
        assert!(text.len() > 60_000, "the room is used");
        assert!(text.contains(" more, cut to fit into a comment"));
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("WS-0")).collect();
        assert!(rows[0].contains("WS-00003"), "{}", rows[0]);
        // What is shown and what is cut are all.
        let shown = text.lines().filter(|line| line.starts_with("| ") && line.contains("WS-")).count();
        let cut = text.lines().find(|line| line.starts_with("… and ")).unwrap();
        let cut: String = cut.chars().filter(char::is_ascii_digit).collect();
        let sums = plan.sums();
        let renewals = 1;
        assert_eq!(
            shown as u64 + cut.parse::<u64>().unwrap(),
            sums.isolate + sums.release + sums.change + renewals
        );
    }
}

#[test]
fn hostile_texts_do_not_escape() {
    let (plan, judgement) = sample::hostile();
    for view in [View::Plan, DRIFT] {
        is_harmless(&written(&plan, &judgement, view));
    }
    let mut out = Vec::new();
    sample::no_plan(DRIFT, |no_plan| write_failed(no_plan, &mut out)).unwrap();
    is_harmless(&String::from_utf8(out).unwrap());
    let why = || sample::HOSTILE.to_owned();
    let results = [
        WriteResult::Done { sent_at: sample::now() },
        WriteResult::AlreadyAsDesired,
        WriteResult::ChangedSincePlan { found: why() },
        WriteResult::Held { hold: crate::record::Hold { by: why().into(), ..sample::hold() }.into() },
        WriteResult::NotRead { why: why() },
        WriteResult::Refused { why: why() },
        WriteResult::Unknown { why: why() },
        WriteResult::NotTried { why: why() },
    ];
    let changes = plan.changes().map(|(_, change)| std::sync::Arc::clone(change));
    let changes = changes.zip(results).map(|(change, result)| ChangeOutcome { change, result }).collect();
    let mut server = sample::ended(sample::HOSTILE, changes);
    server.stopped = Some(crate::execute::Stopped { why: why(), by: crate::execute::StoppedBy::Server });
    server.put_back = vec![server.changes[0].clone(), server.changes[5].clone()];
    server.open = Some(why());
    let outcome = Outcome { servers: vec![server], was_interrupted: true };
    let (run_id, owner, exit_code) = (sample::HOSTILE, sample::HOSTILE, 130);
    let told = OutcomeTold { outcome: &outcome, run_id, owner, exit_code, plan: None };
    let written = |told: &OutcomeTold<'_>| {
        let mut out = Vec::new();
        write_outcome(told, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text = written(&told);
    is_harmless(&text);
    assert!(text.contains("**2 of 8 changes done**"), "{text}");
    let (open, stopped) = (text.find("- ❗ open on").unwrap(), text.find("- ❗ nothing more").unwrap());
    assert!(open < stopped, "{text}");
    assert!(text.contains("Put back") && text.contains("set, and read back"), "{text}");
    let text = written(&OutcomeTold { plan: Some((&plan, &judgement)), ..told });
    is_harmless(&text);
    assert!(text.contains("**2 of 8 changes done; "), "{text}");
}

#[test]
fn an_outcome_says_what_the_plan_could_not_judge() {
    let plan = sample::of_everything();
    let outcome = Outcome { servers: Vec::new(), was_interrupted: false };
    let judgement =
        Judgement { warnings: vec!["a pattern matches no host".to_owned()], ..Judgement::default() };
    let plan = Some((&plan, &judgement));
    let told = OutcomeTold { outcome: &outcome, run_id: "1", owner: "soc", exit_code: 4, plan };
    let mut out = Vec::new();
    write_outcome(&told, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    is_harmless(&text);
    for said in [
        "**all 0 changes done; 1 held, 1 left behind, 1 error, 1 unknown, ",
        "- ❗ `WS-233` `superseded: sensor",
        "- ❗ `SRV-7` `is isolated, declared off by group everyone",
        "- ❓ `KIOSK-4` `could not be read",
        "- ⚠ `a pattern matches no host`",
        "- `WS-031` prevention: waiting",
    ] {
        assert!(text.contains(said), "`{said}` is not in:\n{text}");
    }
}

#[test]
fn every_server_that_was_not_read_is_named() {
    let why = || "cannot be had".to_owned();
    for state in [
        ServerState::ListNotBelieved { why: why() },
        ServerState::Unrecorded { why: why() },
        ServerState::Unreachable { why: why() },
    ] {
        let mut lab = sample::server("lab");
        lab.state = state;
        let text = written(&sample::plan(vec![lab]), &Judgement::default(), DRIFT);
        assert!(text.contains("server `lab`: nothing is known of its hosts: `cannot be had`"), "{text}");
    }
}

#[test]
fn a_long_text_is_cut_and_an_empty_one_is_seen() {
    assert_eq!(code("a`b|c", 10), r"`a\u{60}b\u{7c}c`");
    assert_eq!(message("`kedrctl release`", 100), "`'kedrctl release'`");
    assert_eq!(code(&"x".repeat(200), 3), "`xxx…`");
    assert_eq!(code(" ", 3), "–");
}

#[test]
fn the_marker_is_the_same_in_every_run() {
    let first =
        |plan: &Plan| written(plan, &Judgement::default(), View::Plan).lines().next().unwrap().to_owned();
    assert_eq!(first(&sample::many(1)), "<!-- kedrctl plan soc_gitops -->");
    assert_eq!(first(&sample::many(1)), first(&sample::many(30)));
}
