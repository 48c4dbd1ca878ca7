//! `run` and `tasks delete`: programs that a person starts, and tasks that they take away.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::flags::{DeleteFlags, LastingFlags, PickFlags, RunFlags};
use super::who::Host;
use super::{Act, Deed, Wanted, Words, act, reason, walk};
use crate::cli::Exit;
use crate::cli::chains::chains;
use crate::cli::start::{Failure, declared, record, runtime};
use crate::declare::{Declared, DeclaredTask, TaskPresence};
use crate::model::{
    Cause, Difference, LastAccess, Origin, Program, Sensor, SensorId, ServerName, Target, TaskId, Untrusted,
};
use crate::record::{AnyStore, Record, Recorded};
use crate::resolve::DesiredTask;
use crate::terminal::Ui;

pub(in crate::cli) fn run(ui: &Ui, flags: &RunFlags) -> Result<Exit, Failure> {
    let deed = Deed::Run { program: program(flags)?, wait: flags.follow.patience()? };
    act(ui, Words::Hosts(&flags.hosts), (&flags.hand, &flags.pick, &LastingFlags::default()), &[], deed)
}

fn program(flags: &RunFlags) -> Result<Program, Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    let Some((command, rest)) = flags.program.split_first() else {
        return usage("write the program after `--`");
    };
    if command.trim().is_empty() {
        return usage("the program after `--` is empty");
    }
    let arguments = match (&flags.arguments, rest) {
        (Some(_), [_, ..]) => {
            return usage(
                "give the arguments after the program, or as one text with `--arguments`, not both",
            );
        }
        (Some(text), []) => Some(text.as_str().into()),
        (None, []) => None,
        (None, rest) => Some(joined(rest).into()),
    };
    Ok(Program {
        command: command.as_str().into(),
        arguments,
        working_directory: flags.working_directory.as_deref().map(Into::into),
    })
}

