//! The program over an object store: exit codes, what it says, and that it leaves no lock behind.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use kedrctl::record::{HeldLock as _, LockStore as _, LockTerms};
use tempfile::TempDir;

use crate::s3::{Fault, Server};
use crate::support::holder;

struct Desk {
    store: Server,
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { store: Server::start(), folder: tempfile::tempdir().unwrap() };
        desk.declare("s3://soc/prod");
        write(&desk.folder.path().join("fleet.yaml"), "generate: { hosts: 3 }\n");
        desk
    }

    fn declare(&self, record: &str) {
        let state = format!(
            "version: 1\nrecord: {record}\nservers: {{ lab: {{ simulator: fleet.yaml }} }}\n\
             hosts: {{ WS-1: {{ isolation: {{ lease: 8h }} }} }}\n"
        );
        write(&self.folder.path().join("state.yaml"), &state);
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kedrctl"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            if ["AWS_", "AZURE_", "GOOGLE_", "KEDRCTL_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env_remove("CI").envs(self.store.variables());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &str, code: i32, texts: &[&str]) {
        expect(&self.command(arguments).output().unwrap(), code, texts);
    }

    /// The key of the lock of the only server.
    fn lock(&self) -> String {
        let keys = self.store.keys();
        let lock =
            keys.iter().find_map(|key| key.strip_prefix("prod/").filter(|key| key.starts_with("lock/")));
        lock.expect("a lock").to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[track_caller]
fn expect(output: &Output, code: i32, texts: &[&str]) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "`{text}` is not in:\n{said}");
    }
    assert!(!said.contains("not-to-be-shown"), "{said}");
}

#[test]
fn every_command_works_over_an_object_store() {
    let desk = Desk::new();
    desk.run(
        "record check",
        0,
        &["s3://soc/prod", "ok  of many that create an object at once", "fit to keep"],
    );
    desk.run("lock", 0, &["lab  simulator", "free     nobody ever held it", "journal  empty"]);
    desk.run("plan", 0, &["+ isolate   WS-1"]);
    desk.run("apply --yes", 0, &["1 change done"]);
    desk.run("apply --yes", 0, &["nothing to do"]);
    desk.run("drift", 0, &["record: run "]);
    desk.run("lock --server lab", 0, &["free     fence 2", "journal  2 segments, the last by run "]);
    desk.run("lock --server lap", 1, &["`lap`: no server has this name"]);
    let keys = desk.store.keys();
    assert!(keys.iter().all(|key| key.starts_with("prod/")), "{keys:?}");
    assert!(!desk.folder.path().join(".kedrctl").exists());
}

#[test]
fn a_lock_that_is_held_is_waited_for_shown_and_broken() {
    let desk = Desk::new();
    desk.run("apply --yes", 0, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let terms = LockTerms { time_to_live: Duration::from_secs(600) };
    let other = desk.store.open_with(terms);
    let held = runtime.block_on(other.lock(&desk.lock(), &holder(4711), Duration::ZERO)).unwrap();
    let by = "ana@soc-1 (process 4711)";
    desk.run(
        "apply --yes --lock-timeout 0s",
        4,
        &["s3://soc/prod/lock/", "is held by", by, "since 2026-11-25"],
    );
    desk.run("plan", 0, &[]);
    desk.run(
        "lock",
        0,
        &["held     by", by, "fence 2", "not renewed for 10 min", "kedrctl unlock lab --fence 2"],
    );
    desk.run("unlock lab --fence 1", 3, &["has the fence 2, not 1", "another run holds it"]);
    desk.run("unlock lap --fence 2", 1, &["no server has this name"]);
    desk.run("apply --yes --lock-timeout 0s", 4, &[]);
    desk.run("unlock lab --fence 2", 0, &["is broken"]);
    desk.run("unlock lab --fence 2", 0, &["there is nothing to break"]);
    desk.run("unlock lab --fence 1", 0, &["there is nothing to break"]);
    desk.run("apply --yes --lock-timeout 0s", 0, &["nothing to do"]);
    runtime.block_on(held.release()).unwrap();
    desk.run("lock", 0, &["free     fence 3"]);
}

#[test]
fn a_lock_in_a_folder_ends_with_its_process() {
    use kedrctl::record::FolderStore;
    let desk = Desk::new();
    desk.declare("record");
    desk.run("record check", 0, &["of two that lock, one has to wait", "fit to keep"]);
    assert!(!desk.folder.path().join("record").exists(), "a check leaves nothing behind");
    desk.run("apply --yes", 0, &[]);
    let locks = std::fs::read_dir(desk.folder.path().join("record/lock")).unwrap();
    let mut names = locks.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| !name.ends_with(".holder")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = FolderStore::new(desk.folder.path().join("record"));
    let held = runtime.block_on(store.lock(&format!("lock/{name}"), &holder(4711), Duration::ZERO)).unwrap();
    desk.run("lock", 0, &["ana@soc-1 (process 4711)", "fence 2", "with its process"]);
    desk.run("unlock lab --fence 2", 3, &["ends with the process that holds it"]);
    drop(held);
    desk.run("lock", 0, &["free     fence 2"]);
    desk.run("unlock lab --fence 2", 0, &["nothing to break"]);
}

#[test]
fn what_is_wrong_with_the_store_is_said_with_its_exit_code() {
    let desk = Desk::new();
    desk.declare("s3://other/prod");
    for command in ["plan", "apply --yes", "drift", "lock", "record check"] {
        desk.run(command, 1, &["there is no such bucket", "s3://other/prod/"]);
    }
    desk.declare("s3://soc/prod");
    desk.store.fail("GET", "", usize::MAX, Fault::Answers(503, "SlowDown"));
    for command in ["plan", "record check"] {
        desk.run(command, 5, &["s3://soc/prod/", "it answered 503 SlowDown"]);
    }
    desk.store.recover();
    desk.store.fail("PUT", "", usize::MAX, Fault::Answers(403, "AccessDenied"));
    desk.run("plan", 0, &[]);
    desk.run("apply --yes", 1, &["these credentials may not write there"]);
    desk.store.recover();
    desk.store.fail("PUT", "", usize::MAX, Fault::Unconditional);
    desk.run("apply --yes", 1, &["can not keep a record", "nothing was sent"]);
    desk.run(
        "record check",
        1,
        &["!   of many that create an object at once, one succeeds: no", "not fit to keep"],
    );
}

/// A process that runs; killed when the test ends.
#[cfg(unix)]
struct Running(Child);

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
    }
}

#[cfg(unix)]
#[test]
fn who_is_ended_gives_its_lock_back() {
    let desk = Desk::new();
    desk.run("apply --yes", 0, &[]);
    // It holds the lock and waits for the server.
    let fleet = "generate: { hosts: 3 }\nserver: { faults: [{ call: sensors, delay_answer: 1h }] }\n";
    write(&desk.folder.path().join("fleet.yaml"), fleet);
    let locked = || desk.store.log().iter().filter(|line| line.starts_with("PUT /soc/prod/lock/")).count();
    let before = locked();
    let mut run = Running(desk.command("apply --yes").spawn().unwrap());
    // Its own write, and the two that show whether the store keeps conditions.
    wait_until("it holds the lock", || locked() >= before + 3);
    let pid = run.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    write(&desk.folder.path().join("fleet.yaml"), "generate: { hosts: 3 }\n");
    desk.run("apply --yes --lock-timeout 0s", 0, &["nothing to do"]);
}

#[cfg(unix)]
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a process has no clock that could be paused")]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
