use std::time::Duration;

use super::support::*;
use crate::model::{Isolation, Target};
use crate::record::*;

const DAY: u64 = 86_400;

/// What a run of the scripts below was told, as far as it came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// The sensors whose intention may be sent.
    may_send: Vec<u8>,
    failures: usize,
}

fn rule() -> Isolation {
    isolation(DAY, 1)
}

/// A run of three batches with a block between them: nine calls of the store.
async fn script<S: LockStore>(store: S, stop_at_first_failure: bool) -> Told {
    let mut told = Told::default();
    let record = Record::new(store);
    let Ok(locked) = record.lock(&server(), &holder(), Duration::ZERO).await else {
        return Told { failures: 1, ..told };
    };
    let mut journal = locked.begin(&run(1));
    for (batch, n) in [1_u8, 3, 5].into_iter().enumerate() {
        let minute = i64::from(n);
        let mut intentions: Vec<_> = [n, n + 1].map(|n| isolate(n, at(minute), None, Some(rule()))).into();
        if batch == 1 {
            intentions.push(block(Target::AllHosts, at(minute), &[8, 9], &[1, 9]));
        }
        match journal.intend(&intentions).await {
            Ok(numbers) => {
                told.may_send.extend([n, n + 1]);
                let outcomes: Vec<_> = sendable(numbers).into_iter().map(|n| (n, done(at(minute)))).collect();
                journal.outcomes(at(minute), &outcomes);
            }
            Err(_) if stop_at_first_failure => return Told { failures: 1, ..told },
            Err(_) => told.failures += 1,
        }
    }
    if journal.end(at(60), &RunEnd::Finished).await.is_err() {
        told.failures += 1;
    }
    told
}

fn known(recorded: &Recorded) -> Vec<u8> {
    let is_known = |n: &u8| {
        let target = Target::Sensor(sensor(*n));
        recorded.isolations.contains_key(&sensor(*n))
            || recorded.open.iter().any(|open| open.subject.target == target)
    };
    (1..=6).filter(is_known).collect()
}

/// The next run can always go on.
async fn assert_goes_on(store: MemoryStore) {
    let mut next = begin(store.clone(), 2).await;
    next.intend(&[isolate(99, at(70), None, Some(rule()))]).await.unwrap();
    drop(next);
    assert_eq!(&read(store).await.last_run.unwrap().id, &run(2).id);
}

async fn calls_of_the_script() -> u64 {
    let store = FaultyStore::new(MemoryStore::default(), &[], Fault::Refused);
    assert_eq!(script(store.clone(), true).await, Told { may_send: (1..=6).collect(), failures: 0 });
    store.calls()
}

#[tokio::test(start_paused = true)]
async fn killed_between_any_two_steps_nothing_is_sent_that_the_record_does_not_know() {
    for call in 1..=calls_of_the_script().await {
        for kind in [Fault::Refused, Fault::AnswerLost, Fault::Hangs] {
            let inner = MemoryStore::default();
            let faults: Vec<_> = (call..call + 9).collect();
            let killed = script(FaultyStore::new(inner.clone(), &faults, kind), true);
            let told = tokio::time::timeout(Duration::from_secs(1), killed).await;
            let told = told.unwrap_or_else(|_hung| Told::default());
            let recorded = read(inner.clone()).await;
            let known = known(&recorded);
            assert!(told.may_send.iter().all(|n| known.contains(n)), "{call} {kind:?}: {told:?}, {known:?}");
            assert!(recorded.last_run.as_ref().is_none_or(|run| run.is_unfinished || told.failures <= 1));
            assert_goes_on(inner).await;
        }
    }
}

