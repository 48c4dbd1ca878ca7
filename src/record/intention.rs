//! What a run tells the record, and what it is told back.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Hold, Lease, RecordError, Recorded};
use crate::model::{Cause, Difference, PreventionRule, SensorId, Subject, Target};

/// What `execute` needs of a record: nothing is sent before [`Intentions::intend`] has returned.
pub trait Intentions: Send {
    /// Puts down what will be tried, all in one append. When it returns, the record lasts; at most
    /// [`INTENTIONS_AT_ONCE`]. For each of them, in the same order, whether it may be sent.
    ///
    /// # Errors
    /// None of them may be sent then.
    fn intend(
        &mut self,
        intentions: &[Intention],
    ) -> impl Future<Output = Result<Vec<Intended>, RecordError>> + Send;

    /// What became of them, at `at`: after they were read back. Stored with what is appended next: one that is lost
    /// before that counts as open, and is settled by reading.
    fn outcomes(&mut self, at: Timestamp, outcomes: &[(IntentionNumber, WriteOutcome)]);

    /// Asked before each send: nothing is sent under a lock that may be somebody else's by now.
    fn lease(&self) -> Lease;

    /// Reads the chain again, and tells of a hold in force that an act by hand has left on this subject since the
    /// run was planned: asked before something is sent again.
    ///
    /// # Errors
    /// Nothing may be sent then.
    fn hold_since(
        &mut self,
        subject: Subject,
        at: Timestamp,
    ) -> impl Future<Output = Result<Option<Hold>, RecordError>> + Send;
}

/// What the record says to one intention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intended {
    /// It is in the record.
    MaySend(IntentionNumber),
    /// An act by hand stands on its subject, which the plan could not know of. It is in the record as not done.
    Held(Hold),
}

/// A hold that an act by hand leaves; who, when and which run come from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// When it ends by itself.
    pub until: Timestamp,
    /// `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`.
    pub command: Arc<str>,
    /// For whoever meets it; `None`: none was given.
    pub reason: Option<Arc<str>>,
    /// What people call the host.
    pub host: Option<Arc<str>>,
}

/// Where a run is that has ended.
#[derive(Debug)]
pub enum Kept {
    /// All of it is in the record; or it had nothing to tell, and wrote nothing.
    InRecord,
    /// On this machine, until the next run that reaches the record brings it in.
    Locally {
        /// The folder in which it waits.
        place: String,
        /// Why it could not be brought into the record.
        cause: RecordError,
    },
}

/// How many intentions of a run may be open at a time: one that is killed leaves no more than these to be settled.
pub const INTENTIONS_AT_ONCE: usize = 100;

/// An intention within its run, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentionNumber(pub u64);

/// One write that will be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intention {
    /// The host whose setting is written, or all hosts.
    pub target: Target,
    /// What people call the host.
    pub host: Option<Arc<str>>,
    /// The key of the host's entry, where it has one; `None` for the rule for all hosts.
    pub entry: Option<Arc<str>>,
    /// The lines that ask for it, or the command line; `None`: that is not known.
    pub cause: Option<Cause>,
    /// As the files or the command give it: recorded, never sent. `None`: none was given.
    pub reason: Option<Arc<str>>,
    /// What it is to people who read the journal: `isolate`, `renew`, `release`, `block`, …
    pub action: Arc<str>,
    /// Before anything is sent: the time that counts when the outcome is never known.
    pub at: Timestamp,
    /// `before` is what was read, `after` what will be sent.
    pub difference: Difference,
    /// The server's clock and ours are too far apart for an end to be known.
    pub clocks_apart: bool,
    /// Of the hashes that it puts in, those that others had put there before we took them out: they stay theirs.
    pub foreign: Option<Arc<PreventionRule>>,
}

impl Intention {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        Subject { target: self.target, aspect: self.difference.aspect() }
    }
}

/// What became of one intention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Read back as it was sent.
    Done {
        /// The moment before the (first) request of this write was sent.
        sent_at: Timestamp,
        /// As the server listed it, where it is an isolation; `None`: as it was sent.
        listed_timeout_seconds: Option<u64>,
    },
    /// It was found as desired already, by nobody of this run: nothing was sent.
    NothingToDo,
    /// Surely not carried out: nothing was sent, or the server refused it.
    NotDone {
        /// Why not, for a person.
        why: Arc<str>,
    },
    /// Sent, and neither answered nor read back. It stays open.
    Unknown {
        /// Why that could not be found out, for a person.
        why: Arc<str>,
    },
}

/// How an open intention was judged by a reading ([`Recorded::settle_isolation`], `settle_prevention`,
/// `settle_task`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The id of the run that put it down.
    pub run: Arc<str>,
    /// Which of that run's intentions.
    pub number: IntentionNumber,
    /// It counts as done by us.
    pub is_done: bool,
    /// As the reading lists it, where it is an isolation that was done.
    pub listed_timeout_seconds: Option<u64>,
}

/// A run, as it introduces itself. No secret may be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHeader {
    /// See [`super::run_id`].
    pub id: Arc<str>,
    /// Random; what tells this run's segments from any other's.
    pub seed: Uuid,
    /// When it begins on this server, by this machine's clock.
    pub at: Timestamp,
    /// In whose name it writes: `owner:` of its files, `default` where they have none.
    pub owner: Arc<str>,
    /// `user@machine`.
    pub by: Arc<str>,
    /// As it calls itself: `apply`, `apply --renew-only`, `isolate`, `tasks delete`, …
    pub command: Arc<str>,
    /// What its flags let pass: limits, take-overs, accepted moves, a short host list.
    pub allow: Vec<Arc<str>>,
    /// The id of the approved or saved plan that it was held to.
    pub plan: Option<Arc<str>>,
    /// A link to the job, where the environment gives one.
    pub ci_job: Option<Arc<str>>,
    /// The commit that its files come from; with a `?` where they may have been edited since.
    pub ci_commit: Option<Arc<str>>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// It came to its end by itself, whatever became of its writes.
    Finished,
    /// It was asked to stop, by Ctrl-C or SIGTERM.
    Interrupted,
    /// Something stopped it on this server: the server itself, the record, the lock, too many failures.
    Failed {
        /// What that was, for a person.
        why: Arc<str>,
    },
}

/// What a run saw that later runs compare with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// How many hosts the server lists.
    pub hosts_listed: Option<u64>,
    /// Which sensors the declared entries mean.
    pub entries: BTreeMap<Arc<str>, SensorId>,
}

impl Facts {
    /// What the record does not know yet, so that a run without writes need not add to the journal: entries that
    /// are new or mean another sensor, and a number of hosts that is off by a tenth or more.
    #[must_use]
    pub fn news(mut self, recorded: &Recorded, owner: &str) -> Self {
        let known = recorded.entries_of(owner);
        self.entries.retain(|entry, sensor| known.get(entry) != Some(sensor));
        self.hosts_listed = self.hosts_listed.filter(|now| match recorded.hosts_last_seen {
            None => true,
            Some(then) => now.abs_diff(then).saturating_mul(10) >= then.max(1),
        });
        self
    }

    /// Whether there is nothing to note.
    pub fn is_empty(&self) -> bool {
        self.hosts_listed.is_none() && self.entries.is_empty()
    }
}
