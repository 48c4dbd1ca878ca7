//! What became of a plan, for people: what is done in a line for each kind of change, what is not done one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::escape;
use super::table::{Cell, Row, Table, write_cells};
use super::text::{act, mark, who};
use super::words::{count_of, instant, thousands_of};
use crate::execute::{ChangeOutcome, Outcome, ServerOutcome, Stopped, WriteResult};
use crate::model::{Difference, HostList, ServerName};
use crate::plan::{Action, was_there_since};
use crate::terminal::{Paint, Palette};

/// Changes that are not done, of one server.
const NOT_DONE: usize = 50;

/// What the outcome alone does not know.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeOptions<'a> {
    /// No list is cut.
    pub full: bool,
    /// With colours or without.
    pub palette: Palette,
    /// What is to be run again where something is left, such as `apply`.
    pub again: &'a str,
    /// The run in the record: printed as the last line, what `rollback` takes.
    pub run_id: Option<&'a str>,
    /// Host lists that were read after the writes (`--wait-contact`), if any were: by them a host counts as seen.
    pub listed_after: &'a BTreeMap<ServerName, HostList>,
}

/// Writes what was done and what was not. A rule that is set is called that, never an isolated host: the agent has
/// yet to fetch it.
///
/// # Errors
/// Those of `out`.
pub fn write(outcome: &Outcome, options: &OutcomeOptions<'_>, out: &mut impl Write) -> io::Result<()> {
    for server in &outcome.servers {
        write_server(server, options, out)?;
    }
    let changes = || outcome.servers.iter().flat_map(|server| &server.changes);
    let total = changes().count();
    let done = changes().filter(|one| one.result.is_done()).count();
    let line = match (total, done) {
        (0, _) => "nothing was written: there was nothing to change".to_owned(),
        (1, 1) => "1 change done".to_owned(),
        _ if done == total => format!("all {} done", count_of(total, "change")),
        _ => format!("{} of {} done", thousands_of(done), count_of(total, "change")),
    };
    let paint = if done == total { Paint::Heading } else { Paint::Alarm };
    write_cells(&[Cell::new(line, paint), Cell::plain(counts(outcome))], options.palette, out)?;
    let waiting = outcome
        .servers
        .iter()
        .flat_map(|server| server.changes.iter().map(move |one| (server, one)))
        .filter(|(server, one)| is_waiting(server, one, options))
        .count();
    if waiting > 0 {
        writeln!(
            out,
            "{} waiting for contact: what was written stands on the server, the agents have yet to fetch it",
            thousands_of(waiting)
        )?;
    }
    for line in next(outcome, done < total, options.again) {
        writeln!(out, "{line}")?;
    }
    match options.run_id {
        Some(run) => writeln!(out, "run {}", escape::line(run)),
        None => Ok(()),
    }
}

fn write_server(
    server: &ServerOutcome,
    options: &OutcomeOptions<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    if server.changes.is_empty() && server.stopped.is_none() {
        return Ok(());
    }
    write_cells(&[Cell::new(server.server.as_str(), Paint::Heading)], options.palette, out)?;
    let mut table = Table { indent: 2, narrowest: vec!["isolate".len()], ..Table::default() };
    table.rows.extend(KINDS.iter().filter_map(|kind| done_row(*kind, &server.changes)));
    if !table.rows.is_empty() {
        writeln!(out)?;
        table.write(options.palette, out)?;
    }
    let mut table = Table { indent: 2, widest: vec![usize::MAX, 36, 72], ..Table::default() };
    let open: Vec<&ChangeOutcome> = server.changes.iter().filter(|one| !one.result.is_done()).collect();
    let show = if options.full || open.len() <= NOT_DONE + 1 { open.len() } else { NOT_DONE };
    table.rows.extend(open[..show].iter().filter_map(|one| open_row(one)));
    if open.len() > show {
        let text = format!("… and {} more (--full shows all)", thousands_of(open.len() - show));
        table.rows.push(Row {
            mark: Some(Cell::plain(" ")),
            cells: vec![Cell::new(text, Paint::Faint)],
            ..Row::default()
        });
    }
    table.rows.extend(put_back_row(&server.put_back));
    table.rows.extend(server.put_back.iter().filter_map(open_row));
    table.rows.extend(server.open.as_deref().map(|open| alarm_row("open", open)));
    if let Some(Stopped { why, .. }) = &server.stopped {
        table.rows.push(alarm_row("stopped", &format!("nothing more was sent to this server: {why}")));
    }
    if !table.rows.is_empty() {
        writeln!(out)?;
        table.write(options.palette, out)?;
    }
    writeln!(out)
}

