//! How an apply is told: on stdout in one format, and in files in others.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::Exit;
use super::carry_out::{Again, print, report};
use super::look::show;
use super::page::Around;
use super::reports::{LengthFlags, ReportFile, check};
use super::start::Failure;
use super::whole_file::{Readers, write_whole};
use crate::execute::{self, Outcome};
use crate::guard::Judgement;
use crate::model::ServerName;
use crate::plan::Plan;
use crate::record::Recorded;
use crate::report::json::{self, Event, WriteEnded};
use crate::report::{Told, View, html, markdown, outcome_text, text};
use crate::terminal::{Heard, LineSender, Lines, Palette, Ui};

/// How an apply is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum ApplyFormat {
    /// For people
    Text,
    /// One documented object a line, while it goes on; needs `--yes`
    Json,
    /// A comment, at the end; needs `--yes`
    Markdown,
    /// One page for a browser, at the end; needs `--yes`
    Html,
}

#[derive(Debug, Clone, Args)]
pub(super) struct AccountFlags {
    /// How it is told on stdout
    #[arg(long, value_enum, default_value_t = ApplyFormat::Text)]
    pub(super) format: ApplyFormat,

    /// Write it into a file too, such as `json=apply.jsonl`; repeatable, whole or not at all
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub(super) reports: Vec<ReportFile<ApplyFormat>>,

    #[command(flatten)]
    pub(super) length: LengthFlags,
}

impl AccountFlags {
    fn has(&self, format: ApplyFormat) -> bool {
        self.format == format || self.reports.iter().any(|report| report.format == format)
    }
}

/// Where there is neither plan nor outcome, this is what failed.
const OF_APPLY: (View, &str) = (View::Plan, "apply");

/// What is told while an apply goes on.
pub(super) struct Account<'a> {
    ui: &'a Ui,
    flags: &'a AccountFlags,
    events: Option<Events>,
    lines: Option<Lines>,
    told: Mutex<Known>,
}

/// What is known by now.
#[derive(Default)]
struct Known {
    shown: Option<(Plan, Judgement, BTreeMap<ServerName, Recorded>)>,
    outcome: Option<(Outcome, Arc<str>)>,
}

impl Known {
    fn write_text(&self, length: LengthFlags, mut out: &mut dyn Write) -> io::Result<()> {
        let out = &mut out;
        if let Some((plan, judgement, _)) = &self.shown {
            let options = length.text_options(View::Plan, Palette::OFF);
            text::plan(plan, judgement, &plan.id(), &options, out)?;
        }
        if let Some((outcome, run_id)) = &self.outcome {
            let again = Again { command: "apply", full: length.full };
            writeln!(out)?;
            outcome_text::write(outcome, &again.options(Palette::OFF, Some(run_id), &BTreeMap::new()), out)?;
        }
        Ok(())
    }
}

impl Known {
    /// What became of it; of what was not begun, the plan, or why there is none.
    fn write_markdown(
        &self,
        ended: &Result<Exit, Failure>,
        (exit, now): (Exit, Timestamp),
        mut out: &mut dyn Write,
    ) -> io::Result<()> {
        let out = &mut out;
        match (&self.outcome, &self.shown, ended) {
            (Some((outcome, run_id)), shown, _) => {
                let owner = shown.as_ref().map(|(plan, ..)| &*plan.owner).unwrap_or_default();
                let exit_code = exit.code();
                let told = markdown::OutcomeTold { outcome, run_id, owner, exit_code };
                markdown::write_outcome(&told, out)
            }
            (None, Some((plan, judgement, recorded)), _) => {
                let plan_id = plan.id();
                let view = View::Plan;
                let told = Told { plan, judgement, plan_id: &plan_id, view, recorded, since: None };
                markdown::write_not_begun(&told, out)
            }
            (None, None, Err(failure)) => failure
                .with_no_plan(OF_APPLY, now, exit.code(), |no_plan| markdown::write_failed(no_plan, out)),
            // Interrupted before there was anything to tell.
            (None, None, Ok(_)) => Ok(()),
        }
    }

