//! What plan and drift share: one look at the servers, without any way to write.

use jiff::SignedDuration;

use super::flags::{FileFlags, ScopeFlags};
use super::managed::{Managed, every_server, managed};
use super::reports::LengthFlags;
use super::start::{Failure, declared, record, runtime, survey_options};
use crate::declare::Declared;
use crate::guard::Judgement;
use crate::plan::Plan;
use crate::report::{self, View};
use crate::session::{self, Progress, Survey, SurveyOptions, survey};
use crate::terminal::{self, Printed, Ui};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Declared,
    /// What keeps isolations of ours in force.
    Renewals,
    /// What no file declares, too, on every host of every server.
    AllHosts {
        /// Hosts without contact for longer are told.
        silent: SignedDuration,
    },
}

impl Look {
    fn all_hosts(self) -> Option<SignedDuration> {
        match self {
            Self::Declared | Self::Renewals => None,
            Self::AllHosts { silent } => Some(silent),
        }
    }
}

/// Reads files, servers and record, and plans.
pub(super) fn look(
    ui: &Ui,
    files: &FileFlags,
    scope: &ScopeFlags,
    what: Look,
) -> Result<(Declared, Survey), Failure> {
    let declared = declared(ui, files)?;
    let options =
        SurveyOptions { all_hosts: what.all_hosts(), ..survey_options(scope, what == Look::Renewals)? };
    let record = record(&declared)?;
    let survey = runtime()?.block_on(async {
        let Managed { servers, recorded, left_out } = match what {
            Look::Declared | Look::Renewals => managed(ui, &declared, scope, &record).await?,
            Look::AllHosts { .. } => every_server(ui, &declared, scope, &record).await?,
        };
        let options = SurveyOptions { left_out: session::left_out(&left_out), ..options };
        let bar = ReadingBar::new(ui);
        Ok::<Survey, Failure>(
            survey(&declared, &servers, recorded, &options, &ui.clock(), &|at| bar.take(at)).await?,
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
