//! What can not be brought into the record at once is never lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::*;
use crate::model::{Aspect, Subject, Target};
use crate::record::*;

const DAY: u64 = 86_400;
const SERVER: &str = "kata.example.org_443";

/// A store that can be gone, or take no more.
#[derive(Clone, Default)]
struct Weak {
    inner: MemoryStore,
    is_gone: Arc<AtomicBool>,
    /// Full, or read-only.
    takes_no_more: Arc<AtomicBool>,
    /// What is put there arrives, and its answer does not.
    loses_answers: Arc<AtomicBool>,
}

impl Weak {
    fn set(flag: &AtomicBool, is: bool) {
        flag.store(is, Ordering::SeqCst);
    }

    fn refuse(&self, attempted: &'static str, writes: bool) -> Result<(), RecordError> {
        let refuses = self.is_gone.load(Ordering::SeqCst)
            || (writes && self.takes_no_more.load(Ordering::SeqCst))
            || (writes && self.loses_answers.load(Ordering::SeqCst));
        if !refuses {
            return Ok(());
        }
        Err(RecordError::Unreachable {
            attempted,
            place: "s3://soc".to_owned(),
            remedy: "wait",
            cause: "gone".into(),
        })
    }
}

impl Store for Weak {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.refuse("read", false)?;
        self.inner.get(key).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        if self.loses_answers.load(Ordering::SeqCst) {
            self.inner.create(key, bytes).await?;
        }
        self.refuse("written", true)?;
        self.inner.create(key, bytes).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.refuse("written", true)?;
        self.inner.replace(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.refuse("listed", false)?;
        self.inner.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }
}

impl LockStore for Weak {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<MemoryLock, RecordError> {
        self.refuse("locked", true)?;
        self.inner.lock(key, holder, timeout).await
    }
}

/// This machine.
struct Machine {
    folder: tempfile::TempDir,
    store: Weak,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: Weak::default() }
    }

    fn record<S: Store>(&self, store: S) -> Record<S> {
        Record::new(store).keeping_in(self.folder.path(), "s3://soc/prod")
    }

    async fn lock(&self, n: u8) -> Journal<Weak, MemoryLock> {
        let record = self.record(self.store.clone());
        record.lock(&server(), &holder(), Duration::ZERO).await.unwrap().begin(&run(n))
    }

    async fn hand(&self, n: u8) -> Journal<Weak, ()> {
        self.record(self.store.clone()).by_hand(&server(), &run(n)).await.unwrap()
    }

    /// The segments that wait, in their order.
    fn waiting(&self) -> Vec<String> {
        let Ok(records) = std::fs::read_dir(self.folder.path().join("pending")) else { return Vec::new() };
        let mut files = Vec::new();
        for record in records {
            let folder = record.unwrap().path().join(SERVER);
            files.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        }
        files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
        files.sort();
        files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The one folder with what waits.
    fn spool(&self) -> PathBuf {
        let mut records = std::fs::read_dir(self.folder.path().join("pending")).unwrap();
        records.next().unwrap().unwrap().path().join(SERVER)
    }

    /// As another process that is bringing something in, until this is dropped.
    fn busy(&self) -> File {
        let lock = File::create(self.spool().join(".lock")).unwrap();
        lock.try_lock().unwrap();
        lock
    }

    /// A hold that is kept here.
    async fn keep_a_hold(&self, n: u8) {
        Weak::set(&self.store.is_gone, true);
        let mut journal = self.hand(n).await;
        journal.hold(at(1), subject(1), &hold_of_a_day());
        assert!(matches!(journal.end(at(2), &RunEnd::Finished).await, Ok(Kept::Locally { .. })));
        Weak::set(&self.store.is_gone, false);
    }

    async fn recorded(&self) -> Recorded {
        self.record(self.store.clone()).read(&server()).await.unwrap()
    }

    async fn assert_whole(&self) {
        let verified = self.record(self.store.clone()).verify(&server()).await.unwrap();
        assert_eq!((verified.problems, verified.waiting), (vec![], 0));
    }
}

fn subject(n: u8) -> Subject {
    Subject { target: Target::Sensor(sensor(n)), aspect: Aspect::Isolation }
}

fn isolating(n: u8) -> Intention {
    isolate(n, at(1), None, Some(isolation(DAY, 0)))
}

