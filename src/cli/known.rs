//! What an apply knows of itself, all its turns together: what is told at the end, however it ends.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::Exit;
use super::carry_out::Again;
use super::page::Around;
use super::reports::LengthFlags;
use super::start::Failure;
use crate::diagnostic::Sources;
use crate::execute::{ChangeOutcome, Outcome, ServerOutcome, Stopped, StoppedBy, WriteResult};
use crate::guard::Judgement;
use crate::model::ServerName;
use crate::plan::{Change, Plan, Purpose, Scope, ServerClock, Step};
use crate::record::Recorded;
use crate::report::{Complaint, NoPlan, Told, View, html, markdown, outcome_text, text};
use crate::terminal::Palette;

/// Where there is neither plan nor outcome, this is what failed.
pub(super) const OF_APPLY: (View, &str) = (View::Plan, "apply");

/// What is known by now. A run that waits for locks goes in turns, each with a plan and an outcome of its own.
#[derive(Default)]
pub(super) struct Known {
    shown: Option<(Plan, Judgement, BTreeMap<ServerName, Recorded>)>,
    outcome: Option<Outcome>,
    run: Option<RunOf>,
    /// Shown, and not begun.
    to_come: Vec<Turn>,
    under_way: Option<Turn>,
}

/// What names a run, and what continues it.
#[derive(Clone)]
struct RunOf {
    id: Arc<str>,
    command: String,
}

/// How a command ended, and when that is told.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) ended: &'a Result<Exit, Failure>,
    pub(super) exit: Exit,
    pub(super) now: Timestamp,
}

impl Known {
    /// What will be written, or not. `is_told_again`: a report at the end shows it.
    pub(super) fn plan(
        &mut self,
        plan: &Plan,
        judgement: &Judgement,
        recorded: &BTreeMap<ServerName, Recorded>,
        is_told_again: bool,
    ) {
        self.to_come.push(Turn::of(plan, judgement));
        if !is_told_again {
            return;
        }
        match &mut self.shown {
            None => self.shown = Some((plan.clone(), judgement.clone(), recorded.clone())),
            Some((all, judged, ledgers)) => {
                join(all, plan);
                judged.refusals.extend(judgement.refusals.iter().cloned());
                judged.warnings.extend(judgement.warnings.iter().cloned());
                ledgers.extend(recorded.iter().map(|(server, ledger)| (server.clone(), ledger.clone())));
            }
        }
    }

    /// From now on something may be sent of the plan that was shown last.
    pub(super) fn begin(&mut self, command: &str, run_id: &Arc<str>) {
        self.under_way = self.to_come.pop();
        self.run = Some(RunOf { id: Arc::clone(run_id), command: command.to_owned() });
    }

    pub(super) fn has_begun(&self) -> bool {
        self.run.is_some()
    }

    pub(super) fn ended(&mut self, server: &ServerName, one: &ChangeOutcome) {
        if let Some(turn) = &mut self.under_way {
            turn.ended.push((server.clone(), one.clone()));
        }
    }

