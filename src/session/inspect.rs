//! All that can be told of one host: what stands on it, what the files declare, and how the two compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Connected, clock, undeclared};
use crate::central_node::{CallError, ReadSettings};
use crate::declare::Declared;
use crate::model::{Aspect, Clock, HashSet, Reading, Sensor, SensorId, ServerName, Subject, Target};
use crate::observe::{self, Observed};
use crate::plan::{self, Contact, Facts, Inspected, InspectedTask, Plan, Scope};
use crate::record::Recorded;
use crate::resolve::{self, Desired, DesiredTask, Known};

/// Reads a host's settings, and plans for it alone. `None`: the server does not list it any more.
///
/// `elsewhere`: the sensors that another declared server lists too.
///
/// # Errors
/// The host list could not be had, or the server does not accept us.
pub async fn inspect<C: ReadSettings, K: Clock>(
    declared: &Declared,
    server: &Connected<C>,
    (id, elsewhere): (SensorId, &BTreeMap<SensorId, ServerName>),
    recorded: &Recorded,
    clock: &K,
) -> Result<Option<Inspected>, CallError> {
    let listing = server.client.hosts(clock).await?;
    let server_clock = clock::compare(&listing, server.clock_tolerance);
    let listed = listing.hosts;
    let Some(sensor) = listed.sensors.get(&id).cloned() else { return Ok(None) };
    let target = Target::Sensor(id);
    let desired = resolve::resolve(
        declared,
        &server.name,
        &Known {
            listed: &listed,
            listed_elsewhere: elsewhere,
            recorded_entries: recorded.entries_of(&declared.owner),
            accepted_moves: &BTreeSet::new(),
            missing: declared.policy.missing,
        },
    );
    let left: Vec<Subject> = undeclared::subjects(&desired, recorded, &listed, &declared.owner)
        .into_iter()
        .filter(|subject| subject.target == target)
        .collect();
    let desired = of_one(desired, id);
    let settings = [
        Subject { target, aspect: Aspect::Isolation },
        Subject { target, aspect: Aspect::Prevention },
        Subject { target: Target::AllHosts, aspect: Aspect::Prevention },
    ];
    let subjects = observe::subjects(&desired, settings.into_iter().chain(left.iter().copied()));
    let observed = observe::observe(&server.client, subjects, server.concurrency, || ()).await?;
    let now = clock.now();
    let plan = plan::plan_server(&Facts {
        server: &server.name,
        address: &server.address,
        origin: &server.origin,
        key: &server.key,
        listed: &listed,
        clock: server_clock,
        desired: &desired,
        observed: &observed,
        recorded,
        owner: &declared.owner,
        undeclared: &left,
        // Whether its files may be blocked at all is for a plan to say: those lists can be long.
        never_block: &HashSet::new(),
        now,
        by_hand: false,
        observed_at: now,
    });
    let plan = Plan {
        now,
        observed_at: now,
        scope: Scope::All,
        owner: Arc::clone(&declared.owner),
        servers: vec![plan],
    };
    let version = listed.server_version.as_ref();
    let contact = plan::judge_isolated(&sensor, version, recorded, server_clock, now);
    Ok(Some(told(sensor, &observed, desired, recorded, (plan, contact))))
}

fn of_one(mut desired: Desired, id: SensorId) -> Desired {
    desired.hosts.retain(|host| host.sensor.id == id);
    desired.unresolved.retain(|host| host.sensors.contains(&id));
    desired.tasks.retain(|task| task.sensor.id == id);
    desired.all_hosts = None;
    desired
}

fn told(
    sensor: Arc<Sensor>,
    observed: &Observed,
    desired: Desired,
    recorded: &Recorded,
    (plan, contact): (Plan, Option<Contact>),
) -> Inspected {
    let target = Target::Sensor(sensor.id);
    let isolation = observed.isolation(sensor.id);
    let prevention = observed.prevention(target);
    let in_force = match &isolation {
        Reading::Present(rule) => recorded.isolation_in_force(sensor.id, rule),
        Reading::Absent | Reading::Unknown(_) => None,
    };
    let ours = match &prevention {
        Reading::Present(rule) => recorded.ours_in(target, &rule.hashes()).len(),
        Reading::Absent | Reading::Unknown(_) => 0,
    };
    let inspected = |desired: Arc<DesiredTask>| InspectedTask { listed: observed.task(desired.id), desired };
    Inspected {
        isolation_contact: contact.filter(|_| matches!(isolation, Reading::Present(_))),
        isolation,
        prevention,
        for_all: observed.prevention(Target::AllHosts),
        in_force,
        ours,
        in_doubt: desired.unresolved.iter().flat_map(|host| host.aspects.iter().copied()).collect(),
        tasks: desired.tasks.into_iter().map(inspected).collect(),
        declared: desired.hosts.into_iter().next(),
        plan,
        sensor,
    }
}
