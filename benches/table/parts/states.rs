//! What a large state costs between its files and its plan, with nothing sent: 200 files, 50 groups and 1,000 lists,
//! against a host list of as many sensors as are declared.
//!
//! A YAML reader of another ecosystem, which checks nothing, reads the same files in the same run: PyYAML over libyaml,
//! or `yaml` of Node.js, from here or freshly installed into the temporary folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use kedrctl::declare::{self, Declared};
use kedrctl::model::{
    Clock as _, HashSet, HostList, LastAccess, Reading, Sensor, SensorId, ServerKey, ServerName, Target,
    Untrusted, WallClock,
};
use kedrctl::observe::Observed;
use kedrctl::plan::{Facts, ServerClock, plan_server};
use kedrctl::record::Recorded;
use kedrctl::resolve::{Desired, HostPattern, Known, resolve};
use uuid::Uuid;

use crate::markdown::{Section, count, mebibytes, seconds};
use crate::process::{self, peak_of};
use crate::scale::Scale;
use crate::workload::write;

const FILES: u32 = 200;
/// Half of them by pattern, half by a file of names.
const GROUPS: u32 = 50;
const LISTS: u32 = 1_000;
/// Hashes of each list.
const HASHES: u32 = 20;

const COLUMNS: &[&str] = &["what is done with a state", "hosts", "time"];

pub(crate) fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("Files to plan, without a server", COLUMNS);
    let hosts = scale.state_hosts;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let bytes = write_state(&state, hosts);
    let (declared, reading) = timed(|| declared(&state));
    let listed = listed(hosts);
    let (desired, resolving) = timed(|| resolved(&declared, &listed));
    let in_groups: usize = desired.hosts.iter().map(|host| host.groups.len()).sum();
    assert!(desired.unresolved.is_empty(), "{:?}", desired.unresolved.first());
    assert_eq!(u32::try_from(declared.hosts.len()), Ok(hosts));

    let pattern =
        HostPattern::parse(&["by-name-*:!host-0?99*"], |_| unreachable!("no file is named")).unwrap();
    let mut narrowed = desired.clone();
    let ((), limiting) = timed(|| {
        pattern.servers(&declared).unwrap();
        pattern.selection(&declared).unwrap().narrow(&ServerName::new("hq"), &mut narrowed);
    });
    let planning = planned(&desired, &listed);
    let peak = peak_of("/proc/self/status").unwrap();
    let plain = plain_reader(&state, folder.path(), scale.may_install);

    let mut row =
        |what: &str, took: f64| section.row([what.to_owned(), count(hosts as usize), seconds(took)]);
    row("read and check its files", reading);
    row("resolve it against the host list", resolving);
    row("select from it by `--limit`", limiting);
    row("plan it, all as read", planning);
    match &plain {
        Some(plain) => row(&format!("beside it: the YAML alone, {}", plain.name), plain.seconds),
        None => {
            section.note("No YAML reader of Python or Node.js is here to compare with, nor to be installed.")
        }
    }
    section.note(format!(
        "{} MB in {FILES} files, {GROUPS} groups with {} memberships, {LISTS} hash lists. All of it at once, with the host list and \
         twice the hosts, took {}{}.",
        bytes / 1_000_000,
        count(in_groups),
        mebibytes(process::mebibytes(peak)),
        plain.map_or(String::new(), |plain| format!(
            "; the other reader took {}",
            mebibytes(process::mebibytes(u64::from(plain.peak_kib)))
        ))
    ));
    section
}

