//! How tasks stand in the record.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Program, Side, TaskId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WireTaskId(pub(super) TaskId);

impl Serialize for WireTaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireTaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// One task before and after; `null` is no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireTaskSide {
    pub(super) id: WireTaskId,
    before: Option<WireProgram>,
    after: Option<WireProgram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireProgram {
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
}

impl WireTaskSide {
    pub(super) fn new(id: TaskId, side: &Side<Arc<Program>>) -> Self {
        let program = |program: &Option<Arc<Program>>| program.as_deref().map(Into::into);
        Self { id: WireTaskId(id), before: program(&side.before), after: program(&side.after) }
    }

    pub(super) fn side(&self) -> (TaskId, Side<Arc<Program>>) {
        let program = |wire: &Option<WireProgram>| wire.clone().map(|wire| Arc::new(wire.into()));
        (self.id.0, Side { before: program(&self.before), after: program(&self.after) })
    }
}

impl From<&Program> for WireProgram {
    fn from(program: &Program) -> Self {
        Self {
            command: program.command.to_string(),
            arguments: program.arguments.as_deref().map(str::to_owned),
            working_directory: program.working_directory.as_deref().map(str::to_owned),
        }
    }
}

impl From<WireProgram> for Program {
    fn from(wire: WireProgram) -> Self {
        Self {
            command: wire.command.into(),
            arguments: wire.arguments.map(Into::into),
            working_directory: wire.working_directory.map(Into::into),
        }
    }
}
