//! Markdown for a comment at a merge request: what matters first, under 65,000 characters, and with a marker by which a
//! job finds its earlier comment.

mod outcome;
mod page;
mod span;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

pub use outcome::{OutcomeTold, write_outcome};

use super::since::Age;
use super::told::{NoPlan, Told};
use super::words::count_of;
use super::{View, text};
use crate::guard::Judgement;
use crate::plan::{Change, Mark, Plan, ServerPlan, ServerState};
use page::{DETAILS_END, Section, details, table};
use span::{code, message};

/// Characters of a name or a path, of a message, of a reason.
const NAME: usize = 120;
const MESSAGE: usize = 400;
const REASON: usize = 80;
/// Hashes or exclusions of one change.
const LINES: usize = 20;

/// Writes the page.
///
/// # Errors
/// Those of `out`.
pub fn write(told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    write_of(told.view.as_str(), told, out)
}

/// Writes the plan of an apply that began nothing of it: a comment of its own, which takes the place of no plan's.
///
/// # Errors
/// Those of `out`.
pub fn write_not_begun(told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    write_of("apply", told, out)
}

fn write_of(command: &str, told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    let Told { plan, judgement, plan_id, view, .. } = *told;
    let mut head = head(command, &plan.owner, &text::sums_line(plan, view));
    if !judgement.refusals.is_empty() {
        head.push_str("\n**Refused: nothing of this plan will be written.**\n");
    }
    let sections = [
        Section { rank: 0, before: "\n".to_owned(), rows: refusals(judgement), after: "" },
        Section { rank: 1, before: "\n".to_owned(), rows: attention(plan), after: "" },
        Section { rank: 4, before: "\n".to_owned(), rows: warnings(judgement), after: "" },
        Section { rank: 2, before: format!("\n{}", since_head(told)), rows: since(told), after: "" },
        Section {
            rank: 3,
            before: format!("\n{}", table(&["", "server", "host", "what", "reason", "from"])),
            rows: changes(plan, view),
            after: "",
        },
        Section { rank: 5, before: details("Each change"), rows: each(plan, view), after: DETAILS_END },
        Section { rank: 6, before: details("Notes"), rows: notes(plan), after: DETAILS_END },
    ];
    page::write(&head, &sections, &foot(plan, plan_id, view), out)
}

/// Why there is no plan.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    let command = no_plan.command;
    let failed = format!("failed with exit code {}", no_plan.exit_code);
    let rows = no_plan.said().into_iter().map(|reason| {
        let place = match reason.place {
            Some((file, Some(line))) => format!(" {}", code(&format!("{file}:{line}"), NAME)),
            Some((file, None)) => format!(" {}", code(&file, NAME)),
            None => String::new(),
        };
        format!("- ❗ **{}**{place} {}\n", reason.kind, message(&reason.message, MESSAGE))
    });
    let section = Section { rank: 0, before: "\n".to_owned(), rows: rows.collect(), after: "" };
    page::write(&head(command, "", &failed), &[section], "", out)
}

/// The hidden line that is the same in every run, and the title.
fn head(command: &str, owner: &str, said: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let owner: String = owner.chars().take(64).map(|c| if is_plain(c) { c } else { '_' }).collect();
    let owner = if owner.is_empty() { owner } else { format!(" {owner}") };
    format!("<!-- kedrctl {command}{owner} -->\n\n### kedrctl {command}\n\n**{said}**\n")
}

fn foot(plan: &Plan, plan_id: &str, view: View) -> String {
    let observed = plan.observed_at;
    let id: String = plan_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    match view {
        View::Plan => format!("\nplan `{id}`, as observed at {observed:.0}\n"),
        View::Drift { .. } => format!("\nas observed at {observed:.0}\n"),
    }
}

fn refusals(judgement: &Judgement) -> Vec<String> {
    let row = |refusal: &crate::guard::Refusal| {
        let cause = refusal.cause.as_ref().map(|cause| format!(" {}", code(&cause.to_string(), NAME)));
        format!(
            "- ⛔ {} {}{}\n",
            code(&refusal.subject, NAME),
            message(&refusal.message, MESSAGE),
            cause.unwrap_or_default()
        )
    };
    judgement.refusals.iter().map(row).collect()
}

fn warnings(judgement: &Judgement) -> Vec<String> {
    judgement.warnings.iter().map(|warning| format!("- ⚠ {}\n", message(warning, MESSAGE))).collect()
}

/// Servers that could not be read, and all that somebody has to look at.
fn attention(plan: &Plan) -> Vec<String> {
    let mut rows = Vec::new();
    for server in &plan.servers {
        let why = match &server.state {
            ServerState::Read { .. } => continue,
            ServerState::ListNotBelieved { why }
            | ServerState::Unrecorded { why }
            | ServerState::Unreachable { why } => why,
        };
        let name = code(server.server.as_str(), NAME);
        rows.push(format!("- ❓ server {name}: nothing is known of its hosts: {}\n", message(why, MESSAGE)));
    }
    rows.extend(findings(plan, |mark| mark != Mark::Note));
    rows
}

