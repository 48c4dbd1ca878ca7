//! What `history --format json` writes (docs/json-output.md, schemas/history-v1.schema.json).

use std::io::{self, Write};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerHistory;
use crate::model::{self, Side, Target};
use crate::record::{self, ActValues, KeptRule, RecordedRun, RuleCounts, RunEnd};
use crate::report::escape;
use crate::report::json::{
    Aspect, Cause, Setting, aspect, aspect_kind, cause, instant, isolation, program, write_schema_of,
};

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// What was done, by whom and why, as the record has it. Readers must ignore fields that they do not know: new ones
/// may come within a format version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl history")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What the document is.
    pub kind: Kind,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// In the order of their names.
    pub servers: Vec<Server>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    History,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Server {
    pub name: String,
    /// What names it in the record.
    pub key: String,
    /// Newest first.
    pub runs: Vec<Run>,
    /// There are older runs that are not in this document.
    pub has_more: bool,
}

/// Who did something, when, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunHeader {
    pub id: String,
    /// When it began: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub begun_at: String,
    /// User and machine.
    pub by: String,
    pub owner: String,
    /// `apply`, `hold`, …; more may come.
    pub command: String,
    /// What its flags let pass.
    pub allow: Vec<String>,
    /// The id of the approved or saved plan that it was held to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// A link to the CI job.
    pub ci_job: Option<String>,
    pub commit: Option<Commit>,
}

/// The commit that the files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Commit {
    pub id: String,
    /// A CI job checked it out; otherwise the files may have been edited since.
    pub sure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Run {
    #[serde(flatten)]
    pub header: RunHeader,
    /// When it last wrote to the record: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub last_at: String,
    pub ended: Ended,
    /// Why it failed.
    pub why: Option<String>,
    /// In the order in which they were put down.
    pub acts: Vec<Act>,
    /// What it left or ended.
    pub holds: Vec<HoldNote>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Finished,
    Interrupted,
    Failed,
    /// It never said that it ended.
    NotKnown,
}

/// A hold that a run left, or that it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HoldNote {
    /// As it was called then, `all hosts` for the rule for them; `null`: the record gives no name.
    pub host: Option<String>,
    /// `null`: the rule for all hosts.
    pub sensor_id: Option<String>,
    pub aspect: Aspect,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Until when it was to last, RFC 3339, UTC; `null`: it was ended.
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<String>,
    /// `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`; more may come. `null`: it was ended.
    pub command: Option<String>,
    pub reason: Option<String>,
}

/// One write that a run meant to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Act {
    /// As it was called then, `all hosts` for the rule for them; `null`: the record gives no name.
    pub host: Option<String>,
    /// `null`: no file declared it.
    pub entry: Option<String>,
    /// `null`: the rule for all hosts.
    pub sensor_id: Option<String>,
    pub aspect: Aspect,
    /// The task's UUID, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// `isolate`, `change_exclusions`, `renew`, `release`, `end_spent`, `block`, `start_task`, `delete_task`; more may
    /// come.
    pub action: String,
    /// Before anything was sent: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// What was set; `null`: no rule.
    pub before: Option<Setting>,
    /// What was to be set; `null`: no rule.
    pub after: Option<Setting>,
    /// How many hashes a prevention rule gained, lost and kept.
    pub hashes: Option<HashCounts>,
    /// The line that asked for it.
    pub cause: Option<Cause>,
    pub reason: Option<String>,
    pub outcome: Outcome,
    /// Why it was not done, or is not known.
    pub why: Option<String>,
    /// The moment before the request was sent, where it was done: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub sent_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HashCounts {
    pub added: usize,
    pub removed: usize,
    pub kept: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// It was found as desired; nothing was sent.
    NothingToDo,
    NotDone,
    /// Nobody knows whether it was done.
    NotKnown,
}

/// The runs as a document of its own.
pub fn document(servers: &[ServerHistory<'_>], now: Timestamp) -> Document {
    let server = |server: &ServerHistory<'_>| Server {
        name: server.server.to_string(),
        key: server.key.to_string(),
        runs: server.runs.iter().map(|run| self::run(run, server.counts)).collect(),
        has_more: server.has_more,
    };
    Document {
        format_version: FORMAT_VERSION,
        kind: Kind::History,
        now: instant(now),
        servers: servers.iter().map(server).collect(),
    }
}

