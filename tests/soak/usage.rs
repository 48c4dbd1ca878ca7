//! What this process, and so the simulator in it, has open.

use std::path::Path;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) files: usize,
    pub(crate) sockets: usize,
    /// Resident.
    pub(crate) kib: u64,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let (mut files, mut sockets) = (0, 0);
        for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
            // The one that reads the folder is gone by now.
            let Ok(target) = std::fs::read_link(entry.unwrap().path()) else { continue };
            files += 1;
            sockets += usize::from(target.to_string_lossy().starts_with("socket:"));
        }
        Self { files, sockets, kib: kib_of("VmRSS:") }
    }

    /// Once the connections of processes that have ended are noticed to be gone.
    pub(crate) fn settled(to: &Self) -> Self {
        for _ in 0..500 {
            let now = Self::now();
            if now.files <= to.files && now.sockets <= to.sockets {
                return now;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self::now()
    }
}

/// The most memory that this process has had at once.
pub(crate) fn peak_kib() -> u64 {
    kib_of("VmHWM:")
}

fn kib_of(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    kib.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What programs took at most, in KiB: the median of the first and of the last tenth of them.
#[derive(Debug)]
pub(crate) struct Peaks {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Peaks {
    /// Of a file with a line for each, in the order in which they ended.
    pub(crate) fn of(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let all: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        let tenth = (all.len() / 10).max(1);
        let median = |some: &[u64]| {
            let mut some = some.to_vec();
            some.sort_unstable();
            some[some.len() / 2]
        };
        Self { first: median(&all[..tenth]), last: median(&all[all.len() - tenth..]) }
    }
}
