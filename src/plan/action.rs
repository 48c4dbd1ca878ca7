use std::sync::Arc;

use jiff::Timestamp;

use super::Whom;
use crate::declare::Term;
use crate::model::{BlockEntry, Cause, Difference, FileHash, HashSet, Origin, Subject, Untrusted};

/// One write that the plan wants, and all that is needed to show, judge, send and record it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The key that it is sent and recorded under: a sensor or all hosts, and the aspect.
    pub subject: Subject,
    /// The declared host, rule or task that it is for.
    pub whom: Whom,
    /// What is done, in a person's words; `difference` has the values.
    pub action: Action,
    /// The value before is what was read; the timeout after is that of the plan's instant.
    pub difference: Difference,
    /// What asks for it.
    pub cause: Cause,
    /// The entry's `reason`, or the `--reason` of an act by hand; shown and recorded, never sent.
    pub reason: Option<Arc<str>>,
    /// What a person should know before saying yes; safe to print.
    pub notes: Vec<String>,
}

impl Change {
    /// Whether it sets nothing but a later end, so that nobody has to approve it. Where nobody knows when the rule
    /// that is listed would end, which may be somebody else's, a shorter timeout may cut it short.
    pub fn needs_no_approval(&self) -> bool {
        match (&self.action, &self.difference) {
            // Files renew only what would end sooner.
            (Action::Renew { end: End::Known(_), .. }, _) => true,
            (Action::Renew { end: End::Unknown(_), .. }, Difference::Isolation(side)) => {
                match (&side.before, &side.after) {
                    (Some(before), Some(after)) => before.timeout_seconds <= after.timeout_seconds,
                    (None, _) | (_, None) => false,
                }
            }
            (
                Action::Renew { .. }
                | Action::Isolate { .. }
                | Action::ChangeExclusions { .. }
                | Action::Release
                | Action::EndSpent { .. }
                | Action::StartTask { .. }
                | Action::DeleteTask
                | Action::Block(_),
                _,
            ) => false,
        }
    }
}

/// What a change is, in the words that a person would use for it.
#[derive(Debug, Clone)]
pub enum Action {
    /// A host without a rule in force is cut off.
    Isolate {
        /// How long it is to last, as declared or said by hand.
        term: Term,
        /// The record shows that a rule of ours for this very entry has run out: putting it back is no growth of
        /// what is isolated, and not counted as such.
        is_lapsed: bool,
    },
    /// The same isolation with other exclusions.
    ChangeExclusions {
        /// How long it is to last then: the timeout is sent anew with the exclusions.
        term: Term,
    },
    /// The same again with another end, mostly a later one: by hand it may be earlier.
    Renew {
        /// How long it is to last, as declared or said by hand.
        term: Term,
        /// When the rule that is listed would end.
        end: End,
    },
    /// `off` in the host's own entry.
    Release,
    /// The rule of an entry whose `until` has passed; ours and unchanged.
    EndSpent {
        /// The `until` that has passed.
        until: Timestamp,
    },
    /// A program is started on a host, as soon as that is in contact; `not_after`: from then on it is not sent any more.
    StartTask {
        /// As declared; `Timestamp::MAX` where a person starts it now.
        not_after: Timestamp,
    },
    /// A task is taken off its server: what it has started goes on, what it has not started never starts.
    DeleteTask,
    /// A prevention rule is set, changed or (where nothing is left in it) removed.
    /// Hosts whose rules change in the same way share it.
    Block(Arc<RuleChange>),
}

impl Action {
    /// Whether the difference is one of time only: no difference for `drift` and `--detailed-exitcode`.
    pub fn is_renewal(&self) -> bool {
        match self {
            Self::Renew { .. } => true,
            Self::Isolate { .. }
            | Self::ChangeExclusions { .. }
            | Self::Release
            | Self::EndSpent { .. }
            | Self::StartTask { .. }
            | Self::DeleteTask
            | Self::Block(_) => false,
        }
    }

    /// How long an isolation that this sets is meant to last.
    pub fn term(&self) -> Option<Term> {
        match self {
            Self::Isolate { term, .. } | Self::ChangeExclusions { term } | Self::Renew { term, .. } => {
                Some(*term)
            }
            Self::Release
            | Self::EndSpent { .. }
            | Self::StartTask { .. }
            | Self::DeleteTask
            | Self::Block(_) => None,
        }
    }

