//! The tasks that the record knows, and how they stand on their servers: as text and as JSON
//! (docs/json-output.md, schemas/tasks-v1.schema.json).

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::escape;
use super::history::when;
use super::json::{instant, write_schema_of};
use super::table::{Cell, Row, Table, write_cells};
use super::words::{count_of, instant as said};
use crate::model::{ListedTask, Program, SensorId, ServerName, TaskId, TaskState};
use crate::terminal::{Paint, Palette};

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// One task of the record.
#[derive(Debug, Clone)]
pub struct KnownTask {
    /// As the files call it.
    pub server: ServerName,
    /// What it is called on its server.
    pub id: TaskId,
    /// The host that it is for.
    pub sensor: SensorId,
    /// What people called the host then.
    pub host: String,
    /// The key of its entry; `None`: a person started it.
    pub name: Option<Arc<str>>,
    /// As the record has it, whatever the server lists.
    pub program: Arc<Program>,
    /// The first run that created it, found it there or may have created it.
    pub run: Arc<str>,
    /// `user@machine`.
    pub by: Arc<str>,
    /// When it was sent, where that is known; else when it was put down in the record.
    pub at: Timestamp,
    /// What was given as the reason, if anything was.
    pub reason: Option<Arc<str>>,
    /// Nobody knows whether that run created it.
    pub is_open: bool,
    /// How it stands on its server.
    pub now: TaskNow,
}

/// How it stands.
#[derive(Debug, Clone)]
pub enum TaskNow {
    /// The server has it.
    Listed(ListedTask),
    /// The server does not have it, and we did not delete it.
    Gone,
    /// By us, in this run.
    Deleted {
        /// When the deletion was sent.
        at: Timestamp,
        /// The run that deleted it.
        run: Arc<str>,
    },
    /// It could not be read; why, for a person.
    NotRead(String),
    /// The server does not have it, and what became of it nobody knows; why, safe to print.
    InDoubt(String),
}

/// `has_more`: there are older ones that are not shown.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    tasks: &[KnownTask],
    has_more: bool,
    now: Timestamp,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut servers: Vec<&ServerName> = tasks.iter().map(|task| &task.server).collect();
    servers.dedup();
    for (i, server) in servers.into_iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let here: Vec<&KnownTask> = tasks.iter().filter(|task| task.server == *server).collect();
        let count = count_of(here.len(), "task");
        let header = [Cell::new(server.as_str(), Paint::Heading), Cell::plain(format!("   {count}"))];
        write_cells(&header, palette, out)?;
        writeln!(out)?;
        let mut table = Table { indent: 2, widest: vec![36, 36, 36], ..Table::default() };
        table.rows.extend(here.into_iter().map(|task| row(task, now)));
        table.write(palette, out)?;
    }
    if has_more {
        writeln!(out)?;
        write_cells(&[Cell::new("… and older ones (--limit N shows more)", Paint::Faint)], palette, out)?;
    }
    Ok(())
}

fn row(task: &KnownTask, now: Timestamp) -> Row {
    let (how, paint) = standing(&task.now, now);
    let mut below = vec![vec![Cell::plain(task.program.to_string())]];
    let reason = task.reason.as_ref().map_or_else(String::new, |reason| format!("   {reason}"));
    let created = match &task.now {
        TaskNow::Gone | TaskNow::NotRead(_) | TaskNow::InDoubt(_) if task.is_open => "put down",
        TaskNow::Listed(_)
        | TaskNow::Gone
        | TaskNow::Deleted { .. }
        | TaskNow::NotRead(_)
        | TaskNow::InDoubt(_) => "created",
    };
    let who = format!("{created} {} by {}, run {}{reason}", when(task.at, now), task.by, task.run);
    below.push(vec![Cell::new(who, Paint::Faint)]);
    Row {
        cells: vec![
            Cell::plain(task.id.to_string()),
            Cell::plain(&task.host),
            Cell::plain(task.name.as_deref().unwrap_or("by hand")),
            Cell::new(how, paint),
        ],
        below,
        ..Row::default()
    }
}

fn standing(standing: &TaskNow, now: Timestamp) -> (String, Paint) {
    match standing {
        TaskNow::Listed(task) => {
            let paint = if task.state() == TaskState::Failed { Paint::Alarm } else { Paint::Plain };
            (state_and_start(task, now), paint)
        }
        TaskNow::Gone => ("gone: the server does not have it".to_owned(), Paint::Alarm),
        TaskNow::Deleted { at, run } => (format!("deleted {} (run {run})", said(*at, now)), Paint::Faint),
        TaskNow::NotRead(why) => (format!("could not be read: {why}"), Paint::Doubt),
        TaskNow::InDoubt(why) => (why.clone(), Paint::Doubt),
    }
}

