//! The engine as a whole: random fleets, files, records, other people, faults and kills. Whatever happens,
//! - no host that nobody declared is written, and no protected one is isolated;
//! - nothing is released that is not named, and no hash goes that the plan has not announced;
//! - for every write the value before is in the record when it is sent;
//! - no program is started twice;
//! - when faults stop, applying again comes to what the files say, and then there is nothing to do;
//! - a run that was killed anywhere and continued ends as one that was not.

mod events;
mod files;
mod ground;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use kedrctl::execute::Outcome;
use kedrctl::model::{HashSet, Program, SensorId, Target};
use kedrctl::plan::{Action, Plan};
use kedrctl::record::Record;
use kedrctl_simulator::Dialect;
use kedrctl_simulator::World;
use kedrctl_simulator::dialect::{Expired, Rounding, SettingsShape};
use proptest::collection::vec;
use proptest::prelude::*;

use self::events::{Event, block, come_back, event};
use self::files::{Files, NAMES, Said, files};
use self::ground::Ground;
use crate::bench::{Bench, now};
use crate::https::{Https, block_on};
use crate::node::{Manners, Trouble};
use crate::steps::{Step, happen, manners};
use crate::translate::of_target;
use crate::values::{HOSTS, config, exclusions, sensor};

/// What stands there before anybody declares anything: an isolation, by its seconds and exclusions, and hashes.
type Found = (Option<(u64, u8)>, Vec<u8>);

struct Scene<G> {
    ground: G,
    said: Said,
    skew: SignedDuration,
    /// Everything that was ever started.
    started: BTreeSet<(SensorId, Program)>,
}

fn target(host: Option<usize>) -> Target {
    host.map_or(Target::AllHosts, |host| Target::Sensor(sensor(NAMES[host])))
}

/// The hashes of one rule; `None`: of that for all hosts.
fn rule_of(world: &World, host: Option<usize>) -> HashSet {
    let rule = world.prevention(of_target(target(host)));
    let hashes = rule.iter().flat_map(|rule| rule.hashes());
    hashes.map(|hash| hash.to_string().parse().unwrap()).collect()
}

/// What is blocked on each host.
fn blocked(world: &World) -> Vec<HashSet> {
    let of_all = rule_of(world, None);
    (0..NAMES.len()).map(|host| &rule_of(world, Some(host)) | &of_all).collect()
}

/// What other people do to isolations; a rule that they have replaced is ours no more.
fn outside(step: &Step, ground: &impl Ground) {
    let (Step::Foreign(which, ..)
    | Step::ForeignAgain(which)
    | Step::ForeignExclusions(which)
    | Step::ForeignRelease(which)
    | Step::Contact(which)
    | Step::ContactEvery(which, _)
    | Step::Restart(which)) = step
    else {
        return;
    };
    // What others set is rounded there too, and then nothing tells it from ours.
    let sets = matches!(step, Step::Foreign(..) | Step::ForeignExclusions(_));
    if sets && ground.rounds() {
        return;
    }
    let id = sensor(HOSTS[usize::from(*which)]);
    let is_foreign = ground.world(|world, used| {
        let before = world.isolation(id.uuid()).cloned();
        if world.host(id.uuid()).is_some() {
            happen(step, world, used);
        }
        !matches!(step, Step::ForeignAgain(_)) && world.isolation(id.uuid()) != before.as_ref()
    });
    if is_foreign {
        ground.law(|law| law.ours.remove(&id));
    }
}

