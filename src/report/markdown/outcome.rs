//! What became of an apply, as a comment.

use std::io::{self, Write};

use super::page::{self, DETAILS_END, Section, details, table};
use super::span::{code, message};
use super::{MESSAGE, NAME, attention, head, notes, warnings};
use crate::execute::{ChangeOutcome, Outcome, ServerOutcome, WriteResult};
use crate::guard::Judgement;
use crate::plan::Plan;
use crate::report::text;
use crate::report::words::{count_of, thousands_of};

const PUT_BACK: &str = "Put back, since the rule for all hosts is not written; no part of the plan:";

/// An outcome, and what it does not know itself.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeTold<'a> {
    /// What became of each change of the plan.
    pub outcome: &'a Outcome,
    /// The run in the record: what `history` and `rollback` take.
    pub run_id: &'a str,
    /// Who the run worked for in the record.
    pub owner: &'a str,
    /// That of the command.
    pub exit_code: u8,
    /// The plan, and what was said to it: what could not be judged has no part in the outcome.
    pub plan: Option<(&'a Plan, &'a Judgement)>,
}

/// Writes what is not done first, then what the plan could not speak of, then what is done.
///
/// # Errors
/// Those of `out`.
pub fn write_outcome(told: &OutcomeTold<'_>, out: &mut impl Write) -> io::Result<()> {
    let servers = &told.outcome.servers;
    let all: Vec<(&ServerOutcome, &ChangeOutcome)> =
        servers.iter().flat_map(|server| server.changes.iter().map(move |one| (server, one))).collect();
    let (done, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, one)| one.result.is_done());
    let total = done.len() + open.len();
    let said = if open.is_empty() {
        format!("all {} done", count_of(total, "change"))
    } else {
        format!("{} of {} done", thousands_of(done.len()), count_of(total, "change"))
    };
    let besides = told.plan.map(|(plan, _)| text::besides_line(plan)).filter(|line| !line.is_empty());
    let said = besides.map_or_else(|| said.clone(), |besides| format!("{said}; {besides}"));
    let mut head = head("apply", told.owner, &said);
    if told.outcome.was_interrupted {
        head.push_str("\n**Interrupted: from then on nothing new was written.**\n");
    }
    let alarms = servers.iter().flat_map(|server| {
        let name = code(server.server.as_str(), NAME);
        let open = server.open.as_ref();
        let open = open.map(|open| format!("- ❗ open on {name}: {}\n", message(open, MESSAGE)));
        let stopped = server.stopped.as_ref().map(|stopped| {
            format!("- ❗ nothing more was sent to {name}: {}\n", message(&stopped.why, MESSAGE))
        });
        open.into_iter().chain(stopped)
    });
    let put_back: Vec<(&ServerOutcome, &ChangeOutcome)> =
        servers.iter().flat_map(|server| server.put_back.iter().map(move |one| (server, one))).collect();
    let columns = ["", "server", "host", "result", "from"];
    let rows =
        |of: &[(&ServerOutcome, &ChangeOutcome)]| of.iter().map(|(server, one)| row(server, one)).collect();
    let sections = [
        Section { rank: 0, before: "\n".to_owned(), rows: alarms.collect(), after: "" },
        Section { rank: 1, before: format!("\n{}", table(&columns)), rows: rows(&open), after: "" },
        Section {
            rank: 2,
            before: format!("\n{PUT_BACK}\n\n{}", table(&columns)),
            rows: rows(&put_back),
            after: "",
        },
        Section {
            rank: 3,
            before: "\n".to_owned(),
            rows: told.plan.map(|(plan, _)| attention(plan)).unwrap_or_default(),
            after: "",
        },
        Section {
            rank: 4,
            before: "\n".to_owned(),
            rows: told.plan.map(|(_, judgement)| warnings(judgement)).unwrap_or_default(),
            after: "",
        },
        Section {
            rank: 5,
            before: format!("{}{}", details("Done"), table(&columns)),
            rows: rows(&done),
            after: DETAILS_END,
        },
        Section {
            rank: 6,
            before: details("Notes"),
            rows: told.plan.map(|(plan, _)| notes(plan)).unwrap_or_default(),
            after: DETAILS_END,
        },
    ];
    let foot = format!("\nrun {}, exit code {}\n", code(told.run_id, NAME), told.exit_code);
    page::write(&head, &sections, &foot, out)
}

fn row(server: &ServerOutcome, one: &ChangeOutcome) -> String {
    let (sign, _) = text::mark(&one.change.action);
    format!(
        "| {sign} {} | {} | {} | {} | {} |\n",
        text::act(&one.change.action),
        code(server.server.as_str(), NAME),
        code(&text::who(&one.change), NAME),
        result(&one.result),
        code(&one.change.cause.to_string(), NAME),
    )
}

fn result(result: &WriteResult) -> String {
    let why = |word: &str, why: &str| format!("{word}: {}", message(why, MESSAGE));
    match result {
        WriteResult::Done { .. } => "set, and read back".to_owned(),
        WriteResult::AlreadyAsDesired => "found as declared, nothing sent".to_owned(),
        WriteResult::ChangedSincePlan { found } => why("**changed since the plan**, nothing sent", found),
        WriteResult::Held { hold } => why("**held**, nothing sent", &hold.by),
        WriteResult::NotRead { why: text } => why("**not read** before the write, nothing sent", text),
        WriteResult::Refused { why: text } => why("**refused by the server**, nothing changed", text),
        WriteResult::Unknown { why: text } => why("**sent, and not known** whether it is in force", text),
        WriteResult::NotTried { why: text } => why("**not tried**, nothing sent", text),
    }
}
