//! Which hosts there are, and on request what stands on each of them: questions that no file declares.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::Connected;
use crate::central_node::{CallError, ReadSettings};
use crate::model::{
    Case, Clock, Isolation, LastAccess, NamePattern, NamePatternError, Reading, Sensor, Target,
};
use crate::observe::reading;

/// Which hosts are asked for: all that is given must hold, and of each list one is enough.
#[derive(Debug, Default)]
pub struct HostQuery {
    /// Matched without regard to case against the whole name and its first label.
    pub names: Vec<NamePattern>,
    /// One of the addresses that the server lists for the host has to be in one of these.
    pub networks: Vec<IpNet>,
    /// Found, without regard to case, in the family or the name of the system.
    pub systems: Vec<String>,
    /// Not in contact for longer than this; a last access that is not known counts.
    pub silent: Option<SignedDuration>,
}

/// What is read of each host beside the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Its isolation rule: one more read for each host.
    pub isolation: bool,
    /// Its own prevention rule, not the one for all hosts: one more read for each host.
    pub prevention: bool,
}

/// One host, and what was read of it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Who it is, as the server lists it.
    pub sensor: Arc<Sensor>,
    /// `None`: not asked for.
    pub isolation: Option<Reading<Isolation>>,
    /// How many files its own rule blocks; `None`: not asked for.
    pub blocked: Option<Reading<usize>>,
}

/// The answer of one server.
#[derive(Debug)]
pub struct Inventory {
    /// The hosts that match, in the order of their sensor ids.
    pub found: Vec<Found>,
    /// Before the query.
    pub listed: usize,
    /// The server says that its list is not whole: hosts that match may be missing here.
    pub has_more: bool,
}

impl HostQuery {
    /// # Errors
    /// What is wrong with the pattern.
    pub fn name(pattern: &str) -> Result<NamePattern, NamePatternError> {
        NamePattern::new(pattern, Case::Ignored)
    }

    fn matches(&self, sensor: &Sensor, now: Timestamp) -> bool {
        self.matches_name(sensor)
            && (self.networks.is_empty() || sensor.addresses.iter().any(|address| self.has(*address)))
            && self.matches_system(sensor)
            && self.silent.is_none_or(|silent| match sensor.last_access {
                LastAccess::Unknown => true,
                LastAccess::At(at) => now.duration_since(at) > silent,
            })
    }

    fn matches_name(&self, sensor: &Sensor) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let Some(name) = &sensor.name else { return false };
        let label = name.raw().split('.').next().unwrap_or_default();
        self.names.iter().any(|pattern| pattern.is_match(name.raw()) || pattern.is_match(label))
    }

    fn matches_system(&self, sensor: &Sensor) -> bool {
        let says = [&sensor.os_family, &sensor.os_name];
        self.systems.is_empty()
            || self.systems.iter().any(|wanted| {
                let wanted = wanted.to_lowercase();
                says.iter()
                    .any(|said| said.as_ref().is_some_and(|said| said.raw().to_lowercase().contains(&wanted)))
            })
    }

    fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Lists one server's hosts and reads what is wanted of those that match; `progress` as in a survey.
///
/// # Errors
/// The list could not be had, or the server stopped to accept us. A host that cannot be read is unknown.
pub async fn inventory<C: ReadSettings>(
    server: &Connected<C>,
    query: &HostQuery,
    wanted: Wanted,
    clock: &dyn Clock,
    progress: &(dyn Fn(super::Progress) + Sync),
) -> Result<Inventory, CallError> {
    let now = clock.now();
    let list = server.client.hosts(clock).await?.hosts;
    let matching: Vec<Arc<Sensor>> =
        list.sensors.values().filter(|sensor| query.matches(sensor, now)).cloned().collect();
    let reads = usize::from(wanted.isolation) + usize::from(wanted.prevention);
    progress(super::Progress::ToRead(matching.len() * reads));
    let client = &server.client;
    let mut answers = futures_util::stream::iter(matching)
        .map(|sensor| async move {
            let mut found = Found { isolation: None, blocked: None, sensor };
            if wanted.isolation {
                found.isolation = Some(reading(client.isolation(found.sensor.id).await)?);
                progress(super::Progress::Read);
            }
            if wanted.prevention {
                let rule = reading(client.prevention(Target::Sensor(found.sensor.id)).await)?;
                found.blocked = Some(rule.map(|rule| rule.objects.len()));
                progress(super::Progress::Read);
            }
            Ok::<_, CallError>(found)
        })
        .buffered(server.concurrency);
    let mut found = Vec::new();
    while let Some(answer) = answers.next().await {
        found.push(answer?);
    }
    Ok(Inventory { found, listed: list.sensors.len(), has_more: list.has_more })
}
