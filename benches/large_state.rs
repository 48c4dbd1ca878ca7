//! What a large state costs between its files and the first read: 100,000 hosts in 200 files, 50 groups and 1,000
//! lists, against a host list of 100,000 sensors. Nothing is sent.
//!
//! `cargo bench --bench large_state`. A YAML reader of another ecosystem, which checks nothing, reads the same files in
//! the same run: PyYAML over libyaml, or `yaml` of Node.js, from here or freshly installed into the temporary folder.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it measured, or fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use kedrctl::declare::{self, Declared};
use kedrctl::model::{Clock as _, HostList, LastAccess, Sensor, SensorId, ServerName, Untrusted, WallClock};
use kedrctl::resolve::{Desired, HostPattern, Known, resolve};
use uuid::Uuid;

const FILES: u32 = 200;
const HOSTS: u32 = 100_000;
/// Half of them by pattern, half by a file of names.
const GROUPS: u32 = 50;
/// Hosts of each group by name.
const NAMED: u32 = 10_000;
const LISTS: u32 = 1_000;
/// Hashes of each list.
const HASHES: u32 = 20;
/// What the design allows for all of it, and for the resolving alone, seconds.
const SECONDS: f64 = 3.0;
const RESOLVING: f64 = 2.0;

fn main() {
    // `cargo test --all-targets` runs this too, and should not wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let bytes = write_state(&state);
    let (declared, reading) = timed(|| declared(&state));
    let listed = listed();
    let (desired, resolving) = timed(|| resolved(&declared, &listed));
    let peak = peak_kib();
    let in_groups: usize = desired.hosts.iter().map(|host| host.groups.len()).sum();
    assert!(desired.unresolved.is_empty(), "{:?}", desired.unresolved.first());
    assert_eq!(u32::try_from(declared.hosts.len()), Ok(HOSTS));

    let pattern =
        HostPattern::parse(&["by-name-*:!host-0?99*"], |_| unreachable!("no file is named")).unwrap();
    let mut narrowed = desired.clone();
    let ((), limiting) = timed(|| {
        pattern.servers(&declared).unwrap();
        pattern.selection(&declared).unwrap().narrow(&ServerName::new("hq"), &mut narrowed);
    });
    let plain = plain_reader(&state, folder.path());

    println!(
        "state                  {HOSTS} hosts in {FILES} files, {GROUPS} groups, {LISTS} lists; {} MB",
        bytes / 1_000_000
    );
    println!("load of the machine    {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    println!("reading, checking      {reading:.2} s");
    println!("resolving              {resolving:.2} s, {RESOLVING} allowed; {in_groups} memberships");
    println!("together               {:.2} s, {SECONDS} allowed", reading + resolving);
    println!("peak memory            {:.0} MiB, with the host list", f64::from(peak) / 1024.0);
    match plain {
        Some(Plain { name, seconds, peak_kib }) => {
            println!(
                "{name:<22} {seconds:.2} s, {:.0} MiB, for the YAML alone",
                f64::from(peak_kib) / 1024.0
            );
            println!("reading / that one     {:.2}", reading / seconds);
        }
        None => {
            println!("beside it              no YAML reader of Python or Node.js here, nor to be installed")
        }
    }
    println!("--limit                {limiting:.2} s, {} hosts left", narrowed.hosts.len());
    assert!(resolving < RESOLVING && reading + resolving < SECONDS, "longer than the design allows");
}

fn name(n: u32) -> String {
    format!("host-{n:05}.corp.example")
}

/// Each file has its share of hosts and lists, every fourth a group; returns their bytes. Half of the hosts say their
/// isolation and have their lists from groups, half the reverse.
fn write_state(folder: &Path) -> usize {
    std::fs::create_dir(folder).unwrap();
    let mut bytes = 0;
    for n in 0..FILES {
        let mut state = "version: 1\n".to_owned();
        if n == 0 {
            state.push_str("servers:\n  hq:\n    simulator: fleet.yaml\n");
        }
        state.push_str("hash_lists:\n");
        for list in (n..LISTS).step_by(FILES as usize) {
            writeln!(state, "  list-{list}:").unwrap();
            for hash in 0..HASHES {
                let md5 = Uuid::new_v5(&Uuid::NAMESPACE_DNS, &(list * HASHES + hash).to_be_bytes()).simple();
                writeln!(state, "    - {{ md5: {md5}, comment: sample {hash} }}").unwrap();
            }
        }
        if n.is_multiple_of(FILES / GROUPS) {
            let group = n / (FILES / GROUPS);
            state.push_str("groups:\n");
            state.push_str(&written_group(folder, group));
        }
        state.push_str("hosts:\n");
        for host in (n..HOSTS).step_by(FILES as usize) {
            let entry = if host.is_multiple_of(2) {
                format!("isolation: {{ lease: 24h, reason: INC-{n} }}")
            } else {
                format!("prevention: {{ block: [list-{}, list-{}] }}", host % LISTS, (host / 7) % LISTS)
            };
            writeln!(state, "  {}:\n    {entry}", name(host)).unwrap();
        }
        bytes += state.len();
        write(&folder.join(format!("{n:03}.yaml")), &state);
    }
    bytes
}

fn written_group(folder: &Path, n: u32) -> String {
    if n.is_multiple_of(2) {
        return format!(
            "  by-pattern-{n}: {{ match: {{ name: ['*-{n:02}*.corp.*', 'h?st-*{n:02}.*'], os: windows }}, except: \
             ['*-{n:02}7*'], prevention: {{ block: [list-{n}] }} }}\n"
        );
    }
    let names: String = (0..NAMED).map(|host| name((host * 7 + n * 1_009) % HOSTS) + "\n").collect();
    write(&folder.join(format!("{n}.txt")), &names);
    format!("  by-name-{n}: {{ hosts_file: {n}.txt, isolation: off, prevention: {{ block: [list-{n}] }} }}\n")
}

fn declared(folder: &Path) -> Declared {
    let read = declare::read(&[folder.to_owned()]);
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

/// The most memory that this process has had.
fn peak_kib() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

struct Plain {
    name: &'static str,
    /// For all files, without the start of its interpreter.
    seconds: f64,
    peak_kib: u32,
}

const PYTHON: &str = "
import glob, resource, sys, time, yaml
began = time.perf_counter()
states = [yaml.load(open(path, 'rb'), yaml.CSafeLoader) for path in sorted(glob.glob(sys.argv[1] + '/*.yaml'))]
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
";

const NODE: &str = "
const fs = require('fs'), yaml = require('yaml'), folder = process.argv[1];
const began = performance.now();
const paths = fs.readdirSync(folder).filter(name => name.endsWith('.yaml')).sort();
const states = paths.map(name => yaml.parse(fs.readFileSync(folder + '/' + name, 'utf8')));
console.log((performance.now() - began) / 1000, process.resourceUsage().maxRSS);
";

/// Python's, from here or from a fresh environment, else that of Node.js.
fn plain_reader(state: &Path, folder: &Path) -> Option<Plain> {
    let venv = folder.join("venv");
    let python =
        |program: &Path| measured("PyYAML, libyaml", Command::new(program).arg("-c").arg(PYTHON).arg(state));
    python(Path::new("python3"))
        .or_else(|| {
            printed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            let fresh = venv.join("bin/python");
            printed(Command::new(&fresh).args(["-m", "pip", "install", "--quiet", "PyYAML"]))?;
            python(&fresh)
        })
        .or_else(|| {
            printed(Command::new("npm").args(["install", "--silent", "yaml", "--prefix"]).arg(folder))?;
            measured(
                "yaml of Node.js",
                Command::new("node").current_dir(folder).arg("-e").arg(NODE).arg(state),
            )
        })
}

fn measured(name: &'static str, reader: &mut Command) -> Option<Plain> {
    let printed = printed(reader)?;
    let (seconds, peak_kib) = printed.trim().split_once(' ').unwrap();
    Some(Plain { name, seconds: seconds.parse().unwrap(), peak_kib: peak_kib.parse().unwrap() })
}

/// What it printed; `None` where it is not there or failed.
fn printed(command: &mut Command) -> Option<String> {
    match command.output() {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        Ok(_) | Err(_) => None,
    }
}
