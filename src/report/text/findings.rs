//! What could not be done or has to be said beside the changes: findings, hosts without contact, refusals, warnings.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{cut, renewals, shown};
use crate::guard::Judgement;
use crate::model::Cause;
use crate::plan::{Contact, Finding, Judged, Mark, Scope, ServerPlan, ServerState};
use crate::report::table::{Cell, Row, Table};
use crate::report::words::{count_of, thousands_of};
use crate::report::{TextOptions, contact_word, escape};
use crate::terminal::Paint;

/// Findings of one kind.
const FINDINGS: usize = 30;
const REFUSALS: usize = 50;
const WARNINGS: usize = 50;
/// A longer message does not push the causes of all others.
const MESSAGE: usize = 72;

/// The findings of one server, then its hosts without contact. Whether there was any.
pub(super) fn write(
    server: &ServerPlan,
    scope: Scope,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut table = table();
    table.rows.extend(server_row(&server.state));

    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for finding in &server.findings {
        *counts.entry(finding.kind).or_default() += 1;
    }
    let mut done: BTreeMap<_, usize> = BTreeMap::new();
    for finding in &server.findings {
        let total = counts.get(&finding.kind).copied().unwrap_or(0);
        let show = shown(total, FINDINGS, options);
        let done = done.entry(finding.kind).or_default();
        if *done < show {
            table.rows.push(finding_row(finding));
        } else if *done == show {
            table.rows.extend(cut(total, show).map(super::changes::note_row));
        }
        *done += 1;
    }
    match scope {
        Scope::All => {
            let without = [Contact::Waiting, Contact::Silent, Contact::Unsupported];
            table.rows.extend(without.into_iter().filter_map(|c| contact_row(c, &server.judged, options)));
            table.rows.extend(deferred_row(&server.judged, options));
        }
        // Whether agents carry it out is what `drift` answers.
        Scope::Renewals { .. } => {}
    }
    table.write(options.palette, out)?;
    Ok(!table.rows.is_empty())
}

fn table() -> Table {
    Table { indent: 2, widest: vec![30, MESSAGE, MESSAGE], narrowest: vec![7], ..Table::default() }
}

pub(super) fn server_row(state: &ServerState) -> Option<Row> {
    let (mark, message) = match state {
        ServerState::Read { .. } => return None,
        ServerState::ListNotBelieved { why } => {
            (Mark::Question, format!("nothing is known of its hosts, nothing is written there: {why}"))
        }
        ServerState::Unrecorded { why } => {
            (Mark::Question, format!("was not asked, nothing is written there: {why}"))
        }
        ServerState::Unreachable { why } => {
            (Mark::Attention, format!("nothing is known of its hosts: {why}"))
        }
    };
    Some(message_row(mark, "server", &message, None))
}

pub(in crate::report) fn finding_row(finding: &Finding) -> Row {
    message_row(finding.kind.mark(), &finding.label, &finding.message, finding.cause.as_ref())
}

/// A message with whom it is about and the line that it comes from; further lines of it stand below.
fn message_row(mark: Mark, label: &str, message: &str, cause: Option<&Cause>) -> Row {
    let (sign, paint) = sign(mark);
    let mut lines = escape::lines(message);
    let first = lines.next().unwrap_or_default();
    Row {
        mark: Some(Cell::new(sign, paint)),
        cells: vec![
            Cell::new(label, paint),
            Cell::plain(first),
            Cell::new(cause.map(Cause::to_string).unwrap_or_default(), Paint::Faint),
        ],
        below: lines.map(|line| vec![Cell::plain(line)]).collect(),
    }
}

pub(super) fn sign(mark: Mark) -> (&'static str, Paint) {
    match mark {
        Mark::Attention => ("!", Paint::Alarm),
        Mark::Question => ("?", Paint::Doubt),
        Mark::Note => ("·", Paint::Plain),
    }
}

