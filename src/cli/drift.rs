use std::collections::BTreeSet;

use super::flags::DriftFlags;
use super::plan::{reading_bar, show};
use super::start::{Failure, connected, declared, record, recorded, rules, runtime, survey_options};
use super::{Exit, Findings};
use crate::guard::{self, Judgement};
use crate::model::WallClock;
use crate::report::View;
use crate::session::{Survey, survey};
use crate::terminal::{Printed, Ui};

/// Checks whether the fleet is as declared. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &DriftFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let options = survey_options(&flags.scope)?;
    let servers = connected(&declared, &flags.scope.server, flags.scope.allow_commands, true)?;
    let record = record(&declared);
    let survey = runtime()?.block_on(async {
        let recorded = recorded(&record, &servers).await?;
        let bar = reading_bar(ui);
        Ok::<Survey, Failure>(
            survey(&declared, &servers, recorded, &options, &WallClock, &|at| bar.take(at)).await?,
        )
    })?;
    // Drift is about what is; whether a plan would be allowed is the plan's business, its warnings are not.
    let nobody = BTreeSet::new();
    let rules = rules(&declared, &[], &nobody, &survey.listed, &survey.recorded);
    let warnings = guard::judge(&survey.plan, &rules).warnings;
    let judgement = Judgement { refusals: Vec::new(), warnings };
    let view = View::Drift { require_contact: flags.require_contact };
    match show(ui, &survey.plan, &judgement, view, flags.output.format, flags.output.full)? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(Findings::of(&survey.plan).drift_exit(flags.require_contact))
}
