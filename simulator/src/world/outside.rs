//! What changes without the API: the web interface, agents, and hosts that come and go. No checks here: what
//! is put there may be what the API would refuse.

use std::sync::Arc;

use jiff::SignedDuration;
use uuid::Uuid;

use super::{
    AllHosts, ClientIdentity, Entry, ExclusionRule, FileObject, Host, IsolationRule, PendingClient,
    PreventionRule, Refusal, Target, World,
};
use crate::agent::{Agent, Rules};

/// The world has no host with this sensor id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no host has the sensor id {0}")]
pub struct UnknownHost(pub Uuid);

impl From<UnknownHost> for Refusal {
    fn from(_: UnknownHost) -> Refusal {
        Refusal::UnknownHost
    }
}

impl World {
    /// Isolates a host from now on, as somebody else would.
    ///
    /// # Errors
    /// An unknown host.
    pub fn set_isolation(
        &mut self,
        sensor: Uuid,
        timeout_seconds: u64,
        exclusions: Vec<ExclusionRule>,
    ) -> Result<(), UnknownHost> {
        let exclusions = (!exclusions.is_empty()).then_some(exclusions);
        self.put_isolation(sensor, Some(IsolationRule { timeout_seconds, exclusions, set_at: self.now }))
    }

    /// Puts any isolation rule there, or takes it away.
    ///
    /// # Errors
    /// An unknown host.
    pub fn put_isolation(&mut self, sensor: Uuid, rule: Option<IsolationRule>) -> Result<(), UnknownHost> {
        let entry = self.caught_up(sensor).ok_or(UnknownHost(sensor))?;
        entry.rules.isolation = rule.map(Arc::new);
        entry.touched = true;
        Ok(())
    }

    /// Releases a host, as somebody else would.
    ///
    /// # Errors
    /// An unknown host.
    pub fn remove_isolation(&mut self, sensor: Uuid) -> Result<(), UnknownHost> {
        self.put_isolation(sensor, None)
    }

    /// Blocks exactly these files, as somebody else would; none removes the rule.
    ///
    /// # Errors
    /// An unknown host.
    pub fn set_prevention(&mut self, target: Target, objects: Vec<FileObject>) -> Result<(), UnknownHost> {
        let rule = (!objects.is_empty()).then(|| Arc::new(PreventionRule::new(objects)));
        self.put_prevention(target, rule)
    }

    /// Removes a prevention rule, as somebody else would.
    ///
    /// # Errors
    /// An unknown host.
    pub fn remove_prevention(&mut self, target: Target) -> Result<(), UnknownHost> {
        self.put_prevention(target, None)
    }

    pub(super) fn put_prevention(
        &mut self,
        target: Target,
        rule: Option<Arc<PreventionRule>>,
    ) -> Result<(), UnknownHost> {
        match target {
            Target::Sensor(sensor) => {
                let entry = self.caught_up(sensor).ok_or(UnknownHost(sensor))?;
                entry.rules.prevention = rule;
                entry.touched = true;
            }
            Target::All => {
                let now = self.now;
                let fetched = self.hosts.values().filter_map(|entry| entry.host.agent.version(now));
                self.all.set(rule, now, fetched);
            }
        }
        Ok(())
    }

    /// Lists a host; one that is listed already under this sensor id is replaced, rules and all. An agent
    /// without a last contact makes its first one now, unless it is off.
    pub fn add_host(&mut self, mut host: Host) {
        let agent = &mut host.agent;
        if agent.last_contact.is_none() && agent.contact_every.is_some() {
            agent.last_contact = Some(self.now);
        }
        self.insert(Entry { host, rules: Rules::default(), tasks: Vec::new(), touched: true });
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        let sensor = entry.host.sensor_id;
        let tasks: Vec<Uuid> = entry.tasks.iter().map(|task| task.id).collect();
        if let Some(old) = self.hosts.insert(sensor, entry) {
            for task in &old.tasks {
                self.tasks.remove(&task.id);
            }
        } else {
            self.order.push(sensor);
        }
        self.tasks.extend(tasks.into_iter().map(|task| (task, sensor)));
    }

    pub(crate) fn restore_all_hosts(&mut self, all: AllHosts) {
        self.all = all;
    }

    /// Takes a host off the list, its rules and tasks with it. False when it was not listed.
    pub fn remove_host(&mut self, sensor: Uuid) -> bool {
        let Some(entry) = self.hosts.remove(&sensor) else { return false };
        self.order.retain(|listed| *listed != sensor);
        for task in &entry.tasks {
            self.tasks.remove(&task.id);
        }
        true
    }

    /// Changes what the list says of a host. Its sensor id stays.
    ///
    /// # Errors
    /// An unknown host.
    pub fn change_host(&mut self, sensor: Uuid, change: impl FnOnce(&mut Host)) -> Result<(), UnknownHost> {
        let entry = self.caught_up(sensor).ok_or(UnknownHost(sensor))?;
        change(&mut entry.host);
        entry.host.sensor_id = sensor;
        entry.touched = true;
        Ok(())
    }

    /// Lets an agent be in contact now.
    ///
    /// # Errors
    /// An unknown host.
    pub fn contact(&mut self, sensor: Uuid) -> Result<(), UnknownHost> {
        let (now, version) = (self.now, self.all.version());
        let entry = self.caught_up(sensor).ok_or(UnknownHost(sensor))?;
        entry.contact(now, version);
        Ok(())
    }

    /// Lets all agents be in contact now, those that are off too.
    pub fn contact_all(&mut self) {
        let (now, version) = (self.now, self.all.version());
        for entry in self.hosts.values_mut() {
            entry.catch_up(now);
            entry.contact(now, version);
        }
    }

    /// Starts an agent again; what that drops is told by the host's `restart_drops_isolation`.
    ///
    /// # Errors
    /// An unknown host.
    pub fn restart(&mut self, sensor: Uuid) -> Result<(), UnknownHost> {
        self.change_agent(sensor, Agent::restart)
    }

    /// How often an agent is in contact from now on; `None` switches it off.
    ///
    /// # Errors
    /// An unknown host.
    pub fn set_contact_every(
        &mut self,
        sensor: Uuid,
        every: Option<SignedDuration>,
    ) -> Result<(), UnknownHost> {
        let now = self.now;
        self.change_agent(sensor, |agent| agent.set_contact_every(every, now))
    }

    /// By how much an agent's clock is ahead of the world's.
    ///
    /// # Errors
    /// An unknown host.
    pub fn set_clock_offset(&mut self, sensor: Uuid, offset: SignedDuration) -> Result<(), UnknownHost> {
        self.change_agent(sensor, |agent| agent.clock_offset = offset)
    }

    /// Clients that wait for approval.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingClient> {
        self.registration.pending()
    }

    /// Accepts a client.
    pub fn approve(&mut self, client: &ClientIdentity) {
        self.registration.approve(client, self.now);
    }

    /// Forgets a client; false when it was not known.
    pub fn revoke(&mut self, client: &ClientIdentity) -> bool {
        self.registration.revoke(client)
    }

    fn change_agent(&mut self, sensor: Uuid, change: impl FnOnce(&mut Agent)) -> Result<(), UnknownHost> {
        self.change_host(sensor, |host| change(&mut host.agent))
    }
}
