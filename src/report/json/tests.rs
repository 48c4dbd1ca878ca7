use snapbox::assert_data_eq;

use super::*;
use crate::guard::{Refusal, RefusalKind};
use crate::model::{Aspect, ReadFailure};
use crate::plan::{
    Action, AddedHash, Contact, Purpose, RemovedBecause, RemovedHash, RuleChange, ServerState, Verdict,
};
use crate::report::sample;

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
    write(&document(plan, judgement, "7c1e44d0", view), &mut out).unwrap();
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
            origin: sample::origin("state.yaml", 1),
        });
        let rule = RuleChange { added: added.collect(), removed: removed.collect(), ..RuleChange::default() };
        change.action = Action::Block(rule);
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
        hq.judged = vec![sample::judged(sample::host(1, "WS-001"), Aspect::Isolation, verdict, contact)];
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
