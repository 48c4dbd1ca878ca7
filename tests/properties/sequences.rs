//! The promise that matters most: `drift --require-contact` says 0 only where every host that is declared isolated
//! is in fact isolated at that moment, by its agent's clock.

use jiff::{SignedDuration, Timestamp};
use kedrctl::cli::{Exit, Findings};
use kedrctl::declare::{Policy, Term, WantedIsolation};
use kedrctl::model::{Exclusions, Timeout};
use kedrctl_simulator::world::sensor_id_of;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::{Bench, now, start};
use crate::node::{Allowed, Manners, Rounding, Trouble, exclusion, rule};
use crate::values::{HOSTS, config, declared, declared_host, exclusions, isolation, sensor};

/// Which of the hosts.
pub(crate) type Which = u8;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Apply(Vec<Option<Trouble>>),
    /// Nothing goes wrong, and a little later all agents are in contact.
    Settle,
    /// Killed at this call, if it comes that far.
    Killed(u32, Vec<Option<Trouble>>),
    /// A drift whose calls go wrong.
    Drift(Vec<Option<Trouble>>),
    Wait(i64),
    /// To so many seconds from the end of the host's rule, if that is in the future.
    WaitForEnd(Which, i64),
    /// Somebody else sets another rule.
    Foreign(Which, u64, u8),
    /// Somebody else sets the very same again.
    ForeignAgain(Which),
    ForeignRelease(Which),
    LoseRecord,
    Contact(Which),
    /// In minutes; `None`: it is switched off.
    ContactEvery(Which, Option<i64>),
    Restart(Which),
    Declare(Which, Want),
    /// The server's display of the time is so many seconds ahead from now on.
    Skew(i64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    Nothing,
    Off,
    /// So many seconds from now on, with these exclusions.
    Until(i64, u8),
    /// Seconds.
    Lease(i64, u8),
}

fn trouble() -> impl Strategy<Value = Option<Trouble>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Trouble::NotRead)),
        1 => Just(Some(Trouble::LostBefore)),
        1 => Just(Some(Trouble::LostAfter)),
        1 => Just(Some(Trouble::Ignored)),
        1 => Just(Some(Trouble::Refused)),
        1 => Just(Some(Trouble::Overloaded)),
    ]
}

fn troubles() -> impl Strategy<Value = Vec<Option<Trouble>>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec(trouble(), 1..16)]
}

fn span() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => 0_i64..120,
        3 => 60_i64..3_600,
        3 => 3_600_i64..6 * 3_600,
        2 => 6 * 3_600_i64..3 * 86_400,
    ]
}

