//! The promise that matters most: `drift --require-contact` says 0 only where every host that is declared isolated
//! is in fact isolated at that moment, by its agent's clock.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kedrctl::cli::{Exit, Findings};
use kedrctl::model::SensorId;
use kedrctl::plan::Plan;
use kedrctl_simulator::World;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::{Bench, now, start};
use crate::node::{Manners, Rounding, Used};
use crate::steps::{Step, Want, Wanted, declaration, happen, id_of, manners, step, want};
use crate::translate::exclusion;
use crate::values::{HOSTS, config, sensor};

struct Scene {
    bench: Bench,
    wanted: Vec<Wanted>,
    restarted: [Option<Timestamp>; HOSTS.len()],
    in_sync: u32,
}

impl Scene {
    fn new(manners: Manners, skew: i64, wants: &[Want]) -> Self {
        let bench = Bench::new(manners, SignedDuration::from_secs(skew));
        let wanted = wants.iter().map(|want| Wanted::new(*want, start())).collect();
        let restarted = [None; HOSTS.len()];
        Self { bench, wanted, restarted, in_sync: 0 }
    }

    async fn step(&mut self, step: &Step) {
        let now = self.bench.clock.now();
        match step {
            Step::Apply(troubles) => {
                self.bench.node.state().troubles = troubles.iter().copied().collect();
                self.apply().await;
            }
            Step::Settle => {
                self.apply().await;
                self.bench.clock.advance(SignedDuration::from_secs(2));
                self.bench.node.state().world.contact_all();
            }
            Step::Killed(at, troubles) => {
                self.bench.node.state().troubles = troubles.iter().copied().collect();
                self.bench.fuse.set(Some(*at));
                self.apply().await;
            }
            Step::Drift(troubles) => {
                self.bench.node.state().troubles = troubles.iter().copied().collect();
                self.check().await;
            }
            Step::Wait(seconds) => self.bench.clock.advance(SignedDuration::from_secs(*seconds)),
            Step::WaitForEnd(which, by) => {
                let end = self.bench.node.state().world.isolation(id_of(*which)).map(|rule| rule.end());
                let at = end.map(|end| end + SignedDuration::from_secs(*by));
                self.bench.clock.set(at.filter(|at| *at > now).unwrap_or(now));
            }
            Step::Foreign(which, ..)
            | Step::ForeignAgain(which)
            | Step::ForeignExclusions(which)
            | Step::ForeignRelease(which) => {
                let mut state = self.bench.node.state();
                let state = &mut *state;
                let sensor = sensor(HOSTS[usize::from(*which)]);
                let before = state.world.isolation(sensor.uuid()).cloned();
                happen(step, &mut state.world, &state.used);
                // What others set again, or could not set otherwise, is still what we set.
                let is_same = state.world.isolation(sensor.uuid()) == before.as_ref();
                if !matches!(step, Step::ForeignAgain(_)) && !is_same {
                    state.law.ours.remove(&sensor);
                    state.fooled.remove(&sensor);
                }
            }
            Step::LoseRecord => {
                self.bench.store.objects().keys().for_each(|key| self.bench.store.remove(key))
            }
            Step::Contact(_) | Step::ContactEvery(..) => {
                happen(step, &mut self.bench.node.state().world, &Used::new());
            }
            Step::Restart(which) => {
                self.restarted[usize::from(*which)] = Some(now);
                happen(step, &mut self.bench.node.state().world, &Used::new());
            }
            Step::Declare(which, want) => self.wanted[usize::from(*which)] = Wanted::new(*want, now),
            Step::Skew(seconds) => self.bench.node.state().skew = SignedDuration::from_secs(*seconds),
        }
        self.bench.node.state().troubles.clear();
        self.check().await;
    }

    async fn apply(&mut self) {
        {
            let now = self.bench.clock.now();
            let mut state = self.bench.node.state();
            state.takes_time = true;
            let skew = state.skew;
            let allowed = HOSTS.iter().zip(&self.wanted);
            state.law.allowed = allowed
                .filter_map(|(name, wanted)| Some((sensor(name), wanted.allowed(now, skew)?)))
                .collect();
        }
        let declared = declaration(&self.wanted);
        let _done_or_killed = self.bench.fuse.guarding(self.bench.lab.apply(&declared)).await;
        self.bench.fuse.set(None);
        let mut state = self.bench.node.state();
        state.takes_time = false;
        state.troubles.clear();
        state.law.allowed.clear();
    }

