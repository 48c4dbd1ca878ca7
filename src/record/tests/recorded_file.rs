use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::support::*;
use crate::model::{
    Aspect, AspectKind, Cause, Difference, HoldScope, Isolation, KeptObject, PreventionRule, Program, Side,
    Subject, Target, TaskId, Untrusted,
};
use crate::record::*;

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof!["[a-z]{1,6}", "\\PC{0,6}", Just("a\u{1b}[31m\n\"b".to_owned())].prop_map(Into::into)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..10_000, 0_i32..1_000_000_000)
        .prop_map(|(minutes, nanoseconds)| at(minutes) + jiff::SignedDuration::new(0, nanoseconds))
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![Just(Target::AllHosts), (0_u8..5).prop_map(|n| Target::Sensor(sensor(n)))]
}

fn some_isolation() -> impl Strategy<Value = Isolation> {
    (0_u64..100_000_000, 0_u8..3).prop_map(|(timeout, rules)| isolation(timeout, rules))
}

fn some_rule() -> impl Strategy<Value = Arc<PreventionRule>> {
    let kept = (option::of(text()), any::<bool>()).prop_map(|(name, has_other_fields)| KeptObject {
        name: name.map(|name| Untrusted::new(&*name)),
        has_other_fields,
    });
    proptest::collection::btree_map((0_u8..9).prop_map(hash), kept, 1..5)
        .prop_map(|objects| Arc::new(PreventionRule { objects }))
}

fn some_task() -> impl Strategy<Value = TaskId> {
    any::<u128>().prop_map(|id| TaskId::from_uuid(uuid::Uuid::from_u128(id)))
}

fn some_program() -> impl Strategy<Value = Arc<Program>> {
    (text(), option::of(text()), option::of(text())).prop_map(|(command, arguments, working_directory)| {
        Arc::new(Program { command, arguments, working_directory })
    })
}

/// Of an entry, or of up to three groups.
fn some_cause() -> impl Strategy<Value = Cause> {
    let origin = || (text(), any::<u32>()).prop_map(|(file, line)| crate::model::Origin { file, line });
    let groups = proptest::collection::vec((text(), origin()), 0..4);
    (origin(), groups).prop_map(|(own, groups)| {
        let groups: Vec<Cause> =
            groups.into_iter().map(|(name, origin)| Cause::group(name, origin)).collect();
        Cause::joined(&groups).unwrap_or(Cause::Own(own))
    })
}

fn by() -> impl Strategy<Value = Attribution> {
    let commit = option::of(text());
    (text(), text(), option::of(text()), option::of(some_cause()), option::of(text()), commit, time())
        .prop_map(|(owner, run, entry, cause, reason, commit, at)| Attribution {
            owner,
            run,
            entry,
            cause,
            reason,
            commit,
            at,
        })
}

fn some_open() -> impl Strategy<Value = OpenIntention> {
    let difference = prop_oneof![
        (option::of(some_isolation()), option::of(some_isolation()))
            .prop_map(|(before, after)| Difference::Isolation(Side { before, after })),
        (option::of(some_rule()), option::of(some_rule()))
            .prop_map(|(before, after)| Difference::Prevention(Side { before, after })),
        (some_task(), option::of(some_program()), option::of(some_program()))
            .prop_map(|(id, before, after)| Difference::Task(id, Side { before, after })),
    ];
    (any::<u64>(), target(), by(), difference, option::of(some_rule()), any::<[bool; 3]>()).prop_map(
        |(number, target, by, difference, foreign, [clocks_apart, by_hand, is_contested])| OpenIntention {
            number: IntentionNumber(number),
            subject: Subject { target, aspect: difference.aspect() },
            by,
            difference,
            foreign,
            clocks_apart,
            by_hand,
            is_contested,
        },
    )
}

fn holds() -> impl Strategy<Value = BTreeMap<HoldScope, Hold>> {
    let aspect =
        prop_oneof![Just(AspectKind::Isolation), Just(AspectKind::Prevention), Just(AspectKind::Tasks)];
    let subject = (target(), aspect).prop_map(|(target, aspect)| HoldScope { target, aspect });
    let hold = (time(), text(), text(), time(), text(), option::of(text()))
        .prop_map(|(until, by, run, at, command, reason)| Hold { until, by, run, at, command, reason });
    proptest::collection::btree_map(subject, hold, 0..4)
}

