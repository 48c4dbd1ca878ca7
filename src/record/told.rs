//! What the journal tells of itself: runs, what each meant to change and what became of that. Values, as they were put
//! down; what follows from them is the ledger's matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{IntentionNumber, RunEnd};
use crate::model::{Cause, HoldScope, Isolation, Program, Side, Subject};

/// The runs of one server, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// By where they began in the chain; no more than were asked for.
    pub runs: Vec<RecordedRun>,
    /// There are no older runs.
    pub is_whole: bool,
}

/// One run on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRun {
    /// Such as `20261125-003319-4f2a`: its begin in UTC and four random hexadecimal digits.
    pub id: Arc<str>,
    /// When it began on this server, by its own machine's clock.
    pub begun_at: Timestamp,
    /// When it last wrote to the record.
    pub last_at: Timestamp,
    /// `user@machine`.
    pub by: Arc<str>,
    /// In whose name it wrote: `owner:` of its files, `default` where they have none.
    pub owner: Arc<str>,
    /// As it called itself: `apply`, `apply --renew-only`, `isolate`, `tasks delete`, …
    pub command: Arc<str>,
    /// What its flags let pass: limits, take-overs, accepted moves, a short host list.
    pub allow: Vec<Arc<str>>,
    /// The id of the approved or saved plan that it was held to.
    pub plan: Option<Arc<str>>,
    /// A link to its CI job, without credentials; `None`: the environment gave none.
    pub ci_job: Option<Arc<str>>,
    /// `None`: neither a CI job nor a git folder around the files told one.
    pub commit: Option<Commit>,
    /// In the order in which they were put down.
    pub acts: Vec<Act>,
    /// What it left or ended, in that order.
    pub holds: Vec<HoldNote>,
    /// `None`: it never said that it ended.
    pub end: Option<RunEnd>,
}

/// The commit that a run's files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// As the CI job or the git folder told it: mostly 40 or 64 hexadecimal digits.
    pub id: Arc<str>,
    /// A CI job checked it out; otherwise the files may have been edited since.
    pub is_sure: bool,
}

/// A hold that a run left, or that it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldNote {
    /// When it was left or ended, by the clock of the run's machine.
    pub at: Timestamp,
    /// What it keeps, or kept, `apply` off.
    pub subject: HoldScope,
    /// What people called the host then.
    pub host: Option<Arc<str>>,
    /// Whether it was left or ended.
    pub change: HoldChange,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldChange {
    /// It stands from then on, in the place of any that stood there.
    Left {
        /// When it ends by itself.
        until: Timestamp,
        /// `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`.
        command: Arc<str>,
        /// As whoever left it gave it; `None`: none was given.
        reason: Option<Arc<str>>,
    },
    /// Ended before its time, whoever had left it.
    Ended,
}

/// One write that a run meant to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Counted within its run, from 1.
    pub number: IntentionNumber,
    /// Its place among all acts that were read, of any run.
    pub order: usize,
    /// What it was to write.
    pub subject: Subject,
    /// What people called the host then.
    pub host: Option<Arc<str>>,
    /// The key of its entry, or what one could be called; `None`: it has none, as the rule for all hosts.
    pub entry: Option<Arc<str>>,
    /// The lines that asked for it, or the command line; `None`: the journal does not say.
    pub cause: Option<Cause>,
    /// As the files or the command give it: recorded, never sent. `None`: none was given.
    pub reason: Option<Arc<str>>,
    /// `isolate`, `renew`, `release`, `block`, …
    pub action: Arc<str>,
    /// Before anything was sent.
    pub at: Timestamp,
    /// What was read before, and what it was to become.
    pub values: ActValues,
    /// What of a prevention rule it put back for others, who had put it there; `None`: nothing.
    pub foreign: Option<KeptRule>,
    /// The server's clock and ours were too far apart for an end to be known.
    pub clocks_apart: bool,
    /// As far as the lines that were read tell.
    pub outcome: ActOutcome,
}

/// The value before and after. `None` is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActValues {
    /// One host's: before as it was listed, after as it was to be sent.
    Isolation(Side<Isolation>),
    /// One host's rule, or that for all hosts: as digests, without the hashes.
    Prevention(Side<KeptRule>),
    /// A task that was created (`before` is `None`) or deleted (`after` is).
    Task(Side<Arc<Program>>),
}

/// A prevention rule that the record keeps; [`Record::rule`](super::Record::rule) has its hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptRule {
    pub(super) sha256: Arc<str>,
    /// How many hashes it holds.
    pub count: u64,
}

/// How many hashes the changes of prevention rules added, took out and kept: all that most readers want of rules
/// that may hold a hundred thousand each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCounts(pub(super) BTreeMap<(Option<KeptRule>, Option<KeptRule>), HashCounts>);

/// How many files of a rule a change concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCounts {
    /// In the rule after the change, and not before.
    pub added: usize,
    /// In the rule before the change, and not after.
    pub removed: usize,
    /// In both.
    pub kept: usize,
}

impl RuleCounts {
    /// `None`: it was not counted.
    pub fn of(&self, change: &Side<KeptRule>) -> Option<HashCounts> {
        self.0.get(&(change.before.clone(), change.after.clone())).copied()
    }
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActOutcome {
    /// Read back as it was sent, or judged to be done by a later reading.
    Done {
        /// The moment before the request was sent: the time that counts.
        sent_at: Timestamp,
        /// As the server listed it, where that is known and it is an isolation.
        listed_timeout_seconds: Option<u64>,
    },
    /// It was found as desired; nothing was sent.
    NothingToDo,
    /// It counts as not carried out: not sent, refused, or judged so by a later reading.
    NotDone {
        /// In words for a person.
        why: Arc<str>,
    },
    /// Nobody knows; `why` where the run itself could not tell.
    Open {
        /// `None`: its run has told nothing of it; it was killed, say, or is under way.
        why: Option<Arc<str>>,
    },
}

impl Act {
    /// Whether it is known to have had its effect.
    pub fn is_done(&self) -> bool {
        match self.outcome {
            ActOutcome::Done { .. } => true,
            ActOutcome::NothingToDo | ActOutcome::NotDone { .. } | ActOutcome::Open { .. } => false,
        }
    }

    /// When it was sent, where that is known, else when it was put down.
    pub fn sent_at(&self) -> Timestamp {
        match self.outcome {
            ActOutcome::Done { sent_at, .. } => sent_at,
            ActOutcome::NothingToDo | ActOutcome::NotDone { .. } | ActOutcome::Open { .. } => self.at,
        }
    }

    /// What people called the host, or else its entry or its id.
    pub fn label(&self) -> String {
        let name = self.host.as_ref().or(self.entry.as_ref());
        name.map_or_else(|| self.subject.target.to_string(), |name| name.to_string())
    }
}

/// For tests of what is told, which need no store.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) fn kept(digit: char, count: u64) -> KeptRule {
        KeptRule { sha256: digit.to_string().repeat(64).into(), count }
    }

    pub(crate) fn counted(change: &Side<KeptRule>, counts: HashCounts) -> RuleCounts {
        RuleCounts(BTreeMap::from([((change.before.clone(), change.after.clone()), counts)]))
    }
}
