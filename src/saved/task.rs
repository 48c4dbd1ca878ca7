//! A program that is started, or a task that is taken off its server.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::instant;
use super::what::What;
use crate::declare::{DeclaredTask, TaskPresence};
use crate::model::{self, Difference, Sensor, Side, TaskId};
use crate::plan::{Action, Whom};
use crate::resolve::DesiredTask;

/// A task, as its entry declares it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    /// What it is called on its server; it follows from the host and all that is here, but `not_after`.
    id: String,
    name: String,
    program: Program,
    generation: u64,
    /// From then on it is not started.
    not_after: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    command: String,
    arguments: Option<String>,
    working_directory: Option<String>,
}

impl What {
    pub(super) fn task(
        self,
        sensor: Arc<Sensor>,
        cause: &model::Cause,
    ) -> Result<(Whom, Action, Difference), String> {
        let (task, before, presence) = match self {
            Self::StartTask { task } => (task, None, TaskPresence::Present),
            Self::DeleteTask { task, before } => (task, before, TaskPresence::Absent),
            Self::Isolate { .. }
            | Self::ChangeExclusions { .. }
            | Self::Renew { .. }
            | Self::Release { .. }
            | Self::EndSpent { .. }
            | Self::Block { .. } => return Err("it is no task".to_owned()),
        };
        let (program, not_after) = (model::Program::from(task.program), instant(&task.not_after)?);
        let id = TaskId::new(sensor.id, &task.name, &program, task.generation);
        if id.to_string() != task.id {
            return Err("the id of a task is not that of what it starts".to_owned());
        }
        let after = (presence == TaskPresence::Present).then(|| Arc::new(program.clone()));
        let action = match presence {
            TaskPresence::Present => Action::StartTask { not_after },
            TaskPresence::Absent => Action::DeleteTask,
        };
        let side = Side { before: before.map(|program| Arc::new(program.into())), after };
        let declared = DeclaredTask {
            name: task.name.into(),
            origin: cause.origin().clone(),
            hosts: Vec::new(),
            groups: Vec::new(),
            program,
            not_after,
            generation: task.generation,
            presence,
        };
        let task = DesiredTask {
            id,
            task: Arc::new(declared),
            sensor,
            cause: cause.clone(),
            groups: Arc::default(),
        };
        Ok((Whom::Task(Arc::new(task)), action, Difference::Task(id, side)))
    }
}

impl Task {
    pub(super) fn of(
        desired: Option<&Arc<DesiredTask>>,
        id: TaskId,
        side: &Side<Arc<model::Program>>,
    ) -> Self {
        let declared = desired.map(|desired| &desired.task);
        let nothing = model::Program { command: "".into(), arguments: None, working_directory: None };
        let of_side = side.after.as_deref().or(side.before.as_deref());
        let program = declared.map(|task| &task.program).or(of_side).unwrap_or(&nothing);
        Self {
            id: id.to_string(),
            name: declared.map(|task| task.name.to_string()).unwrap_or_default(),
            program: program.into(),
            generation: declared.map_or(1, |task| task.generation),
            not_after: declared.map_or(Timestamp::MIN, |task| task.not_after).to_string(),
        }
    }
}

impl From<&model::Program> for Program {
    fn from(program: &model::Program) -> Self {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        Self {
            command: program.command.to_string(),
            arguments: text(&program.arguments),
            working_directory: text(&program.working_directory),
        }
    }
}

impl From<Program> for model::Program {
    fn from(program: Program) -> Self {
        Self {
            command: program.command.into(),
            arguments: program.arguments.map(Into::into),
            working_directory: program.working_directory.map(Into::into),
        }
    }
}