/// Hosts whose rules are as declared while their agents may not have carried them out: one line for each way.
fn contact_row(contact: Contact, judged: &[Judged], options: &TextOptions) -> Option<Row> {
    let hosts: Vec<String> = judged
        .iter()
        .filter(|one| one.verdict.is_in_sync() && one.contact == contact && one.whom.task().is_none())
        .map(|one| format!("{} {}", one.whom.label(), one.aspect))
        .collect();
    if hosts.is_empty() {
        return None;
    }
    let what = set_but(contact)?;
    let count = thousands_of(hosts.len());
    let names = if options.full { hosts.join(", ") } else { renewals::names(hosts.into_iter()) };
    Some(Row {
        mark: Some(Cell::new("?", Paint::Doubt)),
        cells: vec![Cell::new(contact_word(contact), Paint::Doubt), Cell::plain(format!("{count} {what}"))],
        below: vec![vec![Cell::plain(names)]],
    })
}

/// What is set and perhaps not carried out; `None`: nothing speaks against it.
pub(in crate::report) fn set_but(contact: Contact) -> Option<&'static str> {
    match contact {
        Contact::Seen => None,
        Contact::Waiting => {
            Some("as declared on the server, the agent was not in contact since it was written")
        }
        Contact::Silent => Some(
            "as declared on the server, no contact for over 5 hours: the host may have dropped its isolation by itself",
        ),
        Contact::Unsupported => {
            Some("as declared on the server, but by all signs the agent can not carry it out")
        }
    }
}

/// Tasks that are created and, by all signs, not started: each with why.
fn deferred_row(judged: &[Judged], options: &TextOptions) -> Option<Row> {
    let tasks: Vec<String> = judged
        .iter()
        .filter(|one| one.verdict.is_in_sync() && one.contact != Contact::Seen)
        .filter_map(|one| {
            let task = one.whom.task()?;
            Some(format!("{} {} ({})", task.sensor.label(), task.label(), contact_word(one.contact)))
        })
        .collect();
    if tasks.is_empty() {
        return None;
    }
    let count = count_of(tasks.len(), "task");
    let text =
        format!("{count} created and, by all signs, not started: each starts whenever its host takes it");
    let names = if options.full { tasks.join(", ") } else { renewals::names(tasks.into_iter()) };
    Some(Row {
        mark: Some(Cell::new("?", Paint::Doubt)),
        cells: vec![Cell::new("deferred", Paint::Doubt), Cell::plain(text)],
        below: vec![vec![Cell::plain(names)]],
    })
}

/// Why the guard refuses the plan, each message whole. Whether it does.
pub(super) fn write_refusals(
    judgement: &Judgement,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<bool> {
    if judgement.refusals.is_empty() {
        return Ok(false);
    }
    writeln!(
        out,
        "{}",
        options.palette.paint(Paint::Alarm, "refused: nothing of this plan will be written")
    )?;
    writeln!(out)?;
    let mut table = table();
    let total = judgement.refusals.len();
    let show = shown(total, REFUSALS, options);
    table.rows.extend(judgement.refusals[..show].iter().map(|refusal| {
        message_row(Mark::Attention, &refusal.subject, &refusal.message, refusal.cause.as_ref())
    }));
    table.rows.extend(cut(total, show).map(super::changes::note_row));
    table.write(options.palette, out)?;
    Ok(true)
}

/// Whether there was any.
pub(super) fn write_warnings(
    judgement: &Judgement,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<bool> {
    let total = judgement.warnings.len();
    let show = shown(total, WARNINGS, options);
    for warning in &judgement.warnings[..show] {
        for (i, line) in escape::lines(warning).enumerate() {
            let before = if i == 0 { "warning: " } else { "         " };
            writeln!(out, "{}{line}", options.palette.paint(Paint::Doubt, before))?;
        }
    }
    if let Some(cut) = cut(total, show) {
        writeln!(out, "{}", options.palette.paint(Paint::Faint, &cut))?;
    }
    Ok(total > 0)
}
