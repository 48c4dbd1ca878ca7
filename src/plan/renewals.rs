//! `--renew-only`: which isolations of ours need something now. Whom to touch is told by the record, not by reading
//! every host; what is there is looked at right before it is written, as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::term::{Spent, is_spent, next_due};
use super::{
    Action, Change, End, Finding, FindingKind, Judged, Plan, ServerClock, ServerPlan, Verdict, WhyUnknown,
};
use crate::declare::{DeclaredIsolation, Term, WantedIsolation};
use crate::model::{
    Aspect, Exclusions, Isolation, ReadFailure, Reading, SensorId, ServerName, Subject, Target,
};
use crate::observe::Observed;
use crate::record::{Attribution, Recorded, RecordedRule};
use crate::resolve::{Desired, DesiredHost};

/// Names of hosts in one line.
const NAMES: usize = 5;

/// What the record tells of the declared isolations of one server.
#[derive(Debug, Default)]
pub struct Renewals {
    /// Those that the record shows as ours; nothing else of the declared state counts here.
    ours: Desired,
    /// Rules that the record shows in force, as the server listed them when they were read back.
    pub believed: BTreeMap<SensorId, Isolation>,
    /// Where the record does not tell what is there: ended, of an unknown end, or left open by an earlier run.
    pub to_read: Vec<Subject>,
    /// Declared isolations that the record does not show as ours.
    not_ours: Vec<String>,
}

/// Sorts the declared isolations by what the record knows of them.
pub fn renewals(
    desired: &Desired,
    recorded: &Recorded,
    owner: &str,
    clock: ServerClock,
    now: Timestamp,
) -> Renewals {
    let mut renewals = Renewals::default();
    let open: BTreeSet<Subject> = recorded.open.iter().map(|open| open.subject).collect();
    for host in &desired.hosts {
        let Some((_, term)) = wanted(host) else { continue };
        let id = host.sensor.id;
        let subject = Subject { target: Target::Sensor(id), aspect: Aspect::Isolation };
        let is_spent = matches!(is_spent(term, clock, now), Spent::Since(_));
        let rule = recorded.isolations.get(&id).and_then(|known| known.rule.as_ref());
        let is_open = open.contains(&subject);
        let is_ours = recorded.owner_of(subject).is_some_and(|by| **by == *owner);
        if !is_ours || (rule.is_none() && !is_open) {
            if !is_spent {
                renewals.not_ours.push(host.sensor.label());
            }
            continue;
        }
        renewals.ours.hosts.push(Arc::clone(host));
        match rule {
            Some(rule) if !is_open && !is_spent && is_in_force(rule, now) => {
                renewals.believed.insert(id, rule.listed.clone());
            }
            Some(_) | None => renewals.to_read.push(subject),
        }
    }
    // An entry that could not be resolved matters here only where it keeps a rule of ours from being renewed.
    let by_entry: BTreeSet<&str> = recorded
        .isolations
        .values()
        .filter(|known| known.rule.is_some())
        .map(|known| &known.by)
        .chain(recorded.open.iter().filter(|open| is_isolation(open.subject)).map(|open| &open.by))
        .filter(|by: &&Attribution| *by.owner == *owner)
        .filter_map(|by| by.entry.as_deref())
        .collect();
    renewals.ours.hidden.clone_from(&desired.hidden);
    let unresolved = desired.unresolved.iter().filter(|host| by_entry.contains(&*host.entry));
    renewals.ours.unresolved = unresolved.cloned().collect();
    renewals
}

impl Renewals {
    /// What is wanted where only the end may change: each isolation as it is set, whatever the files say of its
    /// exclusions by now.
    pub fn desired(&self, recorded: &Recorded, observed: &Observed) -> Desired {
        let hosts = self.ours.hosts.iter().map(|host| {
            let isolation = host.isolation.as_ref().map(|declared| match &declared.want {
                WantedIsolation::Off => declared.clone(),
                WantedIsolation::On { term, reason, .. } => DeclaredIsolation {
                    cause: declared.cause.clone(),
                    want: WantedIsolation::On {
                        term: *term,
                        exclusions: set_exclusions(host, recorded, observed),
                        reason: reason.clone(),
                    },
                },
            });
            Arc::new(DesiredHost {
                entry: Arc::clone(&host.entry),
                origin: host.origin.clone(),
                sensor: Arc::clone(&host.sensor),
                groups: Arc::clone(&host.groups),
                is_named: host.is_named,
                isolation,
                prevention: None,
            })
        });
        Desired {
            hosts: hosts.collect(),
            unresolved: self.ours.unresolved.clone(),
            hidden: self.ours.hidden.clone(),
            ..Desired::default()
        }
    }

