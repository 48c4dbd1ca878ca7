//! What goes wrong on our side: the built program, with a record in a folder, against a Central Node that is well.

use std::path::Path;
use std::process::Command;

use jiff::SignedDuration;
use kedrctl_simulator::world::{Target, sensor_id_of};
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Ended, Lab, Running, wait_until, write};
use crate::seen::{normalised, of};
use crate::table::code;

const FLEET: &str = "
hosts:
  - { name: WS-1, prevention: [5d41402abc4b2a76b9719d911017c592] }
  - { name: WS-2, isolation: { timeout: 8h } }
  - { name: WS-3, isolation: { timeout: 8h }, prevention: [b026324c6904b2a9cb4b88d6d61c81d1] }
";

/// One of each kind of write: isolate, block, start, release.
const HOSTS: &str =
    "{ WS-1: { isolation: { lease: 8h }, prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } }, \
                     WS-2: { isolation: off } }
policy: { tasks: true }
tasks: { collect: { hosts: [WS-1], run: { command: 'C:\\collect.exe' }, not_after: 2099-01-01T00:00:00Z } }";

const WRITES: usize = 4;

const HOUR: Option<SignedDuration> = Some(SignedDuration::from_hours(1));

/// What a row of the table says.
pub(crate) struct Row {
    fault: String,
    exit: String,
    seen: String,
    /// Of the four writes.
    effects: usize,
    then: usize,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let Row { fault, exit, seen, effects, then } = self;
        let seen = if seen.is_empty() { "nothing".to_owned() } else { code(seen) };
        format!("| {fault} | {exit} | {seen} | {effects} of {WRITES} | {then} |\n")
    }
}

/// A fault of ours.
pub(crate) enum Ours {
    /// The shell's words before the program is started.
    Limited(&'static str, &'static str),
    /// A file stands where a folder is to be.
    InPlace(&'static str, &'static str),
    /// In the middle of a run, while the answer to its first write is awaited.
    Meanwhile(&'static str, fn(&Path)),
    Killed(&'static str, Fault),
}

/// Ignored, so that a write fails as on a full disk instead of ending the program.
const NOTHING_MORE: &str = "trap '' XFSZ; ulimit -f 0";

/// All of them.
pub(crate) fn all() -> Vec<Ours> {
    let lost = |call, method| Fault { delay_answer: HOUR, ..Fault::on(call).method(method).first(1) };
    // It is in the log of requests, had no effect, and is never answered.
    let late = |call, method, skip| lost(call, method).skip(skip).status(500);
    let host = |fault: Fault| fault.sensor(Target::Sensor(sensor_id_of("WS-1")));
    let mut all = vec![
        Ours::Limited("a full disk: no file takes a byte", NOTHING_MORE),
        Ours::InPlace("a file stands where the record's folder is to be", ".kedrctl"),
        Ours::InPlace("a file stands where the journal's folder is to be", ".kedrctl/journal"),
        Ours::Meanwhile("the record's folder is deleted during a write", |record| {
            std::fs::remove_dir_all(record).unwrap();
        }),
        Ours::Meanwhile("the record's folder gives way to a file during a write", |record| {
            std::fs::remove_dir_all(record).unwrap();
            write(record, "");
        }),
        Ours::Killed("killed while it reads the host list", late(CallKind::Sensors, Method::Get, 0)),
        Ours::Killed("killed while it reads for the plan", host(late(CallKind::Isolation, Method::Get, 0))),
        Ours::Killed(
            "killed while it looks before the first write",
            host(late(CallKind::Isolation, Method::Get, 1)),
        ),
    ];
    for (what, call, method) in [
        ("an isolation", CallKind::Isolation, Method::Post),
        ("a prevention rule", CallKind::Prevention, Method::Post),
        ("a task", CallKind::Tasks, Method::Post),
        ("a release", CallKind::Isolation, Method::Delete),
    ] {
        let name = |at: &str| -> &'static str { format!("killed {at} {what}").leak() };
        all.push(Ours::Killed(name("before the effect of"), late(call, method, 0)));
        all.push(Ours::Killed(name("between effect and answer of"), lost(call, method)));
    }
    all.push(Ours::Killed(
        "killed while it reads an isolation back",
        host(late(CallKind::Isolation, Method::Get, 2)),
    ));
    all.push(Ours::Killed(
        "killed while it reads a prevention rule back",
        host(late(CallKind::Prevention, Method::Get, 2)),
    ));
    all
}

pub(crate) fn lab() -> Lab {
    let lab = Lab::new(FLEET, "{}");
    lab.declare(HOSTS);
    lab
}

pub(crate) fn play(ours: &Ours) -> Row {
    let lab = lab();
    let record = lab.path(".kedrctl");
    let (name, ended) = match ours {
        Ours::Limited(name, limit) => (name, limited(&lab, limit)),
        Ours::InPlace(name, place) => {
            let place = lab.path(place);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            write(&place, "");
            let ended = lab.run("apply --yes");
            std::fs::remove_file(&place).unwrap();
            (name, ended)
        }
        Ours::Meanwhile(name, happen) => {
            let span = Some(SignedDuration::from_millis(400));
            let slow =
                Fault { delay_answer: span, ..Fault::on(CallKind::Isolation).method(Method::Post).first(1) };
            lab.simulator.set_faults(vec![slow]);
            let run = lab.start("apply --yes");
            wait_until("it has begun to write", || !lab.effects().is_empty());
            happen(&record);
            let ended = run.end();
            if record.is_file() {
                std::fs::remove_file(&record).unwrap();
            }
            (name, ended)
        }
        Ours::Killed(name, fault) => {
            lab.simulator.set_faults(vec![fault.clone()]);
            (name, killed(&lab, fault))
        }
    };
    lab.simulator.set_faults(Vec::new());
    let effects = lab.effects().len();
    let seen = match ended.code {
        None => String::new(),
        Some(_) => seen_first(&lab, &ended),
    };
    let then = it_converges(&lab);
    let exit = ended.code.map_or_else(|| "–".to_owned(), |code| code.to_string());
    Row { fault: (*name).to_owned(), exit, seen, effects, then }
}

/// Through a shell, which sets the limit.
fn limited(lab: &Lab, limit: &str) -> Ended {
    let program = lab.command("apply --yes");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" apply --yes"), env!("CARGO_BIN_EXE_kedrctl")]);
    shell.current_dir(program.get_current_dir().unwrap());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Running::start(shell).end()
}

