//! The built program: exit codes, messages, signals, streams. What it decides is tested through the library, in
//! tests/cases.rs; here stands only what needs a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod approval;
mod by_hand;
mod concurrent;
mod credentials;
mod exits;
mod files;
mod first;
mod formats;
mod hands;
mod help;
mod hold;
mod hosts;
mod import;
mod keys;
mod lab;
mod lifecycle;
mod log;
mod looking_back;
mod orders;
mod output;
mod probe;
mod record;
mod rollback;
mod scale;
mod secrecy;
mod servers;
#[cfg(unix)]
mod show;
#[cfg(unix)]
mod signals;
mod simulate;
mod snapshot;
mod tasks;
mod undeclared;
mod validate;
