use std::collections::BTreeSet;

use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::model::{HoldScope, Side};
use crate::record::{ActOutcome, ActValues, History, Recorded};
use crate::report::sample;
use crate::report::sample_history as told;
use crate::terminal::Palette;

/// What both formats write of it.
fn written(asked: &Asked, told: Told<'_>) -> (String, String) {
    let (server, key) = (ServerName::new("hq"), ServerKey::of_address("kata.example.org", 443));
    let counts = told::counts();
    let servers = [ServerWhy { server: &server, key: &key, told, counts: &counts }];
    let options = HistoryOptions { now: sample::now(), full: true, palette: Palette::OFF };
    let (mut text, mut json) = (Vec::new(), Vec::new());
    write_text(&servers, &options, &mut text).unwrap();
    write_json(asked, &servers, sample::now(), &mut json).unwrap();
    (String::from_utf8(text).unwrap(), String::from_utf8(json).unwrap())
}

fn of_host(history: &History, recorded: &Recorded, targets: &[Target]) -> (String, String) {
    let targets: BTreeSet<Target> = targets.iter().copied().collect();
    let stories = history.stories_of(&targets, recorded, sample::now());
    written(&Asked::Host("WS-017.corp.example".to_owned()), Told::Host(stories))
}

#[test]
fn a_host_is_told_by_what_set_it_not_by_its_last_renewal() {
    let targets = [told::target(17), told::target(19), Target::AllHosts];
    let (text, _) = of_host(&told::history(), &told::recorded(), &targets);
    assert_data_eq!(text, str![[r#"
hq  kata.example.org_443

  all hosts prevention
      its rule was never written by us
      block (+17 −1, 212 kept) on 25 Nov 13:00Z (just now)
      by run 20261125-100000-0000: apply by ana@soc-1, owner soc-gitops
      from state/incidents.yaml:12
      commit 77ab77ab77ab was checked out, the files may have been edited

  WS-017.corp.example isolation   sensor 11111111-1111-1111-1111-111111111111
      isolated by us; by the record in force until 26 Nov 10:00Z
      isolate (no rule → 24 h, 1 exclusion) on 25 Nov 04:00Z (9 h ago)
      by run 20261125-040000-0000: apply by ana@soc-1, owner soc-gitops
      why: INC-417
      from state/incidents.yaml:12
      let pass: --allow isolations=7
      commit 3f2a3f2a3f2a, job https://ci.example.org/job/7
      renewed once, at last on 25 Nov 10:00Z (3 h ago) by run 20261125-100000-0000 (apply by ana@soc-1, owner soc-gitops)
      held by ana@soc-1 until 26 Nov 13:00Z (by `isolate`, run 20261125-120000-4f2a: INC-417): apply leaves it alone

  WS-017.corp.example isolation   sensor 13131313-1313-1313-1313-131313131313
      not known whether done: change exclusions on 25 Nov 13:00Z (just now) by run 20261125-100000-0000 (apply by ana@soc-1, owner soc-gitops)

this is what the record tells; `kedrctl plan` reads what stands on the server now

"#]].raw());
}

/// One rule in which a hash came and went: before and after of each write, whether it was done, what is told.
#[test]
fn a_hash_is_ours_only_where_we_added_it() {
    let with = crate::record::sample::kept('1', 1);
    let without = crate::record::sample::kept('2', 0);
    let (yes, no) = (Some(true), Some(false));
    for (what, writes, expected) in [
        ("added", vec![(false, true, yes)], "ours since 25 Nov 13:00Z (just now)"),
        ("kept", vec![(false, true, yes), (true, true, yes)], "ours since 25 Nov 13:00Z (just now)"),
        ("met", vec![(true, true, yes)], "not ours: it was there before run"),
        ("taken out", vec![(false, true, yes), (true, false, yes)], "taken out on"),
        ("met and taken out", vec![(true, false, yes)], "taken out on"),
        ("gone", vec![(false, true, yes), (false, false, yes)], "somebody else took it out"),
        ("added again", vec![(true, false, yes), (false, true, yes)], "ours since"),
        ("put back by others", vec![(true, false, yes), (true, true, yes)], "not ours"),
        ("refused", vec![(false, true, no)], ""),
        ("lost", vec![(false, true, None)], "not known whether done: block on"),
        ("lost later", vec![(false, true, yes), (true, false, None)], "ours since"),
        ("never", vec![(false, false, yes)], ""),
    ] {
        let acts = writes.iter().enumerate().map(|(n, (before, after, is_done))| {
            let rule = |holds: &bool| Some(if *holds { with.clone() } else { without.clone() });
            let values = ActValues::Prevention(Side { before: rule(before), after: rule(after) });
            let mut act = told::act(n, told::target(17), "block", values, sample::now());
            act.outcome = match is_done {
                Some(true) => act.outcome,
                Some(false) => ActOutcome::NotDone { why: "403".into() },
                None => ActOutcome::Open { why: None },
            };
            act
        });
        let history = History { runs: vec![told::run(1, acts.collect())], is_whole: true };
        let stories = history.stories_of_hash(&BTreeSet::from([&with]));
        assert_eq!(stories.is_empty(), expected.is_empty(), "{what}: {stories:?}");
        let (text, _) = written(&Asked::Hash(sample::hash(1)), Told::Hash(stories));
        assert!(text.contains(expected), "{what}: {text}");
    }
}

#[test]
fn what_was_put_back_for_others_is_not_ours() {
    let with = crate::record::sample::kept('1', 1);
    let values = ActValues::Prevention(Side { before: None, after: Some(with.clone()) });
    let mut act = told::act(0, told::target(17), "block", values, sample::now());
    act.foreign = Some(with.clone());
    let history = History { runs: vec![told::run(1, vec![act])], is_whole: true };
    let (text, json) =
        written(&Asked::Hash(sample::hash(1)), Told::Hash(history.stories_of_hash(&BTreeSet::from([&with]))));
    assert!(text.contains("not ours: run 2") && text.contains("put it back for others"), "{text}");
    assert!(json.contains("\"state\": \"foreign\""), "{json}");
}

/// Of what was done by hand while the record could not be reached, and came into it after a later run.
#[test]
fn what_made_it_so_is_what_was_done_last_not_what_was_put_down_last() {
    let release = told::isolated(Some(&[]), None);
    let release = told::act(0, told::target(17), "release", release, sample::at("2026-11-25T10:00:00Z"));
    let isolate = told::isolated(None, Some(&[]));
    let isolate = told::act(1, told::target(17), "isolate", isolate, sample::at("2026-11-25T04:00:00Z"));
    let history = History { runs: vec![told::run(9, vec![release, isolate])], is_whole: true };
    let mut recorded = told::recorded();
    for known in recorded.isolations.values_mut() {
        known.rule = None;
    }
    let (text, _) = of_host(&history, &recorded, &[told::target(17)]);
    assert!(text.contains("not isolated: we deleted the rule\n      release ("), "{text}");
}

#[test]
fn a_hold_on_tasks_is_told_where_no_task_is() {
    let mut recorded = Recorded::default();
    let scope = HoldScope { target: told::target(17), aspect: AspectKind::Tasks };
    recorded.holds.insert(scope, sample::hold());
    let (text, json) = of_host(&History::default(), &recorded, &[told::target(17), told::target(18)]);
    let title = "11111111-1111-1111-1111-111111111111 tasks\n      none was ever created by us\n      held by ana@soc-1";
    assert!(text.contains(title) && text.matches("tasks").count() == 1, "{text}");
    assert!(json.contains("\"aspect\": \"task\"") && !json.contains("task_id"), "{json}");
    // Where one is told of, it is told there.
    let task = ActValues::Task(Side {
        before: None,
        after: Some(std::sync::Arc::new(sample::task(17, "").task.program.clone())),
    });
    let history = History {
        runs: vec![told::run(1, vec![told::act(0, told::target(17), "start_task", task, sample::now())])],
        is_whole: true,
    };
    let (text, _) = of_host(&history, &recorded, &[told::target(17)]);
    assert!(text.matches("held by").count() == 1 && !text.contains(" tasks"), "{text}");
}

#[test]
fn the_document_is_as_documented() {
    let (_, json) = of_host(&told::history(), &told::recorded(), &[told::target(17)]);
    assert_data_eq!(json, snapbox::file!["why.json": Text].raw());
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_document() {
    let mut schema = Vec::new();
    write_schema(&mut schema).unwrap();
    let schema = String::from_utf8(schema).unwrap();
    let value: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&value).unwrap();
    let history = told::history();
    let blocked = told::blocked().after.unwrap();
    let stories = history.stories_of_hash(&BTreeSet::from([&blocked]));
    for json in [
        of_host(&history, &told::recorded(), &[told::target(17), told::target(19)]).1,
        of_host(&told::hostile(), &Recorded::default(), &[told::target(17)]).1,
        written(&Asked::Hash(sample::hash(1)), Told::Hash(stories)).1,
    ] {
        let instance = serde_json::from_str(&json).unwrap();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "format_version": 2 })), "it refuses something");
    assert_data_eq!(schema, snapbox::file!["../../../schemas/why-v1.schema.json": Text].raw());
}

#[test]
fn no_text_of_the_record_drives_the_terminal() {
    let (text, json) = of_host(&told::hostile(), &Recorded::default(), &[told::target(17)]);
    for written in [text, json] {
        assert!(!written.contains(|c: char| c != '\n' && c.is_control()), "{written:?}");
        assert!(!written.contains('\u{202e}'), "{written:?}");
    }
}
