//! Places for a record, and runs that write to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::{BucketUrl, Difference, Isolation, SensorId, ServerKey, Side, Target};
use kedrctl::record::{
    BucketStore, FolderStore, Holder, Intended, Intention, Intentions as _, Journal, LockStore, LockTerms,
    Record, Recorded, RunEnd, RunHeader, Store, WriteOutcome, run_id,
};
use object_store::memory::InMemory;
use tempfile::TempDir;
use uuid::Uuid;

use crate::s3::Server;

/// Long enough that nothing expires while a test is slow, short enough that waiting for a lock is.
pub(crate) const TERMS: LockTerms = LockTerms { time_to_live: Duration::from_secs(12) };

/// Where a record may be. Each `open` is what another process would have.
pub(crate) trait Place {
    type Store: LockStore + Clone + 'static;
    fn open(&self) -> Self::Store;
}

impl Place for TempDir {
    type Store = FolderStore;

    fn open(&self) -> FolderStore {
        FolderStore::new(self.path())
    }
}

impl Place for Arc<InMemory> {
    type Store = BucketStore;

    fn open(&self) -> BucketStore {
        BucketStore::over(self.clone(), "s3://memory").with_lock_terms(TERMS)
    }
}

impl Place for Server {
    type Store = BucketStore;

    fn open(&self) -> BucketStore {
        self.open_with(TERMS)
    }
}

/// A store of `.ci/stores`: named by KEDRCTL_TEST_STORE, reached as the environment says, under a prefix of its own.
pub(crate) struct Real(BucketUrl);

impl Real {
    pub(crate) fn new(test: &str) -> Self {
        let base = std::env::var("KEDRCTL_TEST_STORE").expect(".ci/stores sets KEDRCTL_TEST_STORE");
        Self(format!("{base}/{test}-{}", Uuid::new_v4()).parse().expect("a place of an object store"))
    }

    pub(crate) fn at(url: &str) -> Self {
        Self(url.parse().expect("a place of an object store"))
    }

    pub(crate) fn url(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn open_with(&self, terms: LockTerms) -> BucketStore {
        BucketStore::open(&self.0, std::env::vars(), terms).expect("a correct environment")
    }
}

impl Place for Real {
    type Store = BucketStore;

    fn open(&self) -> BucketStore {
        self.open_with(TERMS)
    }
}

pub(crate) fn server() -> ServerKey {
    ServerKey::of_address("kata.example.org", 443)
}

pub(crate) const LOCK: &str = "lock/kata.example.org_443";

pub(crate) fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_mins(minutes)
}

pub(crate) fn holder(pid: u32) -> Holder {
    Holder { by: "ana@soc-1".into(), pid, since: at(0) }
}

pub(crate) fn run(n: u16) -> RunHeader {
    RunHeader {
        id: run_id(at(0), n.to_be_bytes()),
        seed: Uuid::new_v4(),
        at: at(0),
        owner: "soc-gitops".into(),
        by: "ana@soc-1".into(),
        command: "apply".into(),
        allow: Vec::new(),
        plan: None,
        ci_job: None,
        ci_commit: None,
    }
}

pub(crate) fn isolate(n: u16) -> Intention {
    let after = Isolation { timeout_seconds: 86_400, exclusions: Arc::default() };
    Intention {
        target: Target::Sensor(SensorId::new(Uuid::from_u128(u128::from(n)))),
        host: Some("WS-017".into()),
        entry: None,
        cause: None,
        reason: Some("INC-417".into()),
        action: "set".into(),
        at: at(1),
        difference: Difference::Isolation(Side { before: None, after: Some(after) }),
        clocks_apart: false,
        foreign: None,
    }
}

pub(crate) async fn begin<S: LockStore>(store: S, n: u16, wait: Duration) -> Journal<S, S::Lock> {
    let record = Record::new(store);
    let locked = record.lock(&server(), &holder(u32::from(n)), wait).await;
    locked.unwrap_or_else(|error| panic!("run {n}: {error:?}")).begin(&run(n))
}

/// A whole run that isolates host `n`: two segments.
pub(crate) async fn whole_run<S: LockStore + Clone>(store: S, n: u16, wait: Duration) {
    let mut journal = begin(store.clone(), n, wait).await;
    let intended = journal.intend(&[isolate(n)]).await.unwrap();
    let [Intended::MaySend(number)] = intended[..] else { panic!("{intended:?}") };
    let done = WriteOutcome::Done { sent_at: at(1), listed_timeout_seconds: None };
    journal.outcomes(at(1), &[(number, done)]);
    journal.end(at(2), &RunEnd::Finished).await.unwrap();
    store.give_back().await.unwrap();
}

pub(crate) async fn read<S: Store>(store: S) -> Recorded {
    Record::new(store).read(&server()).await.unwrap()
}
