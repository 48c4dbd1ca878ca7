//! What people read a fleet with instead, each a file: the same settings of the same hosts over the same TLS, put
//! nowhere. None of them compares, explains or retries.

mod ansible;
mod curl;
mod python;

use std::path::PathBuf;
use std::process::Command;

use crate::workload::{Host, State, isolation_path, prevention_path};

/// What a peer is given.
pub(crate) struct Task<'a> {
    /// A folder with client.crt and client.key; it may put files there.
    pub(crate) state: &'a State,
    /// What all paths begin with.
    pub(crate) base: &'a str,
    pub(crate) hosts: &'a [Host],
}

impl Task<'_> {
    /// Two for each host.
    pub(crate) fn urls(&self) -> impl Iterator<Item = String> + '_ {
        self.hosts
            .iter()
            .flat_map(|host| [isolation_path(host), prevention_path(host)])
            .map(|path| format!("{}{path}", self.base))
    }
}

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Takes a part of a second for each host: it is given fewer.
    pub(crate) is_slow: bool,
    /// What it is, and what it needs to be installed: packages of Python.
    pub(crate) packages: &'static [&'static str],
    /// The program is ready to be run; `tools` has what was installed for it.
    pub(crate) command: fn(&Task<'_>, &Tools) -> Command,
}

pub(crate) const ALL: [Peer; 5] =
    [curl::LOOP, curl::PARALLEL, python::REQUESTS, python::AIOHTTP, ansible::URI];

/// A folder of Python programs and packages of our own, which stays for the next time.
pub(crate) struct Tools {
    venv: PathBuf,
}

impl Tools {
    pub(crate) fn new() -> Self {
        Self { venv: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-peers") }
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }

    /// Whether these packages are there, or could be installed.
    pub(crate) fn have(&self, packages: &[&str], may_install: bool) -> bool {
        let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        if packages.is_empty() {
            return true;
        }
        let there = |tools: &Self| {
            succeeds(
                Command::new(tools.program("python")).args(["-m", "pip", "show", "--quiet"]).args(packages),
            )
        };
        there(self)
            || may_install
                && (self.program("python").exists()
                    || succeeds(Command::new("python3").args(["-m", "venv"]).arg(&self.venv)))
                && succeeds(
                    Command::new(self.program("python"))
                        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                        .args(packages),
                )
    }
}
