//! How an apply is told: on stdout in one format, and in files in others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::{Args, ValueEnum};

use super::Exit;
use super::carry_out::{print, report};
use super::known::{End, Known, OF_APPLY};
use super::look::show;
use super::reports::{LengthFlags, ReportFile, check, on_stdout};
use super::start::Failure;
use super::whole_file::{Readers, write_whole};
use crate::execute::{self, Outcome};
use crate::guard::Judgement;
use crate::model::ServerName;
use crate::plan::Plan;
use crate::record::Recorded;
use crate::report::json::{self, Event, WriteEnded};
use crate::report::{Told, View};
use crate::terminal::{Heard, LineSender, Lines, Ui};

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

/// What is told while an apply goes on.
pub(super) struct Account<'a> {
    ui: &'a Ui,
    flags: &'a AccountFlags,
    events: Option<Events>,
    lines: Option<Lines>,
    told: Arc<Mutex<Known>>,
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

/// Who is told while changes are written, and keeps what became of them.
#[derive(Clone)]
pub(super) struct Watch {
    events: Option<Events>,
    told: Arc<Mutex<Known>>,
}

impl Watch {
    pub(super) fn notice(&self, event: &execute::Event) {
        if let Some(events) = &self.events {
            events.tell(event_of(event));
        }
        match event {
            execute::Event::Ended { server, outcome } => lock(&self.told).ended(server, outcome),
            execute::Event::Retrying { .. } | execute::Event::Notice { .. } => {}
        }
    }
}

fn lock(told: &Mutex<Known>) -> MutexGuard<'_, Known> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Account<'a> {
    /// Does the work, and tells how it ended, whatever happens.
    pub(super) fn of(
        ui: &'a Ui,
        flags: &'a AccountFlags,
        is_yes: bool,
        work: impl FnOnce(&Self) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        let account = Self::new(ui, flags);
        let ended = check(flags.reports.iter().map(|report| report.path.as_path()))
            .and_then(|()| account.needs_nobody(is_yes))
            .and_then(|()| work(&account));
        account.end(ended)
    }

    fn new(ui: &'a Ui, flags: &'a AccountFlags) -> Self {
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
        Self { ui, flags, events, lines, told: Arc::default() }
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

    pub(super) fn watch(&self) -> Watch {
        Watch { events: self.events.clone(), told: Arc::clone(&self.told) }
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
        self.known().plan(plan, judgement, recorded, self.is_told_again());
        match self.flags.format {
            ApplyFormat::Text => show(self.ui, plan, judgement, self.flags.length),
            ApplyFormat::Json | ApplyFormat::Markdown | ApplyFormat::Html => Ok(()),
        }
    }

    /// From now on something may be sent of the plan that was told last.
    pub(super) fn begin(&self, command: &str, run_id: &Arc<str>) {
        self.known().begin(command, run_id);
    }

    /// Whether something may have been sent.
    pub(super) fn has_begun(&self) -> bool {
        self.known().has_begun()
    }

    /// What became of it.
    pub(super) fn outcome(&self, outcome: &Outcome) -> Result<(), Failure> {
        let mut known = self.known();
        known.outcome(outcome);
        match self.flags.format {
            ApplyFormat::Text => report(self.ui, outcome, &known.again(self.flags.length.full), None),
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

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.told)
    }

    /// Last, with the exit code. A result that could not be told is an error of its own.
    fn end(self, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
        self.ui.unheard();
        let exit = match &ended {
            Ok(exit) => *exit,
            Err(failure) => failure.exit(),
        };
        let now = self.ui.clock().now();
        let mut known = std::mem::take(&mut *self.known());
        let is_cut = known.close();
        if let Some(events) = &self.events {
            if let Err(failure) = &ended {
                let errors = failure.with_no_plan(OF_APPLY, now, exit.code(), json::errors);
                errors.into_iter().for_each(|error| events.tell(Event::Error(error)));
            }
            let outcome = known.executed().map(|(outcome, _)| outcome);
            events.tell(Event::Outcome(json::Outcome::of(outcome, known.run_id(), exit.code())));
        }
        let kept = self.events.as_ref().and_then(|events| events.kept.clone());
        drop(self.events);
        let printed = match self.lines {
            Some(lines) => lines.end().map(drop).map_err(on_stdout),
            None => Ok(()),
        };
        let (mut written, end) = (Ok(()), End { ended: &ended, exit, now });
        for report in &self.flags.reports {
            let one = write_whole(&report.path, Readers::AsUsual, |out| match report.format {
                ApplyFormat::Text => known.write_text(self.flags.length, out),
                ApplyFormat::Markdown => known.write_markdown(end, out),
                ApplyFormat::Html => known.write_html(end, self.flags.length.full, out),
                ApplyFormat::Json => match &kept {
                    Some(kept) => out.write_all(&kept.lock().unwrap_or_else(PoisonError::into_inner)),
                    None => Ok(()),
                },
            });
            written = written.and(one);
        }
        let at_the_end = match self.flags.format {
            ApplyFormat::Markdown => {
                Some(self.ui.print(|out| known.write_markdown(end, out)).map(drop).map_err(on_stdout))
            }
            ApplyFormat::Html => {
                let full = self.flags.length.full;
                let printed = self.ui.print(|out| known.write_html(end, full, out));
                Some(printed.map(drop).map_err(on_stdout))
            }
            // Else it was told when it ended.
            ApplyFormat::Text if is_cut => {
                let again = known.again(self.flags.length.full);
                known.executed().map(|(outcome, run)| report(self.ui, outcome, &again, Some(run)))
            }
            ApplyFormat::Text | ApplyFormat::Json => None,
        };
        written = written.and(at_the_end.unwrap_or(Ok(())));
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
fn event_of(event: &execute::Event) -> Event {
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