    /// Takes out of a plan what is no renewal: what was read and is not as the record shows is left to `apply`.
    pub fn keep_only_renewals(&self, plan: &mut ServerPlan, recorded: &Recorded) {
        let mut left_out = BTreeSet::new();
        for step in &mut plan.steps {
            step.changes.retain(|change| {
                let is_kept = is_renewal(&change.action);
                if !is_kept {
                    left_out.insert(change.subject);
                }
                is_kept
            });
        }
        plan.steps.retain(|step| !step.changes.is_empty());
        let mut findings = Vec::new();
        for judged in plan.judged_mut() {
            if !left_out.contains(&judged.subject()) {
                continue;
            }
            let why = ReadFailure::new("what is there is not as the record shows; left to `kedrctl apply`");
            findings.push(Finding {
                kind: FindingKind::Unknown,
                label: judged.whom.label(),
                aspect: Some(judged.aspect),
                message: why.to_string(),
                cause: Some(judged.whom.cause(judged.aspect)),
            });
            judged.verdict = Verdict::Unknown(why);
        }
        plan.findings.extend(findings);
        plan.findings.extend(self.notes(plan, recorded));
        plan.findings.sort_by_key(|finding| finding.kind);
    }

    /// When the next of those that need nothing now will need something.
    pub fn next_due(&self, plan: &ServerPlan, recorded: &Recorded, observed: &Observed) -> Option<Timestamp> {
        // What is held is not renewed when it is due.
        let is_renewed = |judged: &&Judged| judged.verdict == Verdict::InSync && judged.hold.is_none();
        let in_sync = plan.judged.iter().filter(is_renewed);
        let due = in_sync.filter_map(|judged| {
            let host = judged.whom.host()?;
            let (_, term) = wanted(host)?;
            let Reading::Present(rule) = observed.isolation(host.sensor.id) else { return None };
            Some(next_due(term, &recorded.isolation_in_force(host.sensor.id, &rule)?))
        });
        due.min()
    }