    /// The same as a page.
    fn write_html(
        &self,
        ended: &Result<Exit, Failure>,
        (exit, now): (Exit, Timestamp),
        full: bool,
        mut out: &mut dyn Write,
    ) -> io::Result<()> {
        let out = &mut out;
        match (&self.shown, ended) {
            (Some((plan, judgement, recorded)), _) => {
                let plan_id = plan.id();
                let told =
                    Told { plan, judgement, plan_id: &plan_id, view: View::Plan, recorded, since: None };
                let executed =
                    self.outcome.as_ref().map(|(outcome, run_id)| html::Executed { outcome, run_id });
                html::write(&Around::default().page(&told, full, executed), out)
            }
            (None, Err(failure)) => {
                failure.with_no_plan(OF_APPLY, now, exit.code(), |no_plan| html::write_failed(no_plan, out))
            }
            (None, Ok(_)) => Ok(()),
        }
    }
}

/// Where events go: out at once, and kept for files.
#[derive(Clone)]
pub(super) struct Events {
    /// For its clock.
    ui: Ui,
    lines: Option<LineSender>,
    kept: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Events {
    pub(super) fn tell(&self, event: Event) {
        let mut line = Vec::new();
        // Memory takes everything; and what could not be written must not stop what is under way.
        if json::write_event(event, self.ui.clock().now(), &mut line).is_err() {
            return;
        }
        if let Some(kept) = &self.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&line);
        }
        if let Some(lines) = &self.lines {
            lines.send(line);
        }
    }
}

impl<'a> Account<'a> {
    /// Does the work, and tells how it ended, whatever happens.
    pub(super) fn of(
        ui: &'a Ui,
        flags: &'a AccountFlags,
        is_yes: bool,
        work: impl FnOnce(&Self) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        let account = Self::begin(ui, flags);
        let ended = check(flags.reports.iter().map(|report| report.path.as_path()))
            .and_then(|()| account.needs_nobody(is_yes))
            .and_then(|()| work(&account));
        account.end(ended)
    }

    fn begin(ui: &'a Ui, flags: &'a AccountFlags) -> Self {
        if flags.format != ApplyFormat::Text {
            ui.keep_stdout_for_programs();
        }
        let lines = (flags.format == ApplyFormat::Json).then(|| ui.lines());
        let is_kept = flags.reports.iter().any(|report| report.format == ApplyFormat::Json);
        let events = flags.has(ApplyFormat::Json).then(|| Events {
            ui: ui.clone(),
            lines: lines.as_ref().map(Lines::sender),
            kept: is_kept.then(Arc::default),
        });
        if let Some(events) = events.clone() {
            ui.listen(move |heard| {
                events.tell(match heard {
                    Heard::Warning(message) => Event::Warning { message: message.to_owned() },
                    Heard::Error(message) => Event::Error(json::Error {
                        kind: "run".to_owned(),
                        message: message.to_owned(),
                        server: None,
                        problem: None,
                    }),
                });
            });
        }
        Self { ui, flags, events, lines, told: Mutex::default() }
    }

