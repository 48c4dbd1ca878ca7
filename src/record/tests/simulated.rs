//! Whatever happens between runs and a server, the record never claims more than is true.

use std::time::Duration;

use proptest::prelude::*;

use super::support::*;
use crate::model::{HashSet, Isolation, Reading, Target};
use crate::record::*;

/// What becomes of one write of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    DoneAndRecorded,
    /// Carried out; the run was killed, or its answer lost.
    DoneUnknown,
    /// Never carried out; the run was killed, or its request lost.
    LostUnknown,
    RefusedAndRecorded,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::DoneAndRecorded),
        1 => Just(Fate::DoneUnknown),
        1 => Just(Fate::LostUnknown),
        1 => Just(Fate::RefusedAndRecorded),
    ]
}

impl Fate {
    fn is_done(self) -> bool {
        match self {
            Self::DoneAndRecorded | Self::DoneUnknown => true,
            Self::LostUnknown | Self::RefusedAndRecorded => false,
        }
    }

    fn outcome(self, sent_at: jiff::Timestamp, listed: Option<u64>) -> Option<WriteOutcome> {
        match self {
            Self::DoneAndRecorded => Some(WriteOutcome::Done { sent_at, listed_timeout_seconds: listed }),
            Self::DoneUnknown => Some(WriteOutcome::Unknown { why: "no answer".into() }),
            Self::LostUnknown => None,
            Self::RefusedAndRecorded => Some(WriteOutcome::NotDone { why: "refused".into() }),
        }
    }
}

/// One run that writes once (or only settles), and its evidence.
async fn write(store: &MemoryStore, settled: &[Settled], of: Option<(Intention, Option<WriteOutcome>)>) {
    let record = Record::new(store.clone());
    let mut journal = record
        .lock(&server(), &holder(), Duration::ZERO)
        .await
        .unwrap()
        .begin(&RunHeader { id: format!("run-{}", store.objects().len()).into(), ..run(1) });
    journal.settled(at(0), settled);
    if let Some((intention, outcome)) = of {
        let number = sendable(journal.intend(&[intention]).await.unwrap())[0];
        outcome.into_iter().for_each(|outcome| journal.outcomes(at(0), &[(number, outcome)]));
    }
    journal.flush().await.unwrap();
}

#[derive(Debug, Clone)]
enum BlockEvent {
    /// Ours: these are taken in and those out, among the hashes 0..4.
    Write {
        add: HashSet,
        remove: HashSet,
        fate: Fate,
    },
    /// Somebody else's, among the hashes 100..103.
    Others(HashSet),
    Settle,
}

fn some_of(range: std::ops::Range<u8>) -> impl Strategy<Value = HashSet> {
    proptest::collection::btree_set(range.prop_map(hash), 0..3)
}

fn block_event() -> impl Strategy<Value = BlockEvent> {
    prop_oneof![
        5 => (some_of(0..4), some_of(0..4), fate())
            .prop_map(|(add, remove, fate)| BlockEvent::Write { add, remove, fate }),
        1 => some_of(100..103).prop_map(BlockEvent::Others),
        2 => Just(BlockEvent::Settle),
    ]
}

#[derive(Debug, Clone)]
enum IsolationEvent {
    Write {
        timeout: Option<u64>,
        fate: Fate,
    },
    /// Somebody else's rule has other exclusions, or is gone.
    Others(bool),
    Settle,
}

