//! Many processes that want one server's lock over one store, while some are killed and some are frozen. A referee
//! stands for the Central Node: what is sent to it under a fence that is not the newest was sent by two holders.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kedrctl::record::{Intentions as _, LockTerms, Record, RecordError, RunEnd};

use crate::support::*;

const TERMS: LockTerms = LockTerms { time_to_live: Duration::from_secs(10) };
const RACERS: usize = 20;
/// How often the holder is killed or frozen.
const EVENTS: usize = 4;

/// What a racer is told: its store, the referee's port, and whether it races or holds.
const RACER: &str = "KEDRCTL_RACER";

struct Racer(Child);

impl Racer {
    fn start(store: &Real, referee: u16, role: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "race::one_racer"])
            .env(RACER, format!("{} {referee} {role}", store.url()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

#[derive(Debug, Default, Clone)]
struct Seen {
    sends: usize,
    leases: usize,
    newest: u64,
    /// The process that sent last.
    holder: u32,
    wrong: Vec<String>,
    collisions: usize,
}

/// Takes lines `send FENCE PID` and `collided PID`, each answered when it is taken down.
fn referee() -> (u16, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = seen.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, seen) = (connection.unwrap(), shared.clone());
            std::thread::spawn(move || {
                let mut answers = connection.try_clone().unwrap();
                for line in BufReader::new(connection).lines() {
                    // Killed.
                    let Ok(line) = line else { return };
                    let words: Vec<&str> = line.split(' ').collect();
                    let mut seen = seen.lock().unwrap();
                    match words[..] {
                        ["send", fence, pid] => {
                            let fence: u64 = fence.parse().unwrap();
                            if fence < seen.newest {
                                let newest = seen.newest;
                                seen.wrong.push(format!("{pid} sent with {fence} after {newest}"));
                            }
                            seen.leases += usize::from(fence > seen.newest);
                            seen.newest = seen.newest.max(fence);
                            seen.sends += 1;
                            seen.holder = pid.parse().unwrap();
                        }
                        ["collided", _] => seen.collisions += 1,
                        _ => panic!("{line}"),
                    }
                    drop(seen);
                    if answers.write_all(b"ok\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, seen)
}

#[test]
#[ignore = "needs a store: .ci/stores"]
fn twenty_processes_never_hold_one_lock_at_once() {
    let place = Real::new("race");
    let (port, seen) = referee();
    let mut racers: Vec<Racer> = (0..RACERS).map(|_| Racer::start(&place, port, "race")).collect();
    let look = || seen.lock().unwrap().clone();
    wait_until("the first has sent", || look().sends > 0);
    for event in 0..EVENTS {
        let before = look();
        let Some(index) = racers.iter().position(|racer| racer.0.id() == before.holder) else {
            panic!("{} is none of the racers", before.holder)
        };
        if event % 2 == 0 {
            // It may hold the lock, or just have given it back: both must be survived.
            racers[index].signal("KILL");
            racers[index] = Racer::start(&place, port, "race");
            wait_until("another goes on", || look().newest > before.newest + 1);
        } else {
            racers[index].signal("STOP");
            wait_until("others go on", || {
                let now = look();
                now.newest > before.newest + 1 && now.holder != before.holder
            });
            racers[index].signal("CONT");
        }
    }
    drop(racers);
    let seen = look();
    assert_eq!(seen.wrong, Vec::<String>::new());

    // Whatever happened, the chain is whole and goes on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let segments = runtime.block_on(async {
        let patient = LockTerms::default();
        whole_run(place.open_with(patient), 9999, Duration::from_secs(90)).await;
        let record = Record::new(kedrctl::record::AnyStore::Bucket(place.open_with(patient)));
        assert!(!record.read(&server()).await.unwrap().isolations.is_empty());
        record.last_segment(&server()).await.unwrap().unwrap().number
    });
    println!(
        "{RACERS} processes: {} leases, {} sends, {} collisions, {segments} segments, no two holders",
        seen.leases, seen.sends, seen.collisions
    );
}

#[test]
#[ignore = "needs a store: .ci/stores"]
fn who_was_frozen_past_its_lock_sends_and_appends_nothing() {
    let place = Real::new("frozen");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let frozen = Racer::start(&place, listener.local_addr().unwrap().port(), "hold");
    let (mut connection, _) = listener.accept().unwrap();
    let mut told = BufReader::new(connection.try_clone().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "held true");
    frozen.signal("STOP");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Not given back before the other has gone on.
        let mut journal = begin(place.open_with(TERMS), 2, Duration::from_secs(90)).await;
        journal.intend(&[isolate(2)]).await.unwrap();
    });
    connection.write_all(b"go on\n").unwrap();
    frozen.signal("CONT");
    assert_eq!(told.next().unwrap().unwrap(), "sure false, refused");
}

/// A process of its own; without a task it does nothing.
#[test]
#[ignore = "is started by the others"]
fn one_racer() {
    let Ok(task) = std::env::var(RACER) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let [store, referee, role] = words[..] else { panic!("{task}") };
    let connection = TcpStream::connect(("127.0.0.1", referee.parse().unwrap())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match role {
        "race" => runtime.block_on(race(&Real::at(store), connection)),
        "hold" => runtime.block_on(hold(&Real::at(store), connection)),
        other => panic!("{other}"),
    }
}

async fn race(place: &Real, mut connection: TcpStream) {
    let pid = std::process::id();
    let mut answers = BufReader::new(connection.try_clone().unwrap()).lines();
    let mut tell = |line: String| {
        connection.write_all(format!("{line}\n").as_bytes()).unwrap();
        answers.next().unwrap().unwrap();
    };
    for n in (0..).map(|n: u32| u16::try_from((pid.wrapping_mul(31) + n) % 9000).unwrap()) {
        let record = Record::new(place.open_with(TERMS));
        let locked = match record.lock(&server(), &holder(pid), Duration::from_secs(300)).await {
            Ok(locked) => locked,
            // The store is busy with twenty of us.
            Err(RecordError::Unreachable { .. }) => continue,
            Err(error) => panic!("{error:?}"),
        };
        let (fence, lease) = (locked.fence(), locked.lease());
        let mut journal = locked.begin(&run(n));
        match journal.intend(&[isolate(n)]).await {
            Ok(_) => {
                for _ in 0..3 {
                    if lease.is_sure() {
                        tell(format!("send {fence} {pid}"));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                drop(journal.end(at(2), &RunEnd::Finished).await);
            }
            Err(RecordError::Collision { .. }) => tell(format!("collided {pid}")),
            Err(_) => {}
        }
        drop(record.give_back().await);
    }
}

async fn hold(place: &Real, mut connection: TcpStream) {
    let record = Record::new(place.open_with(TERMS));
    let locked = record.lock(&server(), &holder(1), Duration::ZERO).await.unwrap();
    let lease = locked.lease();
    let mut journal = locked.begin(&run(1));
    let mut told = BufReader::new(connection.try_clone().unwrap()).lines();
    connection.write_all(format!("held {}\n", lease.is_sure()).as_bytes()).unwrap();
    // Meanwhile it is renewed, until this process is frozen.
    tokio::task::spawn_blocking(move || told.next().unwrap().unwrap()).await.unwrap();
    let is_sure = lease.is_sure();
    let mut appended = journal.intend(&[isolate(1)]).await;
    for _ in 0..5 {
        // Its connections slept too.
        if matches!(appended, Err(RecordError::Unreachable { .. })) {
            appended = journal.intend(&[isolate(1)]).await;
        }
    }
    let told = match appended {
        // It is told by its clock, or by the number that is taken.
        Err(RecordError::LockNotSure | RecordError::Collision { .. }) => "refused".to_owned(),
        other => format!("{other:?}"),
    };
    connection.write_all(format!("sure {is_sure}, {told}\n").as_bytes()).unwrap();
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a process has no clock that could be paused")]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(240), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