    /// A person who is asked has to see the plan, and stdout is not for them.
    fn needs_nobody(&self, is_yes: bool) -> Result<(), Failure> {
        let format = match self.flags.format {
            ApplyFormat::Text => return Ok(()),
            ApplyFormat::Json => "json",
            ApplyFormat::Markdown => "markdown",
            ApplyFormat::Html => "html",
        };
        if is_yes {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "`--format {format}` is for programs, and nobody is asked there: add `--yes`, or keep text on stdout and \
             write `--report {format}=FILE`"
        )))
    }

    pub(super) fn events(&self) -> Option<Events> {
        self.events.clone()
    }

    /// What will be written, or, where the guard refuses it, will not be.
    pub(super) fn plan(
        &self,
        plan: &Plan,
        judgement: &Judgement,
        recorded: &BTreeMap<ServerName, Recorded>,
    ) -> Result<(), Failure> {
        if let Some(events) = &self.events {
            let plan_id = plan.id();
            let told = Told { plan, judgement, plan_id: &plan_id, view: View::Plan, recorded, since: None };
            events.tell(Event::Plan { plan: Box::new(json::document(&told)) });
        }
        if self.is_told_again() {
            self.known().shown = Some((plan.clone(), judgement.clone(), recorded.clone()));
        }
        match self.flags.format {
            ApplyFormat::Text => show(self.ui, plan, judgement, self.flags.length),
            ApplyFormat::Json | ApplyFormat::Markdown | ApplyFormat::Html => Ok(()),
        }
    }

    /// What became of it.
    pub(super) fn outcome(&self, outcome: &Outcome, command: &str, run_id: &Arc<str>) -> Result<(), Failure> {
        if self.events.is_some() || self.is_told_again() {
            self.known().outcome = Some((outcome.clone(), Arc::clone(run_id)));
        }
        match self.flags.format {
            ApplyFormat::Text => {
                let again = Again { command, full: self.flags.length.full };
                report(self.ui, outcome, &again, None)
            }
            ApplyFormat::Json | ApplyFormat::Markdown | ApplyFormat::Html => Ok(()),
        }
    }

    /// The last line: what names the run.
    pub(super) fn run(&self, run_id: &str) -> Result<(), Failure> {
        match self.flags.format {
            ApplyFormat::Text => print(self.ui, &[format!("run {run_id}")]),
            // The outcome says it.
            ApplyFormat::Json | ApplyFormat::Markdown | ApplyFormat::Html => Ok(()),
        }
    }

    /// Whether it is told again at the end, in a format that tells all at once.
    fn is_told_again(&self) -> bool {
        self.flags.has(ApplyFormat::Markdown)
            || self.flags.has(ApplyFormat::Html)
            || self.flags.reports.iter().any(|report| report.format == ApplyFormat::Text)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Last, with the exit code. A result that could not be told is an error of its own.
    fn end(self, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
        self.ui.unheard();
        let exit = match &ended {
            Ok(exit) => *exit,
            Err(failure) => failure.exit(),
        };
        let now = self.ui.clock().now();
        let known = std::mem::take(&mut *self.known());
        if let Some(events) = &self.events {
            if let Err(failure) = &ended {
                let errors = failure.with_no_plan(OF_APPLY, now, exit.code(), json::errors);
                errors.into_iter().for_each(|error| events.tell(Event::Error(error)));
            }
            let outcome = known.outcome.as_ref();
            events.tell(Event::Outcome(json::Outcome::of(
                outcome.map(|(outcome, _)| outcome),
                outcome.map(|(_, run)| &**run),
                exit.code(),
            )));
        }
        let kept = self.events.as_ref().and_then(|events| events.kept.clone());
        drop(self.events);
        let printed = match self.lines {
            Some(lines) => lines.end().map(drop).map_err(Failure::Output),
            None => Ok(()),
        };
        let mut written = Ok(());
        for report in &self.flags.reports {
            let one = write_whole(&report.path, Readers::AsUsual, |out| match report.format {
                ApplyFormat::Text => known.write_text(self.flags.length, out),
                ApplyFormat::Markdown => known.write_markdown(&ended, (exit, now), out),
                ApplyFormat::Html => known.write_html(&ended, (exit, now), self.flags.length.full, out),
                ApplyFormat::Json => match &kept {
                    Some(kept) => out.write_all(&kept.lock().unwrap_or_else(PoisonError::into_inner)),
                    None => Ok(()),
                },
            });
            written = written.and(one);
        }
        let at_the_end = match self.flags.format {
            ApplyFormat::Markdown => {
                Some(self.ui.print(|out| known.write_markdown(&ended, (exit, now), out)))
            }
            ApplyFormat::Html => {
                let full = self.flags.length.full;
                Some(self.ui.print(|out| known.write_html(&ended, (exit, now), full, out)))
            }
            ApplyFormat::Text | ApplyFormat::Json => None,
        };
        if let Some(told) = at_the_end {
            written = written.and(told.map(drop).map_err(Failure::Output));
        }
        match (ended, printed.and(written)) {
            (Ok(exit), Ok(())) => Ok(exit),
            (Err(failure), _) => Err(failure),
            // What was done is done, whoever could be told of it.
            (Ok(exit), Err(failure)) => {
                self.ui.error(&failure.to_string());
                Ok(Exit::of([exit, failure.exit()]))
            }
        }
    }
}

/// What an observer tells of one event of the execution.
pub(super) fn event_of(event: &execute::Event) -> Event {
    match event {
        execute::Event::Ended { server, outcome } => {
            Event::WriteEnded(Box::new(WriteEnded::of(server, outcome)))
        }
        execute::Event::Retrying { server, why } => {
            Event::Retry { server: server.to_string(), why: why.clone() }
        }
        execute::Event::Notice { server, message } => {
            Event::Warning { message: format!("server `{server}`: {message}") }
        }
    }
}
