//! What the record knows of one server: the ledger, as planning sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::IntentionNumber;
use crate::model::{
    Aspect, Cause, Difference, HashSet, HoldScope, Isolation, PreventionRule, Program, SensorId, Subject,
    Target, TaskId,
};

/// The ledger of one server. Empty when there is no record: then nothing is known to be ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// `None`: no run has written yet.
    pub last_run: Option<LastRun>,
    /// How many hosts the server listed when a run last noted it.
    pub hosts_last_seen: Option<u64>,
    /// By host: the last write of ours that is known to have been done; a release is one too.
    pub isolations: BTreeMap<SensorId, RecordedIsolation>,
    /// By host, and for all hosts: which hashes of the rule are ours.
    pub preventions: BTreeMap<Target, RecordedPrevention>,
    /// Every task that was ever created, those that were deleted again too: none of them is started a second time.
    pub tasks: BTreeMap<TaskId, RecordedTask>,
    /// By owner, since two states may use one key for two hosts: which sensor each declared entry meant when a run
    /// last noted it.
    pub entries: BTreeMap<Arc<str>, Entries>,
    /// Intentions without a known outcome, oldest first: killed runs, lost answers. Settled by reading.
    pub open: Vec<OpenIntention>,
    /// What `apply` keeps off, by the last hold of each that was not ended; one whose time is over is still here.
    pub holds: BTreeMap<HoldScope, Hold>,
}

/// Which sensor each declared entry of one owner meant.
pub type Entries = BTreeMap<Arc<str>, SensorId>;

/// An act by hand stands: until then `apply` leaves this subject alone. It silences no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// It is in force before this instant, and no more at it.
    pub until: Timestamp,
    /// `user@machine`.
    pub by: Arc<str>,
    /// The id of the run that left it.
    pub run: Arc<str>,
    /// When it was left, by the clock of that run's machine.
    pub at: Timestamp,
    /// What left it: `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`.
    pub command: Arc<str>,
    /// As whoever left it gave it; `None`: none was given.
    pub reason: Option<Arc<str>>,
}

impl Hold {
    /// Whether it still keeps others off.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// The run that wrote last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Such as `20261125-003319-4f2a`.
    pub id: Arc<str>,
    /// When it last wrote to the record.
    pub at: Timestamp,
    /// It never said that it ended.
    pub is_unfinished: bool,
}

/// Who set a value, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// In whose name: `owner:` of the run's files, `default` where they have none.
    pub owner: Arc<str>,
    /// The id of the run.
    pub run: Arc<str>,
    /// The key of the host's entry, where it has one; `None` for the rule for all hosts.
    pub entry: Option<Arc<str>>,
    /// The lines that asked for it, or the command line; `None`: the journal does not say.
    pub cause: Option<Cause>,
    /// As the files or the command give it: recorded, never sent. `None`: none was given.
    pub reason: Option<Arc<str>>,
    /// The commit that the run's files come from; with a `?` where they may have been edited since.
    pub commit: Option<Arc<str>>,
    /// The moment before the request was sent.
    pub at: Timestamp,
}

/// The last isolation write of ours that is known to have been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedIsolation {
    /// Who made that write; it may be a renewal.
    pub by: Attribution,
    /// `None`: we deleted the rule.
    pub rule: Option<RecordedRule>,
    /// When our last write was read back.
    pub verified_at: Timestamp,
}

/// An isolation of ours, as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRule {
    /// As the server listed it when it was read back (a server may round the timeout).
    pub listed: Isolation,
    /// The timeout that was sent, in seconds.
    pub sent_timeout_seconds: u64,
    /// The moment before the (first) request was sent: the time that counts.
    pub sent_at: Timestamp,
    /// When it was read back as it was sent: from then on it was certainly on the server. `None` while that is
    /// not settled (a killed run).
    pub verified_at: Option<Timestamp>,
    /// The clocks were too far apart when it was sent: its end counts as unknown.
    pub clocks_apart: bool,
}

impl Recorded {
    /// Who wrote a subject last.
    pub fn owner_of(&self, subject: Subject) -> Option<&Arc<str>> {
        self.last_write_of(subject).map(|by| &by.owner)
    }

    /// Which sensors the entries of an owner meant.
    pub fn entries_of(&self, owner: &str) -> &Entries {
        static NONE: Entries = Entries::new();
        self.entries.get(owner).unwrap_or(&NONE)
    }

    /// What keeps `apply` off a subject now.
    pub fn hold_on(&self, on: impl Into<HoldScope>, now: Timestamp) -> Option<&Hold> {
        self.holds.get(&on.into()).filter(|hold| hold.is_in_force(now))
    }

    /// The last write of a subject, one that may have been done included: it counts until it is settled.
    pub fn last_write_of(&self, subject: Subject) -> Option<&Attribution> {
        let settled = match (subject.aspect, subject.target) {
            (Aspect::Isolation, Target::Sensor(sensor)) => {
                self.isolations.get(&sensor).map(|known| &known.by)
            }
            (Aspect::Isolation, Target::AllHosts) => None,
            (Aspect::Prevention, target) => self.preventions.get(&target).map(|known| &known.by),
            (Aspect::Task(id), _) => self.tasks.get(&id).map(|known| &known.by),
        };
        let open = self.open.iter().rev().find(|open| open.subject == subject).map(|open| &open.by);
        open.or(settled)
    }
}

impl RecordedRule {
    /// The soonest instant at which the rule may end: from the moment before it was sent, by the shorter of what
    /// was sent and what is listed.
    pub fn end(&self) -> Timestamp {
        let seconds = self.sent_timeout_seconds.min(self.listed.timeout_seconds);
        let timeout = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.sent_at.saturating_add(timeout).unwrap_or(Timestamp::MAX)
    }
}

/// Whose hashes are in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPrevention {
    /// Who wrote the rule last; who added which hash, the journal tells.
    pub by: Attribution,
    /// The hashes that we added. What was there before we declared it stays foreign. Hosts that have the same share
    /// them.
    pub ours: Arc<HashSet>,
    /// When our last write was read back.
    pub verified_at: Timestamp,
}

/// A task that was created: by us, or by somebody's equal declaration when we were about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTask {
    /// Of the creation; once it is deleted, of that.
    pub by: Attribution,
    /// The one host that it is for.
    pub sensor: SensorId,
    /// What it starts; of a deleted one, what it was to start.
    pub program: Arc<Program>,
    /// We deleted it. What it had started went on.
    pub is_deleted: bool,
    /// When our last write was read back.
    pub verified_at: Timestamp,
}

/// What a run meant to write, without a known outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntention {
    /// Which of its run's intentions; with `by.run` it names it.
    pub number: IntentionNumber,
    /// What it was to write.
    pub subject: Subject,
    /// Who meant it; `by.at` is when it was put down, before anything was sent.
    pub by: Attribution,
    /// What was read before, and what was to be sent.
    pub difference: Difference,
    /// The clocks were too far apart when it was put down: an end counted from it would be unknown.
    pub clocks_apart: bool,
    /// Hashes that it puts back and that are not ours.
    pub foreign: Option<Arc<PreventionRule>>,
    /// By a run that took no lock: somebody acts on this subject, and it may be under way.
    pub by_hand: bool,
    /// The order of the chain does not tell whether it was sent after what is known of its subject: it came late, or
    /// somebody else was at it too. Then the clocks have to.
    pub is_contested: bool,
}
