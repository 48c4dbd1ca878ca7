//! A host list is believed only when it is whole: a short one would turn hosts into "missing", and a percentage of
//! it into nothing.

use crate::model::HostList;

/// Why nothing may be concluded from a host list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// It has not a single host; no flag lifts that.
    #[error("the server lists no hosts at all")]
    Empty,
    /// There are more hosts than it has.
    #[error(
        "the server says that its host list goes on (a continuation token), which no documented call can fetch"
    )]
    Continued,
    /// It has under half of the hosts that were there before; `--accept-short-list` lifts that.
    #[error(
        "the server lists {listed} hosts, and the record last saw {recorded}: under half; if the fleet did shrink: `kedrctl apply --accept-short-list`"
    )]
    Short {
        /// Hosts that it has now.
        listed: usize,
        /// Hosts that it had when a run last noted them.
        recorded: u64,
    },
}

/// # Errors
/// When the list is empty, says that it goes on, or (unless `accept_short`) has under half of the hosts that the
/// record last saw.
pub fn believe(listed: &HostList, recorded: Option<u64>, accept_short: bool) -> Result<(), NotBelieved> {
    if listed.has_more {
        return Err(NotBelieved::Continued);
    }
    let count = listed.sensors.len();
    if count == 0 {
        return Err(NotBelieved::Empty);
    }
    match recorded {
        Some(recorded) if !accept_short && (count as u64) * 2 < recorded => {
            Err(NotBelieved::Short { listed: count, recorded })
        }
        Some(_) | None => Ok(()),
    }
}
