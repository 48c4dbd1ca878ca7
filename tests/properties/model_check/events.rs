//! What happens to a fleet while it is managed: runs that meet faults or are killed, other people, time.

use kedrctl::model::Target;
use kedrctl_simulator::World;
use kedrctl_simulator::world::{FileObject, Host};
use proptest::collection::vec;
use proptest::prelude::*;

use super::files::{Files, NAMES, files};
use super::rule_of;
use crate::node::Trouble;
use crate::steps::{self, Step, step};
use crate::translate::{of_hash, of_target};
use crate::values::{hash, sensor};

#[derive(Debug, Clone)]
pub(super) enum Event {
    /// An apply, each of whose calls may go wrong.
    Apply(Vec<Option<Trouble>>),
    /// The same, killed at this pass of the fuse if it comes that far.
    Killed(u32, Vec<Option<Trouble>>),
    Declare(Box<Files>),
    Wait(i64),
    /// What others and agents do to isolations, and to the clocks.
    Outside(Step),
    /// Somebody else blocks exactly these; `None`: for all hosts.
    Blocked(Option<usize>, Vec<u8>),
    /// Somebody else takes a task off.
    TaskTaken(usize),
    /// A host is listed no more, with all that it had.
    Gone(usize),
    Back(usize),
    LoseRecord,
}

fn trouble() -> impl Strategy<Value = Option<Trouble>> {
    prop_oneof![13 => steps::trouble(), 1 => (0_u8..10).prop_map(|n| Some(Trouble::ChangedMeanwhile(n)))]
}

fn troubles() -> impl Strategy<Value = Vec<Option<Trouble>>> {
    prop_oneof![1 => Just(Vec::new()), 2 => vec(trouble(), 1..40)]
}

/// What others do to isolations: the steps of the property of sequences that are no runs.
fn from_outside() -> impl Strategy<Value = Event> {
    step().prop_map(|step| match step {
        Step::Foreign(..)
        | Step::ForeignAgain(_)
        | Step::ForeignExclusions(_)
        | Step::ForeignRelease(_)
        | Step::Contact(_)
        | Step::ContactEvery(..)
        | Step::Restart(_)
        | Step::WaitForEnd(..)
        | Step::Skew(_) => Event::Outside(step),
        Step::Apply(_)
        | Step::Settle
        | Step::Killed(..)
        | Step::Drift(_)
        | Step::Wait(_)
        | Step::LoseRecord
        | Step::Declare(..) => Event::Wait(7),
    })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let host = 0..NAMES.len();
    prop_oneof![
        8 => troubles().prop_map(Event::Apply),
        3 => (1_u32..90, troubles()).prop_map(|(at, troubles)| Event::Killed(at, troubles)),
        4 => files().prop_map(|files| Event::Declare(Box::new(files))),
        2 => prop_oneof![0_i64..120, 60_i64..6 * 3_600].prop_map(Event::Wait),
        4 => from_outside(),
        3 => (proptest::option::weighted(0.7, host.clone()), hashes()).prop_map(|(host, blocked)| Event::Blocked(host, blocked)),
        1 => (0_usize..4).prop_map(Event::TaskTaken),
        1 => host.clone().prop_map(Event::Gone),
        1 => host.prop_map(Event::Back),
        1 => prop_oneof![3 => Just(Event::Wait(1)), 1 => Just(Event::LoseRecord)],
    ]
}

fn hashes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::btree_set(0_u8..10, 0..4).prop_map(|hashes| hashes.into_iter().collect())
}

/// Blocks exactly these, without a file in both the rule for all hosts and that of a host: the server sees to that.
pub(super) fn block(world: &mut World, host: Option<usize>, hashes: &[u8]) {
    let others = match host {
        Some(_) => rule_of(world, None),
        None => (0..NAMES.len()).flat_map(|host| rule_of(world, Some(host))).collect(),
    };
    let hashes = hashes.iter().copied().map(hash).filter(|hash| !others.contains(hash));
    let objects = hashes.map(|hash| FileObject::new(of_hash(hash)).named("theirs")).collect();
    let target = host.map_or(Target::AllHosts, |host| Target::Sensor(sensor(NAMES[host])));
    let _a_host_that_is_gone_has_no_rule = world.set_prevention(of_target(target), objects);
}

pub(super) fn come_back(world: &mut World, host: usize) {
    if world.host(sensor(NAMES[host]).uuid()).is_none() {
        world.add_host(Host::new(NAMES[host]));
    }
}
