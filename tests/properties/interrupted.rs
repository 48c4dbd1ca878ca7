//! A run that was killed anywhere is continued by the next one: the server ends as if nothing had happened.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kedrctl::cli::{Exit, Findings};
use kedrctl::declare::{Declared, Policy};
use kedrctl::model::{Exclusions, HashSet, Target};
use kedrctl_simulator::world::{self, FileObject};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::bench::{Bench, now, start};
use crate::law::Allowed;
use crate::node::Manners;
use crate::steps::{Want, Wanted, manners, want};
use crate::translate::{of_hash, rule};
use crate::values::{HOSTS, config, declared, declared_host, exclusions, hash, prevention, sensor};

/// One host: what is there, and what is declared.
#[derive(Debug, Clone)]
struct Case {
    /// Timeout and exclusions of a rule that somebody else set.
    isolated: Option<(u64, u8)>,
    blocked: Vec<u8>,
    want: Want,
    block: Vec<u8>,
    unblock: Vec<u8>,
    exact: bool,
}

fn case() -> impl Strategy<Value = Case> {
    // A hash may be in the rule for all hosts (from 20 on) or in a host's, never in both.
    let found = proptest::option::of((3_600_u64..90_000, 0_u8..2));
    (found, vec(0_u8..10, 0..6), want(), vec(0_u8..24, 0..6), vec(0_u8..24, 0..3), any::<bool>()).prop_map(
        |(isolated, blocked, want, block, mut unblock, exact)| {
            // It is not over before the last run is.
            let want = match want {
                Want::Until(span, rules) => Want::Until(span.max(600), rules),
                Want::Nothing | Want::Off | Want::Lease(..) => want,
            };
            unblock.retain(|hash| !block.contains(hash));
            Case { isolated, blocked, want, block, unblock, exact }
        },
    )
}

/// What of a server does not hang on when a run came by.
#[derive(Debug, PartialEq, Eq)]
struct Standing(BTreeMap<&'static str, (Option<Exclusions>, HashSet)>);

fn set_up(manners: Manners, cases: &[Case], for_all: &[u8]) -> (Bench, Declared) {
    let bench = Bench::new(manners, SignedDuration::ZERO);
    let objects = |hashes: &[u8]| hashes.iter().map(|n| FileObject::new(of_hash(hash(*n)))).collect();
    let mut hosts = Vec::new();
    let mut state = bench.node.state();
    state.world.set_prevention(world::Target::All, objects(for_all)).unwrap();
    for (name, case) in HOSTS.iter().zip(cases) {
        let id = sensor(name);
        if let Some((timeout, rules)) = case.isolated {
            let rules = exclusions(rules).iter().map(rule).collect();
            state.world.set_isolation(id.uuid(), timeout, rules).unwrap();
        }
        state.world.set_prevention(world::Target::Sensor(id.uuid()), objects(&case.blocked)).unwrap();
        let wanted = Wanted::new(case.want, start());
        if wanted.isolated(start()).is_some() {
            state.law.allowed.insert(id, Allowed::Isolate);
        } else if let Want::Off = case.want {
            state.law.allowed.insert(id, Allowed::Release);
        }
        let declared = prevention(&case.block, &case.unblock, case.exact);
        hosts.push(declared_host(name, wanted.isolation(), Some(declared)));
    }
    drop(state);
    (bench, declared(hosts, Policy::default()))
}

fn standing(bench: &Bench) -> Standing {
    let state = bench.node.state();
    let of = |name: &'static str| {
        let isolation = state.listed_isolation(sensor(name)).map(|rule| rule.exclusions);
        let blocked = state.listed_prevention(Target::Sensor(sensor(name)));
        (name, (isolation, blocked.map_or_else(HashSet::new, |rule| rule.hashes())))
    };
    Standing(HOSTS.into_iter().map(of).collect())
}

proptest! {
    #![proptest_config(config(300, "interrupted"))]

    #[test]
    fn a_killed_run_is_continued_by_the_next(
        manners in manners(),
        cases in vec(case(), HOSTS.len()),
        for_all in btree_set(20_u8..24, 0..4),
        kills in vec(0.0_f64..1.0, 1..4),
        pause in 0_i64..30,
    ) {
        let manners = Manners { latency: SignedDuration::ZERO, forgets_ended: false, ..manners };
        let for_all: Vec<u8> = for_all.into_iter().collect();
        now(async {
            let (whole, declared) = set_up(manners, &cases, &for_all);
            whole.fuse.set(None);
            whole.lab.apply(&declared).await.unwrap();
            let passed = whole.fuse.passed();
            let left: Vec<_> = changes(&whole, &declared).await;
            assert!(left.is_empty(), "what was just applied is planned again: {left:#?}");

            let (killed, declared) = set_up(manners, &cases, &for_all);
            for at in kills {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of it")]
                killed.fuse.set(Some(1 + (f64::from(passed) * at) as u32));
                let _killed_or_done = killed.fuse.guarding(killed.lab.apply(&declared)).await;
                killed.fuse.set(None);
                killed.clock.advance(SignedDuration::from_secs(pause));
            }
            killed.lab.apply(&declared).await.unwrap();
            let left = changes(&killed, &declared).await;
            assert!(left.is_empty(), "{left:#?}");
            assert_eq!(standing(&whole), standing(&killed));
        });
    }
}

async fn changes(bench: &Bench, declared: &Declared) -> Vec<std::sync::Arc<kedrctl::plan::Change>> {
    let plan = bench.lab.drift(declared).await;
    let left: Vec<_> = plan.changes().map(|(_, change)| change.clone()).collect();
    let findings = Findings::of(&plan);
    if left.is_empty() && !findings.has_differences {
        assert_eq!(findings.drift_exit(false), Exit::Done);
    }
    left
}
