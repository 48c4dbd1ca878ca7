//! What plan and drift share: one look at the servers, without any way to write.

use super::flags::{FileFlags, ScopeFlags};
use super::reports::LengthFlags;
use super::start::{Failure, declared, managed, record, runtime, survey_options};
use crate::declare::Declared;
use crate::guard::Judgement;
use crate::model::WallClock;
use crate::plan::Plan;
use crate::report::{self, View};
use crate::session::{Progress, Survey, survey};
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
        let (servers, recorded) = managed(ui, &declared, scope, &record).await?;
        let bar = ReadingBar::new(ui);
        Ok::<Survey, Failure>(
            survey(&declared, &servers, recorded, &options, &WallClock, &|at| bar.take(at)).await?,
        )
    })?;
    Ok((declared, survey))
}

/// Writes a plan to stdout for people. A reader that has seen enough changes nothing about the answer.
pub(super) fn show(ui: &Ui, plan: &Plan, judgement: &Judgement, length: LengthFlags) -> Result<(), Failure> {
    let (plan_id, options) = (plan.id(), length.text_options(View::Plan, ui.out_palette()));
    match ui.print(|out| report::text::plan(plan, judgement, &plan_id, &options, out))? {
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
