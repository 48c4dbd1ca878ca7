//! The entries of `hosts` on one server, and the sensors that they mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::{Index, Lost, Sought};
use super::membership::Membership;
use super::{Known, Unresolved, WhyUnresolved};
use crate::declare::{DeclaredGroup, DeclaredHost, Identity};
use crate::model::{Aspect, Cause, Sensor, SensorId};

pub(super) struct Entries<'a> {
    /// In the order of the files.
    pub(super) found: Vec<(&'a DeclaredHost, Arc<Sensor>)>,
    lost: Vec<(&'a DeclaredHost, Lost)>,
    by_sensor: BTreeMap<SensorId, &'a DeclaredHost>,
    /// The sensor of each entry; `None`: not found.
    by_key: BTreeMap<&'a str, Option<SensorId>>,
    /// Whom an entry means or may mean that was not resolved. No group writes them: nobody can tell which of the
    /// two declarations is theirs.
    claimed: BTreeMap<SensorId, &'a DeclaredHost>,
}

impl<'a> Entries<'a> {
    pub(super) fn find(
        hosts: impl IntoIterator<Item = &'a DeclaredHost>,
        index: &Index<'_>,
        known: &Known<'_>,
    ) -> Self {
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for host in hosts {
            match index.find(&Sought::by_entry(host), known) {
                Ok(sensor) => found.push((host, sensor)),
                Err(why) => lost.push((host, why)),
            }
        }
        let contested = contested(&found);
        found.retain(|(_, sensor)| !contested.contains_key(&sensor.id));
        lost.extend(contested.into_values().flatten());
        let mut claimed = BTreeMap::new();
        for (host, lost) in &lost {
            for sensor in &lost.sensors {
                claimed.entry(*sensor).or_insert(*host);
            }
        }
        let found_keys = found.iter().map(|(host, sensor)| (&*host.entry, Some(sensor.id)));
        let by_key = found_keys.chain(lost.iter().map(|(host, _)| (&*host.entry, None))).collect();
        let by_sensor = found.iter().map(|(host, sensor)| (sensor.id, *host)).collect();
        Self { found, lost, by_sensor, by_key, claimed }
    }

    pub(super) fn has(&self, sensor: SensorId) -> bool {
        self.by_sensor.contains_key(&sensor)
    }

    /// The key of a sensor's entry.
    pub(super) fn key_of(&self, sensor: SensorId) -> Option<&'a str> {
        self.by_sensor.get(&sensor).map(|host| &*host.entry)
    }

    pub(super) fn sensor_of(&self, key: &str) -> Option<SensorId> {
        self.by_key.get(key).copied().flatten()
    }

    /// The refused entry that may mean a sensor.
    pub(super) fn claimed_by(&self, sensor: SensorId) -> Option<&'a DeclaredHost> {
        self.claimed.get(&sensor).copied()
    }

    /// What a sensor without an entry is called: so that nobody else is called so, and in plain characters.
    pub(super) fn label(&self, sensor: &Sensor, index: &Index<'_>) -> Arc<str> {
        match &sensor.name {
            Some(name)
                if index.namesakes(name.raw()) == 1
                    && !self.by_key.contains_key(name.raw())
                    && name.printable().to_string() == name.raw() =>
            {
                name.raw().into()
            }
            Some(_) | None => sensor.id.to_string().into(),
        }
    }

    pub(super) fn unresolved(
        &self,
        groups: &[DeclaredGroup],
        membership: &Membership<'_>,
    ) -> impl Iterator<Item = Unresolved> {
        self.lost.iter().map(|(host, lost)| {
            let named_by = membership.groups_of_entry(&host.entry);
            let named_by = named_by.iter().filter_map(|group| groups.get(*group));
            let isolation =
                host.isolation.is_some() || named_by.clone().any(|group| group.isolation.is_some());
            let prevention =
                host.prevention.is_some() || named_by.clone().any(|group| group.prevention.is_some());
            Unresolved {
                entry: Arc::clone(&host.entry),
                cause: Cause::Own(host.origin.clone()),
                // Its own entry may declare none where a group that names it does.
                why: if isolation && lost.why == WhyUnresolved::MissingTolerated {
                    WhyUnresolved::Missing
                } else {
                    lost.why
                },
                message: lost.message.clone(),
                listed: match &host.identity {
                    Identity::Name(name) => Some(Arc::from(&**name)),
                    Identity::Address(_) | Identity::Sensor(_) => None,
                },
                aspects: aspects(isolation, prevention),
                preventions: match &host.prevention {
                    Some(own) => vec![Arc::clone(own)],
                    None => named_by.clone().filter_map(|group| group.prevention.clone()).collect(),
                },
                sensors: lost.sensors.clone(),
                groups: named_by.map(|group| Arc::clone(&group.name)).collect(),
            }
        })
    }
}

pub(super) fn aspects(isolation: bool, prevention: bool) -> Vec<Aspect> {
    let of = |aspect, is_declared: bool| is_declared.then_some(aspect);
    of(Aspect::Isolation, isolation).into_iter().chain(of(Aspect::Prevention, prevention)).collect()
}

/// Two entries for one sensor: neither gets a write, since nobody can tell which one is meant.
fn contested<'a>(
    found: &[(&'a DeclaredHost, Arc<Sensor>)],
) -> BTreeMap<SensorId, Vec<(&'a DeclaredHost, Lost)>> {
    let mut by_sensor: Vec<_> = found.iter().map(|(host, sensor)| (sensor.id, *host, sensor)).collect();
    by_sensor.sort_by_key(|(id, ..)| *id);
    let refuse = |entries: &[(SensorId, &'a DeclaredHost, &Arc<Sensor>)]| {
        let lost = |(id, host, sensor): &(SensorId, &'a DeclaredHost, &Arc<Sensor>)| {
            let others: Vec<String> = entries
                .iter()
                .filter(|(_, other, _)| other.origin != host.origin)
                .map(|(_, other, _)| format!("`{}` ({})", other.entry, other.origin))
                .collect();
            let message = format!(
                "means {}, and so does {}; keep one of the entries",
                sensor.describe(),
                others.join(", ")
            );
            (*host, Lost { why: WhyUnresolved::Contested, message, sensors: vec![*id] })
        };
        let [(id, ..), _, ..] = entries else { return None };
        Some((*id, entries.iter().map(lost).collect()))
    };
    by_sensor.chunk_by(|(one, ..), (other, ..)| one == other).filter_map(refuse).collect()
}