impl<G: Ground> Scene<G> {
    fn new(ground: G, files: Files, found: &[Found]) -> Self {
        let said = Said::new(files, ground.clock().now());
        let rounds = ground.rounds();
        ground.world(|world, _used| {
            for (host, (isolated, blocked)) in found.iter().enumerate() {
                let host = (host < NAMES.len()).then_some(host);
                block(world, host, blocked);
                if let (Some(host), Some((seconds, rules))) = (host, isolated) {
                    let rules = exclusions(*rules).iter().map(crate::translate::rule).collect();
                    let seconds = if rounds { seconds.next_multiple_of(3_600) } else { *seconds };
                    world.set_isolation(sensor(NAMES[host]).uuid(), seconds, rules).unwrap();
                }
            }
        });
        Self { ground, said, skew: SignedDuration::ZERO, started: BTreeSet::new() }
    }

    async fn happen(&mut self, event: &Event) {
        let clock = self.ground.clock().clone();
        match event {
            Event::Apply(troubles) => drop(self.apply(troubles, None).await),
            Event::Killed(at, troubles) => drop(self.apply(troubles, Some(*at)).await),
            Event::Declare(files) => self.said = Said::new((**files).clone(), clock.now()),
            Event::Wait(seconds) => clock.advance(SignedDuration::from_secs(*seconds)),
            Event::Outside(Step::Skew(seconds)) => {
                self.skew = SignedDuration::from_secs(*seconds);
                self.ground.set_skew(self.skew);
            }
            Event::Outside(Step::WaitForEnd(which, by)) => {
                let id = sensor(HOSTS[usize::from(*which)]);
                let end = self.ground.world(|world, _| world.isolation(id.uuid()).map(|rule| rule.end()));
                let at = end.map(|end| end + SignedDuration::from_secs(*by));
                clock.set(at.filter(|at| *at > clock.now()).unwrap_or(clock.now()));
            }
            Event::Outside(step) => outside(step, &self.ground),
            Event::Blocked(host, hashes) => self.ground.world(|world, _| block(world, *host, hashes)),
            Event::TaskTaken(which) => self.take_task(*which).await,
            Event::Gone(host) => self.take_host(*host).await,
            Event::Back(host) => self.ground.world(|world, _| come_back(world, *host)),
            Event::LoseRecord => {
                let store = self.ground.store();
                store.objects().keys().for_each(|key| store.remove(key));
                // Nobody can know any more what was started and is there no more.
                self.started.clear();
                self.ground.law(|law| law.tasks.started.clear());
            }
        }
    }

    /// Tasks whose creation is in the record: of one whose answer was lost and that is gone by now nobody can know.
    async fn known_tasks(&self) -> BTreeSet<uuid::Uuid> {
        let key = &self.ground.lab().servers[0].key;
        let recorded = Record::new(self.ground.store().clone()).read(key).await.unwrap();
        recorded.tasks.keys().map(|id| id.uuid()).collect()
    }

    async fn take_task(&self, which: usize) {
        let known = self.known_tasks().await;
        self.ground.world(|world, _| {
            let task = world.tasks().into_iter().filter(|task| known.contains(&task.id)).nth(which);
            if let Some(task) = task {
                world.delete_task(task.id).unwrap();
            }
        });
    }

    async fn take_host(&self, host: usize) {
        let (known, id) = (self.known_tasks().await, sensor(NAMES[host]).uuid());
        self.ground.world(|world, _| {
            if world.tasks().iter().all(|task| task.sensor != id || known.contains(&task.id)) {
                world.remove_host(id);
            }
        });
    }

