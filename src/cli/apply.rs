use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::account::{Account, AccountFlags, ApplyFormat};
use super::carry_out::{Question, Writing, ended, give_back, interrupted, not_confirmed};
use super::contact::{self, ContactFlags};
use super::flags::{FileFlags, GuardFlags, RenewalFlags, ScopeFlags, seconds};
use super::follow::{FollowFlags, done, follow, there};
use super::held_to;
use super::introduce::{introduce, is_ci, let_pass, whoami};
use super::look::ReadingBar;
use super::managed::{Managed, managed, none_works};
use super::observed::ObservedFlags;
use super::plan::PlanFlags;
use super::reports::{OutputFlags, PlanFormat, ReportFile};
use super::save::SaveFlags;
use super::start::{Failure, declared, record, rules, runtime, survey_options, take_over};
use super::{Exit, Findings, apply_saved};
use crate::declare::Declared;
use crate::execute::{BatchSizes, MaxFailures, Pace, Rollout, Stop};
use crate::guard::{self, Allowance};
use crate::model::ServerName;
use crate::record::{AnyStore, Holder, Record};
use crate::session::{
    Connected, HeldTo, Locks, Prepared, Run, SurveyOptions, Turns, chain, left_out, lock_all, spare_renewals,
    survey,
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
    /// --save` put into the record. Fewer changes are fine, and renewals that set
    /// nothing but a later end need no approval
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

    #[command(flatten)]
    pub(super) account: AccountFlags,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long, alias = "auto-approve")]
    pub(super) yes: bool,

    /// Only show the plan, as `plan` does
    #[arg(long, conflicts_with_all = ["wait", "wait_contact", "batch", "max_failures"])]
    pub(super) check: bool,

    /// Write each step in batches, such as `1,10%,100%`: so many of its changes at first, then so many, …; the last
    /// repeats. Each is written and read back before the next begins
    #[arg(long, value_name = "SIZES")]
    pub(super) batch: Option<BatchSizes>,

    /// Send nothing more to a server once more than so many of its changes (or `N%` of those in its plan) ended not
    /// done; judged after each batch, without --batch after at most 100 changes and after each release [default: go on]
    #[arg(long, value_name = "N")]
    pub(super) max_failures: Option<MaxFailures>,

    #[command(flatten)]
    pub(super) contact: ContactFlags,

    #[command(flatten)]
    pub(super) follow: FollowFlags,

    /// How long to wait for another run on the same server, such as `90s` or `5m`. Servers that are still locked then are
    /// left out
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = seconds)]
    pub(super) lock_timeout: Duration,
}

impl ApplyFlags {
    pub(super) fn as_plan(&self) -> PlanFlags {
        PlanFlags {
            files: self.files.clone(),
            scope: self.scope.clone(),
            guard: self.guard.clone(),
            output: OutputFlags {
                format: as_of_plan(self.account.format),
                reports: self
                    .account
                    .reports
                    .iter()
                    .map(|report| ReportFile { format: as_of_plan(report.format), path: report.path.clone() })
                    .collect(),
                length: self.account.length,
            },
            renewals: self.renewals,
            observed: ObservedFlags { observed: None, max_age: Duration::ZERO },
            save: SaveFlags::default(),
            detailed_exitcode: false,
            approved: self.approved.clone(),
        }
    }
}

