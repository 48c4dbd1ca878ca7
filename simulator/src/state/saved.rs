//! What the state file holds, in types of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::agent::Rules;
use crate::fleet::{Left, LeftHost};
use crate::front::{KeyPair, ServerCertificate};
use crate::wire::{ExclusionJson, fields_of, object_of};
use crate::world::{
    AllHosts, ClientIdentity, Entry, ExclusionRule, IsolationRule, PreventionRule, Standing, Task, Version,
    World,
};

/// Raised when a file of the version before cannot be read as one of this.
pub(super) const VERSION: u32 = 1;

#[derive(Deserialize)]
pub(super) struct OnlyVersion {
    pub(super) version: u32,
}

/// Who the world is and who may call it: what stays from run to run even where nothing happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) world_id: Uuid,
    /// When the world began; generated hosts are counted from it.
    pub(crate) began_at: Timestamp,
    pub(crate) server: ServerCertificate,
    pub(crate) external_system_id: String,
    pub(crate) client: KeyPair,
}

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    version: u32,
    /// For people who look into the file.
    saved_at: Timestamp,
    #[serde(flatten)]
    pub(crate) identity: Identity,
    clients: Vec<SavedClient>,
    /// Each rule once; others refer to it by its index.
    prevention_rules: Vec<Vec<Map<String, Value>>>,
    all_hosts: Vec<SavedVersion>,
    hosts: BTreeMap<Uuid, SavedHost>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedClient {
    fingerprint: String,
    external_system_id: String,
    first_seen: Timestamp,
    accepted: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedVersion {
    number: u64,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedHost {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_contact: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted_from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fetched_version: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dropped_by_restart: bool,
    #[serde(default, skip_serializing_if = "SavedRules::is_empty")]
    rules: SavedRules,
    #[serde(default, skip_serializing_if = "SavedRules::is_empty")]
    fetched: SavedRules,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<SavedTask>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct SavedRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isolation: Option<SavedIsolation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prevention: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedIsolation {
    set_at: Timestamp,
    timeout_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exclusions: Option<Vec<ExclusionJson>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTask {
    id: Uuid,
    command: String,
    arguments: Option<String>,
    working_directory: Option<String>,
    start_now: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    unsupported: bool,
}

impl Saved {
    /// What is to be saved of this world.
    pub(crate) fn of(identity: &Identity, world: &World) -> Saved {
        let mut rules = Interned::default();
        let versions = world.all_hosts().versions().iter().map(|version| SavedVersion {
            number: version.number,
            since: version.since,
            rule: rules.index(version.rule.as_ref()),
        });
        let all_hosts = versions.collect();
        let touched = world.entries().filter(|entry| entry.touched);
        let hosts = touched.map(|entry| (entry.host.sensor_id, SavedHost::of(entry, &mut rules))).collect();
        let clients = world.registration.clients().map(|(client, standing)| SavedClient {
            fingerprint: client.fingerprint.clone(),
            external_system_id: client.external_system_id.clone(),
            first_seen: standing.first_seen,
            accepted: standing.accepted,
        });
        Saved {
            version: VERSION,
            saved_at: world.now(),
            identity: identity.clone(),
            clients: clients.collect(),
            prevention_rules: rules.saved,
            all_hosts,
            hosts,
        }
    }

    /// What a fleet goes on with, and the clients that are known.
    pub(crate) fn left(self) -> (Left, Vec<(ClientIdentity, Standing)>) {
        let rules: Vec<Arc<PreventionRule>> = self
            .prevention_rules
            .into_iter()
            .map(|files| Arc::new(PreventionRule::new(files.into_iter().map(object_of).collect())))
            .collect();
        let versions = self.all_hosts.into_iter().map(|version| Version {
            number: version.number,
            since: version.since,
            rule: rule_at(&rules, version.rule),
        });
        let all = AllHosts::restore(versions.collect());
        let hosts =
            self.hosts.into_iter().map(|(sensor, host)| (sensor, host.left(sensor, &rules))).collect();
        let clients = self.clients.into_iter().map(|client| {
            let identity = ClientIdentity {
                fingerprint: client.fingerprint,
                external_system_id: client.external_system_id,
            };
            (identity, Standing { first_seen: client.first_seen, accepted: client.accepted })
        });
        (Left { hosts, all }, clients.collect())
    }
}

/// Prevention rules by where they are in memory: what was fetched is mostly what stands.
#[derive(Default)]
struct Interned {
    indices: BTreeMap<*const PreventionRule, usize>,
    saved: Vec<Vec<Map<String, Value>>>,
}

impl Interned {
    fn index(&mut self, rule: Option<&Arc<PreventionRule>>) -> Option<usize> {
        let rule = rule?;
        let next = self.saved.len();
        let index = *self.indices.entry(Arc::as_ptr(rule)).or_insert(next);
        if index == next {
            self.saved.push(rule.objects().iter().map(fields_of).collect());
        }
        Some(index)
    }
}

fn rule_at(rules: &[Arc<PreventionRule>], index: Option<usize>) -> Option<Arc<PreventionRule>> {
    rules.get(index?).cloned()
}

impl SavedHost {
    fn of(entry: &Entry, rules: &mut Interned) -> SavedHost {
        let agent = &entry.host.agent;
        SavedHost {
            last_contact: agent.last_contact,
            counted_from: agent.counted_from,
            fetched_version: agent.fetched_version,
            dropped_by_restart: agent.dropped_by_restart,
            rules: SavedRules::of(&entry.rules, rules),
            fetched: SavedRules::of(&agent.fetched, rules),
            tasks: entry.tasks.iter().map(SavedTask::of).collect(),
        }
    }

    fn left(self, sensor: Uuid, rules: &[Arc<PreventionRule>]) -> LeftHost {
        LeftHost {
            rules: self.rules.left(rules),
            fetched: self.fetched.left(rules),
            fetched_version: self.fetched_version,
            last_contact: self.last_contact,
            counted_from: self.counted_from,
            dropped_by_restart: self.dropped_by_restart,
            tasks: self.tasks.into_iter().map(|task| task.left(sensor)).collect(),
        }
    }
}

impl SavedRules {
    fn of(rules: &Rules, interned: &mut Interned) -> SavedRules {
        let isolation = rules.isolation.as_ref().map(|rule| SavedIsolation {
            set_at: rule.set_at,
            timeout_seconds: rule.timeout_seconds,
            exclusions: rule.exclusions.as_ref().map(|rules| rules.iter().map(ExclusionJson::from).collect()),
        });
        SavedRules { isolation, prevention: interned.index(rules.prevention.as_ref()) }
    }

    fn left(self, rules: &[Arc<PreventionRule>]) -> Rules {
        let isolation = self.isolation.map(|rule| {
            let exclusions =
                rule.exclusions.map(|rules| rules.into_iter().map(ExclusionRule::from).collect());
            let (timeout_seconds, set_at) = (rule.timeout_seconds, rule.set_at);
            Arc::new(IsolationRule { timeout_seconds, exclusions, set_at })
        });
        Rules { isolation, prevention: rule_at(rules, self.prevention) }
    }

    fn is_empty(&self) -> bool {
        self.isolation.is_none() && self.prevention.is_none()
    }
}

impl SavedTask {
    fn of(task: &Task) -> SavedTask {
        SavedTask {
            id: task.id,
            command: task.command.clone(),
            arguments: task.arguments.clone(),
            working_directory: task.working_directory.clone(),
            start_now: task.start_now,
            created_at: task.created_at,
            started_at: task.started_at,
            ended_at: task.ended_at,
            unsupported: task.unsupported,
        }
    }

    fn left(self, sensor: Uuid) -> Task {
        Task {
            id: self.id,
            sensor,
            command: self.command,
            arguments: self.arguments,
            working_directory: self.working_directory,
            start_now: self.start_now,
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            unsupported: self.unsupported,
        }
    }
}
