//! A cleared plan to an outcome: look, record, write, verify.

mod compare;
mod outcome;
mod outlast;
mod run;
mod stop;
#[cfg(test)]
mod tests;
mod write;

pub use outcome::{ChangeOutcome, Event, Observer, Outcome, ServerOutcome, Stopped, StoppedBy, WriteResult};
pub use outlast::{Patience, outlast_others};
pub use run::{Pace, Server, execute};
pub use stop::Stop;
