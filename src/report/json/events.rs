//! What `apply --format json` tells, one object a line (docs/json-output.md, schemas/apply-v1.schema.json).

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Aspect, Cause, Document, Error, Hold, Task, build, write_schema_of};
use crate::execute::{self, ChangeOutcome, WriteResult};
use crate::model::ServerName;
use crate::report::escape;

/// The version of the lines. It grows by new fields and new events only; anything else makes it another version.
const EVENTS_VERSION: u32 = 1;

/// How a command ends that somebody ended, whether or not anything was begun.
const INTERRUPTED: u8 = 130;

/// One line. Readers must ignore events and fields that they do not know: new ones may come within a format version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl apply event")]
pub struct Line {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// When it was written: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// One line of what an apply tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What will be written, or, with `refused`, will not be.
    Plan {
        /// As `plan --format json` writes it.
        plan: Box<Document>,
    },
    /// One change came to its end.
    WriteEnded(Box<WriteEnded>),
    /// A write is tried again.
    Retry {
        /// As the files call it.
        server: String,
        /// What made that necessary, for people.
        why: String,
    },
    /// Something to know although the work goes on.
    Warning {
        /// What it is, as it is told on stderr too.
        message: String,
    },
    /// What went wrong, as it is told on stderr too.
    Error(Error),
    /// The last line, always.
    Outcome(Outcome),
}

/// What became of one change of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WriteEnded {
    /// As in the plan, as all that follows up to `action`.
    pub subject: String,
    /// As the files call it.
    pub server: String,
    /// The name that the server lists.
    pub host: Option<String>,
    /// The key of the declared entry.
    pub entry: Option<String>,
    /// The host's identity: a UUID.
    pub sensor_id: Option<String>,
    /// What of the host was to be changed.
    pub aspect: Aspect,
    /// Which one, of a task.
    pub task: Option<Task>,
    /// As in the plan.
    pub action: String,
    /// Whether it only sets another end, mostly a later one.
    pub renewal: bool,
    /// `done`, `already_as_desired`, `changed_since_plan`, `held`, `not_read`, `refused`, `unknown`, `not_tried`; more
    /// may come. Only the first two leave the host as declared.
    pub result: String,
    /// Whether it is as declared now.
    pub done: bool,
    /// Why it is not done; `null` where it is.
    pub why: Option<String>,
    /// The moment before it was sent, for `done`: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub sent_at: Option<String>,
    /// What keeps apply off it, for `held`.
    pub hold: Option<Hold>,
    /// The line that asks for it.
    pub cause: Cause,
}

/// How the apply ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcome {
    /// That of the command.
    pub exit_code: u8,
    /// The run in the record; `null` where nothing was to be written.
    pub run_id: Option<String>,
    /// Whether somebody ended it before it was through.
    pub interrupted: bool,
    /// Changes that were to be made; 0 where nothing was begun.
    pub changes: u64,
    /// Those of them after which the fleet is as declared.
    pub done: u64,
    /// How many changes ended with each `result`.
    pub results: BTreeMap<String, u64>,
    /// Hashes that hosts had given up to the rule for all hosts, put back since that could not be written: one for
    /// each host, with what became of it. No part of `changes`, `done` and `results`.
    pub put_back: Vec<WriteEnded>,
    /// Servers on which hosts go without hashes that left one rule and are not in the other.
    pub open: Vec<OpenServer>,
    /// Servers to which nothing more was sent before their changes were through.
    pub stopped: Vec<StoppedServer>,
}

/// A server on which files are between two rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OpenServer {
    /// As the files call it.
    pub server: String,
    /// Which hosts go without what, for people.
    pub what: String,
}

/// A server to which nothing more was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoppedServer {
    /// As the files call it.
    pub server: String,
    /// What stopped it, for people.
    pub why: String,
}

/// Writes one event as one line.
///
/// # Errors
/// Those of `out`.
pub fn write_event(event: Event, time: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let line = Line { format_version: EVENTS_VERSION, time: build::instant(time), event };
    escape::write_json_line(&line, out)
}

/// The JSON Schema of one [`Line`], as schemas/apply-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_event_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Line>(out)
}

impl WriteEnded {
    /// The event of one change that ended.
    pub fn of(server: &ServerName, ended: &ChangeOutcome) -> Self {
        let change = &ended.change;
        let sensor = change.whom.sensor();
        Self {
            subject: build::subject(server, &change.whom, change.subject.aspect),
            server: server.to_string(),
            host: sensor.map(|sensor| build::host(sensor)),
            entry: change.whom.entry().map(ToString::to_string),
            sensor_id: sensor.map(|sensor| sensor.id.to_string()),
            aspect: build::aspect(change.subject.aspect),
            task: build::task(&change.whom),
            action: change.action.as_str().to_owned(),
            renewal: change.action.is_renewal(),
            result: ended.result.as_str().to_owned(),
            done: ended.result.is_done(),
            why: why(&ended.result),
            sent_at: ended.result.sent_at().map(build::instant),
            hold: match &ended.result {
                WriteResult::Held { hold } => Some(build::hold(hold)),
                WriteResult::Done { .. }
                | WriteResult::AlreadyAsDesired
                | WriteResult::ChangedSincePlan { .. }
                | WriteResult::NotRead { .. }
                | WriteResult::Refused { .. }
                | WriteResult::Unknown { .. }
                | WriteResult::NotTried { .. } => None,
            },
            cause: build::cause(&change.cause),
        }
    }
}

fn why(result: &WriteResult) -> Option<String> {
    match result {
        WriteResult::Done { .. } | WriteResult::AlreadyAsDesired => None,
        WriteResult::ChangedSincePlan { found } => Some(found.clone()),
        WriteResult::Held { hold } => Some(format!("held by {} (`{}`)", hold.by, hold.command)),
        WriteResult::NotRead { why }
        | WriteResult::Refused { why }
        | WriteResult::Unknown { why }
        | WriteResult::NotTried { why } => Some(why.clone()),
    }
}

impl Outcome {
    /// `outcome`: `None` where nothing was begun.
    pub fn of(outcome: Option<&execute::Outcome>, run_id: Option<&str>, exit_code: u8) -> Self {
        let servers = outcome.map(|outcome| outcome.servers.as_slice()).unwrap_or_default();
        let results = || servers.iter().flat_map(|server| &server.changes).map(|ended| &ended.result);
        let mut counts = BTreeMap::new();
        for result in results() {
            *counts.entry(result.as_str().to_owned()).or_insert(0) += 1;
        }
        let stopped = servers.iter().filter_map(|server| {
            let why = server.stopped.as_ref()?.why.clone();
            Some(StoppedServer { server: server.server.to_string(), why })
        });
        let put_back = servers
            .iter()
            .flat_map(|server| server.put_back.iter().map(|ended| WriteEnded::of(&server.server, ended)));
        let open = servers.iter().filter_map(|server| {
            let what = server.open.clone()?;
            Some(OpenServer { server: server.server.to_string(), what })
        });
        Self {
            exit_code,
            run_id: run_id.map(str::to_owned),
            interrupted: exit_code == INTERRUPTED || outcome.is_some_and(|outcome| outcome.was_interrupted),
            changes: results().count() as u64,
            done: results().filter(|result| result.is_done()).count() as u64,
            results: counts,
            put_back: put_back.collect(),
            open: open.collect(),
            stopped: stopped.collect(),
        }
    }
}