    /// What became of what was under way.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        self.under_way = None;
        self.add(outcome.clone());
    }

    /// Nothing more comes: what was under way was cut off, which is whether this returns true, and what was shown
    /// beside it was not begun.
    pub(super) fn close(&mut self) -> bool {
        let cut = self.under_way.take().map(Turn::cut);
        let is_cut = cut.is_some();
        cut.into_iter().for_each(|cut| self.add(cut));
        let to_come = std::mem::take(&mut self.to_come);
        if self.outcome.is_some() {
            to_come.into_iter().for_each(|turn| self.add(turn.not_begun()));
        }
        is_cut
    }

    fn add(&mut self, outcome: Outcome) {
        let all = self.outcome.get_or_insert_default();
        all.servers.extend(outcome.servers);
        all.servers.sort_by(|one, other| one.server.cmp(&other.server));
        all.was_interrupted |= outcome.was_interrupted;
    }

    /// With the run in the record, which there is as soon as something was begun.
    pub(super) fn executed(&self) -> Option<(&Outcome, &str)> {
        Some((self.outcome.as_ref()?, &self.run.as_ref()?.id))
    }

    pub(super) fn run_id(&self) -> Option<&str> {
        self.run.as_ref().map(|run| &*run.id)
    }

    /// What is to be run again where something is left.
    pub(super) fn again(&self, full: bool) -> Again<'_> {
        Again { command: self.run.as_ref().map_or("apply", |run| &run.command), full }
    }

    pub(super) fn write_text(&self, length: LengthFlags, mut out: &mut dyn Write) -> io::Result<()> {
        let out = &mut out;
        if let Some((plan, judgement, _)) = &self.shown {
            let options = length.text_options(View::Plan, Palette::OFF);
            text::plan(plan, judgement, &plan.id(), &options, out)?;
        }
        if let Some((outcome, run_id)) = self.executed() {
            let (again, nobody) = (self.again(length.full), BTreeMap::new());
            writeln!(out)?;
            outcome_text::write(outcome, &again.options(Palette::OFF, Some(run_id), &nobody), out)?;
        }
        Ok(())
    }

    /// What became of it; of what was not begun, the plan, or why there is none.
    pub(super) fn write_markdown(&self, end: End<'_>, mut out: &mut dyn Write) -> io::Result<()> {
        let out = &mut out;
        match (self.executed(), &self.shown) {
            (Some((outcome, run_id)), shown) => {
                let owner = shown.as_ref().map(|(plan, ..)| &*plan.owner).unwrap_or_default();
                let exit_code = end.exit.code();
                let plan = shown.as_ref().map(|(plan, judgement, _)| (plan, judgement));
                let told = markdown::OutcomeTold { outcome, run_id, owner, exit_code, plan };
                markdown::write_outcome(&told, out)
            }
            (None, Some((plan, judgement, recorded))) => {
                let plan_id = plan.id();
                let view = View::Plan;
                let told = Told { plan, judgement, plan_id: &plan_id, view, recorded, since: None };
                markdown::write_not_begun(&told, out)
            }
            (None, None) => end.with_no_plan(|no_plan| markdown::write_failed(no_plan, out)),
        }
    }

    /// The same as a page.
    pub(super) fn write_html(&self, end: End<'_>, full: bool, mut out: &mut dyn Write) -> io::Result<()> {
        let out = &mut out;
        let Some((plan, judgement, recorded)) = &self.shown else {
            return end.with_no_plan(|no_plan| html::write_failed(no_plan, out));
        };
        let plan_id = plan.id();
        let told = Told { plan, judgement, plan_id: &plan_id, view: View::Plan, recorded, since: None };
        let executed = self.executed().map(|(outcome, run_id)| html::Executed { outcome, run_id });
        html::write(&Around::default().page(&told, full, executed), out)
    }
}

impl End<'_> {
    /// Why there is neither plan nor outcome.
    fn with_no_plan<T>(self, tell: impl FnOnce(&NoPlan<'_>) -> T) -> T {
        let (exit_code, now) = (self.exit.code(), self.now);
        let Err(failure) = self.ended else {
            let message =
                if self.exit == Exit::Interrupted { "interrupted" } else { "ended before there was a plan" };
            let message = format!("{message}; nothing was written");
            let complaint = Some(&Complaint { kind: "run", message, server: None });
            let (view, command) = OF_APPLY;
            let (problems, sources) = ([].as_slice(), &Sources::default());
            return tell(&NoPlan { view, command, now, exit_code, problems, sources, complaint });
        };
        failure.with_no_plan(OF_APPLY, now, exit_code, tell)
    }
}

