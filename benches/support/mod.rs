//! What a run of `kedrctl` costs, as a process of its own: its memory is its alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::{Clock as _, WallClock};

pub(crate) struct Cost {
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn took(&self) -> SignedDuration {
        self.ended.duration_since(self.began)
    }
}

/// Runs a command over a state, and has it succeed.
pub(crate) fn cost_of(command: &str, state: &Path) -> Cost {
    let began = WallClock.now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kedrctl"))
        .args([command, "-f"])
        .arg(state)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak_kib = 0;
    let status = loop {
        // It only grows, so the last look before the end has all but the last milliseconds.
        peak_kib = peak(&child).unwrap_or(peak_kib);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let ended = WallClock.now();
    assert!(status.success(), "{command} ended with {status}");
    Cost { began, ended, peak_kib }
}

/// `VmHWM` of a process; `None` when it has ended.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse().unwrap())
}
