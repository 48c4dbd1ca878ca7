use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::carry_out::{Again, Question, Writing, ended, interrupted, not_confirmed, report};
use super::flags::{FileFlags, GuardFlags, OutputFlags, PlanFormat, RenewalFlags, ScopeFlags, seconds};
use super::introduce::{introduce, is_ci, whoami};
use super::look::{ReadingBar, show};
use super::observed::ObservedFlags;
use super::page::Around;
use super::plan::PlanFlags;
use super::start::{Failure, declared, managed, record, rules, runtime, survey_options, take_over};
use super::{Exit, Findings};
use crate::declare::Declared;
use crate::execute::{Pace, Stop};
use crate::guard;
use crate::model::{Clock, WallClock};
use crate::record::{AnyStore, Holder, Record};
use crate::report::View;
use crate::session::{Connected, Prepared, chain, lock_all, recorded_under, spare_renewals, survey};
use crate::terminal::{Interrupts, Ui};

#[derive(Debug, Args)]
pub(super) struct ApplyFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) guard: GuardFlags,
    #[command(flatten)]
    pub(super) renewals: RenewalFlags,

    /// Show long lists whole instead of cutting them with a count
    #[arg(long)]
    pub(super) full: bool,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long, alias = "auto-approve")]
    pub(super) yes: bool,

    /// Only show the plan, as `plan` does
    #[arg(long)]
    pub(super) check: bool,

    /// How long to wait for another run on the same server, such as `90s` or `5m`
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = seconds)]
    pub(super) lock_timeout: Duration,
}

impl ApplyFlags {
    pub(super) fn output(&self) -> OutputFlags {
        OutputFlags { format: PlanFormat::Text, full: self.full }
    }

    pub(super) fn as_plan(&self) -> PlanFlags {
        PlanFlags {
            files: self.files.clone(),
            scope: self.scope.clone(),
            guard: self.guard.clone(),
            output: self.output(),
            renewals: self.renewals,
            observed: ObservedFlags { observed: None, max_age: Duration::ZERO },
            detailed_exitcode: false,
        }
    }
}

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
    let rules = rules(declared, &flags.guard.limits.allow, &take_over, &survey);
    let plan = spare_renewals(survey.plan.clone(), &rules);
    let findings = Findings::of(&plan);
    let cleared = guard::clear(plan, &rules);
    let (cleared, judgement) = match cleared {
        Ok(cleared) => cleared,
        Err((plan, judgement)) => {
            show(ui, &plan, &judgement, View::Plan, &Around::default(), &flags.output())?;
            ui.error("refused; nothing was written");
            return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
        }
    };
    show(ui, cleared.plan(), &judgement, View::Plan, &Around::default(), &flags.output())?;
    let changes = cleared.plan().changes().count();
    if let Some(exit) = confirm(ui, flags, changes, interrupts).await? {
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
    let writing = Writing::new(ui, changes);
    let (outcome, failures) =
        prepared.execute(servers, &run, &clock, &writing, interrupts.stop(), Pace::default()).await;
    drop(writing);
    if changes > 0 {
        let again = Again { command: "apply", full: flags.full };
        report(ui, &outcome, &again, Some(&run.id))?;
    }
    Ok(Exit::of([findings.reading_exit(), ended(ui, &outcome, &failures)]))
}

/// Where there is nothing to write, nobody is asked.
async fn confirm(
    ui: &Ui,
    flags: &ApplyFlags,
    changes: usize,
    interrupts: &Interrupts,
) -> Result<Option<Exit>, Failure> {
    let act =
        if changes == 1 { "apply this change".to_owned() } else { format!("apply these {changes} changes") };
    not_confirmed(ui, &Question { command: "apply", act, is_answered: changes == 0 || flags.yes }, interrupts)
        .await
}

/// What this run's flags let pass.
fn allowed(flags: &ApplyFlags) -> Vec<Arc<str>> {
    let allowed = flags.guard.limits.allow.iter().map(|allowed| format!("--allow {allowed}"));
    let taken = flags.guard.owner.take_over.iter().map(|subject| format!("--take-over {subject}"));
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