fn isolation_event() -> impl Strategy<Value = IsolationEvent> {
    let timeout =
        proptest::option::weighted(0.8, prop::sample::select(vec![7_200_u64, 7_203, 7_206, 10_800]));
    prop_oneof![
        5 => (timeout, fate()).prop_map(|(timeout, fate)| IsolationEvent::Write { timeout, fate }),
        1 => any::<bool>().prop_map(IsolationEvent::Others),
        2 => Just(IsolationEvent::Settle),
    ]
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn blocks(initial: HashSet, events: Vec<BlockEvent>) {
    let (store, target) = (MemoryStore::default(), Target::AllHosts);
    let (mut on_server, mut added_by_us) = (initial, HashSet::new());
    let are_others_still = !events.iter().any(|event| matches!(event, BlockEvent::Others(_)));
    for event in events {
        match event {
            BlockEvent::Others(theirs) => {
                on_server.retain(|hash| *hash < crate::record::tests::support::hash(100));
                on_server.extend(theirs);
            }
            BlockEvent::Settle => {
                let reading = rule_of(&on_server).map_or(Reading::Absent, Reading::Present);
                let recorded = read(store.clone()).await;
                let before = recorded.ours_in(target, &on_server);
                write(&store, &recorded.settle_prevention(target, &reading), None).await;
                let settled = read(store.clone()).await;
                assert!(settled.open.is_empty());
                assert_eq!(settled.ours_in(target, &on_server), before, "settling changes no evidence");
            }
            BlockEvent::Write { add, remove, fate } => {
                let after: HashSet = on_server.difference(&remove).chain(&add).copied().collect();
                let difference = crate::model::Difference::Prevention(crate::model::Side {
                    before: rule_of(&on_server),
                    after: rule_of(&after),
                });
                let intention = Intention { difference, ..block(target, at(1), &[], &[]) };
                if after != on_server {
                    write(&store, &[], Some((intention, fate.outcome(at(1), None)))).await;
                    if fate.is_done() {
                        added_by_us.retain(|hash| after.contains(hash));
                        added_by_us.extend(after.difference(&on_server));
                        on_server = after;
                    }
                }
            }
        }
        let recorded = read(store.clone()).await;
        assert_eq!(recorded, read(store.clone()).await);
        let ours = recorded.ours_in(target, &on_server);
        assert!(ours.is_subset(&added_by_us), "{ours:?} are claimed, {added_by_us:?} are ours");
        if are_others_still {
            assert_eq!(ours, added_by_us);
        }
    }
}

async fn isolations(rounds: bool, events: Vec<IsolationEvent>) {
    let store = MemoryStore::default();
    let target = sensor(1);
    // The rule as listed, and when it truly began, where it is ours.
    let mut on_server: Option<(Isolation, Option<(jiff::Timestamp, bool)>)> = None;
    for (minute, event) in (0..).step_by(2).zip(events) {
        let listed = on_server.as_ref().map(|(rule, _)| rule.clone());
        match event {
            IsolationEvent::Others(isolates) => {
                on_server = isolates.then(|| (isolation(7_200, 2), None));
            }
            IsolationEvent::Settle => {
                let reading = listed.clone().map_or(Reading::Absent, Reading::Present);
                let recorded = read(store.clone()).await;
                // When it was read back is what settling adds; what and until when, it leaves.
                let evidence = |recorded: &Recorded| {
                    let rule = recorded.isolation_in_force(target, listed.as_ref()?)?;
                    Some(crate::record::RecordedRule { verified_at: None, ..rule })
                };
                write(&store, &recorded.settle_isolation(target, &reading), None).await;
                let settled = read(store.clone()).await;
                assert!(settled.open.is_empty());
                assert_eq!(evidence(&settled), evidence(&recorded), "settling changes no evidence");
            }
            IsolationEvent::Write { timeout, fate } => {
                let sent = timeout.map(|timeout| isolation(timeout, 1));
                let shown = sent.clone().map(|rule| match rounds {
                    true => Isolation { timeout_seconds: rule.timeout_seconds / 3_600 * 3_600, ..rule },
                    false => rule,
                });
                let outcome = fate.outcome(at(minute + 1), shown.as_ref().map(|rule| rule.timeout_seconds));
                write(&store, &[], Some((isolate(1, at(minute), listed, sent), outcome))).await;
                if fate.is_done() {
                    let is_recorded = fate == Fate::DoneAndRecorded;
                    on_server = shown.map(|rule| (rule, Some((at(minute + 1), is_recorded))));
                }
            }
        }
        if let Some((rule, begun)) = &on_server {
            let evidence = read(store.clone()).await.isolation_in_force(target, rule);
            match (evidence, begun) {
                (None, None) => {}
                (Some(known), None) => panic!("{known:?} is claimed, and is somebody else's"),
                (Some(known), Some((begun, _))) => assert!(known.sent_at <= *begun, "{known:?}: {begun}"),
                (None, Some((_, is_recorded))) => assert!(!is_recorded, "what was recorded is known"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_hash_is_claimed_that_somebody_else_put_there(
        initial in some_of(0..4),
        events in proptest::collection::vec(block_event(), 1..12),
    ) {
        now(blocks(initial, events));
    }

    #[test]
    fn no_isolation_is_said_to_end_later_than_it_does(
        rounds in any::<bool>(),
        events in proptest::collection::vec(isolation_event(), 1..12),
    ) {
        now(isolations(rounds, events));
    }
}
