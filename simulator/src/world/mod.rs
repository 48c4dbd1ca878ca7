//! What the Central Node knows and does, without network, files and clock: hosts, settings, tasks,
//! registration. Every rule here is one of response-api.md.
//!
//! There are two ways in. The *calls* (`post_…`, `delete_…`) are the API's and refuse what the server refuses.
//! The others are what an administrator does in the web interface, what agents do, and what time does; tests
//! use them to change things behind a client's back.

mod all_hosts;
mod calls;
mod effective;
mod exclusion;
mod host;
mod isolation;
mod outside;
mod prevention;
mod refusal;
mod registration;
mod request_log;
mod task;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub(crate) use all_hosts::{AllHosts, Version};
pub use calls::Resend;
pub use effective::Effective;
pub use exclusion::{Direction, ExclusionRule, PortRange, PortRules};
pub use host::{Host, capability, sensor_id_of};
pub use isolation::{IsolationRule, TIMEOUT_LIMITS};
pub use outside::UnknownHost;
pub use prevention::{FileHash, FileObject, PreventionRule};
pub use refusal::{Clash, Refusal};
pub use registration::{ClientIdentity, PendingClient, Registration, Standing};
pub use request_log::{LoggedRequest, RequestLog};
pub use task::{Task, TaskState};

use crate::agent::{Contacts, Rules};

/// A Central Node and the hosts behind it.
#[derive(Clone, Debug)]
pub struct World {
    /// The present instant; whoever holds the world sets it before each use.
    now: Timestamp,
    hosts: BTreeMap<Uuid, Entry>,
    /// The order in which hosts are listed.
    order: Vec<Uuid>,
    all: AllHosts,
    /// Where each task is.
    tasks: BTreeMap<Uuid, Uuid>,
    /// Who may call.
    pub registration: Registration,
    /// Who called.
    pub log: RequestLog,
}

/// A host, its rules and its tasks.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) host: Host,
    pub(crate) rules: Rules,
    pub(crate) tasks: Vec<Task>,
    /// Whether it is not as the fleet file alone would make it, so that the state file must have it.
    pub(crate) touched: bool,
}

/// What a setting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One host.
    Sensor(Uuid),
    /// All hosts; prevention only.
    All,
}

impl World {
    /// A world without hosts.
    #[must_use]
    pub fn new(now: Timestamp) -> World {
        World {
            now,
            hosts: BTreeMap::new(),
            order: Vec::new(),
            all: AllHosts::default(),
            tasks: BTreeMap::new(),
            registration: Registration::default(),
            log: RequestLog::default(),
        }
    }

    /// The instant that this world is at.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the world to another instant. Nothing is run: what happened until then is told when asked.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The hosts in the order of the list.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &Host> {
        // `order` and `hosts` are changed together.
        self.order.iter().map(|sensor| &self.hosts[sensor].host)
    }

    /// One host.
    #[must_use]
    pub fn host(&self, sensor: Uuid) -> Option<&Host> {
        self.hosts.get(&sensor).map(|entry| &entry.host)
    }

    /// When a host was last in contact; `None` too for a host that is not listed.
    #[must_use]
    pub fn last_access(&self, sensor: Uuid) -> Option<Timestamp> {
        self.host(sensor)?.agent.last_access(self.now)
    }

    /// The isolation rule that the server has, ended or not.
    #[must_use]
    pub fn isolation(&self, sensor: Uuid) -> Option<&IsolationRule> {
        self.hosts.get(&sensor)?.rules.isolation.as_deref()
    }

    /// The prevention rule that the server has.
    #[must_use]
    pub fn prevention(&self, target: Target) -> Option<&Arc<PreventionRule>> {
        match target {
            Target::Sensor(sensor) => self.hosts.get(&sensor)?.rules.prevention.as_ref(),
            Target::All => self.all.current(),
        }
    }

    /// Lets the host's contacts happen up to now: needed before anything of it changes.
    fn caught_up(&mut self, sensor: Uuid) -> Option<&mut Entry> {
        let now = self.now;
        let entry = self.hosts.get_mut(&sensor)?;
        entry.catch_up(now);
        Some(entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().map(|sensor| &self.hosts[sensor])
    }

    pub(crate) fn all_hosts(&self) -> &AllHosts {
        &self.all
    }
}

impl Entry {
    fn catch_up(&mut self, now: Timestamp) {
        if let Some(contacts) = self.host.agent.catch_up(now, &self.rules) {
            self.tasks.iter_mut().for_each(|task| task.advance(contacts));
        }
    }

    fn contact(&mut self, now: Timestamp, version: u64) {
        self.host.agent.contact(now, &self.rules, version);
        let contacts = Contacts { first: now, second: None, last: now };
        self.tasks.iter_mut().for_each(|task| task.advance(contacts));
        self.touched = true;
    }
}
