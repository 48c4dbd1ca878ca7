use std::sync::Arc;

use jiff::Timestamp;

use super::{Contact, Plan};
use crate::model::{Aspect, Isolation, ListedTask, PreventionRule, Reading, Sensor};
use crate::record::RecordedRule;
use crate::resolve::{DesiredHost, DesiredTask};

/// All that can be told of one host: what stands on it, what the files declare, and how the two compare.
#[derive(Debug)]
pub struct Inspected {
    /// As the server lists it.
    pub sensor: Arc<Sensor>,
    /// The rule that is listed for it, which may have ended.
    pub isolation: Reading<Isolation>,
    /// Whether its agent can have fetched the isolation that is listed, where there is one and that can be said.
    pub isolation_contact: Option<Contact>,
    /// Its own rule.
    pub prevention: Reading<Arc<PreventionRule>>,
    /// The rule for all hosts of its server, which holds for this one too.
    pub for_all: Reading<Arc<PreventionRule>>,
    /// Our write of the very isolation that is listed: what its end is known by.
    pub in_force: Option<RecordedRule>,
    /// How many hashes of its own rule we put there.
    pub ours: usize,
    /// What the files declare for it, where they do and who is meant is certain.
    pub declared: Option<Arc<DesiredHost>>,
    /// What the files may declare for it, of which who is meant, or what, is not certain.
    pub in_doubt: Vec<Aspect>,
    /// The tasks that the files declare for it.
    pub tasks: Vec<InspectedTask>,
    /// What `plan` would say of this host alone.
    pub plan: Plan,
}

/// A task that the files declare.
#[derive(Debug)]
pub struct InspectedTask {
    /// What is declared.
    pub desired: Arc<DesiredTask>,
    /// As its server lists it.
    pub listed: Reading<ListedTask>,
}

impl Inspected {
    /// Whether all of it could be read.
    pub fn is_whole(&self) -> bool {
        !matches!(self.isolation, Reading::Unknown(_))
            && !matches!(self.prevention, Reading::Unknown(_))
            && !matches!(self.for_all, Reading::Unknown(_))
            && !self.tasks.iter().any(|task| matches!(task.listed, Reading::Unknown(_)))
    }

    /// The soonest instant at which the listed isolation ends, where that is known.
    pub fn isolated_until(&self) -> Option<Timestamp> {
        self.in_force.as_ref().filter(|rule| !rule.clocks_apart).map(RecordedRule::end)
    }
}
