//! Measuring on one lab host what the documentation of the API leaves open, and putting back what was there.
//!
//! It writes to a server without the record: only to a host that no file declares and nobody has isolated, which
//! whoever calls [`probe`] has made sure of. Others go on acting meanwhile: it looks before each write, and ends
//! where what is there is not its own. Every waiting and every doubt goes through [`Patience`].

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;

mod body_limit;
mod isolation;
mod list;
mod measure;
mod prevention;
mod restore;
mod shape;
mod transcript;

pub use measure::{Options, probe};
pub use restore::Left;
pub use shape::Redactor;
pub use transcript::Transcript;

/// One question that the documentation leaves open, and what this server answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was looked at, such as `releasing a host`: fixed words, nothing of the server's.
    pub question: &'static str,
    /// For a person; nothing of the fleet in it.
    pub answer: String,
    /// How the answer of the server looked, without its texts.
    pub seen: Option<Value>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Probed {
    /// In the order in which they were measured; where it ended early, those until then.
    pub findings: Vec<Finding>,
    /// How far the measuring came; putting back is attempted however it ended.
    pub end: End,
    /// What could not be put back; empty where all is as it was.
    pub left: Vec<Left>,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing ended it early; single findings may still say that they were not measured.
    Whole,
    /// Somebody wanted it to end.
    Stopped,
    /// A call failed that should not; the rest was not measured.
    Failed(String),
    /// Somebody else acted on the host: the rest would have been written over that, and was not measured.
    Others(Meanwhile),
}

/// What somebody else did to the host while it was probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// It has an isolation rule that is not one of the probe's.
    Isolated {
        /// The timeout that is listed.
        seconds: u64,
    },
    /// Its prevention rule is not what it was, the probe's hashes apart.
    RuleChanged,
}

impl fmt::Display for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolated { seconds } => {
                write!(f, "somebody else has isolated the host meanwhile, for {seconds} s")
            }
            Self::RuleChanged => {
                f.write_str("somebody else has changed the host's prevention rule meanwhile")
            }
        }
    }
}

/// Somebody wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// How a probe waits.
pub trait Patience: Sync {
    /// Whether to go on.
    ///
    /// # Errors
    /// [`Stopped`]
    fn check(&self) -> Result<(), Stopped>;

    /// # Errors
    /// [`Stopped`] in the middle of it.
    fn wait(&self, how_long: Duration) -> impl Future<Output = Result<(), Stopped>> + Send;

    /// Waits whatever somebody wants: what was there has to be put back.
    fn wait_anyway(&self, how_long: Duration) -> impl Future<Output = ()> + Send;
}
