//! The lock of an object store, on time that a test moves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::Clock;
use kedrctl::record::{
    AnyStore, Breaking, BucketStore, Held, HeldLock as _, Intentions as _, LockStore as _, LockTerms, Record,
    RecordError,
};
use object_store::memory::InMemory;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{LOCK, at, begin, holder, isolate, server};

const MINUTE: Duration = Duration::from_secs(60);

fn store(memory: &Arc<InMemory>) -> BucketStore {
    BucketStore::over(memory.clone(), "s3://memory").with_lock_terms(LockTerms::default())
}

/// As a process ends that is killed: nothing of it goes on, and nothing is given back.
fn kill<T>(held: T, runtime: tokio::runtime::Runtime) {
    runtime.shutdown_background();
    std::mem::forget(held);
}

fn other_process() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn the_lock_of_the_dead_is_taken_over_after_its_time_and_not_before() {
    let memory = Arc::new(InMemory::new());
    let dead = other_process();
    let held = dead.block_on(store(&memory).lock(LOCK, &holder(1), Duration::ZERO)).unwrap();
    kill(held, dead);
    let next =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    next.block_on(async {
        let began = Instant::now();
        let early = store(&memory).lock(LOCK, &holder(2), Duration::from_secs(55)).await;
        assert!(matches!(early, Err(RecordError::Locked { .. })));
        let began_again = Instant::now();
        let taken = store(&memory).lock(LOCK, &holder(2), Duration::from_secs(90)).await.unwrap();
        assert_eq!(taken.fence(), 2);
        assert!(began_again.elapsed() >= MINUTE, "it was seen for {:?}", began_again.elapsed());
        assert!(began.elapsed() < 3 * MINUTE);
    });
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_the_living_is_not_however_long_one_waits() {
    let memory = Arc::new(InMemory::new());
    let held = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    // The holder only waits, as at a prompt.
    let refused = store(&memory).lock(LOCK, &holder(2), 60 * MINUTE).await;
    assert!(matches!(refused, Err(RecordError::Locked { .. })));
    assert!(held.lease().is_sure());
    let waiting = store(&memory);
    let second = holder(2);
    let (released, next) = tokio::join!(
        async {
            sleep(Duration::from_secs(7)).await;
            held.release().await
        },
        async {
            let began = Instant::now();
            let next = waiting.lock(LOCK, &second, MINUTE).await.unwrap();
            (next.fence(), began.elapsed())
        },
    );
    released.unwrap();
    assert_eq!(next.0, 2);
    assert!(next.1 < Duration::from_secs(10), "given back, it is free at once: {:?}", next.1);
}

#[tokio::test(start_paused = true)]
async fn who_is_interrupted_while_waiting_or_acquiring_leaves_nothing() {
    let memory = Arc::new(InMemory::new());
    let held = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    let impatient = store(&memory);
    let given_up = timeout(Duration::from_secs(5), impatient.lock(LOCK, &holder(2), 10 * MINUTE)).await;
    assert!(given_up.is_err());
    impatient.give_back().await.unwrap();
    assert!(held.lease().is_sure());
    held.release().await.unwrap();
    let next = store(&memory).lock(LOCK, &holder(3), Duration::ZERO).await.unwrap();
    assert_eq!(next.fence(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_lock_is_noticed_and_not_taken_back() {
    let memory = Arc::new(InMemory::new());
    let record = Record::new(AnyStore::Bucket(store(&memory)));
    assert_eq!(record.break_lock(&server(), 1).await.unwrap(), Breaking::WasFree);
    let held = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    assert_eq!(record.break_lock(&server(), 2).await.unwrap(), Breaking::OtherFence(1));
    let state = record.look_at_lock(&server()).await.unwrap();
    assert!(matches!(state.held, Held::Held { by: Some(by), .. } if by.pid == 1), "nothing was broken");
    assert_eq!(record.break_lock(&server(), 1).await.unwrap(), Breaking::Broken);
    assert_eq!(record.break_lock(&server(), 1).await.unwrap(), Breaking::WasFree);

    let next = store(&memory).lock(LOCK, &holder(2), Duration::ZERO).await.unwrap();
    assert_eq!(next.fence(), 2);
    sleep(Duration::from_secs(21)).await;
    assert!(!held.lease().is_sure(), "it was to be renewed by then");
    sleep(10 * MINUTE).await;
    assert!(!held.lease().is_sure() && next.lease().is_sure());
    // Nor is the other's given back in its stead.
    held.release().await.unwrap();
    assert!(next.lease().is_sure());
    let refused = store(&memory).lock(LOCK, &holder(3), Duration::ZERO).await;
    assert!(matches!(refused, Err(RecordError::Locked { .. })));
}

struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn who_slept_past_its_lock_is_not_sure_until_it_has_looked() {
    let memory = Arc::new(InMemory::new());
    let clock = Arc::new(SetClock(Mutex::new(at(0))));
    let sleeper = store(&memory).with_clock(clock.clone());
    let held = sleeper.lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    assert!(held.lease().is_sure());
    // The machine sleeps: its monotonic clock and its timers stand still.
    *clock.0.lock().unwrap() += SignedDuration::from_mins(5);
    assert!(!held.lease().is_sure());
    // Nobody wanted the lock meanwhile: renewed, it has been held all the time.
    sleep(Duration::from_secs(21)).await;
    assert!(held.lease().is_sure());
}

#[test]
fn who_was_frozen_while_another_took_over_collides() {
    let memory = Arc::new(InMemory::new());
    let frozen = other_process();
    let mut journal = frozen.block_on(begin(store(&memory), 1, Duration::ZERO));
    let next =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    next.block_on(async {
        let mut journal = begin(store(&memory), 2, Duration::from_secs(90)).await;
        journal.intend(&[isolate(2)]).await.unwrap();
    });
    let refused = frozen.block_on(journal.intend(&[isolate(1)])).unwrap_err();
    assert!(matches!(refused, RecordError::Collision { .. }), "{refused}");
}

#[tokio::test]
async fn what_is_no_lock_is_not_taken_for_a_free_one() {
    use object_store::{ObjectStoreExt as _, PutPayload};
    let memory = Arc::new(InMemory::new());
    memory.put(&LOCK.into(), PutPayload::from_static(b"{\"format\":9}")).await.unwrap();
    let refused = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await;
    assert!(matches!(refused, Err(RecordError::FromNewerVersion { .. })));
    memory.put(&LOCK.into(), PutPayload::from_static(b"")).await.unwrap();
    let refused = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await;
    assert!(matches!(refused, Err(RecordError::Damaged { .. })));
    let for_good = format!(
        r#"{{"format":1,"fence":1,"beat":1,"ttl":{},"nonce":"n","holder":{{"by":"x","pid":1,"since":"2026-11-25T00:00:00Z"}}}}"#,
        u64::MAX
    );
    memory.put(&LOCK.into(), PutPayload::from(for_good)).await.unwrap();
    let refused = store(&memory).lock(LOCK, &holder(1), Duration::ZERO).await;
    assert!(matches!(refused, Err(RecordError::Damaged { .. })));
}
