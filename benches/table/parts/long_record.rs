//! What reading a long record costs, with the snapshot of the ledger and without it.
//!
//! The runs are made in memory and then put into a folder as files, since flushing each of them to a disk would take
//! longer than everything that is measured.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::{
    Clock as _, Difference, FileHash, Isolation, KeptObject, PreventionRule, SensorId, ServerKey, Side,
    Target, WallClock,
};
use kedrctl::record::{
    Facts, FolderStore, Holder, Intended, Intention, Intentions, MemoryStore, Record, RunEnd, RunHeader,
    WriteOutcome,
};
use uuid::Uuid;

use crate::markdown::{Section, count, seconds};
use crate::scale::Scale;

const HOSTS: u32 = 1_000;
const HASHES: u32 = 1_000;
/// Every so many runs change the rule for all hosts.
const CHANGES_RULE: u32 = 10;

const COLUMNS: &[&str] = &["what is done with the record", "runs", "time"];

pub(crate) fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("The record", COLUMNS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = MemoryStore::default();
    runtime.block_on(make(&store, scale.runs));
    let folder = tempfile::tempdir().unwrap();
    let objects = store.objects();
    let segments = objects.keys().filter(|key| key.starts_with("journal/")).count();
    let snapshot = objects.keys().find(|key| key.starts_with("ledger/")).unwrap().clone();
    for (key, bytes) in &objects {
        write(&folder.path().join(key), bytes);
    }
    let record = Record::new(FolderStore::new(folder.path()));
    let read = || timed(|| runtime.block_on(record.read(&key())).unwrap());

    let (with, recorded) = read();
    let (locking, locked) = timed(|| runtime.block_on(record.lock(&key(), &holder(), Duration::ZERO)));
    drop(locked.unwrap());
    let (verifying, verified) = timed(|| runtime.block_on(record.verify(&key())).unwrap());
    assert_eq!(verified.problems, []);
    std::fs::remove_file(folder.path().join(&snapshot)).unwrap();
    let (without, rebuilt) = read();
    assert!(recorded == rebuilt, "the snapshot says something else than the chain");

    for (what, took) in [
        ("read, with the snapshot of the ledger", with),
        ("lock and read", locking),
        ("read without the snapshot", without),
        ("verify the whole chain", verifying),
    ] {
        section.row([what.to_owned(), count(scale.runs as usize), seconds(took)]);
    }
    section.note(format!(
        "{} segments, {} sets of hashes, {} isolations in a ledger of {} kB.",
        count(segments),
        count(verified.sets),
        count(recorded.isolations.len()),
        objects[&snapshot].len() / 1_000
    ));
    section
}

fn timed<T>(does: impl FnOnce() -> T) -> (f64, T) {
    let began = WallClock.now();
    let done = does();
    (WallClock.now().duration_since(began).as_secs_f64(), done)
}

#[expect(clippy::disallowed_methods, reason = "nobody but this bench reads what is in its temporary folder")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn key() -> ServerKey {
    ServerKey::of_address("kata.example.org", 443)
}

fn holder() -> Holder {
    Holder { by: "bench".into(), pid: std::process::id(), since: at(0) }
}

fn at(minutes: u32) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(i64::from(minutes))
}

fn rule(of: u32) -> Arc<PreventionRule> {
    let hash = |n: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        (FileHash::Sha256(digest), KeptObject::default())
    };
    Arc::new(PreventionRule { objects: (of..of + HASHES).map(hash).collect() })
}

/// Every run renews the isolation of a host; now and then one changes the rule for all.
async fn make(store: &MemoryStore, runs: u32) {
    let record = Record::new(store.clone());
    for n in 0..runs {
        let locked = record.lock(&key(), &holder(), Duration::ZERO).await.unwrap();
        let mut journal = locked.begin(&RunHeader {
            id: format!("run-{n:05}").into(),
            seed: Uuid::from_u128(u128::from(n)),
            at: at(n),
            owner: "soc-gitops".into(),
            by: "ci@runner-7".into(),
            command: "apply".into(),
            allow: Vec::new(),
            plan: None,
            ci_job: Some("https://ci.example.org/soc/containment/-/jobs/4711".into()),
            ci_commit: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b".into()),
        });
        journal.note(at(n), &Facts { hosts_listed: Some(u64::from(HOSTS)), ..Facts::default() });
        let isolation = |seconds: u32| Isolation {
            timeout_seconds: u64::from(seconds),
            exclusions: Arc::new(BTreeSet::new()),
        };
        let sensor = Target::Sensor(SensorId::new(Uuid::from_u128(u128::from(n % HOSTS))));
        let renewal = Difference::Isolation(Side { before: None, after: Some(isolation(86_400 + n)) });
        let mut intentions = vec![intention(n, sensor, renewal)];
        if n.is_multiple_of(CHANGES_RULE) {
            let difference = Difference::Prevention(Side {
                before: n.checked_sub(CHANGES_RULE).map(rule),
                after: Some(rule(n)),
            });
            intentions.push(intention(n, Target::AllHosts, difference));
        }
        for intended in journal.intend(&intentions).await.unwrap() {
            let Intended::MaySend(number) = intended else { panic!("nobody holds anything here") };
            let outcome = WriteOutcome::Done { sent_at: at(n), listed_timeout_seconds: None };
            journal.outcomes(at(n), &[(number, outcome)]);
        }
        journal.end(at(n), &RunEnd::Finished).await.unwrap();
    }
}

fn intention(n: u32, target: Target, difference: Difference) -> Intention {
    Intention {
        target,
        host: Some("WS-017.corp.example".into()),
        entry: Some("WS-017.corp.example".into()),
        cause: None,
        reason: Some("INC-417".into()),
        action: "renew".into(),
        at: at(n),
        difference,
        clocks_apart: false,
        foreign: None,
    }
}
