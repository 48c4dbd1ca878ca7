//! The same again with a later end: gathered into a line or two, since a fleet has hundreds of them every day.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::{changes, lines};
use crate::plan::{Action, Change, End, ServerPlan, WhyUnknown};
use crate::report::table::{Cell, Row};
use crate::report::words::{count_of, instant};
use crate::report::{TextOptions, View};
use crate::terminal::Paint;

/// Names of hosts in a gathered line.
const NAMES: usize = 5;

/// Whether there was any.
pub(super) fn write(
    server: &ServerPlan,
    now: Timestamp,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<bool> {
    let renewals: Vec<(&Change, End)> = server
        .changes()
        .filter_map(|change| match &change.action {
            Action::Renew { end, .. } => Some((change.as_ref(), *end)),
            Action::Isolate { .. }
            | Action::ChangeExclusions { .. }
            | Action::Release
            | Action::EndSpent { .. }
            | Action::StartTask { .. }
            | Action::DeleteTask
            | Action::Block(_) => None,
        })
        .collect();
    let mut table = changes::table(options);
    if options.full {
        table.rows.extend(renewals.iter().map(|(change, _)| changes::row(change, now, options)));
    } else {
        table.rows.extend(gathered_known(&renewals, now, options));
        table.rows.extend(gathered_unknown(&renewals, options));
    }
    table.write(options.palette, out)?;
    Ok(!renewals.is_empty())
}

/// The end of one renewed rule, for a list.
pub(super) fn end_of_one(end: End, now: Timestamp) -> String {
    match end {
        End::Known(at) => format!("would end on {}", instant(at, now)),
        End::Unknown(why) => format!("end not known: {}", why_unknown(why)),
    }
}

fn why_unknown(why: WhyUnknown) -> &'static str {
    match why {
        WhyUnknown::NotRecorded => "the record does not show that we set it",
        WhyUnknown::ChangedByOthers => "what is listed is not the rule that the record shows",
        WhyUnknown::ClocksApart => "when it was set, the server's clock and ours were too far apart",
    }
}

fn gathered_known(renewals: &[(&Change, End)], now: Timestamp, options: &TextOptions) -> Option<Row> {
    let known: Vec<(&Change, Timestamp)> = renewals
        .iter()
        .filter_map(|(change, end)| match end {
            End::Known(at) => Some((*change, *at)),
            End::Unknown(_) => None,
        })
        .collect();
    let next = instant(known.iter().map(|(_, at)| *at).min()?, now);
    let isolations = count_of(known.len(), "isolation");
    let (word, text) = match options.view {
        View::Plan if known.len() == 1 => ("renew", format!("{isolations}, it would end on {next}")),
        View::Plan => ("renew", format!("{isolations}, the next would end on {next}")),
        View::Drift { .. } => (
            "isolation",
            format!("{isolations} in force as declared and due for renewal, the next ends on {next}"),
        ),
    };
    let below = gathered_notes(known.iter().map(|(change, _)| *change), options.view);
    Some(Row {
        mark: Some(Cell::new("↻", Paint::Renewed)),
        cells: vec![Cell::new(word, Paint::Renewed), Cell::plain(text)],
        below,
    })
}

/// One line for each way not to know, and once what makes ends known.
fn gathered_unknown(renewals: &[(&Change, End)], options: &TextOptions) -> Vec<Row> {
    let mut rows = Vec::new();
    for why in [WhyUnknown::NotRecorded, WhyUnknown::ChangedByOthers, WhyUnknown::ClocksApart] {
        let changes: Vec<&Change> =
            renewals.iter().filter(|(_, end)| *end == End::Unknown(why)).map(|(change, _)| *change).collect();
        if changes.is_empty() {
            continue;
        }
        let (mark, paint, word, what) = match options.view {
            View::Plan => ("↻", Paint::Renewed, "renew", count_of(changes.len(), "isolation")),
            View::Drift { .. } => {
                ("?", Paint::Doubt, "isolation", format!("{} as declared", count_of(changes.len(), "rule")))
            }
        };
        let names = names(changes.iter().map(|change| changes::who(change)));
        let mut below = vec![vec![Cell::plain(names)]];
        if rows.is_empty() {
            below.push(vec![Cell::new(teaching(options.view), Paint::Faint)]);
        }
        below.extend(gathered_notes(changes.iter().copied(), options.view));
        rows.push(Row {
            mark: Some(Cell::new(mark, paint)),
            cells: vec![
                Cell::new(word, paint),
                Cell::plain(format!("{what}, end not known: {}", why_unknown(why))),
            ],
            below,
        });
    }
    rows
}

/// Why an end can be unknown at all, for those who meet it for the first time.
fn teaching(view: View) -> &'static str {
    match view {
        View::Plan => {
            "the server does not tell when a rule ends, only the record does: sent again, the end will be known"
        }
        View::Drift { .. } => {
            "the server does not tell when a rule ends, only the record does: it may have ended long ago"
        }
    }
}

/// `WS-1, WS-2 and 3 more (--full shows all)`.
pub(super) fn names(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    // As in `cut`: "and 1 more" would take the place of the name.
    let show = if all.len() <= NAMES + 1 { all.len() } else { NAMES };
    let mut text = all[..show].join(", ");
    if all.len() > show {
        text.push_str(&format!(
            " and {} more (--full shows all)",
            super::super::words::thousands_of(all.len() - show)
        ));
    }
    text
}

/// The same note on many hosts is one line.
fn gathered_notes<'a>(changes: impl Iterator<Item = &'a Change>, view: View) -> Vec<Vec<Cell>> {
    let mut hosts_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for change in changes {
        for note in changes::notes(change, view) {
            hosts_of.entry(note).or_default().push(changes::who(change));
        }
    }
    hosts_of
        .into_iter()
        .map(|(note, hosts)| lines::note(&format!("{note} ({})", names(hosts.into_iter()))))
        .collect()
}
