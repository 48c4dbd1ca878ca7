//! Which tasks are for which sensors of one server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::Entries;
use super::identity::{Index, Sought};
use super::membership::Membership;
use super::{DesiredTask, Known, Unresolved};
use crate::declare::{Declared, DeclaredTask, Identity};
use crate::model::{Cause, SensorId, ServerName, TaskId};

/// In the order of their names, then of sensors; one for each host, however often the task names it.
pub(super) fn desired(
    declared: &Declared,
    server: &ServerName,
    index: &Index<'_>,
    entries: &Entries<'_>,
    membership: &Membership<'_>,
    known: &Known<'_>,
) -> (Vec<Arc<DesiredTask>>, Vec<Unresolved>) {
    let (mut desired, mut unresolved) = (Vec::new(), Vec::new());
    for task in &declared.tasks {
        let mut meant: BTreeMap<SensorId, Cause> = BTreeMap::new();
        for (sensor, member) in &membership.of {
            let of_task = member.groups.iter().filter_map(|group| declared.groups.get(*group));
            let causes: Vec<Cause> = of_task
                .filter(|group| task.groups.contains(&group.name))
                .map(|group| Cause::group(Arc::clone(&group.name), task.origin.clone()))
                .collect();
            meant.extend(Cause::joined(&causes).map(|cause| (*sensor, cause)));
        }
        for found in named(task, server, index, entries, known) {
            match found {
                Ok(sensor) => drop(meant.insert(sensor, Cause::Own(task.origin.clone()))),
                Err(lost) => unresolved.push(lost),
            }
        }
        let is_certain = |sensor: SensorId| {
            !membership.is_claimed(sensor, entries) && !known.listed_elsewhere.contains_key(&sensor)
        };
        desired.extend(meant.into_iter().filter(|(sensor, _)| is_certain(*sensor)).filter_map(
            |(sensor, cause)| {
                Some(Arc::new(DesiredTask {
                    id: TaskId::new(sensor, &task.name, &task.program, task.generation),
                    task: Arc::clone(task),
                    sensor: Arc::clone(known.listed.sensors.get(&sensor)?),
                    cause,
                }))
            },
        ));
    }
    (desired, unresolved)
}

fn named(
    task: &DeclaredTask,
    server: &ServerName,
    index: &Index<'_>,
    entries: &Entries<'_>,
    known: &Known<'_>,
) -> Vec<Result<SensorId, Unresolved>> {
    let mut found = Vec::new();
    for host in task.hosts.iter().filter(|host| host.server == *server) {
        if host.is_entry {
            // An entry that was not found says so itself.
            found.extend(entries.sensor_of(&host.name).map(Ok));
            continue;
        }
        let identity = Identity::Name(Arc::clone(&host.name));
        let sought = Sought {
            entry: &host.name,
            identity: &identity,
            has_isolation: false,
            by_entry: false,
            keys: &[],
        };
        found.push(match index.find(&sought, known) {
            Ok(sensor) => Ok(sensor.id),
            Err(lost) => Err(Unresolved {
                entry: Arc::clone(&host.name),
                cause: Cause::Own(host.origin.clone()),
                why: lost.why,
                message: lost.message,
                listed: Some(Arc::clone(&host.name)),
                aspects: Vec::new(),
                preventions: Vec::new(),
                sensors: lost.sensors,
                groups: Vec::new(),
            }),
        });
    }
    found
}
