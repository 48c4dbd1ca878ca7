//! The runs of a record, newest first, as text and as JSON.

mod json;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::table::{Cell, Row, Table, write_cells};
use super::words::{ago, count_of, instant, thousands, thousands_of, whole};
use crate::model::{Aspect, Isolation, Program, ServerKey, ServerName, Side, Target};
use crate::record::{
    Act, ActOutcome, ActValues, Commit, HashCounts, HoldChange, HoldNote, KeptRule, RecordedRun, RuleCounts,
    RunEnd,
};
use crate::terminal::{Paint, Palette};

pub(super) use json::{Act as ActDocument, RunHeader, act, header};
pub use json::{Document, FORMAT_VERSION, document, write_json, write_schema};

/// The runs of one server that are to be shown.
#[derive(Debug, Clone)]
pub struct ServerHistory<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What names its chain in the record.
    pub key: &'a ServerKey,
    /// Newest first.
    pub runs: Vec<&'a RecordedRun>,
    /// There are older ones, or others, that are not shown.
    pub has_more: bool,
    /// The record has runs of it, whether or not any of them was asked for.
    pub has_record: bool,
    /// What their acts changed in prevention rules.
    pub counts: &'a RuleCounts,
}

/// How a history is written for people.
#[derive(Debug, Clone, Copy)]
pub struct HistoryOptions {
    /// What `6 h ago` is counted from.
    pub now: Timestamp,
    /// No list is cut.
    pub full: bool,
    /// With colours or without.
    pub palette: Palette,
}

/// Acts of one run.
const ACTS: usize = 20;

/// Writes the runs of each server.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    servers: &[ServerHistory<'_>],
    options: &HistoryOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, server) in servers.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let count = match server.runs.len() {
            0 if server.has_record => "no such run".to_owned(),
            0 => "no run in the record".to_owned(),
            1 if server.has_more => "the last run".to_owned(),
            shown if server.has_more => format!("the last {}", count_of(shown, "run")),
            all => count_of(all, "run"),
        };
        let header = [
            Cell::new(server.server.as_str(), Paint::Heading),
            Cell::plain(format!("  {}   {count}", server.key)),
        ];
        write_cells(&header, options.palette, out)?;
        for run in &server.runs {
            writeln!(out)?;
            write_run(run, server.counts, options, out)?;
        }
        if server.has_more {
            writeln!(out)?;
            let more = Cell::new("… and older ones (--limit N, --full shows all)", Paint::Faint);
            write_cells(&[more], options.palette, out)?;
        }
    }
    Ok(())
}

fn write_run(
    run: &RecordedRun,
    counts: &RuleCounts,
    options: &HistoryOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    let (ended, paint) = ended(run);
    let header = [
        Cell::new(format!("run {}", run.id), Paint::Heading),
        Cell::plain(format!("   {}   ", when(run.begun_at, options.now))),
        Cell::plain(format!("{} by {}, owner {}   ", run.command, run.by, run.owner)),
        Cell::new(ended, paint),
    ];
    write_cells(&header, options.palette, out)?;
    for line in circumstances(run) {
        write_cells(&[Cell::plain(format!("    {line}"))], options.palette, out)?;
    }
    let mut table = Table { indent: 2, widest: vec![usize::MAX, 36, 52, 40], ..Table::default() };
    let show = if options.full || run.acts.len() <= ACTS + 1 { run.acts.len() } else { ACTS };
    table.rows.extend(run.acts[..show].iter().map(|act| act_row(act, counts)));
    if run.acts.len() > show {
        let text = format!("… and {} more (--full shows all)", thousands_of(run.acts.len() - show));
        table.rows.push(Row {
            mark: Some(Cell::plain(" ")),
            cells: vec![Cell::new(text, Paint::Faint)],
            ..Row::default()
        });
    }
    table.rows.extend(run.holds.iter().map(|note| hold_row(note, options.now)));
    table.write(options.palette, out)
}

/// `25 Nov 10:00Z (6 h ago)`.
pub(super) fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", instant(at, now), ago(at, now))
}

fn ended(run: &RecordedRun) -> (String, Paint) {
    match &run.end {
        Some(RunEnd::Finished) => ("finished".to_owned(), Paint::Plain),
        Some(RunEnd::Interrupted) => ("interrupted".to_owned(), Paint::Alarm),
        Some(RunEnd::Failed { why }) => (format!("failed: {why}"), Paint::Alarm),
        None => ("never said that it ended".to_owned(), Paint::Doubt),
    }
}

/// What let it pass, and where it came from.
pub(super) fn circumstances(run: &RecordedRun) -> Vec<String> {
    let mut lines = Vec::new();
    if !run.allow.is_empty() {
        let allowed: Vec<&str> = run.allow.iter().map(|allowed| &**allowed).collect();
        lines.push(format!("let pass: {}", allowed.join(", ")));
    }
    lines.extend(run.plan.as_ref().map(|plan| format!("held to plan {plan}")));
    let job = run.ci_job.as_ref().map(|job| format!("job {job}"));
    let commit = run.commit.as_ref().map(commit_text);
    let whence: Vec<String> = commit.into_iter().chain(job).collect();
    if !whence.is_empty() {
        lines.push(whence.join(", "));
    }
    lines
}

fn commit_text(commit: &Commit) -> String {
    let short: String = commit.id.chars().take(12).collect();
    if commit.is_sure {
        format!("commit {short}")
    } else {
        format!("commit {short} was checked out, the files may have been edited")
    }
}

