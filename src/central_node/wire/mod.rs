//! What stands in bodies: read leniently (every dialect of response-api.md), written strictly (the documented form).

use std::fmt;

mod isolation;
mod json;
mod prevention;
mod sensors;
mod settings;
mod task;
mod write;

pub(super) use isolation::read_isolation;
pub(super) use json::without_bom;
pub(super) use prevention::read_prevention;
pub(super) use sensors::read_hosts;
pub(super) use settings::is_documented_not_found;
pub(super) use task::{read_task, write_task};
pub(super) use write::{write_isolation, write_prevention};

/// Why a body is not an answer of the Response API; safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotUnderstood(pub(super) String);

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
