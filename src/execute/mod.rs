//! A cleared plan to an outcome: look, record, write, verify.

mod outcome;

pub use outcome::{ChangeOutcome, Event, Observer, Outcome, ServerOutcome, WriteResult};
