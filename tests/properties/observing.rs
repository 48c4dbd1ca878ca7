//! A plan from a snapshot is the plan that reads, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::central_node::{Call, CallError, CallErrorKind, Listing, ReadSettings};
use kedrctl::declare::Declared;
use kedrctl::guard::{self, Rules};
use kedrctl::model::{Clock, Isolation, ListedTask, PreventionRule, SensorId, ServerName, Target, TaskId};
use kedrctl::observe::{SnapshotNode, decode, encode};
use kedrctl::plan::Plan;
use kedrctl::record::Recorded;
use kedrctl::report::{self, TextOptions, View};
use kedrctl::session::{Connected, Survey, SurveyOptions, survey, take_snapshot};
use kedrctl::terminal::Palette;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::bench::{Bench, now};
use crate::lab::{LabClock, connected};
use crate::node::MemoryNode;
use crate::steps::{Step, Wanted, declaration, happen, manners, step, want};
use crate::values::{HOSTS, config, declared_host, prevention, sensor, server};

/// A server some of whose calls always fail.
#[derive(Debug, Clone)]
struct Failing {
    node: MemoryNode,
    /// 0: the host list; 1, 2, 3: the isolation of a host; 4, 5, 6: its prevention; 7: that of all.
    fails: BTreeSet<u8>,
    /// After its host list it accepts nobody any more.
    stops: bool,
}

impl Failing {
    fn check(&self, which: u8, call: Call) -> Result<(), CallError> {
        let kind = if self.stops && call != Call::Hosts {
            CallErrorKind::NotAuthorised
        } else if !self.stops && self.fails.contains(&which) {
            CallErrorKind::AnswerLost
        } else {
            return Ok(());
        };
        // Whichever is asked first, the text is the same.
        Err(CallError::new(if self.stops { Call::Hosts } else { call }, "https://memory", kind))
    }

    fn place(id: SensorId) -> u8 {
        let place = HOSTS.iter().position(|name| sensor(name) == id).unwrap();
        u8::try_from(place).unwrap()
    }
}

impl ReadSettings for Failing {
    async fn hosts(&self, clock: &dyn Clock) -> Result<Listing, CallError> {
        self.check(0, Call::Hosts)?;
        self.node.hosts(clock).await
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.check(1 + Self::place(sensor), Call::Isolation(sensor))?;
        self.node.isolation(sensor).await
    }

    async fn prevention(&self, target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        let which = match target {
            Target::AllHosts => 7,
            Target::Sensor(sensor) => 4 + Self::place(sensor),
        };
        self.check(which, Call::Prevention(target))?;
        self.node.prevention(target).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        self.node.task(id).await
    }
}

