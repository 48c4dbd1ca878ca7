//! Files that move between the rule for all hosts and those of hosts while the server fails and runs are killed: no
//! host goes without what it had and is to have unless the run says so, and the next runs bring it to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::cli::{Exit, Findings};
use kedrctl::declare::{Declared, DeclaredAllHosts, Policy};
use kedrctl::model::{HashSet, Target};
use kedrctl_simulator::world::{self, FileObject};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::bench::{Bench, now};
use crate::node::{Manners, Rounding};
use crate::steps::trouble;
use crate::translate::of_hash;
use crate::values::{HOSTS, config, declared, declared_host, hash, origin, prevention, sensor, server};

/// What stands there and what is declared: of all hosts, then of each.
#[derive(Debug, Clone)]
struct Case {
    for_all: (Vec<u8>, Vec<u8>),
    hosts: Vec<(Vec<u8>, Vec<u8>)>,
}

fn case() -> impl Strategy<Value = Case> {
    let some = || btree_set(0_u8..8, 0..5).prop_map(|hashes| hashes.into_iter().collect::<Vec<_>>());
    ((some(), some()), vec((some(), some()), HOSTS.len())).prop_map(|(for_all, mut hosts)| {
        for (found, _) in &mut hosts {
            found.retain(|n| !for_all.0.contains(n));
        }
        Case { for_all, hosts }
    })
}

const MANNERS: Manners = Manners {
    rounding: Rounding::Exact,
    forgets_ended: false,
    whole_seconds: false,
    tells_date: true,
    latency: SignedDuration::ZERO,
};

/// `exact`: what is found stays or goes by what is declared, so that the end does not hang on whose it is.
fn set_up(case: &Case, exact: bool) -> (Bench, Declared) {
    let bench = Bench::new(MANNERS, SignedDuration::ZERO);
    let objects = |hashes: &[u8]| hashes.iter().map(|n| FileObject::new(of_hash(hash(*n)))).collect();
    let mut state = bench.node.state();
    state.law.all_is_declared = true;
    state.world.set_prevention(world::Target::All, objects(&case.for_all.0)).unwrap();
    let mut hosts = Vec::new();
    for (name, (found, wanted)) in HOSTS.iter().zip(&case.hosts) {
        let target = world::Target::Sensor(sensor(name).uuid());
        state.world.set_prevention(target, objects(found)).unwrap();
        hosts.push(declared_host(name, None, Some(prevention(wanted, &[], exact))));
    }
    drop(state);
    let mut declared = declared(hosts, Policy::default());
    let rule = Arc::new(prevention(&case.for_all.1, &[], exact));
    declared.all_hosts.insert(server(), DeclaredAllHosts { origin: origin(80), prevention: rule });
    (bench, declared)
}

/// The rules, by `all` and the hosts' names.
fn rules(bench: &Bench) -> BTreeMap<&'static str, HashSet> {
    let state = bench.node.state();
    let of = |target| state.listed_prevention(target).map_or_else(HashSet::new, |rule| rule.hashes());
    let hosts = HOSTS.into_iter().map(|name| (name, of(Target::Sensor(sensor(name)))));
    hosts.chain([("all", of(Target::AllHosts))]).collect()
}

/// What is blocked on each host.
fn blocked(rules: &BTreeMap<&'static str, HashSet>) -> BTreeMap<&'static str, HashSet> {
    HOSTS.into_iter().map(|name| (name, &rules[name] | &rules["all"])).collect()
}

async fn left(bench: &Bench, declared: &Declared) -> usize {
    let plan = bench.lab.drift(declared).await;
    let left = plan.changes().count();
    if left == 0 {
        assert_eq!(Findings::of(&plan).drift_exit(false), Exit::Done, "{plan:#?}");
    }
    left
}

proptest! {
    #![proptest_config(config(200, "moving_troubles"))]

    #[test]
    fn troubled_moves_come_to_the_same_end_and_lose_nothing_unsaid(
        case in case(),
        exact in any::<bool>(),
        runs in vec(vec(trouble(), 0..40), 1..4),
    ) {
        now(async {
            let (whole, declared) = set_up(&case, exact);
            let found = blocked(&rules(&whole));
            whole.lab.apply(&declared).await.unwrap();
            assert_eq!(left(&whole, &declared).await, 0, "what was just applied is planned again");
            let end = rules(&whole);

            let (troubled, declared) = set_up(&case, exact);
            // What a run said to be open is open until a later one has brought it to its end.
            let mut is_open = false;
            for troubles in runs {
                troubled.node.state().troubles = troubles.into();
                let (_, outcome) = troubled.lab.apply(&declared).await.unwrap();
                troubled.node.state().troubles.clear();
                is_open |= outcome.servers.iter().any(|server| server.open.is_some());
                let blocked_now = blocked(&rules(&troubled));
                let mut is_any_lost = false;
                for (name, end) in blocked(&end) {
                    let kept: HashSet = found[name].intersection(&end).copied().collect();
                    let is_lost = !kept.is_subset(&blocked_now[name]);
                    assert!(!is_lost || is_open, "{name} goes without, and nobody says so: {outcome:#?}");
                    is_any_lost |= is_lost;
                }
                is_open &= is_any_lost;
            }
            troubled.lab.apply(&declared).await.unwrap();
            assert_eq!(left(&troubled, &declared).await, 0);
            // Whose a hash is can hang on what somebody lost on the way; what is declared does not.
            if exact {
                assert_eq!(rules(&troubled), end);
            } else {
                let (ends, now) = (blocked(&end), blocked(&rules(&troubled)));
                for name in HOSTS {
                    assert!(ends[name].is_subset(&now[name]), "{name}: {ends:?} {now:?}");
                }
            }
        });
    }

    #[test]
    fn killed_moves_are_continued_by_the_next_run(
        case in case(),
        kills in vec(0.0_f64..1.0, 1..4),
    ) {
        now(async {
            let (whole, declared) = set_up(&case, true);
            whole.fuse.set(None);
            whole.lab.apply(&declared).await.unwrap();
            let passed = whole.fuse.passed();

            let (killed, declared) = set_up(&case, true);
            for at in kills {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of it")]
                killed.fuse.set(Some(1 + (f64::from(passed) * at) as u32));
                let _killed_or_done = killed.fuse.guarding(killed.lab.apply(&declared)).await;
                killed.fuse.set(None);
            }
            killed.lab.apply(&declared).await.unwrap();
            assert_eq!(left(&killed, &declared).await, 0);
            assert_eq!(rules(&whole), rules(&killed));
        });
    }
}
