//! How much is measured: a few minutes, an hour, or a try that ends at once.

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) scale: Scale,
    /// Only parts whose name has one of these words in it; empty: all.
    only: Vec<String>,
    /// Whether docs/performance.md is to have the table.
    pub(crate) write: bool,
}

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Declared hosts, at no latency.
    pub(crate) hosts: &'static [usize],
    /// Declared hosts, at 20 ms.
    pub(crate) far_hosts: &'static [usize],
    /// The same against the simulator: what waits shows no other ratio there, and takes as many minutes.
    pub(crate) far_simulated_hosts: &'static [usize],
    /// Each contestant runs so often, by turns; the best of its times counts.
    pub(crate) rounds: usize,
    /// Hosts that other tools read; the slow ones read fewer.
    pub(crate) peer_hosts: usize,
    pub(crate) slow_peer_hosts: usize,
    /// Whether what is missing may be installed from package registries.
    pub(crate) may_install: bool,
    /// Declared hosts of the state that is only read.
    pub(crate) state_hosts: u32,
    /// Hashes of a list that is never blocked, and of one that is.
    pub(crate) never_blocked: u64,
    pub(crate) blocked: u64,
    /// Runs in the record.
    pub(crate) runs: u32,
}

const DEFAULT: Scale = Scale {
    hosts: &[100, 1_000, 10_000],
    far_hosts: &[100, 1_000],
    far_simulated_hosts: &[100, 1_000],
    rounds: 3,
    peer_hosts: 1_000,
    slow_peer_hosts: 100,
    may_install: true,
    state_hosts: 100_000,
    never_blocked: 1_000_000,
    blocked: 1_000_000,
    runs: 10_000,
};

const FULL: Scale = Scale {
    hosts: &[100, 1_000, 10_000, 100_000],
    far_hosts: &[100, 1_000, 10_000, 100_000],
    far_simulated_hosts: &[100, 1_000, 10_000],
    slow_peer_hosts: 1_000,
    never_blocked: 10_000_000,
    ..DEFAULT
};

/// Nothing is learnt from its figures; that it ends at all is.
const TRY: Scale = Scale {
    hosts: &[20],
    far_hosts: &[20],
    far_simulated_hosts: &[20],
    rounds: 1,
    peer_hosts: 10,
    slow_peer_hosts: 2,
    may_install: false,
    state_hosts: 2_000,
    never_blocked: 1_000,
    blocked: 1_000,
    runs: 50,
};

impl Wanted {
    /// `None`: a flag that is not known. cargo says `--bench` when it benches and not when it tests.
    pub(crate) fn from_flags(flags: impl Iterator<Item = String>) -> Option<Self> {
        let (mut benches, mut full, mut write, mut only) = (false, false, false, Vec::new());
        for flag in flags {
            match flag.as_str() {
                "--bench" => benches = true,
                "--full" => full = true,
                "--write" => write = true,
                word if !word.starts_with('-') => only.push(flag),
                _ => return None,
            }
        }
        let scale = match (benches, full) {
            (false, _) => TRY,
            (true, false) => DEFAULT,
            (true, true) => FULL,
        };
        Some(Self { scale, only, write })
    }

    /// Whether the part of this name is wanted.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| part.contains(word.as_str()))
    }
}
