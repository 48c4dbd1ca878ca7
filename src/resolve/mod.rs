//! Declared state and a host list to desired state: which sensor is meant, with where each value came from.

mod identity;
mod limit;
mod listing;
mod pick;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::declare::{DeclaredHost, DeclaredIsolation, DeclaredPrevention, Missing};
use crate::model::{HostList, Origin, Sensor, SensorId, ServerName};

pub use limit::{HostPattern, PatternError};
pub use listing::{NotBelieved, believe};
pub use pick::{PickError, Picked, pick};

/// What is wanted of one server's hosts, and of which entries we could not tell who is meant.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// In the order of the files.
    pub hosts: Vec<Arc<DesiredHost>>,
    pub unresolved: Vec<Unresolved>,
}

/// One declared host whose sensor is known.
#[derive(Debug)]
pub struct DesiredHost {
    pub entry: Arc<str>,
    pub origin: Origin,
    pub sensor: Arc<Sensor>,
    pub isolation: Option<DeclaredIsolation>,
    pub prevention: Option<DeclaredPrevention>,
}

/// A declared host of which we can not tell, or not well enough, which sensor is meant. It gets no write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    pub entry: Arc<str>,
    pub origin: Origin,
    pub why: WhyUnresolved,
    /// For a person, safe to print: what was found instead and what to do.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnresolved {
    /// The server does not list it.
    Missing,
    /// As `Missing`, for a fleet whose policy calls that a warning.
    MissingTolerated,
    /// Several sensors have this name or address.
    Ambiguous,
    /// Another sensor has the same name and was seen later.
    Superseded,
    /// The record knows another sensor under this entry.
    Moved,
    /// Another entry means the same sensor, or another declared server lists it too.
    Contested,
}

/// What is known when the entries of one server are resolved.
#[derive(Debug)]
pub struct Known<'a> {
    pub listed: &'a HostList,
    /// Sensors that another declared server lists too, with that server.
    pub listed_elsewhere: &'a BTreeMap<SensorId, ServerName>,
    /// Which sensor each entry meant when a run last noted it.
    pub recorded_entries: &'a BTreeMap<Arc<str>, SensorId>,
    /// The entries whose move is accepted (`--accept-moved`).
    pub accepted_moves: &'a BTreeSet<String>,
    pub missing: Missing,
}

/// Finds the sensor of each declared host. Nothing is guessed: whoever is not found exactly once stays unresolved.
pub fn resolve<'a>(declared: impl IntoIterator<Item = &'a DeclaredHost>, known: &Known<'_>) -> Desired {
    let index = identity::Index::new(known.listed);
    let mut desired = Desired::default();
    for host in declared {
        match index.find(host, known) {
            Ok(sensor) => desired.hosts.push(Arc::new(DesiredHost {
                entry: Arc::clone(&host.entry),
                origin: host.origin.clone(),
                sensor,
                isolation: host.isolation.clone(),
                prevention: host.prevention.clone(),
            })),
            Err((why, message)) => desired.unresolved.push(Unresolved {
                entry: Arc::clone(&host.entry),
                origin: host.origin.clone(),
                why,
                message,
            }),
        }
    }
    refuse_shared_sensors(&mut desired);
    desired
}

/// Two entries for one sensor: neither gets a write, since nobody can tell which one is meant.
fn refuse_shared_sensors(desired: &mut Desired) {
    let mut entries_of: BTreeMap<SensorId, Vec<Arc<DesiredHost>>> = BTreeMap::new();
    for host in &desired.hosts {
        entries_of.entry(host.sensor.id).or_default().push(Arc::clone(host));
    }
    entries_of.retain(|_, hosts| hosts.len() > 1);
    desired.hosts.retain(|host| !entries_of.contains_key(&host.sensor.id));
    for hosts in entries_of.values() {
        for host in hosts {
            let others: Vec<String> = hosts
                .iter()
                .filter(|other| other.origin != host.origin)
                .map(|other| format!("`{}` ({})", other.entry, other.origin))
                .collect();
            desired.unresolved.push(Unresolved {
                entry: Arc::clone(&host.entry),
                origin: host.origin.clone(),
                why: WhyUnresolved::Contested,
                message: format!(
                    "means {}, and so does {}; keep one of the entries",
                    host.sensor.describe(),
                    others.join(", ")
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests;
