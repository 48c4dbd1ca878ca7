//! Changes, with all that they are judged, sent and recorded by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::instant;
use super::rules::{Isolation, RulesWriter, hash};
use super::wire::Origin;
use crate::declare::{
    self, DeclaredIsolation, DeclaredPrevention, DeclaredTask, TaskPresence, WantedIsolation,
};
use crate::model::{
    self, Aspect, BlockEntry, Difference, FileHash, GroupOrigin, LastAccess, PreventionRule, Sensor,
    SensorId, Side, Subject, Target, TaskId, Timeout, Untrusted,
};
use crate::plan::{self, Action, RuleChange, Whom};
use crate::resolve::{DesiredHost, DesiredTask};

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

/// What is written, with what has to be there before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum What {
    /// A host without a rule in force is cut off. `before`: a rule that has ended; `null`: none.
    Isolate {
        term: Term,
        /// A rule of ours for this entry had run out.
        lapsed: bool,
        before: Option<Isolation>,
        after: Isolation,
    },
    /// The same isolation with other exclusions.
    ChangeExclusions { term: Term, before: Isolation, after: Isolation },
    /// The same again with a later end.
    Renew { term: Term, end: End, before: Isolation, after: Isolation },
    /// `off` in the host's own entry.
    Release { before: Isolation },
    /// The rule of an entry whose `until` has passed.
    EndSpent { until: String, before: Isolation },
    /// A prevention rule is set, changed or, where `after` is `null`, removed.
    Block {
        /// By its place in `rules`.
        before: Option<usize>,
        after: Option<usize>,
        added: Vec<Added>,
        removed: Vec<Removed>,
        kept: usize,
        kept_foreign: usize,
        covered_by_all: usize,
        loses_fields: usize,
        /// Declared hashes of the rule that are to be taken out again; from then on the plan may not be carried out.
        ends: Vec<Ends>,
    },
    /// A program is started once.
    StartTask { task: Task },
    /// A task is taken off its server. `before`: what it was to start, as far as that is known.
    DeleteTask { task: Task, before: Option<Program> },
}

