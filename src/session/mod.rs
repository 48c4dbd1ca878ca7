//! The walk that plan, apply and drift share: connect, list, resolve, read, plan, judge; and for apply: lock before
//! it, execute and record after it.

mod apply;
mod clock;
mod connect;
mod secrets;
mod survey;
mod undeclared;

pub use apply::{ApplyError, Prepared, Run, RunFailure, lock_all, recorded_under};
pub(crate) use connect::chain;
pub use connect::{ConnectError, ConnectOptions, Connected, connect, declared_key};
pub use secrets::AskPassphrase;
pub use survey::{Progress, Survey, SurveyOptions, survey};
pub use undeclared::has_ours;
