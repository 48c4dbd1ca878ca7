//! One entry of `tasks`: a program that is started once on each host that it names.

use std::sync::Arc;

use super::decode::{Context, Item};
use super::host::Surroundings;
use super::members::{self, Entries};
use super::names::Names;
use super::tree::{Entry, Value};
use super::{DeclaredTask, TaskPresence, number, time};
use crate::diagnostic::{Code, Problem};
use crate::model::Program;

/// What a task may name, and whether any may be declared.
pub(super) struct Around<'t, 'a, 'd> {
    pub(super) groups: &'a mut Names<'t>,
    pub(super) entries: &'a mut Entries<'t>,
    pub(super) hosts: &'a mut Surroundings<'t, 'd>,
    /// `policy.tasks`
    pub(super) are_allowed: bool,
}

pub(super) fn tasks<'t>(
    cx: &mut Context<'_>,
    written: &[&'t Entry<'_>],
    names: &mut Names<'t>,
    around: &mut Around<'t, '_, '_>,
) -> Vec<Arc<DeclaredTask>> {
    let mut tasks = Vec::new();
    for entry in written {
        if !names.check(cx, entry) {
            continue;
        }
        if !around.are_allowed {
            cx.report(
                Problem::new(Code::TasksNotAllowed, "programs may not be started from declarations here")
                    .at(entry.key.place, "")
                    .help("`policy: { tasks: true }` allows it; without that, a file cannot run anything"),
            );
        }
        tasks.extend(task(cx, entry, around).map(Arc::new));
    }
    // The same state, whatever file each stands in.
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    tasks
}

fn task<'t>(
    cx: &mut Context<'_>,
    entry: &'t Entry<'_>,
    around: &mut Around<'t, '_, '_>,
) -> Option<DeclaredTask> {
    let name: Arc<str> = (*entry.key.text).into();
    let whom = format!("the task `{name}`");
    let mut table =
        Item::of(entry).table(cx, whom.clone(), "a mapping with `hosts`, `run` and `not_after`")?;
    let program = table.required(cx, "run", r"run: { command: 'C:\Windows\System32\cmd.exe' }", program);
    let not_after = table
        .required(cx, "not_after", "not_after: 2026-12-01T00:00:00Z", |cx, item| time::instant(cx, item));
    let generation = table.optional(cx, "generation", generation);
    let presence = table.optional(cx, "state", presence);
    let server = members::server(cx, table.item("server"), around.hosts.servers);
    let hosts = table.optional(cx, "hosts", members::hosts);
    let groups = table.optional(cx, "groups", |cx, item| {
        let names: Vec<Option<&str>> = item
            .one_or_list(cx, "a list of groups")?
            .into_iter()
            .map(|item| around.groups.take(cx, item))
            .collect();
        names.into_iter().collect::<Option<Vec<&str>>>()
    });
    let names_nobody = hosts.is_absent() && groups.is_absent();
    let place = table.place();
    if table.finish(cx) && names_nobody {
        cx.report(
            Problem::new(Code::MissingKey, format!("{whom} names no host"))
                .at(place, "")
                .help("add `hosts: [WS-017.corp.example]` or `groups: […]`"),
        );
    }
    let hosts = hosts.or(Vec::new())?;
    let hosts = members::located(cx, &whom, hosts, server?.as_ref(), around.hosts.servers, around.entries)?;
    let groups: Vec<&str> = groups.or(Vec::new())?;
    if names_nobody {
        return None;
    }
    Some(DeclaredTask {
        origin: cx.origin(entry.key.place),
        hosts,
        groups: groups.into_iter().map(Arc::from).collect(),
        program: program?,
        not_after: not_after?,
        generation: generation.or(1)?,
        presence: presence.or(TaskPresence::Present)?,
        name,
    })
}

/// `{ command: …, arguments: …, working_directory: … }`
fn program(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Program> {
    if let Value::Text(text) = &item.node.value {
        return item.wrong(
            cx,
            Code::WrongType,
            format!("`run` takes a mapping, not `{text}`"),
            format!("write `{{ command: '{text}' }}`; arguments stand under `arguments`"),
        );
    }
    let mut table = item.table(cx, "`run`", "a mapping with `command`")?;
    let command = table.required(cx, "command", r"command: 'C:\Windows\System32\cmd.exe'", |cx, item| {
        item.plain_text(cx, "the path of a program")
    });
    let arguments = table.optional(cx, "arguments", |cx, item| item.plain_text(cx, "a text"));
    let working_directory =
        table.optional(cx, "working_directory", |cx, item| item.plain_text(cx, "the path of a folder"));
    table.finish(cx);
    Some(Program {
        command: command?.into(),
        arguments: arguments.or_none()?.map(Arc::from),
        working_directory: working_directory.or_none()?.map(Arc::from),
    })
}

fn generation(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<u64> {
    let text = item.text(cx, "a number")?;
    match number::whole::<u64>(text) {
        Some(generation) if generation > 0 => Some(generation),
        Some(_) | None => item.wrong(
            cx,
            Code::BadValue,
            format!("`generation` takes a whole number from 1, not `{text}`"),
            "a higher one starts the same program once more; the default is 1",
        ),
    }
}

fn presence(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<TaskPresence> {
    match item.text(cx, "`present` or `absent`")? {
        "present" => Some(TaskPresence::Present),
        "absent" => Some(TaskPresence::Absent),
        other => item.wrong(
            cx,
            Code::BadValue,
            format!("`state` takes `present` or `absent`, not `{other}`"),
            "`absent` takes the task off its server; the default is `present`",
        ),
    }
}
