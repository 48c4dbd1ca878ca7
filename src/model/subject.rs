use std::fmt;

use super::{SensorId, TaskId};

/// What is managed on one server, independent of how it was declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    /// One host, or the rule for all hosts.
    pub target: Target,
    /// Which of its settings; of all hosts there is only prevention.
    pub aspect: Aspect,
}

/// Whom a setting is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// `sensor_id=all`: the rule for all hosts of a server.
    AllHosts,
    /// One host.
    Sensor(SensorId),
}

/// What of a host is managed, in the order in which it is shown and written: contain first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Aspect {
    /// Its isolation from the network; a host has at most one rule.
    Isolation,
    /// The files that it must not start; a target has at most one rule, of any number of hashes.
    Prevention,
    /// One program that runs once on the host; a host has any number of them.
    Task(TaskId),
}

/// An aspect without which task it is: what words, flags and holds speak of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AspectKind {
    /// As [`Aspect::Isolation`].
    Isolation,
    /// As [`Aspect::Prevention`].
    Prevention,
    /// All tasks of a host.
    Tasks,
}

/// What a hold keeps `apply` off: one aspect of one target, and of tasks all of them, also those to come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HoldScope {
    /// One host, or the rule for all hosts.
    pub target: Target,
    /// The others of the same target are written as ever.
    pub aspect: AspectKind,
}

impl From<Subject> for HoldScope {
    /// What a hold that keeps `apply` off this subject is about.
    fn from(subject: Subject) -> Self {
        Self { target: subject.target, aspect: subject.aspect.kind() }
    }
}

impl Aspect {
    /// The same without which task it is.
    pub fn kind(self) -> AspectKind {
        match self {
            Self::Isolation => AspectKind::Isolation,
            Self::Prevention => AspectKind::Prevention,
            Self::Task(_) => AspectKind::Tasks,
        }
    }

    /// The word for it, whichever task it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolation => "isolation",
            Self::Prevention => "prevention",
            Self::Task(_) => "task",
        }
    }
}

impl fmt::Display for Aspect {
    /// `isolation`, `prevention`, `task/c4e058e0-…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolation | Self::Prevention => f.pad(self.as_str()),
            Self::Task(id) => f.pad(&format!("task/{id}")),
        }
    }
}

impl AspectKind {
    /// As it is written in outputs and in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolation => "isolation",
            Self::Prevention => "prevention",
            Self::Tasks => "tasks",
        }
    }
}

impl fmt::Display for AspectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllHosts => f.pad("all"),
            Self::Sensor(id) => f.pad(&id.to_string()),
        }
    }
}

impl fmt::Display for Subject {
    /// `5b0d2c1e-…/isolation`, as the record writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, self.aspect)
    }
}