    /// What changes within a prevention rule, where it is one that is written.
    pub fn rule_change(&self) -> Option<&RuleChange> {
        match self {
            Self::Block(rule) => Some(rule),
            Self::Isolate { .. }
            | Self::ChangeExclusions { .. }
            | Self::Renew { .. }
            | Self::Release
            | Self::EndSpent { .. }
            | Self::StartTask { .. }
            | Self::DeleteTask => None,
        }
    }

    /// From when on it must not be sent any more, where it is a program to start.
    pub fn not_after(&self) -> Option<Timestamp> {
        match self {
            Self::StartTask { not_after } => Some(*not_after),
            Self::Isolate { .. }
            | Self::ChangeExclusions { .. }
            | Self::Renew { .. }
            | Self::Release
            | Self::EndSpent { .. }
            | Self::DeleteTask
            | Self::Block(_) => None,
        }
    }

    /// The stable word for machines: JSON output and the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Isolate { .. } => "isolate",
            Self::ChangeExclusions { .. } => "change_exclusions",
            Self::Renew { .. } => "renew",
            Self::Release => "release",
            Self::EndSpent { .. } => "end_spent",
            Self::StartTask { .. } => "start_task",
            Self::DeleteTask => "delete_task",
            Self::Block(_) => "block",
        }
    }
}

/// When a rule ends, as far as there is evidence: the server does not tell (response-api.md, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// We set this very rule; the soonest instant at which it may end.
    Known(Timestamp),
    /// Nobody can know, and why.
    Unknown(WhyUnknown),
}

/// Why nobody knows when an isolation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnknown {
    /// The record does not show that we set this rule.
    NotRecorded,
    /// We set a rule here, but what is listed now is another one.
    ChangedByOthers,
    /// When it was set, the clocks were too far apart.
    ClocksApart,
}

/// What changes within a prevention rule, with why; in the order of the hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleChange {
    /// What comes into the rule.
    pub added: Vec<AddedHash>,
    /// Those of them that come back for others, who had put them there: they stay theirs.
    pub for_others: HashSet,
    /// What leaves the rule.
    pub removed: Vec<RemovedHash>,
    /// Hashes that stay.
    pub kept: usize,
    /// Those of them that others put there.
    pub kept_foreign: usize,
    /// Declared hashes that the rule for all hosts holds, or will hold by this plan, so that the host's rule must not.
    pub covered_by_all: usize,
    /// Kept objects whose fields other than hash and `name` are lost by sending the rule again.
    pub loses_fields: usize,
}

/// A file that will be blocked, and who asks for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedHash {
    /// The digest by which the rule will know the file.
    pub hash: FileHash,
    /// The hash list that names it; `None`: an entry names it itself, or a person did by hand.
    pub list: Option<Arc<str>>,
    /// What the files say of it; `None`: nothing.
    pub comment: Option<Untrusted>,
    /// Where it is named: in the file of the list, in a state file, or by hand.
    pub origin: Origin,
}

impl AddedHash {
    /// `hash`: the digest that the rule gets, for what `entry` declares.
    pub(super) fn of(hash: FileHash, entry: &BlockEntry) -> Self {
        let BlockEntry { comment, list, origin, hash: _, from: _, until: _ } = entry;
        Self { hash, list: list.clone(), comment: comment.clone(), origin: origin.clone() }
    }
}

/// A file that will be blocked no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedHash {
    /// The digest by which the rule knows the file now.
    pub hash: FileHash,
    /// What takes it out.
    pub because: RemovedBecause,
}

/// What takes a file out of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovedBecause {
    /// `unblock` names it.
    Unblocked(Origin),
    /// Its `until` has passed.
    Expired {
        /// The `until` that has passed.
        at: Timestamp,
        /// The line that blocks it until then, in the file of a list or in a state file.
        origin: Origin,
    },
    /// We added it, and no file names it for this host any more.
    NoLongerDeclared,
    /// `exact: true`, and `block` does not have it.
    Exact,
    /// Out of a host's rule, whosever it is, since the rule for all hosts takes it over: it goes on being blocked.
    MovedToAll {
        /// We had put it there.
        was_ours: bool,
    },
}