    /// `None`: it was killed, or refused.
    async fn apply(
        &mut self,
        troubles: &[Option<Trouble>],
        killed_at: Option<u32>,
    ) -> Option<(Plan, Outcome)> {
        let now = self.ground.clock().now();
        let law = self.said.law(now, self.skew);
        self.ground.law(|current| {
            let (ours, started) =
                (std::mem::take(&mut current.ours), std::mem::take(&mut current.tasks.started));
            *current = law;
            (current.ours, current.tasks.started) = (ours, started);
        });
        let (before, writes) = (self.ground.world(|world, _| blocked(world)), self.ground.writes());
        self.ground.begin(troubles);
        self.ground.fuse().set(killed_at);
        let declared = self.said.declared();
        let announce = |plan: &Plan| self.ground.law(|law| law.announce(plan));
        let applying = self.ground.lab().apply_announced(&declared, announce);
        let done = self.ground.fuse().guarding(applying).await;
        self.ground.fuse().set(None);
        self.ground.end();
        // Outside of a run nobody writes.
        self.ground
            .law(|law| (law.allowed.clear(), law.all_is_declared = false, law.ruled = Some(BTreeSet::new())));
        self.note_started();
        let applied = done?;
        let Some((plan, outcome)) = applied else {
            assert_eq!(self.ground.writes(), writes, "what was refused is written");
            return None;
        };
        let is_open = outcome.servers.iter().any(|server| server.open.is_some());
        let changed_meanwhile =
            troubles.iter().any(|trouble| matches!(trouble, Some(Trouble::ChangedMeanwhile(_))));
        if !is_open && !changed_meanwhile {
            self.assert_announced(&before, &plan, &outcome);
        }
        Some((plan, outcome))
    }

    /// No program is started twice.
    fn note_started(&mut self) {
        let started = self.ground.law(|law| law.tasks.started.clone());
        for (what, times) in &started {
            assert!(*times < 2, "{} was started {times} times", what.1);
        }
        self.started.extend(started.into_keys());
    }

    /// What is blocked no more on a host was named: as leaving its rule, or that for all.
    fn assert_announced(&self, before: &[HashSet], plan: &Plan, outcome: &Outcome) {
        let mut announced: BTreeMap<Target, HashSet> = BTreeMap::new();
        for (_, change) in plan.changes() {
            if let Action::Block(rule) = &change.action {
                let gone = rule.removed.iter().filter(|removed| !removed.because.is_moved_to_all());
                announced.entry(change.subject.target).or_default().extend(gone.map(|removed| removed.hash));
            }
        }
        let said = |of| announced.get(&of).cloned().unwrap_or_default();
        let after = self.ground.world(|world, _| blocked(world));
        for (host, (before, after)) in before.iter().zip(&after).enumerate() {
            let lost = before - after;
            let said = &said(target(Some(host))) | &said(Target::AllHosts);
            assert!(lost.is_subset(&said), "{} lost {lost:?}, {said:?} was said\n{outcome:#?}", NAMES[host]);
        }
    }

    /// Faults stop, everybody is back, and nothing stands in the way that only a person can settle.
    fn settle(&mut self) {
        self.skew = SignedDuration::ZERO;
        self.ground.set_skew(self.skew);
        self.ground.be_patient();
        self.said.files.isolates_protected = false;
        self.said.files.tasks_are_allowed = true;
        let for_all = self.said.files.all.is_some();
        let ruled = self.said.law(self.ground.clock().now(), self.skew).ruled.unwrap_or_default();
        self.ground.world(|world, _| {
            for (host, name) in NAMES.iter().enumerate() {
                come_back(world, host);
                // A clash with a host whose rule is nobody's business is for a person to settle.
                if for_all && !ruled.contains(&sensor(name)) {
                    block(world, Some(host), &[]);
                }
            }
            world.contact_all();
        });
    }

    /// Applies until there is nothing to do.
    async fn converge(&mut self) {
        let (mut left, mut outcome) = (Vec::new(), None);
        for _ in 0..4 {
            outcome = self.apply(&[], None).await.map(|(_, outcome)| outcome);
            self.ground.clock().advance(SignedDuration::from_secs(2));
            self.ground.world(|world, _| world.contact_all());
            let plan = self.ground.lab().drift(&self.said.declared()).await;
            left = plan.changes().map(|(_, change)| change.clone()).collect();
            if left.is_empty() {
                let (said, started) = (&self.said, &self.started);
                return self.ground.world(|world, _| said.assert_is_so(world, started));
            }
        }
        panic!("it never comes to an end: {left:#?}\n{outcome:#?}");
    }
}

