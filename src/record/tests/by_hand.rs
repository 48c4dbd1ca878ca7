//! Acts by hand beside a run that has the lock.

use std::sync::Arc;
use std::time::Duration;

use super::support::*;
use crate::model::{Aspect, Reading, Subject, Target};
use crate::record::*;

const DAY: u64 = 86_400;

fn subject(n: u8) -> Subject {
    Subject { target: Target::Sensor(sensor(n)), aspect: Aspect::Isolation }
}

fn new_hold(until: i64) -> NewHold {
    NewHold {
        until: at(until),
        command: "isolate".into(),
        reason: Some("INC-417".into()),
        host: Some("WS-017".into()),
    }
}

fn by_ana(n: u8) -> RunHeader {
    RunHeader { command: "isolate WS-017".into(), ..run(n) }
}

async fn hand<S: Store>(store: S, n: u8) -> Journal<S, ()> {
    Record::new(store).by_hand(&server(), &by_ana(n)).await.unwrap()
}

/// Isolates `host` by hand as far as the intention.
async fn isolate_by_hand<S: Store>(store: S, n: u8, host: u8) -> Journal<S, ()> {
    let mut journal = hand(store, n).await;
    journal.hold(at(1), subject(host), &new_hold(1_440));
    let intended = journal.intend(&[isolate(host, at(1), None, Some(isolation(DAY, 0)))]).await.unwrap();
    assert_eq!(intended, [Intended::MaySend(IntentionNumber(1))]);
    journal
}

fn segments(store: &MemoryStore) -> Vec<String> {
    let objects = store.objects().into_iter().filter(|(key, _)| key.starts_with("journal/"));
    objects.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect()
}

/// The first act was made on a machine whose clock is five minutes ahead.
#[tokio::test]
async fn the_chain_tells_what_came_last_and_not_the_clocks_of_two_machines() {
    let store = MemoryStore::default();
    let end = async |journal: Journal<MemoryStore, ()>, minute| {
        journal.end(at(minute), &RunEnd::Finished).await.unwrap();
        read(store.clone()).await
    };
    let mut ahead = hand(store.clone(), 9).await;
    ahead.hold(at(6), subject(1), &new_hold(480));
    ahead.intend(&[isolate(1, at(6), None, Some(isolation(DAY, 0)))]).await.unwrap();
    ahead.outcomes(at(6), &[(IntentionNumber(1), done(at(6)))]);
    end(ahead, 6).await;

    let mut shorter = hand(store.clone(), 10).await;
    shorter.hold(at(2), subject(1), &new_hold(62));
    assert_eq!(end(shorter, 2).await.holds[&subject(1).into()].until, at(62));
    let mut ahead = hand(store.clone(), 11).await;
    ahead.hold(at(7), subject(1), &new_hold(480));
    end(ahead, 7).await;
    let mut ends = hand(store.clone(), 12).await;
    ends.end_hold(at(3), subject(1), None);
    assert!(end(ends, 3).await.holds.is_empty());

    let mut apply = begin(store.clone(), 13).await;
    let release = isolate(1, at(4), Some(isolation(DAY, 0)), None);
    let number = sendable(apply.intend(&[release]).await.unwrap())[0];
    apply.outcomes(at(4), &[(number, done(at(4)))]);
    apply.end(at(4), &RunEnd::Finished).await.unwrap();
    let recorded = read(store.clone()).await;
    assert_eq!(recorded.isolations[&sensor(1)].rule, None);
    assert_eq!(recorded.last_run.unwrap().id, run(13).id);
}

