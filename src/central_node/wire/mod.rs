//! What stands in bodies: read leniently (every dialect of response-api.md), written strictly (the documented form).

use std::fmt;

mod isolation;
mod json;
mod prevention;
mod sensors;
mod settings;
mod task;
mod write;

pub use isolation::read_isolation;
pub(super) use json::without_bom;
pub use prevention::read_prevention;
pub use sensors::read_hosts;
pub use settings::is_documented_not_found;
pub use task::read_task;
pub(super) use task::write_task;
pub(super) use write::{write_isolation, write_prevention};

/// Why a body is not an answer of the Response API; safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUnderstood(pub(super) String);

impl NotUnderstood {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
