//! A snapshot of all servers, and the walk over one instead of over servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Connected, Progress, chain, declared_key, has_ours};
use crate::central_node::{Listing, ReadSettings};
use crate::declare::{CentralNodeAddress, Connection, Declared, DeclaredServer};
use crate::model::{Aspect, Clock, HostList, ServerKey, ServerName, Subject, Target};
use crate::observe::{self, Failure, FailureKind, Readings, ServerSnapshot, Snapshot, SnapshotNode};
use crate::plan::ServerState;
use crate::record::{RecordError, Recorded};
use crate::resolve::{self, Known};

/// Reads everything that a plan of these files would read, servers side by side; with `all_hosts` also the settings of
/// hosts that no file declares yet.
///
/// What a server does is in the snapshot: not knowing is a part of it.
pub async fn take_snapshot<C: ReadSettings, K: Clock>(
    declared: &Declared,
    servers: &[Connected<C>],
    mut recorded: BTreeMap<ServerName, Recorded>,
    all_hosts: bool,
    clock: &K,
    progress: &(dyn Fn(Progress) + Sync),
) -> Snapshot {
    let taken_at = clock.now();
    let walks = servers.iter().map(|server| {
        let recorded = recorded.remove(&server.name).unwrap_or_default();
        async move {
            let readings = match server.client.hosts(clock).await {
                Err(error) => Err(Failure::from(&error)),
                Ok(listing) => Ok(read(declared, server, &recorded, all_hosts, listing, progress).await),
            };
            ServerSnapshot {
                name: server.name.clone(),
                address: server.address.clone(),
                key: server.key.to_string(),
                recorded,
                readings,
            }
        }
    });
    Snapshot { taken_at, has_all_hosts: all_hosts, servers: join_all(walks).await }
}

async fn read<C: ReadSettings>(
    declared: &Declared,
    server: &Connected<C>,
    recorded: &Recorded,
    all_hosts: bool,
    listing: Listing,
    progress: &(dyn Fn(Progress) + Sync),
) -> Readings {
    let subjects = subjects(declared, &server.name, recorded, all_hosts, &listing.hosts);
    progress(Progress::ToRead(subjects.len()));
    let on_read = || progress(Progress::Read);
    match observe::observe(&server.client, subjects, server.concurrency, on_read).await {
        Ok(observed) => Readings { listing, observed, stopped: None },
        Err(error) => {
            let stopped = Some(Failure::from(&error));
            Readings { listing, observed: observe::Observed::default(), stopped }
        }
    }
}

/// What a plan could ask for: who is meant may be settled by a flag of the plan, and a change may take an entry out.
fn subjects(
    declared: &Declared,
    server: &ServerName,
    recorded: &Recorded,
    all_hosts: bool,
    listed: &HostList,
) -> Vec<Subject> {
    let desired = resolve::resolve(
        declared,
        server,
        &Known {
            listed,
            listed_elsewhere: &BTreeMap::new(),
            // Moves may be accepted later.
            recorded_entries: &BTreeMap::new(),
            accepted_moves: &BTreeSet::new(),
            missing: declared.policy.missing,
        },
    );
    let isolation = |sensor| Subject { target: Target::Sensor(sensor), aspect: Aspect::Isolation };
    let prevention = |target| Subject { target, aspect: Aspect::Prevention };
    // What may be left behind, or is to be settled.
    let isolations = recorded.isolations.iter().filter(|(_, known)| known.rule.is_some());
    let preventions = recorded.preventions.iter().filter(|(_, known)| !known.ours.is_empty());
    let mut extra: BTreeSet<Subject> = observe::open_subjects(recorded).collect();
    extra.extend(isolations.map(|(sensor, _)| isolation(*sensor)));
    extra.extend(preventions.map(|(target, _)| prevention(*target)));
    let tasks = recorded.tasks.iter().filter(|(_, known)| !known.is_deleted);
    extra.extend(
        tasks.map(|(id, known)| Subject { target: Target::Sensor(known.sensor), aspect: Aspect::Task(*id) }),
    );
    // Whoever adds the first prevention rule asks for it.
    extra.insert(prevention(Target::AllHosts));
    if declared.all_hosts.contains_key(server) {
        // Where the rule for all hosts is to gain a file, a plan asks for the rules of all of them.
        extra.extend(listed.sensors.keys().map(|sensor| prevention(Target::Sensor(*sensor))));
    }
    if all_hosts {
        for sensor in listed.sensors.keys() {
            extra.extend([isolation(*sensor), prevention(Target::Sensor(*sensor))]);
        }
    }
    extra.retain(|subject| match subject.target {
        Target::AllHosts => true,
        Target::Sensor(sensor) => listed.sensors.contains_key(&sensor),
    });
    observe::subjects(&desired, extra)
}