#[tokio::test]
async fn who_ends_or_shortens_a_hold_touches_none_that_somebody_leaves_meanwhile() {
    let store = MemoryStore::default();
    let leave = async |n, minute, until| {
        let mut journal = hand(store.clone(), n).await;
        journal.hold(at(minute), subject(1), &new_hold(until));
        journal.end(at(minute), &RunEnd::Finished).await.unwrap();
    };
    leave(9, 1, 60).await;
    let mut ends = hand(store.clone(), 10).await;
    ends.end_hold(at(3), subject(1), None);
    leave(11, 2, 1_440).await;
    ends.end(at(3), &RunEnd::Finished).await.unwrap();
    assert_eq!(read(store.clone()).await.holds[&subject(1).into()].until, at(1_440));

    let mut shortens = hand(store.clone(), 12).await;
    shortens.hold(at(4), subject(1), &new_hold(5));
    leave(13, 5, 2_000).await;
    shortens.end(at(6), &RunEnd::Finished).await.unwrap();
    assert_eq!(read(store.clone()).await.holds[&subject(1).into()].until, at(2_000));

    // Its own is ended that was not even put down yet.
    let mut own = hand(store.clone(), 14).await;
    own.hold(at(7), subject(1), &new_hold(3_000));
    own.end_hold(at(7), subject(1), None);
    own.end(at(7), &RunEnd::Finished).await.unwrap();
    assert!(read(store).await.holds.is_empty());
}

/// An outcome is appended with what comes next: its place in the chain says nothing of when it was sent.
#[tokio::test]
async fn of_two_who_were_at_it_at_once_the_one_counts_that_was_sent_last() {
    for (release_sent, is_free) in [(at(2), false), (at(4), true)] {
        let store = MemoryStore::default();
        let mut apply = begin(store.clone(), 1).await;
        let release = isolate(1, at(1), Some(isolation(DAY, 0)), None);
        let number = sendable(apply.intend(&[release]).await.unwrap())[0];
        let mut ana = isolate_by_hand(store.clone(), 9, 1).await;
        ana.outcomes(at(3), &[(IntentionNumber(1), done(at(3)))]);
        ana.end(at(3), &RunEnd::Finished).await.unwrap();
        apply.outcomes(at(5), &[(number, done(release_sent))]);
        apply.end(at(5), &RunEnd::Finished).await.unwrap();
        assert_eq!(read(store).await.isolations[&sensor(1)].rule.is_none(), is_free);
    }
}

#[tokio::test]
async fn a_run_by_hand_its_hold_and_its_intention_are_one_segment_without_a_fence() {
    let store = MemoryStore::default();
    let mut journal = isolate_by_hand(store.clone(), 9, 1).await;
    let written = segments(&store);
    assert_eq!(written.len(), 1);
    let events: Vec<&str> = written[0].lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert!(written[0].contains("\"fence\":null"));
    assert_eq!(events[1..4], ["run_begins", "held", "intends"]);

    let recorded = read(store.clone()).await;
    let hold = &recorded.holds[&subject(1).into()];
    assert_eq!((hold.until, &*hold.by, &*hold.command), (at(1_440), "ana@soc-1", "isolate"));
    assert_eq!((&hold.run, hold.reason.as_deref()), (&run(9).id, Some("INC-417")));
    assert!(recorded.open[0].by_hand && recorded.last_run.unwrap().is_unfinished);

    journal.outcomes(at(2), &[(IntentionNumber(1), done(at(2)))]);
    assert!(matches!(journal.end(at(3), &RunEnd::Finished).await, Ok(Kept::InRecord)));
    let recorded = read(store.clone()).await;
    assert!(recorded.open.is_empty() && recorded.isolations.contains_key(&sensor(1)));
    assert_eq!(recorded.holds.len(), 1);

    let mut journal = hand(store.clone(), 10).await;
    journal.end_hold(at(4), subject(1), Some("WS-017"));
    journal.end(at(4), &RunEnd::Finished).await.unwrap();
    assert!(read(store).await.holds.is_empty());
}

