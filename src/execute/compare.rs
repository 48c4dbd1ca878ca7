//! Whether what is read is what was there before, or what was sent.

use std::sync::Arc;

use crate::central_node::{CallError, ReadSettings};
use crate::model::{Difference, Isolation, ListedTask, PreventionRule, Side, Target, same_hashes};
use crate::plan::{Action, Change};
use crate::record::is_listed_as_sent;

/// The value of one aspect, just read.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Isolation(Option<Isolation>),
    Prevention(Option<Arc<PreventionRule>>),
    Task(Option<ListedTask>),
}

pub(super) async fn look<C: ReadSettings>(
    client: &C,
    target: Target,
    difference: &Difference,
) -> Result<Found, CallError> {
    match (difference, target) {
        (Difference::Isolation(_), Target::Sensor(sensor)) => {
            client.isolation(sensor).await.map(Found::Isolation)
        }
        // There is no isolation of all hosts.
        (Difference::Isolation(_), Target::AllHosts) => Ok(Found::Isolation(None)),
        (Difference::Prevention(_), target) => client.prevention(target).await.map(Found::Prevention),
        (Difference::Task(id, _), _) => client.task(*id).await.map(Found::Task),
    }
}

impl Found {
    /// Whether it is what the plan saw.
    pub(super) fn is_before(&self, difference: &Difference) -> bool {
        match (self, difference) {
            (Self::Isolation(found), Difference::Isolation(side)) => *found == side.before,
            (Self::Prevention(found), Difference::Prevention(side)) => {
                same_hashes(found.as_deref(), side.before.as_deref())
            }
            // Its id says what it is: nothing else of it can differ.
            (Self::Task(found), Difference::Task(_, Side { before, .. })) => {
                found.is_some() == before.is_some()
            }
            (Self::Isolation(_) | Self::Prevention(_) | Self::Task(_), _) => false,
        }
    }

    /// Whether it is what was sent; a timeout that the server rounded to whole hours counts.
    pub(super) fn is_after(&self, difference: &Difference) -> bool {
        match (self, difference) {
            (Self::Isolation(found), Difference::Isolation(side)) => match (found, &side.after) {
                (None, None) => true,
                (Some(found), Some(sent)) => is_listed_as_sent(sent, found),
                (Some(_), None) | (None, Some(_)) => false,
            },
            (Self::Prevention(found), Difference::Prevention(side)) => {
                same_hashes(found.as_deref(), side.after.as_deref())
            }
            // Its id says what it is: nothing else of it can differ.
            (Self::Task(found), Difference::Task(_, Side { after, .. })) => {
                found.is_some() == after.is_some()
            }
            (Self::Isolation(_) | Self::Prevention(_) | Self::Task(_), _) => false,
        }
    }

    /// Whether it is what was sent, to the second.
    pub(super) fn is_exactly_after(&self, difference: &Difference) -> bool {
        match (self, difference) {
            (Self::Isolation(found), Difference::Isolation(side)) => *found == side.after,
            (Self::Prevention(_), Difference::Prevention(_)) => self.is_after(difference),
            (Self::Task(_), Difference::Task(..)) => self.is_after(difference),
            (Self::Isolation(_) | Self::Prevention(_) | Self::Task(_), _) => false,
        }
    }

    /// Whether somebody else has done by now what the change wants. An isolation that another one set does not
    /// count: nobody knows when it ends.
    pub(super) fn is_as_desired(&self, change: &Change) -> bool {
        match &change.action {
            // A task of this id is what would have been created.
            Action::Release
            | Action::EndSpent { .. }
            | Action::StartTask { .. }
            | Action::DeleteTask
            | Action::Block(_) => self.is_after(&change.difference),
            Action::Isolate { .. } | Action::ChangeExclusions { .. } | Action::Renew { .. } => false,
        }
    }

    pub(super) fn isolation(self) -> Option<Isolation> {
        match self {
            Self::Isolation(found) => found,
            Self::Prevention(_) | Self::Task(_) => None,
        }
    }

    /// For a person, safe to print.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Isolation(None) => "no isolation".to_owned(),
            Self::Isolation(Some(rule)) => {
                let exclusions = match rule.exclusions.len() {
                    1 => "1 exclusion".to_owned(),
                    count => format!("{count} exclusions"),
                };
                format!("an isolation with a timeout of {} s and {exclusions}", rule.timeout_seconds)
            }
            Self::Task(None) => "no task of this id".to_owned(),
            Self::Task(Some(task)) => format!("a task of this id in the state `{}`", task.state.printable()),
            Self::Prevention(None) => "no prevention rule".to_owned(),
            Self::Prevention(Some(rule)) => match rule.objects.len() {
                1 => "a prevention rule with 1 hash".to_owned(),
                count => format!("a prevention rule with {count} hashes"),
            },
        }
    }
}