fn alarm_row(word: &str, text: &str) -> Row {
    let mut lines = escape::lines(text);
    Row {
        mark: Some(Cell::new("!", Paint::Alarm)),
        cells: vec![Cell::new(word, Paint::Alarm), Cell::plain(lines.next().unwrap_or_default())],
        below: lines.map(|line| vec![Cell::plain(line)]).collect(),
    }
}

/// Hosts that have again what they had given up to the rule for all hosts, which could not be written.
fn put_back_row(put_back: &[ChangeOutcome]) -> Option<Row> {
    let done = put_back.iter().filter(|one| one.result.is_done()).count();
    (done > 0).then(|| Row {
        mark: Some(Cell::new("~", Paint::Changed)),
        cells: vec![
            Cell::new("put back", Paint::Changed),
            Cell::plain(format!(
                "on {} what was given up to the rule for all hosts, which is not written",
                count_of(done, "host")
            )),
        ],
        ..Row::default()
    })
}

/// Done changes that are told in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Isolated,
    Excluded,
    Blocked,
    Renewed,
    Started,
    Deleted,
    Released,
}

const KINDS: [Told; 7] = [
    Told::Isolated,
    Told::Excluded,
    Told::Blocked,
    Told::Renewed,
    Told::Started,
    Told::Deleted,
    Told::Released,
];

impl Told {
    fn of(action: &Action) -> Self {
        match action {
            Action::Isolate { .. } => Self::Isolated,
            Action::ChangeExclusions { .. } => Self::Excluded,
            Action::Block(_) => Self::Blocked,
            Action::Renew { .. } => Self::Renewed,
            Action::StartTask { .. } => Self::Started,
            Action::DeleteTask => Self::Deleted,
            Action::Release | Action::EndSpent { .. } => Self::Released,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Isolated => "set",
            Self::Excluded => "set with other exclusions",
            Self::Blocked => "changed",
            Self::Renewed => "set again",
            Self::Started => "created",
            Self::Deleted | Self::Released => "deleted",
        }
    }

    /// What there is one of more on the server then, or one less.
    fn noun(self) -> &'static str {
        match self {
            Self::Started | Self::Deleted => "task",
            Self::Isolated | Self::Excluded | Self::Blocked | Self::Renewed | Self::Released => "rule",
        }
    }
}

fn done_row(kind: Told, changes: &[ChangeOutcome]) -> Option<Row> {
    let done: Vec<&ChangeOutcome> =
        changes.iter().filter(|one| Told::of(&one.change.action) == kind && one.result.is_done()).collect();
    let (sign, paint) = mark(&done.first()?.change.action);
    let found = done.iter().filter(|one| one.result == WriteResult::AlreadyAsDesired).count();
    // A rule that was written in two steps is one.
    let written = done.iter().filter(|one| one.result != WriteResult::AlreadyAsDesired);
    let written = written.map(|one| one.change.subject).collect::<BTreeSet<_>>().len();
    let mut parts = Vec::new();
    if written > 0 {
        parts.push(format!("{} {}", count_of(written, kind.noun()), kind.verb()));
    }
    if found > 0 {
        parts.push(format!("{} found as declared, nothing sent", thousands_of(found)));
    }
    Some(Row {
        mark: Some(Cell::new(sign, paint)),
        cells: vec![Cell::new(act(&done.first()?.change.action), paint), Cell::plain(parts.join(", "))],
        ..Row::default()
    })
}

