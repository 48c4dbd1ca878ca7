use std::sync::Arc;

use jiff::Timestamp;

use crate::model::ServerName;
use crate::plan::{Change, ServerClock};
use crate::record::Hold;

/// What became of every change of a plan.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Those that could be read, in the order of the plan.
    pub servers: Vec<ServerOutcome>,
    /// Somebody had asked to stop before all of them had ended, whether or not anything was left to do.
    pub was_interrupted: bool,
}

/// How far one server came.
#[derive(Debug, Clone)]
pub struct ServerOutcome {
    /// As the files call it.
    pub server: ServerName,
    /// Its clock against ours when it was planned: by it, when an agent was there is read.
    pub clock: ServerClock,
    /// In the order of the plan; behind them what was done again because a run of others was in between, which is in
    /// no plan.
    pub changes: Vec<ChangeOutcome>,
    /// Hashes that hosts had given up to the rule for all hosts, put back since that could not be written. No part of
    /// the plan.
    pub put_back: Vec<ChangeOutcome>,
    /// Which hosts go without what, for a person: hashes that have left one rule and are not in the other yet.
    pub open: Option<String>,
    /// Why nothing more was sent to this server (not authorised any more, the record was lost, …).
    pub stopped: Option<Stopped>,
}

/// Why a server's run ended before its plan did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// For a person, safe to print; of several reasons, the first.
    pub why: String,
    /// Of which kind that reason is.
    pub by: StoppedBy,
}

/// What kept a server from being written any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedBy {
    /// It does not let us go on.
    Server,
    /// It cannot be reached, or takes nothing more.
    Record,
    /// Somebody else may hold the lock by now.
    Lock,
    /// What became of a write is not known, and the next ones hang on it.
    Open,
    /// More changes than were tolerated ended not done.
    Failures,
}

/// What became of one change.
#[derive(Debug, Clone)]
pub struct ChangeOutcome {
    /// As it is in the plan, or made while it was executed: to put something back, or to do it again.
    pub change: Arc<Change>,
    /// How its write ended, or why there was none.
    pub result: WriteResult,
}

/// How one write ended. Texts are for a person and safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// Sent, and read back as it was sent.
    Done {
        /// The moment before it was (first) sent.
        sent_at: Timestamp,
    },
    /// The look before the write found it as desired; nothing was sent.
    AlreadyAsDesired,
    /// The look before the write found something that the plan had not seen; nothing was sent.
    ChangedSincePlan {
        /// What the server lists now: `no isolation`, `a prevention rule with 3 hashes`, ….
        found: String,
    },
    /// Somebody's act by hand stands, which the plan did not know of: it was left alone; nothing was sent.
    Held {
        /// Who holds it, until when and why, as the record had it when this was about to be sent.
        hold: Arc<Hold>,
    },
    /// The look before the write failed; nothing was sent.
    NotRead {
        /// The error of the look.
        why: String,
    },
    /// The server refused it; nothing changed.
    Refused {
        /// The error of the write, of the last one where it was tried several times.
        why: String,
    },
    /// It was sent, and whether it is in force could not be found out.
    Unknown {
        /// How that came about, and what the server lists where that is known.
        why: String,
    },
    /// Nothing was sent: interrupted, the server stopped, a failed step before it, no connection.
    NotTried {
        /// What kept it from being sent.
        why: String,
    },
}

impl WriteResult {
    /// Whether the fleet is now as this change wants it.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Done { .. } | Self::AlreadyAsDesired => true,
            Self::ChangedSincePlan { .. }
            | Self::Held { .. }
            | Self::NotRead { .. }
            | Self::Refused { .. }
            | Self::Unknown { .. }
            | Self::NotTried { .. } => false,
        }
    }

    /// The moment before it was (first) sent, of what was sent and is in force.
    pub fn sent_at(&self) -> Option<Timestamp> {
        match self {
            Self::Done { sent_at } => Some(*sent_at),
            Self::AlreadyAsDesired
            | Self::ChangedSincePlan { .. }
            | Self::Held { .. }
            | Self::NotRead { .. }
            | Self::Refused { .. }
            | Self::Unknown { .. }
            | Self::NotTried { .. } => None,
        }
    }

    /// The stable word for machines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::AlreadyAsDesired => "already_as_desired",
            Self::ChangedSincePlan { .. } => "changed_since_plan",
            Self::Held { .. } => "held",
            Self::NotRead { .. } => "not_read",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
            Self::NotTried { .. } => "not_tried",
        }
    }
}

/// What happens while a plan is executed; made once, consumed by bar and text alike.
#[derive(Debug, Clone)]
pub enum Event {
    /// A change of the plan has ended, or is not tried.
    Ended {
        /// The server that the change is for.
        server: ServerName,
        /// The change, and what became of it.
        outcome: ChangeOutcome,
    },
    /// A write is tried again; for a person.
    Retrying {
        /// Where that happens.
        server: ServerName,
        /// What happened, with the host that it is about; one line, safe to print.
        why: String,
    },
    /// Something else to know while the work goes on; for a person.
    Notice {
        /// Where that happens.
        server: ServerName,
        /// One line, safe to print.
        message: String,
    },
}

/// Who is told of events. It must not block.
pub trait Observer: Send + Sync {
    /// Called as it happens, from the task that writes: it must not wait.
    fn notice(&self, event: Event);
}

/// For those who do not want to know.
impl Observer for () {
    fn notice(&self, _event: Event) {}
}
