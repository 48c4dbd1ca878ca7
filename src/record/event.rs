//! The lines of the journal.
//!
//! What an older version does with a newer one's lines: a field that it does not know is passed over, so a field
//! may be added only where the rest means the same without it. An event of a kind that it does not know stops it
//! (the ledger could be wrong without it), unless the line says `"ignorable":true`. Anything else needs a new
//! `format` in the segment's header.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::{
    self, SetRef, WireAspect, WireDifference, WireGroup, WireOrigin, WireSensor, WireTarget, WireTime,
};
use crate::model::Cause;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    RunBegins(RunBegins),
    Intends(Box<Intends>),
    Outcome(OutcomeOf),
    Settled(SettledLine),
    HostsListed {
        at: WireTime,
        count: u64,
    },
    /// Which sensors declared entries meant; entries that are not named keep what was noted before.
    Entries {
        at: WireTime,
        entries: BTreeMap<String, WireSensor>,
    },
    /// An act by hand stands: `apply` leaves this subject alone until then. No older reader may pass over it.
    Held(HeldLine),
    /// The hold of this subject is over.
    HoldEnded {
        at: WireTime,
        target: WireTarget,
        aspect: WireAspect,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// That of the run which left the hold: it ends no other. `None`: the one that was left before, by the clocks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    RunEnds {
        at: WireTime,
        status: Status,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// The first line of a run; which run stands in the segment's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunBegins {
    pub(super) at: WireTime,
    pub(super) owner: String,
    pub(super) by: String,
    pub(super) command: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allow: Vec<String>,
    /// The id of the plan that it was held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ci_job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ci_commit: Option<String>,
}

/// A write that will be tried; durable before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intends {
    /// Counted within the run, from 1.
    pub(super) intention: u64,
    pub(super) at: WireTime,
    pub(super) target: WireTarget,
    /// What people call the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) entry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<WireOrigin>,
    /// Where it came through groups: all of them, `origin` being that of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<WireGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// For people: `isolate`, `renew`, `release`, `block`, …
    pub(super) action: String,
    pub(super) difference: WireDifference,
    /// Hashes that it puts back and that were not ours when we took them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) foreign: Option<SetRef>,
    /// An end counted from here is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) clocks_apart: bool,
}

impl Intends {
    /// The sets that folding it needs.
    pub(super) fn sets(&self) -> impl Iterator<Item = &SetRef> {
        self.difference.sets().chain(&self.foreign)
    }

    /// Where it was declared, and through what.
    pub(super) fn cause(&self) -> Option<Cause> {
        wire::cause(self.origin.as_ref(), &self.groups)
    }
}

/// What became of an intention of the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutcomeOf {
    pub(super) intention: u64,
    pub(super) at: WireTime,
    #[serde(flatten)]
    pub(super) outcome: WireOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum WireOutcome {
    Done {
        sent_at: WireTime,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        listed_timeout_seconds: Option<u64>,
    },
    NothingToDo,
    NotDone {
        why: String,
    },
    Unknown {
        why: String,
    },
}

/// What a reading showed of an open intention, mostly one of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SettledLine {
    pub(super) at: WireTime,
    pub(super) run: String,
    pub(super) intention: u64,
    pub(super) done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listed_timeout_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldLine {
    pub(super) at: WireTime,
    pub(super) target: WireTarget,
    pub(super) aspect: WireAspect,
    /// What people call the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    pub(super) until: WireTime,
    /// What left it: `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`.
    pub(super) command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Finished,
    Interrupted,
    Failed,
}

/// Just enough of a line to know whether it may be passed over.
#[derive(Deserialize)]
struct Unknown {
    event: String,
    #[serde(default)]
    ignorable: bool,
}

impl Event {
    /// `Ok(None)`: a line of a newer version that says that it may be passed over.
    ///
    /// # Errors
    /// What this version does not understand, for a message.
    pub(super) fn decode(line: &[u8]) -> Result<Option<Self>, String> {
        let why = match serde_json::from_slice(line) {
            Ok(event) => return Ok(Some(event)),
            Err(why) => why,
        };
        match serde_json::from_slice::<Unknown>(line) {
            Ok(unknown) if unknown.ignorable => Ok(None),
            Ok(unknown) => {
                Err(format!("an event `{}` that this version does not understand: {why}", unknown.event))
            }
            Err(_) => Err(format!("a line that this version does not understand: {why}")),
        }
    }
}