    fn notes(&self, plan: &ServerPlan, recorded: &Recorded) -> Vec<Finding> {
        let differs = |host: &&Arc<DesiredHost>| {
            let rule = recorded.isolations.get(&host.sensor.id).and_then(|known| known.rule.as_ref());
            rule.zip(wanted(host)).is_some_and(|(rule, (declared, _))| rule.listed.exclusions != *declared)
        };
        let others: Vec<String> =
            self.ours.hosts.iter().filter(differs).map(|host| host.sensor.label()).collect();
        let one_or_many = |count: usize| if count == 1 { "isolation" } else { "isolations" };
        let notice = |hosts: &[String], text: &str| {
            (!hosts.is_empty()).then(|| Finding {
                kind: FindingKind::Notice,
                label: plan.server.to_string(),
                aspect: None,
                message: format!(
                    "{} declared {} {text} ({}); `kedrctl apply` looks at them",
                    hosts.len(),
                    one_or_many(hosts.len()),
                    names(hosts)
                ),
                cause: None,
            })
        };
        [
            notice(&self.not_ours, "not shown as ours by the record, and left alone"),
            notice(&others, "set with other exclusions than declared, and renewed as set"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Plan {
    /// The same without the deletion of spent rules, where that is what was refused: an entry left lying must not keep
    /// others from being renewed.
    #[must_use]
    pub fn without_deletions(&self, why: &str) -> Self {
        let mut plan = self.clone();
        for server in &mut plan.servers {
            let left_out = server.leave_out(|change| {
                matches!(change.action, Action::EndSpent { .. }).then(|| ReadFailure::new(why))
            });
            if left_out.is_empty() {
                continue;
            }
            let spent = if left_out.len() == 1 { "spent rule is" } else { "spent rules are" };
            server.findings.push(Finding {
                kind: FindingKind::Unknown,
                label: server.server.to_string(),
                aspect: None,
                message: format!("{} {spent} not deleted: {why}", left_out.len()),
                cause: None,
            });
            server.findings.sort_by_key(|finding| finding.kind);
        }
        plan
    }

    /// The same without what is refused, each with why: it must not keep others from being renewed either.
    #[must_use]
    pub fn without_refused(&self, refused: &BTreeMap<(&ServerName, Subject), &str>) -> Self {
        let mut plan = self.clone();
        for server in &mut plan.servers {
            let name = server.server.clone();
            let why = |change: &Change| refused.get(&(&name, change.subject)).copied();
            for change in server.leave_out(|change| why(change).map(ReadFailure::new)) {
                server.findings.push(Finding {
                    kind: FindingKind::Unknown,
                    label: change.whom.label(),
                    aspect: Some(change.subject.aspect),
                    message: format!("refused, and left out: {}", why(&change).unwrap_or_default()),
                    cause: Some(change.cause.clone()),
                });
            }
            server.findings.sort_by_key(|finding| finding.kind);
        }
        plan
    }

    /// Whether a spent rule would be deleted.
    pub fn has_deletions(&self) -> bool {
        self.changes().any(|(_, change)| matches!(change.action, Action::EndSpent { .. }))
    }
}

impl ServerPlan {
    /// Takes out changes; what they are about counts as not known for the reason that is given.
    fn leave_out(&mut self, why: impl Fn(&Change) -> Option<ReadFailure>) -> Vec<Arc<Change>> {
        let mut left_out = Vec::new();
        for step in &mut self.steps {
            step.changes.retain(|change| {
                let Some(why) = why(change) else { return true };
                let judged = Arc::make_mut(&mut self.judged)
                    .iter_mut()
                    .find(|judged| judged.subject() == change.subject);
                if let Some(judged) = judged {
                    judged.verdict = Verdict::Unknown(why);
                }
                left_out.push(Arc::clone(change));
                false
            });
        }
        self.steps.retain(|step| !step.changes.is_empty());
        left_out
    }
}

/// Only what the record shows as ours is renewed: a rule of others that merely looks as declared is not.
fn is_renewal(action: &Action) -> bool {
    match action {
        Action::Renew { end: End::Known(_) | End::Unknown(WhyUnknown::ClocksApart), .. }
        | Action::Isolate { is_lapsed: true, .. }
        | Action::EndSpent { .. } => true,
        Action::Renew {
            end: End::Unknown(WhyUnknown::NotRecorded | WhyUnknown::ChangedByOthers), ..
        }
        | Action::Isolate { is_lapsed: false, .. }
        | Action::ChangeExclusions { .. }
        | Action::Release
        | Action::StartTask { .. }
        | Action::DeleteTask
        | Action::Block(_) => false,
    }
}

fn is_isolation(subject: Subject) -> bool {
    match subject.aspect {
        Aspect::Isolation => true,
        Aspect::Prevention | Aspect::Task(_) => false,
    }
}

fn is_in_force(rule: &RecordedRule, now: Timestamp) -> bool {
    !rule.clocks_apart && rule.end() > now
}

/// The declared exclusions and the term of a host that is declared isolated.
fn wanted(host: &DesiredHost) -> Option<(&Exclusions, Term)> {
    match &host.isolation.as_ref()?.want {
        WantedIsolation::On { exclusions, term, .. } => Some((exclusions, *term)),
        WantedIsolation::Off => None,
    }
}

/// Of what is there where that is ours, else of what we set last.
fn set_exclusions(host: &DesiredHost, recorded: &Recorded, observed: &Observed) -> Exclusions {
    let id = host.sensor.id;
    let found = match observed.isolation(id) {
        Reading::Present(rule) => recorded.isolation_in_force(id, &rule).map(|ours| ours.listed.exclusions),
        Reading::Absent | Reading::Unknown(_) => None,
    };
    let last = || recorded.isolations.get(&id)?.rule.as_ref().map(|rule| Arc::clone(&rule.listed.exclusions));
    let declared = || wanted(host).map(|(exclusions, _)| Arc::clone(exclusions)).unwrap_or_default();
    found.or_else(last).unwrap_or_else(declared)
}

fn names(hosts: &[String]) -> String {
    let shown = hosts[..hosts.len().min(NAMES)].join(", ");
    match hosts.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
