//! What the guard never lets pass, whatever policy, flags and plan.

use std::collections::{BTreeMap, BTreeSet};

use kedrctl::declare::{Limit, Limits, Missing, NeverBlock, Policy, Protected, ProtectedRule};
use kedrctl::guard::{self, Allowance, LimitKind, RefusalKind, Rules};
use kedrctl::model::{HashSet, Sensor, Target};
use kedrctl::plan::{Action, Change, Plan, ServerState};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::facts::{Known, known};
use crate::values::{config, hash, origin, server};

#[derive(Debug, Clone)]
struct Setting {
    known: Known,
    policy: Policy,
    /// The patterns of the policy's names.
    names: Vec<&'static str>,
    allowances: Vec<Allowance>,
    take_over: BTreeSet<String>,
    /// Whose is what the record shows.
    owner: &'static str,
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("dc*"), Just("DC-3"), Just("ws-2"), Just("*.corp.example"), Just("Ws-5"), Just("srv*")]
}

fn limit() -> impl Strategy<Value = Option<Limit>> {
    proptest::option::of(prop_oneof![
        (0_u64..6).prop_map(Limit::Count),
        (0_u8..=100).prop_map(Limit::Percent)
    ])
}

fn setting() -> impl Strategy<Value = Setting> {
    let limits = (limit(), limit(), limit(), limit()).prop_map(
        |(isolations, releases, hosts_changed, hashes_removed)| Limits {
            isolations,
            releases,
            hosts_changed,
            hashes_removed,
        },
    );
    let kind = (0..LimitKind::ALL.len()).prop_map(|n| LimitKind::ALL[n]);
    let allowance = (kind, 0_u64..8).prop_map(|(kind, count)| Allowance { kind, count });
    let network = proptest::option::weighted(0.3, prop_oneof![Just("10.0.0.2/32"), Just("10.1.0.0/16")]);
    let taken = vec(0_u8..5, 0..3);
    let never = vec(0_u8..24, 0..2);
    let owner = prop_oneof![3 => Just("default"), 1 => Just("another")];
    (known(), vec(name(), 0..2), network, limits, vec(allowance, 0..4), (taken, never, owner)).prop_map(
        |(known, names, network, limits, allowances, (taken, never, owner))| {
            let patterns = names.iter().map(|name| ProtectedRule::name(name).unwrap());
            let networks = network.iter().map(|network| ProtectedRule::Network(network.parse().unwrap()));
            let protected = patterns
                .chain(networks)
                .enumerate()
                .map(|(n, rule)| Protected { rule, origin: origin(u32::try_from(n).unwrap()) });
            let policy = Policy {
                protected: protected.collect(),
                limits,
                never_block: NeverBlock::of(never.into_iter().map(hash)),
                missing: Missing::Error,
                tasks: false,
            };
            let subjects = |n: u8| ["isolation", "prevention"].map(|aspect| format!("hq/host {n}/{aspect}"));
            let take_over = taken.into_iter().flat_map(subjects).collect();
            Setting { known, policy, names, allowances, take_over, owner }
        },
    )
}

/// Matched by hand: `*` at an end only, no case, whole name or first label.
fn is_protected(setting: &Setting, sensor: &Sensor) -> bool {
    let matches = |pattern: &str, text: &str| {
        let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
        match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
            (Some(begin), _) => text.starts_with(begin),
            (None, Some(end)) => text.ends_with(end),
            (None, None) => text == pattern,
        }
    };
    let by_name = setting.names.iter().any(|pattern| match &sensor.name {
        None => true,
        Some(name) => {
            let label = name.raw().split('.').next().unwrap();
            let is_short = !name.raw().contains('.');
            let pattern_label = pattern.split_once('.').map(|(label, _)| label);
            matches(pattern, name.raw())
                || matches(pattern, label)
                || (is_short && pattern_label.is_some_and(|pattern| matches(pattern, name.raw())))
        }
    });
    let by_network = setting.policy.protected.iter().any(|protected| match &protected.rule {
        ProtectedRule::Network(network) => {
            let has_one =
                sensor.addresses.iter().any(|address| address.is_ipv4() || network.addr().is_ipv6());
            !has_one || sensor.addresses.iter().any(|address| network.contains(address))
        }
        ProtectedRule::Name(_) | ProtectedRule::Sensor(_) => false,
    });
    by_name || by_network
}

