//! What a run of a program costs, as a process of its own: its time and memory are its alone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kedrctl::model::{Clock as _, WallClock};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From its start to its end.
    pub(crate) seconds: f64,
    /// On processors, with the processes that it has waited for.
    pub(crate) cpu_seconds: f64,
    /// The most memory that it had itself.
    pub(crate) peak_mib: f64,
}

impl Cost {
    /// The best of several runs: what else the machine did made the others longer.
    pub(crate) fn best(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.min(other.seconds),
            cpu_seconds: self.cpu_seconds.min(other.cpu_seconds),
            peak_mib: self.peak_mib.max(other.peak_mib),
        }
    }
}

/// Runs a program to its end. What it prints is dropped unless it fails.
///
/// # Panics
/// It could not be started, or it failed.
pub(crate) fn cost_of(command: &mut Command) -> Cost {
    let began = WallClock.now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut peak_kib = 0;
    while !has_ended(&child) {
        // It only grows, so the last look before the end has all but the last milliseconds.
        peak_kib = peak(&child).unwrap_or(peak_kib);
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = WallClock.now().duration_since(began).as_secs_f64();
    let cpu_seconds = cpu_seconds(&child);
    let status = child.wait().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
    Cost { seconds, cpu_seconds, peak_mib: mebibytes(peak_kib) }
}

pub(crate) fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}

/// Not waited for yet, so that the system still tells of it.
fn has_ended(child: &Child) -> bool {
    let pid = Pid::from_child(child);
    let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), looking).unwrap().is_some()
}

/// `VmHWM` of a process; `None` when it has ended.
fn peak(child: &Child) -> Option<u64> {
    peak_of(&format!("/proc/{}/status", child.id()))
}

pub(crate) fn peak_of(status_file: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status_file).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Of a process that has ended: user and system time, its own and its children's.
fn cpu_seconds(child: &Child) -> f64 {
    let ticks_a_second = rustix::param::clock_ticks_per_second();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    // The program's name may have blanks in it; the third field comes behind its parenthesis.
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u32 =
        behind_name.split_whitespace().skip(11).take(4).map(|field| field.parse::<u32>().unwrap()).sum();
    f64::from(ticks) / f64::from(u32::try_from(ticks_a_second).unwrap())
}