fn hold_of_a_day() -> NewHold {
    NewHold { until: at(1_440), command: "isolate".into(), reason: None, host: None }
}

#[tokio::test]
async fn a_run_under_the_lock_begins_nothing_that_can_not_be_recorded() {
    let machine = Machine::new();
    Weak::set(&machine.store.is_gone, true);
    let refused = machine.record(machine.store.clone()).lock(&server(), &holder(), Duration::ZERO).await;
    assert!(matches!(refused.err(), Some(RecordError::Unreachable { .. })));
    Weak::set(&machine.store.is_gone, false);
    for flag in [&machine.store.is_gone, &machine.store.takes_no_more] {
        let mut journal = machine.lock(1).await;
        Weak::set(flag, true);
        assert!(journal.intend(&[isolating(1)]).await.is_err());
        Weak::set(flag, false);
    }
    assert!(machine.waiting().is_empty() && machine.store.inner.objects().is_empty());
}

#[tokio::test]
async fn what_a_run_did_before_the_record_was_lost_is_brought_in_by_the_next() {
    for loses in [|weak: &Weak| Arc::clone(&weak.is_gone), |weak: &Weak| Arc::clone(&weak.takes_no_more)] {
        let machine = Machine::new();
        let flag = loses(&machine.store);
        let mut journal = machine.lock(1).await;
        let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
        Weak::set(&flag, true);
        journal.outcomes(at(2), &[(number, done(at(2)))]);
        assert!(journal.intend(&[isolating(2)]).await.is_err(), "it must not be sent");
        let why = "the record is gone".into();
        let Ok(Kept::Locally { place, cause }) = journal.end(at(3), &RunEnd::Failed { why }).await else {
            panic!("it is kept nowhere");
        };
        assert!(place.starts_with(&machine.folder.path().display().to_string()), "{place}");
        assert!(matches!(cause, RecordError::Unreachable { .. }));
        assert!(!machine.waiting().is_empty());
        Weak::set(&flag, false);

        // Who only looks sees it as if it were there, and leaves it.
        let seen = machine.recorded().await;
        assert!(seen.isolations.contains_key(&sensor(1)) && seen.open.is_empty());
        assert!(!seen.last_run.as_ref().unwrap().is_unfinished);
        assert!(read(machine.store.inner.clone()).await.isolations.is_empty());
        // Another machine does not have it.
        drop(Machine::new().record(machine.store.clone()).lock(&server(), &holder(), Duration::ZERO).await);
        assert!(read(machine.store.inner.clone()).await.isolations.is_empty());

        drop(machine.lock(2).await);
        assert_eq!(read(machine.store.inner.clone()).await, seen);
        machine.assert_whole().await;
        drop(machine.lock(3).await);
        assert_eq!(read(machine.store.inner.clone()).await, seen);
    }
}

/// Somebody deleted the record, or moved it away, while this machine keeps the end of a run that began in it.
#[tokio::test]
async fn the_rest_of_a_run_whose_record_is_gone_holds_up_nobody() {
    let machine = Machine::new();
    let mut journal = machine.lock(1).await;
    let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
    Weak::set(&machine.store.takes_no_more, true);
    journal.outcomes(at(2), &[(number, done(at(2)))]);
    assert!(matches!(journal.end(at(3), &RunEnd::Finished).await, Ok(Kept::Locally { .. })));
    Weak::set(&machine.store.takes_no_more, false);
    assert_eq!(machine.waiting().len(), 1);
    machine.store.inner.objects().keys().for_each(|key| machine.store.inner.remove(key));

    assert_eq!(machine.recorded().await, Recorded::default(), "who only looks passes over it");
    assert_eq!(machine.waiting().len(), 1);
    let mut next = machine.lock(2).await;
    next.intend(&[isolating(2)]).await.unwrap();
    next.end(at(5), &RunEnd::Finished).await.unwrap();
    assert!(machine.waiting().is_empty(), "it is set aside");
    machine.assert_whole().await;
    let verified = machine.record(machine.store.clone()).verify(&server()).await.unwrap();
    let [place] = verified.aside.as_slice() else { panic!("{:?}", verified.aside) };
    assert!(Path::new(place).exists(), "{place}");
}

