use std::sync::Arc;

use super::Whom;
use crate::model::{Aspect, Cause, ReadFailure, Subject};
use crate::record::Hold;

/// One managed aspect of one host, or of all, and how it stands.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The declared host, rule or task.
    pub whom: Whom,
    /// What of it was judged.
    pub aspect: Aspect,
    /// How it stands on the server.
    pub verdict: Verdict,
    /// Whether its agent can have carried that out; for the rule for all hosts always `Seen`.
    pub contact: Contact,
    /// The hold that keeps `apply` off it now, if any.
    pub hold: Option<Arc<Hold>>,
    /// Whether an isolation rule is listed that is not known to have ended; of other aspects never.
    pub is_isolated: bool,
}

impl Judged {
    /// What was judged.
    pub fn subject(&self) -> Subject {
        Subject { target: self.whom.target(), aspect: self.aspect }
    }
}

/// How what is observed stands to what is desired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As declared, by evidence.
    InSync,
    /// A change stands in the steps.
    Differs,
    /// It differs, and `apply` leaves it; a finding says why.
    LeftAlone,
    /// It differs, and a hold keeps `apply` off it.
    Held,
    /// As declared until a known end that comes too soon: a renewal stands in the steps.
    Renew,
    /// A rule that looks as declared, but nobody can know whether it is still in force; a renewal stands in the
    /// steps.
    EndUnknown,
    /// It could not be read, or not judged; there is no write.
    Unknown(ReadFailure),
}

impl Verdict {
    /// Whether what is declared is known to be set on the server.
    pub fn is_in_sync(&self) -> bool {
        match self {
            Self::InSync | Self::Renew => true,
            Self::Differs | Self::LeftAlone | Self::Held | Self::EndUnknown | Self::Unknown(_) => false,
        }
    }
}

/// Whether the agent can have carried out what is set (design: "What is claimed"). A rule on a server is not yet
/// an isolated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contact {
    /// Seen since our write, or nothing of ours has to be carried out.
    Seen,
    /// No contact since our write.
    Waiting,
    /// Declared isolated and without contact for over five hours: it may have dropped its isolation by itself
    /// (response-api.md, section 3).
    Silent,
    /// By all signs its agent can not carry this out.
    Unsupported,
}

/// Something that the plan has to say beside its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Decides its mark, and its place among the findings.
    pub kind: FindingKind,
    /// The host (or what else it is about), safe to print.
    pub label: String,
    /// `None`: it is about no aspect in particular.
    pub aspect: Option<Aspect>,
    /// What is, and what to do; safe to print.
    pub message: String,
    /// The line that it comes from; `None`: there is none.
    pub cause: Option<Cause>,
}

/// What is to be told beside the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A declared host of which we can not tell who is meant (missing, ambiguous, superseded, moved, contested), or
    /// what (its groups differ); a host that holds a hash which the rule for all hosts is to get; what a rollback can
    /// not put back.
    HostError,
    /// It could not be read or not be judged; there is no write.
    Unknown,
    /// The entry's `until` has passed, and the rule that is still listed is not its to end, or it keeps off a group
    /// that isolates the host.
    SpentNotOurs,
    /// A group says `off`, and the host is isolated: a check, never a release.
    GroupCheck,
    /// The record shows a declared task as created, and the server does not have it any more.
    TaskGone,
    /// A hold keeps `apply` off something that differs, or that will run out before the hold does.
    Held,
    /// Ours, still in force, and declared no more.
    LeftBehind,
    /// It stands there, and no file declares it; only where all hosts were asked for.
    Undeclared,
    /// The entry's `until` has passed; it should be removed.
    Spent,
    /// A hash of `never_block` is blocked already.
    NeverBlockPresent,
    /// A hold on something that is as declared.
    Hold,
    /// No contact for long; only where all hosts were asked for.
    SilentHost,
    /// Worth knowing.
    Notice,
}

/// The sign before a line: never the only one, words say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `!`: it is for somebody to settle.
    Attention,
    /// `?`: something about it is not known.
    Question,
    /// `·`: good to know; nothing waits for it.
    Note,
}

impl FindingKind {
    /// How much attention it asks for.
    pub fn mark(self) -> Mark {
        match self {
            Self::HostError
            | Self::SpentNotOurs
            | Self::GroupCheck
            | Self::TaskGone
            | Self::Held
            | Self::LeftBehind
            | Self::Undeclared
            | Self::NeverBlockPresent => Mark::Attention,
            Self::Unknown | Self::SilentHost => Mark::Question,
            Self::Spent | Self::Hold | Self::Notice => Mark::Note,
        }
    }

    /// The stable word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostError => "host_error",
            Self::Unknown => "unknown",
            Self::SpentNotOurs => "spent_not_ours",
            Self::GroupCheck => "group_check",
            Self::TaskGone => "task_gone",
            Self::Held => "held",
            Self::LeftBehind => "left_behind",
            Self::Undeclared => "undeclared",
            Self::Spent => "spent",
            Self::NeverBlockPresent => "never_block_present",
            Self::Hold => "hold",
            Self::SilentHost => "silent_host",
            Self::Notice => "notice",
        }
    }
}
