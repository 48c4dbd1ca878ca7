//! What it costs to tell who is in which group: 100,000 listed hosts, 50 groups.
//!
//! `cargo bench --bench groups`. Nothing is sent: this is the part between the host list and the first read.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it measured, or fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kedrctl::declare::{self, Declared};
use kedrctl::model::{Clock as _, HostList, LastAccess, Sensor, SensorId, ServerName, Untrusted, WallClock};
use kedrctl::resolve::{Desired, HostPattern, Known, resolve};
use uuid::Uuid;

const HOSTS: u32 = 100_000;
/// Half of them by pattern, half by a file of names.
const GROUPS: u32 = 50;
/// Hosts of each group by name.
const NAMED: u32 = 10_000;
/// What the design allows, seconds.
const SECONDS: f64 = 2.0;

fn main() {
    // `cargo test --all-targets` runs this too, and should not wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (declared, reading) = timed(|| declared(folder.path()));
    let listed = listed();
    let before = resident_kib();
    let (desired, resolving) = timed(|| resolved(&declared, &listed));
    let after = resident_kib();
    let in_groups: usize = desired.hosts.iter().map(|host| host.groups.len()).sum();
    assert!(desired.unresolved.is_empty(), "{:?}", desired.unresolved.first());

    let pattern =
        HostPattern::parse(&["by-name-*:!host-0?99*"], |_| unreachable!("no file is named")).unwrap();
    let mut narrowed = desired.clone();
    let ((), limiting) = timed(|| {
        pattern.servers(&declared).unwrap();
        pattern.selection(&declared).unwrap().narrow(&mut narrowed);
    });

    println!("hosts, groups          {HOSTS}, {GROUPS}; {in_groups} memberships");
    println!("files                  {reading:.2} s");
    println!("resolving              {resolving:.2} s, {SECONDS} allowed");
    println!("  memory               {:.1} MiB", f64::from(after.saturating_sub(before)) / 1024.0);
    println!("--limit                {limiting:.2} s, {} hosts left", narrowed.hosts.len());
    assert!(resolving < SECONDS, "longer than the design allows");
}

fn name(n: u32) -> String {
    format!("host-{n:05}.corp.example")
}

fn declared(folder: &Path) -> Declared {
    let mut state = "version: 1\nservers: { hq: { simulator: fleet.yaml } }\nhash_lists:\n".to_owned();
    for n in 0..GROUPS {
        writeln!(state, "  list-{n}: [{:032x}]", n + 1).unwrap();
    }
    state.push_str("groups:\n");
    for n in 0..GROUPS {
        if n % 2 == 0 {
            writeln!(
                state,
                "  by-pattern-{n}: {{ match: {{ name: ['*-{n:02}*.corp.*', 'h?st-*{n:02}.*'], os: windows }}, except: \
                 ['*-{n:02}7*'], prevention: {{ block: [list-{n}] }} }}"
            )
            .unwrap();
        } else {
            let names: String = (0..NAMED).map(|host| name((host * 7 + n * 1_009) % HOSTS) + "\n").collect();
            write(&folder.join(format!("{n}.txt")), &names);
            writeln!(
                state,
                "  by-name-{n}: {{ hosts_file: {n}.txt, isolation: off, prevention: {{ block: [list-{n}] }} }}"
            )
            .unwrap();
        }
    }
    let path = folder.join("state.yaml");
    write(&path, &state);
    let read = declare::read(&[path]);
    let problems = format!("{:?}", read.problems.first());
    read.declared.unwrap_or_else(|| panic!("{problems}"))
}

#[expect(clippy::disallowed_methods, reason = "nobody but this bench reads what is in its temporary folder")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn listed() -> HostList {
    let sensor = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        let sensor = Sensor {
            id: SensorId::new(Uuid::new_v5(&Uuid::NAMESPACE_DNS, &n.to_be_bytes())),
            name: Some(Untrusted::new(name(n))),
            addresses: vec![[10, a, b, c].into()],
            last_access: LastAccess::At(Timestamp::UNIX_EPOCH),
            agent_version: None,
            os_family: Some(Untrusted::new("Windows")),
            os_name: None,
            capabilities: Vec::new(),
        };
        (sensor.id, Arc::new(sensor))
    };
    HostList { sensors: (0..HOSTS).map(sensor).collect(), has_more: false, server_version: None }
}

fn resolved(declared: &Declared, listed: &HostList) -> Desired {
    let known = Known {
        listed,
        listed_elsewhere: &BTreeMap::new(),
        recorded_entries: &BTreeMap::new(),
        accepted_moves: &BTreeSet::new(),
        missing: declared.policy.missing,
    };
    resolve(declared, &ServerName::new("hq"), &known)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = WallClock.now();
    let done = work();
    (done, WallClock.now().duration_since(began).as_secs_f64())
}

fn resident_kib() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