#[tokio::test]
async fn one_lost_answer_changes_nothing() {
    let whole = MemoryStore::default();
    script(whole.clone(), true).await;
    for call in 1..=calls_of_the_script().await {
        let inner = MemoryStore::default();
        let told = script(FaultyStore::new(inner.clone(), &[call], Fault::AnswerLost), true).await;
        if told.failures == 0 {
            assert_eq!(inner.objects(), whole.objects(), "call {call}");
        } else {
            assert!(told.may_send.is_empty() && inner.objects().len() < 2, "call {call}: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_was_not_sure_to_be_recorded_is_never_sent_and_does_not_stay_open() {
    for call in 1..=calls_of_the_script().await {
        for kind in [Fault::Refused, Fault::AnswerLost] {
            let inner = MemoryStore::default();
            let told = script(FaultyStore::new(inner.clone(), &[call, call + 1], kind), false).await;
            let recorded = read(inner.clone()).await;
            let done: Vec<_> = (1..=6).filter(|n| recorded.isolations.contains_key(&sensor(*n))).collect();
            let open: Vec<_> = recorded.open.iter().map(|open| open.number.0).collect();
            if recorded.last_run.as_ref().is_some_and(|run| !run.is_unfinished) {
                assert_eq!((done, open), (told.may_send, vec![]), "call {call} {kind:?}");
            }
            assert_goes_on(inner).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_was_given_up_is_finished_by_the_next() {
    let inner = MemoryStore::default();
    // 1 locks, 2 asks for a snapshot, 3 lists, 4 appends.
    let store = FaultyStore::new(inner.clone(), &[4], Fault::Hangs);
    let mut journal = begin(store, 1).await;
    let first = [isolate(1, at(1), None, Some(rule()))];
    let given_up = tokio::time::timeout(Duration::from_secs(1), journal.intend(&first)).await;
    assert!(given_up.is_err());
    let numbers = journal.intend(&[isolate(2, at(2), None, Some(rule()))]).await.unwrap();
    assert_eq!(numbers, [Intended::MaySend(IntentionNumber(2))]);
    assert_eq!(known(&read(inner).await), [1, 2]);
}

#[tokio::test]
async fn a_run_that_did_nothing_leaves_no_trace() {
    let store = MemoryStore::default();
    let mut journal = begin(store.clone(), 1).await;
    journal.note(at(1), &Facts::default());
    journal.settled(at(1), &[]);
    journal.end(at(2), &RunEnd::Finished).await.unwrap();
    assert!(store.objects().is_empty());

    let mut journal = begin(store.clone(), 1).await;
    journal.flush().await.unwrap();
    let why = "the server hung up".into();
    journal.end(at(2), &RunEnd::Failed { why }).await.unwrap();
    assert_eq!(store.objects().len(), 2);
    assert!(!read(store).await.last_run.unwrap().is_unfinished);
}

#[tokio::test]
async fn who_meets_the_segment_of_another_run_stops() {
    let store = MemoryStore::default();
    // A share without working locks: both believe that they hold it.
    let mut one = begin(store.clone(), 1).await;
    let deaf = MemoryStore::default();
    for (key, bytes) in store.objects() {
        deaf.overwrite(&key, bytes);
    }
    let mut other = begin(deaf.clone(), 2).await;
    other.intend(&[isolate(2, at(1), None, Some(rule()))]).await.unwrap();
    for (key, bytes) in deaf.objects() {
        store.overwrite(&key, bytes);
    }
    for _ in 0..2 {
        let stopped = one.intend(&[isolate(1, at(1), None, Some(rule()))]).await;
        let Err(RecordError::Collision { other, .. }) = stopped else { panic!("{stopped:?}") };
        assert_eq!(*other, *run(2).id);
    }
    assert!(one.end(at(3), &RunEnd::Finished).await.is_err());
    assert_eq!(known(&read(store).await), [2]);
}

#[tokio::test]
async fn the_lock_is_held_until_the_run_ends_and_its_fence_rises() {
    let store = MemoryStore::default();
    let record = Record::new(store.clone());
    let mut journal = begin(store.clone(), 1).await;
    let Err(refused) = record.lock(&server(), &holder(), Duration::ZERO).await else { panic!() };
    assert_eq!(
        refused.to_string(),
        "the lock memory:lock/kata.example.org_443 is held by ana@soc-1 (process 4711) since \
         2026-11-25T00:00:00Z; wait until that run has ended, or give a longer --lock-timeout"
    );
    // Another server is another lock.
    let elsewhere = crate::model::ServerKey::of_address("other", 443);
    assert!(record.lock(&elsewhere, &holder(), Duration::ZERO).await.is_ok());
    journal.flush().await.unwrap();
    journal.end(at(1), &RunEnd::Finished).await.unwrap();
    let mut journal = begin(store.clone(), 2).await;
    journal.flush().await.unwrap();
    let segments = store.objects().into_values().map(|bytes| String::from_utf8(bytes).unwrap());
    let fences: Vec<_> =
        segments.map(|text| text.split_once("\"fence\":").unwrap().1[..1].to_owned()).collect();
    assert_eq!(fences, ["1", "1", "2"]);
}
