use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::WireTime;

/// Who holds a lock: what the refusal tells the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// `user@machine`.
    pub by: Arc<str>,
    /// Of its process, on that machine.
    pub pid: u32,
    /// When it began to ask for the lock, by that machine's clock.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, pid, since } = self;
        write!(f, "{} (process {pid}) since {since:.0}", crate::model::Untrusted::new(&**by).printable())
    }
}

/// What is known of a lock by looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockState {
    /// That of its present or last holder; 0: nobody ever held it.
    pub fence: u64,
    /// Whether a run has it now, and which.
    pub held: Held,
}

/// Whether a server is being written by a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The next one gets it at once.
    Free,
    /// `by`: `None` where the holder has not (yet) said who they are.
    Held {
        /// As they wrote it down; in a folder it may, for a moment, be who held it before.
        by: Option<Holder>,
        /// When it ends if they are gone.
        expiry: Expiry,
    },
}

/// When a lock ends whose holder is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// With its process.
    WithItsProcess,
    /// When it was not renewed for so long; last renewed then, by the clock of the store.
    Unrenewed {
        /// Whole seconds; after that it may be taken over.
        time_to_live: Duration,
        /// When the lock's object was last written, to the second.
        renewed: Timestamp,
    },
}

/// What became of a lock that was to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaking {
    /// Nobody holds it now: the next one gets it at once, and who held it stops at its next renewal.
    Broken,
    /// Nobody held it.
    WasFree,
    /// It has another fence by now: another holder.
    OtherFence(u64),
    /// A lock of the operating system ends with its process, and only with it.
    EndsWithItsProcess,
}

/// Who holds a lock, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireWho {
    by: String,
    pid: u32,
    since: WireTime,
}

impl WireWho {
    pub(super) fn new(holder: &Holder) -> Self {
        Self { by: holder.by.to_string(), pid: holder.pid, since: WireTime(holder.since) }
    }

    pub(super) fn holder(self) -> Holder {
        Holder { by: self.by.into(), pid: self.pid, since: self.since.0 }
    }
}

/// What stands beside a lock of the operating system. It informs; it does not lock.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireHolder {
    pub(super) fence: u64,
    #[serde(flatten)]
    who: WireWho,
}

impl WireHolder {
    pub(super) fn new(fence: u64, holder: &Holder) -> Self {
        Self { fence, who: WireWho::new(holder) }
    }

    pub(super) fn holder(self) -> Holder {
        self.who.holder()
    }
}
