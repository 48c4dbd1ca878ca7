use std::sync::Arc;

use super::{Aspect, Isolation, PreventionRule, Program, TaskId};

/// One aspect before and after. `None` is "no rule", known to be absent; what is not known has no place here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side<T> {
    /// As the plan saw it.
    pub before: Option<T>,
    /// What the write is to make of it.
    pub after: Option<T>,
}

/// What one write changes: a change of two aspects at once cannot be written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A host is isolated or released, or its timeout or exclusions change.
    Isolation(Side<Isolation>),
    /// A whole rule on either side, of one host or of all hosts.
    Prevention(Side<Arc<PreventionRule>>),
    /// A task is created or deleted; the API knows no other change of one.
    Task(TaskId, Side<Arc<Program>>),
}

impl Difference {
    /// What of a target it changes.
    pub fn aspect(&self) -> Aspect {
        match self {
            Self::Isolation(_) => Aspect::Isolation,
            Self::Prevention(_) => Aspect::Prevention,
            Self::Task(id, _) => Aspect::Task(*id),
        }
    }
}
