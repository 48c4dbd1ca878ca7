use super::flags::{Format, PlanFlags};
use super::start::{
    Failure, connected, declared, record, recorded, rules, runtime, survey_options, take_over,
};
use super::{Exit, Findings};
use crate::guard::{self, Judgement};
use crate::model::WallClock;
use crate::plan::Plan;
use crate::report::{self, TextOptions, View};
use crate::session::{Progress, Survey, survey};
use crate::terminal::{self, Printed, Ui};

/// Shows what apply would do. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &PlanFlags) -> Result<Exit, Failure> {
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
    let take_over = take_over(&flags.guard);
    let rules = rules(&declared, &flags.guard.allow, &take_over, &survey.listed, &survey.recorded);
    let judgement = guard::judge(&survey.plan, &rules);
    match show(ui, &survey.plan, &judgement, View::Plan, flags.output.format, flags.output.full)? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(Findings::of(&survey.plan).plan_exit(!judgement.refusals.is_empty(), flags.detailed_exitcode))
}

pub(super) fn show(
    ui: &Ui,
    plan: &Plan,
    judgement: &Judgement,
    view: View,
    format: Format,
    full: bool,
) -> Result<Printed, Failure> {
    let id = plan.id();
    Ok(ui.print(|out| match format {
        Format::Text => {
            let options = TextOptions { view, full, palette: ui.out_palette() };
            report::text::plan(plan, judgement, &id, &options, out)
        }
        Format::Json => report::json::write(&report::json::document(plan, judgement, &id, view), out),
    })?)
}

/// The bar of the reads.
pub(super) struct ReadingBar(terminal::Progress);

pub(super) fn reading_bar(ui: &Ui) -> ReadingBar {
    ReadingBar(ui.progress("reading", 0))
}

impl ReadingBar {
    pub(super) fn take(&self, at: Progress) {
        match at {
            Progress::ToRead(count) => self.0.grow(count as u64),
            Progress::Read => self.0.advance(),
        }
    }
}
