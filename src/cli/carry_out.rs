//! What apply, the acts by hand and rollback share once a plan is made: the guard, the question, the bar, the outcome, the
//! exit code, the locks.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::Exit;
use super::account::Watch;
use super::look::show;
use super::reports::LengthFlags;
use super::start::{Failure, record_exit};
use crate::execute::{Event, Observer, Outcome, Stop};
use crate::guard::{self, Cleared, Rules};
use crate::model::{HostList, ServerName};
use crate::plan::Plan;
use crate::record::{AnyStore, Record};
use crate::report::{escape, outcome_text};
use crate::session::{RunFailure, chain};
use crate::terminal::{Answer, Interrupts, Palette, Printed, Progress, Ui};

pub(super) fn interrupted(ui: &Ui) -> Exit {
    ui.error("interrupted; nothing was written");
    Exit::Interrupted
}

/// Whichever way a run ends, its locks are not left to expire.
pub(super) async fn give_back(ui: &Ui, record: &Record<AnyStore>) {
    if let Err(error) = record.give_back().await {
        ui.warn(&format!(
            "a lock could not be given back, and ends by itself in about a minute ({})",
            chain(&error)
        ));
    }
}

/// Shows the plan; `None` where the guard refuses it. Of a few things that a person named, each is shown.
pub(super) fn clear(ui: &Ui, plan: Plan, rules: &Rules<'_>) -> Result<Option<Cleared>, Failure> {
    Ok(match guard::clear(plan, rules) {
        Ok((cleared, judgement)) => {
            show(ui, cleared.plan(), &judgement, LengthFlags::FULL)?;
            Some(cleared)
        }
        Err((plan, judgement)) => {
            show(ui, &plan, &judgement, LengthFlags::FULL)?;
            ui.error("refused; nothing was written");
            None
        }
    })
}

/// What a person is asked before the first write.
pub(super) struct Question {
    pub(super) command: &'static str,
    /// What follows on ``Type `yes` to``; safe to print.
    pub(super) act: String,
    /// Nobody has to be asked.
    pub(super) is_answered: bool,
}

/// `None`: go on.
pub(super) async fn not_confirmed(
    ui: &Ui,
    question: &Question,
    interrupts: &Interrupts,
) -> Result<Option<Exit>, Failure> {
    if *interrupts.stop().borrow() != Stop::No {
        return Ok(Some(interrupted(ui)));
    }
    if question.is_answered {
        return Ok(None);
    }
    Ok(match ui.confirm(&question.act, interrupts.stop()).await? {
        Answer::Yes => None,
        Answer::No => {
            ui.error("not confirmed; nothing was written");
            Some(Exit::Refused)
        }
        Answer::NobodyToAsk => {
            ui.error(&format!(
                "not confirmed: there is no terminal to ask at; with `--yes` {} does not ask; nothing was written",
                question.command
            ));
            Some(Exit::Refused)
        }
        Answer::Interrupted => Some(interrupted(ui)),
    })
}

/// How an outcome is shown, and what continues it.
pub(super) struct Again<'a> {
    pub(super) command: &'a str,
    pub(super) full: bool,
}

impl<'a> Again<'a> {
    pub(super) fn options(
        &self,
        palette: Palette,
        run_id: Option<&'a str>,
        listed_after: &'a BTreeMap<ServerName, HostList>,
    ) -> outcome_text::OutcomeOptions<'a> {
        outcome_text::OutcomeOptions { full: self.full, palette, again: self.command, run_id, listed_after }
    }
}

/// Writes what became of a plan; with the run, as its last line.
pub(super) fn report(
    ui: &Ui,
    outcome: &Outcome,
    again: &Again<'_>,
    run_id: Option<&str>,
) -> Result<(), Failure> {
    let listed_after = BTreeMap::new();
    let options = again.options(ui.out_palette(), run_id, &listed_after);
    // Apart from the plan that stands above it.
    match ui.print(|out| writeln!(out).and_then(|()| outcome_text::write(outcome, &options, out)))? {
        Printed::Whole | Printed::PipeClosed => Ok(()),
    }
}

/// Lines of a result.
pub(super) fn print(ui: &Ui, lines: &[String]) -> Result<(), Failure> {
    let lines: Vec<String> = lines.iter().map(|line| escape::line(line).into_owned()).collect();
    match ui.tell(&lines)? {
        Printed::Whole | Printed::PipeClosed => Ok(()),
    }
}

pub(super) fn ended<'a>(
    ui: &Ui,
    outcome: &Outcome,
    failures: impl IntoIterator<Item = &'a RunFailure>,
) -> Exit {
    let mut record = Exit::Done;
    for failure in failures {
        record = Exit::of([record, record_exit(&failure.cause)]);
        let next = match &failure.kept {
            Some(place) => {
                format!(
                    "it is kept in {place}, and the next run on this machine that reaches the record brings it in"
                )
            }
            None => "the next run settles by reading what was done".to_owned(),
        };
        ui.error(&format!(
            "server `{}`: the end of this run could not be recorded ({}); {next}",
            failure.server,
            chain(&failure.cause)
        ));
    }
    Exit::of([Exit::of_outcome(outcome), record])
}

/// What the bar is told, and whoever reads events.
pub(super) struct Writing {
    bar: Progress,
    watch: Option<Watch>,
}

impl Writing {
    pub(super) fn new(ui: &Ui, changes: usize) -> Self {
        Self { bar: ui.progress("writing", changes as u64), watch: None }
    }

    pub(super) fn telling(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }
}

impl Observer for Writing {
    fn notice(&self, event: Event) {
        if let Some(watch) = &self.watch {
            watch.notice(&event);
        }
        match event {
            Event::Ended { .. } => self.bar.advance(),
            Event::Retrying { why: text, .. } | Event::Notice { message: text, .. } => self.bar.say(&text),
        }
    }
}