#[tokio::test]
async fn what_was_on_its_way_is_brought_in_once_whether_it_had_arrived_or_not() {
    for has_arrived in [false, true] {
        for others in [0, 1, 3] {
            let machine = Machine::new();
            let mut journal = machine.lock(1).await;
            let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
            journal.outcomes(at(2), &[(number, done(at(2)))]);
            let flag = if has_arrived { &machine.store.loses_answers } else { &machine.store.takes_no_more };
            Weak::set(flag, true);
            assert!(journal.flush().await.is_err());
            assert!(matches!(journal.end(at(3), &RunEnd::Finished).await, Ok(Kept::Locally { .. })));
            Weak::set(flag, false);
            for n in 0..others {
                let mut other =
                    Record::new(machine.store.inner.clone()).by_hand(&server(), &run(50 + n)).await.unwrap();
                other.hold(at(3), subject(50 + n), &hold_of_a_day());
                other.flush().await.unwrap();
            }
            drop(machine.lock(2).await);
            let recorded = read(machine.store.inner.clone()).await;
            assert!(recorded.isolations.contains_key(&sensor(1)) && recorded.open.is_empty());
            assert_eq!(recorded.holds.len(), usize::from(others));
            let outcomes = machine.store.inner.objects().into_values();
            let outcomes =
                outcomes.filter(|bytes| String::from_utf8_lossy(bytes).contains("\"outcome\":\"done\""));
            assert_eq!(outcomes.count(), 1, "arrived: {has_arrived}, others: {others}");
            machine.assert_whole().await;
        }
    }
}

#[tokio::test]
async fn containment_waits_for_no_record() {
    let machine = Machine::new();
    Weak::set(&machine.store.is_gone, true);
    let mut journal = machine.hand(9).await;
    assert!(matches!(journal.is_kept_locally_because(), Some(RecordError::Unreachable { .. })));
    journal.hold(at(1), subject(1), &hold_of_a_day());
    let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
    // It is put down before it is sent, here too.
    let waiting = machine.waiting();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].contains("\"event\":\"held\"") && waiting[0].contains("\"event\":\"intends\""));
    assert!(journal.open_of_others(subject(1)).next().is_none());
    journal.outcomes(at(2), &[(number, done(at(2)))]);
    assert!(matches!(journal.end(at(3), &RunEnd::Finished).await, Ok(Kept::Locally { .. })));
    // Without a folder for it there is nothing to put it into.
    let nowhere = Record::new(machine.store.clone()).by_hand(&server(), &run(9)).await;
    assert!(nowhere.is_err());

    Weak::set(&machine.store.is_gone, false);
    // Meanwhile others have written.
    begin(machine.store.inner.clone(), 3).await.flush().await.unwrap();
    let seen = machine.recorded().await;
    assert!(seen.holds.contains_key(&subject(1).into()) && seen.isolations.contains_key(&sensor(1)));
    // An act by hand brings in what was done by hand, and the plan of the next run knows the hold.
    let mut journal = machine.hand(10).await;
    assert!(journal.is_kept_locally_because().is_none());
    journal.end_hold(at(4), subject(77), None);
    journal.end(at(4), &RunEnd::Finished).await.unwrap();
    let recorded = read(machine.store.inner.clone()).await;
    assert!(recorded.holds.contains_key(&subject(1).into()) && recorded.open.is_empty());
    machine.assert_whole().await;
}

#[tokio::test]
async fn by_hand_the_record_may_go_at_any_moment() {
    for loses in [|weak: &Weak| Arc::clone(&weak.is_gone), |weak: &Weak| Arc::clone(&weak.loses_answers)] {
        for step in 0..3 {
            let machine = Machine::new();
            let flag = loses(&machine.store);
            let mut journal = machine.hand(9).await;
            journal.hold(at(1), subject(1), &hold_of_a_day());
            Weak::set(&flag, step == 0);
            let intended =
                journal.intend(&[isolating(1), block(Target::AllHosts, at(1), &[1], &[1, 2])]).await;
            let numbers = sendable(intended.unwrap());
            Weak::set(&flag, step <= 1);
            let again = isolate(1, at(2), None, Some(isolation(DAY, 0)));
            let again = sendable(journal.intend(&[again]).await.unwrap());
            Weak::set(&flag, true);
            for number in numbers.into_iter().chain(again) {
                journal.outcomes(at(3), &[(number, done(at(2)))]);
            }
            assert!(matches!(journal.end(at(3), &RunEnd::Finished).await, Ok(Kept::Locally { .. })));
            Weak::set(&flag, false);
            drop(machine.lock(1).await);
            let recorded = read(machine.store.inner.clone()).await;
            assert!(recorded.isolations.contains_key(&sensor(1)) && recorded.open.is_empty(), "step {step}");
            assert_eq!(*recorded.preventions[&Target::AllHosts].ours, hashes(&[2]));
            assert_eq!(recorded.holds.len(), 1);
            machine.assert_whole().await;
        }
    }
}

