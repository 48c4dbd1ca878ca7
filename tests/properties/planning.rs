//! What every plan holds to, whatever is declared, read and recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use kedrctl::declare::{DeclaredPrevention, Term, WantedIsolation};
use kedrctl::model::{
    Aspect, BlockEntry, Difference, FileHash, HashSet, Isolation, Reading, SensorId, Side, Target,
};
use kedrctl::plan::{Action, Change, Purpose, RemovedBecause, RuleChange, ServerClock, ServerPlan, Whom};
use kedrctl::record::{Attribution, RecordedIsolation, RecordedPrevention, RecordedRule};
use kedrctl::resolve::DesiredHost;
use proptest::prelude::*;

use crate::bench::start;
use crate::facts::{Known, by, known};
use crate::values::config;

proptest! {
    #![proptest_config(config(1_000, "planning"))]

    #[test]
    fn only_what_is_declared_is_written(known in known()) {
        for change in known.server_plan().changes() {
            if change.subject.target == Target::AllHosts {
                prop_assert!(known.all_hosts.is_some() && change.subject.aspect == Aspect::Prevention);
                continue;
            }
            let declared = known.hosts.iter().find(|host| Target::Sensor(host.sensor.id) == change.subject.target);
            let declared = declared.expect("a host that nobody declared");
            let is_declared = match change.subject.aspect {
                Aspect::Isolation => declared.isolation.is_some(),
                Aspect::Prevention => declared.prevention.is_some(),
                Aspect::Task(_) => false,
            };
            prop_assert!(is_declared);
            prop_assert_eq!(change.difference.aspect(), change.subject.aspect);
        }
    }

    #[test]
    fn unknown_is_never_written(known in known()) {
        let mut seen = BTreeSet::new();
        for change in known.server_plan().changes() {
            let target = change.subject.target;
            match &change.difference {
                // The second write of a rule begins with what the first left.
                Difference::Prevention(_) if !seen.insert(target) => {}
                Difference::Isolation(side) => match &known.isolations[&sensor_of(target)] {
                    Reading::Unknown(_) => panic!("{change:?}"),
                    Reading::Absent => prop_assert_eq!(&side.before, &None),
                    Reading::Present(rule) => prop_assert_eq!(side.before.as_ref(), Some(rule)),
                },
                Difference::Prevention(side) => match &known.preventions[&target] {
                    Reading::Unknown(_) => panic!("{change:?}"),
                    Reading::Absent => prop_assert_eq!(&side.before, &None),
                    Reading::Present(rule) => prop_assert_eq!(side.before.as_ref(), Some(rule)),
                },
                Difference::Task(..) => panic!("no task is declared here"),
            }
        }
    }

    #[test]
    fn nothing_is_released_that_is_not_named(known in known()) {
        for change in known.server_plan().changes() {
            let Difference::Isolation(side) = &change.difference else { continue };
            let want = &change.whom.host().unwrap().isolation.as_ref().unwrap().want;
            match (&change.action, want) {
                (Action::Release, want) => {
                    prop_assert_eq!(want, &WantedIsolation::Off);
                    prop_assert!(!change.cause.is_group(), "a group releases nobody");
                }
                (Action::EndSpent { .. }, WantedIsolation::On { term: Term::Until(until), .. }) => {
                    prop_assert!(*until <= start());
                    let rule = side.before.as_ref().unwrap();
                    let id = change.whom.sensor().unwrap().id;
                    prop_assert!(known.recorded.isolation_in_force(id, rule).is_some());
                    let was = known.recorded.isolations[&id].by.cause.as_ref();
                    let is_of_group = was.is_some_and(|was| was.shares(&change.cause));
                    prop_assert!(!change.cause.is_group() || is_of_group, "a group ends what it set");
                }
                (_, WantedIsolation::On { .. }) => prop_assert!(side.after.is_some()),
                (_, WantedIsolation::Off) => panic!("{change:?}"),
            }
            prop_assert_eq!(
                side.after.is_none(),
                matches!(change.action, Action::Release | Action::EndSpent { .. })
            );
        }
    }

    #[test]
    fn no_hash_disappears_unannounced(known in known()) {
        for change in known.server_plan().changes() {
            if let (Difference::Prevention(side), Action::Block(rule)) = (&change.difference, &change.action) {
                accounts_for_every_hash(&known, change, side, rule);
            }
        }
    }

    #[test]
    fn what_was_just_applied_is_not_planned_again(known in known()) {
        let is_apart = matches!(known.clock, ServerClock::Apart(_));
        let first = known.server_plan();
        let applied = applied(known, first.changes());
        for change in applied.server_plan().changes() {
            // With clocks far apart no end is known, and nothing that hangs on one is decided.
            prop_assert!(is_apart && change.action.is_renewal(), "{change:#?}");
        }
    }

    #[test]
    fn order_and_repetition_never_matter(known in known()) {
        let mut mixed = known.clone();
        mixed.all_hosts = known.all_hosts.as_deref().map(shuffled).map(Arc::new);
        mixed.hosts.reverse();
        for host in &mut mixed.hosts {
            *host = Arc::new(DesiredHost {
                entry: Arc::clone(&host.entry),
                origin: host.origin.clone(),
                sensor: Arc::clone(&host.sensor),
                groups: Arc::clone(&host.groups),
                is_named: host.is_named,
                isolation: host.isolation.clone(),
                prevention: host.prevention.as_deref().map(shuffled).map(Arc::new),
            });
        }
        let (plan, mixed) = (known.plan(), mixed.plan());
        prop_assert_eq!(plan.id(), mixed.id());
        prop_assert_eq!(plan.sums(), mixed.sums());
        for step in &plan.servers[0].steps {
            let others = mixed.servers[0].steps.iter().find(|other| other.purpose == step.purpose).unwrap();
            for change in &step.changes {
                let same = others.changes.iter().find(|other| other.subject == change.subject).unwrap();
                prop_assert_eq!(&same.difference, &change.difference);
            }
        }
    }

    #[test]
    fn containment_comes_first_and_release_last(known in known()) {
        let plan = known.server_plan();
        let purposes: Vec<Purpose> = plan.steps.iter().map(|step| step.purpose).collect();
        prop_assert!(purposes.is_sorted());
        let mut once = BTreeSet::new();
        for change in plan.changes() {
            let is_second = !once.insert(change.subject);
            prop_assert!(!is_second || is_needed_twice(&plan, change), "written twice: {change:#?}");
        }
    }
}

