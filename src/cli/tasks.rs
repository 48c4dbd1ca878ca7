use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Exit;
use super::by_hand::{self, DeleteFlags};
use super::chains::{RecordedServer, chains};
use super::flags::{FileFlags, Format, ServerFlags};
use super::start::{Failure, connected, declared, record, runtime};
use crate::central_node::{CallErrorKind, ReadSettings as _};
use crate::declare::Declared;
use crate::model::{Aspect, Program, Side, Target, TaskId};
use crate::record::{ActOutcome, ActValues, AnyStore, Deed, Record};
use crate::report::tasks::{KnownTask, TaskNow, write_json, write_text};
use crate::session::Connected;
use crate::terminal::{Printed, Ui};

const EXAMPLES: &str = "\
Examples:
  kedrctl tasks                                                 the newest 50, and how each stands on its server
  kedrctl tasks c4e058e0-6082-508a-9722-c8230d5f006d --format json
  kedrctl tasks --server hq --limit 200

Exit codes: 4 one could not be read; 5 no server could be reached, or the record cannot be.";

/// What `tasks` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct TasksFlags {
    #[command(subcommand)]
    act: Option<TasksCommand>,

    /// Only these tasks, by their ids
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<TaskId>,

    /// How many of all, the newest first
    #[arg(long, value_name = "N", default_value = "50")]
    limit: std::num::NonZeroUsize,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    files: FileFlags,

    #[command(flatten)]
    servers: ServerFlags,
}

#[derive(Debug, Subcommand)]
enum TasksCommand {
    /// Take tasks off their servers: what has started goes on, what has not never will
    Delete(DeleteFlags),
}

fn id(text: &str) -> Result<TaskId, String> {
    text.parse::<TaskId>().map_err(|why| why.to_string())
}

pub(super) fn run(ui: &Ui, flags: &TasksFlags) -> Result<Exit, Failure> {
    if let Some(TasksCommand::Delete(flags)) = &flags.act {
        return by_hand::delete(ui, flags);
    }
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    runtime()?.block_on(list(ui, flags, &declared, &record))
}

async fn list(
    ui: &Ui,
    flags: &TasksFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
) -> Result<Exit, Failure> {
    let mut tasks = Vec::new();
    for server in chains(declared, &flags.servers.only)? {
        tasks.extend(recorded(record, &server).await?);
    }
    if let Some(unknown) = flags.ids.iter().find(|id| !tasks.iter().any(|task| task.id == **id)) {
        return Err(Failure::Usage(format!(
            "task {unknown}: the record of these files knows none of this id; `kedrctl tasks` lists those that it \
             knows"
        )));
    }
    if !flags.ids.is_empty() {
        tasks.retain(|task| flags.ids.contains(&task.id));
    }
    // The newest of all servers, then by server.
    tasks.sort_by_key(|task| (std::cmp::Reverse(task.at), task.id));
    let has_more = flags.ids.is_empty() && tasks.len() > flags.limit.get();
    if has_more {
        tasks.truncate(flags.limit.get());
    }
    tasks.sort_by(|a, b| a.server.cmp(&b.server));
    let exit = read(ui, flags, declared, &mut tasks).await?;
    let now = ui.clock().now();
    if tasks.is_empty() {
        ui.note("the record knows no task");
    }
    match ui.print(|out| match flags.format {
        Format::Text => write_text(&tasks, has_more, now, ui.out_palette(), out),
        Format::Json => write_json(&tasks, has_more, now, out),
    })? {
        Printed::Whole | Printed::PipeClosed => Ok(exit),
    }
}

