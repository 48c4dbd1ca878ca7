//! What one look at the servers told, kept: a plan can be made from it without key, network and record.
//!
//! It is read through the same trait as a server ([`SnapshotNode`]), so that there is one walk and one planner, and a
//! plan from a snapshot is the plan that reads.

mod file;
mod node;
#[cfg(test)]
mod tests;
mod wire;
mod wire_task;

use jiff::Timestamp;

use super::Observed;
use crate::central_node::{CallError, CallErrorKind, Listing};
use crate::model::{Reading, ServerName};
use crate::record::Recorded;

pub use file::{FORMAT_VERSION, SnapshotError, decode, encode, is_snapshot, write_schema};
pub use node::SnapshotNode;

/// Everything that a plan reads, of all declared servers, or of those that `--server` named.
#[derive(Debug)]
pub struct Snapshot {
    /// The moment before the first request.
    pub taken_at: Timestamp,
    /// Whether isolation and prevention of every listed host were read, not only what was declared.
    pub has_all_hosts: bool,
    /// Those that were to be read (`--server` may leave some out), in the order of their names.
    pub servers: Vec<ServerSnapshot>,
}

/// What one server answered, and what the record knew of it.
#[derive(Debug)]
pub struct ServerSnapshot {
    /// What the files called it then; they may call it otherwise since.
    pub name: ServerName,
    /// What people know it by.
    pub address: String,
    /// Its key in the record: what tells whether a declared server is this one.
    pub key: String,
    /// The ledger as it was before the server was asked; empty where there was no record.
    pub recorded: Recorded,
    /// `Err`: not even its host list could be had, or its record could not, and it was not asked.
    pub readings: Result<Readings, Failure>,
}

/// The answers of a server that could be asked.
#[derive(Debug)]
pub struct Readings {
    /// Its hosts, with both clocks at the time of that answer.
    pub listing: Listing,
    /// What was read of their settings; empty where `stopped` says why: no half of it is kept.
    pub observed: Observed,
    /// What ended the reading of this server before it was done.
    pub stopped: Option<Failure>,
}

/// An error of a call, as far as a later plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means for the other calls to this server.
    pub kind: FailureKind,
    /// Its whole text; safe to print.
    pub text: String,
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server was not there.
    Lost,
    /// No other call to this server can do better.
    Stops,
    /// Only this call failed.
    Other,
    /// It was not asked: its part of the record could not be had.
    Unrecorded,
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        let is_lost = matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost);
        let kind = match (error.stops_server(), is_lost) {
            (true, _) => FailureKind::Stops,
            (false, true) => FailureKind::Lost,
            (false, false) => FailureKind::Other,
        };
        Self { kind, text: error.to_string() }
    }
}

impl ServerSnapshot {
    /// Why its part of the record could not be had, where that is so; safe to print.
    pub fn why_unrecorded(&self) -> Option<&str> {
        match &self.readings {
            Err(Failure { kind: FailureKind::Unrecorded, text }) => Some(text),
            Err(Failure { kind: FailureKind::Lost | FailureKind::Stops | FailureKind::Other, .. })
            | Ok(_) => None,
        }
    }
}

impl Snapshot {
    /// How many settings could not be read, and how many were.
    pub fn unknown_and_read(&self) -> (usize, usize) {
        let (mut unknown, mut read) = (0, 0);
        for readings in self.servers.iter().flat_map(|server| &server.readings) {
            let observed = &readings.observed;
            let isolations = observed.isolations.values().map(is_unknown);
            let preventions = observed.preventions.values().map(is_unknown);
            let tasks = observed.tasks.values().map(is_unknown);
            for is_unknown in isolations.chain(preventions).chain(tasks) {
                if is_unknown { unknown += 1 } else { read += 1 }
            }
        }
        (unknown, read)
    }

    /// Whether something that was asked for is missing.
    pub fn is_incomplete(&self) -> bool {
        let lacks = |server: &ServerSnapshot| match &server.readings {
            Ok(readings) => readings.stopped.is_some(),
            Err(_unread) => true,
        };
        self.unknown_and_read().0 > 0 || self.servers.iter().any(lacks)
    }

    /// Whether no server gave its host list.
    pub fn is_empty(&self) -> bool {
        self.servers.iter().all(|server| server.readings.is_err())
    }
}

fn is_unknown<T>(reading: &Reading<T>) -> bool {
    match reading {
        Reading::Unknown(_) => true,
        Reading::Present(_) | Reading::Absent => false,
    }
}
