use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::flags::{FileFlags, ScopeFlags, seconds};
use super::look::{Look, look};
use super::page::Around;
use super::reports::{Answer, OutputFlags};
use super::start::{Failure, rules};
use super::{Exit, Findings};
use crate::guard::{self, Judgement};
use crate::report::since::{self, Age, Earlier, Since};
use crate::report::{Told, View, json};
use crate::session::Survey;
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

    /// Tell which differences are new, still there or gone since this earlier result of `--format json`
    #[arg(long, value_name = "FILE")]
    pub(super) since: Option<PathBuf>,

    /// On which differences to exit 2
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = FailOn::Any, requires = "since")]
    pub(super) fail_on: FailOn,

    /// Read every host of every server, and tell what no file declares: isolations, rules, hosts that are silent for
    /// long; for each the lines that would adopt it and the command that would end it
    #[arg(long, conflicts_with = "limit")]
    pub(super) all_hosts: bool,

    /// With --all-hosts: after how long without contact a host counts as silent
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds, requires = "all_hosts")]
    pub(super) silent: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Any,
    /// Those that the earlier result does not have
    New,
}

impl DriftFlags {
    fn view(&self) -> View {
        View::Drift { require_contact: self.require_contact }
    }
}

/// Checks whether the fleet is as declared. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &DriftFlags) -> Result<Exit, Failure> {
    flags.output.answer(ui, flags.view(), || checked(ui, flags))
}

fn checked(ui: &Ui, flags: &DriftFlags) -> Result<Answer, Failure> {
    // Not after half an hour of reading.
    let earlier = flags.since.as_deref().map(read_earlier).transpose()?;
    let what = if flags.all_hosts {
        let silent = SignedDuration::try_from(flags.silent).unwrap_or(SignedDuration::MAX);
        Look::AllHosts { silent }
    } else {
        Look::Declared
    };
    let (declared, survey) = look(ui, &flags.files, &flags.scope, what)?;
    // Drift is about what is; whether a plan would be allowed is the plan's business, its warnings are not.
    let nobody = BTreeSet::new();
    let warnings = guard::judge(&survey.plan, &rules(&declared, &[], &nobody, &survey)).warnings;
    let judgement = Judgement { refusals: Vec::new(), warnings };
    let since = match (earlier, &flags.since) {
        (Some(earlier), Some(path)) => Some(compare(&earlier, path, &survey, &judgement, flags.view())?),
        (None, _) | (_, None) => None,
    };
    let mut findings = Findings::of(&survey.plan);
    if let (FailOn::New, Some(since)) = (flags.fail_on, &since) {
        // What no file declares is not compared: it counts whenever it is there.
        findings.has_differences = since.count(Age::New) > 0 || survey.plan.sums().undeclared > 0;
    }
    let exit = findings.drift_exit(flags.require_contact);
    let around =
        Around::of(&survey, flags.all_hosts, &flags.output).with_runs(&declared, &survey, &flags.output)?;
    Ok(Answer { plan: survey.plan, judgement, recorded: survey.recorded, since, around, exit })
}

fn read_earlier(path: &Path) -> Result<Earlier, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
    since::read(&bytes).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn compare(
    earlier: &Earlier,
    path: &Path,
    survey: &Survey,
    judgement: &Judgement,
    view: View,
) -> Result<Since, Failure> {
    let plan = &survey.plan;
    let told = Told { plan, judgement, plan_id: "", view, recorded: &survey.recorded, since: None };
    since::compare(earlier, &json::document(&told))
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