/// Every task that was created on a server, or may have been.
async fn recorded(record: &Record<AnyStore>, server: &RecordedServer) -> Result<Vec<KnownTask>, Failure> {
    let history = record.history(&server.key, None).await.map_err(Failure::Record)?;
    let mut tasks: BTreeMap<TaskId, KnownTask> = BTreeMap::new();
    for Deed { run, act } in history.deeds() {
        let (Aspect::Task(id), Target::Sensor(sensor)) = (act.subject.aspect, act.subject.target) else {
            continue;
        };
        let ActValues::Task(Side { after, .. }) = &act.values else { continue };
        match (&act.outcome, after) {
            (ActOutcome::NotDone { .. }, _) | (ActOutcome::NothingToDo, None) => {}
            (ActOutcome::Open { .. }, None) => {
                if let Some(task) = tasks.get_mut(&id)
                    && !matches!(task.now, TaskNow::Deleted { .. })
                {
                    task.now = TaskNow::InDoubt(format!(
                        "the server does not have it, and whether run {} deleted it is not known",
                        run.id
                    ));
                }
            }
            (ActOutcome::Done { .. }, None) => {
                if let Some(task) = tasks.get_mut(&id) {
                    task.now = TaskNow::Deleted { at: act.sent_at(), run: Arc::clone(&run.id) };
                }
            }
            (
                outcome @ (ActOutcome::Done { .. } | ActOutcome::NothingToDo | ActOutcome::Open { .. }),
                Some(program),
            ) => {
                let is_open = matches!(outcome, ActOutcome::Open { .. });
                let task = tasks.entry(id).or_insert_with(|| KnownTask {
                    server: server.name.clone(),
                    id,
                    sensor,
                    host: act.host.as_deref().map_or_else(|| sensor.to_string(), str::to_owned),
                    name: act.entry.clone(),
                    program: Arc::<Program>::clone(program),
                    run: Arc::clone(&run.id),
                    by: Arc::clone(&run.by),
                    at: act.sent_at(),
                    reason: act.reason.clone(),
                    is_open,
                    now: TaskNow::Gone,
                });
                // What a later run found or created is known to have been there.
                task.is_open &= is_open;
            }
        }
    }
    Ok(tasks.into_values().collect())
}

/// What a task is that its server does not have.
fn not_there(task: &KnownTask) -> TaskNow {
    match &task.now {
        TaskNow::InDoubt(why) => TaskNow::InDoubt(why.clone()),
        TaskNow::Listed(_) | TaskNow::Gone | TaskNow::Deleted { .. } | TaskNow::NotRead(_)
            if task.is_open =>
        {
            TaskNow::InDoubt(
                "the server does not have it, and whether it was ever created is not known".to_owned(),
            )
        }
        TaskNow::Listed(_) | TaskNow::Gone | TaskNow::Deleted { .. } | TaskNow::NotRead(_) => TaskNow::Gone,
    }
}

/// Asks the servers for those that were not deleted.
async fn read(
    ui: &Ui,
    flags: &TasksFlags,
    declared: &Declared,
    tasks: &mut [KnownTask],
) -> Result<Exit, Failure> {
    let is_asked = |task: &KnownTask| !matches!(task.now, TaskNow::Deleted { .. });
    let names: Vec<_> = tasks.iter().filter(|task| is_asked(task)).map(|task| task.server.clone()).collect();
    let only = |name: &crate::model::ServerName| names.contains(name);
    let servers =
        connected(ui, declared, &flags.servers.only, flags.servers.allow_commands, only, |_| false)?;
    let (mut asked, mut failed, mut lost) = (0, 0, 0);
    let bar = ui.progress("reading", names.len() as u64);
    for task in tasks.iter_mut().filter(|task| is_asked(task)) {
        let Some(Connected { client, .. }) = servers.iter().find(|server| server.name == task.server) else {
            continue;
        };
        asked += 1;
        task.now = match client.task(task.id).await {
            Ok(Some(listed)) => TaskNow::Listed(listed),
            Ok(None) => not_there(task),
            Err(error) => {
                let is_lost =
                    matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost);
                failed += 1;
                lost += u64::from(is_lost || error.stops_server());
                TaskNow::NotRead(error.to_string())
            }
        };
        bar.advance();
    }
    Ok(match (asked, failed, lost) {
        (_, 0, _) => Exit::Done,
        (asked, _, lost) if asked == lost => Exit::Unreachable,
        _ => Exit::Incomplete,
    })
}