fn open_row(one: &ChangeOutcome) -> Option<Row> {
    let (sign, paint, text) = match &one.result {
        WriteResult::Done { .. } | WriteResult::AlreadyAsDesired => return None,
        WriteResult::ChangedSincePlan { found } => {
            ("!", Paint::Alarm, format!("changed since the plan, nothing sent: {found}"))
        }
        WriteResult::Held { hold } => {
            let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
            let until = instant(hold.until, hold.at);
            let text = format!(
                "left alone, nothing sent: held by {} until {until}, `{}`{reason}",
                hold.by, hold.command
            );
            ("!", Paint::Alarm, text)
        }
        WriteResult::NotRead { why } => {
            ("?", Paint::Doubt, format!("could not be read before the write, nothing sent: {why}"))
        }
        WriteResult::Refused { why } => {
            ("!", Paint::Alarm, format!("refused by the server, nothing changed: {why}"))
        }
        WriteResult::Unknown { why } => {
            ("?", Paint::Doubt, format!("sent, but not known whether it is in force: {why}"))
        }
        WriteResult::NotTried { why } => ("!", Paint::Alarm, format!("not tried, nothing sent: {why}")),
    };
    let mut lines = escape::lines(&text);
    Some(Row {
        mark: Some(Cell::new(sign, paint)),
        cells: vec![
            Cell::new(act(&one.change.action), paint),
            Cell::plain(who(&one.change)),
            Cell::plain(lines.next().unwrap_or_default()),
            Cell::new(one.change.cause.to_string(), Paint::Faint),
        ],
        below: lines.map(|line| vec![Cell::plain(line)]).collect(),
    })
}

/// `: 2 changed since the plan, 1 unknown`, or nothing when all is done.
fn counts(outcome: &Outcome) -> String {
    let of = |wanted: fn(&WriteResult) -> bool| {
        outcome.servers.iter().flat_map(|server| &server.changes).filter(|one| wanted(&one.result)).count()
    };
    let parts: Vec<String> = [
        (of(|result| matches!(result, WriteResult::ChangedSincePlan { .. })), "changed since the plan"),
        (of(|result| matches!(result, WriteResult::Held { .. })), "held"),
        (of(|result| matches!(result, WriteResult::NotRead { .. })), "not read"),
        (of(|result| matches!(result, WriteResult::Refused { .. })), "refused"),
        (of(|result| matches!(result, WriteResult::Unknown { .. })), "unknown"),
        (of(|result| matches!(result, WriteResult::NotTried { .. })), "not tried"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", thousands_of(count)))
    .collect();
    if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) }
}

/// Whether the agent was last in contact before our write.
fn is_waiting(server: &ServerOutcome, one: &ChangeOutcome, options: &OutcomeOptions<'_>) -> bool {
    let Some(sent_at) = one.result.sent_at() else { return false };
    // Of a rule for all hosts nobody waits for each of them.
    let Some(sensor) = one.change.whom.sensor() else { return false };
    let listed_after = options.listed_after.get(&server.server);
    // The list that the plan was made of is older than the write, and shows nobody who was there since.
    let listed_after = listed_after.and_then(|list| list.sensors.get(&sensor.id));
    !listed_after.is_some_and(|listed| was_there_since(listed.last_access, server.clock, sent_at))
}

/// What to do now.
fn next(outcome: &Outcome, is_anything_open: bool, again: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if outcome.was_interrupted {
        lines.push("interrupted: from then on nothing new was written".to_owned());
    }
    if is_anything_open || outcome.was_interrupted {
        lines.push(match unsure_program(outcome, again) {
            Some(id) => format!(
                "look with `kedrctl tasks {id}` what became of it, and run it again only where it is not there: that \
                 starts the program anew"
            ),
            None => format!("run {again} again: it looks anew and continues with what is left"),
        });
    }
    lines
}

/// The tasks of programs that `run` may have started: each `run` starts them under new ids, so that it never continues.
fn unsure_program(outcome: &Outcome, again: &str) -> Option<String> {
    let ids: Vec<String> = outcome
        .servers
        .iter()
        .flat_map(|server| &server.changes)
        .filter(|one| again == "run" && !one.result.is_done())
        .filter_map(|one| match &one.change.difference {
            Difference::Task(id, _) => Some(id.to_string()),
            Difference::Isolation(_) | Difference::Prevention(_) => None,
        })
        .collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

#[cfg(test)]
mod tests;