/// What of a plan is refused, told by other means than the guard's.
fn expected(setting: &Setting, plan: &Plan) -> BTreeSet<RefusalKind> {
    let mut expected = BTreeSet::new();
    let (mut isolations, mut releases, mut hosts, mut removed) = (0, 0, BTreeSet::new(), HashSet::new());
    let never_block = setting.policy.never_block.whole().unwrap().hashes();
    for (_, change) in plan.changes() {
        let mut is_growth = true;
        match &change.action {
            Action::Isolate { is_lapsed, .. } => {
                isolations += u64::from(!is_lapsed);
                is_growth = !is_lapsed;
            }
            Action::Renew { .. } => is_growth = false,
            Action::ChangeExclusions { .. } => {}
            Action::StartTask { .. } | Action::DeleteTask => unreachable!("no task is declared here"),
            Action::Release | Action::EndSpent { .. } => releases += 1,
            Action::Block(rule) => {
                let gone = rule.removed.iter().filter(|removed| !removed.because.is_moved_to_all());
                removed.extend(gone.map(|removed| removed.hash).filter(|hash| {
                    // Every listed host gets it: it only moves.
                    let gets_it = |change: &Change| {
                        let rule = change.action.rule_change();
                        rule.is_some_and(|rule| rule.added.iter().any(|added| added.hash == *hash))
                    };
                    let getting: BTreeSet<_> = plan
                        .changes()
                        .filter(|(_, other)| other.subject.target != Target::AllHosts && gets_it(other))
                        .map(|(_, other)| other.subject.target)
                        .collect();
                    let listed = setting.known.listed().sensors.len();
                    change.subject.target != Target::AllHosts || getting.len() < listed
                }));
                if rule.added.iter().any(|added| never_block.contains(&added.hash)) {
                    expected.insert(RefusalKind::NeverBlock);
                }
            }
        }
        if is_growth {
            hosts.insert(change.subject.target);
        }
        let isolates = matches!(
            change.action,
            Action::Isolate { .. } | Action::Renew { .. } | Action::ChangeExclusions { .. }
        );
        if isolates && is_protected(setting, change.whom.sensor().unwrap()) {
            expected.insert(RefusalKind::Protected);
        }
        let is_recorded = setting.known.recorded.owner_of(change.subject).is_some();
        let entry = change.whom.entry().map_or("all_hosts", |entry| &**entry);
        let subject = format!("hq/{entry}/{}", change.subject.aspect);
        if setting.owner != "default" && is_recorded && !setting.take_over.contains(&subject) {
            expected.insert(RefusalKind::Owner);
        }
    }
    let ServerState::Read { hosts_listed, distinct_hashes, .. } = plan.servers[0].state else {
        panic!("it was read")
    };
    let changed = if hosts.contains(&Target::AllHosts) { hosts_listed } else { hosts.len() as u64 };
    let limits = &setting.policy.limits;
    // Under 20 hosts and hashes: no defaults for the two that are percentages.
    let five = Some(Limit::Count(5));
    let hashes_default = (distinct_hashes >= 20).then_some(Limit::Percent(20));
    for (kind, count, limit, total) in [
        (LimitKind::Isolations, isolations, limits.isolations.or(five), hosts_listed),
        (LimitKind::Releases, releases, limits.releases.or(five), hosts_listed),
        (LimitKind::HostsChanged, changed, limits.hosts_changed, hosts_listed),
        (
            LimitKind::HashesRemoved,
            removed.len() as u64,
            limits.hashes_removed.or(hashes_default),
            distinct_hashes,
        ),
    ] {
        let is_within = match limit {
            None => true,
            Some(Limit::Count(bound)) => count <= bound,
            Some(Limit::Percent(percent)) => count * 100 <= u64::from(percent) * total,
        };
        let is_allowed = setting.allowances.iter().any(|a| a.kind == kind && count <= a.count);
        if !is_within && !is_allowed {
            expected.insert(RefusalKind::Limit);
        }
    }
    expected
}

proptest! {
    #![proptest_config(config(2_000, "judging"))]

    #[test]
    fn exactly_what_may_not_be_is_refused(setting in setting()) {
        let mut known = setting.known.clone();
        for by in known.recorded.isolations.values_mut().map(|known| &mut known.by) {
            by.owner = setting.owner.into();
        }
        for by in known.recorded.preventions.values_mut().map(|known| &mut known.by) {
            by.owner = setting.owner.into();
        }
        let (listed, recorded) = (
            BTreeMap::from([(server(), known.listed())]),
            BTreeMap::from([(server(), known.recorded.clone())]),
        );
        let rules = Rules {
            policy: &setting.policy,
            never_block: setting.policy.never_block.whole().unwrap(),
            allowances: &setting.allowances,
            take_over: &setting.take_over,
            owner: "default",
            listed: &listed,
            recorded: &recorded,
        };
        let plan = known.plan();
        let expected = expected(&setting, &plan);
        match guard::clear(plan, &rules) {
            Ok(_) => prop_assert_eq!(expected, BTreeSet::new()),
            Err((_, judgement)) => {
                let refused: BTreeSet<_> = judgement.refusals.iter().map(|refusal| refusal.kind).collect();
                prop_assert_eq!(expected, refused);
            }
        }
    }
}
