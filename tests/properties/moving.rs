//! Files that move between the rule for all hosts and those of hosts: whatever is declared and found, the server takes
//! every write, and no host goes without a file that the plan does not name.

use std::collections::{BTreeMap, BTreeSet};

use kedrctl::model::{Difference, FileHash, HashSet, Reading, Target};
use kedrctl::plan::{Action, Purpose, ServerPlan};
use proptest::prelude::*;

use crate::facts::{Known, known};
use crate::values::config;

/// The rules of a server, as far as they could be read.
#[derive(Clone)]
struct Rules(BTreeMap<Target, HashSet>);

impl Rules {
    fn of(known: &Known) -> Self {
        let rules = known.preventions.iter().filter_map(|(target, reading)| match reading {
            Reading::Present(rule) => Some((*target, rule.hashes())),
            Reading::Absent => Some((*target, HashSet::new())),
            Reading::Unknown(_) => None,
        });
        Self(rules.collect())
    }

    fn of_all(&self) -> HashSet {
        self.0.get(&Target::AllHosts).cloned().unwrap_or_default()
    }

    fn hosts(&self) -> impl Iterator<Item = (Target, &HashSet)> {
        self.0.iter().filter(|(target, _)| **target != Target::AllHosts).map(|(target, rule)| (*target, rule))
    }

    /// What is blocked on each host.
    fn blocked(&self) -> BTreeMap<Target, HashSet> {
        self.hosts().map(|(target, rule)| (target, rule | &self.of_all())).collect()
    }
}

/// Carries out one step as the server would; `seen` is called after each write.
fn carry_out(plan: &ServerPlan, purpose: Purpose, rules: &mut Rules) {
    let steps = plan.steps.iter().filter(|step| step.purpose == purpose);
    for change in steps.flat_map(|step| &step.changes) {
        let Difference::Prevention(side) = &change.difference else { continue };
        let target = change.subject.target;
        let before = side.before.as_ref().map_or_else(HashSet::new, |rule| rule.hashes());
        let after = side.after.as_ref().map_or_else(HashSet::new, |rule| rule.hashes());
        assert_eq!(rules.0[&target], before, "planned on something else: {change:#?}");
        let others: HashSet = match target {
            Target::AllHosts => rules.hosts().flat_map(|(_, rule)| rule).copied().collect(),
            Target::Sensor(_) => rules.of_all(),
        };
        assert!(after.is_disjoint(&others), "the server refuses a file in both: {change:#?}\n{others:?}");
        rules.0.insert(target, after);
    }
}

/// The hashes that the plan says are taken out: of a host, and of all.
fn announced(plan: &ServerPlan) -> BTreeMap<Target, HashSet> {
    let mut announced: BTreeMap<Target, HashSet> = BTreeMap::new();
    for change in plan.changes() {
        if let Action::Block(rule) = &change.action {
            let gone = rule.removed.iter().filter(|removed| !removed.because.is_moved_to_all());
            announced.entry(change.subject.target).or_default().extend(gone.map(|removed| removed.hash));
        }
    }
    announced
}

/// Of what is blocked before and after, what is not between the two: on how many hosts, and what.
fn lacking(before: &Rules, between: &Rules, after: &Rules) -> (u64, HashSet) {
    let (before, between, after) = (before.blocked(), between.blocked(), after.blocked());
    let (mut hosts, mut hashes) = (0, HashSet::new());
    for (target, blocked) in &before {
        let gone: Vec<FileHash> = blocked
            .iter()
            .filter(|hash| after[target].contains(*hash) && !between[target].contains(*hash))
            .copied()
            .collect();
        hosts += u64::from(!gone.is_empty());
        hashes.extend(gone);
    }
    (hosts, hashes)
}

proptest! {
    #![proptest_config(config(2_000, "moving"))]

    #[test]
    fn the_server_takes_every_write_and_no_hash_is_lost_unannounced(known in known()) {
        let plan = known.server_plan();
        let found = Rules::of(&known);
        let mut rules = found.clone();
        let mut after_step = BTreeMap::new();
        for purpose in [Purpose::GiveUp, Purpose::ForAll, Purpose::Prevent] {
            carry_out(&plan, purpose, &mut rules);
            after_step.insert(purpose, rules.clone());
        }

        let (before, after, announced) = (found.blocked(), rules.blocked(), announced(&plan));
        let of_all = announced.get(&Target::AllHosts).cloned().unwrap_or_default();
        for (target, blocked) in &before {
            let of_host = announced.get(target).cloned().unwrap_or_default();
            let lost = blocked - &after[target];
            prop_assert!(lost.is_subset(&(&of_host | &of_all)), "{:?} lost {:?}", target, lost);
        }

        let mut gaps = plan.gaps().into_iter().map(|gap| ((gap.from, gap.until), (gap.hosts, gap.hashes)));
        let gaps: BTreeMap<_, _> = gaps.by_ref().collect();
        for (from, until) in [(Purpose::GiveUp, Purpose::ForAll), (Purpose::ForAll, Purpose::Prevent)] {
            let (hosts, hashes) = lacking(&found, &after_step[&from], &rules);
            let (said_hosts, said) = gaps.get(&(from, until)).cloned().unwrap_or_default();
            prop_assert_eq!((said_hosts, said), (hosts, hashes), "{:?}", from);
        }
    }

    /// The rule for all hosts is written only where every host's rule is known, and nobody is in its way.
    #[test]
    fn the_rule_for_all_hosts_waits_for_what_is_not_known(known in known()) {
        let plan = known.server_plan();
        let is_gaining = plan.changes().any(|change| {
            let rule = change.action.rule_change();
            change.subject.target == Target::AllHosts && rule.is_some_and(|rule| !rule.added.is_empty())
        });
        let is_unread = known.listed().sensors.keys().any(|id| {
            matches!(known.preventions.get(&Target::Sensor(*id)), Some(Reading::Unknown(_)) | None)
        });
        prop_assert!(!(is_gaining && is_unread));
        let managed: BTreeSet<Target> = known
            .hosts
            .iter()
            .filter(|host| host.prevention.is_some())
            .map(|host| Target::Sensor(host.sensor.id))
            .collect();
        for change in plan.changes().filter(|change| change.subject.target != Target::AllHosts) {
            let is_rule = matches!(change.difference, Difference::Prevention(_));
            prop_assert!(!is_rule || managed.contains(&change.subject.target), "nobody's rule is touched");
        }
    }
}

/// The properties are worth something only where files move both ways.
#[test]
fn files_do_move() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<Purpose, u32> = BTreeMap::new();
    let mut twice = 0;
    for _ in 0..2_000 {
        let known = known().new_tree(&mut runner).unwrap().current();
        let plan = known.server_plan();
        for gap in plan.gaps() {
            *seen.entry(gap.from).or_default() += 1;
        }
        let of = |purpose| plan.steps.iter().filter(move |step| step.purpose == purpose);
        let given: BTreeSet<_> =
            of(Purpose::GiveUp).flat_map(|step| &step.changes).map(|change| change.subject).collect();
        let later = of(Purpose::Prevent).flat_map(|step| &step.changes);
        twice += u32::from(later.into_iter().any(|change| given.contains(&change.subject)));
    }
    assert!(seen[&Purpose::GiveUp] > 50 && seen[&Purpose::ForAll] > 20 && twice > 4, "{seen:?}, {twice}");
}
