//! What the journal tells of itself.

use super::support::*;
use crate::model::{Side, Target};
use crate::record::*;

async fn history(store: &MemoryStore, newest: Option<usize>) -> Result<History, RecordError> {
    Record::new(store.clone()).history(&server(), newest).await
}

/// Two runs; the second settles what the first left open.
async fn two_runs() -> MemoryStore {
    let store = MemoryStore::default();
    let mut first = begin(store.clone(), 1).await;
    let intentions = [
        isolate(1, at(1), None, Some(isolation(3_600, 1))),
        block(Target::AllHosts, at(1), &[1], &[1, 2, 3]),
        isolate(2, at(1), Some(isolation(3_600, 0)), None),
    ];
    first.intend(&intentions).await.unwrap();
    let refused = WriteOutcome::NotDone { why: "403".into() };
    first.outcomes(at(2), &[(IntentionNumber(1), done(at(1))), (IntentionNumber(3), refused)]);
    first.flush().await.unwrap();
    drop(first);
    let mut second = begin(store.clone(), 2).await;
    let settled =
        Settled { run: run(1).id, number: IntentionNumber(2), is_done: true, listed_timeout_seconds: None };
    second.settled(at(10), &[settled]);
    second.end(at(11), &RunEnd::Finished).await.unwrap();
    store
}

#[tokio::test]
async fn runs_are_told_newest_first_with_what_became_of_each_act() {
    let store = two_runs().await;
    let told = history(&store, None).await.unwrap();
    assert!(told.is_whole);
    let [second, first] = &told.runs[..] else { panic!("{told:#?}") };
    assert_eq!((&second.id, &first.id), (&run(2).id, &run(1).id));
    assert_eq!((&second.end, &first.end), (&Some(RunEnd::Finished), &None));
    assert_eq!((second.last_at, first.last_at), (at(11), at(2)));
    assert_eq!((&*first.by, &*first.owner, &*first.command), ("ana@soc-1", "soc-gitops", "apply -f state"));
    assert_eq!(first.ci_job.as_deref(), Some("https://ci.example.org/job/7"));
    let outcomes: Vec<&ActOutcome> = first.acts.iter().map(|act| &act.outcome).collect();
    let sent = |at| ActOutcome::Done { sent_at: at, listed_timeout_seconds: None };
    assert_eq!(outcomes, [&sent(at(1)), &sent(at(1)), &ActOutcome::NotDone { why: "403".into() }]);
    let isolated = Side { before: None, after: Some(isolation(3_600, 1)) };
    assert_eq!(first.acts[0].values, ActValues::Isolation(isolated));
    let ActValues::Prevention(Side { before: Some(before), after: Some(after) }) = &first.acts[1].values
    else {
        panic!("{first:#?}")
    };
    assert_eq!((before.count, after.count), (1, 3));
    let rule = Record::new(store).rule(after).await.unwrap();
    assert_eq!(rule.hashes(), hashes(&[1, 2, 3]));
}

/// A reading came before the request of who acts by hand, and what became of that they do not know.
#[tokio::test]
async fn an_unknown_outcome_by_hand_is_told_as_such_whatever_was_read_before() {
    let store = MemoryStore::default();
    let mut ana = Record::new(store.clone()).by_hand(&server(), &run(9)).await.unwrap();
    ana.intend(&[isolate(1, at(1), None, Some(isolation(3_600, 1)))]).await.unwrap();
    let mut apply = begin(store.clone(), 1).await;
    let absent = crate::model::Reading::Absent;
    apply.settled(at(2), &read(store.clone()).await.settle_isolation(sensor(1), &absent));
    apply.end(at(2), &RunEnd::Finished).await.unwrap();
    let outcome = async || history(&store, None).await.unwrap().runs[1].acts[0].outcome.clone();
    assert!(matches!(outcome().await, ActOutcome::NotDone { .. }));
    ana.outcomes(at(3), &[(IntentionNumber(1), WriteOutcome::Unknown { why: "no answer".into() })]);
    ana.end(at(3), &RunEnd::Finished).await.unwrap();
    assert_eq!(outcome().await, ActOutcome::Open { why: Some("no answer".into()) });
    assert_eq!(read(store.clone()).await.open.len(), 1, "as the ledger has it");
    // And a reading after that settles it for good.
    let mut next = begin(store.clone(), 2).await;
    next.settled(at(4), &read(store.clone()).await.settle_isolation(sensor(1), &absent));
    next.end(at(4), &RunEnd::Finished).await.unwrap();
    let told = history(&store, None).await.unwrap();
    assert!(matches!(told.runs[2].acts[0].outcome, ActOutcome::NotDone { .. }));
}

#[tokio::test]
async fn a_commit_that_may_not_be_what_was_applied_is_marked() {
    let commit_of = async |commit: &str| {
        let store = MemoryStore::default();
        let header = RunHeader { ci_commit: Some(commit.into()), ..run(1) };
        let record = Record::new(store.clone());
        let lock = record.lock(&server(), &holder(), std::time::Duration::ZERO).await.unwrap();
        let mut journal = lock.begin(&header);
        journal.intend(&[isolate(1, at(1), None, None)]).await.unwrap();
        history(&store, None).await.unwrap().runs[0].commit.clone().unwrap()
    };
    assert_eq!(commit_of("c0ffee").await, Commit { id: "c0ffee".into(), is_sure: true });
    assert_eq!(commit_of("c0ffee?").await, Commit { id: "c0ffee".into(), is_sure: false });
}

#[tokio::test]
async fn a_few_runs_cost_a_few_segments() {
    let store = two_runs().await;
    let first = store.objects().keys().find(|key| key.ends_with("000000000001.jsonl")).unwrap().clone();
    store.remove(&first);
    let newest = history(&store, Some(1)).await.unwrap();
    assert_eq!(newest.runs.len(), 1);
    assert!(!newest.is_whole, "there is more");
    let all = history(&store, None).await;
    assert!(matches!(all, Err(RecordError::Damaged { .. })), "{all:?}");
}

#[tokio::test]
async fn a_run_is_told_whole_or_not_at_all() {
    let store = MemoryStore::default();
    let mut run = begin(store.clone(), 1).await;
    for n in 1..=5 {
        run.intend(&[isolate(n, at(1), None, Some(isolation(3_600, 1)))]).await.unwrap();
    }
    let told = history(&store, Some(1)).await.unwrap();
    assert_eq!(told.runs[0].acts.len(), 5, "its beginning is five segments back");
    assert!(told.is_whole);
    assert!(history(&MemoryStore::default(), Some(1)).await.unwrap().is_whole, "no record, no runs");
}

#[tokio::test]
async fn an_exchanged_segment_is_found_when_reading_backwards() {
    let store = two_runs().await;
    let other = MemoryStore::default();
    let mut forged = begin(other.clone(), 1).await;
    forged.intend(&[isolate(9, at(1), None, None)]).await.unwrap();
    let (key, bytes) = other.objects().into_iter().find(|(key, _)| key.starts_with("journal/")).unwrap();
    store.overwrite(&key, bytes);
    let all = history(&store, None).await;
    assert!(matches!(all, Err(RecordError::Damaged { .. })), "{all:?}");
}