#[tokio::test]
async fn what_was_done_under_a_lock_waits_for_a_lock() {
    let machine = Machine::new();
    let mut journal = machine.lock(1).await;
    let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
    Weak::set(&machine.store.is_gone, true);
    journal.outcomes(at(2), &[(number, done(at(2)))]);
    journal.end(at(3), &RunEnd::Finished).await.unwrap();
    Weak::set(&machine.store.is_gone, false);

    let elsewhere = Machine { folder: tempfile::tempdir().unwrap(), store: machine.store.clone() };
    let mut holder = elsewhere.lock(2).await;
    holder.flush().await.unwrap();
    machine.hand(9).await.flush().await.unwrap();
    assert_eq!(machine.waiting().len(), 1, "the holder would stop at it");
    holder.intend(&[isolating(2)]).await.unwrap();
    drop(holder);
    drop(machine.lock(3).await);
    assert!(machine.waiting().is_empty());
    assert!(read(machine.store.inner.clone()).await.isolations.contains_key(&sensor(1)));
}

#[tokio::test]
async fn who_was_suspended_past_its_lock_writes_nothing_more_and_loses_nothing() {
    let machine = Machine::new();
    let mut journal = machine.lock(1).await;
    let number = sendable(journal.intend(&[isolating(1)]).await.unwrap())[0];
    let is_sure = Arc::new(AtomicBool::new(false));
    journal.lease = Lease::watched(is_sure);
    journal.outcomes(at(2), &[(number, done(at(2)))]);
    let refused = journal.intend(&[isolating(2)]).await;
    assert!(matches!(refused, Err(RecordError::LockNotSure)));
    let before = machine.store.inner.objects();
    let Ok(Kept::Locally { cause: RecordError::LockNotSure, .. }) =
        journal.end(at(3), &RunEnd::Finished).await
    else {
        panic!()
    };
    assert_eq!(machine.store.inner.objects(), before);
    drop(machine.lock(2).await);
    let recorded = read(machine.store.inner.clone()).await;
    assert!(recorded.isolations.contains_key(&sensor(1)) && recorded.open.is_empty());
    machine.assert_whole().await;
}

