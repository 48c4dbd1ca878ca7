//! What is in effect on a host now, whatever the server lists: what tests of "in sync" compare with.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{ExclusionRule, World, capability};

/// What an agent does now, judged by what it last fetched and by its own clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// Whether the host is cut off.
    pub isolated: bool,
    /// What gets through; empty when the host is not isolated.
    pub exclusions: Vec<ExclusionRule>,
    /// When isolation stops by itself, by the server's clock as the agent understood it.
    pub isolated_until: Option<Timestamp>,
    /// The files that cannot be started: the host's own and those of all hosts, in lower-case hexadecimal.
    pub blocked: BTreeSet<String>,
    /// The tasks that were started on it.
    pub started: Vec<Uuid>,
    /// When the agent was last in contact.
    pub last_contact: Option<Timestamp>,
}

impl World {
    /// What is in effect on a host; `None` when it is not listed.
    #[must_use]
    pub fn effective(&self, sensor: Uuid) -> Option<Effective> {
        // Tasks take notice of contacts as they are caught up with, so this asks a copy that has been.
        let mut entry = self.hosts.get(&sensor)?.clone();
        let version = entry.host.agent.version(self.now);
        entry.catch_up(self.now);
        let agent = &entry.host.agent;
        let isolation =
            agent.isolation(self.now, &entry.rules).filter(|_| entry.host.can(capability::ISOLATION));
        let own = agent.prevention(self.now, &entry.rules).filter(|_| entry.host.can(capability::PREVENTION));
        let of_all = version
            .and_then(|version| self.all.fetched(version))
            .filter(|_| entry.host.can(capability::PREVENTION));
        let hashes = own.into_iter().chain(of_all.map(AsRef::as_ref)).flat_map(|rule| rule.hashes());
        let started = entry.tasks.iter().filter(|task| task.started_at.is_some() && !task.unsupported);
        Some(Effective {
            isolated: isolation.is_some(),
            exclusions: isolation.and_then(|rule| rule.exclusions.clone()).unwrap_or_else(Vec::new),
            isolated_until: isolation.map(super::IsolationRule::end),
            blocked: hashes.map(ToString::to_string).collect(),
            started: started.map(|task| task.id).collect(),
            last_contact: agent.last_contact,
        })
    }
}