pub(crate) fn want() -> impl Strategy<Value = Want> {
    prop_oneof![
        1 => Just(Want::Nothing),
        1 => Just(Want::Off),
        4 => (span(), 0_u8..2).prop_map(|(span, rules)| Want::Until(span, rules)),
        4 => (7_200_i64..2 * 86_400, 0_u8..2).prop_map(|(span, rules)| Want::Lease(span, rules)),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let which = 0..HOSTS.len() as u8;
    prop_oneof![
        7 => troubles().prop_map(Step::Apply),
        4 => Just(Step::Settle),
        2 => (1_u32..60, troubles()).prop_map(|(at, troubles)| Step::Killed(at, troubles)),
        1 => vec(trouble(), 1..8).prop_map(Step::Drift),
        4 => span().prop_map(Step::Wait),
        3 => (which.clone(), -400_i64..400).prop_map(|(which, by)| Step::WaitForEnd(which, by)),
        2 => (which.clone(), 3_600_u64..90_000, 0_u8..2)
            .prop_map(|(which, seconds, rules)| Step::Foreign(which, seconds, rules)),
        1 => which.clone().prop_map(Step::ForeignAgain),
        1 => which.clone().prop_map(Step::ForeignRelease),
        1 => prop_oneof![2 => Just(Step::Wait(1)), 1 => Just(Step::LoseRecord)],
        4 => which.clone().prop_map(Step::Contact),
        2 => (which.clone(), proptest::option::of(1_i64..600))
            .prop_map(|(which, minutes)| Step::ContactEvery(which, minutes)),
        1 => which.clone().prop_map(Step::Restart),
        3 => (which, want()).prop_map(|(which, want)| Step::Declare(which, want)),
        1 => prop_oneof![Just(0_i64), -580_i64..580, -7_200_i64..7_200].prop_map(Step::Skew),
    ]
}

pub(crate) fn manners() -> impl Strategy<Value = Manners> {
    let rounding =
        prop_oneof![3 => Just(Rounding::Exact), 1 => Just(Rounding::Down), 1 => Just(Rounding::Up)];
    let latency = prop_oneof![2 => Just(0_i64), 1 => Just(20), 1 => Just(3_000), 1 => Just(45_000)];
    (rounding, any::<bool>(), any::<bool>(), latency).prop_map(
        |(rounding, forgets_ended, whole_seconds, latency)| Manners {
            rounding,
            forgets_ended,
            whole_seconds,
            latency: SignedDuration::from_millis(latency),
        },
    )
}

/// What is declared of one host.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Option<WantedIsolation>);

impl Wanted {
    pub(crate) fn new(want: Want, now: Timestamp) -> Self {
        Self(match want {
            Want::Nothing => None,
            Want::Off => Some(WantedIsolation::Off),
            Want::Until(span, rules) => {
                Some(isolation(Term::Until(now + SignedDuration::from_secs(span)), rules))
            }
            Want::Lease(span, rules) => {
                Some(isolation(Term::Lease(Timeout::from_seconds(span).unwrap()), rules))
            }
        })
    }

    /// The exclusions, where it is to be isolated at this moment.
    pub(crate) fn isolated(&self, now: Timestamp) -> Option<&Exclusions> {
        match self.0.as_ref()? {
            WantedIsolation::Off => None,
            WantedIsolation::On { term: Term::Until(until), .. } if *until <= now => None,
            WantedIsolation::On { exclusions, .. } => Some(exclusions),
        }
    }

    pub(crate) fn isolation(&self) -> Option<WantedIsolation> {
        self.0.clone()
    }

    fn allowed(&self, now: Timestamp, skew: SignedDuration) -> Option<Allowed> {
        match (self.0.as_ref()?, self.isolated(now)) {
            (WantedIsolation::Off, _) => Some(Allowed::Release),
            (WantedIsolation::On { .. }, Some(_)) => Some(Allowed::Isolate),
            // With the clocks far apart containment goes on until the end has come by both.
            (WantedIsolation::On { .. }, None) if skew.abs() > SignedDuration::from_mins(8) => {
                Some(Allowed::IsolateOrEndOurs)
            }
            (WantedIsolation::On { .. }, None) => Some(Allowed::EndOurs),
        }
    }
}

pub(crate) fn declaration(wanted: &[Wanted]) -> kedrctl::declare::Declared {
    let hosts = HOSTS.iter().zip(wanted).filter(|(_, wanted)| wanted.0.is_some());
    declared(
        hosts.map(|(name, wanted)| declared_host(name, wanted.0.clone(), None)).collect(),
        Policy::default(),
    )
}

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
        let id = |which: &Which| sensor_id_of(HOSTS[usize::from(*which)]);
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
                let end = self.bench.node.state().world.isolation(id(which)).map(|rule| rule.end());
                let at = end.map(|end| end + SignedDuration::from_secs(*by));
                self.bench.clock.set(at.filter(|at| *at > now).unwrap_or(now));
            }
            Step::Foreign(which, seconds, rules) => {
                let mut state = self.bench.node.state();
                // One that is like a rule of ours in all that is listed can not be told from it.
                let mut seconds = *seconds;
                while state.used_timeouts.contains(&seconds) || seconds.is_multiple_of(3_600) {
                    seconds += 1;
                }
                let sensor = sensor(HOSTS[usize::from(*which)]);
                state.ours.remove(&sensor);
                state.fooled.remove(&sensor);
                let rules = exclusions(*rules).iter().map(rule).collect();
                state.world.set_isolation(id(which), seconds, rules).unwrap();
            }
            Step::ForeignAgain(which) => {
                let mut state = self.bench.node.state();
                if let Some(rule) = state.world.isolation(id(which)).cloned() {
                    let again = rule.exclusions.unwrap_or_default();
                    state.world.set_isolation(id(which), rule.timeout_seconds, again).unwrap();
                }
            }
            Step::ForeignRelease(which) => {
                let mut state = self.bench.node.state();
                state.ours.remove(&sensor(HOSTS[usize::from(*which)]));
                state.world.remove_isolation(id(which)).unwrap();
            }
            Step::LoseRecord => {
                self.bench.store.objects().keys().for_each(|key| self.bench.store.remove(key))
            }
            Step::Contact(which) => self.bench.node.state().world.contact(id(which)).unwrap(),
            Step::ContactEvery(which, minutes) => {
                let every = minutes.map(SignedDuration::from_mins);
                self.bench.node.state().world.set_contact_every(id(which), every).unwrap();
            }
            Step::Restart(which) => {
                self.restarted[usize::from(*which)] = Some(now);
                self.bench.node.state().world.restart(id(which)).unwrap();
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
            state.allowed = allowed
                .filter_map(|(name, wanted)| Some((sensor(name), wanted.allowed(now, skew)?)))
                .collect();
        }
        let declared = declaration(&self.wanted);
        let _done_or_killed = self.bench.fuse.guarding(self.bench.lab.apply(&declared)).await;
        self.bench.fuse.set(None);
        let mut state = self.bench.node.state();
        state.takes_time = false;
        state.troubles.clear();
        state.allowed.clear();
    }

    /// What drift says now, against what is.
    async fn check(&mut self) {
        let plan = self.bench.lab.drift(&declaration(&self.wanted)).await;
        let findings = Findings::of(&plan);
        let now = self.bench.clock.now();
        let state = self.bench.node.state();
        for (index, (name, wanted)) in HOSTS.iter().zip(&self.wanted).enumerate() {
            let Some(exclusions) = wanted.isolated(now) else {
                let is_off = matches!(wanted.0, Some(WantedIsolation::Off));
                let is_listed = state.listed_isolation(sensor(name)).is_some();
                let says_done = findings.drift_exit(false) == Exit::Done;
                assert!(!(says_done && is_off && is_listed), "{name} is declared off, listed, and in sync");
                continue;
            };
            let id = sensor_id_of(name);
            if state.fooled.contains(&sensor(name)) {
                continue;
            }
            if findings.drift_exit(false) == Exit::Done {
                let rule = state.world.isolation(id);
                assert!(
                    rule.is_some_and(|rule| rule.end() > now),
                    "in sync at {now}, and the rule of {name} is {rule:?}"
                );
            }
            let met = state.world.last_access(id);
            if self.restarted[index].is_some_and(|restarted| met.is_none_or(|met| met <= restarted)) {
                continue;
            }
            if findings.drift_exit(true) == Exit::Done {
                self.in_sync += 1;
                let effective = state.world.effective(id).unwrap();
                assert!(
                    effective.isolated,
                    "in sync with contact at {now}, and {name} is not isolated: {:?}, {effective:?}\n{plan:#?}",
                    state.world.isolation(id)
                );
                let through = effective.exclusions.iter().map(exclusion).collect();
                assert_eq!(**exclusions, through, "what gets through to {name}");
            }
        }
    }
}

proptest! {
    #![proptest_config(config(1_500, "sequences"))]

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
