use std::io::{self, Write};

use jiff::Timestamp;

use crate::model::display_duration;
use crate::plan::{Plan, ServerClock, ServerPlan, ServerState};
use crate::record::LastRun;
use crate::report::TextOptions;
use crate::report::table::{Cell, write_cells};
use crate::report::words::{ago, count};
use crate::terminal::Paint;

/// The line of one server: who it is, how many hosts it lists, what the record knows of it.
pub(super) fn write(
    server: &ServerPlan,
    plan: &Plan,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut cells = vec![
        Cell::new(server.server.as_str(), Paint::Heading),
        Cell::plain("  "),
        Cell::plain(&server.address),
    ];
    if let ServerState::Read { hosts_listed, clock, last_run, .. } = &server.state {
        let clock = clock_remark(*clock).map(|remark| format!(", {remark}")).unwrap_or_default();
        cells.push(Cell::plain(format!(
            "   {}, {}{clock}{}",
            count(*hosts_listed, "host"),
            record_remark(last_run.as_ref(), plan.now),
            age_remark(plan)
        )));
    }
    write_cells(&cells, options.palette, out)
}

/// Only of a plan from a snapshot: one that reads is as old as what it read.
fn age_remark(plan: &Plan) -> String {
    if plan.observed_at < plan.now {
        format!(", as observed {}", ago(plan.observed_at, plan.now))
    } else {
        String::new()
    }
}

fn record_remark(last_run: Option<&LastRun>, now: Timestamp) -> String {
    match last_run {
        None => "no record".to_owned(),
        Some(run) => {
            let unfinished = if run.is_unfinished { ", which never ended" } else { "" };
            format!("record: run {}, {}{unfinished}", run.id, ago(run.at, now))
        }
    }
}

/// What of its clock is worth a word.
pub(in crate::report) fn clock_remark(clock: ServerClock) -> Option<String> {
    let (ahead, tolerated) = match clock {
        ServerClock::NotGiven => return Some("its clock is not known".to_owned()),
        ServerClock::Together(_) => (clock.notable()?, ""),
        ServerClock::Apart(ahead) => (ahead, ": too far for what hangs on an instant"),
    };
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    Some(format!("its clock is {} {direction} ours{tolerated}", display_duration(ahead)))
}
