//! The same promise over real HTTPS, for some dozens of sequences: through `session::connect`, the client with its
//! retries, the simulator's dialects and faults.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::HttpsCentralNode;
use kedrctl::execute::Rollout;
use kedrctl::model::SensorId;
use kedrctl::record::{MemoryStore, Record};
use kedrctl_simulator::dialect::{Expired, LastAccess, Rounding, SettingsShape};
use kedrctl_simulator::{Clock, Dialect, Simulator};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::start;
use crate::https::{QUICK, block_on, faults, simulated};
use crate::lab::{Lab, LabClock};
use crate::node::{Trouble, Used};
use crate::sequences::{Doubts, hold};
use crate::steps::{Step, Want, Wanted, declaration, happen, id_of, step, want};
use crate::values::{HOSTS, config};

fn dialect() -> impl Strategy<Value = Dialect> {
    let shape = prop_oneof![
        Just(SettingsShape::Object),
        Just(SettingsShape::Array),
        Just(SettingsShape::BareArray),
        Just(SettingsShape::ArrayUnderSettings)
    ];
    let seen =
        prop_oneof![Just(LastAccess::Rfc3339), Just(LastAccess::EpochSeconds), Just(LastAccess::EpochMillis)];
    let rounding = prop_oneof![3 => Just(Rounding::None), 1 => Just(Rounding::Down), 1 => Just(Rounding::Up)];
    (shape, seen, rounding, any::<bool>()).prop_map(|(settings, last_access, timeouts, forgets)| Dialect {
        settings,
        last_access,
        timeouts,
        expired: if forgets { Expired::Gone } else { Expired::Listed },
        ..Dialect::default()
    })
}

struct Scene {
    lab: Lab<HttpsCentralNode, MemoryStore>,
    store: MemoryStore,
    clock: Clock,
    dialect: Dialect,
    wanted: Vec<Wanted>,
    ours: Used,
    restarted: [Option<Timestamp>; HOSTS.len()],
    skew: i64,
    vouched: u32,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(dialect: Dialect, wants: &[Want]) -> Self {
        let clock = Clock::manual(start());
        let (connected, folder) = simulated(&HOSTS, &dialect, &clock);
        let store = MemoryStore::default();
        let lab = Lab {
            servers: vec![connected],
            record: Record::new(store.clone()),
            clock: LabClock(clock.clone()),
            rollout: Rollout::default(),
            pace: QUICK,
        };
        let wanted = wants.iter().map(|want| Wanted::new(*want, start())).collect();
        Self {
            lab,
            store,
            clock,
            dialect,
            wanted,
            ours: Used::new(),
            restarted: [None; HOSTS.len()],
            skew: 0,
            vouched: 0,
            _folder: folder,
        }
    }

    fn simulator(&self) -> &Simulator {
        self.lab.servers[0].simulator.as_ref().unwrap()
    }

    async fn step(&mut self, step: &Step) {
        let now = self.clock.now();
        match step {
            Step::Apply(troubles) | Step::Killed(_, troubles) => self.apply(troubles).await,
            Step::Settle => {
                self.apply(&[]).await;
                self.clock.advance(SignedDuration::from_secs(2));
                self.simulator().world(kedrctl_simulator::World::contact_all);
            }
            Step::Drift(troubles) => {
                self.arm(troubles);
                self.check().await;
            }
            Step::Wait(seconds) => self.clock.advance(SignedDuration::from_secs(*seconds)),
            Step::WaitForEnd(which, by) => {
                let end = self.simulator().world(|world| Some(world.isolation(id_of(*which))?.end()));
                let at = end.map(|end| end + SignedDuration::from_secs(*by));
                self.clock.set(at.filter(|at| *at > now).unwrap_or(now));
            }
            Step::Foreign(..)
            | Step::ForeignAgain(_)
            | Step::ForeignExclusions(_)
            | Step::ForeignRelease(_)
            | Step::Contact(_)
            | Step::ContactEvery(..) => self.simulator().world(|world| happen(step, world, &self.ours)),
            Step::Restart(which) => {
                self.restarted[usize::from(*which)] = Some(now);
                self.simulator().world(|world| happen(step, world, &self.ours));
            }
            Step::LoseRecord => self.store.objects().keys().for_each(|key| self.store.remove(key)),
            Step::Declare(which, want) => self.wanted[usize::from(*which)] = Wanted::new(*want, now),
            // The fault shifts `Date` alone, not the last accesses: behind would be a server that contradicts itself.
            Step::Skew(seconds) => self.skew = if (-700..0).contains(seconds) { 0 } else { *seconds },
        }
        self.arm(&[]);
        self.check().await;
    }

    async fn apply(&mut self, troubles: &[Option<Trouble>]) {
        self.arm(troubles);
        self.lab.apply(&declaration(&self.wanted)).await.unwrap();
        let listed = |name: &&str| {
            let id = kedrctl_simulator::world::sensor_id_of(name);
            self.simulator().world(|world| {
                let rule = world.isolation(id)?;
                Some((rule.timeout_seconds, rule.exclusions.as_ref().map_or(0, Vec::len)))
            })
        };
        let listed: Vec<_> = HOSTS.iter().filter_map(listed).collect();
        self.ours.extend(listed);
    }

    fn arm(&self, troubles: &[Option<Trouble>]) {
        let skew = SignedDuration::from_secs(self.skew);
        self.simulator().set_faults(faults(troubles, &self.dialect, skew));
    }

    async fn check(&mut self) {
        let plan = self.lab.drift(&declaration(&self.wanted)).await;
        let doubts = Doubts { fooled: &BTreeSet::new(), restarted: &self.restarted };
        let forgets = self.dialect.expired == Expired::Gone;
        self.vouched += self.simulator().world(|world| {
            let is_listed = |id: SensorId| {
                world.isolation(id.uuid()).is_some_and(|rule| !forgets || rule.end() > world.now())
            };
            hold(&plan, &self.wanted, world, is_listed, &doubts)
        });
    }
}

proptest! {
    #![proptest_config(config(32, "over_https"))]

    #[test]
    fn in_sync_with_contact_means_isolated(
        dialect in dialect(),
        wants in vec(want(), HOSTS.len()),
        steps in vec(step(), 4..16),
    ) {
        block_on(async {
            let mut scene = Scene::new(dialect, &wants);
            for step in &steps {
                scene.step(step).await;
            }
        });
    }
}
