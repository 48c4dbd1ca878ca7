//! A plan in a file, and what was approved in the record: what of a plan has to be kept so that exactly it can be
//! carried out later, or another one be held to it.
//!
//! A saved plan is read back as a state that declares what the plan was to come to, and no more: so it is looked at,
//! judged, locked and recorded by the same walk as any other, and [`crate::plan::Plan::again`] holds what comes out
//! against what was saved.

mod approved;
mod change;
mod connection;
mod file;
mod policy;
mod prevention;
mod rules;
mod task;
mod term;
#[cfg(test)]
mod tests;
mod what;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::declare::{
    Declared, DeclaredAllHosts, DeclaredHost, DeclaredServer, DeclaredTask, ExclusionSets, Forbidden,
    Identity, NamedHost, NeverBlock, Policy, RecordLocation,
};
use crate::guard::Allowance;
use crate::model::{SensorId, ServerName, display_duration};
use crate::plan::{Plan, Whom};

pub use approved::{ApprovedError, decode_approved, encode_approved};
pub use file::{FORMAT_VERSION, SavedPlanError, decode, encode, is_saved_plan, write_schema};

/// What was read long ago says little of now.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Clocks of two machines are not the same to the second.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// A plan with all that it takes to carry it out. No secret is in it: of keys it knows where they are.
#[derive(Debug, Clone)]
pub struct SavedPlan {
    /// Of each server that was read; what was found beside its changes is not in it.
    pub plan: Plan,
    /// Whether all that was asked could be answered.
    pub is_complete: bool,
    /// The version of kedrctl that made it.
    pub made_with: String,
    /// The state that it was made from; absolute, and only told.
    pub files: Vec<PathBuf>,
    /// Where it is recorded when it is carried out; a folder by its absolute path.
    pub record: RecordLocation,
    /// How each server of the plan is reached; with absolute paths.
    pub servers: BTreeMap<ServerName, DeclaredServer>,
    /// Without its lists of files that must never be blocked.
    pub policy: Policy,
    /// What these lists said of the hashes of this plan.
    pub never_block: Forbidden,
    /// With these it is carried out too: `apply FILE` takes none of its own.
    pub flags: Flags,
}

/// What flags let pass when the plan was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--allow`: up to which counts limits may be exceeded, in the order in which they were typed.
    pub allow: Vec<Allowance>,
    /// `--take-over`: subjects of other owners that may be written, as typed: `hq/WS-017/isolation`.
    pub take_over: BTreeSet<String>,
    /// `--accept-moved`: entries that may mean another sensor than the record knows.
    pub accept_moved: BTreeSet<String>,
    /// `--accept-short-list`: a server may list under half of the hosts that the record last saw.
    pub accept_short_list: bool,
}

impl SavedPlan {
    /// The state that says what this plan comes to. Of servers without a change it says nothing.
    pub fn declared(&self) -> Declared {
        let mut hosts = Vec::new();
        let mut all_hosts = BTreeMap::new();
        let mut servers = BTreeMap::new();
        let mut tasks = Vec::new();
        for plan in &self.plan.servers {
            let mut of_server: BTreeMap<SensorId, DeclaredHost> = BTreeMap::new();
            for change in plan.changes() {
                let origin = change.cause.origin().clone();
                match &change.whom {
                    Whom::Host(host) => {
                        let declared = of_server.entry(host.sensor.id).or_insert_with(|| DeclaredHost {
                            entry: Arc::clone(&host.entry),
                            origin,
                            server: plan.server.clone(),
                            identity: Identity::Sensor(host.sensor.id),
                            isolation: None,
                            prevention: None,
                        });
                        // Of two changes of one rule the later one is where it ends.
                        if host.isolation.is_some() {
                            declared.isolation.clone_from(&host.isolation);
                        }
                        if host.prevention.is_some() {
                            declared.prevention.clone_from(&host.prevention);
                        }
                    }
                    Whom::AllHosts(prevention) => {
                        let prevention = Arc::clone(prevention);
                        all_hosts.insert(plan.server.clone(), DeclaredAllHosts { origin, prevention });
                    }
                    // It is named by its host's entry, whichever that is.
                    Whom::Task(_) => {}
                }
            }
            for task in plan.changes().filter_map(|change| change.whom.task()) {
                let origin = task.task.origin.clone();
                let host = of_server.entry(task.sensor.id).or_insert_with(|| DeclaredHost {
                    entry: task.sensor.id.to_string().into(),
                    origin: origin.clone(),
                    server: plan.server.clone(),
                    identity: Identity::Sensor(task.sensor.id),
                    isolation: None,
                    prevention: None,
                });
                let (name, server) = (Arc::clone(&host.entry), plan.server.clone());
                let hosts = vec![NamedHost { name, origin, server, is_entry: true }];
                tasks.push(Arc::new(DeclaredTask { hosts, ..DeclaredTask::clone(&task.task) }));
            }
            hosts.extend(of_server.into_values());
            if let (Some(server), true) = (self.servers.get(&plan.server), plan.changes().next().is_some()) {
                servers.insert(plan.server.clone(), server.clone());
            }
        }
        Declared {
            record: self.record.clone(),
            owner: Arc::clone(&self.plan.owner),
            servers,
            policy: Policy {
                never_block: NeverBlock::judged_before(self.never_block.clone()),
                ..self.policy.clone()
            },
            hosts,
            groups: Vec::new(),
            all_hosts,
            tasks,
            exclusions: ExclusionSets::default(),
            shared_names: BTreeSet::new(),
        }
    }

    /// Why it may not be carried out any more, by its age alone.
    pub fn too_old(&self, now: Timestamp) -> Option<String> {
        let age = now.duration_since(self.plan.now);
        if age < -TOLERANCE {
            let ahead = display_duration(age);
            return Some(format!(
                "it was made {ahead} from now, by this machine's clock: set both clocks by NTP"
            ));
        }
        let (made_at, may_be) = (self.plan.now, display_duration(MAX_AGE));
        (age > MAX_AGE).then(|| format!("it was made on {made_at:.0}, more than {may_be} ago: plan again"))
    }

    /// Hosts that were known by a pattern alone.
    pub fn known_by_patterns(&self) -> BTreeSet<SensorId> {
        let by_pattern = |whom: &Whom| match whom {
            Whom::Host(host) => (!host.is_named).then_some(host.sensor.id),
            Whom::AllHosts(_) => None,
            Whom::Task(task) => task.cause.is_group().then_some(task.sensor.id),
        };
        self.plan.changes().filter_map(|(_, change)| by_pattern(&change.whom)).collect()
    }

    /// What the lists of files that must never be blocked said of the hashes that `plan` adds, and nothing of others.
    pub fn judged(never_block: &Forbidden, plan: &Plan) -> Forbidden {
        Forbidden::judged_before(plan.added_hashes().collect(), never_block.known_by_one())
    }
}
