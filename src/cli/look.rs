//! What plan and drift share: one look at the servers, without any way to write.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::flags::{FileFlags, Format, OutputFlags, ScopeFlags};
use super::managed::{Managed, managed, none_works};
use super::start::{Failure, connected, declared, record, runtime, survey_options};
use crate::declare::Declared;
use crate::guard::Judgement;
use crate::model::WallClock;
use crate::plan::Plan;
use crate::record::{AnyStore, Record};
use crate::report::{self, TextOptions, View};
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

/// Every server that `--server` names, or all, whatever is declared on it.
async fn every_server(
    ui: &Ui,
    declared: &Declared,
    scope: &ScopeFlags,
    record: &Record<AnyStore>,
) -> Result<Managed, Failure> {
    let flags = &scope.servers;
    let servers = connected(ui, declared, &flags.only, flags.allow_commands, |_| true, |_| false)?;
    let (mut recorded, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    for server in &servers {
        match record.read(&server.key).await {
            Ok(known) => drop(recorded.insert(server.name.clone(), known)),
            Err(error) => drop(left_out.insert(server.name.clone(), error)),
        }
    }
    if recorded.is_empty() && !left_out.is_empty() {
        return Err(none_works(ui, left_out));
    }
    Ok(Managed { servers, recorded, left_out })
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