/// Writes the document; what could drive a terminal or hide text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write_json(servers: &[ServerHistory<'_>], now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    escape::write_json(&document(servers, now), out)
}

/// The JSON Schema of [`Document`], as schemas/history-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Document>(out)
}

pub(in crate::report) fn header(run: &RecordedRun) -> RunHeader {
    RunHeader {
        id: run.id.to_string(),
        begun_at: instant(run.begun_at),
        by: run.by.to_string(),
        owner: run.owner.to_string(),
        command: run.command.to_string(),
        allow: run.allow.iter().map(ToString::to_string).collect(),
        plan_id: run.plan.as_deref().map(str::to_owned),
        ci_job: run.ci_job.as_deref().map(str::to_owned),
        commit: run.commit.as_ref().map(|commit| Commit { id: commit.id.to_string(), sure: commit.is_sure }),
    }
}

fn run(run: &RecordedRun, counts: &RuleCounts) -> Run {
    let (ended, why) = match &run.end {
        Some(RunEnd::Finished) => (Ended::Finished, None),
        Some(RunEnd::Interrupted) => (Ended::Interrupted, None),
        Some(RunEnd::Failed { why }) => (Ended::Failed, Some(why.to_string())),
        None => (Ended::NotKnown, None),
    };
    Run {
        header: header(run),
        last_at: instant(run.last_at),
        ended,
        why,
        acts: run.acts.iter().map(|one| act(one, counts)).collect(),
        holds: run.holds.iter().map(hold_note).collect(),
    }
}

fn hold_note(note: &record::HoldNote) -> HoldNote {
    let (until, command, reason) = match &note.change {
        record::HoldChange::Left { until, command, reason } => {
            (Some(instant(*until)), Some(command.to_string()), reason.as_deref().map(str::to_owned))
        }
        record::HoldChange::Ended => (None, None, None),
    };
    HoldNote {
        host: note.host.as_deref().map(str::to_owned),
        sensor_id: match note.subject.target {
            Target::AllHosts => None,
            Target::Sensor(id) => Some(id.to_string()),
        },
        aspect: aspect_kind(note.subject.aspect),
        at: instant(note.at),
        until,
        command,
        reason,
    }
}

pub(in crate::report) fn act(act: &record::Act, counts: &RuleCounts) -> Act {
    let kept = |kept: &KeptRule| Setting::Prevention {
        hash_count: usize::try_from(kept.count).unwrap_or(usize::MAX),
    };
    let (before, after, hashes) = match &act.values {
        ActValues::Isolation(Side { before, after }) => {
            (before.as_ref().map(isolation), after.as_ref().map(isolation), None)
        }
        ActValues::Prevention(side) => {
            let counts = counts.of(side).map(|record::HashCounts { added, removed, kept }| HashCounts {
                added,
                removed,
                kept,
            });
            (side.before.as_ref().map(kept), side.after.as_ref().map(kept), counts)
        }
        ActValues::Task(side) => {
            (side.before.as_deref().map(program), side.after.as_deref().map(program), None)
        }
    };
    let (outcome, why, sent_at) = match &act.outcome {
        record::ActOutcome::Done { sent_at, .. } => (Outcome::Done, None, Some(instant(*sent_at))),
        record::ActOutcome::NothingToDo => (Outcome::NothingToDo, None, None),
        record::ActOutcome::NotDone { why } => (Outcome::NotDone, Some(why.to_string()), None),
        record::ActOutcome::Open { why } => (Outcome::NotKnown, why.as_deref().map(str::to_owned), None),
    };
    Act {
        host: act.host.as_deref().map(str::to_owned),
        entry: act.entry.as_deref().map(str::to_owned),
        sensor_id: match act.subject.target {
            Target::AllHosts => None,
            Target::Sensor(id) => Some(id.to_string()),
        },
        aspect: aspect(act.subject.aspect),
        task_id: task_id(act.subject.aspect),
        action: act.action.to_string(),
        at: instant(act.at),
        before,
        after,
        hashes,
        cause: act.cause.as_ref().map(cause),
        reason: act.reason.as_deref().map(str::to_owned),
        outcome,
        why,
        sent_at,
    }
}

fn task_id(aspect: model::Aspect) -> Option<String> {
    match aspect {
        model::Aspect::Isolation | model::Aspect::Prevention => None,
        model::Aspect::Task(id) => Some(id.to_string()),
    }
}
