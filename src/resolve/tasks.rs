//! Which tasks are for which sensors of one server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::Entries;
use super::identity::{Index, Sought, listed_elsewhere};
use super::joined::Joined;
use super::membership::Membership;
use super::{DesiredTask, Known, Unresolved};
use crate::declare::{Declared, DeclaredTask, Identity};
use crate::model::{Cause, SensorId, ServerName, TaskId};

/// The tasks of one server.
pub(super) struct Tasks {
    /// In the order of their names, then of sensors; one for each host, however often the task names it.
    pub(super) desired: Vec<Arc<DesiredTask>>,
    /// The hosts that they name and that were not found.
    pub(super) unresolved: Vec<Unresolved>,
    /// Who is named or in a group, and gets none all the same.
    pub(super) refused: BTreeMap<SensorId, Unresolved>,
}

pub(super) fn desired(
    declared: &Declared,
    server: &ServerName,
    index: &Index<'_>,
    entries: &Entries<'_>,
    membership: &Membership<'_>,
    known: &Known<'_>,
    joined: &mut Joined<'_>,
) -> Tasks {
    let mut tasks = Tasks { desired: Vec::new(), unresolved: Vec::new(), refused: BTreeMap::new() };
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
                Err(lost) => tasks.unresolved.push(lost),
            }
        }
        for (id, cause) in meant {
            let Some(sensor) = known.listed.sensors.get(&id) else { continue };
            let groups = &joined.of(membership.groups_of(id)).names;
            let Some(lost) = listed_elsewhere(sensor, known).or_else(|| membership.claim(id, entries)) else {
                tasks.desired.push(Arc::new(DesiredTask {
                    id: TaskId::new(id, &task.name, &task.program, task.generation),
                    task: Arc::clone(task),
                    sensor: Arc::clone(sensor),
                    cause,
                    groups: Arc::clone(groups),
                }));
                continue;
            };
            tasks.refused.entry(id).or_insert_with(|| Unresolved {
                entry: membership.label(sensor, index, entries),
                cause,
                why: lost.why,
                message: lost.message,
                listed: sensor.name.as_ref().map(|name| name.raw().into()),
                aspects: Vec::new(),
                preventions: Vec::new(),
                sensors: lost.sensors,
                groups: groups.to_vec(),
            });
        }
    }
    tasks
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
