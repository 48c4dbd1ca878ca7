use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::model::{
    Difference, Direction, ExclusionRule, FileHash, HashSet, Isolation, PreventionRule, Protocol, SensorId,
    ServerKey, Side, Target,
};
use crate::record::*;

pub(super) fn server() -> ServerKey {
    ServerKey::of_address("kata.example.org", 443)
}

pub(super) fn sensor(n: u8) -> SensorId {
    SensorId::new(Uuid::from_u128(u128::from(n)))
}

/// An instant, `minutes` after the tests begin.
pub(super) fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_mins(minutes)
}

pub(super) fn hash(n: u8) -> FileHash {
    FileHash::Sha256([n; 32])
}

pub(super) fn hashes(of: &[u8]) -> HashSet {
    of.iter().copied().map(hash).collect()
}

pub(super) fn rule_of(hashes: &HashSet) -> Option<Arc<PreventionRule>> {
    let objects = hashes.iter().map(|hash| (*hash, crate::model::KeptObject::default())).collect();
    (!hashes.is_empty()).then(|| Arc::new(PreventionRule { objects }))
}

/// An isolation that lets through DNS over that many protocols.
pub(super) fn isolation(timeout_seconds: u64, exclusions: u8) -> Isolation {
    let rule = |n| ExclusionRule::new(Direction::Outbound, Some(Protocol(n)), None, None, None).unwrap();
    let exclusions: BTreeSet<_> = (0..exclusions).map(rule).collect();
    Isolation { timeout_seconds, exclusions: Arc::new(exclusions) }
}

pub(super) fn isolate(
    n: u8,
    at: Timestamp,
    before: Option<Isolation>,
    after: Option<Isolation>,
) -> Intention {
    intention(Target::Sensor(sensor(n)), at, Difference::Isolation(Side { before, after }))
}

pub(super) fn block(target: Target, at: Timestamp, before: &[u8], after: &[u8]) -> Intention {
    let side = Side { before: rule_of(&hashes(before)), after: rule_of(&hashes(after)) };
    intention(target, at, Difference::Prevention(side))
}

fn intention(target: Target, at: Timestamp, difference: Difference) -> Intention {
    Intention {
        target,
        host: Some("WS-017".into()),
        entry: Some("WS-017.corp.example".into()),
        cause: Some(crate::model::Origin { file: "state.yaml".into(), line: 12 }.into()),
        reason: Some("INC-417".into()),
        action: "set".into(),
        at,
        difference,
        clocks_apart: false,
        foreign: None,
    }
}

pub(super) fn done(sent_at: Timestamp) -> WriteOutcome {
    WriteOutcome::Done { sent_at, listed_timeout_seconds: None }
}

pub(super) fn holder() -> Holder {
    Holder { by: "ana@soc-1".into(), pid: 4711, since: at(0) }
}

pub(super) fn run(n: u8) -> RunHeader {
    RunHeader {
        id: run_id(at(0), [0, n]),
        seed: Uuid::from_u128(0xabcd_0000 + u128::from(n)),
        at: at(0),
        owner: "soc-gitops".into(),
        by: "ana@soc-1".into(),
        command: "apply -f state".into(),
        allow: vec!["isolations=7".into()],
        plan: None,
        ci_job: Some("https://ci.example.org/job/7".into()),
        ci_commit: None,
    }
}

pub(super) async fn begin<S: LockStore>(store: S, n: u8) -> Journal<S, S::Lock> {
    Record::new(store).lock(&server(), &holder(), Duration::ZERO).await.unwrap().begin(&run(n))
}

/// Those numbers that may be sent: all, where nobody acts by hand.
pub(super) fn sendable(intended: Vec<Intended>) -> Vec<IntentionNumber> {
    let number = |intended| match intended {
        Intended::MaySend(number) => number,
        Intended::Held(hold) => panic!("{hold:?}"),
    };
    intended.into_iter().map(number).collect()
}

pub(super) async fn read<S: Store>(store: S) -> Recorded {
    Record::new(store).read(&server()).await.unwrap()
}

/// Fails on request, as a network or a disk does.
#[derive(Clone)]
pub(super) struct FaultyStore {
    pub(super) inner: MemoryStore,
    calls: Arc<AtomicU64>,
    faults: Vec<u64>,
    kind: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing happens, and the caller is told so.
    Refused,
    /// It happens, and the caller is told that it did not.
    AnswerLost,
    /// It happens, and the caller never hears of it.
    Hangs,
}

impl FaultyStore {
    /// The calls with these numbers (from 1) go wrong.
    pub(super) fn new(inner: MemoryStore, faults: &[u64], kind: Fault) -> Self {
        Self { inner, calls: Arc::default(), faults: faults.to_vec(), kind }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn call<T>(&self, does: impl Future<Output = Result<T, RecordError>>) -> Result<T, RecordError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.faults.contains(&number) {
            return does.await;
        }
        if self.kind != Fault::Refused {
            does.await?;
        }
        if self.kind == Fault::Hangs {
            std::future::pending::<()>().await;
        }
        Err(RecordError::Unreachable {
            attempted: "written",
            place: "the faulty store".to_owned(),
            remedy: "none",
            cause: format!("fault at call {number}").into(),
        })
    }
}

impl Store for FaultyStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.call(self.inner.get(key)).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.call(self.inner.create(key, bytes)).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.call(self.inner.replace(key, bytes)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.call(self.inner.list(prefix)).await
    }

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }
}

impl LockStore for FaultyStore {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<MemoryLock, RecordError> {
        self.call(self.inner.lock(key, holder, timeout)).await
    }
}
