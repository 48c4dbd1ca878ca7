//! Putting back the rule for all hosts. What a run moved between it and the rules of hosts goes back together or not at
//! all: a file that left one of them and came not into the other would be blocked nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Kept, Rollback};
use crate::declare::{DeclaredPrevention, Identity};
use crate::model::{Aspect, BlockSet, FileHash, HostList, Subject, Target};
use crate::plan::{Action, Change, Finding, FindingKind, Judged, ServerPlan, Verdict};
use crate::record::Recorded;

const ALL_HOSTS: Subject = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };

impl Rollback {
    /// Asked of a plan that was made of what is wanted here: where the rule for all hosts can not go back, it is taken
    /// out of what is wanted, with all that hangs on it. True: then the plan has to be made anew.
    /// `listed`: whose rules can be written.
    pub fn spare_all_hosts(
        &mut self,
        plan: &ServerPlan,
        listed: &HostList,
        recorded: &Recorded,
        now: Timestamp,
    ) -> bool {
        let Some(why) = self.why_not_all_hosts(plan, listed, recorded, now) else { return false };
        self.leave_all_hosts(&why);
        true
    }

    fn why_not_all_hosts(
        &self,
        plan: &ServerPlan,
        listed: &HostList,
        recorded: &Recorded,
        now: Timestamp,
    ) -> Option<String> {
        let wanted = self.all_hosts.as_ref()?;
        let Some(of_all) = plan.changes().find(|change| change.subject == ALL_HOSTS) else {
            let judged = plan.judged.iter().find(|judged| judged.subject() == ALL_HOSTS)?;
            return (!judged.verdict.is_in_sync()).then(|| why_not_planned(plan, &judged.verdict));
        };
        if let Kept::No(why) = self.judge(of_all, &plan.server, recorded, now) {
            return Some(why);
        }
        let moved = named(&wanted.prevention);
        let is_left = |change: &&Arc<Change>| {
            change.subject != ALL_HOSTS
                && !matches!(self.judge(change, &plan.server, recorded, now), Kept::Yes)
        };
        let left = plan
            .changes()
            .filter(is_left)
            .find(|change| changed(change).any(|hash| moved.contains(&hash)))
            .map(|change| change.whom.label());
        let host = left.or_else(|| self.who_is_not_written(plan, listed, &moved))?;
        Some(format!(
            "a file moved between it and the rule of {host}, which is left as it is: so is this one"
        ))
    }

    /// A host that is to get any of these back, or to give it up, and of whose rule the plan has no change though it
    /// is not known to be so already: it could not be read, or nobody can tell whether it is meant. One that the
    /// server lists no more has no rule to put back.
    fn who_is_not_written(
        &self,
        plan: &ServerPlan,
        listed: &HostList,
        moved: &BTreeSet<FileHash>,
    ) -> Option<String> {
        let of = |sensor| Subject { target: Target::Sensor(sensor), aspect: Aspect::Prevention };
        let changed: BTreeSet<Subject> = plan.changes().map(|change| change.subject).collect();
        let settled = plan.judged.iter().filter(|judged| judged.verdict.is_in_sync());
        let settled: BTreeSet<Subject> = settled.map(Judged::subject).collect();
        self.hosts.iter().find_map(|host| {
            let Identity::Sensor(id) = host.identity else { return None };
            let is_done = changed.contains(&of(id)) || settled.contains(&of(id));
            let sensor = listed.sensors.get(&id).filter(|_| !is_done)?;
            let has_moved = |prevention: &Arc<_>| named(prevention).iter().any(|hash| moved.contains(hash));
            host.prevention.as_ref().filter(|it| has_moved(it)).map(|_| sensor.label())
        })
    }

    /// The rule for all hosts keeps what it has; no host gives up what that does not get, or gets what that keeps.
    pub(super) fn leave_all_hosts(&mut self, why: &str) {
        let Some(all_hosts) = self.all_hosts.take() else { return };
        let stays = named(&all_hosts.prevention);
        for host in &mut self.hosts {
            if let Some(prevention) = &mut host.prevention {
                let prevention = Arc::make_mut(prevention);
                let goes_on = |hash: &FileHash| !stays.contains(hash);
                prevention.unblock.retain(|entry| goes_on(&entry.hash));
                for set in &mut prevention.block {
                    let kept: Vec<_> = set.iter().filter(|entry| goes_on(&entry.hash)).cloned().collect();
                    *set = BlockSet::from(kept);
                }
            }
        }
        self.findings.push(Finding {
            kind: FindingKind::HostError,
            label: "all hosts".to_owned(),
            aspect: Some(Aspect::Prevention),
            message: why.to_owned(),
            cause: None,
        });
    }
}

/// The planner's own reason, such as the hosts that are in the way.
fn why_not_planned(plan: &ServerPlan, verdict: &Verdict) -> String {
    if let Verdict::Unknown(why) = verdict {
        return format!("it is not put back: {why}");
    }
    let in_the_way = plan.findings.iter().filter(|finding| {
        finding.kind == FindingKind::HostError && finding.aspect == Some(Aspect::Prevention)
    });
    let told: Vec<String> =
        in_the_way.map(|finding| format!("{}: {}", finding.label, finding.message)).collect();
    match told.is_empty() {
        true => "it is not put back: the plan can not change it".to_owned(),
        false => format!("it is not put back; {}", told.join("; ")),
    }
}

fn named(prevention: &DeclaredPrevention) -> BTreeSet<FileHash> {
    let blocked = prevention.block.iter().flat_map(|set| set.iter());
    blocked.chain(&prevention.unblock).map(|entry| entry.hash).collect()
}

fn changed(change: &Change) -> impl Iterator<Item = FileHash> {
    let rule = if let Action::Block(rule) = &change.action { Some(rule) } else { None };
    rule.into_iter().flat_map(|rule| {
        let added = rule.added.iter().map(|added| added.hash);
        added.chain(rule.removed.iter().map(|removed| removed.hash))
    })
}
