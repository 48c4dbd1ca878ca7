//! Why the server does not do what it is asked to.

use uuid::Uuid;

use super::FileHash;

/// A refusal; which status it becomes is decided where answers are written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such host.
    #[error("Not Found")]
    UnknownHost,
    /// The host is known and has no such rule. The answer is the same as for an unknown host.
    #[error("Not Found")]
    NoRule,
    /// No such task.
    #[error("Not Found")]
    NoTask,
    /// A task with this id exists.
    #[error("Task already exists")]
    TaskExists,
    /// A request that the API does not know, or with wrong values.
    #[error("{0}")]
    Incorrect(String),
    /// A file would be in the rule for all hosts and in a host's rule at once.
    #[error("the file {} is in the rule of {} already", .0.file, if .0.of_all { "all hosts" } else { "other hosts" })]
    Clash(Clash),
}

/// What a prevention rule clashes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The first of the clashing files, by the order in which they were sent; the others are not told.
    pub file: FileHash,
    /// Whether it is in the rule for all hosts.
    pub of_all: bool,
    /// The hosts with a rule that has the file: sensor id and name. Empty when it is in the rule for all.
    pub hosts: Vec<(Uuid, String)>,
}