/// As `plan` shows it, text and JSON.
fn shown(survey: &Survey, declared: &Declared) -> String {
    let nobody = BTreeSet::new();
    let judgement = guard::judge(
        &survey.plan,
        &Rules {
            policy: &declared.policy,
            allowances: &[],
            take_over: &nobody,
            owner: &declared.owner,
            listed: &survey.listed,
            recorded: &survey.recorded,
            never_block: &survey.never_block,
        },
    );
    let plan: &Plan = &survey.plan;
    let mut out = Vec::new();
    let options = TextOptions { view: View::Plan, full: true, summary: false, palette: Palette::OFF };
    report::text::plan(plan, &judgement, &plan.id(), &options, &mut out).unwrap();
    let (plan_id, recorded) = (plan.id(), BTreeMap::new());
    let told = report::Told {
        plan,
        judgement: &judgement,
        plan_id: &plan_id,
        view: View::Plan,
        recorded: &recorded,
        since: None,
    };
    report::json::write(&report::json::document(&told), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

async fn planned<C: ReadSettings>(
    declared: &Declared,
    servers: &[Connected<C>],
    recorded: &BTreeMap<ServerName, Recorded>,
    renew_only: bool,
    clock: &LabClock,
) -> String {
    let options = SurveyOptions { renew_only, ..SurveyOptions::default() };
    let found = survey(declared, servers, recorded.clone(), &options, clock, &|_| {}).await.unwrap();
    shown(&found, declared)
}

proptest! {
    #![proptest_config(config(400, "observing"))]

    #[test]
    fn a_plan_from_a_snapshot_is_the_plan_that_reads(
        manners in manners(),
        skew in prop_oneof![3 => Just(0_i64), 1 => -5_000_i64..5_000],
        wants in vec(want(), HOSTS.len()),
        steps in vec(step(), 0..6),
        blocked in vec(0_u8..8, 0..4),
        fails in prop_oneof![1 => Just(BTreeSet::new()), 1 => btree_set(0_u8..8, 1..4)],
        stops in proptest::bool::weighted(0.2),
        // Declared by the time of the plan, and not of the snapshot.
        later in proptest::option::of(want()),
        all_hosts in any::<bool>(),
        renew_only in any::<bool>(),
    ) {
        now(async {
            let bench = Bench::new(manners, SignedDuration::from_secs(skew));
            let wanted: Vec<Wanted> = wants.iter().map(|want| Wanted::new(*want, bench.clock.now())).collect();
            {
                let mut state = bench.node.state();
                state.law.allowed = HOSTS.iter().zip(&wanted).filter_map(|(name, wanted)| {
                    Some((sensor(name), wanted.allowed(bench.clock.now(), SignedDuration::from_secs(skew))?))
                }).collect();
            }
            let mut declared = declaration(&wanted);
            if let Some(host) = declared.hosts.first_mut() {
                host.prevention = Some(prevention(&blocked, &[], false).into());
            }
            bench.lab.apply(&declared).await;
            for step in &steps {
                if let Step::Wait(seconds) = step {
                    bench.clock.advance(SignedDuration::from_secs(*seconds));
                }
                let mut state = bench.node.state();
                let state = &mut *state;
                happen(step, &mut state.world, &state.used);
            }
            let key = MemoryNode::key();
            let recorded = BTreeMap::from([(server(), bench.lab.record.read(&key).await.unwrap())]);
            let can_be_read = fails.is_empty() && !stops;
            let node = Failing { node: bench.node.clone(), fails, stops };
            let live = [connected(node, key.clone())];
            let snapshot =
                take_snapshot(&declared, &live, recorded.clone(), all_hosts, &bench.lab.clock, &|_| {}).await;
            let snapshot = decode(&encode(&snapshot).unwrap()).unwrap();
            let seen = snapshot.servers.into_iter().next().unwrap();
            let of_snapshot = BTreeMap::from([(server(), seen.recorded.clone())]);
            assert_eq!(of_snapshot, recorded, "what the record knows");
            let kept = [connected(SnapshotNode::new(seen.into(), all_hosts), key)];

            let reads = planned(&declared, &live, &recorded, renew_only, &bench.lab.clock).await;
            let observed = planned(&declared, &kept, &of_snapshot, renew_only, &bench.lab.clock).await;
            assert_eq!(reads, observed);

            let name = HOSTS[2];
            let Some(later) = later else { return };
            let is_known = declared.hosts.first().is_some_and(|host| &*host.entry == name);
            declared.hosts.retain(|host| &*host.entry != name);
            let added = Wanted::new(later, bench.clock.now()).isolation();
            declared.hosts.push(declared_host(name, added, Some(prevention(&[9], &[], false))));
            let reads = planned(&declared, &live, &recorded, false, &bench.lab.clock).await;
            let observed = planned(&declared, &kept, &of_snapshot, false, &bench.lab.clock).await;
            if all_hosts {
                assert_eq!(reads, observed, "a host that is added");
            } else if can_be_read && !is_known {
                assert!(observed.contains("the snapshot did not read it"), "{observed}");
            }
        });
    }
}
