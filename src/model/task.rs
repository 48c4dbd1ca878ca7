//! Programs that are started once on a host.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{SensorId, Untrusted};

/// What is started (response-api.md, section 5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Program {
    /// `execCommand`
    pub command: Arc<str>,
    /// `cmdLineParameters`
    pub arguments: Option<Arc<str>>,
    /// `workingDirectory`
    pub working_directory: Option<Arc<str>>,
}

impl Program {
    /// As a person would type it: the path, then the arguments. For showing it, whole and safe to print; the server
    /// gets the parts.
    pub fn command_line(&self) -> String {
        let mut line = Untrusted::new(Arc::clone(&self.command)).printable().to_string();
        if let Some(arguments) = self.arguments.as_ref().filter(|arguments| !arguments.is_empty()) {
            line.push(' ');
            line.push_str(&Untrusted::new(Arc::clone(arguments)).printable().to_string());
        }
        line
    }
}

impl fmt::Display for Program {
    /// `C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)`: whole and safe to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command_line())?;
        match &self.working_directory {
            Some(folder) => write!(f, "  (in {})", Untrusted::new(Arc::clone(folder)).printable()),
            None => Ok(()),
        }
    }
}

/// A task as its server lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedTask {
    /// As it stands there; empty where there is none. The values are not documented (response-api.md, section 5).
    pub state: Untrusted,
    /// `None`: the server does not say that it was ever started.
    pub started: Option<TaskStart>,
    /// `None`: not given, or not whole.
    pub program: Option<Program>,
}

/// `latestStartDateTime`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskStart {
    /// As it stands there.
    pub text: Untrusted,
    /// `None`: in a form that we do not understand.
    pub at: Option<Timestamp>,
}

/// What the words of a state tell. Nothing is documented, so only what is plain is taken for known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskState {
    /// The program was started, and its end was not reported.
    Running,
    /// It ended, and well, by words such as `completed`.
    Done,
    /// It ended, and not well; or never began, and never will.
    Failed,
    /// Not started yet, or in words that tell us nothing.
    Other,
}

impl ListedTask {
    /// How far it is, by its words alone.
    pub fn state(&self) -> TaskState {
        let words: String =
            self.state.raw().chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        match &*words {
            "inprogress" | "running" | "started" | "executing" | "processing" | "выполняется" => {
                TaskState::Running
            }
            "done" | "completed" | "complete" | "finished" | "success" | "succeeded" | "successful"
            | "завершена" | "завершено" | "выполнена" | "выполнено" => {
                TaskState::Done
            }
            "failed" | "failure" | "error" | "cancelled" | "canceled" | "aborted" | "timeout"
            | "timedout" | "ошибка" => TaskState::Failed,
            _ => TaskState::Other,
        }
    }

    /// Whether there is a sign that its host got it.
    pub fn has_reached_its_host(&self) -> bool {
        match self.state() {
            TaskState::Running | TaskState::Done => true,
            TaskState::Failed | TaskState::Other => self.started.is_some(),
        }
    }

    /// Whether, by its words, nothing more will come of it.
    pub fn is_over(&self) -> bool {
        match self.state() {
            TaskState::Done | TaskState::Failed => true,
            TaskState::Running | TaskState::Other => false,
        }
    }
}

/// What a task is called on its server. It follows from what it means, so that any number of applies on any machine
/// start it once: the second finds it there. One that a person starts has a random one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(Uuid);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task id is a UUID such as c4e058e0-6082-508a-9722-c8230d5f006d")]
pub struct TaskIdError;

impl TaskId {
    /// The UUIDv5 of the sensor, the task's name, its content and its generation. Neither the server's name nor the
    /// deadline is in it: renaming one or moving the other starts nothing.
    ///
    /// What it is made of must never change: every task that was declared before would be started again.
    pub fn new(sensor: SensorId, name: &str, program: &Program, generation: u64) -> Self {
        const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_0c8a_5d0e_4b7c_9a53_2f5b_7d4e_61c9);
        let mut bytes = sensor.uuid().as_bytes().to_vec();
        for text in [
            Some(name),
            Some(&*program.command),
            program.arguments.as_deref(),
            program.working_directory.as_deref(),
        ] {
            // With its length, so that no two different tasks give the same bytes.
            match text {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes.extend(generation.to_be_bytes());
        Self(Uuid::new_v5(&NAMESPACE, &bytes))
    }

    /// As a person, a record or a server calls one that is there.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID itself.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The first eight digits, for messages.
    pub fn short(self) -> String {
        let mut text = self.0.simple().to_string();
        text.truncate(8);
        text
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_not_a_uuid| TaskIdError)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn program(command: &str, arguments: Option<&str>, working_directory: Option<&str>) -> Program {
        Program {
            command: command.into(),
            arguments: arguments.map(Into::into),
            working_directory: working_directory.map(Into::into),
        }
    }

    #[test]
    fn the_same_task_has_the_same_id_for_good() {
        let sensor: SensorId = "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap();
        let program = program(r"C:\Windows\System32\cmd.exe", Some("/c collect.bat"), Some(r"C:\Tools"));
        let id = TaskId::new(sensor, "collect-417", &program, 1);
        // A later version that gives another id would start every declared program once more.
        assert_eq!(id.to_string(), "c4e058e0-6082-508a-9722-c8230d5f006d");
        assert_eq!(id.uuid().get_version_num(), 5);
    }

    #[test]
    fn another_task_has_another_id() {
        let sensor = |n| SensorId::new(Uuid::from_u128(n));
        let id =
            |n, name: &str, program: &Program, generation| TaskId::new(sensor(n), name, program, generation);
        let ids = [
            id(1, "a", &program("x", None, None), 1),
            id(2, "a", &program("x", None, None), 1),
            id(1, "b", &program("x", None, None), 1),
            id(1, "a", &program("y", None, None), 1),
            id(1, "a", &program("x", None, None), 2),
            id(1, "a", &program("x", Some(""), None), 1),
            id(1, "a", &program("x", None, Some("")), 1),
            // The same letters, cut elsewhere.
            id(1, "a", &program("xy", Some("z"), None), 1),
            id(1, "a", &program("x", Some("yz"), None), 1),
            id(1, "a", &program("x", None, Some("yz")), 1),
            id(1, "ax", &program("yz", None, None), 1),
        ];
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