/// Arguments as one text that a Windows program takes apart into the same again: quoted where they hold blanks or
/// quotes; backslashes are doubled only where a quote follows.
fn joined(arguments: &[String]) -> String {
    let quoted = |argument: &String| {
        if !argument.is_empty() && !argument.contains([' ', '\t', '\n', '\u{b}', '"']) {
            return argument.clone();
        }
        let mut text = String::from('"');
        let mut backslashes = 0;
        for c in argument.chars() {
            match c {
                '\\' => backslashes += 1,
                '"' => {
                    text.push_str(&"\\".repeat(backslashes * 2 + 1));
                    text.push('"');
                    backslashes = 0;
                }
                c => {
                    text.push_str(&"\\".repeat(backslashes));
                    text.push(c);
                    backslashes = 0;
                }
            }
        }
        text.push_str(&"\\".repeat(backslashes * 2));
        text.push('"');
        text
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

pub(in crate::cli) fn delete(ui: &Ui, flags: &DeleteFlags) -> Result<Exit, Failure> {
    let reason = reason(&flags.hand)?;
    let declared = declared(ui, &flags.hand.files)?;
    let record = record(&declared)?;
    runtime()?.block_on(async {
        let act = Act {
            words: Words::Recorded,
            hand: &flags.hand,
            pick: &PickFlags::default(),
            lasting: &LastingFlags::default(),
            take_over: flags.owner.take_over.iter().cloned().collect(),
            deed: Deed::Delete(recorded(&declared, &record, flags).await?),
            reason,
        };
        let nothing = Wanted { isolation: None, prevention: None };
        walk::walk(ui, &act, &declared, &nothing, &record).await
    })
}

/// The tasks of these ids, on the servers where the record shows that they were created.
async fn recorded(
    declared: &Declared,
    record: &Record<AnyStore>,
    flags: &DeleteFlags,
) -> Result<BTreeMap<ServerName, Vec<Arc<DesiredTask>>>, Failure> {
    let only = &flags.hand.servers.only;
    let mut wanted: BTreeMap<ServerName, Vec<Arc<DesiredTask>>> = BTreeMap::new();
    let mut left: Vec<TaskId> = flags.ids.clone();
    left.sort();
    left.dedup();
    // All of them: one on another server than was said is explained.
    for server in chains(declared, &[])? {
        let known = record.read(&server.key).await.map_err(Failure::Record)?;
        let of_it = |id: &TaskId| of_record(&known, *id).map(|(sensor, program)| (*id, sensor, program));
        let here: Vec<(TaskId, SensorId, Arc<Program>)> = left.iter().filter_map(of_it).collect();
        if here.is_empty() {
            continue;
        }
        left.retain(|id| !here.iter().any(|(found, ..)| found == id));
        if let (false, Some((id, ..))) =
            (only.is_empty() || only.iter().any(|name| *name == *server.name.as_str()), here.first())
        {
            return Err(Failure::Usage(format!(
                "task {id} was created on server `{}`, and can be managed only on the Central Node where it was \
                 created: write `--server {}`, or leave `--server` out",
                server.name, server.name
            )));
        }
        let labels = record.history(&server.key, None).await.map_err(Failure::Record)?.labels();
        let tasks = here.into_iter().map(|(id, sensor, program)| {
            let label = labels.get(&Target::Sensor(sensor)).filter(|label| **label != sensor.to_string());
            Arc::new(by_hand(id, unlisted(sensor, label.map(String::as_str)), &program, TaskPresence::Absent))
        });
        wanted.insert(server.name.clone(), tasks.collect());
    }
    match left.first() {
        None => Ok(wanted),
        Some(id) => Err(Failure::Usage(format!(
            "task {id}: the record of these files knows none of this id; `kedrctl tasks` lists those that it knows"
        ))),
    }
}

/// Also one of which nobody knows whether it was created.
fn of_record(known: &Recorded, id: TaskId) -> Option<(SensorId, Arc<Program>)> {
    if let Some(task) = known.tasks.get(&id) {
        return Some((task.sensor, Arc::clone(&task.program)));
    }
    known.open.iter().find_map(|open| match (&open.difference, open.subject.target) {
        (Difference::Task(of, side), Target::Sensor(sensor)) if *of == id => {
            Some((sensor, side.after.clone().or_else(|| side.before.clone())?))
        }
        (Difference::Task(..) | Difference::Isolation(_) | Difference::Prevention(_), _) => None,
    })
}

/// A host that need not be listed any more for its tasks to be deleted.
fn unlisted(id: SensorId, label: Option<&str>) -> Arc<Sensor> {
    Arc::new(Sensor {
        id,
        name: label.map(Untrusted::new),
        addresses: Vec::new(),
        last_access: LastAccess::Unknown,
        agent_version: None,
        os_family: None,
        os_name: None,
        capabilities: Vec::new(),
    })
}

fn by_hand(id: TaskId, sensor: Arc<Sensor>, program: &Program, presence: TaskPresence) -> DesiredTask {
    DesiredTask {
        id,
        task: Arc::new(DeclaredTask {
            name: "run".into(),
            origin: Origin::command_line(),
            hosts: Vec::new(),
            groups: Vec::new(),
            program: program.clone(),
            not_after: Timestamp::MAX,
            generation: 1,
            presence,
        }),
        sensor,
        cause: Cause::Own(Origin::command_line()),
        groups: Arc::default(),
    }
}

impl Act<'_> {
    /// What is to be started or deleted. To be asked once: each program that is started has an id of its own, which no
    /// other run gives.
    pub(super) fn tasks(&self, hosts: &[Host]) -> BTreeMap<ServerName, Vec<Arc<DesiredTask>>> {
        match &self.deed {
            Deed::Isolate { .. } | Deed::Release | Deed::Block(_) | Deed::Unblock(_) => BTreeMap::new(),
            Deed::Delete(tasks) => tasks.clone(),
            Deed::Run { program, .. } => {
                let mut tasks: BTreeMap<ServerName, Vec<Arc<DesiredTask>>> = BTreeMap::new();
                for host in hosts {
                    let id = TaskId::from_uuid(Uuid::new_v4());
                    let task = by_hand(id, Arc::clone(&host.sensor), program, TaskPresence::Present);
                    tasks.entry(host.server.clone()).or_default().push(Arc::new(task));
                }
                tasks
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_put_together_as_windows_takes_them_apart() {
        let joined = |arguments: &[&str]| {
            joined(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(joined(&["/c", "collect.bat"]), "/c collect.bat");
        assert_eq!(joined(&["a b", ""]), r#""a b" """#);
        assert_eq!(joined(&[r#"say "hi""#]), r#""say \"hi\"""#);
        assert_eq!(joined(&[r"C:\Tools\", "x"]), r"C:\Tools\ x");
        assert_eq!(joined(&[r"C:\My Tools\"]), r#""C:\My Tools\\""#);
        assert_eq!(joined(&[r#"a\\"b"#]), r#""a\\\\\"b""#);
        assert_eq!(joined(&["tab\there"]), "\"tab\there\"");
    }
}
