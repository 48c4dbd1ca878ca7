//! What the record shows as ours and no file names any more: candidates for "left behind", which only a reading
//! confirms.

use std::collections::BTreeSet;

use crate::model::{Aspect, HostList, SensorId, Subject, Target, TaskId};
use crate::record::{Attribution, Recorded};
use crate::resolve::Desired;

/// Whether the record shows anything of ours on a server, so that it is asked although no file names a host there.
pub fn has_ours(recorded: &Recorded, owner: &str) -> bool {
    let is_ours = |by: &Attribution| *by.owner == *owner;
    recorded.isolations.values().any(|known| known.rule.is_some() && is_ours(&known.by))
        || recorded.preventions.values().any(|known| !known.ours.is_empty() && is_ours(&known.by))
        || recorded.tasks.values().any(|known| !known.is_deleted && is_ours(&known.by))
        // A killed run may have set it.
        || recorded.open.iter().any(|open| is_ours(&open.by))
}

pub(super) fn subjects(
    desired: &Desired,
    recorded: &Recorded,
    listed: &HostList,
    owner: &str,
) -> Vec<Subject> {
    let mut managed: BTreeSet<(SensorId, Aspect)> = BTreeSet::new();
    for host in &desired.hosts {
        let aspects = [Aspect::Isolation, Aspect::Prevention].into_iter();
        managed.extend(
            aspects.filter(|aspect| host.cause(*aspect).is_some()).map(|aspect| (host.sensor.id, aspect)),
        );
    }
    let declared_tasks: BTreeSet<TaskId> = desired.tasks.iter().map(|task| task.id).collect();
    // What could not be resolved (moved, ambiguous) is declared all the same: by its name in the record, and on
    // whomever it may mean, of whom nobody can say what groups would declare.
    let mut unresolved: BTreeSet<(&str, Aspect)> = BTreeSet::new();
    let mut in_doubt: BTreeSet<SensorId> = BTreeSet::new();
    for host in &desired.unresolved {
        unresolved.extend(host.aspects.iter().map(|aspect| (&*host.entry, *aspect)));
        for sensor in &host.sensors {
            managed.extend([(*sensor, Aspect::Isolation), (*sensor, Aspect::Prevention)]);
            in_doubt.insert(*sensor);
        }
    }
    let is_left = |sensor: SensorId, aspect, by: &Attribution| {
        *by.owner == *owner
            && listed.sensors.contains_key(&sensor)
            && !managed.contains(&(sensor, aspect))
            && !by.entry.as_ref().is_some_and(|entry| unresolved.contains(&(&**entry, aspect)))
    };
    let is_left = |target, aspect, by: &Attribution| match target {
        Target::Sensor(sensor) => is_left(sensor, aspect, by),
        Target::AllHosts => *by.owner == *owner && desired.all_hosts.is_none(),
    };
    let isolations = recorded.isolations.iter().filter_map(|(sensor, known)| {
        let is_set = known.rule.is_some();
        (is_set && is_left(Target::Sensor(*sensor), Aspect::Isolation, &known.by))
            .then_some(Subject { target: Target::Sensor(*sensor), aspect: Aspect::Isolation })
    });
    let preventions = recorded.preventions.iter().filter_map(|(target, known)| {
        (!known.ours.is_empty() && is_left(*target, Aspect::Prevention, &known.by))
            .then_some(Subject { target: *target, aspect: Aspect::Prevention })
    });
    // What a person started was never declared; `kedrctl tasks` lists it.
    let by_hand = |by: &Attribution| by.cause.as_ref().is_some_and(|cause| cause.origin().is_command_line());
    let is_left_task = |id: &TaskId, sensor: &SensorId, by: &Attribution| {
        is_left(Target::Sensor(*sensor), Aspect::Task(*id), by)
            && !declared_tasks.contains(id)
            && !in_doubt.contains(sensor)
            && !by_hand(by)
    };
    let tasks = recorded.tasks.iter().filter_map(|(id, known)| {
        (!known.is_deleted && is_left_task(id, &known.sensor, &known.by))
            .then_some(Subject { target: Target::Sensor(known.sensor), aspect: Aspect::Task(*id) })
    });
    let open = recorded.open.iter().filter_map(|open| {
        let is_left = match (open.subject.aspect, open.subject.target) {
            (Aspect::Task(id), Target::Sensor(sensor)) => is_left_task(&id, &sensor, &open.by),
            (Aspect::Task(_), Target::AllHosts) => false,
            (aspect @ (Aspect::Isolation | Aspect::Prevention), target) => is_left(target, aspect, &open.by),
        };
        is_left.then_some(open.subject)
    });
    isolations.chain(preventions).chain(tasks).chain(open).collect::<BTreeSet<_>>().into_iter().collect()
}
