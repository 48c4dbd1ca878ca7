//! A cleared plan to an outcome: look, record, write, verify.

mod compare;
mod moves;
mod outcome;
mod outlast;
mod rollout;
mod run;
mod shared;
mod side_by_side;
mod stop;
#[cfg(test)]
mod tests;
mod write;

pub use outcome::{ChangeOutcome, Event, Observer, Outcome, ServerOutcome, Stopped, StoppedBy, WriteResult};
pub use outlast::{Patience, outlast_others};
pub use rollout::{AT_ONCE, BatchSizes, MaxFailures, Rollout, SizeError};
pub use run::execute;
pub use shared::{Pace, Server};
pub use stop::Stop;
