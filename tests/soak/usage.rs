//! What this process, and so the simulator in it, has open.

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
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib = kib.trim().trim_end_matches(" kB").parse().unwrap();
        Self { files, sockets, kib }
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