fn findings(plan: &Plan, is_wanted: impl Fn(Mark) -> bool) -> Vec<String> {
    let mut rows = Vec::new();
    for finding in plan.servers.iter().flat_map(|server| &server.findings) {
        let mark = finding.kind.mark();
        if is_wanted(mark) {
            let sign = match mark {
                Mark::Attention => "❗ ",
                Mark::Question => "❓ ",
                Mark::Note => "",
            };
            let cause = finding.cause.as_ref().map(|cause| format!(" {}", code(&cause.to_string(), NAME)));
            rows.push(format!(
                "- {sign}{} {}{}\n",
                code(&finding.label, NAME),
                message(&finding.message, MESSAGE),
                cause.unwrap_or_default()
            ));
        }
    }
    rows
}

fn since_head(told: &Told<'_>) -> String {
    match told.since {
        Some(since) => format!(
            "Since {}: {} new, {} still there, {} not known any more, {} gone.\n\n",
            code(&since.earlier, 40),
            since.count(Age::New),
            since.count(Age::Still),
            since.count(Age::NotKnown),
            since.count(Age::Gone)
        ),
        None => String::new(),
    }
}

/// The new ones first.
fn since(told: &Told<'_>) -> Vec<String> {
    let Some(since) = told.since else { return Vec::new() };
    let mut compared: Vec<_> = since.compared.iter().collect();
    compared.sort_by_key(|one| one.age);
    let row = |one: &super::since::Compared| {
        let remark = one.remark.as_ref().map(|remark| format!(" {}", message(remark, MESSAGE)));
        let word = match one.age {
            Age::New => "**new**",
            Age::Still => "still there",
            Age::Gone => "gone",
            Age::NotKnown => "not known any more",
        };
        format!("- {word} {}{}\n", code(&one.subject, NAME), remark.unwrap_or_default())
    };
    compared.into_iter().map(row).collect()
}

/// Releases first, since each of them lets something back onto the network; renewals in one line a server.
fn changes(plan: &Plan, view: View) -> Vec<String> {
    let mut rows = Vec::new();
    for (server, change) in in_order(plan) {
        let (sign, _) = text::mark(&change.action);
        let word = match view {
            View::Plan => text::act(&change.action),
            View::Drift { .. } => change.subject.aspect.as_str(),
        };
        rows.push(format!(
            "| {sign} {word} | {} | {} | {} | {} | {} |\n",
            code(server.server.as_str(), NAME),
            code(&text::who(change), NAME),
            message(&what(change, plan, view), MESSAGE),
            change.reason.as_deref().map(|reason| code(reason, REASON)).unwrap_or_default(),
            code(&change.cause.to_string(), NAME),
        ));
    }
    for server in &plan.servers {
        let renewals = server.changes().filter(|change| change.action.is_renewal()).count();
        if renewals > 0 {
            let name = code(server.server.as_str(), NAME);
            rows.push(format!("| ↻ renew | {name} | {} | | | |\n", count_of(renewals, "isolation")));
        }
    }
    rows
}

fn what(change: &Change, plan: &Plan, view: View) -> String {
    match view {
        View::Plan => text::planned(change, plan.now),
        View::Drift { .. } => text::differing(change, plan.now),
    }
}

/// All but renewals, the steps of all servers from the last to the first.
fn in_order(plan: &Plan) -> Vec<(&ServerPlan, &Change)> {
    let mut changes: Vec<(crate::plan::Purpose, &ServerPlan, &Change)> = Vec::new();
    for server in &plan.servers {
        for step in &server.steps {
            let of_step = step.changes.iter().filter(|change| !change.action.is_renewal());
            changes.extend(of_step.map(|change| (step.purpose, server, change.as_ref())));
        }
    }
    let is_release = |purpose| purpose == crate::plan::Purpose::Release;
    changes.sort_by_key(|(purpose, ..)| (!is_release(*purpose), *purpose));
    changes.into_iter().map(|(_, server, change)| (server, change)).collect()
}

/// What each change is made of: hashes, exclusions, what to know before saying yes.
fn each(plan: &Plan, view: View) -> Vec<String> {
    let mut rows = Vec::new();
    for (_, change) in in_order(plan) {
        let lines = text::made_of(change, plan.now, view);
        if lines.is_empty() {
            continue;
        }
        let mut row = format!("- {} {}\n", code(&text::who(change), NAME), change.subject.aspect.as_str());
        let show = if lines.len() <= LINES + 1 { lines.len() } else { LINES };
        for line in &lines[..show] {
            row.push_str(&format!("  - {}\n", message(line, 2 * NAME)));
        }
        if lines.len() > show {
            row.push_str(&format!("  - … and {} more\n", super::words::thousands_of(lines.len() - show)));
        }
        rows.push(row);
    }
    rows
}

/// What is worth knowing, and hosts that may not have carried out what is set.
fn notes(plan: &Plan) -> Vec<String> {
    let mut rows = findings(plan, |mark| mark == Mark::Note);
    for judged in plan.servers.iter().flat_map(|server| server.judged.iter()) {
        if judged.verdict.is_in_sync() && judged.contact != crate::plan::Contact::Seen {
            let (label, word) = (judged.whom.label(), super::contact_word(judged.contact));
            rows.push(format!("- {} {}: {word}\n", code(&label, NAME), judged.aspect));
        }
    }
    rows
}
