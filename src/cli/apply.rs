use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::carry_out::{Again, Question, Writing, ended, interrupted, not_confirmed, report};
use super::flags::{FileFlags, Format, GuardFlags, OutputFlags, RenewalFlags, ScopeFlags, seconds};
use super::held_to;
use super::introduce::{introduce, is_ci, whoami};
use super::look::{ReadingBar, show};
use super::observed::ObservedFlags;
use super::plan::PlanFlags;
use super::save::SaveFlags;
use super::start::{Failure, declared, managed, record, rules, runtime, survey_options, take_over};
use super::{Exit, Findings, apply_saved};
use crate::declare::Declared;
use crate::execute::{Pace, Stop};
use crate::guard::{self, Allowance};
use crate::model::{Clock, WallClock};
use crate::record::{AnyStore, Holder, Record};
use crate::report::View;
use crate::session::{
    Connected, HeldTo, Prepared, SurveyOptions, chain, lock_all, recorded_under, spare_renewals, survey,
};
use crate::terminal::{Interrupts, Ui};

#[derive(Debug, Args)]
pub(super) struct ApplyFlags {
    /// A plan that `plan -o` saved: carry out exactly this one, if what it was made on is still so; no files are read
    #[arg(value_name = "PLAN", conflicts_with_all = [
        "files", "limit", "only", "accept_moved", "accept_short_list", "allow", "take_over", "renew_only", "approved",
    ])]
    pub(super) plan: Option<PathBuf>,

    /// Refuse every change that this plan does not have: a file that `plan -o` saved, or the id of a plan that `plan
    /// --save` put into the record. Fewer changes are fine, and renewals need no approval
    #[arg(long, value_name = "PLAN_ID|FILE", conflicts_with = "renew_only")]
    pub(super) approved: Option<String>,

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
        OutputFlags { format: Format::Text, full: self.full }
    }

    pub(super) fn as_plan(&self) -> PlanFlags {
        PlanFlags {
            files: self.files.clone(),
            scope: self.scope.clone(),
            guard: self.guard.clone(),
            output: self.output(),
            renewals: self.renewals,
            observed: ObservedFlags { observed: None, max_age: Duration::ZERO },
            save: SaveFlags::default(),
            detailed_exitcode: false,
            approved: self.approved.clone(),
        }
    }
}

/// What one apply goes by.
pub(super) struct Basis {
    pub(super) options: SurveyOptions,
    /// What may be beyond the files' limits.
    pub(super) allow: Vec<Allowance>,
    pub(super) take_over: BTreeSet<String>,
    pub(super) held_to: HeldTo,
    /// As the record calls it.
    pub(super) command: String,
    /// What flags let pass, as the record tells it.
    pub(super) allowed: Vec<Arc<str>>,
    /// Where the state is.
    pub(super) paths: Vec<PathBuf>,
}

/// Makes the fleet as the files declare it, or as a saved plan does.
pub(super) fn run(ui: &Ui, flags: &ApplyFlags) -> Result<Exit, Failure> {
    if let Some(path) = &flags.plan {
        return apply_saved::run(ui, flags, path);
    }
    let declared = declared(ui, &flags.files)?;
    warn_of_a_record_that_does_not_last(ui, &declared);
    runtime()?.block_on(apply(ui, flags, &declared))
}

async fn apply(ui: &Ui, flags: &ApplyFlags, declared: &Declared) -> Result<Exit, Failure> {
    let record = record(declared)?;
    let basis = Basis {
        options: survey_options(&flags.scope, flags.renewals.renew_only)?,
        allow: flags.guard.limits.allow.clone(),
        take_over: take_over(&flags.guard),
        held_to: held_to::approved(flags.approved.as_deref(), &record).await?,
        command: if flags.renewals.renew_only { "apply --renew-only" } else { "apply" }.to_owned(),
        allowed: allowed(flags),
        paths: flags.files.paths(),
    };
    // A state may run programs for its credentials: Ctrl-C ends those, and us, as anywhere.
    let (servers, _before_the_lock) = managed(ui, declared, &flags.scope, &record).await?;
    apply_locked(ui, flags, declared, &record, &servers, &basis).await
}

/// The walk under the locks, which are given back however it ends.
pub(super) async fn apply_locked(
    ui: &Ui,
    flags: &ApplyFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: &[Connected],
    basis: &Basis,
) -> Result<Exit, Failure> {
    let interrupts = Interrupts::listen(ui)?;
    let mut stop = interrupts.stop();
    let walk = walk(ui, flags, declared, basis, record, servers, &interrupts);
    let ended = tokio::select! {
        exit = walk => exit,
        // What was in flight is settled by the next run, by reading. The lock is not given back: a request may still
        // be on its way, and the time until it expires is for that.
        _ = stop.wait_for(|stop| *stop == Stop::Now) => return Ok(Exit::Interrupted),
    };
    give_back(ui, record).await;
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
    basis: &Basis,
    record: &Record<AnyStore>,
    servers: &[Connected],
    interrupts: &Interrupts,
) -> Result<Exit, Failure> {
    let clock = WallClock;
    let holder = Holder { by: whoami(), pid: std::process::id(), since: clock.now() };
    let looking = async {
        let locks = lock_all(record, servers, &holder, flags.lock_timeout).await.map_err(Failure::Apply)?;
        let bar = ReadingBar::new(ui);
        let survey =
            survey(declared, servers, recorded_under(&locks), &basis.options, &clock, &|at| bar.take(at))
                .await?;
        Ok::<_, Failure>((locks, survey))
    };
    let mut stop = interrupts.stop();
    let (locks, survey) = tokio::select! {
        looked = looking => looked?,
        // Nothing was written yet: there is nothing to finish.
        _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted(ui)),
    };
    let rules = rules(declared, &basis.allow, &basis.take_over, &survey);
    let (plan, refusals) = basis.held_to.judge(spare_renewals(survey.plan.clone(), &rules));
    let findings = Findings::of(&plan);
    let cleared = guard::clear_unless(plan, &rules, refusals);
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
    if let Some(exit) = confirm(ui, flags, changes, interrupts).await? {
        return Ok(Exit::of([findings.reading_exit(), exit]));
    }
    let now = clock.now();
    let mut run = introduce(&basis.command, &declared.owner, basis.allowed.clone(), &basis.paths, now);
    run.plan = basis.held_to.id().map(Into::into);
    let prepared = Prepared { cleared, survey, locks };
    let writing = Writing::new(ui, changes);
    let (outcome, failures) =
        prepared.execute(servers, &run, &clock, &writing, interrupts.stop(), Pace::default()).await;
    drop(writing);
    if changes > 0 {
        let again =
            Again { command: flags.plan.as_ref().map_or("apply", |_| &basis.command), full: flags.full };
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
pub(super) fn warn_of_a_record_that_does_not_last(ui: &Ui, declared: &Declared) {
    if is_ci() && !declared.record.is_declared {
        ui.warn(
            "`CI=true` and no `record:` in the files: the record beside the state will be gone after this job, and \
             every run then renews every isolation; name a lasting folder with `record:`",
        );
    }
}