fn sensor_of(target: Target) -> SensorId {
    match target {
        Target::Sensor(id) => id,
        Target::AllHosts => panic!("there is no isolation of all hosts"),
    }
}

/// A rule is written in two steps only where it gives something up to the rule for all hosts and gets something from it.
fn is_needed_twice(plan: &ServerPlan, second: &Change) -> bool {
    let rule = |change: &Change| change.action.rule_change().unwrap().clone();
    let of = |purpose: Purpose| {
        let steps = plan.steps.iter().filter(move |step| step.purpose == purpose);
        steps.flat_map(|step| &step.changes)
    };
    let lost: HashSet = of(Purpose::ForAll)
        .flat_map(|all| rule(all).removed.into_iter().map(|removed| removed.hash))
        .collect();
    let first = of(Purpose::GiveUp).find(|first| first.subject == second.subject).unwrap();
    let then = rule(second);
    rule(first).given_up().next().is_some()
        && !then.added.is_empty()
        && then.removed.is_empty()
        && then.added.iter().all(|added| lost.contains(&added.hash))
}

fn accounts_for_every_hash(
    known: &Known,
    change: &Change,
    side: &Side<Arc<kedrctl::model::PreventionRule>>,
    rule: &RuleChange,
) {
    let hashes = |rule: &Option<Arc<kedrctl::model::PreventionRule>>| {
        rule.as_ref().map_or_else(HashSet::new, |rule| rule.hashes())
    };
    let (before, after) = (hashes(&side.before), hashes(&side.after));
    let announced: HashSet = rule.removed.iter().map(|removed| removed.hash).collect();
    let added: HashSet = rule.added.iter().map(|added| added.hash).collect();
    assert_eq!(&before - &after, announced);
    assert_eq!(&after - &before, added);
    assert_eq!(rule.kept, (&before & &after).len());
    for (hash, kept) in side.before.iter().flat_map(|rule| &rule.objects) {
        let sent = side.after.as_ref().and_then(|rule| rule.objects.get(hash));
        assert!(sent.is_none_or(|sent| sent.name == kept.name), "the name of {hash} is lost");
    }

    let declared = match &change.whom {
        Whom::Host(host) => host.prevention.as_ref().unwrap(),
        Whom::AllHosts(declared) => declared,
        Whom::Task(_) => panic!("a task blocks nothing"),
    };
    let entries: Vec<&BlockEntry> = declared.block.iter().flat_map(|list| list.iter()).collect();
    let is_live = |entry: &&&BlockEntry| {
        entry.from.is_none_or(|from| from <= start()) && entry.until.is_none_or(|until| until > start())
    };
    let live: HashSet = entries.iter().filter(is_live).map(|entry| entry.hash).collect();
    let ours = known.recorded.ours_in(change.subject.target, &before);
    assert!(added.is_subset(&live), "added, and not declared");
    for removed in &rule.removed {
        let hash: FileHash = removed.hash;
        let moves = removed.because.is_moved_to_all();
        assert!(moves || !live.contains(&hash), "{hash} is declared, and taken out");
        match &removed.because {
            RemovedBecause::Unblocked(_) => {
                assert!(declared.unblock.iter().any(|entry| entry.hash == hash));
            }
            RemovedBecause::Expired { at, .. } => {
                assert!(*at <= start() && entries.iter().any(|entry| entry.hash == hash));
            }
            RemovedBecause::NoLongerDeclared => assert!(ours.contains(&hash), "{hash} is not ours"),
            RemovedBecause::Exact => assert!(declared.exact),
            RemovedBecause::MovedToAll { was_ours } => {
                assert!(change.whom.host().is_some(), "from all to all");
                assert_eq!(*was_ours, ours.contains(&hash));
            }
        }
    }
}

