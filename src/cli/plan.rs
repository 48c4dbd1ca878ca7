use clap::Args;

use super::flags::{FileFlags, GuardFlags, RenewalFlags, ScopeFlags};
use super::held_to;
use super::look::{Look, look};
use super::observed::{self, ObservedFlags};
use super::page::Around;
use super::reports::{Answer, OutputFlags};
use super::save::{Made, SaveFlags, save};
use super::start::{Failure, record, rules, runtime, take_over};
use super::{Exit, Findings};
use crate::guard;
use crate::report::View;
use crate::session::spare_renewals;
use crate::terminal::Ui;

#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) guard: GuardFlags,
    #[command(flatten)]
    pub(super) output: OutputFlags,
    #[command(flatten)]
    pub(super) renewals: RenewalFlags,
    #[command(flatten)]
    pub(super) observed: ObservedFlags,

    #[command(flatten)]
    pub(super) save: SaveFlags,

    /// What `apply --check` holds it to.
    #[arg(skip)]
    pub(super) approved: Option<String>,

    /// Exit 2 when there are changes; renewals are none
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

/// Shows what apply would do. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &PlanFlags) -> Result<Exit, Failure> {
    flags.output.answer(ui, View::Plan, || planned(ui, flags))
}

fn planned(ui: &Ui, flags: &PlanFlags) -> Result<Answer, Failure> {
    flags.save.check()?;
    let renew_only = flags.renewals.renew_only;
    let (declared, survey) = match &flags.observed.observed {
        None => {
            let what = if renew_only { Look::Renewals } else { Look::Declared };
            look(ui, &flags.files, &flags.scope, what)?
        }
        Some(path) => {
            let snapshot = (path.as_path(), flags.observed.max_age);
            observed::look(ui, &flags.files, &flags.scope, renew_only, snapshot)?
        }
    };
    let take_over = take_over(&flags.guard);
    let rules = rules(&declared, &flags.guard.limits.allow, &take_over, &survey);
    let mut plan = spare_renewals(survey.plan.clone(), &rules);
    let mut refusals = Vec::new();
    if let Some(approved) = &flags.approved {
        let held_to = runtime()?.block_on(held_to::approved(Some(approved), &record(&declared)?))?;
        (plan, refusals) = held_to.judge(plan);
    }
    let mut judgement = guard::judge(&plan, &rules);
    judgement.refusals.extend(refusals);
    let is_refused = !judgement.refusals.is_empty();
    let (files, scope, guard) = (&flags.files, &flags.scope, &flags.guard);
    let made = Made { declared: &declared, survey: &survey, files, scope, guard };
    save(ui, &flags.save, &plan, is_refused, &made)?;
    let mut around = Around::of(&survey, false, &flags.output);
    // A plan from a snapshot needs no record.
    if flags.observed.observed.is_none() {
        around = around.with_runs(&declared, &survey, &flags.output)?;
    }
    let exit = Findings::of(&plan).plan_exit(is_refused, flags.detailed_exitcode);
    Ok(Answer { plan, judgement, recorded: survey.recorded, since: None, around, exit })
}
