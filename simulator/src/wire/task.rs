//! Tasks: the body of their POST and the answer to their GET.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use uuid::Uuid;

use super::{Answer, Dialect};
use crate::world::{Refusal, Task, TaskState, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyJson {
    task: TaskJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TaskJson {
    schedule: ScheduleJson,
    exec_command: String,
    cmd_line_parameters: Option<String>,
    working_directory: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ScheduleJson {
    start_now: bool,
}

/// Reads the task of a POST.
pub(crate) fn task_request(id: Uuid, sensor: Uuid, body: &[u8], world: &World) -> Result<Task, Refusal> {
    let BodyJson { task } =
        serde_json::from_slice(body).map_err(|error| Refusal::Incorrect(format!("the body: {error}")))?;
    if task.exec_command.is_empty() {
        return Err(Refusal::Incorrect("execCommand is empty".into()));
    }
    Ok(Task {
        id,
        sensor,
        command: task.exec_command,
        arguments: task.cmd_line_parameters,
        working_directory: task.working_directory,
        start_now: task.schedule.start_now,
        created_at: world.now(),
        started_at: None,
        ended_at: None,
        unsupported: false,
    })
}

/// A task's state, and what it is where asked for.
pub(crate) fn task_answer(task: &Task, with_settings: bool, dialect: &Dialect) -> Answer {
    let mut body = Map::new();
    let state = match task.state() {
        TaskState::Waiting => "waiting",
        TaskState::InProgress => "in_progress",
        TaskState::Done => "done",
        TaskState::Failed => "failed",
    };
    body.insert("state".into(), json!(state));
    if let Some(started) = task.started_at {
        body.insert("latestStartDateTime".into(), json!(started.to_string()));
    }
    if with_settings {
        let mut settings = Map::new();
        settings.insert("schedule".into(), json!(ScheduleJson { start_now: task.start_now }));
        settings.insert("execCommand".into(), json!(task.command));
        let mut put = |field: &str, value: &Option<String>| {
            value.as_ref().map(|value| settings.insert(field.into(), json!(value)));
        };
        put("cmdLineParameters", &task.arguments);
        put("workingDirectory", &task.working_directory);
        body.insert("task".into(), settings.into());
    }
    if dialect.extra_fields {
        body.insert("serverName".into(), json!("kata-cn-1"));
    }
    Answer::json(200, &body, dialect)
}