/// The declared servers as a snapshot saw them, with what it knows of the record: those that there is something to
/// manage on. Reads no file, starts nothing, and connects to nobody.
pub fn seen_by(
    snapshot: Snapshot,
    declared: &Declared,
) -> (Vec<Connected<SnapshotNode>>, BTreeMap<ServerName, Recorded>) {
    let has_all_hosts = snapshot.has_all_hosts;
    let seen: Vec<Arc<ServerSnapshot>> = snapshot.servers.into_iter().map(Arc::new).collect();
    let mut servers = Vec::new();
    let mut recorded = BTreeMap::new();
    for server in declared.servers.values() {
        let has_hosts = declared.manages(&server.name);
        let found = seen.iter().find(|seen| is_same(server, seen));
        let client = match found {
            // Whether there is something of ours, nobody can tell.
            Some(seen) if seen.why_unrecorded().is_some() => {
                SnapshotNode::new(Arc::clone(seen), has_all_hosts)
            }
            Some(seen) if has_hosts || has_ours(&seen.recorded, &declared.owner) => {
                recorded.insert(server.name.clone(), seen.recorded.clone());
                SnapshotNode::new(Arc::clone(seen), has_all_hosts)
            }
            None if has_hosts => SnapshotNode::missing(
                "the snapshot was taken without a server of this address; take one with these files"
                    .to_owned(),
            ),
            Some(_) | None => continue,
        };
        servers.push(Connected {
            name: server.name.clone(),
            address: address(server),
            origin: server.origin.clone(),
            key: key(server, found.map(|seen| &**seen)),
            client,
            concurrency: server.concurrency,
            clock_tolerance: server.clock_tolerance,
            simulator: None,
        });
    }
    (servers, recorded)
}

/// Those of a snapshot's servers that were not asked for want of their record, as a plan shows them.
pub fn unrecorded(servers: &[Connected<SnapshotNode>]) -> BTreeMap<ServerName, ServerState> {
    let state = |why: &str| ServerState::Unrecorded { why: why.to_owned() };
    let state_of = |server: &Connected<SnapshotNode>| {
        Some((server.name.clone(), state(server.client.why_unrecorded()?)))
    };
    servers.iter().filter_map(state_of).collect()
}

/// What a snapshot keeps of a server that was not asked, since its part of the record could not be had.
pub fn not_asked<C>(server: &Connected<C>, error: &RecordError) -> ServerSnapshot {
    ServerSnapshot {
        name: server.name.clone(),
        address: server.address.clone(),
        key: server.key.to_string(),
        recorded: Recorded::default(),
        readings: Err(Failure { kind: FailureKind::Unrecorded, text: chain(error) }),
    }
}

/// By what names it in the record: what files call a server is free to change. A simulator's key is known only while
/// it runs, so its name and its fleet file tell.
fn is_same(declared: &DeclaredServer, seen: &ServerSnapshot) -> bool {
    match declared_key(declared) {
        Some(key) => key.as_str() == seen.key,
        None => declared.name == seen.name && address(declared) == seen.address,
    }
}

fn key(declared: &DeclaredServer, seen: Option<&ServerSnapshot>) -> ServerKey {
    let of_simulator = || {
        let key = seen.map_or("", |seen| seen.key.as_str());
        ServerKey::of_simulator(key.strip_prefix("simulator_").unwrap_or(key))
    };
    declared_key(declared).unwrap_or_else(of_simulator)
}

/// As a connected server is called.
fn address(server: &DeclaredServer) -> String {
    match &server.connection {
        Connection::CentralNode(CentralNodeAddress { urls, .. }) => {
            urls.first().map(ToString::to_string).unwrap_or_default()
        }
        Connection::Simulator { fleet } => format!("simulator {}", fleet.display()),
    }
}