    /// What drift says now, against what is.
    async fn check(&mut self) {
        let plan = self.bench.lab.drift(&declaration(&self.wanted)).await;
        let state = self.bench.node.state();
        let doubts = Doubts { fooled: &state.fooled, restarted: &self.restarted };
        let is_listed = |id| state.listed_isolation(id).is_some();
        self.in_sync += hold(&plan, &self.wanted, &state.world, is_listed, &doubts);
    }
}

/// What nobody can know.
pub(crate) struct Doubts<'a> {
    /// Hosts whose renewal was ignored by a rounding server.
    pub(crate) fooled: &'a BTreeSet<SensorId>,
    /// When each agent was started again.
    pub(crate) restarted: &'a [Option<Timestamp>],
}

/// Holds what drift says against the world at the same instant; returns how many hosts it vouched for.
pub(crate) fn hold(
    plan: &Plan,
    wanted: &[Wanted],
    world: &World,
    is_listed: impl Fn(SensorId) -> bool,
    doubts: &Doubts<'_>,
) -> u32 {
    let (findings, now) = (Findings::of(plan), plan.now);
    let mut vouched = 0;
    for ((name, wanted), restarted) in HOSTS.iter().zip(wanted).zip(doubts.restarted) {
        let id = sensor(name);
        let says_done = findings.drift_exit(false) == Exit::Done;
        let Some(exclusions) = wanted.isolated(now) else {
            let is_wrong = says_done && wanted.is_off() && is_listed(id);
            assert!(!is_wrong, "{name} is declared off, listed, and in sync");
            continue;
        };
        if doubts.fooled.contains(&id) {
            continue;
        }
        if says_done {
            let rule = world.isolation(id.uuid());
            let is_in_force = rule.is_some_and(|rule| rule.end() > now);
            assert!(is_in_force, "in sync at {now}, and the rule of {name} is {rule:?}");
        }
        let met = world.last_access(id.uuid());
        if restarted.is_some_and(|restarted| met.is_none_or(|met| met <= restarted)) {
            continue;
        }
        if findings.drift_exit(true) == Exit::Done {
            vouched += 1;
            let effective = world.effective(id.uuid()).unwrap();
            assert!(
                effective.isolated,
                "in sync with contact at {now}, and {name} is not isolated: {:?}, {effective:?}\n{plan:#?}",
                world.isolation(id.uuid())
            );
            let through = effective.exclusions.iter().map(exclusion).collect();
            assert_eq!(**exclusions, through, "what gets through to {name}");
        }
    }
    vouched
}

proptest! {
    #![proptest_config(config(1_200, "sequences"))]

    #[test]
    fn in_sync_with_contact_means_isolated(
        manners in manners(),
        skew in prop_oneof![4 => Just(0_i64), 1 => -590_i64..590, 1 => -5_000_i64..5_000],
        wants in vec(want(), HOSTS.len()),
        steps in vec(step(), 1..24),
    ) {
        let mut scene = Scene::new(manners, skew, &wants);
        now(async {
            for step in &steps {
                scene.step(step).await;
            }
        });
    }
}

/// The property is worth something only where in sync is said often.
#[test]
fn a_quiet_fleet_is_said_to_be_in_sync() {
    let manners = Manners {
        rounding: Rounding::Exact,
        forgets_ended: false,
        whole_seconds: true,
        tells_date: true,
        latency: SignedDuration::ZERO,
    };
    let wants = [Want::Until(80_000, 0), Want::Lease(86_400, 1), Want::Nothing];
    let mut scene = Scene::new(manners, 0, &wants);
    now(async {
        for step in [Step::Apply(Vec::new()), Step::Wait(700), Step::Wait(3_600)] {
            scene.step(&step).await;
        }
    });
    assert_eq!(scene.in_sync, 4);
}
