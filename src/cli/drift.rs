use std::collections::BTreeSet;

use clap::Args;

use super::flags::{FileFlags, OutputFlags, ScopeFlags};
use super::look::{look, show};
use super::start::{Failure, rules};
use super::{Exit, Findings};
use crate::guard::{self, Judgement};
use crate::report::View;
use crate::terminal::Ui;

#[derive(Debug, Args)]
pub(super) struct DriftFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) output: OutputFlags,

    /// Exit 4 also where an agent was not seen since our write, is silent for over 5 hours, or cannot carry it out
    #[arg(long)]
    pub(super) require_contact: bool,
}

/// Checks whether the fleet is as declared. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &DriftFlags) -> Result<Exit, Failure> {
    let (declared, survey) = look(ui, &flags.files, &flags.scope, false)?;
    // Drift is about what is; whether a plan would be allowed is the plan's business, its warnings are not.
    let nobody = BTreeSet::new();
    let rules = rules(&declared, &[], &nobody, &survey);
    let warnings = guard::judge(&survey.plan, &rules).warnings;
    let judgement = Judgement { refusals: Vec::new(), warnings };
    let view = View::Drift { require_contact: flags.require_contact };
    show(ui, &survey.plan, &judgement, view, &flags.output)?;
    Ok(Findings::of(&survey.plan).drift_exit(flags.require_contact))
}
