//! A plan, a drift check or what became of a plan as one page that needs no network: it can be attached to a ticket,
//! kept for an auditor and opened on a machine that is cut off.
//!
//! Names and texts are somebody else's. They reach the page in two ways only: escaped, in what is written here, and as
//! data in one JSON block, from which the script takes them by `textContent`. The page's own policy lets no other
//! script or style run, and nothing be loaded.

mod changes;
mod data;
mod difference;
mod fleet;
mod markup;
mod notes;
mod numbers;
mod page;
mod runs;
mod state;
mod times;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{NoPlan, View};
use crate::execute::Outcome;
use crate::guard::Judgement;
use crate::model::{HostList, ServerName};
use crate::plan::Plan;
use crate::record::{Recorded, RecordedRun};

/// All that a page tells.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// What the page is about.
    pub plan: &'a Plan,
    /// What the guard says of it.
    pub judgement: &'a Judgement,
    /// Its id, 64 hexadecimal digits: what an approval names.
    pub plan_id: &'a str,
    /// For which question it is shown.
    pub view: View,
    /// Every host of these servers is shown, whether a file names it or not (`drift --all-hosts`).
    pub listed: Option<&'a BTreeMap<ServerName, HostList>>,
    /// The ledgers: when rules of ours end.
    pub recorded: &'a BTreeMap<ServerName, Recorded>,
    /// Of each server; none where the record was not asked.
    pub runs: &'a [RecentRuns],
    /// What became of the plan, where it was executed.
    pub outcome: Option<Executed<'a>>,
    /// Nothing is cut.
    pub full: bool,
}

/// What became of the plan that a page shows.
#[derive(Debug, Clone, Copy)]
pub struct Executed<'a> {
    /// What became of each of its changes.
    pub outcome: &'a Outcome,
    /// The run in the record: what `history` and `rollback` take.
    pub run_id: &'a str,
}

/// What the record tells of a server's last runs.
#[derive(Debug, Clone)]
pub struct RecentRuns {
    /// As the files call it.
    pub server: ServerName,
    /// Newest first; or why they could not be read, safe to print.
    pub runs: Result<Vec<RecordedRun>, String>,
}

/// Where there is no plan: a page that says why.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    let command = no_plan.command;
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">\n<meta name=\"color-scheme\" \
         content=\"light dark\">\n<title>kedrctl {command}: failed</title>\n</head>\n<body>\n<h1>kedrctl \
         {command}</h1>\n<p>It failed with exit code {}.</p>\n<ul>",
        no_plan.exit_code
    )?;
    for reason in no_plan.said() {
        let place = match reason.place {
            Some((file, Some(line))) => format!("{file}:{line}: "),
            Some((file, None)) => format!("{file}: "),
            None => String::new(),
        };
        writeln!(out, "<li>{}{}</li>", markup::text(&place), markup::message(&reason.message))?;
    }
    writeln!(out, "</ul>\n</body>\n</html>")
}

/// Writes the page. The same values are the same bytes.
///
/// # Errors
/// Those of `out`.
pub fn write(page: &Page<'_>, out: &mut impl Write) -> io::Result<()> {
    page::write(page, &fleet::Fleet::of(page), out)
}
