use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::flags::{FileFlags, OutputFlags, ScopeFlags, seconds};
use super::look::{Look, look, show};
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

    /// Read every host of every server, and tell what no file declares: isolations, rules, hosts that are silent for
    /// long; for each the lines that would adopt it and the command that would end it
    #[arg(long, conflicts_with = "limit")]
    pub(super) all_hosts: bool,

    /// With --all-hosts: after how long without contact a host counts as silent
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds, requires = "all_hosts")]
    pub(super) silent: Duration,
}

/// Checks whether the fleet is as declared. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &DriftFlags) -> Result<Exit, Failure> {
    let what = if flags.all_hosts {
        let silent = SignedDuration::try_from(flags.silent).unwrap_or(SignedDuration::MAX);
        Look::AllHosts { silent }
    } else {
        Look::Declared
    };
    let (declared, survey) = look(ui, &flags.files, &flags.scope, what)?;
    // Drift is about what is; whether a plan would be allowed is the plan's business, its warnings are not.
    let nobody = BTreeSet::new();
    let rules = rules(&declared, &[], &nobody, &survey);
    let warnings = guard::judge(&survey.plan, &rules).warnings;
    let judgement = Judgement { refusals: Vec::new(), warnings };
    let view = View::Drift { require_contact: flags.require_contact };
    show(ui, &survey.plan, &judgement, view, &flags.output)?;
    Ok(Findings::of(&survey.plan).drift_exit(flags.require_contact))
}