/// Makes one plan of those of two turns, which have no server in common.
fn join(all: &mut Plan, plan: &Plan) {
    all.now = all.now.max(plan.now);
    all.observed_at = all.observed_at.min(plan.observed_at);
    if let (Scope::Renewals { next_due: next }, Scope::Renewals { next_due: another }) =
        (&mut all.scope, plan.scope)
    {
        *next = (*next).into_iter().chain(another).min();
    }
    all.servers.extend(plan.servers.iter().cloned());
    all.servers.sort_by(|one, other| one.server.cmp(&other.server));
}

/// The changes of one plan, and what is known of them while they are written.
struct Turn {
    servers: Vec<(ServerName, ServerClock, Vec<Step>)>,
    ended: Vec<(ServerName, ChangeOutcome)>,
    is_refused: bool,
}

impl Turn {
    fn of(plan: &Plan, judgement: &Judgement) -> Self {
        let clocks = plan.clocks();
        let servers = plan.servers.iter().filter(|server| server.changes().next().is_some());
        let servers = servers.map(|server| {
            let clock = clocks.get(&server.server).copied().unwrap_or(ServerClock::NotGiven);
            (server.server.clone(), clock, server.steps.clone())
        });
        Self { servers: servers.collect(), ended: Vec::new(), is_refused: !judgement.refusals.is_empty() }
    }

    fn not_begun(self) -> Outcome {
        let why = if self.is_refused { "refused, with all of its plan" } else { "its plan was not begun" };
        let result = WriteResult::NotTried { why: why.to_owned() };
        let servers = self.servers.into_iter().map(|(server, clock, steps)| {
            let changes = steps.into_iter().flat_map(|step| step.changes);
            let changes = changes.map(|change| ChangeOutcome { change, result: result.clone() });
            of_server(server, clock, changes.collect())
        });
        Outcome { servers: servers.collect(), was_interrupted: false }
    }

    /// Where nobody waited for the end. Within a step nobody knows what is on its way; no step begins before the
    /// one before it is through.
    fn cut(self) -> Outcome {
        const CUT: &str = "the run was ended at once";
        let mut outcome = Outcome { servers: Vec::new(), was_interrupted: true };
        for (server, clock, steps) in self.servers {
            let here = self.ended.iter().filter(|(name, _)| *name == server);
            let ended: BTreeMap<*const Change, &WriteResult> =
                here.map(|(_, one)| (Arc::as_ptr(&one.change), &one.result)).collect();
            let (mut changes, mut is_behind) = (Vec::new(), false);
            // What hosts gave up for the rule for all hosts is put back where that is not written; no event tells.
            let (mut has_given_up, mut is_taken_up) = (false, false);
            for step in steps {
                let mut is_through = true;
                for change in step.changes {
                    let result = ended.get(&Arc::as_ptr(&change)).map(|result| WriteResult::clone(result));
                    is_through &= result.is_some();
                    let result = result.unwrap_or_else(|| {
                        if is_behind {
                            WriteResult::NotTried { why: format!("{CUT} before it was sent") }
                        } else {
                            WriteResult::Unknown {
                                why: format!(
                                    "{CUT} while this was under way; it may not have been sent at all"
                                ),
                            }
                        }
                    });
                    has_given_up |= step.purpose == Purpose::GiveUp
                        && matches!(result, WriteResult::Done { .. } | WriteResult::Unknown { .. });
                    is_taken_up |= step.purpose == Purpose::ForAll && result.is_done();
                    changes.push(ChangeOutcome { change, result });
                }
                is_behind |= !is_through;
            }
            let open = (has_given_up && !is_taken_up).then(|| {
                "hosts may go without hashes that they gave up to the rule for all hosts; run it again, it looks \
                 anew"
                    .to_owned()
            });
            let stopped = is_behind.then(|| Stopped { why: CUT.to_owned(), by: StoppedBy::Open });
            outcome.servers.push(ServerOutcome { open, stopped, ..of_server(server, clock, changes) });
        }
        outcome
    }
}

fn of_server(server: ServerName, clock: ServerClock, changes: Vec<ChangeOutcome>) -> ServerOutcome {
    ServerOutcome { server, clock, changes, put_back: Vec::new(), open: None, stopped: None }
}