fn as_of_plan(format: ApplyFormat) -> PlanFormat {
    match format {
        ApplyFormat::Text => PlanFormat::Text,
        ApplyFormat::Json => PlanFormat::Json,
        ApplyFormat::Markdown => PlanFormat::Markdown,
        ApplyFormat::Html => PlanFormat::Html,
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
    if flags.follow.wait && flags.renewals.renew_only {
        return Err(Failure::Usage("`--renew-only` starts no program that `--wait` could follow".to_owned()));
    }
    // What makes no sense is refused before anything is written.
    flags.follow.patience()?;
    Account::of(ui, &flags.account, flags.yes, |account| {
        if let Some(path) = &flags.plan {
            return apply_saved::run(ui, flags, path, account);
        }
        let declared = declared(ui, &flags.files)?;
        warn_of_a_record_that_does_not_last(ui, &declared);
        runtime()?.block_on(apply(ui, flags, &declared, account))
    })
}

async fn apply(
    ui: &Ui,
    flags: &ApplyFlags,
    declared: &Declared,
    account: &Account<'_>,
) -> Result<Exit, Failure> {
    let record = record(declared)?;
    let (scope, guard) = (&flags.scope, &flags.guard);
    let (allow, taken) = (&guard.limits.allow, &guard.owner.take_over);
    let basis = Basis {
        options: survey_options(scope, flags.renewals.renew_only)?,
        allow: allow.clone(),
        take_over: take_over(guard),
        held_to: held_to::approved(flags.approved.as_deref(), &record).await?,
        command: if flags.renewals.renew_only { "apply --renew-only" } else { "apply" }.to_owned(),
        allowed: let_pass(allow, taken, &scope.accept_moved, scope.accept_short_list),
        paths: flags.files.paths(),
    };
    // A state may run programs for its credentials: Ctrl-C ends those, and us, as anywhere.
    let Managed { servers, .. } = managed(ui, declared, scope, &record).await?;
    apply_locked((ui, account), flags, declared, &record, servers, &basis).await
}

/// The walks under the locks, which are given back however it ends.
pub(super) async fn apply_locked(
    (ui, account): (&Ui, &Account<'_>),
    flags: &ApplyFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: Vec<Connected>,
    basis: &Basis,
) -> Result<Exit, Failure> {
    let interrupts = Interrupts::listen(ui)?;
    let mut stop = interrupts.stop();
    let now = ui.clock().now();
    let run = introduce(&basis.command, &declared.owner, basis.allowed.clone(), &basis.paths, now);
    let apply = Apply {
        ui,
        flags,
        declared,
        basis,
        interrupts: &interrupts,
        account,
        run: Run { plan: basis.held_to.id().map(Into::into), ..run },
        rollout: Rollout { batches: flags.batch.clone(), max_failures: flags.max_failures },
    };
    let ended = tokio::select! {
        exit = apply.all(record, servers) => exit,
        // What was in flight is settled by the next run, by reading. The lock is not given back: a request may still
        // be on its way, and the time until it expires is for that.
        _ = stop.wait_for(|stop| *stop == Stop::Now) => return Ok(Exit::Interrupted),
    };
    give_back(ui, record).await;
    ended
}

struct Apply<'a> {
    ui: &'a Ui,
    flags: &'a ApplyFlags,
    declared: &'a Declared,
    basis: &'a Basis,
    interrupts: &'a Interrupts,
    account: &'a Account<'a>,
    run: Run,
    rollout: Rollout,
}

impl Apply<'_> {
    async fn all(&self, record: &Record<AnyStore>, servers: Vec<Connected>) -> Result<Exit, Failure> {
        let holder = Holder { by: whoami(), pid: std::process::id(), since: self.ui.clock().now() };
        let timeout = self.flags.lock_timeout;
        let mut stop = self.interrupts.stop();
        if !self.flags.renewals.renew_only {
            let locks = tokio::select! {
                locks = lock_all(record, &servers, &holder, timeout) => locks,
                _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted(self.ui)),
            };
            if locks.held.is_empty() && !locks.left_out.is_empty() {
                return Err(none_works(self.ui, locks.left_out));
            }
            return self.walk(&servers, locks, BTreeSet::new()).await;
        }
        // A renewal that comes late frees a host: no server waits for another one's lock.
        let names: BTreeSet<ServerName> = servers.iter().map(|server| server.name.clone()).collect();
        let mut turns = Turns::new(record, servers, &holder, timeout);
        let (mut exits, mut lost) = (Vec::new(), BTreeMap::new());
        loop {
            let turn = tokio::select! {
                turn = turns.next() => turn,
                _ = stop.wait_for(|stop| *stop != Stop::No) => {
                    exits.push(interrupted_after(self.ui, self.account.has_begun()));
                    return Ok(Exit::of(exits));
                }
            };
            let Some((servers, locks)) = turn else { break };
            if locks.held.is_empty() {
                lost.extend(locks.left_out);
                continue;
            }
            let here: BTreeSet<&ServerName> = servers.iter().map(|server| &server.name).collect();
            let apart = names.iter().filter(|name| !here.contains(name)).cloned().collect();
            exits.push(self.walk(&servers, locks, apart).await?);
            // What an earlier turn wrote is still to be given back.
            give_back(self.ui, record).await;
        }
        if exits.is_empty() && !lost.is_empty() {
            return Err(none_works(self.ui, lost));
        }
        for (server, error) in &lost {
            exits.push(Exit::Incomplete);
            self.ui.error(&format!("server `{server}`: {}; nothing was done there", chain(error)));
        }
        Ok(Exit::of(exits))
    }

    /// `apart`: servers of this run that have a walk of their own.
    async fn walk(
        &self,
        servers: &[Connected],
        locks: Locks<AnyStore>,
        apart: BTreeSet<ServerName>,
    ) -> Result<Exit, Failure> {
        let Self { ui, flags, declared, basis, interrupts, account, .. } = *self;
        let clock = ui.clock();
        let options = SurveyOptions {
            left_out: left_out(&locks.left_out),
            walked_apart: apart,
            ..basis.options.clone()
        };
        let looking = async {
            let bar = ReadingBar::new(ui);
            survey(declared, servers, locks.recorded(), &options, &clock, &|at| bar.take(at)).await
        };
        let mut stop = interrupts.stop();
        let survey = tokio::select! {
            looked = looking => looked?,
            // Nothing is under way: there is nothing to finish.
            _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted_after(ui, account.has_begun())),
        };
        let rules = rules(declared, &basis.allow, &basis.take_over, &survey);
        let (plan, refusals) = basis.held_to.judge(spare_renewals(survey.plan.clone(), &rules));
        let findings = Findings::of(&plan);
        let cleared = guard::clear_unless(plan, &rules, refusals);
        let (cleared, judgement) = match cleared {
            Ok(cleared) => cleared,
            Err((plan, judgement)) => {
                account.plan(&plan, &judgement, &survey.recorded)?;
                ui.error("refused; nothing was written");
                return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
            }
        };
        account.plan(cleared.plan(), &judgement, &survey.recorded)?;
        let changes = cleared.plan().changes().count();
        if let Some(exit) = confirm(ui, flags, changes, interrupts).await? {
            return Ok(Exit::of([findings.reading_exit(), exit]));
        }
        let (mut programs, clocks) = (there(cleared.plan()), cleared.plan().clocks());
        let prepared = Prepared { cleared, survey, locks: locks.held };
        let writing = Writing::new(ui, changes).telling(account.watch());
        let pace = (Pace::default(), &self.rollout);
        if changes > 0 {
            account.begin(flags.plan.as_ref().map_or("apply", |_| &*basis.command), &self.run.id);
        }
        let (outcome, failures) =
            prepared.execute(servers, &self.run, &clock, &writing, interrupts.stop(), pace).await;
        drop(writing);
        let mut seen = Exit::Done;
        if changes > 0 {
            account.outcome(&outcome)?;
            seen = contact::wait_for(ui, servers, &outcome, flags.contact, interrupts).await?;
            account.run(&self.run.id)?;
        }
        let exit = ended(ui, &outcome, &failures);
        let followed = match flags.follow.patience()? {
            Some(patience) if !outcome.was_interrupted => {
                programs.extend(done(&outcome));
                follow(ui, servers, programs, &clocks, patience, interrupts.stop()).await?
            }
            Some(_) | None => Exit::Done,
        };
        Ok(Exit::of([findings.reading_exit(), seen, exit, followed]))
    }
}

fn interrupted_after(ui: &Ui, something_was_done: bool) -> Exit {
    if !something_was_done {
        return interrupted(ui);
    }
    ui.error("interrupted; nothing more was written");
    Exit::Interrupted
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

/// A CI job's working folder is gone after the job, and with it the evidence of when rules end.
pub(super) fn warn_of_a_record_that_does_not_last(ui: &Ui, declared: &Declared) {
    if is_ci() && !declared.record.is_declared {
        ui.warn(
            "`CI=true` and no `record:` in the files: the record beside the state will be gone after this job, and \
             every run then renews every isolation; name a lasting folder with `record:`",
        );
    }
}
