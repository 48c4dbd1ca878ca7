//! A plan that is too long to be read line by line: how many of what, and which lines of the files ask for most of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{changes, findings, header};
use crate::model::Cause;
use crate::plan::{Change, FindingKind, Plan, ServerPlan};
use crate::report::table::{Cell, Row, Table};
use crate::report::words::{count_of, thousands_of};
use crate::report::{TextOptions, View};
use crate::terminal::Paint;

/// More changes than a person reads.
const LARGE: usize = 40;
/// Causes that are named for each kind of change.
const CAUSES: usize = 3;

/// Renewals are gathered anyway.
pub(super) fn is_large(plan: &Plan) -> bool {
    plan.changes().filter(|(_, change)| !change.action.is_renewal()).count() > LARGE
}

/// Each server with its changes by kind, and how much there is to say beside them.
pub(super) fn write(plan: &Plan, options: &TextOptions, out: &mut impl Write) -> io::Result<()> {
    for server in &plan.servers {
        header::write(server, plan, options, out)?;
        writeln!(out)?;
        let mut table = Table { indent: 2, widest: vec![30], narrowest: vec![11], ..Table::default() };
        table.rows.extend(kinds(server, options.view));
        table.rows.extend(findings::server_row(&server.state));
        table.rows.extend(said(server));
        if !table.rows.is_empty() {
            table.write(options.palette, out)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// What is done in one word, in the order in which it is done.
fn kinds(server: &ServerPlan, view: View) -> Vec<Row> {
    let mut kinds: Vec<(&'static str, Paint, &'static str, Vec<&Change>)> = Vec::new();
    let (renewals, changes): (Vec<&Change>, Vec<&Change>) =
        server.changes().map(AsRef::as_ref).partition(|change| change.action.is_renewal());
    for change in changes.into_iter().chain(renewals) {
        let (sign, paint) = changes::mark(&change.action);
        let word = changes::word(change, view);
        match kinds.iter_mut().find(|kind| (kind.0, kind.2) == (sign, word)) {
            Some(kind) => kind.3.push(change),
            None => kinds.push((sign, paint, word, vec![change])),
        }
    }
    let row = |(sign, paint, word, changes): (&str, Paint, &str, Vec<&Change>)| Row {
        mark: Some(Cell::new(sign, paint)),
        cells: vec![
            Cell::new(word, paint),
            Cell::plain(thousands_of(changes.len())),
            Cell::new(causes(&changes), Paint::Faint),
        ],
        ..Row::default()
    };
    kinds.into_iter().map(row).collect()
}

/// The lines that ask for several of them: `state/pci.yaml:40 (group pci) 2,890, and 12 more lines`.
fn causes(changes: &[&Change]) -> String {
    let mut counts: BTreeMap<&Cause, usize> = BTreeMap::new();
    for change in changes {
        *counts.entry(&change.cause).or_default() += 1;
    }
    let mut counts: Vec<(&Cause, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let several = counts.iter().take_while(|(_, count)| *count > 1).count();
    // "and 1 more line" would take the place of the line.
    let show = if counts.len() <= CAUSES + 1 { counts.len() } else { several.min(CAUSES) };
    if show == 0 {
        return count_of(counts.len(), "line");
    }
    let mut named: Vec<String> = counts[..show]
        .iter()
        .map(|(cause, count)| match count {
            1 => cause.to_string(),
            count => format!("{cause} {}", thousands_of(*count)),
        })
        .collect();
    if counts.len() > show {
        named.push(format!("and {}", count_of(counts.len() - show, "more line")));
    }
    named.join(", ")
}

/// How many findings of each kind there are.
fn said(server: &ServerPlan) -> Vec<Row> {
    let mut counts: BTreeMap<FindingKind, usize> = BTreeMap::new();
    for finding in &server.findings {
        *counts.entry(finding.kind).or_default() += 1;
    }
    let row = |(kind, count): (FindingKind, usize)| {
        let (sign, paint) = findings::sign(kind.mark());
        Row {
            mark: Some(Cell::new(sign, paint)),
            cells: vec![Cell::new(kind.as_str().replace('_', " "), paint), Cell::plain(thousands_of(count))],
            ..Row::default()
        }
    };
    counts.into_iter().map(row).collect()
}