/// The plan of a server where nobody is isolated and nobody has a rule, as if it had been read.
fn planned(desired: &Desired, listed: &HostList) -> f64 {
    let mut observed = Observed::default();
    observed.preventions.insert(Target::AllHosts, Reading::Absent);
    for host in &desired.hosts {
        let sensor = host.sensor.id;
        observed.isolations.insert(sensor, Reading::Absent);
        observed.preventions.insert(Target::Sensor(sensor), Reading::Absent);
    }
    let facts = Facts {
        server: &ServerName::new("hq"),
        address: "https://kata.example.org",
        origin: &kedrctl::model::Origin::command_line(),
        key: &ServerKey::of_address("kata.example.org", 443),
        listed,
        clock: ServerClock::NotGiven,
        desired,
        observed: &observed,
        recorded: &Recorded::default(),
        owner: "default",
        undeclared: &[],
        never_block: &HashSet::default(),
        now: Timestamp::UNIX_EPOCH,
        by_hand: false,
        observed_at: Timestamp::UNIX_EPOCH,
    };
    let (plan, took) = timed(|| plan_server(&facts));
    assert!(plan.changes().count() >= desired.hosts.len());
    took
}

fn name(n: u32) -> String {
    format!("host-{n:05}.corp.example")
}

/// Each file has its share of hosts and lists, every fourth a group; returns their bytes. Half of the hosts say their
/// isolation and have their lists from groups, half the reverse.
fn write_state(folder: &Path, hosts: u32) -> usize {
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
            state.push_str(&written_group(folder, group, hosts));
        }
        state.push_str("hosts:\n");
        for host in (n..hosts).step_by(FILES as usize) {
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

fn written_group(folder: &Path, n: u32, hosts: u32) -> String {
    if n.is_multiple_of(2) {
        return format!(
            "  by-pattern-{n}: {{ match: {{ name: ['*-{n:02}*.corp.*', 'h?st-*{n:02}.*'], os: windows }}, except: \
             ['*-{n:02}7*'], prevention: {{ block: [list-{n}] }} }}\n"
        );
    }
    let names: String = (0..hosts / 10).map(|host| name((host * 7 + n * 1_009) % hosts) + "\n").collect();
    write(&folder.join(format!("{n}.txt")), &names);
    format!("  by-name-{n}: {{ hosts_file: {n}.txt, isolation: off, prevention: {{ block: [list-{n}] }} }}\n")
}

fn declared(folder: &Path) -> Declared {
    let read = declare::read(&[folder.to_owned()]);
    let problems = format!("{:?}", read.problems.first());
    read.declared.unwrap_or_else(|| panic!("{problems}"))
}

fn listed(hosts: u32) -> HostList {
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
    HostList { sensors: (0..hosts).map(sensor).collect(), has_more: false, server_version: None }
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

struct Plain {
    name: &'static str,
    /// For all files, without the start of its interpreter.
    seconds: f64,
    peak_kib: u32,
}

const PYTHON: &str = "
import glob, sys, time, yaml
began = time.perf_counter()
states = [yaml.load(open(path, 'rb'), yaml.CSafeLoader) for path in sorted(glob.glob(sys.argv[1] + '/*.yaml'))]
# `getrusage` would tell that of whoever started it, too.
print(time.perf_counter() - began, next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))
";

const NODE: &str = "
const fs = require('fs'), yaml = require('yaml'), folder = process.argv[1];
const began = performance.now();
const paths = fs.readdirSync(folder).filter(name => name.endsWith('.yaml')).sort();
const states = paths.map(name => yaml.parse(fs.readFileSync(folder + '/' + name, 'utf8')));
console.log((performance.now() - began) / 1000, /VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
";

/// Python's, from here or from a fresh environment, else that of Node.js.
fn plain_reader(state: &Path, folder: &Path, may_install: bool) -> Option<Plain> {
    let venv = folder.join("venv");
    let python =
        |program: &Path| measured("PyYAML, libyaml", Command::new(program).arg("-c").arg(PYTHON).arg(state));
    let here = python(Path::new("python3"));
    if here.is_some() || !may_install {
        return here;
    }
    here.or_else(|| {
        printed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let fresh = venv.join("bin/python");
        printed(Command::new(&fresh).args(["-m", "pip", "install", "--quiet", "PyYAML"]))?;
        python(&fresh)
    })
    .or_else(|| {
        printed(Command::new("npm").args(["install", "--silent", "yaml", "--prefix"]).arg(folder))?;
        measured("yaml of Node.js", Command::new("node").current_dir(folder).arg("-e").arg(NODE).arg(state))
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
