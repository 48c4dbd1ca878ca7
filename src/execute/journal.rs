//! What execution wants of the record: the value before is durable ahead of the write, always.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Difference, Isolation};
use crate::plan::Change;

/// What is about to be sent, with the value before and the moment before sending.
#[derive(Debug, Clone)]
pub struct Intention {
    pub change: Arc<Change>,
    /// As it is sent: with the timeout of this moment, not that of the plan.
    pub difference: Difference,
    pub at: Timestamp,
    /// The clocks are too far apart for the end to be known.
    pub clocks_apart: bool,
}

/// How an intention ended, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    Done {
        /// The moment before it was first sent: the time from which a rule's end is counted.
        sent_at: Timestamp,
        /// When it was read back.
        verified_at: Timestamp,
        /// The isolation as it was read back (a server may round the timeout).
        listed: Option<Isolation>,
    },
    /// Nothing was sent, or the server refused it.
    NotDone { why: String },
    /// It may have been carried out: the next run settles it by reading.
    Unknown { why: String },
}

/// The record of one run on one server. No listener: execution waits for it before it sends.
pub trait RunJournal: Send {
    type Error: fmt::Display + Send;

    /// Returns when the intentions are durable.
    fn intend(&mut self, intentions: &[Intention]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Notes how they ended; made durable with the next intentions or at the run's end. Losing a conclusion loses
    /// no evidence: the next run settles the open intention by reading.
    fn conclude(&mut self, intention: &Intention, conclusion: Conclusion);
}
