use super::flags::PlanFlags;
use super::look::{look, show};
use super::observed;
use super::start::{Failure, rules, take_over};
use super::{Exit, Findings};
use crate::guard;
use crate::report::View;
use crate::session::spare_renewals;
use crate::terminal::Ui;

/// Shows what apply would do. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &PlanFlags) -> Result<Exit, Failure> {
    let renew_only = flags.renewals.renew_only;
    let (declared, survey) = match &flags.observed.observed {
        None => look(ui, &flags.files, &flags.scope, renew_only)?,
        Some(path) => {
            let snapshot = (path.as_path(), flags.observed.max_age);
            observed::look(ui, &flags.files, &flags.scope, renew_only, snapshot)?
        }
    };
    let take_over = take_over(&flags.guard);
    let rules = rules(&declared, &flags.guard.allow, &take_over, &survey);
    let plan = spare_renewals(survey.plan.clone(), &rules);
    let judgement = guard::judge(&plan, &rules);
    show(ui, &plan, &judgement, View::Plan, &flags.output)?;
    Ok(Findings::of(&plan).plan_exit(!judgement.refusals.is_empty(), flags.detailed_exitcode))
}