/// `done, started 25 Nov 12:05Z`, in the server's own words.
pub(super) fn state_and_start(task: &ListedTask, now: Timestamp) -> String {
    let word = match task.state.raw().trim() {
        "" => "no state given".to_owned(),
        _ => task.state.printable().to_string(),
    };
    let started = match &task.started {
        None => "no start known".to_owned(),
        Some(start) => match start.at {
            Some(at) => format!("started {}", said(at, now)),
            None => format!("started {}", start.text.printable()),
        },
    };
    format!("{word}, {started}")
}

/// The tasks that the record knows. Readers must ignore fields that they do not know: new ones may come within a format
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl tasks")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What the document is.
    pub kind: Kind,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// By server, the newest first.
    pub tasks: Vec<Task>,
    /// There are older tasks that are not in this document.
    pub has_more: bool,
}

/// What the document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The tasks that the record knows.
    Tasks,
}

/// A task that the record knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Task {
    /// As the files call it.
    pub server: String,
    /// The UUID that it has on its server.
    pub id: String,
    /// As it was called then.
    pub host: String,
    /// The host's identity: a UUID.
    pub sensor_id: String,
    /// The key of its entry; `null`: a person started it.
    pub name: Option<String>,
    /// The program.
    pub command: String,
    /// What it was given.
    pub arguments: Option<String>,
    /// The folder that it was started in.
    pub working_directory: Option<String>,
    /// The run that created it, or of which nobody knows whether it did.
    pub run: String,
    /// User and machine.
    pub by: String,
    /// The moment before it was sent: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// The `reason` that was given with it.
    pub reason: Option<String>,
    /// Whether the server has it.
    pub standing: Standing,
    /// The server's word, where it is listed; its values are not documented.
    pub state: Option<String>,
    /// What that word tells, where it is plain.
    pub state_kind: Option<StateKind>,
    /// When its host started it, where that is understood: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,
    /// Why it is not known how it stands.
    pub why: Option<String>,
}

/// Whether the server has a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has it.
    Listed,
    /// The server does not have it, and we did not delete it.
    Gone,
    /// By us.
    Deleted,
    /// It could not be read, or nobody knows whether it ever was there or who took it away.
    NotKnown,
}

/// How far a task is, as its server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    /// The program was started, and its end was not reported.
    Running,
    /// It ended, and its server does not say that it failed.
    Done,
    /// It ended, and not well; or never began, and never will.
    Failed,
}

/// Writes the document; what could drive a terminal or hide text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write_json(
    tasks: &[KnownTask],
    has_more: bool,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let document = Document {
        format_version: FORMAT_VERSION,
        kind: Kind::Tasks,
        now: instant(now),
        tasks: tasks.iter().map(task).collect(),
        has_more,
    };
    escape::write_json(&document, out)
}

/// The JSON Schema of [`Document`], as schemas/tasks-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Document>(out)
}

