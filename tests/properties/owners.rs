//! Two repositories that share a server and a record, each applying every few minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::declare::{Declared, DeclaredHost, Policy, Term, WantedIsolation};
use kedrctl::guard::{self, RefusalKind, Rules};
use kedrctl::model::{HashSet, Target, Timeout};
use kedrctl_simulator::world::{self, FileObject};

use crate::bench::{Bench, now};
use crate::law::Allowed;
use crate::node::{Manners, Rounding};
use crate::translate::of_hash;
use crate::values::{HOSTS, declared, declared_host, hash, isolation, prevention, sensor};

const APPLIES: u8 = 50;

fn manners() -> Manners {
    Manners {
        rounding: Rounding::Exact,
        forgets_ended: false,
        whole_seconds: false,
        tells_date: true,
        latency: SignedDuration::ZERO,
    }
}

/// A fleet on which every host blocks a hash of nobody that we know.
fn bench() -> Bench {
    let bench = Bench::new(manners(), SignedDuration::ZERO);
    let mut state = bench.node.state();
    for name in HOSTS {
        let foreign = vec![FileObject::new(of_hash(hash(99)))];
        state.world.set_prevention(world::Target::Sensor(sensor(name).uuid()), foreign).unwrap();
    }
    drop(state);
    bench
}

fn owned(owner: &str, hosts: Vec<DeclaredHost>) -> Declared {
    Declared { owner: owner.into(), ..declared(hosts, Policy::default()) }
}

fn lease() -> WantedIsolation {
    isolation(Term::Lease(Timeout::covering(SignedDuration::from_hours(8))), 1)
}

fn blocked(bench: &Bench, name: &str) -> HashSet {
    let rule = bench.node.state().listed_prevention(Target::Sensor(sensor(name)));
    rule.map_or_else(HashSet::new, |rule| rule.hashes())
}

fn hashes(of: &[u8]) -> HashSet {
    of.iter().copied().map(hash).collect()
}

#[test]
fn two_owners_who_share_hosts_and_no_aspect_never_undo_each_other() {
    now(async {
        let bench = bench();
        bench
            .node
            .state()
            .law
            .allowed
            .extend([(sensor("WS-1"), Allowed::Isolate), (sensor("WS-3"), Allowed::Isolate)]);
        for round in 0..APPLIES {
            // A list that changes with every apply: the newest hash and the one before.
            let list = [round, round.saturating_sub(2)];
            let (owner, hosts) = if round.is_multiple_of(2) {
                let blocks = declared_host("WS-2", None, Some(prevention(&list, &[], false)));
                ("soc", vec![declared_host("WS-1", Some(lease()), None), blocks])
            } else {
                let blocks = declared_host("WS-1", None, Some(prevention(&list, &[], false)));
                ("it", vec![declared_host("WS-3", Some(lease()), None), blocks])
            };
            let mine = owned(owner, hosts);
            let applied = bench.lab.apply(&mine).await;
            let (_, outcome) = applied.unwrap_or_else(|| panic!("{owner} was refused in round {round}"));
            assert!(
                outcome.servers.iter().all(|server| server.changes.iter().all(|one| one.result.is_done()))
            );
            // What was just applied stands, and nothing of the other one went.
            let plan = bench.lab.drift(&mine).await;
            assert_eq!(plan.changes().count(), 0, "{owner} in round {round}");
            let block = if owner == "soc" { "WS-2" } else { "WS-1" };
            let mut expected = hashes(&list);
            expected.insert(hash(99));
            assert_eq!(blocked(&bench, block), expected, "round {round}");
            let other = if owner == "soc" { "WS-1" } else { "WS-2" };
            if round > 0 {
                let mut theirs = hashes(&[round - 1, (round - 1).saturating_sub(2)]);
                theirs.insert(hash(99));
                assert_eq!(blocked(&bench, other), theirs, "round {round}");
            }
            assert_eq!(blocked(&bench, "WS-3"), hashes(&[99]));
            bench.clock.advance(SignedDuration::from_mins(20));
        }
        let writes = bench.node.state().writes;
        // One of each prevention rule a round, two isolations, and a renewal every four hours and more.
        assert!((52..=62).contains(&writes), "{writes} writes");
    });
}

#[test]
fn a_host_that_two_owners_want_stays_as_the_first_one_wrote_it() {
    now(async {
        let bench = bench();
        bench.node.state().law.allowed.insert(sensor("WS-1"), Allowed::Isolate);
        let block = || Some(prevention(&[1, 2], &[], false));
        let soc = owned("soc", vec![declared_host("WS-1", Some(lease()), block())]);
        let contested = prevention(&[3], &[1, 2], true);
        let it = owned("it", vec![declared_host("WS-1", Some(WantedIsolation::Off), Some(contested))]);
        for round in 0..APPLIES {
            if round.is_multiple_of(2) {
                assert!(bench.lab.apply(&soc).await.is_some(), "round {round}");
            } else {
                let before = bench.node.state().writes;
                assert_refused(&bench, &it, "soc").await;
                assert!(bench.lab.apply(&it).await.is_none(), "round {round}");
                assert_eq!(bench.node.state().writes, before, "nothing is written in round {round}");
            }
            assert!(bench.node.state().listed_isolation(sensor("WS-1")).is_some(), "it never comes free");
            assert_eq!(blocked(&bench, "WS-1"), hashes(&[1, 2, 99]), "round {round}");
            bench.clock.advance(SignedDuration::from_mins(20));
        }
        // The isolation, the prevention rule, and renewals of a lease of 8 h over more than 16 h.
        let writes = bench.node.state().writes;
        assert!((4..=7).contains(&writes), "{writes} writes: no flapping");
    });
}

/// Every change that the other owner wants is refused, and each refusal says who, when, from where and what to do.
async fn assert_refused(bench: &Bench, declared: &Declared, other: &str) {
    let plan = bench.lab.drift(declared).await;
    let server = &bench.lab.servers[0];
    let recorded = bench.lab.record.read(&server.key).await.unwrap();
    let nobody = BTreeSet::new();
    let judgement = guard::judge(
        &plan,
        &Rules {
            policy: &declared.policy,
            allowances: &[],
            take_over: &nobody,
            owner: &declared.owner,
            listed: &BTreeMap::new(),
            recorded: &BTreeMap::from([(server.name.clone(), recorded.clone())]),
            never_block: declared.policy.never_block.whole().unwrap(),
        },
    );
    let changes: Vec<_> = plan.changes().collect();
    assert_eq!(changes.len(), 2);
    for (server, change) in changes {
        let subject = server.subject_text(change);
        let refusal = judgement
            .refusals
            .iter()
            .find(|refusal| refusal.kind == RefusalKind::Owner && refusal.subject == subject)
            .unwrap_or_else(|| panic!("{subject} is not refused: {judgement:?}"));
        let by = recorded.last_write_of(change.subject).unwrap();
        let run: &Arc<str> = &by.run;
        for part in [
            format!("by owner `{other}`"),
            format!("run {run}"),
            "state.yaml:".to_owned(),
            format!("`--take-over {subject}`"),
        ] {
            assert!(refusal.message.contains(&part), "{part} is not in {}", refusal.message);
        }
    }
}
