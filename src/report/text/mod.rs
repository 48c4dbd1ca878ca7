//! A plan for people: what it would change and why, then what could not be done, then one line of sums.

mod changes;
mod closing;
mod findings;
mod header;
mod lines;
mod renewals;
mod since;
mod summary;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

pub(super) use changes::{act, differing, made_of, mark, planned, who};
pub(super) use closing::{besides_line, sums_line};
pub(super) use findings::{finding_row, set_but};
pub(super) use header::clock_remark;
pub use since::since;

use super::TextOptions;
use crate::guard::Judgement;
use crate::plan::{Plan, Scope, ServerPlan, ServerState};
use crate::terminal::Paint;

/// Writes the whole plan, or, with [`View::Drift`](super::View::Drift), what differs.
///
/// The text speaks of the instant for which the plan was made: it is the same whenever and wherever it is written.
///
/// # Errors
/// Those of `out`.
pub fn plan(
    plan: &Plan,
    judgement: &Judgement,
    plan_id: &str,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    if has_nothing_but_its_closing(plan, judgement) {
        return closing::write(plan, plan_id, options, out);
    }
    let is_large = !options.full && summary::is_large(plan);
    if options.summary || is_large {
        summary::write(plan, options, out)?;
    }
    if is_large && !options.summary {
        let hint = "the first of each list (--full shows all, --summary only what stands above):";
        writeln!(out, "{}\n", options.palette.paint(Paint::Faint, hint))?;
    }
    for server in plan.servers.iter().filter(|_| !options.summary) {
        header::write(server, plan, options, out)?;
        writeln!(out)?;
        if changes::write(server, plan.now, is_large, options, out)? {
            writeln!(out)?;
        }
        if findings::write(server, plan.scope, options, out)? {
            writeln!(out)?;
        }
    }
    if findings::write_refusals(judgement, options, out)? {
        writeln!(out)?;
    }
    if findings::write_warnings(judgement, options, out)? {
        writeln!(out)?;
    }
    closing::write(plan, plan_id, options, out)
}

/// A job that renews every ten minutes and has nothing to do says one line.
fn has_nothing_but_its_closing(plan: &Plan, judgement: &Judgement) -> bool {
    let is_quiet = |server: &ServerPlan| {
        matches!(server.state, ServerState::Read { .. })
            && server.findings.is_empty()
            && server.changes().next().is_none()
    };
    matches!(plan.scope, Scope::Renewals { .. })
        && *judgement == Judgement::default()
        && plan.servers.iter().all(is_quiet)
}

/// `first`, or with `--full` all of `total`: how many of a list are shown.
fn shown(total: usize, first: usize, options: &TextOptions) -> usize {
    // A line that says "and 1 more" takes the place of the one that it hides.
    if options.full || total <= first.saturating_add(1) { total } else { first }
}

/// What stands in the place of what was cut; `None` when nothing was.
fn cut(total: usize, shown: usize) -> Option<String> {
    (total > shown)
        .then(|| format!("… and {} more (--full shows all)", super::words::thousands_of(total - shown)))
}
