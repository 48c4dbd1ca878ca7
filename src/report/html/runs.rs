//! The last runs, as the record tells them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Page;
use super::markup::{attribute, joined, message, text};
use crate::record::{ActOutcome, RecordedRun, RunEnd};
use crate::report::history::{circumstances, when};
use crate::report::words::thousands_of;

pub(super) fn write(page: &Page<'_>, out: &mut impl Write) -> io::Result<()> {
    if page.runs.is_empty() && page.outcome.is_some() {
        return writeln!(
            out,
            "<p class=\"quiet\">This page is of one run: <code>kedrctl history</code> tells of those before it.</p>"
        );
    }
    if page.runs.is_empty() {
        return writeln!(out, "<p class=\"quiet\">The record was not asked.</p>");
    }
    if page.runs.iter().all(|of| matches!(&of.runs, Ok(runs) if runs.is_empty())) {
        return writeln!(out, "<p class=\"quiet\">The record tells of no run.</p>");
    }
    for of in page.runs {
        if page.runs.len() > 1 {
            writeln!(out, "<h3>{}</h3>", text(of.server.as_str()))?;
        }
        match &of.runs {
            Err(why) => {
                writeln!(out, "<p class=\"doubt\">The record could not be read: {}</p>", message(why))?
            }
            Ok(runs) if runs.is_empty() => writeln!(out, "<p class=\"quiet\">No run.</p>")?,
            Ok(runs) => write_table(page, of.server.as_str(), runs, out)?,
        }
    }
    Ok(())
}

fn write_table(page: &Page<'_>, server: &str, runs: &[RecordedRun], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Recent runs on {}\"><table><thead><tr>\
         <th scope=\"col\">Run</th><th scope=\"col\">Begun</th><th scope=\"col\">Command</th><th scope=\"col\">By</th>\
         <th scope=\"col\">Did</th><th scope=\"col\">Ended</th></tr></thead><tbody>",
        attribute(server)
    )?;
    for run in runs {
        let by = format!("{}, owner {}", run.by, run.owner);
        let around = circumstances(run).join("; ");
        let more = if around.is_empty() {
            String::new()
        } else {
            format!("<br><span class=\"quiet\">{}</span>", text(&around))
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}{more}</td><td>{}</td><td>{}</td></tr>",
            text(&run.id),
            text(&when(run.begun_at, page.plan.now)),
            text(&run.command),
            text(&by),
            text(&did(run)),
            text(&ended(run))
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// `3 renew, 1 isolate; 1 not done, 1 open`.
fn did(run: &RecordedRun) -> String {
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut not_done, mut open) = (0, 0);
    for act in &run.acts {
        match &act.outcome {
            ActOutcome::Done { .. } => *done.entry(&act.action).or_default() += 1,
            ActOutcome::NothingToDo => *done.entry("found as declared").or_default() += 1,
            ActOutcome::NotDone { .. } => not_done += 1,
            ActOutcome::Open { .. } => open += 1,
        }
    }
    let done = joined(done.iter().map(|(action, count)| format!("{} {action}", thousands_of(*count))), ", ");
    let beside = [(not_done, "not done"), (open, "open"), (run.holds.len(), "holds left or ended")];
    let beside = beside.into_iter().filter(|(count, _)| *count > 0);
    let beside = joined(beside.map(|(count, what)| format!("{} {what}", thousands_of(count))), ", ");
    let said = joined([done, beside], "; ");
    if said.is_empty() { "nothing".to_owned() } else { said }
}

fn ended(run: &RecordedRun) -> String {
    match &run.end {
        Some(RunEnd::Finished) => "finished".to_owned(),
        Some(RunEnd::Interrupted) => "interrupted".to_owned(),
        Some(RunEnd::Failed { why }) => format!("failed: {why}"),
        None => "never said that it ended".to_owned(),
    }
}
