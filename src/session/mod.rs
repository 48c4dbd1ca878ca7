//! The walk that plan, apply and drift share: connect, list, resolve, read, plan, judge; and for apply: lock before
//! it, execute and record after it.

mod apply;
mod by_hand;
mod client_files;
mod clock;
mod connect;
mod groups;
mod held_to;
mod inspect;
mod inventory;
mod listing;
mod locking;
mod never_block;
mod pin;
mod registration;
mod renewals;
mod save;
mod secrets;
mod snapshot;
mod survey;
mod undeclared;

pub use apply::{ApplyError, Prepared, Run, RunFailure};
pub use by_hand::{Acted, Acts, Journals, begin_by_hand, kept_locally, recorded_by};
pub use client_files::{ClientFilesError, MadeFiles, Readers, make_client_files, write_new};
pub(crate) use connect::chain;
pub use connect::{ConnectError, ConnectOptions, Connected, connect, declared_key};
pub use held_to::HeldTo;
pub use inspect::inspect;
pub use inventory::{Found, HostQuery, Inventory, Wanted, inventory};
pub use locking::{Locks, Turns, left_out, lock_all};
pub use pin::{PinError, TrustPlace, pin, trust_comes_here, trust_line, trust_place};
pub use registration::{NotRegistered, Patience, until_accepted};
pub use renewals::spare_renewals;
pub use save::{SaveError, options_again, saved_plan};
pub use secrets::AskPassphrase;
pub use snapshot::{not_asked, seen_by, take_snapshot, unrecorded};
pub use survey::{ByHand, Progress, Survey, SurveyError, SurveyOptions, survey};
pub use undeclared::has_ours;
