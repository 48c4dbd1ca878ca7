//! Tasks that run an application (response-api.md, section 5). Of the answer only the names of the fields are
//! documented.

use serde::Serialize;
use serde_json::Value;

use super::NotUnderstood;
use super::json::{Object, given, instant, parse, quoted, text};
use crate::model::{ListedTask, Program, TaskStart, Untrusted};

/// # Errors
/// No JSON object, or one without any field of a task.
pub fn read_task(body: &[u8]) -> Result<ListedTask, NotUnderstood> {
    let answer = match parse(body)? {
        Value::Object(answer) => answer,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(NotUnderstood(format!(
                "an object with `state` was expected, not {}",
                quoted(&other)
            )));
        }
    };
    // `state` may be `null` before anything happened; some field has to say that this is a task.
    if !answer.contains_key("state") && !answer.contains_key("task") {
        return Err(NotUnderstood::new("it has neither `state` nor `task`"));
    }
    Ok(ListedTask {
        state: Untrusted::new(read_state(&answer)?),
        started: given(&answer, "latestStartDateTime").and_then(read_start),
        program: given(&answer, "task").and_then(Value::as_object).and_then(read_program),
    })
}

/// Any scalar: its values are not documented.
fn read_state(answer: &Object) -> Result<String, NotUnderstood> {
    match answer.get("state") {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Bool(truth)) => Ok(truth.to_string()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other @ (Value::Array(_) | Value::Object(_))) => {
            Err(NotUnderstood(format!("`state` is {}, not a word", quoted(other))))
        }
    }
}

/// `None`: never, in the ways in which programs write that.
fn read_start(value: &Value) -> Option<TaskStart> {
    let written = text(value)?;
    let at = instant(value);
    let is_never =
        at.is_none() && written.trim().trim_matches(['0', '.', '-', ':', 'T', 'Z', ' ']).is_empty();
    (!is_never).then(|| TaskStart { text: Untrusted::new(written), at })
}

fn read_program(task: &Object) -> Option<Program> {
    let part = |field| given(task, field).and_then(text).map(Into::into);
    Some(Program {
        command: part("execCommand")?,
        arguments: part("cmdLineParameters"),
        working_directory: part("workingDirectory"),
    })
}

#[derive(Serialize)]
struct Envelope<'a> {
    task: Task<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    schedule: Schedule,
    exec_command: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd_line_parameters: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<&'a str>,
}

/// Some help pages misspell the name of the field as `shedule` in the syntax line; their examples do not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    start_now: bool,
}

/// # Errors
/// None that these types can cause; serde_json's signature has them.
pub(in crate::central_node) fn write_task(program: &Program) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Envelope {
        task: Task {
            schedule: Schedule { start_now: true },
            exec_command: &program.command,
            cmd_line_parameters: program.arguments.as_deref(),
            working_directory: program.working_directory.as_deref(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskState;

    fn read(body: &str) -> ListedTask {
        read_task(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_task_is_sent_in_the_documented_form() {
        let mut program = Program { command: r"C:\x.exe".into(), arguments: None, working_directory: None };
        let sent = |program: &Program| String::from_utf8(write_task(program).unwrap()).unwrap();
        assert_eq!(sent(&program), r#"{"task":{"schedule":{"startNow":true},"execCommand":"C:\\x.exe"}}"#);
        (program.arguments, program.working_directory) = (Some("/c \"a\"".into()), Some(r"C:\Tools".into()));
        assert_eq!(
            sent(&program),
            concat!(
                r#"{"task":{"schedule":{"startNow":true},"execCommand":"C:\\x.exe","#,
                r#""cmdLineParameters":"/c \"a\"","workingDirectory":"C:\\Tools"}}"#
            )
        );
        let sent = sent(&program);
        let answer = format!(r#"{{"state": "done", {}"#, sent.strip_prefix('{').unwrap());
        assert_eq!(read(&answer).program, Some(program));
    }

    #[test]
    fn a_state_is_known_only_where_its_word_is_plain() {
        for (state, expected) in [
            (r#""in progress""#, TaskState::Running),
            (r#""In_Progress""#, TaskState::Running),
            (r#""Done""#, TaskState::Done),
            (r#""COMPLETED""#, TaskState::Done),
            (r#""failed""#, TaskState::Failed),
            (r#""waiting""#, TaskState::Other),
            (r#""not done""#, TaskState::Other),
            ("2", TaskState::Other),
            ("true", TaskState::Other),
            ("null", TaskState::Other),
        ] {
            assert_eq!(read(&format!(r#"{{"state": {state}}}"#)).state(), expected, "{state}");
        }
        assert_eq!(read(r#"{"state": 2}"#).state.raw(), "2");
    }

    #[test]
    fn the_start_comes_in_several_forms() {
        let start = |value: &str| {
            let answer = read(&format!(r#"{{"state": "x", "latestStartDateTime": {value}}}"#));
            answer.started.map(|start| (start.text.raw().to_owned(), start.at.map(|at| at.to_string())))
        };
        let at = |text: &str, at: Option<&str>| Some((text.to_owned(), at.map(str::to_owned)));
        let known = Some("2026-11-24T10:00:00Z");
        assert_eq!(start(r#""2026-11-24T10:00:00Z""#), at("2026-11-24T10:00:00Z", known));
        assert_eq!(start("1795514400"), at("1795514400", known));
        assert_eq!(start("1795514400000"), at("1795514400000", known));
        assert_eq!(start(r#""24.11.2026 10:00""#), at("24.11.2026 10:00", None));
        for never in ["null", "0", r#""""#, r#""0000-00-00T00:00:00Z""#] {
            assert_eq!(start(never), None, "{never}");
        }
        assert_eq!(read(r#"{"state": "x"}"#).started, None);
    }

    #[test]
    fn what_is_not_understood_is_never_a_task() {
        for body in ["", "null", "[]", "{}", "<html>", r#"{"error": "x"}"#, r#"{"state": {"a": 1}}"#] {
            assert!(read_task(body.as_bytes()).is_err(), "{body}");
        }
    }
}