fn task(known: &KnownTask) -> Task {
    let (standing, listed, why) = match &known.now {
        TaskNow::Listed(task) => (Standing::Listed, Some(task), None),
        TaskNow::Gone => (Standing::Gone, None, None),
        TaskNow::Deleted { .. } => (Standing::Deleted, None, None),
        TaskNow::NotRead(why) | TaskNow::InDoubt(why) => (Standing::NotKnown, None, Some(why.clone())),
    };
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    Task {
        server: known.server.to_string(),
        id: known.id.to_string(),
        host: known.host.clone(),
        sensor_id: known.sensor.to_string(),
        name: text(&known.name),
        command: known.program.command.to_string(),
        arguments: text(&known.program.arguments),
        working_directory: text(&known.program.working_directory),
        run: known.run.to_string(),
        by: known.by.to_string(),
        at: instant(known.at),
        reason: text(&known.reason),
        standing,
        state: listed.map(|task| task.state.raw().to_owned()),
        state_kind: listed.and_then(|task| match task.state() {
            TaskState::Running => Some(StateKind::Running),
            TaskState::Done => Some(StateKind::Done),
            TaskState::Failed => Some(StateKind::Failed),
            TaskState::Other => None,
        }),
        started_at: listed.and_then(|task| task.started.as_ref()?.at).map(instant),
        why,
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData, assert_data_eq, str};
    use uuid::Uuid;

    use super::*;
    use crate::model::{TaskStart, Untrusted};
    use crate::report::sample;

    fn known(n: u128, now: TaskNow) -> KnownTask {
        KnownTask {
            server: ServerName::new("hq"),
            id: TaskId::from_uuid(Uuid::from_u128(n)),
            sensor: sample::sensor(17, "").id,
            host: "WS-017\u{1b}[2J".to_owned(),
            name: (n > 1).then(|| "collect-417".into()),
            program: Arc::new(Program {
                command: r"C:\x.exe".into(),
                arguments: Some("/c \u{202e}a".into()),
                working_directory: None,
            }),
            run: "20261125-120000-4f2a".into(),
            by: "ana@soc-1".into(),
            at: sample::at("2026-11-25T12:00:00Z"),
            reason: Some("INC-417".into()),
            is_open: false,
            now,
        }
    }

    fn all() -> Vec<KnownTask> {
        let listed = |state: &str, started| {
            TaskNow::Listed(ListedTask { state: Untrusted::new(state), started, program: None })
        };
        let start = TaskStart { text: Untrusted::new("x"), at: Some(sample::at("2026-11-25T12:05:00Z")) };
        vec![
            known(1, listed("done", Some(start))),
            known(2, listed("waiting\u{1b}[2J", None)),
            known(3, TaskNow::Gone),
            known(4, TaskNow::Deleted { at: sample::at("2026-11-25T12:30:00Z"), run: "r-2".into() }),
            known(5, TaskNow::NotRead("timed out".to_owned())),
            KnownTask {
                is_open: true,
                ..known(6, TaskNow::InDoubt("not known whether it was ever created".to_owned()))
            },
        ]
    }

    #[test]
    fn tasks_are_a_table_that_no_text_can_break() {
        let mut out = Vec::new();
        write_text(&all(), true, sample::now(), Palette::OFF, &mut out).unwrap();
        assert_data_eq!(
            String::from_utf8(out).unwrap(),
            str![[r#"
hq   6 tasks

  00000000-0000-0000-0000-000000000001   WS-017\u{1b}[2J   by hand       done, started 25 Nov 12:05Z
      C:\x.exe /c \u{202e}a
      created 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417
  00000000-0000-0000-0000-000000000002   WS-017\u{1b}[2J   collect-417   waiting\u{1b}[2J, no start known
      C:\x.exe /c \u{202e}a
      created 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417
  00000000-0000-0000-0000-000000000003   WS-017\u{1b}[2J   collect-417   gone: the server does not have it
      C:\x.exe /c \u{202e}a
      created 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417
  00000000-0000-0000-0000-000000000004   WS-017\u{1b}[2J   collect-417   deleted 25 Nov 12:30Z (run r-2)
      C:\x.exe /c \u{202e}a
      created 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417
  00000000-0000-0000-0000-000000000005   WS-017\u{1b}[2J   collect-417   could not be read: timed out
      C:\x.exe /c \u{202e}a
      created 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417
  00000000-0000-0000-0000-000000000006   WS-017\u{1b}[2J   collect-417   not known whether it was ever created
      C:\x.exe /c \u{202e}a
      put down 25 Nov 12:00Z (1 h ago) by ana@soc-1, run 20261125-120000-4f2a   INC-417

… and older ones (--limit N shows more)

"#]]
            .raw()
        );
    }

    #[test]
    fn the_document_fits_its_schema_and_is_that_of_the_repository() {
        let mut schema = Vec::new();
        write_schema(&mut schema).unwrap();
        let schema = String::from_utf8(schema).unwrap();
        assert_data_eq!(&schema, snapbox::file!["../../schemas/tasks-v1.schema.json": Text].raw());
        let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        let mut out = Vec::new();
        write_json(&all(), false, sample::now(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(validator.is_valid(&document), "{text}");
        assert_eq!(document["tasks"][0]["state_kind"], "done");
        assert_eq!(document["tasks"][1]["state"], "waiting\u{1b}[2J");
        for (at, why) in [(4, "timed out"), (5, "not known whether it was ever created")] {
            let task = &document["tasks"][at];
            assert_eq!((&task["standing"], &task["why"]), (&"not_known".into(), &why.into()));
        }
    }
}