#[tokio::test]
async fn who_has_the_lock_goes_on_after_what_was_done_by_hand() {
    let store = MemoryStore::default();
    let mut apply = begin(store.clone(), 1).await;
    apply.flush().await.unwrap();
    drop(isolate_by_hand(store.clone(), 9, 1).await);
    let intentions =
        [1, 2].map(|n| isolate(n, at(2), Some(isolation(DAY, 0)), None)).into_iter().collect::<Vec<_>>();
    let intended = apply.intend(&intentions).await.unwrap();
    let Intended::Held(hold) = &intended[0] else { panic!("{intended:?}") };
    assert_eq!((&*hold.by, hold.until), ("ana@soc-1", at(1_440)));
    assert_eq!(intended[1], Intended::MaySend(IntentionNumber(2)));
    apply.outcomes(at(3), &[(IntentionNumber(2), done(at(2)))]);
    apply.end(at(3), &RunEnd::Finished).await.unwrap();

    let written = segments(&store);
    assert_eq!(written.len(), 4);
    // Why it was left alone is in the record.
    assert!(written[2].contains("\"outcome\":\"not_done\",\"why\":\"held by ana@soc-1 until 2026-11-26"));
    let recorded = read(store).await;
    let open: Vec<_> = recorded.open.iter().map(|open| (open.subject, open.by_hand)).collect();
    assert_eq!(open, [(subject(1), true)]);
    assert_eq!(recorded.isolations[&sensor(2)].rule, None);
}

