//! The walk that plan, apply and drift share: connect, list, resolve, read, plan, judge; and for apply: lock before
//! it, execute and record after it.

mod apply;
mod clock;
mod connect;
mod groups;
mod never_block;
mod renewals;
mod snapshot;
mod survey;
mod undeclared;

pub use apply::{ApplyError, Prepared, Run, RunFailure, lock_all, recorded_under};
pub(crate) use connect::chain;
pub use connect::{ConnectError, ConnectOptions, Connected, connect, declared_key};
pub use renewals::spare_renewals;
pub use snapshot::{seen_by, take_snapshot};
pub use survey::{Progress, Survey, SurveyError, SurveyOptions, survey};
pub use undeclared::has_ours;