/// Kills it once the request that the fault holds back has come in, and had its effect where it is to have one.
fn killed(lab: &Lab, fault: &Fault) -> Ended {
    let mut run = lab.start("apply --yes");
    let (method, part) = (name_of(fault.method.unwrap()), part_of(fault.call.unwrap()));
    let host = fault.sensor.map_or_else(String::new, |_| sensor_id_of("WS-1").to_string());
    wait_until("it waits for the answer", || {
        let asked = lab.simulator.requests();
        let is_this = |request: &&kedrctl_simulator::LoggedRequest| {
            request.method == method && request.path.contains(part) && request.path.contains(&host)
        };
        asked.iter().filter(is_this).count() > fault.skip as usize
    });
    run.child().kill().unwrap();
    run.end()
}

fn part_of(call: CallKind) -> &'static str {
    match call {
        CallKind::Sensors => "sensors",
        CallKind::Isolation => "network_isolation",
        CallKind::Prevention => "prevention",
        CallKind::Tasks => "/tasks/",
    }
}

fn name_of(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

/// What stands on stderr as an error, else what complains in the result.
fn seen_first(lab: &Lab, ended: &Ended) -> String {
    let folder = format!("{}/", lab.path("").display().to_string().trim_end_matches('/'));
    let error = ended.stderr.lines().find(|line| line.starts_with("error"));
    match error {
        Some(line) => normalised(&line.replace(&folder, ""), &lab.simulator),
        None => of("", &ended.stdout.replace(&folder, ""), &lab.simulator),
    }
}

/// What must hold after whatever happened, once it has stopped: how many writes the next apply sent.
pub(crate) fn it_converges(lab: &Lab) -> usize {
    let before = lab.effects().len();
    lab.run("apply --yes").expect(0, &[]);
    let then = lab.effects().len() - before;
    lab.simulator.world(kedrctl_simulator::World::contact_all);
    lab.run("apply --yes").expect(0, &["nothing to do"]);
    lab.run("record verify").expect(0, &["all as it was written"]);
    lab.simulator.world(|world| {
        assert!(world.isolation(sensor_id_of("WS-2")).is_none(), "released");
        let rule = world.prevention(Target::Sensor(sensor_id_of("WS-1"))).unwrap();
        assert_eq!(rule.hashes().len(), 2, "theirs is kept");
        assert!(world.isolation(sensor_id_of("WS-3")).is_some(), "nobody named it");
    });
    lab.simulator.world(kedrctl_simulator::World::contact_all);
    let effective = lab.simulator.effective(sensor_id_of("WS-1"));
    assert!(effective.isolated && effective.started.len() == 1, "{effective:?}");
    let count = |part: &str, method: &str| {
        lab.effects().iter().filter(|effect| effect.method == method && effect.path.contains(part)).count()
    };
    assert_eq!([count("prevention", "POST"), count("/tasks/", "POST"), count("isolation", "DELETE")], [1; 3]);
    assert!((1..=2).contains(&count("isolation", "POST")), "once, and renewed where its end was not known");
    nothing_is_left_over(&lab.path(".kedrctl"));
    nothing_is_left_over(&lab.path(".state"));
    then
}

/// A file that was being written when the program ended is no part of the record, but it would stay for ever.
pub(crate) fn nothing_is_left_over(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_partial = name.starts_with(".new-") || name.starts_with(".tmp");
        assert!(!is_partial, "{} is left over", path.display());
        nothing_is_left_over(&path);
    }
}