/// The same with every list turned round and every entry twice.
fn shuffled(declared: &DeclaredPrevention) -> DeclaredPrevention {
    let turned = |list: &Arc<[BlockEntry]>| {
        let mut entries: Vec<BlockEntry> = list.iter().chain(list.iter()).cloned().collect();
        entries.reverse();
        entries.into()
    };
    let mut unblock: Vec<BlockEntry> = declared.unblock.iter().chain(&declared.unblock).cloned().collect();
    unblock.reverse();
    DeclaredPrevention {
        block: declared.block.iter().rev().map(turned).collect(),
        unblock,
        ..declared.clone()
    }
}

/// The facts after every change was carried out and recorded at this instant.
fn applied<'a>(mut known: Known, changes: impl Iterator<Item = &'a Arc<Change>>) -> Known {
    for change in changes {
        let target = change.subject.target;
        let by = Attribution {
            cause: Some(change.cause.clone()),
            ..by("default", change.whom.entry().map(|entry| &**entry), start())
        };
        match &change.difference {
            Difference::Isolation(side) => {
                let rule = side.after.as_ref().map(|rule: &Isolation| RecordedRule {
                    listed: rule.clone(),
                    sent_timeout_seconds: rule.timeout_seconds,
                    sent_at: start(),
                    verified_at: Some(start()),
                    clocks_apart: false,
                });
                let reading = side.after.clone().map_or(Reading::Absent, Reading::Present);
                let id = sensor_of(target);
                known.isolations.insert(id, reading);
                known.recorded.isolations.insert(id, RecordedIsolation { by, rule, verified_at: start() });
            }
            Difference::Prevention(side) => {
                let Action::Block(rule) = &change.action else { panic!("{change:?}") };
                let after = side.after.as_ref().map_or_else(HashSet::new, |rule| rule.hashes());
                let before = side.before.as_ref().map_or_else(HashSet::new, |rule| rule.hashes());
                let mut ours = known.recorded.ours_in(target, &before);
                ours.extend(rule.added.iter().map(|added| added.hash));
                ours.retain(|hash| after.contains(hash));
                let reading = side.after.clone().map_or(Reading::Absent, Reading::Present);
                known.preventions.insert(target, reading);
                let recorded = RecordedPrevention { by, ours: Arc::new(ours), verified_at: start() };
                known.recorded.preventions.insert(target, recorded);
            }
            Difference::Task(..) => panic!("no task is declared here"),
        }
    }
    known
}
