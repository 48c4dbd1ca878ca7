//! How much memory this process has taken at most, where the system tells.

use std::fs;

/// Forgets the peak so far, and says what is taken now; `None` where the system can not.
pub(crate) fn reset_peak() -> Option<u64> {
    let reset = fs::OpenOptions::new().write(true).open("/proc/self/clear_refs");
    let reset = reset.and_then(|mut file| std::io::Write::write_all(&mut file, b"5"));
    reset.is_ok().then(peak)?
}

/// In bytes.
pub(crate) fn peak() -> Option<u64> {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return None };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().unwrap();
    Some(kib * 1024)
}
