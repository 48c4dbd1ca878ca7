//! Changes, with all that they are judged, sent and recorded by.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::RulesWriter;
use super::what::{Declared, What};
use super::wire::Origin;
use crate::model::{
    self, Aspect, GroupOrigin, LastAccess, PreventionRule, Sensor, SensorId, Subject, Target, Untrusted,
};
use crate::plan::{self, Whom};
use crate::resolve::DesiredHost;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    purpose: Purpose,
    changes: Vec<Change>,
}

/// Why a step stands where it stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Contain,
    /// Hosts give up the hashes that the rule for all hosts will gain.
    GiveUp,
    /// The rule for all hosts.
    ForAll,
    /// The rules of hosts.
    Prevent,
    Run,
    Release,
}

/// One write.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Whom it is for: a sensor id, or `all`.
    target: String,
    /// The host's name as the server listed it; `null`: it has none, or the change is for all hosts.
    host: Option<String>,
    /// The key of the declared entry, or what else flags and the record call it; `null`: for all hosts.
    entry: Option<String>,
    /// Whether the files name the host, and not only a pattern that it matches.
    named: bool,
    what: What,
    cause: Cause,
    reason: Option<String>,
    /// What a person should have known before saying yes.
    notes: Vec<String>,
}

/// Where something was declared, and through which groups it came.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cause {
    origin: Origin,
    /// In the order of their names; the origin is that of the first. Empty: the entry itself.
    groups: Vec<Group>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    origin: Origin,
}

impl Step {
    pub(super) fn of(step: &plan::Step, now: Timestamp, rules: &mut RulesWriter) -> Self {
        let purpose = match step.purpose {
            plan::Purpose::Contain => Purpose::Contain,
            plan::Purpose::GiveUp => Purpose::GiveUp,
            plan::Purpose::ForAll => Purpose::ForAll,
            plan::Purpose::Prevent => Purpose::Prevent,
            plan::Purpose::Run => Purpose::Run,
            plan::Purpose::Release => Purpose::Release,
        };
        Self { purpose, changes: step.changes.iter().map(|change| Change::of(change, now, rules)).collect() }
    }

    pub(super) fn read(self, rules: &[Arc<PreventionRule>]) -> Result<plan::Step, String> {
        let purpose = match self.purpose {
            Purpose::Contain => plan::Purpose::Contain,
            Purpose::GiveUp => plan::Purpose::GiveUp,
            Purpose::ForAll => plan::Purpose::ForAll,
            Purpose::Prevent => plan::Purpose::Prevent,
            Purpose::Run => plan::Purpose::Run,
            Purpose::Release => plan::Purpose::Release,
        };
        let changes: Result<Vec<_>, String> =
            self.changes.into_iter().map(|change| change.read(rules).map(Arc::new)).collect();
        Ok(plan::Step { purpose, changes: changes? })
    }
}

impl Change {
    fn of(change: &plan::Change, now: Timestamp, rules: &mut RulesWriter) -> Self {
        let name = |sensor: &Arc<Sensor>| sensor.name.as_ref().map(|name| name.raw().to_owned());
        Self {
            target: change.subject.target.to_string(),
            host: change.whom.sensor().and_then(name),
            entry: change.whom.entry().map(ToString::to_string),
            named: match &change.whom {
                Whom::Host(host) => host.is_named,
                Whom::AllHosts(_) => true,
                Whom::Task(task) => !task.cause.is_group(),
            },
            what: What::of(change, now, rules),
            cause: (&change.cause).into(),
            reason: change.reason.as_deref().map(str::to_owned),
            notes: change.notes.clone(),
        }
    }

    fn read(self, rules: &[Arc<PreventionRule>]) -> Result<plan::Change, String> {
        let cause: model::Cause = self.cause.try_into()?;
        let reason: Option<Arc<str>> = self.reason.map(Into::into);
        let what = match self.what {
            What::StartTask { .. } | What::DeleteTask { .. } => {
                let id: SensorId = self
                    .target
                    .parse()
                    .map_err(|error: model::SensorIdError| format!("`{}`: {error}", self.target))?;
                let sensor = Arc::new(sensor(id, self.host));
                let (whom, action, difference) = self.what.task(sensor, &cause)?;
                if self.entry.as_deref() != whom.entry().map(|entry| &**entry)
                    || self.named == cause.is_group()
                {
                    return Err("a task that is not what its change says".to_owned());
                }
                let subject = Subject { target: whom.target(), aspect: difference.aspect() };
                return Ok(plan::Change {
                    subject,
                    whom,
                    action,
                    difference,
                    cause,
                    reason,
                    notes: self.notes,
                });
            }
            what @ (What::Isolate { .. }
            | What::ChangeExclusions { .. }
            | What::Renew { .. }
            | What::Release { .. }
            | What::EndSpent { .. }
            | What::Block { .. }) => what,
        };
        let meant = what.read(&cause, reason.as_ref(), rules)?;
        let (aspect, isolation, prevention) = match &meant.declared {
            Declared::Isolation(isolation) => (Aspect::Isolation, Some(isolation.clone()), None),
            Declared::Prevention(prevention) => (Aspect::Prevention, None, Some(Arc::clone(prevention))),
        };
        let (target, whom) = match (self.target.as_str(), self.entry, prevention) {
            ("all", None, Some(prevention)) => (Target::AllHosts, Whom::AllHosts(prevention)),
            ("all", ..) => {
                return Err("a change for all hosts that is none of their prevention rule".to_owned());
            }
            (_, None, _) => return Err(format!("`{}`: a host without an entry", self.target)),
            (id, Some(entry), prevention) => {
                let id: SensorId = id
                    .parse()
                    .map_err(|error: model::SensorIdError| format!("`{}`: {error}", self.target))?;
                let host = DesiredHost {
                    entry: entry.into(),
                    origin: cause.origin().clone(),
                    sensor: Arc::new(sensor(id, self.host)),
                    groups: cause.groups().map(|group| Arc::clone(&group.group)).collect(),
                    is_named: self.named,
                    isolation,
                    prevention,
                };
                (Target::Sensor(id), Whom::Host(Arc::new(host)))
            }
        };
        Ok(plan::Change {
            subject: Subject { target, aspect },
            whom,
            action: meant.action,
            difference: meant.difference,
            cause,
            reason,
            notes: self.notes,
        })
    }
}

/// As far as the file knows it; the server lists the rest when the plan is carried out.
fn sensor(id: SensorId, name: Option<String>) -> Sensor {
    Sensor {
        id,
        name: name.map(Untrusted::new),
        addresses: Vec::new(),
        last_access: LastAccess::Unknown,
        agent_version: None,
        os_family: None,
        os_name: None,
        capabilities: Vec::new(),
    }
}

impl From<&model::Cause> for Cause {
    fn from(cause: &model::Cause) -> Self {
        let groups = cause
            .groups()
            .map(|group| Group { name: group.group.to_string(), origin: (&group.origin).into() });
        Self { origin: cause.origin().into(), groups: groups.collect() }
    }
}

impl TryFrom<Cause> for model::Cause {
    type Error = String;

    fn try_from(cause: Cause) -> Result<Self, String> {
        let mut groups = cause
            .groups
            .into_iter()
            .map(|group| GroupOrigin { group: group.name.into(), origin: group.origin.into() });
        match groups.next() {
            None => Ok(Self::Own(cause.origin.into())),
            Some(first) if first.origin == cause.origin.into() => {
                Ok(Self::Groups { first, more: groups.collect() })
            }
            Some(_) => Err("a place that is not that of its first group".to_owned()),
        }
    }
}
