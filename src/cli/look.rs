//! What plan and drift share: one look at the servers, without any way to write.

use super::flags::{FileFlags, Format, OutputFlags, ScopeFlags};
use super::managed::{Managed, managed};
use super::start::{Failure, declared, record, runtime, survey_options};
use crate::declare::Declared;
use crate::guard::Judgement;
use crate::model::WallClock;
use crate::plan::Plan;
use crate::report::{self, TextOptions, View};
use crate::session::{self, Progress, Survey, SurveyOptions, survey};
use crate::terminal::{self, Printed, Ui};

/// Reads files, servers and record, and plans.
pub(super) fn look(
    ui: &Ui,
    files: &FileFlags,
    scope: &ScopeFlags,
    renew_only: bool,
) -> Result<(Declared, Survey), Failure> {
    let declared = declared(ui, files)?;
    let options = survey_options(scope, renew_only)?;
    let record = record(&declared)?;
    let survey = runtime()?.block_on(async {
        let Managed { servers, recorded, left_out } = managed(ui, &declared, scope, &record).await?;
        let options = SurveyOptions { left_out: session::left_out(&left_out), ..options };
        let bar = ReadingBar::new(ui);
        Ok::<Survey, Failure>(
            survey(&declared, &servers, recorded, &options, &WallClock, &|at| bar.take(at)).await?,
        )
    })?;
    Ok((declared, survey))
}

/// Writes a plan to stdout. A reader that has seen enough changes nothing about the answer.
pub(super) fn show(
    ui: &Ui,
    plan: &Plan,
    judgement: &Judgement,
    view: View,
    output: &OutputFlags,
) -> Result<(), Failure> {
    let id = plan.id();
    let printed = ui.print(|out| match output.format {
        Format::Text => {
            let options = TextOptions { view, full: output.full, palette: ui.out_palette() };
            report::text::plan(plan, judgement, &id, &options, out)
        }
        Format::Json => report::json::write(&report::json::document(plan, judgement, &id, view), out),
    });
    match printed? {
        Printed::Whole | Printed::PipeClosed => Ok(()),
    }
}

/// The bar of the reads.
pub(super) struct ReadingBar(terminal::Progress);

impl ReadingBar {
    pub(super) fn new(ui: &Ui) -> Self {
        Self(ui.progress("reading", 0))
    }

    pub(super) fn take(&self, at: Progress) {
        match at {
            Progress::ToRead(count) => self.0.grow(count as u64),
            Progress::Read => self.0.advance(),
        }
    }
}