/// A task, as its entry declares it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Task {
    /// What it is called on its server; it follows from the host and all that is here, but `not_after`.
    id: String,
    name: String,
    program: Program,
    generation: u64,
    /// From then on it is not started.
    not_after: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Program {
    command: String,
    arguments: Option<String>,
    working_directory: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Term {
    /// RFC 3339, UTC.
    Until(String),
    LeaseSeconds(u32),
}

/// What was known of the end of the rule that is renewed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum End {
    Known(String),
    Unknown(WhyUnknown),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WhyUnknown {
    NotRecorded,
    ChangedByOthers,
    ClocksApart,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Added {
    hash: String,
    /// The hash list that names it; `null`: the entry itself.
    list: Option<String>,
    origin: Origin,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Removed {
    hash: String,
    because: Because,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Because {
    /// `unblock` names it.
    Unblocked(Origin),
    Expired {
        at: String,
        origin: Origin,
    },
    /// We added it, and no file names it there any more.
    NoLongerDeclared,
    /// `exact: true`, and `block` does not have it.
    Exact,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ends {
    hash: String,
    until: String,
}

impl Step {
    pub(super) fn of(step: &plan::Step, now: Timestamp, rules: &mut RulesWriter) -> Self {
        let purpose = match step.purpose {
            plan::Purpose::Contain => Purpose::Contain,
            plan::Purpose::Prevent => Purpose::Prevent,
            plan::Purpose::Run => Purpose::Run,
            plan::Purpose::Release => Purpose::Release,
        };
        Self { purpose, changes: step.changes.iter().map(|change| Change::of(change, now, rules)).collect() }
    }

    pub(super) fn read(self, rules: &[Arc<PreventionRule>]) -> Result<plan::Step, String> {
        let purpose = match self.purpose {
            Purpose::Contain => plan::Purpose::Contain,
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
            what => what,
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

/// A change, and what files would have to declare for it.
struct Meant {
    action: Action,
    difference: Difference,
    declared: Declared,
}

enum Declared {
    Isolation(DeclaredIsolation),
    Prevention(Arc<DeclaredPrevention>),
}

impl What {
    fn of(change: &plan::Change, now: Timestamp, rules: &mut RulesWriter) -> Self {
        // An action has the sides that it needs: see `plan`.
        let isolation = |side: &Option<model::Isolation>| {
            let none = model::Isolation { timeout_seconds: 0, exclusions: Arc::default() };
            Isolation::from(side.as_ref().unwrap_or(&none))
        };
        match (&change.action, &change.difference) {
            (Action::Isolate { term, is_lapsed }, Difference::Isolation(side)) => Self::Isolate {
                term: (*term).into(),
                lapsed: *is_lapsed,
                before: side.before.as_ref().map(Into::into),
                after: isolation(&side.after),
            },
            (Action::ChangeExclusions { term }, Difference::Isolation(side)) => Self::ChangeExclusions {
                term: (*term).into(),
                before: isolation(&side.before),
                after: isolation(&side.after),
            },
            (Action::Renew { term, end }, Difference::Isolation(side)) => Self::Renew {
                term: (*term).into(),
                end: (*end).into(),
                before: isolation(&side.before),
                after: isolation(&side.after),
            },
            (Action::EndSpent { until }, Difference::Isolation(side)) => {
                Self::EndSpent { until: until.to_string(), before: isolation(&side.before) }
            }
            (
                Action::Release | Action::Block(_) | Action::StartTask { .. } | Action::DeleteTask,
                Difference::Isolation(side),
            ) => Self::Release { before: isolation(&side.before) },
            (_, Difference::Task(id, side)) => {
                let task = Task::of(change.whom.task(), *id, side);
                match &side.after {
                    Some(_) => Self::StartTask { task },
                    None => Self::DeleteTask { task, before: side.before.as_deref().map(Into::into) },
                }
            }
            (action, Difference::Prevention(side)) => {
                let nothing = RuleChange::default();
                let rule = match action {
                    Action::Block(rule) => rule,
                    Action::Isolate { .. }
                    | Action::ChangeExclusions { .. }
                    | Action::Renew { .. }
                    | Action::Release
                    | Action::StartTask { .. }
                    | Action::DeleteTask
                    | Action::EndSpent { .. } => &nothing,
                };
                let ends = plan::end_of_hashes(change, now).into_iter();
                Self::Block {
                    before: side.before.as_ref().map(|rule| rules.place(rule)),
                    after: side.after.as_ref().map(|rule| rules.place(rule)),
                    added: rule.added.iter().map(Into::into).collect(),
                    removed: rule.removed.iter().map(Into::into).collect(),
                    kept: rule.kept,
                    kept_foreign: rule.kept_foreign,
                    covered_by_all: rule.covered_by_all,
                    loses_fields: rule.loses_fields,
                    ends: ends
                        .map(|(hash, until)| Ends { hash: hash.to_string(), until: until.to_string() })
                        .collect(),
                }
            }
        }
    }

    fn read(
        self,
        cause: &model::Cause,
        reason: Option<&Arc<str>>,
        rules: &[Arc<PreventionRule>],
    ) -> Result<Meant, String> {
        let on = |term: declare::Term, after: &model::Isolation| WantedIsolation::On {
            term,
            exclusions: Arc::clone(&after.exclusions),
            reason: reason.cloned(),
        };
        let (action, want, before, after) = match self {
            Self::Isolate { term, lapsed, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                let before = before.map(model::Isolation::try_from).transpose()?;
                (Action::Isolate { term, is_lapsed: lapsed }, on(term, &after), before, Some(after))
            }
            Self::ChangeExclusions { term, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                (Action::ChangeExclusions { term }, on(term, &after), Some(before.try_into()?), Some(after))
            }
            Self::Renew { term, end, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                let action = Action::Renew { term, end: end.try_into()? };
                (action, on(term, &after), Some(before.try_into()?), Some(after))
            }
            Self::StartTask { .. } | Self::DeleteTask { .. } => {
                return Err("a task has no rule".to_owned());
            }
            // A group never releases: what would come of it is a check.
            Self::Release { .. } if cause.is_group() => {
                return Err("a release that no entry names".to_owned());
            }
            Self::Release { before } => {
                (Action::Release, WantedIsolation::Off, Some(before.try_into()?), None)
            }
            Self::EndSpent { until, before } => {
                let (until, before): (_, model::Isolation) = (instant(&until)?, before.try_into()?);
                let want = on(declare::Term::Until(until), &before);
                (Action::EndSpent { until }, want, Some(before), None)
            }
            Self::Block {
                before,
                after,
                added,
                removed,
                kept,
                kept_foreign,
                covered_by_all,
                loses_fields,
                ends,
            } => {
                let change = RuleChange {
                    added: added.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    removed: removed.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    kept,
                    kept_foreign,
                    covered_by_all,
                    loses_fields,
                };
                let rule = |place: Option<usize>| match place {
                    None => Ok(None),
                    Some(place) => match rules.get(place) {
                        Some(rule) => Ok(Some(Arc::clone(rule))),
                        None => Err(format!("there is no rule {place}")),
                    },
                };
                return block(change, Side { before: rule(before)?, after: rule(after)? }, ends, cause);
            }
        };
        Ok(Meant {
            action,
            difference: Difference::Isolation(Side { before, after }),
            declared: Declared::Isolation(DeclaredIsolation { cause: cause.clone(), want }),
        })
    }
}

impl What {
    fn task(self, sensor: Arc<Sensor>, cause: &model::Cause) -> Result<(Whom, Action, Difference), String> {
        let (task, before, presence) = match self {
            Self::StartTask { task } => (task, None, TaskPresence::Present),
            Self::DeleteTask { task, before } => (task, before, TaskPresence::Absent),
            Self::Isolate { .. }
            | Self::ChangeExclusions { .. }
            | Self::Renew { .. }
            | Self::Release { .. }
            | Self::EndSpent { .. }
            | Self::Block { .. } => return Err("it is no task".to_owned()),
        };
        let (program, not_after) = (model::Program::from(task.program), instant(&task.not_after)?);
        let id = TaskId::new(sensor.id, &task.name, &program, task.generation);
        if id.to_string() != task.id {
            return Err("the id of a task is not that of what it starts".to_owned());
        }
        let after = (presence == TaskPresence::Present).then(|| Arc::new(program.clone()));
        let action = match presence {
            TaskPresence::Present => Action::StartTask { not_after },
            TaskPresence::Absent => Action::DeleteTask,
        };
        let side = Side { before: before.map(|program| Arc::new(program.into())), after };
        let declared = DeclaredTask {
            name: task.name.into(),
            origin: cause.origin().clone(),
            hosts: Vec::new(),
            groups: Vec::new(),
            program,
            not_after,
            generation: task.generation,
            presence,
        };
        let task = DesiredTask { id, task: Arc::new(declared), sensor, cause: cause.clone() };
        Ok((Whom::Task(Arc::new(task)), action, Difference::Task(id, side)))
    }
}

impl Task {
    fn of(desired: Option<&Arc<DesiredTask>>, id: TaskId, side: &Side<Arc<model::Program>>) -> Self {
        let declared = desired.map(|desired| &desired.task);
        let nothing = model::Program { command: "".into(), arguments: None, working_directory: None };
        let of_side = side.after.as_deref().or(side.before.as_deref());
        let program = declared.map(|task| &task.program).or(of_side).unwrap_or(&nothing);
        Self {
            id: id.to_string(),
            name: declared.map(|task| task.name.to_string()).unwrap_or_default(),
            program: program.into(),
            generation: declared.map_or(1, |task| task.generation),
            not_after: declared.map_or(Timestamp::MIN, |task| task.not_after).to_string(),
        }
    }
}

impl From<&model::Program> for Program {
    fn from(program: &model::Program) -> Self {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        Self {
            command: program.command.to_string(),
            arguments: text(&program.arguments),
            working_directory: text(&program.working_directory),
        }
    }
}

impl From<Program> for model::Program {
    fn from(program: Program) -> Self {
        Self {
            command: program.command.into(),
            arguments: program.arguments.map(Into::into),
            working_directory: program.working_directory.map(Into::into),
        }
    }
}

fn block(
    change: RuleChange,
    side: Side<Arc<PreventionRule>>,
    ends: Vec<Ends>,
    cause: &model::Cause,
) -> Result<Meant, String> {
    // What is judged has to be what is sent.
    let hashes =
        |rule: &Option<Arc<PreventionRule>>| rule.as_ref().map_or_else(BTreeSet::new, |rule| rule.hashes());
    let (before, after) = (hashes(&side.before), hashes(&side.after));
    let added: BTreeSet<FileHash> = change.added.iter().map(|added| added.hash).collect();
    let removed: BTreeSet<FileHash> = change.removed.iter().map(|removed| removed.hash).collect();
    if !after.difference(&before).eq(&added) || !before.difference(&after).eq(&removed) {
        return Err("what a rule is to gain and to lose is not what lies between its two sides".to_owned());
    }
    let count = ends.len();
    let ends: BTreeMap<FileHash, Timestamp> = ends
        .into_iter()
        .map(|ends| Ok((hash(&ends.hash)?, instant(&ends.until)?)))
        .collect::<Result<_, String>>()?;
    if ends.len() != count || !ends.keys().all(|hash| after.contains(hash)) {
        return Err("an end of a hash that is not in the rule, or stands twice".to_owned());
    }
    let of_list: BTreeMap<FileHash, &plan::AddedHash> =
        change.added.iter().map(|added| (added.hash, added)).collect();
    let entries = after.iter().map(|hash| BlockEntry {
        hash: *hash,
        comment: None,
        from: None,
        until: ends.get(hash).copied(),
        list: of_list.get(hash).and_then(|added| added.list.clone()),
        origin: of_list.get(hash).map_or_else(|| cause.origin().clone(), |added| added.origin.clone()),
    });
    let declared = DeclaredPrevention {
        cause: cause.clone(),
        block: vec![entries.collect()],
        unblock: Vec::new(),
        exact: true,
    };
    Ok(Meant {
        declared: Declared::Prevention(Arc::new(declared)),
        action: Action::Block(change),
        difference: Difference::Prevention(side),
    })
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

impl From<declare::Term> for Term {
    fn from(term: declare::Term) -> Self {
        match term {
            declare::Term::Until(until) => Self::Until(until.to_string()),
            declare::Term::Lease(lease) => Self::LeaseSeconds(lease.seconds()),
        }
    }
}

impl TryFrom<Term> for declare::Term {
    type Error = String;

    fn try_from(term: Term) -> Result<Self, String> {
        Ok(match term {
            Term::Until(until) => Self::Until(instant(&until)?),
            Term::LeaseSeconds(seconds) => {
                Self::Lease(Timeout::from_seconds(i64::from(seconds)).map_err(|error| error.to_string())?)
            }
        })
    }
}

impl From<plan::End> for End {
    fn from(end: plan::End) -> Self {
        match end {
            plan::End::Known(at) => Self::Known(at.to_string()),
            plan::End::Unknown(why) => Self::Unknown(match why {
                plan::WhyUnknown::NotRecorded => WhyUnknown::NotRecorded,
                plan::WhyUnknown::ChangedByOthers => WhyUnknown::ChangedByOthers,
                plan::WhyUnknown::ClocksApart => WhyUnknown::ClocksApart,
            }),
        }
    }
}

impl TryFrom<End> for plan::End {
    type Error = String;

    fn try_from(end: End) -> Result<Self, String> {
        Ok(match end {
            End::Known(at) => Self::Known(instant(&at)?),
            End::Unknown(why) => Self::Unknown(match why {
                WhyUnknown::NotRecorded => plan::WhyUnknown::NotRecorded,
                WhyUnknown::ChangedByOthers => plan::WhyUnknown::ChangedByOthers,
                WhyUnknown::ClocksApart => plan::WhyUnknown::ClocksApart,
            }),
        })
    }
}

impl From<&plan::AddedHash> for Added {
    fn from(added: &plan::AddedHash) -> Self {
        Self {
            hash: added.hash.to_string(),
            list: added.list.as_deref().map(str::to_owned),
            origin: (&added.origin).into(),
        }
    }
}

impl TryFrom<Added> for plan::AddedHash {
    type Error = String;

    fn try_from(added: Added) -> Result<Self, String> {
        let list = added.list.map(Into::into);
        Ok(Self { hash: hash(&added.hash)?, list, origin: added.origin.into() })
    }
}

impl From<&plan::RemovedHash> for Removed {
    fn from(removed: &plan::RemovedHash) -> Self {
        let because = match &removed.because {
            plan::RemovedBecause::Unblocked(origin) => Because::Unblocked(origin.into()),
            plan::RemovedBecause::Expired { at, origin } => {
                Because::Expired { at: at.to_string(), origin: origin.into() }
            }
            plan::RemovedBecause::NoLongerDeclared => Because::NoLongerDeclared,
            plan::RemovedBecause::Exact => Because::Exact,
        };
        Self { hash: removed.hash.to_string(), because }
    }
}

impl TryFrom<Removed> for plan::RemovedHash {
    type Error = String;

    fn try_from(removed: Removed) -> Result<Self, String> {
        let because = match removed.because {
            Because::Unblocked(origin) => plan::RemovedBecause::Unblocked(origin.into()),
            Because::Expired { at, origin } => {
                plan::RemovedBecause::Expired { at: instant(&at)?, origin: origin.into() }
            }
            Because::NoLongerDeclared => plan::RemovedBecause::NoLongerDeclared,
            Because::Exact => plan::RemovedBecause::Exact,
        };
        Ok(Self { hash: hash(&removed.hash)?, because })
    }
}
