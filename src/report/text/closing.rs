//! The last lines: how many of what, and by which id the plan is known.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::declare::WantedIsolation;
use crate::plan::{Judged, Plan, Scope, ServerClock, Sums, has_ended};
use crate::report::words::{count, instant, thousands};
use crate::report::{TextOptions, View, escape};
use crate::terminal::Paint;

/// As much of a plan's id as people compare; JSON has the whole.
const SHORT_ID: usize = 8;

pub(super) fn write(
    plan: &Plan,
    plan_id: &str,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    let sums = plan.sums();
    writeln!(out, "{}", options.palette.paint(Paint::Heading, &sums_line(plan, options.view)))?;
    match options.view {
        // Renewals need no approval and so have no part in the id: without other changes there is nothing to name.
        View::Plan if sums.changes() == 0 => Ok(()),
        View::Plan => {
            let short: String = plan_id.chars().take(SHORT_ID).collect();
            writeln!(out, "plan {}", escape::line(&short))
        }
        View::Drift { require_contact } => match contact_line(&sums, require_contact) {
            Some(line) => writeln!(out, "{line}"),
            None => Ok(()),
        },
    }
}

/// How many of what, in words of our own alone.
pub(in crate::report) fn sums_line(plan: &Plan, view: View) -> String {
    let sums = plan.sums();
    let is_anything_managed = plan.servers.iter().any(|server| !server.judged.is_empty());
    match (view, plan.scope) {
        (View::Plan, Scope::All) => planned(&sums, is_anything_managed),
        (View::Drift { .. }, Scope::All) => differing(&sums, is_anything_managed),
        (View::Plan | View::Drift { .. }, Scope::Renewals { next_due }) => renewed(plan, &sums, next_due),
    }
}

fn planned(sums: &Sums, is_anything_managed: bool) -> String {
    if sums.changes() + sums.renew == 0 {
        return nothing("nothing to do", sums, is_anything_managed);
    }
    let changes = format!(
        "{} to isolate, {} to release, {} to change, {} to renew{}",
        thousands(sums.isolate),
        thousands(sums.release),
        count(sums.change, "rule"),
        thousands(sums.renew),
        tasks(sums, "to run", "to delete")
    );
    join([changes, besides(sums).join(", "), in_sync(sums)])
}

/// Of renewals alone. It never says "in sync": what the record shows in force was not read.
fn renewed(plan: &Plan, sums: &Sums, next_due: Option<Timestamp>) -> String {
    let what = if sums.changes() + sums.renew == 0 {
        "nothing is due".to_owned()
    } else {
        format!(
            "{} to renew, {} to isolate again, {} to delete",
            thousands(sums.renew),
            thousands(sums.isolate),
            count(sums.release, "spent rule")
        )
    };
    let not_judged = [
        (sums.errors, "not told who is meant"),
        (sums.unknown, "unknown"),
        (sums.servers_unreachable, "servers not reached"),
    ];
    let not_judged = not_judged.iter().filter(|(number, _)| *number > 0);
    let not_judged: Vec<String> =
        not_judged.map(|(number, what)| format!("{} {what}", thousands(*number))).collect();
    let in_force = count(in_force(plan), "isolation");
    let next =
        next_due.map(|at| format!(", the next is due on {}", instant(at, plan.now))).unwrap_or_default();
    let parts = join([what, not_judged.join(", "), format!("{in_force} in force by the record{next}")]);
    format!("{parts}; only renewals were looked at")
}

/// Those whose time has not ended and that the record, or a reading, shows in force.
fn in_force(plan: &Plan) -> u64 {
    let is_in_force = |judged: &&Judged| {
        let wanted =
            judged.whom.host().and_then(|host| host.isolation.as_ref()).map(|declared| &declared.want);
        let is_wanted = matches!(wanted, Some(WantedIsolation::On { term, .. })
            if !has_ended(*term, ServerClock::NotGiven, plan.now));
        judged.verdict.is_in_sync() && is_wanted
    };
    plan.servers.iter().map(|server| server.judged.iter().filter(is_in_force).count() as u64).sum()
}

