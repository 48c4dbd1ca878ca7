//! Tasks in the ledger: whatever was ever created stays there.

use std::sync::Arc;

use uuid::Uuid;

use super::support::*;
use crate::model::{Difference, ListedTask, Program, Reading, Side, Target, TaskId, Untrusted};
use crate::record::event::Event;
use crate::record::*;

fn id(n: u128) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(n))
}

fn program() -> Arc<Program> {
    Arc::new(Program { command: r"C:\x.exe".into(), arguments: Some("/q".into()), working_directory: None })
}

fn task(n: u128, minutes: i64, is_start: bool) -> Intention {
    let side = if is_start {
        Side { before: None, after: Some(program()) }
    } else {
        Side { before: Some(program()), after: None }
    };
    let isolated = isolate(1, at(minutes), None, None);
    Intention { target: Target::Sensor(sensor(1)), difference: Difference::Task(id(n), side), ..isolated }
}

fn there() -> Reading<ListedTask> {
    Reading::Present(ListedTask { state: Untrusted::new("x"), started: None, program: None })
}

#[tokio::test]
async fn what_was_created_is_known_for_good_also_when_somebody_else_was_faster_or_it_was_deleted() {
    let store = MemoryStore::default();
    let mut journal = begin(store.clone(), 1).await;
    let intentions = [task(1, 1, true), task(2, 1, true), task(3, 1, true), task(4, 1, true)];
    let numbers = sendable(journal.intend(&intentions).await.unwrap());
    let outcomes = [
        done(at(2)),
        WriteOutcome::NothingToDo,
        WriteOutcome::NotDone { why: "refused".into() },
        WriteOutcome::Unknown { why: "lost".into() },
    ];
    let outcomes: Vec<_> = numbers.into_iter().zip(outcomes).collect();
    journal.outcomes(at(3), &outcomes);
    let numbers = sendable(journal.intend(&[task(1, 4, false)]).await.unwrap());
    journal.outcomes(at(5), &[(numbers[0], done(at(4)))]);
    journal.end(at(6), &RunEnd::Finished).await.unwrap();

    let recorded = read(store).await;
    let known: Vec<(TaskId, bool)> = recorded.tasks.iter().map(|(id, task)| (*id, task.is_deleted)).collect();
    assert_eq!(known, [(id(1), true), (id(2), false)]);
    assert_eq!(recorded.tasks[&id(1)].by.at, at(4));
    assert_eq!(recorded.tasks[&id(2)].program, program());
    assert_eq!(recorded.open.len(), 1);
}

#[tokio::test]
async fn a_lost_start_is_settled_by_whether_it_is_there() {
    let settled = async |reading: &Reading<ListedTask>| {
        let store = MemoryStore::default();
        let mut journal = begin(store.clone(), 1).await;
        sendable(journal.intend(&[task(1, 1, true)]).await.unwrap());
        drop(journal);
        let mut next = begin(store.clone(), 2).await;
        let settled = next.recorded().settle_task(id(1), reading);
        next.settled(at(9), &settled);
        next.end(at(10), &RunEnd::Finished).await.unwrap();
        let recorded = read(store).await;
        (recorded.tasks.contains_key(&id(1)), recorded.open.len())
    };
    assert_eq!(settled(&there()).await, (true, 0));
    assert_eq!(settled(&Reading::Absent).await, (false, 0));
    let unknown = Reading::Unknown(crate::model::ReadFailure::new("timed out"));
    assert_eq!(settled(&unknown).await, (false, 1));
}

#[tokio::test]
async fn a_ledger_with_tasks_is_nothing_for_a_version_without() {
    let store = MemoryStore::default();
    let mut journal = begin(store.clone(), 1).await;
    let numbers = sendable(journal.intend(&[task(1, 1, true)]).await.unwrap());
    journal.outcomes(at(3), &[(numbers[0], done(at(2)))]);
    journal.end(at(6), &RunEnd::Finished).await.unwrap();
    let text = serde_json::to_string(&RecordedFile::from(&read(store.clone()).await)).unwrap();
    assert!(text.starts_with(r#"{"format":2"#), "{text}");
    let empty = serde_json::to_string(&RecordedFile::from(&Recorded::default())).unwrap();
    assert!(empty.starts_with(r#"{"format":1"#), "what has none is read by it: {empty}");
    // Its events are of a kind of write that it does not know, and say nothing of being passed over.
    let line = br#"{"event":"intends","intention":1,"at":"2026-11-25T00:01:00Z","target":"all","action":"x","difference":{"weather":{}}}"#;
    assert!(Event::decode(line).is_err());
}
