use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::WireTime;

/// Who holds a lock: what the refusal tells the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// `user@machine`.
    pub by: Arc<str>,
    pub pid: u32,
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, pid, since } = self;
        write!(f, "{} (process {pid}) since {since:.0}", crate::model::Untrusted::new(&**by).printable())
    }
}

/// What stands beside a lock. It informs; it does not lock.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireHolder {
    pub(super) fence: u64,
    by: String,
    pid: u32,
    since: WireTime,
}

impl WireHolder {
    pub(super) fn new(fence: u64, holder: &Holder) -> Self {
        Self { fence, by: holder.by.to_string(), pid: holder.pid, since: WireTime(holder.since) }
    }

    pub(super) fn holder(self) -> Holder {
        Holder { by: self.by.into(), pid: self.pid, since: self.since.0 }
    }
}