fn differing(sums: &Sums, is_anything_managed: bool) -> String {
    if sums.differences() + sums.left_behind == 0 {
        return nothing("no difference", sums, is_anything_managed);
    }
    let differ = if sums.change == 1 {
        "1 rule differs".to_owned()
    } else {
        format!("{} differ", count(sums.change, "rule"))
    };
    let differences = format!(
        "{} declared isolated without a rule in force, {} with a rule and declared off, {differ}{}",
        thousands(sums.isolate),
        thousands(sums.release),
        tasks(sums, "not started", "there and declared absent")
    );
    join([differences, besides(sums).join(", "), in_sync(sums)])
}

/// `, 2 programs to run, 1 task to delete`, where there are any.
fn tasks(sums: &Sums, run: &str, delete: &str) -> String {
    [(sums.run, "program", run), (sums.delete_task, "task", delete)]
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, noun, what)| format!(", {} {what}", count(number, noun)))
        .collect()
}

/// One sentence for a plan without changes. It never says more than is known.
fn nothing(opening: &str, sums: &Sums, is_anything_managed: bool) -> String {
    let besides = besides(sums);
    if sums.servers_unreachable > 0 && !is_anything_managed {
        return format!("nothing is known: {}", besides.join(", "));
    }
    if besides.is_empty() && !is_anything_managed {
        return format!("{opening}: nothing is declared for any host");
    }
    if besides.is_empty() {
        return match sums.in_sync {
            1 => format!("{opening}: 1 in sync"),
            many => format!("{opening}: all {} in sync", thousands(many)),
        };
    }
    let not_judged = sums.not_judged() + sums.end_unknown;
    let opening =
        if not_judged > 0 { format!("{opening} as far as could be judged") } else { opening.to_owned() };
    format!("{opening}: {}; {}", in_sync(sums), besides.join(", "))
}

/// All that is neither a change nor in sync; what there is none of is left out.
fn besides(sums: &Sums) -> Vec<String> {
    let errors = if sums.errors == 1 { "error" } else { "errors" };
    let servers = if sums.servers_unreachable == 1 { "server not reached" } else { "servers not reached" };
    [
        (sums.left_alone, "left alone"),
        (sums.held, "held"),
        (sums.left_behind, "left behind"),
        (sums.undeclared, "undeclared"),
        (sums.errors, errors),
        (sums.unknown, "unknown"),
        (sums.end_unknown, "with an unknown end"),
        (sums.servers_unreachable, servers),
        (sums.waiting, "waiting for contact"),
        (sums.silent, "silent"),
        (sums.unsupported, "unsupported"),
        (sums.silent_hosts, "without contact for long"),
        (sums.deferred, "deferred"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", thousands(number)))
    .collect()
}

/// The same after the changes were carried out, where ends are set anew.
pub(in crate::report) fn besides_line(plan: &Plan) -> String {
    besides(&Sums { end_unknown: 0, ..plan.sums() }).join(", ")
}

fn in_sync(sums: &Sums) -> String {
    format!("{} in sync", thousands(sums.in_sync))
}

fn join(parts: [String; 3]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What a drift check does not speak of: a rule on a server is not yet an isolated host.
fn contact_line(sums: &Sums, require_contact: bool) -> Option<String> {
    let parts: Vec<String> = [
        (sums.waiting, "waiting for contact"),
        (sums.silent, "silent"),
        (sums.unsupported, "not supported by the agent"),
        (sums.deferred, "deferred"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", thousands(number)))
    .collect();
    if parts.is_empty() {
        return None;
    }
    let parts = parts.join(", ");
    Some(if require_contact {
        format!("rules are not yet isolated hosts: {parts}; counted as incomplete by --require-contact")
    } else {
        format!("this speaks of the rules on the servers only: {parts} (--require-contact counts them)")
    })
}
