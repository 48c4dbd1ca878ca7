//! What the record shows as ours and no file names any more: candidates for "left behind", which only a reading
//! confirms.

use std::collections::BTreeSet;

use crate::declare::DeclaredHost;
use crate::model::{Aspect, HostList, SensorId, Subject, Target};
use crate::record::{Attribution, Recorded};
use crate::resolve::Desired;

/// Whether the record shows anything of ours on a server, so that it is asked although no file names a host there.
pub fn has_ours(recorded: &Recorded, owner: &str) -> bool {
    let is_ours = |by: &Attribution| *by.owner == *owner;
    recorded.isolations.values().any(|known| known.rule.is_some() && is_ours(&known.by))
        || recorded.preventions.values().any(|known| !known.ours.is_empty() && is_ours(&known.by))
        // A killed run may have set it.
        || recorded.open.iter().any(|open| is_ours(&open.by))
}

pub(super) fn subjects(
    declared: &[&DeclaredHost],
    desired: &Desired,
    recorded: &Recorded,
    listed: &HostList,
    owner: &str,
) -> Vec<Subject> {
    let managed: BTreeSet<(SensorId, Aspect)> = desired
        .hosts
        .iter()
        .flat_map(|host| {
            let isolation = host.isolation.as_ref().map(|_| (host.sensor.id, Aspect::Isolation));
            let prevention = host.prevention.as_ref().map(|_| (host.sensor.id, Aspect::Prevention));
            isolation.into_iter().chain(prevention)
        })
        .collect();
    // An entry that could not be resolved (moved, ambiguous) is declared all the same.
    let unresolved: BTreeSet<&str> = desired.unresolved.iter().map(|host| &*host.entry).collect();
    let is_declared = |by: &Attribution, aspect| {
        declared.iter().filter(|host| unresolved.contains(&*host.entry)).any(|host| {
            by.entry.as_ref() == Some(&host.entry)
                && match aspect {
                    Aspect::Isolation => host.isolation.is_some(),
                    Aspect::Prevention => host.prevention.is_some(),
                }
        })
    };
    let is_left = |sensor: SensorId, aspect, by: &Attribution| {
        *by.owner == *owner
            && listed.sensors.contains_key(&sensor)
            && !managed.contains(&(sensor, aspect))
            && !is_declared(by, aspect)
    };
    let isolations = recorded.isolations.iter().filter_map(|(sensor, known)| {
        let is_set = known.rule.is_some();
        (is_set && is_left(*sensor, Aspect::Isolation, &known.by))
            .then_some(Subject { target: Target::Sensor(*sensor), aspect: Aspect::Isolation })
    });
    let preventions = recorded.preventions.iter().filter_map(|(target, known)| {
        let Target::Sensor(sensor) = *target else { return None };
        (!known.ours.is_empty() && is_left(sensor, Aspect::Prevention, &known.by))
            .then_some(Subject { target: *target, aspect: Aspect::Prevention })
    });
    let open = recorded.open.iter().filter_map(|open| {
        let Target::Sensor(sensor) = open.subject.target else { return None };
        is_left(sensor, open.subject.aspect, &open.by).then_some(open.subject)
    });
    isolations.chain(preventions).chain(open).collect::<BTreeSet<_>>().into_iter().collect()
}
