//! What a person reads before and after something is put back.

use std::collections::{BTreeMap, BTreeSet};

use super::find::{Found, printable};
use crate::execute::ChangeOutcome;
use crate::model::{Cause, ServerName, Subject, Target};
use crate::plan::{Action, Plan};
use crate::record::RecordedRun;
use crate::session::Acted;

/// What follows on ``Type `yes` to``. A release names each host, whatever their number.
pub(super) fn question(found: &Found, plan: &Plan) -> String {
    let names = |wanted: fn(&Action) -> bool| -> Vec<String> {
        let of = plan.changes().filter(|(_, change)| wanted(&change.action));
        of.map(|(_, change)| change.whom.label()).collect()
    };
    let counted = |names: &[String], one: &str, many: &str| match names {
        [] => None,
        [name] => Some(format!("{one} {name}")),
        names => Some(format!("{many} {} hosts", names.len())),
    };
    let released = names(|action| matches!(action, Action::Release | Action::EndSpent { .. }));
    let isolated = names(|action| matches!(action, Action::Isolate { .. }));
    let changed = names(|action| matches!(action, Action::ChangeExclusions { .. } | Action::Renew { .. }));
    let of_rules: BTreeSet<(bool, String)> = plan
        .changes()
        .filter(|(_, change)| matches!(change.action, Action::Block(_)))
        .map(|(_, change)| (change.subject.target == Target::AllHosts, change.whom.label()))
        .collect();
    let (of_all, blocked): (Vec<_>, Vec<_>) = of_rules.into_iter().partition(|(is_of_all, _)| *is_of_all);
    let blocked: Vec<String> = blocked.into_iter().map(|(_, label)| label).collect();
    let acts: Vec<String> = [
        (!released.is_empty()).then(|| format!("release {}", released.join(", "))),
        counted(&isolated, "isolate", "isolate"),
        counted(&changed, "change the exclusions of", "change the exclusions of"),
        (!of_all.is_empty()).then(|| "change the rule for all hosts".to_owned()),
        counted(&blocked, "change the prevention rule of", "change the prevention rules of"),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("put back what run {} changed: {}", printable(&found.id), acts.join("; "))
}

/// Until when applies keep off, and which lines would do it all again then.
pub(super) fn lasting(found: &Found, acted: &Acted, runs: &BTreeMap<ServerName, RecordedRun>) -> Vec<String> {
    const SHOWN: usize = 20;
    let Some(until) = acted.held.values().flatten().map(|(_, hold)| hold.until).max() else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "applies keep off what was put back until {until:.0}; `kedrctl hold` lists it, `kedrctl hold --end HOST` ends that"
    )];
    let mut asked: Vec<String> = Vec::new();
    for server in &acted.outcome.servers {
        let Some(run) = runs.get(&server.server) else { continue };
        for ended in server.changes.iter().filter(|ended| ended.result.is_done()) {
            asked.extend(asked_for(run, ended));
        }
    }
    if asked.is_empty() {
        return lines;
    }
    lines.push(format!(
        "from then on the files count again: change what asked for run {}, or the next apply does it again:",
        printable(&found.id)
    ));
    let more = asked.len().saturating_sub(SHOWN);
    lines.extend(asked.into_iter().take(SHOWN));
    if more > 0 {
        lines.push(format!("  … and {more} more; `kedrctl history --run {} --full`", printable(&found.id)));
    }
    lines
}

/// `  WS-017 isolation  state/incidents.yaml:12`, where a file asked for it.
fn asked_for(run: &RecordedRun, ended: &ChangeOutcome) -> Option<String> {
    let Subject { aspect, .. } = ended.change.subject;
    let act = run.acts.iter().rev().find(|act| act.subject == ended.change.subject)?;
    let cause: &Cause = act.cause.as_ref().filter(|cause| !cause.origin().is_command_line())?;
    Some(format!("  {} {aspect}  {}", ended.change.whom.label(), printable(&cause.to_string())))
}
