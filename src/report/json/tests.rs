use std::sync::Arc;

use snapbox::assert_data_eq;

use super::*;
use crate::execute::{ChangeOutcome, Outcome as Executed, WriteResult};
use crate::guard::{Judgement, Refusal, RefusalKind};
use crate::model::{Aspect, ReadFailure};
use crate::plan::{
    Action, AddedHash, Contact, Plan, Purpose, RemovedBecause, RemovedHash, RuleChange, ServerState, Verdict,
};
use crate::report::{Complaint, View, sample};

const DRIFT: View = View::Drift { require_contact: false };
const STRICT: View = View::Drift { require_contact: true };

fn judgement() -> Judgement {
    Judgement {
        refusals: vec![Refusal {
            kind: RefusalKind::Limit,
            subject: "isolations".to_owned(),
            message: "7 on hq, at most 5 are allowed".to_owned(),
            cause: Some(sample::origin("state/policy.yaml", 4).into()),
        }],
        warnings: vec!["`dc9*` matches no host".to_owned()],
    }
}

fn written(plan: &Plan, judgement: &Judgement, view: View) -> String {
    let mut out = Vec::new();
    sample::told(plan, judgement, view, |told| write(&document(told), &mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

fn value(plan: &Plan, view: View) -> serde_json::Value {
    serde_json::from_str(&written(plan, &Judgement::default(), view)).unwrap()
}

fn schema() -> String {
    let mut out = Vec::new();
    write_schema(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_document_is_as_documented() {
    let text = written(&sample::of_everything(), &judgement(), View::Plan);
    assert_data_eq!(text, snapbox::file!["plan.json": Text].raw());
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_document() {
    assert_data_eq!(schema(), snapbox::file!["../../../schemas/plan-v1.schema.json": Text].raw());
}

#[test]
fn every_document_fits_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut lab = sample::server("lab");
    lab.state = ServerState::Unreachable { why: "connection refused".to_owned() };
    let mut old = sample::server("old");
    old.state = ServerState::ListNotBelieved { why: "it is empty".to_owned() };
    for plan in [sample::of_everything(), sample::plan(Vec::new()), sample::plan(vec![lab, old])] {
        for view in [View::Plan, DRIFT, STRICT] {
            let instance = serde_json::from_str(&written(&plan, &judgement(), view)).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&instance).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }
    let mut wrong = value(&sample::of_everything(), View::Plan);
    wrong["kind"] = "apply".into();
    assert!(!validator.is_valid(&wrong), "the schema refuses something");
}

#[test]
fn moves_between_all_and_hosts_say_their_steps_and_what_is_missing_between_them() {
    let block = |n, added: &[usize], removed: &[usize], because: RemovedBecause| {
        let mut change = sample::block(sample::host(n, "WS-1"), 0, 0);
        let removed =
            removed.iter().map(|n| RemovedHash { hash: sample::hash(*n), because: because.clone() });
        let added = added.iter().map(|n| AddedHash {
            hash: sample::hash(*n),
            list: None,
            comment: None,
            origin: sample::origin("state.yaml", 1),
        });
        let rule = RuleChange { added: added.collect(), removed: removed.collect(), ..RuleChange::default() };
        change.action = Action::Block(Arc::new(rule));
        change
    };
    let moved = RemovedBecause::MovedToAll { was_ours: true };
    let mut hq = sample::server("hq");
    hq.steps = vec![
        sample::step(
            Purpose::GiveUp,
            vec![block(1, &[], &[1, 2], moved.clone()), block(2, &[], &[1], moved)],
        ),
        sample::step(Purpose::ForAll, vec![block(3, &[1, 2], &[3], RemovedBecause::NoLongerDeclared)]),
        sample::step(Purpose::Prevent, vec![block(1, &[3, 4], &[], RemovedBecause::Exact)]),
    ];
    let value = value(&sample::plan(vec![hq]), View::Plan);
    let steps: Vec<_> = value["changes"].as_array().unwrap().iter().map(|change| &change["step"]).collect();
    assert_eq!(steps, ["give_up", "give_up", "for_all", "prevent"]);
    assert_eq!(value["changes"][0]["hashes"]["removed"][0]["because"], "moved_to_all");
    let [first, second] = value["servers"][0]["gaps"].as_array().unwrap().as_slice() else {
        panic!("{value:#}")
    };
    assert_eq!((&first["from"], &first["until"]), (&"give_up".into(), &"for_all".into()));
    assert_eq!((first["hosts"].as_u64(), first["hashes"].as_array().unwrap().len()), (Some(2), 2));
    assert_eq!((&second["from"], &second["until"]), (&"for_all".into(), &"prevent".into()));
    assert_eq!((second["hosts"].as_u64(), second["hashes"].as_array().unwrap().len()), (Some(1), 1));
}

#[test]
fn two_renderings_are_the_same_bytes() {
    for view in [View::Plan, DRIFT] {
        let (one, two) = (sample::of_everything(), sample::of_everything());
        assert_eq!(written(&one, &judgement(), view), written(&two, &judgement(), view));
    }
}

#[test]
fn names_come_through_whole_and_nothing_is_raw() {
    const NAME: &str = "ws\u{1b}[2J\n\u{202e}1";
    let mut hq = sample::server("hq");
    hq.steps = vec![sample::step(Purpose::Contain, vec![sample::isolate(sample::host(1, NAME))])];
    let plan = sample::plan(vec![hq]);
    assert_eq!(value(&plan, View::Plan)["changes"][0]["host"], NAME);
    assert_eq!(value(&plan, View::Plan)["changes"][0]["subject"], format!("hq/{NAME}/isolation"));
    let text = written(&plan, &Judgement::default(), View::Plan);
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()) && !text.contains('\u{202e}'));
}

#[test]
fn complete_and_in_sync_are_said_only_of_what_is_known() {
    let with = |verdict: Verdict, contact: Contact| {
        let mut hq = sample::server("hq");
        *hq.judged_mut() =
            vec![sample::judged(sample::host(1, "WS-001"), Aspect::Isolation, verdict, contact)];
        let plan = sample::plan(vec![hq]);
        [View::Plan, DRIFT, STRICT].map(|view| {
            let value = value(&plan, view);
            (value["complete"].as_bool().unwrap(), value["judged"][0]["in_sync"].as_bool().unwrap())
        })
    };
    let (yes, no) = (true, false);
    assert_eq!(with(Verdict::InSync, Contact::Seen), [(yes, yes), (yes, yes), (yes, yes)]);
    assert_eq!(with(Verdict::InSync, Contact::Waiting), [(yes, no), (yes, no), (no, no)]);
    assert_eq!(with(Verdict::InSync, Contact::Silent), [(yes, no), (yes, no), (no, no)]);
    assert_eq!(with(Verdict::EndUnknown, Contact::Seen), [(yes, no), (no, no), (no, no)]);
    assert_eq!(with(Verdict::Differs, Contact::Seen), [(yes, no), (yes, no), (yes, no)]);
    let unknown = Verdict::Unknown(ReadFailure::new("timed out"));
    assert_eq!(with(unknown, Contact::Seen), [(no, no), (no, no), (no, no)]);
}

#[test]
fn where_there_is_no_plan_the_document_says_why() {
    let (problems, sources) = sample::problems();
    let server = Some(crate::model::ServerName::new("hq"));
    let complaint = Complaint { kind: "record", message: "the record is gone".to_owned(), server };
    let no_plan = NoPlan {
        view: DRIFT,
        command: "drift",
        now: sample::now(),
        exit_code: 1,
        problems: &problems,
        sources: &sources,
        complaint: Some(&complaint),
    };
    let mut out = Vec::new();
    write_failed(&no_plan, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&value), "{value:#}");
    assert_eq!((value["kind"].as_str(), value["complete"].as_bool()), (Some("drift"), Some(false)));
    let errors = value["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 4, "three errors of the files, not its warning, and the complaint");
    assert_eq!(errors[2]["problem"]["labels"][0]["line"], 3);
    assert_eq!(errors[3]["server"], "hq");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    let mut without = value.clone();
    without["errors"] = serde_json::json!([]);
    assert!(!validator.is_valid(&without), "no plan and no reason is no answer");
}

fn event_schema() -> String {
    let mut out = Vec::new();
    write_event_schema(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_events() {
    assert_data_eq!(event_schema(), snapbox::file!["../../../schemas/apply-v1.schema.json": Text].raw());
}

#[test]
fn every_event_is_one_line_that_fits_the_schema() {
    let plan = sample::of_everything();
    let changes: Vec<_> = plan.changes().map(|(_, change)| std::sync::Arc::clone(change)).collect();
    let why = || "line one\nline two \u{1b}[2J".to_owned();
    let results = [
        WriteResult::Done { sent_at: sample::now() },
        WriteResult::AlreadyAsDesired,
        WriteResult::ChangedSincePlan { found: why() },
        WriteResult::Held { hold: sample::hold().into() },
        WriteResult::NotRead { why: why() },
        WriteResult::Refused { why: why() },
        WriteResult::Unknown { why: why() },
        WriteResult::NotTried { why: why() },
    ];
    let ended = changes.into_iter().zip(results).map(|(change, result)| ChangeOutcome { change, result });
    let mut server = sample::ended("hq", ended.collect());
    server.put_back = vec![server.changes[0].clone(), server.changes[5].clone()];
    server.open = Some(why());
    server.stopped = Some(crate::execute::Stopped { why: why(), by: crate::execute::StoppedBy::Server });
    let mut events = Vec::new();
    let judgement = judgement();
    sample::told(&plan, &judgement, View::Plan, |told| {
        events.push(Event::Plan { plan: Box::new(document(told)) });
    });
    for one in &server.changes {
        events.push(Event::WriteEnded(Box::new(WriteEnded::of(&server.server, one))));
    }
    events.push(Event::Retry { server: "hq".to_owned(), why: why() });
    events.push(Event::Warning { message: why() });
    let complaint = Complaint { kind: "usage", message: why(), server: None };
    events.push(Event::Error(Error::from(&complaint)));
    let outcome = Executed { servers: vec![server], was_interrupted: true };
    events.push(Event::Outcome(Outcome::of(Some(&outcome), Some("41"), 130)));
    events.push(Event::Outcome(Outcome::of(None, None, 3)));

    let schema: serde_json::Value = serde_json::from_str(&event_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut out = Vec::new();
    let count = events.len();
    for event in events {
        write_event(event, sample::now(), &mut out).unwrap();
    }
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), count, "{text}");
    assert!(!text.contains('\u{1b}'));
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:#?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "format_version": 1, "time": "x", "event": "other" })));
    let last: serde_json::Value = serde_json::from_str(text.lines().rev().nth(1).unwrap()).unwrap();
    assert_eq!((last["changes"].as_u64(), last["done"].as_u64()), (Some(8), Some(2)));
    assert_eq!(last["results"]["held"], 1);
    assert_eq!(
        (&last["put_back"][0]["done"], &last["put_back"][1]["result"]),
        (&true.into(), &"refused".into())
    );
    assert_eq!(last["open"][0]["server"], "hq");
    // Whoever ends it before anything was begun has ended it.
    let stopped = Outcome::of(None, Some("41"), 130);
    assert!(stopped.interrupted && stopped.run_id.is_some());
}