#[tokio::test(start_paused = true)]
async fn killed_while_it_is_brought_in_it_is_there_once() {
    for call in 1..20 {
        for kind in [Fault::Refused, Fault::AnswerLost, Fault::Hangs] {
            let machine = Machine::new();
            Weak::set(&machine.store.is_gone, true);
            let mut journal = machine.hand(9).await;
            journal.hold(at(1), subject(1), &hold_of_a_day());
            let all = block(Target::AllHosts, at(1), &[1], &[1, 2]);
            let numbers = sendable(journal.intend(&[isolating(1), all]).await.unwrap());
            for number in numbers {
                journal.outcomes(at(2), &[(number, done(at(2)))]);
            }
            journal.end(at(3), &RunEnd::Finished).await.unwrap();
            Weak::set(&machine.store.is_gone, false);
            let seen = machine.recorded().await;

            let faults: Vec<_> = (call..call + 3).collect();
            let faulty = machine.record(FaultyStore::new(machine.store.inner.clone(), &faults, kind));
            let (server, holder) = (server(), holder());
            let killed = faulty.lock(&server, &holder, Duration::ZERO);
            drop(tokio::time::timeout(Duration::from_secs(1), killed).await);
            // Others write in between.
            begin(machine.store.inner.clone(), 4).await.flush().await.unwrap();
            drop(machine.lock(2).await);
            let recorded = read(machine.store.inner.clone()).await;
            assert_eq!(recorded.isolations, seen.isolations, "call {call}, {kind:?}");
            assert_eq!((recorded.holds, recorded.open.len()), (seen.holds, 0), "call {call}, {kind:?}");
            let texts = machine.store.inner.objects().into_values();
            let texts: String = texts.map(|bytes| String::from_utf8(bytes).unwrap()).collect();
            assert_eq!(texts.matches("\"event\":\"held\"").count(), 1, "call {call}, {kind:?}");
            machine.assert_whole().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_without_what_somebody_else_is_bringing_in() {
    let machine = Machine::new();
    machine.keep_a_hold(9).await;
    let record = machine.record(machine.store.clone());
    let (server, holder, patience) = (server(), holder(), Duration::from_secs(90));
    let busy = machine.busy();
    let Some(RecordError::Locked { place, .. }) = record.lock(&server, &holder, patience).await.err() else {
        panic!("it goes on")
    };
    assert_eq!(place, machine.spool().join(".lock").display().to_string());
    // Containment waits for nobody for long; what needs the record is not done.
    let by_hand = machine.hand(10).await;
    assert!(matches!(by_hand.is_kept_locally_because(), Some(RecordError::Locked { .. })));
    assert!(by_hand.needing_the_record().is_err());
    assert_eq!(machine.waiting().len(), 1);

    // The other one does not get through with it.
    let given_up = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(busy);
    };
    let (locked, ()) = tokio::join!(record.lock(&server, &holder, patience), given_up);
    assert!(locked.unwrap().recorded().holds.contains_key(&subject(1).into()));
    assert!(machine.waiting().is_empty());
    machine.assert_whole().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_brought_in_meanwhile_is_read() {
    let machine = Machine::new();
    machine.keep_a_hold(9).await;
    let elsewhere = Machine { folder: tempfile::tempdir().unwrap(), store: machine.store.clone() };
    elsewhere.keep_a_hold(9).await;
    let busy = machine.busy();
    let brought_in = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(elsewhere.hand(10).await);
        assert!(elsewhere.waiting().is_empty());
        for entry in std::fs::read_dir(machine.spool()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "jsonl") {
                std::fs::remove_file(path).unwrap();
            }
        }
        drop(busy);
    };
    let record = machine.record(machine.store.clone());
    let (server, holder) = (server(), holder());
    let (locked, ()) = tokio::join!(record.lock(&server, &holder, Duration::from_secs(90)), brought_in);
    assert!(locked.unwrap().recorded().holds.contains_key(&subject(1).into()));
}

#[tokio::test]
async fn what_waits_under_the_name_of_an_earlier_version_is_brought_in() {
    let machine = Machine::new();
    machine.keep_a_hold(9).await;
    let record = Record::new(machine.store.clone())
        .keeping_in(machine.folder.path(), "/srv/prod/.kedrctl")
        .formerly(Some("s3://soc/prod".to_owned()));
    assert!(record.read(&server()).await.unwrap().holds.contains_key(&subject(1).into()));
    assert_eq!(record.verify(&server()).await.unwrap().waiting, 1);
    drop(record.lock(&server(), &holder(), Duration::ZERO).await.unwrap());
    assert!(machine.waiting().is_empty());
    assert!(read(machine.store.inner.clone()).await.holds.contains_key(&subject(1).into()));
}

/// Others have begun a new record perhaps.
#[tokio::test]
async fn a_run_that_outlives_its_record_puts_nothing_into_the_next_one() {
    for others in [0, 1, 2, 5] {
        let machine = Machine::new();
        let mut first = machine.lock(1).await;
        first.intend(&[isolating(9)]).await.unwrap();
        first.end(at(1), &RunEnd::Finished).await.unwrap();
        let (mut apply, mut ana) = (machine.lock(2).await, machine.hand(9).await);
        machine.store.inner.objects().keys().for_each(|key| machine.store.inner.remove(key));
        for n in 0..others {
            let mut other =
                Record::new(machine.store.inner.clone()).by_hand(&server(), &run(50 + n)).await.unwrap();
            other.hold(at(1), subject(50 + n), &hold_of_a_day());
            other.flush().await.unwrap();
        }
        let there = machine.store.inner.objects();

        let refused = apply.intend(&[isolating(2)]).await;
        assert!(matches!(refused, Err(RecordError::Replaced { .. })), "{refused:?}");
        let ended = apply.end(at(2), &RunEnd::Finished).await;
        assert!(matches!(ended, Ok(Kept::Locally { cause: RecordError::Replaced { .. }, .. })), "{ended:?}");
        // Containment goes ahead, and is kept here with the beginning of its run.
        ana.hold(at(2), subject(1), &hold_of_a_day());
        let number = sendable(ana.intend(&[isolating(1)]).await.unwrap())[0];
        assert!(matches!(ana.is_kept_locally_because(), Some(RecordError::Replaced { .. })));
        ana.outcomes(at(3), &[(number, done(at(2)))]);
        ana.end(at(3), &RunEnd::Finished).await.unwrap();
        assert_eq!(machine.store.inner.objects(), there);

        drop(machine.lock(3).await);
        let recorded = read(machine.store.inner.clone()).await;
        assert!(recorded.holds.contains_key(&subject(1).into()), "others: {others}");
        assert!(recorded.isolations.contains_key(&sensor(1)) && recorded.open.is_empty());
        assert!(!recorded.isolations.contains_key(&sensor(2)), "it was never sent");
        machine.assert_whole().await;
    }
}

#[tokio::test]
async fn what_is_brought_in_late_takes_nothing_from_what_was_done_since() {
    let machine = Machine::new();
    Weak::set(&machine.store.is_gone, true);
    let mut late = machine.hand(10).await;
    late.hold(at(10), subject(1), &NewHold { until: at(12), ..hold_of_a_day() });
    let short = isolate(1, at(10), None, Some(isolation(3_600, 0)));
    let number = sendable(late.intend(&[short]).await.unwrap())[0];
    late.outcomes(at(11), &[(number, done(at(10)))]);
    late.end_hold(at(12), subject(1), None);
    late.end(at(12), &RunEnd::Finished).await.unwrap();
    Weak::set(&machine.store.is_gone, false);

    // Ana's is the later one, and lasts longer.
    let mut ana = Record::new(machine.store.inner.clone()).by_hand(&server(), &run(9)).await.unwrap();
    ana.hold(at(50), subject(1), &hold_of_a_day());
    let long = isolate(1, at(50), None, Some(isolation(DAY, 0)));
    let number = sendable(ana.intend(&[long]).await.unwrap())[0];
    ana.outcomes(at(51), &[(number, done(at(50)))]);
    ana.end(at(51), &RunEnd::Finished).await.unwrap();

    let seen = machine.recorded().await;
    drop(machine.lock(2).await);
    let recorded = read(machine.store.inner.clone()).await;
    assert_eq!(recorded, seen);
    assert_eq!(recorded.holds[&subject(1).into()].until, at(1_440));
    let rule = recorded.isolations[&sensor(1)].rule.as_ref().unwrap();
    assert_eq!(rule.sent_timeout_seconds, DAY);
    assert_eq!(recorded.last_run.unwrap().id, run(9).id);
    machine.assert_whole().await;
}

#[tokio::test]
async fn a_damaged_file_is_named_and_kept() {
    let machine = Machine::new();
    Weak::set(&machine.store.is_gone, true);
    let mut journal = machine.hand(9).await;
    journal.hold(at(1), subject(1), &hold_of_a_day());
    journal.end(at(3), &RunEnd::Finished).await.unwrap();
    Weak::set(&machine.store.is_gone, false);
    let mut folder = machine.folder.path().join("pending");
    for _ in 0..2 {
        folder = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    }
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    crate::record::folder::replace(&file, text.replacen("held", "hold", 1).as_bytes()).unwrap();

    let verified = machine.record(machine.store.clone()).verify(&server()).await.unwrap();
    let kinds: BTreeSet<_> = verified.problems.iter().map(|problem| problem.place.clone()).collect();
    assert_eq!(kinds, [file.display().to_string()].into());
    assert_eq!((verified.waiting, verified.problems[0].kind), (1, ProblemKind::Waiting));
    let refused = machine.record(machine.store.clone()).lock(&server(), &holder(), Duration::ZERO).await;
    let Some(RecordError::Damaged { place, .. }) = refused.err() else { panic!() };
    assert_eq!(place, file.display().to_string());
    // By hand it goes on.
    assert!(machine.hand(10).await.is_kept_locally_because().is_some());
    assert!(file.exists());
}
