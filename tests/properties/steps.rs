//! What can happen to a fleet between two looks at it, and what is declared of it.

use jiff::{SignedDuration, Timestamp};
use kedrctl::declare::{Declared, Policy, Term, WantedIsolation};
use kedrctl::model::{Exclusions, Timeout};
use kedrctl_simulator::World;
use kedrctl_simulator::world::sensor_id_of;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::law::Allowed;
use crate::node::{Manners, Rounding, Trouble, Used};
use crate::translate::rule;
use crate::values::{HOSTS, declared, declared_host, exclusions, isolation};

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
    /// Somebody else changes the exclusions only.
    ForeignExclusions(Which),
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

/// What goes wrong with one call, if anything does.
pub(crate) fn trouble() -> impl Strategy<Value = Option<Trouble>> {
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
    let which = 0..u8::try_from(HOSTS.len()).unwrap();
    prop_oneof![
        7 => troubles().prop_map(Step::Apply),
        4 => Just(Step::Settle),
        2 => (1_u32..60, troubles()).prop_map(|(at, troubles)| Step::Killed(at, troubles)),
        1 => vec(trouble(), 1..8).prop_map(Step::Drift),
        4 => span().prop_map(Step::Wait),
        3 => (which.clone(), prop_oneof![-2_i64..25, -400_i64..400]).prop_map(|(which, by)| Step::WaitForEnd(which, by)),
        2 => (which.clone(), 3_600_u64..90_000, 0_u8..2)
            .prop_map(|(which, seconds, rules)| Step::Foreign(which, seconds, rules)),
        1 => which.clone().prop_map(Step::ForeignAgain),
        1 => which.clone().prop_map(Step::ForeignExclusions),
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
    let tells_date = proptest::bool::weighted(0.8);
    (rounding, any::<bool>(), any::<bool>(), tells_date, latency).prop_map(
        |(rounding, forgets_ended, whole_seconds, tells_date, latency)| Manners {
            rounding,
            forgets_ended,
            whole_seconds,
            tells_date,
            latency: SignedDuration::from_millis(latency),
        },
    )
}

/// What is declared of one host.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Option<WantedIsolation>);

impl Wanted {
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.0, Some(WantedIsolation::Off))
    }

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

    pub(crate) fn allowed(&self, now: Timestamp, skew: SignedDuration) -> Option<Allowed> {
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

pub(crate) fn declaration(wanted: &[Wanted]) -> Declared {
    let hosts = HOSTS.iter().zip(wanted).filter(|(_, wanted)| wanted.0.is_some());
    declared(
        hosts.map(|(name, wanted)| declared_host(name, wanted.0.clone(), None)).collect(),
        Policy::default(),
    )
}

pub(crate) fn id_of(which: Which) -> Uuid {
    sensor_id_of(HOSTS[usize::from(which)])
}

/// What others and agents do. `ours`: what we have sent; a rule of somebody else that is like ours in all that is
/// listed can not be told from it.
pub(crate) fn happen(step: &Step, world: &mut World, ours: &Used) {
    match step {
        Step::Foreign(which, seconds, rules) => {
            let mut seconds = *seconds;
            let rules: Vec<_> = exclusions(*rules).iter().map(rule).collect();
            while ours.contains(&(seconds, rules.len())) || seconds.is_multiple_of(3_600) {
                seconds += 1;
            }
            world.set_isolation(id_of(*which), seconds, rules).unwrap();
        }
        Step::ForeignAgain(which) => {
            if let Some(rule) = world.isolation(id_of(*which)).cloned() {
                let again = rule.exclusions.unwrap_or_default();
                world.set_isolation(id_of(*which), rule.timeout_seconds, again).unwrap();
            }
        }
        Step::ForeignExclusions(which) => {
            if let Some(rule) = world.isolation(id_of(*which)).cloned() {
                let is_empty = rule.exclusions.is_none_or(|rules| rules.is_empty());
                let others = exclusions(u8::from(is_empty)).iter().map(self::rule).collect::<Vec<_>>();
                if !ours.contains(&(rule.timeout_seconds, others.len())) {
                    world.set_isolation(id_of(*which), rule.timeout_seconds, others).unwrap();
                }
            }
        }
        Step::ForeignRelease(which) => world.remove_isolation(id_of(*which)).unwrap(),
        Step::Contact(which) => world.contact(id_of(*which)).unwrap(),
        Step::ContactEvery(which, minutes) => {
            world.set_contact_every(id_of(*which), minutes.map(SignedDuration::from_mins)).unwrap();
        }
        Step::Restart(which) => world.restart(id_of(*which)).unwrap(),
        Step::Apply(_)
        | Step::Settle
        | Step::Killed(..)
        | Step::Drift(_)
        | Step::Wait(_)
        | Step::WaitForEnd(..)
        | Step::LoseRecord
        | Step::Declare(..)
        | Step::Skew(_) => {}
    }
}
