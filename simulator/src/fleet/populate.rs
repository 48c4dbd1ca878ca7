//! From a fleet to a world: what is listed first, and what is kept from the last run.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Fleet;
use super::generate::Shared;
use crate::agent::Rules;
use crate::world::{AllHosts, Entry, FileObject, Host, IsolationRule, PreventionRule, Task, World};

/// What the last run left, as the state file has it.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) hosts: BTreeMap<Uuid, LeftHost>,
    pub(crate) all: Option<AllHosts>,
}

/// What the last run left on one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftHost {
    pub(crate) rules: Rules,
    pub(crate) fetched: Rules,
    pub(crate) fetched_version: Option<u64>,
    pub(crate) last_contact: Option<Timestamp>,
    pub(crate) counted_from: Option<Timestamp>,
    pub(crate) dropped_by_restart: bool,
    pub(crate) tasks: Vec<Task>,
}

impl Fleet {
    /// A world of this fleet that began at `start` and is at `now`: known hosts go on with what was left on
    /// them, new ones begin as the file says.
    pub(crate) fn world(&self, start: Timestamp, now: Timestamp, mut left: Left) -> World {
        let mut world = World::new(now);
        let all = left.all.take().unwrap_or_else(|| {
            AllHosts::of(rule(self.prevention_all.iter().map(|file| file.0.clone()).collect()))
        });
        world.restore_all_hosts(all);
        for listed in &self.hosts {
            let host = listed.host(now, &self.server.version);
            let entry = match left.hosts.remove(&host.sensor_id) {
                Some(left) => left.on(host),
                None => begun(
                    host,
                    listed.isolation(now),
                    rule(listed.prevention.iter().map(|file| file.0.clone()).collect()),
                ),
            };
            world.insert(entry);
        }
        if let Some(generate) = &self.generate {
            let shared = Shared::new(&self.server.version);
            for n in 1..=generate.hosts {
                let host = generate.host(n, start, &shared);
                let entry = match left.hosts.remove(&host.sensor_id) {
                    Some(left) => left.on(host),
                    None => Entry { host, rules: Rules::default(), tasks: Vec::new(), touched: false },
                };
                world.insert(entry);
            }
        }
        world.registration.approve_after = self.server.approve_after;
        world
    }
}

impl LeftHost {
    /// What the list says of the host is the file's, what stands on it was left.
    fn on(self, mut host: Host) -> Entry {
        let agent = &mut host.agent;
        agent.last_contact = self.last_contact;
        agent.counted_from = self.counted_from;
        agent.fetched = self.fetched;
        agent.fetched_version = self.fetched_version;
        agent.dropped_by_restart = self.dropped_by_restart;
        Entry { host, rules: self.rules, tasks: self.tasks, touched: true }
    }
}

/// A host that is new: its agent has fetched what was set before its last contact.
fn begun(mut host: Host, isolation: Option<IsolationRule>, prevention: Option<Arc<PreventionRule>>) -> Entry {
    let isolation = isolation.map(Arc::new);
    if let Some(contact) = host.agent.last_contact {
        host.agent.fetched = Rules {
            isolation: isolation.clone().filter(|rule| rule.set_at <= contact),
            prevention: prevention.clone(),
        };
    }
    // Even without rules: what stands on it is not to be begun anew on the next start.
    Entry { host, rules: Rules { isolation, prevention }, tasks: Vec::new(), touched: true }
}

fn rule(objects: Vec<FileObject>) -> Option<Arc<PreventionRule>> {
    (!objects.is_empty()).then(|| Arc::new(PreventionRule::new(objects)))
}
