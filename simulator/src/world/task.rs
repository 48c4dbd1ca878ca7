//! A task that runs an application on one host.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::agent::Contacts;

/// How long a program runs.
const RUNS_FOR: SignedDuration = SignedDuration::from_secs(30);

/// A task: it cannot be edited, and starts when its host is in contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Chosen by the caller.
    pub id: Uuid,
    /// The host that it runs on.
    pub sensor: Uuid,
    /// `execCommand`.
    pub command: String,
    /// `cmdLineParameters`.
    pub arguments: Option<String>,
    /// `workingDirectory`.
    pub working_directory: Option<String>,
    /// `schedule.startNow`; one without it never starts.
    pub start_now: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the agent got it.
    pub started_at: Option<Timestamp>,
    /// When the agent told that it is over.
    pub ended_at: Option<Timestamp>,
    /// Whether the agent cannot run applications.
    pub unsupported: bool,
}

/// How far a task is. The names are ours: those of the real API are not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// The agent has not fetched it.
    Waiting,
    /// The agent has started it.
    InProgress,
    /// The agent has reported its end.
    Done,
    /// The agent cannot run applications.
    Failed,
}

impl Task {
    /// How far it is, by the contacts so far.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match (self.started_at, self.ended_at) {
            (None, _) => TaskState::Waiting,
            (Some(_), _) if self.unsupported => TaskState::Failed,
            (Some(_), None) => TaskState::InProgress,
            (Some(_), Some(_)) => TaskState::Done,
        }
    }

    /// Takes notice of contacts after the task was created; an end is reported on the contact that follows it.
    pub(super) fn advance(&mut self, contacts: Contacts) {
        if !self.start_now {
            return;
        }
        let Some(started) = self.started_at else {
            self.started_at = Some(contacts.first);
            let over = |contact: &Timestamp| contact.duration_since(contacts.first) >= RUNS_FOR;
            self.ended_at = contacts.second.filter(over).or(Some(contacts.last).filter(over));
            return;
        };
        if self.ended_at.is_none() {
            let over = |contact: &Timestamp| contact.duration_since(started) >= RUNS_FOR;
            self.ended_at = [contacts.first, contacts.last].into_iter().find(over);
        }
    }
}
