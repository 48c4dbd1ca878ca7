//! How the reading of a task stands in a snapshot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::{instant, parts, printable, reading};
use crate::model::{ListedTask, Program, Reading, TaskId, TaskStart, Untrusted};

/// One of `task`, `unknown`; neither: there is no such task.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct TaskReading {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Task {
    /// The server's word for it.
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Start>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<TaskProgram>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Start {
    /// As the server wrote it.
    text: String,
    /// RFC 3339; `null`: not understood.
    at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct TaskProgram {
    command: String,
    arguments: Option<String>,
    working_directory: Option<String>,
}

impl From<(&TaskId, &Reading<ListedTask>)> for TaskReading {
    fn from((id, reading): (&TaskId, &Reading<ListedTask>)) -> Self {
        let (task, unknown) = parts(reading, |task| Task::from(task));
        Self { id: id.to_string(), task, unknown }
    }
}

impl TaskReading {
    pub(super) fn reading(self) -> Result<(TaskId, Reading<ListedTask>), String> {
        let id: TaskId = self.id.parse().map_err(|error| format!("`{}`: {error}", printable(self.id)))?;
        let task = self.task.map(ListedTask::try_from).transpose()?;
        Ok((id, reading(task, self.unknown)?))
    }
}

impl From<&ListedTask> for Task {
    fn from(task: &ListedTask) -> Self {
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        Self {
            state: task.state.raw().to_owned(),
            started: task.started.as_ref().map(|start| Start {
                text: start.text.raw().to_owned(),
                at: start.at.map(|at| at.to_string()),
            }),
            program: task.program.as_ref().map(|program| TaskProgram {
                command: program.command.to_string(),
                arguments: text(&program.arguments),
                working_directory: text(&program.working_directory),
            }),
        }
    }
}

impl TryFrom<Task> for ListedTask {
    type Error = String;

    fn try_from(task: Task) -> Result<Self, String> {
        let started = task.started.map(|start| {
            let at = start.at.as_deref().map(instant).transpose()?;
            Ok::<_, String>(TaskStart { text: Untrusted::new(start.text), at })
        });
        Ok(Self {
            state: Untrusted::new(task.state),
            started: started.transpose()?,
            program: task.program.map(|program| Program {
                command: program.command.into(),
                arguments: program.arguments.map(Into::into),
                working_directory: program.working_directory.map(Into::into),
            }),
        })
    }
}