/// How the fleet stands, whenever it is looked at: isolations in force, rules, tasks.
type Standing = (Vec<Option<usize>>, Vec<HashSet>, HashSet, BTreeSet<(uuid::Uuid, String)>);

fn standing(world: &mut World) -> Standing {
    let now = world.now();
    let isolated = |name: &&str| {
        let rule = world.isolation(sensor(name).uuid()).filter(|rule| rule.end() > now)?;
        Some(rule.exclusions.as_ref().map_or(0, Vec::len))
    };
    let isolated = NAMES.iter().map(isolated).collect();
    let tasks = world.tasks().into_iter().map(|task| (task.sensor, task.arguments.unwrap_or_default()));
    (isolated, blocked(world), rule_of(world, None), tasks.collect())
}

impl Scene<Bench> {
    /// From here, once with kills and once without: the same in the end.
    async fn assert_kills_change_nothing(mut self, kills: &[f64]) {
        self.ground.node.state().manners.latency = SignedDuration::ZERO;
        let mut killed = Scene {
            ground: self.ground.fork(),
            said: self.said.clone(),
            skew: self.skew,
            started: self.started.clone(),
        };
        self.ground.fuse.set(None);
        self.converge().await;
        let passed = self.ground.fuse.passed().max(1);
        for at in kills {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of it")]
            let at = 1 + (f64::from(passed) * at) as u32;
            killed.apply(&[], Some(at)).await;
        }
        killed.converge().await;
        let latest = self.ground.clock.now().max(killed.ground.clock.now());
        self.ground.clock.set(latest);
        killed.ground.clock.set(latest);
        let (whole, killed) =
            (standing(&mut self.ground.node.state().world), standing(&mut killed.ground.node.state().world));
        assert_eq!(whole, killed);
    }
}

fn found() -> impl Strategy<Value = Vec<Found>> {
    let isolated = proptest::option::weighted(0.3, (3_601_u64..90_000, 0_u8..2));
    let blocked = proptest::collection::btree_set(0_u8..10, 0..4).prop_map(|set| set.into_iter().collect());
    // The last is for all hosts.
    vec((isolated, blocked), NAMES.len() + 1)
}

fn dialect() -> impl Strategy<Value = Dialect> {
    let shape = prop_oneof![Just(SettingsShape::Object), Just(SettingsShape::BareArray)];
    let rounding = prop_oneof![3 => Just(Rounding::None), 1 => Just(Rounding::Up)];
    (shape, rounding, any::<bool>()).prop_map(|(settings, timeouts, forgets)| Dialect {
        settings,
        timeouts,
        expired: if forgets { Expired::Gone } else { Expired::Listed },
        ..Dialect::default()
    })
}

proptest! {
    #![proptest_config(config(300, "model_check"))]

    #[test]
    fn whatever_happens_the_engine_keeps_its_promises(
        manners in manners(),
        files in files(),
        found in found(),
        events in vec(event(), 1..24),
        kills in vec(0.0_f64..1.0, 1..4),
    ) {
        now(async {
            let manners = Manners { forgets_ended: false, ..manners };
            let mut scene = Scene::new(Bench::with(&NAMES, manners, SignedDuration::ZERO), files, &found);
            for event in &events {
                scene.happen(event).await;
            }
            scene.settle();
            scene.assert_kills_change_nothing(&kills).await;
        });
    }
}

proptest! {
    #![proptest_config(config(60, "model_check_over_https"))]

    #[test]
    fn whatever_happens_it_keeps_them_over_https(
        dialect in dialect(),
        files in files(),
        found in found(),
        events in vec(event(), 1..10),
    ) {
        block_on(async {
            let mut scene = Scene::new(Https::new(&NAMES, dialect), files, &found);
            for event in &events {
                scene.happen(event).await;
            }
            scene.settle();
            scene.converge().await;
        });
    }
}