fn some_recorded() -> impl Strategy<Value = Recorded> {
    let last_run =
        (text(), time(), any::<bool>()).prop_map(|(id, at, is_unfinished)| LastRun { id, at, is_unfinished });
    let rule = (some_isolation(), any::<u64>(), time(), option::of(time()), any::<bool>()).prop_map(
        |(listed, sent_timeout_seconds, sent_at, verified_at, clocks_apart)| RecordedRule {
            listed,
            sent_timeout_seconds,
            sent_at,
            verified_at,
            clocks_apart,
        },
    );
    let isolation = (by(), option::of(rule), time()).prop_map(|(by, rule, verified_at)| RecordedIsolation {
        by,
        rule,
        verified_at,
    });
    let isolations = proptest::collection::btree_map((0_u8..9).prop_map(sensor), isolation, 0..4);
    let ours = proptest::collection::btree_set((0_u8..9).prop_map(hash), 0..5).prop_map(Arc::new);
    let prevention =
        (by(), ours, time()).prop_map(|(by, ours, verified_at)| RecordedPrevention { by, ours, verified_at });
    let preventions = proptest::collection::btree_map(target(), prevention, 0..4);
    let entries = proptest::collection::btree_map(text(), (0_u8..9).prop_map(sensor), 0..4);
    let entries = proptest::collection::btree_map(text(), entries, 0..3);
    let facts = (option::of(last_run), option::of(any::<u64>()), entries);
    let task = (by(), (0_u8..9).prop_map(sensor), some_program(), any::<bool>(), time()).prop_map(
        |(by, sensor, program, is_deleted, verified_at)| RecordedTask {
            by,
            sensor,
            program,
            is_deleted,
            verified_at,
        },
    );
    let tasks = proptest::collection::btree_map(some_task(), task, 0..3);
    (facts, isolations, preventions, tasks, vec(some_open(), 0..4), holds()).prop_map(
        |((last_run, hosts_last_seen, entries), isolations, preventions, tasks, open, holds)| Recorded {
            last_run,
            hosts_last_seen,
            isolations,
            preventions,
            tasks,
            entries,
            open,
            holds,
        },
    )
}

fn read_back(text: &str) -> Result<Recorded, RecordedFileError> {
    serde_json::from_str::<RecordedFile>(text).unwrap().try_into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_recorded_is_read_as_it_was_written(recorded in some_recorded()) {
        let text = serde_json::to_string(&RecordedFile::from(&recorded)).unwrap();
        prop_assert_eq!(read_back(&text).unwrap(), recorded);
    }
}

/// What this version writes: a change here is a change of the format.
const GOLDEN: &str = include_str!("golden/recorded.json");

async fn golden() -> Recorded {
    let mut recorded = read(super::chain::write_golden().await).await;
    let open = OpenIntention {
        number: IntentionNumber(7),
        subject: Subject { target: Target::AllHosts, aspect: Aspect::Prevention },
        by: recorded.isolations[&sensor(1)].by.clone(),
        difference: Difference::Prevention(Side { before: None, after: rule_of(&hashes(&[1, 2])) }),
        clocks_apart: true,
        foreign: None,
        by_hand: true,
        is_contested: false,
    };
    let hold = Hold {
        until: at(1_440),
        by: "ana@soc-1".into(),
        run: "r".into(),
        at: at(0),
        command: "isolate".into(),
        reason: Some("INC-417".into()),
    };
    recorded.holds.insert(open.subject.into(), hold);
    recorded.open.push(open);
    recorded
}

#[tokio::test]
async fn the_document_is_written_as_ever_and_what_was_written_is_read() {
    let recorded = golden().await;
    let written = serde_json::to_string_pretty(&RecordedFile::from(&recorded)).unwrap() + "\n";
    assert_eq!(written, GOLDEN, "it is now:\n{written}");
    assert_eq!(read_back(GOLDEN).unwrap(), recorded);
}

#[test]
fn an_old_reader_passes_over_new_fields_and_refuses_a_new_format() {
    let with_more = GOLDEN.replacen("\"format\": 1", "\"format\": 1, \"weather\": {\"sky\": \"blue\"}", 1);
    assert_eq!(read_back(&with_more).unwrap(), read_back(GOLDEN).unwrap());
    let newer = GOLDEN.replacen("\"format\": 1", "\"format\": 3", 1);
    assert_eq!(read_back(&newer), Err(RecordedFileError::Format { found: 3 }));
    assert_eq!(
        read_back(&newer).unwrap_err().to_string(),
        "what it says of the record has the format 3, and this version reads 2"
    );
    let other_aspect = GOLDEN.replacen("\"aspect\": \"prevention\"", "\"aspect\": \"weather\"", 1);
    assert!(serde_json::from_str::<RecordedFile>(&other_aspect).is_err());
}

#[test]
fn an_edited_or_missing_set_is_found_and_hosts_share_what_they_have_in_common() {
    let edited = GOLDEN.replacen(&hash(2).to_string(), &hash(3).to_string(), 1);
    let error = read_back(&edited).unwrap_err().to_string();
    assert!(error.ends_with("is not what its name, a digest, says"), "{error}");
    let mut missing: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    missing.as_object_mut().unwrap().remove("sets");
    let error = read_back(&missing.to_string()).unwrap_err().to_string();
    assert!(error.starts_with("what it says of the record makes no sense: no set "), "{error}");

    let mut recorded = read_back(GOLDEN).unwrap();
    let known = recorded.preventions[&Target::AllHosts].clone();
    let copy = Arc::new(known.ours.iter().copied().collect());
    recorded.preventions.insert(Target::Sensor(sensor(9)), RecordedPrevention { ours: copy, ..known });
    let text = serde_json::to_string(&RecordedFile::from(&recorded)).unwrap();
    assert_eq!(text.matches(&hash(2).to_string()).count(), 1);
    let recorded = read_back(&text).unwrap();
    let ours = |target| &recorded.preventions[&target].ours;
    assert!(Arc::ptr_eq(ours(Target::AllHosts), ours(Target::Sensor(sensor(9)))));
}
