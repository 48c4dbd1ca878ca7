//! Where it was measured: figures of two machines are not compared.

use std::fs::read_to_string;

/// One line, without the machine's name.
pub(crate) fn described() -> String {
    let cpus = read_to_string("/proc/cpuinfo").unwrap();
    let after_colon = |line: &str| line.split_once(':').unwrap().1.trim().to_owned();
    let model = cpus.lines().find(|line| line.starts_with("model name")).map_or("?".to_owned(), after_colon);
    let cores = std::thread::available_parallelism().unwrap();
    let memory = read_to_string("/proc/meminfo").unwrap();
    let total = after_colon(memory.lines().find(|line| line.starts_with("MemTotal")).unwrap());
    let kib: u64 = total.trim_end_matches(" kB").parse().unwrap();
    let load = read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').next().unwrap();
    format!(
        "{cores} cores ({model}), {} GiB; load of the machine when it began: {load}. Servers, clients and all else share these cores.",
        kib.div_ceil(1 << 20)
    )
}
