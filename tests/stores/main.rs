//! The record's stores: a folder and an object store pass the same tests. Object stores are one in memory, and a small
//! one on loopback that fails as told; `.ci/stores` runs the ignored ones against servers that nobody here wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod faults;
mod lock;
mod program;
#[cfg(unix)]
mod race;
mod real;
mod s3;
mod support;