fn act_row(act: &Act, counts: &RuleCounts) -> Row {
    let (mark, paint) = mark(act);
    let outcome = match &act.outcome {
        ActOutcome::Done { .. } => String::new(),
        ActOutcome::NothingToDo => "was so already, nothing sent".to_owned(),
        ActOutcome::NotDone { why } => format!("not done: {why}"),
        ActOutcome::Open { why: Some(why) } => format!("not known whether done: {why}"),
        ActOutcome::Open { why: None } => "not known whether done".to_owned(),
    };
    let below = if outcome.is_empty() { Vec::new() } else { vec![vec![Cell::plain(outcome)]] };
    Row {
        mark: Some(Cell::new(mark, paint)),
        cells: vec![
            Cell::new(word(act), paint),
            Cell::plain(who(act)),
            Cell::plain(values(&act.values, counts)),
            Cell::plain(act.reason.as_deref().unwrap_or("")),
            Cell::new(act.cause.as_ref().map(ToString::to_string).unwrap_or_default(), Paint::Faint),
        ],
        below,
    }
}

fn hold_row(note: &HoldNote, now: Timestamp) -> Row {
    let (word, detail, reason) = match &note.change {
        HoldChange::Left { until, reason, .. } => {
            ("hold", format!("until {}", instant(*until, now)), reason.as_deref().unwrap_or(""))
        }
        HoldChange::Ended => ("end hold", String::new(), ""),
    };
    let host = match (note.subject.target, &note.host) {
        (Target::AllHosts, _) => "all hosts".to_owned(),
        (Target::Sensor(_), Some(host)) => host.to_string(),
        (Target::Sensor(id), None) => id.to_string(),
    };
    Row {
        mark: Some(Cell::plain("·")),
        cells: vec![
            Cell::plain(word),
            Cell::plain(format!("{host} {}", note.subject.aspect)),
            Cell::plain(detail),
            Cell::plain(reason),
        ],
        ..Row::default()
    }
}

/// What was done, as the journal calls it.
pub(super) fn word(act: &Act) -> String {
    act.action.replace('_', " ")
}

/// The host as it was called, with its entry where that is another.
pub(super) fn who(act: &Act) -> String {
    let label = match act.subject.target {
        Target::AllHosts => "all hosts".to_owned(),
        Target::Sensor(_) => act.label(),
    };
    if let Aspect::Task(id) = act.subject.aspect {
        // Of a task its own name tells more than the entry of its host.
        let id = id.to_string();
        return format!("{label} {}", act.entry.as_deref().unwrap_or(&id));
    }
    match (&act.host, &act.entry) {
        (Some(host), Some(entry)) if host != entry => format!("{entry} ({host})"),
        (Some(_) | None, Some(_) | None) => label,
    }
}

fn mark(act: &Act) -> (&'static str, Paint) {
    match (&act.outcome, &act.values) {
        (ActOutcome::NotDone { .. }, _) => ("!", Paint::Alarm),
        (ActOutcome::Open { .. }, _) => ("?", Paint::Doubt),
        (ActOutcome::NothingToDo, _) => ("·", Paint::Plain),
        (ActOutcome::Done { .. }, ActValues::Isolation(Side { before, after })) => match (before, after) {
            (None, Some(_)) => ("+", Paint::Added),
            (_, None) => ("-", Paint::Removed),
            (Some(_), Some(_)) if &*act.action == "renew" => ("↻", Paint::Renewed),
            (Some(_), Some(_)) => ("~", Paint::Changed),
        },
        (ActOutcome::Done { .. }, ActValues::Prevention(_)) => ("~", Paint::Changed),
        (ActOutcome::Done { .. }, ActValues::Task(Side { after: Some(_), .. })) => ("▶", Paint::Added),
        (ActOutcome::Done { .. }, ActValues::Task(Side { after: None, .. })) => ("-", Paint::Removed),
    }
}

/// `no rule → 8 h, 2 exclusions`, `+2 −1, 212 kept`.
pub(super) fn values(values: &ActValues, counts: &RuleCounts) -> String {
    match values {
        ActValues::Isolation(Side { before, after }) => {
            format!("{} → {}", isolation(before.as_ref()), isolation(after.as_ref()))
        }
        ActValues::Prevention(side) => {
            let Some(HashCounts { added, removed, kept }) = counts.of(side) else {
                let count = |rule: &Option<KeptRule>| rule.as_ref().map_or(0, |rule| rule.count);
                return format!(
                    "{} → {} hashes",
                    thousands(count(&side.before)),
                    thousands(count(&side.after))
                );
            };
            let signs = [("+", added), ("−", removed)].into_iter().filter(|(_, count)| *count > 0);
            let mut parts = vec![
                signs
                    .map(|(sign, count)| format!("{sign}{}", thousands_of(count)))
                    .collect::<Vec<_>>()
                    .join(" "),
            ];
            if kept > 0 {
                parts.push(format!("{} kept", thousands_of(kept)));
            }
            if side.after.is_none() {
                parts.push("no rule is left".to_owned());
            }
            parts.retain(|part| !part.is_empty());
            parts.join(", ")
        }
        ActValues::Task(Side { before, after }) => {
            after.as_deref().or(before.as_deref()).map(Program::to_string).unwrap_or_default()
        }
    }
}

fn isolation(rule: Option<&Isolation>) -> String {
    let Some(rule) = rule else { return "no rule".to_owned() };
    let seconds = i64::try_from(rule.timeout_seconds).unwrap_or(i64::MAX);
    let mut text = whole(SignedDuration::from_secs(seconds));
    if !rule.exclusions.is_empty() {
        text.push_str(&format!(", {}", count_of(rule.exclusions.len(), "exclusion")));
    }
    text
}
