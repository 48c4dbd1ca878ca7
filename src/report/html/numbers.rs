//! The answer in one sentence, and the sums.

use std::io::{self, Write};

use super::Page;
use super::markup::{joined, text};
use crate::plan::{Plan, Scope, ServerPlan, ServerState, Sums};
use crate::report::words::{ago, count, count_of, instant, thousands, thousands_of};
use crate::report::{View, text as plain};

/// The answer, and its tone. It never says more than is known.
pub(super) fn verdict(page: &Page<'_>) -> (&'static str, String) {
    let sums = page.plan.sums();
    let not_judged = sums.not_judged();
    let open = match not_judged {
        0 => String::new(),
        some => format!("{} could not be judged", thousands(some)),
    };
    if let Some(executed) = page.outcome {
        return of_outcome(executed.outcome, open);
    }
    if !page.judgement.refusals.is_empty() {
        return ("bad", "Refused: nothing of this plan will be written".to_owned());
    }
    let changes = sums.changes() + sums.renew;
    let is_anything_managed = page.plan.servers.iter().any(|server| !server.judged.is_empty());
    match page.view {
        View::Plan if changes > 0 => {
            let tone = if not_judged > 0 { "doubt" } else { "plain" };
            (tone, joined([format!("{} would be made", count(changes, "change")), open], "; "))
        }
        View::Drift { .. } if sums.differences() > 0 => {
            ("bad", joined([count(sums.differences(), "difference"), open], "; "))
        }
        _ if !page.view.is_complete(page.plan) => {
            let what = match page.view {
                View::Plan => "Nothing to do as far as could be judged",
                View::Drift { .. } => "No difference as far as could be judged",
            };
            ("doubt", joined([what.to_owned(), open, beside(&sums, page.view)], "; "))
        }
        View::Plan | View::Drift { .. } if !is_anything_managed => {
            ("plain", "Nothing is declared for any host".to_owned())
        }
        // The record tells what is in force; it was not read.
        View::Plan | View::Drift { .. } if matches!(page.plan.scope, Scope::Renewals { .. }) => {
            ("plain", "Nothing is due; only renewals were looked at".to_owned())
        }
        View::Plan => ("fine", joined(["Nothing to do".to_owned(), beside(&sums, page.view)], "; ")),
        View::Drift { .. } => {
            ("fine", joined(["As declared on the servers".to_owned(), beside(&sums, page.view)], "; "))
        }
    }
}

fn of_outcome(outcome: &crate::execute::Outcome, open: String) -> (&'static str, String) {
    let changes = || outcome.servers.iter().flat_map(|server| &server.changes);
    let (total, done) = (changes().count(), changes().filter(|one| one.result.is_done()).count());
    let is_cut = outcome.was_interrupted || outcome.servers.iter().any(|server| server.stopped.is_some());
    let what = match (total, done) {
        (0, _) => "Nothing was written: there was nothing to change".to_owned(),
        (1, 1) => "1 change done".to_owned(),
        _ if done == total => format!("All {} done", count_of(total, "change")),
        _ => format!("{} of {} done", thousands_of(done), count_of(total, "change")),
    };
    let tone = match (done == total && !is_cut, open.is_empty()) {
        (false, _) => "bad",
        (true, false) => "doubt",
        (true, true) => "fine",
    };
    (tone, joined([what, open], "; "))
}