#[tokio::test]
async fn a_hold_that_the_plan_knew_or_that_is_over_or_of_another_aspect_holds_nothing() {
    let store = MemoryStore::default();
    drop(isolate_by_hand(store.clone(), 9, 1).await);
    let mut apply = begin(store.clone(), 1).await;
    let mut other = hand(store.clone(), 10).await;
    other.hold(at(1), subject(2), &new_hold(2));
    other.hold(at(1), Subject { aspect: Aspect::Prevention, ..subject(3) }, &new_hold(1_440));
    other.flush().await.unwrap();
    let intentions = [1, 2, 3].map(|n| isolate(n, at(2), Some(isolation(DAY, 0)), None));
    assert_eq!(sendable(apply.intend(&intentions).await.unwrap()).len(), 3);

    // The same hold anew is one that the plan did not know.
    other.hold(at(2), subject(1), &new_hold(1_500));
    other.flush().await.unwrap();
    let intended = apply.intend(&intentions[..1]).await.unwrap();
    assert!(matches!(intended[..], [Intended::Held(_)]), "{intended:?}");
    // Asked before something is sent again, without an append.
    assert!(apply.hold_since(subject(1), at(3)).await.unwrap().is_some());
    assert_eq!(apply.hold_since(subject(2), at(3)).await.unwrap(), None);
    other.hold(at(3), subject(2), &new_hold(1_440));
    other.flush().await.unwrap();
    assert!(apply.hold_since(subject(2), at(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn acts_by_hand_are_not_held_and_go_on_after_anybody() {
    let store = MemoryStore::default();
    let mut ana = hand(store.clone(), 9).await;
    let mut apply = begin(store.clone(), 1).await;
    apply.flush().await.unwrap();
    drop(isolate_by_hand(store.clone(), 10, 1).await);
    ana.hold(at(5), subject(1), &new_hold(2_000));
    let intended = ana.intend(&[isolate(1, at(5), Some(isolation(DAY, 0)), None)]).await.unwrap();
    assert!(matches!(intended[..], [Intended::MaySend(_)]));
    assert_eq!(ana.hold_since(subject(1), at(5)).await.unwrap(), None);
    assert_eq!(segments(&store).len(), 3);
    assert_eq!(read(store).await.holds[&subject(1).into()].until, at(2_000));
}

#[tokio::test]
async fn another_holder_of_the_lock_stops_a_run_and_by_hand_nobody_does() {
    let store = MemoryStore::default();
    let mut frozen = begin(store.clone(), 1).await;
    frozen.flush().await.unwrap();
    // Its lock was taken over.
    let copy = MemoryStore::default();
    for (key, bytes) in store.objects() {
        copy.overwrite(&key, bytes);
    }
    let mut second = begin(copy.clone(), 2).await;
    second.flush().await.unwrap();
    for (key, bytes) in copy.objects() {
        store.overwrite(&key, bytes);
    }
    let mut ana = hand(store.clone(), 9).await;
    ana.hold(at(1), subject(1), &new_hold(9));
    ana.flush().await.unwrap();
    let refused = frozen.hold_since(subject(1), at(1)).await;
    assert!(matches!(refused, Err(RecordError::Collision { .. })), "{refused:?}");
    let refused = frozen.intend(&[isolate(2, at(1), None, None)]).await;
    let Err(RecordError::Collision { other, place }) = refused else { panic!("{refused:?}") };
    assert_eq!((&*other, &*place), (&*run(2).id, "memory:journal/kata.example.org_443/000000000002.jsonl"));
    assert_eq!(segments(&store).len(), 3);
}

#[tokio::test]
async fn an_open_release_is_seen_until_its_run_tells_how_it_ended() {
    let store = MemoryStore::default();
    let mut apply = begin(store.clone(), 1).await;
    let release = isolate(1, at(1), Some(isolation(DAY, 0)), None);
    let number = sendable(apply.intend(&[release]).await.unwrap())[0];
    let mut ana = isolate_by_hand(store.clone(), 9, 1).await;
    let open = ana.open_of_others(subject(1)).next().unwrap();
    assert_eq!((&open.by.run, open.by_hand), (&run(1).id, false));
    assert_eq!(ana.open_of_others(subject(2)).count(), 0);

    // That we are done says nothing of what the other is about to send.
    ana.outcomes(at(2), &[(IntentionNumber(1), done(at(2)))]);
    ana.flush().await.unwrap();
    assert!(ana.open_of_others(subject(1)).count() == 1);
    apply.outcomes(at(3), &[(number, WriteOutcome::Unknown { why: "no answer".into() })]);
    apply.flush().await.unwrap();
    ana.catch_up().await.unwrap();
    assert!(ana.open_of_others(subject(1)).count() == 1 && !ana.has_ended(&run(1).id));
    apply.end(at(4), &RunEnd::Finished).await.unwrap();
    ana.catch_up().await.unwrap();
    assert!(ana.open_of_others(subject(1)).count() == 1 && ana.has_ended(&run(1).id));
}

#[tokio::test]
async fn a_reading_before_the_request_says_nothing_against_who_acts_by_hand() {
    let store = MemoryStore::default();
    let mut ana = isolate_by_hand(store.clone(), 9, 1).await;
    // A run begins meanwhile, and reads the host before the request arrives.
    let recorded = read(store.clone()).await;
    let settled = recorded.settle_isolation(sensor(1), &Reading::Absent);
    assert!(!settled[0].is_done);
    let mut apply = begin(store.clone(), 1).await;
    apply.settled(at(2), &settled);
    apply.flush().await.unwrap();
    assert!(read(store.clone()).await.open.is_empty());
    ana.outcomes(at(3), &[(IntentionNumber(1), done(at(2)))]);
    ana.end(at(3), &RunEnd::Finished).await.unwrap();
    let recorded = read(store).await;
    assert_eq!(recorded.isolations[&sensor(1)].rule.as_ref().unwrap().sent_at, at(2));
}

#[tokio::test]
async fn a_later_write_of_the_same_is_not_undone_by_an_older_outcome() {
    let store = MemoryStore::default();
    let mut ana = isolate_by_hand(store.clone(), 9, 1).await;
    let settled = read(store.clone()).await.settle_isolation(sensor(1), &Reading::Absent);
    let mut bob = hand(store.clone(), 10).await;
    bob.settled(at(2), &settled);
    let number = sendable(bob.intend(&[isolate(1, at(3), None, Some(isolation(DAY, 2)))]).await.unwrap())[0];
    bob.outcomes(at(4), &[(number, done(at(3)))]);
    bob.end(at(4), &RunEnd::Finished).await.unwrap();
    ana.outcomes(at(5), &[(IntentionNumber(1), done(at(2)))]);
    ana.end(at(5), &RunEnd::Finished).await.unwrap();
    assert_eq!(read(store).await.isolations[&sensor(1)].by.run, run(10).id);
}

#[tokio::test(start_paused = true)]
async fn one_append_for_a_hundred_intentions_and_no_set_twice() {
    let inner = MemoryStore::default();
    let store = FaultyStore::new(inner.clone(), &[], Fault::Refused);
    let mut journal = begin(store.clone(), 1).await;
    let before = store.calls();
    let rules: Vec<_> = (0..100).map(|n| isolate(n, at(1), None, Some(isolation(DAY, 1)))).collect();
    journal.intend(&rules).await.unwrap();
    assert_eq!(store.calls() - before, 1);
    let blocks: Vec<_> =
        (0..100).map(|n| block(Target::Sensor(sensor(n)), at(1), &[1, n % 2], &[1, 2, n % 2])).collect();
    journal.intend(&blocks).await.unwrap();
    // Four different sets (the same hashes are the same set), a look at the segment before, then the segment that
    // names them.
    assert_eq!(store.calls() - before, 1 + 4 + 2);
    journal.intend(&blocks).await.unwrap();
    assert_eq!(store.calls() - before, 1 + 4 + 2 + 2);
    assert_eq!(inner.objects().keys().filter(|key| key.starts_with("sets/")).count(), 4);
}

/// Somebody else is always first.
#[derive(Clone)]
struct Busy(MemoryStore, Arc<std::sync::atomic::AtomicU8>);

impl Store for Busy {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.0.get(key).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        if !self.0.objects().contains_key(key) {
            let n = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut other = Record::new(self.0.clone()).by_hand(&server(), &run(n)).await?;
            other.hold(at(1), subject(n), &new_hold(9));
            other.flush().await?;
        }
        self.0.create(key, bytes).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.0.replace(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.0.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.0.place(key)
    }
}

impl LockStore for Busy {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<MemoryLock, RecordError> {
        self.0.lock(key, holder, timeout).await
    }
}

#[tokio::test]
async fn who_is_never_first_gives_up_after_a_while() {
    let store = Busy(MemoryStore::default(), Arc::default());
    let mut apply = begin(store.clone(), 200).await;
    let error = apply.flush().await.unwrap_err();
    assert!(matches!(error, RecordError::Contended { .. }), "{error}");
    assert!(segments(&store.0).len() > 100);
}

#[tokio::test]
async fn no_older_reader_passes_over_a_hold() {
    let store = MemoryStore::default();
    let mut journal = isolate_by_hand(store.clone(), 9, 1).await;
    journal.end_hold(at(4), subject(1), None);
    journal.end(at(4), &RunEnd::Finished).await.unwrap();
    // What an event of a kind that it does not know says of itself is all that it looks at.
    for segment in segments(&store) {
        for line in segment.lines().filter(|line| line.contains("hold") || line.contains("held")) {
            assert!(!line.contains("ignorable"), "{line}");
        }
    }
    let lines = segments(&store).concat();
    assert!(lines.contains(
        "{\"event\":\"held\",\"at\":\"2026-11-25T00:01:00Z\",\"target\":\"00000000-0000-0000-0000-000000000001\",\
         \"aspect\":\"isolation\",\"host\":\"WS-017\",\"until\":\"2026-11-26T00:00:00Z\",\"command\":\"isolate\",\
         \"reason\":\"INC-417\"}\n"
    ));
    assert!(lines.contains(
        "{\"event\":\"hold_ended\",\"at\":\"2026-11-25T00:04:00Z\",\"target\":\
         \"00000000-0000-0000-0000-000000000001\",\"aspect\":\"isolation\",\"run\":\"20261125-000000-0009\"}\n"
    ));
}
