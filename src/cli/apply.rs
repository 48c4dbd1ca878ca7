use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use super::flags::ApplyFlags;
use super::introduce::{introduce, is_ci, whoami};
use super::look::{ReadingBar, show};
use super::start::{
    Failure, declared, managed, record, record_exit, rules, runtime, survey_options, take_over,
};
use super::{Exit, Findings};
use crate::declare::Declared;
use crate::execute::{Event, Observer, Outcome, Pace, Stop, StoppedBy};
use crate::guard;
use crate::model::{Clock, WallClock};
use crate::record::{AnyStore, Holder, Record};
use crate::report::{View, outcome_text};
use crate::session::{
    Connected, Prepared, Run, RunFailure, chain, lock_all, recorded_under, spare_renewals, survey,
};
use crate::terminal::{Answer, Interrupts, Printed, Progress, Ui};

/// Makes the fleet as the files declare it.
pub(super) fn run(ui: &Ui, flags: &ApplyFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    warn_of_a_record_that_does_not_last(ui, &declared);
    runtime()?.block_on(apply(ui, flags, &declared))
}

async fn apply(ui: &Ui, flags: &ApplyFlags, declared: &Declared) -> Result<Exit, Failure> {
    let record = record(declared)?;
    // A state may run programs for its credentials: Ctrl-C ends those, and us, as anywhere.
    let (servers, _before_the_lock) = managed(ui, declared, &flags.scope, &record).await?;
    let interrupts = Interrupts::listen(ui)?;
    let mut stop = interrupts.stop();
    let walk = walk(ui, flags, declared, &record, &servers, &interrupts);
    let ended = tokio::select! {
        exit = walk => exit,
        // What was in flight is settled by the next run, by reading. The lock is not given back: a request may still
        // be on its way, and the time until it expires is for that.
        _ = stop.wait_for(|stop| *stop == Stop::Now) => return Ok(Exit::Interrupted),
    };
    give_back(ui, &record).await;
    ended
}

/// Whichever way a run ends, its locks are not left to expire.
async fn give_back(ui: &Ui, record: &Record<AnyStore>) {
    if let Err(error) = record.give_back().await {
        ui.warn(&format!(
            "a lock could not be given back, and ends by itself in about a minute ({})",
            chain(&error)
        ));
    }
}

async fn walk(
    ui: &Ui,
    flags: &ApplyFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: &[Connected],
    interrupts: &Interrupts,
) -> Result<Exit, Failure> {
    let clock = WallClock;
    let options = survey_options(&flags.scope, flags.renewals.renew_only)?;
    let holder = Holder { by: whoami(), pid: std::process::id(), since: clock.now() };
    let looking = async {
        let locks = lock_all(record, servers, &holder, flags.lock_timeout).await.map_err(Failure::Apply)?;
        let bar = ReadingBar::new(ui);
        let survey =
            survey(declared, servers, recorded_under(&locks), &options, &clock, &|at| bar.take(at)).await?;
        Ok::<_, Failure>((locks, survey))
    };
    let mut stop = interrupts.stop();
    let (locks, survey) = tokio::select! {
        looked = looking => looked?,
        // Nothing was written yet: there is nothing to finish.
        _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted(ui)),
    };
    let take_over = take_over(&flags.guard);
    let rules = rules(declared, &flags.guard.allow, &take_over, &survey);
    let plan = spare_renewals(survey.plan.clone(), &rules);
    let findings = Findings::of(&plan);
    let cleared = guard::clear(plan, &rules);
    let (cleared, judgement) = match cleared {
        Ok(cleared) => cleared,
        Err((plan, judgement)) => {
            show(ui, &plan, &judgement, View::Plan, &flags.output())?;
            ui.error("refused; nothing was written");
            return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
        }
    };
    show(ui, cleared.plan(), &judgement, View::Plan, &flags.output())?;
    let changes = cleared.plan().changes().count();
    if let Some(exit) = not_confirmed(ui, flags, changes, interrupts).await? {
        return Ok(Exit::of([findings.reading_exit(), exit]));
    }
    let now = clock.now();
    let run = introduce(
        if flags.renewals.renew_only { "apply --renew-only" } else { "apply" },
        &declared.owner,
        allowed(flags),
        &flags.files.paths(),
        now,
    );
    let prepared = Prepared { cleared, survey, locks };
    let writing = Writing { bar: ui.progress("writing", changes as u64) };
    let (outcome, failures) =
        prepared.execute(servers, &run, &clock, &writing, interrupts.stop(), Pace::default()).await;
    drop(writing);
    if changes > 0 {
        report(ui, flags, &outcome, &run)?;
    }
    Ok(Exit::of([findings.reading_exit(), ended(ui, &outcome, &failures)]))
}