/// A rule on a server is not yet an isolated host.
fn beside(sums: &Sums, view: View) -> String {
    let ends = match view {
        // Renewed: the plan has an answer to it.
        View::Plan => 0,
        View::Drift { .. } => sums.end_unknown,
    };
    let parts = [
        (sums.left_behind, "left behind"),
        (ends, "with an unknown end"),
        (sums.waiting, "waiting for contact"),
        (sums.silent, "silent"),
        (sums.unsupported, "not supported by the agent"),
        (sums.deferred, "deferred"),
        (sums.silent_hosts, "without contact for long"),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    joined(parts.map(|(number, what)| format!("{} {what}", thousands(number))), ", ")
}

pub(super) fn write(page: &Page<'_>, out: &mut impl Write) -> io::Result<()> {
    let sums = page.plan.sums();
    let to_do: &[(u64, &str)] = match page.view {
        View::Plan => &[
            (sums.isolate, "to isolate"),
            (sums.release, "to release"),
            (sums.change, "rules to change"),
            (sums.renew, "to renew"),
            (sums.run, "to run"),
            (sums.delete_task, "tasks to delete"),
        ],
        View::Drift { .. } => &[
            (sums.isolate, "declared isolated, no rule in force"),
            (sums.release, "with a rule, declared off"),
            (sums.change, "rules that differ"),
            (sums.run, "not started"),
            (sums.delete_task, "declared absent"),
        ],
    };
    let beside = [
        (sums.left_alone, "left alone"),
        (sums.held, "held by hand"),
        (sums.left_behind, "left behind"),
        (sums.undeclared, "not declared"),
    ];
    let not_known = [
        (sums.errors, "not clear who is meant"),
        (sums.unknown, "unknown"),
        (sums.end_unknown, "end not known"),
        (sums.servers_unreachable, "servers not reached"),
    ];
    let stands = [
        (sums.in_sync, "in sync"),
        (sums.waiting, "waiting for contact"),
        (sums.silent, "silent"),
        (sums.unsupported, "not supported"),
        (sums.deferred, "deferred"),
        (sums.silent_hosts, "hosts without contact for long"),
        // Of those in sync, but for those whose end is not known.
        (if page.view == View::Plan { 0 } else { sums.renew }, "due for renewal"),
    ];
    let stands = if page.view == View::Plan { &stands[..6] } else { &stands[..] };
    let (first, tone) = match (page.view, page.outcome) {
        (_, Some(_)) => ("Planned", "plain"),
        (View::Plan, None) => ("To do", "plain"),
        (View::Drift { .. }, None) => ("Differs", "bad"),
    };
    writeln!(out, "<div class=\"sums\">")?;
    group(first, to_do, tone, out)?;
    group("Beside", &beside, "kept", out)?;
    group("Not known", &not_known, "doubt", out)?;
    group("Stands", stands, "fine", out)?;
    writeln!(out, "</div>")
}

fn group(title: &str, sums: &[(u64, &str)], tone: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<div><h3>{title}</h3><dl>")?;
    for (number, what) in sums {
        let class = if *number == 0 { "zero" } else { tone };
        writeln!(out, "<div class=\"{class}\"><dt>{what}</dt><dd>{}</dd></div>", thousands(*number))?;
    }
    writeln!(out, "</dl></div>")
}

/// When and for whom.
pub(super) fn write_facts(page: &Page<'_>, out: &mut impl Write) -> io::Result<()> {
    let plan = page.plan;
    let stamp = |at: jiff::Timestamp| format!("<time datetime=\"{at:.0}\">{}</time>", instant_with_year(at));
    write!(out, "<p class=\"facts\">{}, owner {}", stamp(plan.now), text(&plan.owner))?;
    if plan.observed_at < plan.now {
        write!(out, ", as observed {}", stamp(plan.observed_at))?;
    }
    if let Scope::Renewals { next_due } = plan.scope {
        write!(out, ", only renewals were looked at")?;
        if let Some(at) = next_due {
            write!(out, ", the next is due on {}", stamp(at))?;
        }
    }
    match page.outcome {
        Some(executed) => write!(out, ", run {}", text(executed.run_id))?,
        None if page.view == View::Plan => {
            write!(out, ", plan {}", text(&page.plan_id.chars().take(8).collect::<String>()))?;
        }
        None => {}
    }
    if page.view == (View::Drift { require_contact: true }) {
        write!(out, ", hosts without contact count as incomplete")?;
    }
    writeln!(out, ".</p>")
}

fn instant_with_year(at: jiff::Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%-d %b %Y %H:%M UTC").to_string()
}

pub(super) fn write_servers(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Servers\"><table><thead><tr><th scope=\"col\">Server</th>\
         <th scope=\"col\">Address</th><th scope=\"col\">State</th><th scope=\"col\" class=\"number\">Hosts</th>\
         <th scope=\"col\" class=\"number\">Changes</th><th scope=\"col\">Record</th></tr></thead><tbody>"
    )?;
    for server in &plan.servers {
        let (state, hosts, record) = of_server(server, plan);
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"number\">{hosts}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            text(server.server.as_str()),
            text(&server.address),
            text(&state),
            thousands_of(server.changes().count()),
            text(&record)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn of_server(server: &ServerPlan, plan: &Plan) -> (String, String, String) {
    match &server.state {
        ServerState::Read { hosts_listed, clock, last_run, .. } => {
            let state = joined(["read".to_owned(), plain::clock_remark(*clock).unwrap_or_default()], ", ");
            let record = match last_run {
                None => "no record".to_owned(),
                Some(run) => {
                    let unfinished = if run.is_unfinished { ", never ended" } else { "" };
                    let at = instant(run.at, plan.now);
                    format!("run {}, {at} ({}){unfinished}", run.id, ago(run.at, plan.now))
                }
            };
            (state, thousands(*hosts_listed), record)
        }
        ServerState::ListNotBelieved { .. } => {
            ("its host list is not believed".to_owned(), "–".to_owned(), String::new())
        }
        ServerState::Unrecorded { .. } => {
            ("not in the record's reach".to_owned(), "–".to_owned(), String::new())
        }
        ServerState::Unreachable { .. } => ("not reached".to_owned(), "–".to_owned(), String::new()),
    }
}
