use std::collections::BTreeMap;

use super::*;
use crate::guard::Judgement;
use crate::model::{Aspect, ReadFailure, ServerName};
use crate::plan::{Contact, Judged, Plan, Purpose, ServerState, Verdict};
use crate::report::json::{self, document};
use crate::report::{View, sample};

const DRIFT: View = View::Drift { require_contact: false };

fn document_of(plan: &Plan) -> Document {
    sample::told(plan, &Judgement::default(), DRIFT, document)
}

fn saved(plan: &Plan) -> Earlier {
    let mut out = Vec::new();
    json::write(&document_of(plan), &mut out).unwrap();
    read(&out).unwrap()
}

fn ages(before: &Plan, now: &Plan) -> Vec<(String, Age)> {
    let since = compare(&saved(before), &document_of(now)).unwrap();
    since.compared.into_iter().map(|one| (one.subject, one.age)).collect()
}

/// One host with one aspect.
fn of(judged: Judged, changes: Vec<crate::plan::Change>) -> Plan {
    let mut hq = sample::server("hq");
    *hq.judged_mut() = vec![judged];
    hq.steps = vec![sample::step(Purpose::Contain, changes)];
    sample::plan(vec![hq])
}

fn isolation(verdict: Verdict) -> Judged {
    sample::judged(sample::host(1, "WS-001"), Aspect::Isolation, verdict, Contact::Seen)
}

fn blocked(added: usize, removed: usize) -> Plan {
    let host = sample::host(1, "WS-001");
    let judged = sample::judged(host.clone(), Aspect::Prevention, Verdict::Differs, Contact::Seen);
    of(judged, vec![sample::block(host, added, removed)])
}

#[test]
fn what_differs_is_new_still_there_gone_or_not_known() {
    let host = || sample::host(1, "WS-001");
    let subject = "hq/WS-001/isolation".to_owned();
    let in_sync = of(isolation(Verdict::InSync), Vec::new());
    let missing = of(isolation(Verdict::Differs), vec![sample::isolate(host())]);
    let other = of(isolation(Verdict::Differs), vec![sample::exclusions(host(), &[1], &[2])]);
    let unknown = of(isolation(Verdict::Unknown(ReadFailure::new("timed out"))), Vec::new());
    let end_unknown = of(isolation(Verdict::EndUnknown), Vec::new());
    let held = of(isolation(Verdict::Held), Vec::new());
    let nobody = sample::plan(vec![sample::server("hq")]);
    let mut lost = sample::server("hq");
    lost.state = ServerState::Unreachable { why: "connection refused".to_owned() };
    let lost = sample::plan(vec![lost]);

    let one = |age| vec![(subject.clone(), age)];
    assert_eq!(ages(&in_sync, &in_sync), []);
    assert_eq!(ages(&in_sync, &missing), one(Age::New));
    assert_eq!(ages(&nobody, &missing), one(Age::New));
    assert_eq!(ages(&unknown, &missing), one(Age::New), "not knowing is no difference");
    assert_eq!(ages(&missing, &missing), one(Age::Still));
    assert_eq!(ages(&missing, &other), one(Age::New), "it differs otherwise");
    assert_eq!(ages(&missing, &held), one(Age::Still), "a hold silences no difference");
    assert_eq!(ages(&held, &missing), one(Age::Still));
    assert_eq!(ages(&missing, &in_sync), one(Age::Gone));
    for now in [&unknown, &end_unknown, &nobody, &lost] {
        assert_eq!(ages(&missing, now), one(Age::NotKnown), "never called gone");
    }
}

#[test]
fn more_hashes_than_before_are_a_new_difference() {
    let subject = "hq/WS-001/prevention".to_owned();
    assert_eq!(ages(&blocked(2, 1), &blocked(2, 1)), [(subject.clone(), Age::Still)]);
    assert_eq!(ages(&blocked(2, 1), &blocked(1, 1)), [(subject.clone(), Age::Still)]);
    assert_eq!(ages(&blocked(1, 1), &blocked(2, 1)), [(subject.clone(), Age::New)]);
    assert_eq!(ages(&blocked(1, 1), &blocked(1, 2)), [(subject, Age::New)]);
}

#[test]
fn a_server_by_another_name_and_a_host_by_another_name_are_the_same() {
    let missing = of(isolation(Verdict::Differs), vec![sample::isolate(sample::host(1, "WS-001"))]);
    let renamed = sample::host(1, "WS-9");
    let judged = sample::judged(renamed.clone(), Aspect::Isolation, Verdict::Differs, Contact::Seen);
    let mut now = of(judged, vec![sample::isolate(renamed)]);
    now.servers[0].server = ServerName::new("main");
    assert_eq!(ages(&missing, &now), [("main/WS-9/isolation".to_owned(), Age::Still)]);
}

#[test]
fn every_difference_of_a_plan_has_an_age() {
    let (before, now) = (sample::many(12), sample::many(30));
    let since = compare(&saved(&before), &document_of(&now)).unwrap();
    let (judgement, recorded) = (Judgement::default(), BTreeMap::new());
    let told = crate::report::Told {
        plan: &now,
        judgement: &judgement,
        plan_id: "",
        view: DRIFT,
        recorded: &recorded,
        since: Some(&since),
    };
    for standing in crate::report::standing::standings(&told) {
        let differs = standing.grade(DRIFT) == crate::report::standing::Grade::Wrong;
        let is_there = matches!(standing.age, Some(Age::New | Age::Still));
        assert_eq!(differs, is_there, "{}", standing.judged.whom.label());
    }
    assert!(since.count(Age::Still) > 0 && since.count(Age::New) > 0);
}

#[test]
fn what_tells_nothing_is_not_compared_with() {
    let text =
        |value: serde_json::Value| read(value.to_string().as_bytes()).map(drop).unwrap_err().to_string();
    let plan = serde_json::to_value(document_of(&sample::of_everything())).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut plan = plan.clone();
        plan[name] = value;
        text(plan)
    };
    assert!(with("kind", "hosts".into()).contains("of the kind `hosts`"));
    assert!(with("format_version", 2.into()).contains("`format_version` is 2"));
    assert!(with("scope", "renewals".into()).contains("--renew-only"));
    assert!(with("errors", serde_json::json!([{ "message": "no record" }])).contains("no record"));
    assert!(read(b"kind: drift").unwrap_err().to_string().contains("no result"));
    assert!(read(&[b"\xef\xbb\xbf", plan.to_string().as_bytes()].concat()).is_ok());
}