fn interrupted(ui: &Ui) -> Exit {
    ui.error("interrupted; nothing was written");
    Exit::Interrupted
}

/// `None`: go on. Where there is nothing to write, nobody is asked.
async fn not_confirmed(
    ui: &Ui,
    flags: &ApplyFlags,
    changes: usize,
    interrupts: &Interrupts,
) -> Result<Option<Exit>, Failure> {
    if *interrupts.stop().borrow() != Stop::No {
        return Ok(Some(interrupted(ui)));
    }
    if changes == 0 || flags.yes {
        return Ok(None);
    }
    let act =
        if changes == 1 { "apply this change".to_owned() } else { format!("apply these {changes} changes") };
    Ok(match ui.confirm(&act, interrupts.stop()).await? {
        Answer::Yes => None,
        Answer::No => {
            ui.error("not confirmed; nothing was written");
            Some(Exit::Refused)
        }
        Answer::NobodyToAsk => {
            ui.error("not confirmed: there is no terminal to ask at; with `--yes` apply does not ask; nothing was written");
            Some(Exit::Refused)
        }
        Answer::Interrupted => Some(interrupted(ui)),
    })
}

fn report(ui: &Ui, flags: &ApplyFlags, outcome: &Outcome, run: &Run) -> Result<(), Failure> {
    let options = outcome_text::OutcomeOptions {
        full: flags.full,
        palette: ui.out_palette(),
        run_id: Some(&run.id),
        listed_after: &BTreeMap::new(),
    };
    // Apart from the plan that stands above it.
    match ui.print(|out| writeln!(out).and_then(|()| outcome_text::write(outcome, &options, out)))? {
        Printed::Whole | Printed::PipeClosed => Ok(()),
    }
}

fn ended(ui: &Ui, outcome: &Outcome, failures: &[RunFailure]) -> Exit {
    for failure in failures {
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
    let stopped = outcome.servers.iter().filter_map(|server| server.stopped.as_ref());
    let is_lost = stopped.into_iter().any(|stopped| stopped.by == StoppedBy::Record);
    let is_whole = outcome.servers.iter().all(|server| {
        server.stopped.is_none() && server.changes.iter().all(|change| change.result.is_done())
    });
    Exit::of([
        if outcome.was_interrupted { Exit::Interrupted } else { Exit::Done },
        Exit::of(failures.iter().map(|failure| record_exit(&failure.cause))),
        if is_lost { Exit::Unreachable } else { Exit::Done },
        if is_whole { Exit::Done } else { Exit::Incomplete },
    ])
}

/// What the bar is told.
struct Writing {
    bar: Progress,
}

impl Observer for Writing {
    fn notice(&self, event: Event) {
        match event {
            Event::Ended { .. } => self.bar.advance(),
            Event::Retrying { why, .. } => self.bar.say(&why),
        }
    }
}

/// What this run's flags let pass.
fn allowed(flags: &ApplyFlags) -> Vec<Arc<str>> {
    let allowed = flags.guard.allow.iter().map(|allowed| format!("--allow {allowed}"));
    let taken = flags.guard.take_over.iter().map(|subject| format!("--take-over {subject}"));
    let moved = flags.scope.accept_moved.iter().map(|host| format!("--accept-moved {host}"));
    let short = flags.scope.accept_short_list.then(|| "--accept-short-list".to_owned());
    allowed.chain(taken).chain(moved).chain(short).map(Into::into).collect()
}

/// A CI job's working folder is gone after the job, and with it the evidence of when rules end.
fn warn_of_a_record_that_does_not_last(ui: &Ui, declared: &Declared) {
    if is_ci() && !declared.record.is_declared {
        ui.warn(
            "`CI=true` and no `record:` in the files: the record beside the state will be gone after this job, and \
             every run then renews every isolation; name a lasting folder with `record:`",
        );
    }
}
