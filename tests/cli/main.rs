//! The built program: exit codes, messages, signals, streams. What it decides is tested through the library, in
//! tests/cases.rs; here stands only what needs a process.

mod concurrent;
mod credentials;
mod files;
mod hold;
mod import;
mod lab;
mod lifecycle;
mod looking_back;
mod output;
mod record;
mod servers;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod simulate;
mod snapshot;
mod validate;
