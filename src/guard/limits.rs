//! Blast radius: how much one plan may change on one server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::{Refusal, RefusalKind};
use crate::declare::{Limit, Limits};
use crate::model::{FileHash, Target};
use crate::plan::{Action, RemovedBecause, ServerPlan, ServerState};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Hosts that would be isolated; not those whose isolation of ours has lapsed and is set again.
    Isolations,
    /// Hosts whose isolation would be deleted, also one whose time is over.
    Releases,
    /// Hosts with any change but a renewal or a lapsed isolation that is set again; where the rule for all hosts
    /// changes, all that the server lists.
    HostsChanged,
    /// Different hashes that some host would go without for good.
    HashesRemoved,
}

impl LimitKind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Isolations, Self::Releases, Self::HostsChanged, Self::HashesRemoved];

    /// As it is written under `policy.limits` and in `--allow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolations => "isolations",
            Self::Releases => "releases",
            Self::HostsChanged => "hosts_changed",
            Self::HashesRemoved => "hashes_removed",
        }
    }

    fn words(self, count: u64) -> String {
        let (one, several, what) = match self {
            Self::Isolations => ("host", "hosts", "isolated"),
            Self::Releases => ("host", "hosts", "released"),
            Self::HostsChanged => ("host", "hosts", "changed"),
            Self::HashesRemoved => ("hash", "different hashes", "taken out"),
        };
        format!("{count} {} would be {what}", if count == 1 { one } else { several })
    }
}

/// `--allow isolations=7`: this run may isolate up to 7 hosts on a server, whatever the files allow less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The limit that gives way.
    pub kind: LimitKind,
    /// Up to how many on each server; of several for one limit, the largest counts.
    pub count: u64,
}

/// A text that is no `KIND=COUNT` of `--allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a limit and a count, such as `isolations=7` (limits: isolations, releases, hosts_changed, hashes_removed)"
)]
pub struct AllowanceError;

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let (name, count) = text.split_once('=').ok_or(AllowanceError)?;
        let kind =
            LimitKind::ALL.into_iter().find(|kind| kind.as_str() == name.trim()).ok_or(AllowanceError)?;
        let count = count.trim().parse().map_err(|_not_a_number| AllowanceError)?;
        Ok(Self { kind, count })
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.as_str(), self.count)
    }
}

pub(super) fn refuse(server: &ServerPlan, limits: &Limits, allowances: &[Allowance]) -> Vec<Refusal> {
    let ServerState::Read { hosts_listed, distinct_hashes, .. } = server.state else { return Vec::new() };
    let mut refusals = Vec::new();
    for kind in LimitKind::ALL {
        let count = count(server, kind, hosts_listed);
        let total = match kind {
            LimitKind::Isolations | LimitKind::Releases | LimitKind::HostsChanged => hosts_listed,
            LimitKind::HashesRemoved => distinct_hashes,
        };
        let Some((limit, source)) = limit_for(kind, limits, total) else { continue };
        let allowed =
            allowances.iter().filter(|allowed| allowed.kind == kind).map(|allowed| allowed.count).max();
        if !exceeds(count, limit, total) || allowed.is_some_and(|allowed| count <= allowed) {
            continue;
        }
        let bound = match limit {
            Limit::Count(bound) => bound.to_string(),
            Limit::Percent(percent) => format!("{percent} % of {total}"),
        };
        refusals.push(Refusal {
            kind: RefusalKind::Limit,
            subject: server.server.to_string(),
            message: format!(
                "{}, and {source} is {bound}; if this is what you mean: `--allow {}`",
                kind.words(count),
                Allowance { kind, count }
            ),
            cause: None,
        });
    }
    refusals
}

/// The limit that the files give, or the default: a wrong glob in a first try must not hurt a fleet, and a small
/// one must be workable.
fn limit_for(kind: LimitKind, limits: &Limits, total: u64) -> Option<(Limit, String)> {
    const SMALL: u64 = 20;
    let (declared, default) = match kind {
        LimitKind::Isolations => (limits.isolations, Some(Limit::Count(5))),
        LimitKind::Releases => (limits.releases, Some(Limit::Count(5))),
        LimitKind::HostsChanged => (limits.hosts_changed, (total >= SMALL).then_some(Limit::Percent(25))),
        LimitKind::HashesRemoved => (limits.hashes_removed, (total >= SMALL).then_some(Limit::Percent(20))),
    };
    match declared {
        Some(limit) => Some((limit, format!("`policy.limits.{}`", kind.as_str()))),
        None => default.map(|limit| (limit, format!("the default of `policy.limits.{}`", kind.as_str()))),
    }
}

fn exceeds(count: u64, limit: Limit, total: u64) -> bool {
    match limit {
        Limit::Count(bound) => count > bound,
        Limit::Percent(percent) => u128::from(count) * 100 > u128::from(percent) * u128::from(total),
    }
}

fn count(server: &ServerPlan, kind: LimitKind, hosts_listed: u64) -> u64 {
    match kind {
        // A lapsed isolation of ours that is put back is no growth of what is isolated.
        LimitKind::Isolations => {
            of(server, |action| matches!(action, Action::Isolate { is_lapsed: false, .. }))
        }
        LimitKind::Releases => {
            of(server, |action| matches!(action, Action::Release | Action::EndSpent { .. }))
        }
        LimitKind::HostsChanged => {
            let is_growth = |action: &Action| {
                !matches!(action, Action::Renew { .. } | Action::Isolate { is_lapsed: true, .. })
            };
            let changed = server.changes().filter(|change| is_growth(&change.action));
            let targets: BTreeSet<Target> = changed.map(|change| change.subject.target).collect();
            // The rule for all hosts changes each of them, whatever else there is.
            if targets.contains(&Target::AllHosts) { hosts_listed } else { targets.len() as u64 }
        }
        LimitKind::HashesRemoved => hashes_removed(server, hosts_listed),
    }
}

/// Different hashes that some host goes without for good. One that a host gives up to the rule for all hosts stays
/// blocked there; one that leaves that rule does so only where each host that the server lists gets it.
fn hashes_removed(server: &ServerPlan, hosts_listed: u64) -> u64 {
    let mut rules = Vec::new();
    for change in server.changes() {
        if let Some(rule) = change.action.rule_change() {
            rules.push((change.subject.target, rule));
        }
    }
    let mut removed: BTreeSet<FileHash> = BTreeSet::new();
    let mut left_all: BTreeMap<FileHash, u64> = BTreeMap::new();
    for (target, rule) in &rules {
        let gone = rule.removed.iter().filter(|removed| match removed.because {
            RemovedBecause::MovedToAll { .. } => false,
            RemovedBecause::Unblocked(_)
            | RemovedBecause::Expired { .. }
            | RemovedBecause::NoLongerDeclared
            | RemovedBecause::Exact => true,
        });
        match target {
            Target::Sensor(_) => removed.extend(gone.map(|removed| removed.hash)),
            Target::AllHosts => left_all.extend(gone.map(|removed| (removed.hash, 0))),
        }
    }
    for (_, rule) in rules.iter().filter(|(target, _)| *target != Target::AllHosts) {
        for added in &rule.added {
            if let Some(getting) = left_all.get_mut(&added.hash) {
                *getting += 1;
            }
        }
    }
    removed.extend(left_all.into_iter().filter(|(_, getting)| *getting < hosts_listed).map(|(hash, _)| hash));
    removed.len() as u64
}

fn of(server: &ServerPlan, is_counted: impl Fn(&Action) -> bool) -> u64 {
    server.changes().filter(|change| is_counted(&change.action)).count() as u64
}
