//! Declared state and a host list to desired state: which sensor is meant, with where each value came from.

mod entries;
mod identity;
mod joined;
mod likeness;
mod limit;
mod listing;
mod membership;
mod pick;
mod possible;
mod selection;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::declare::{
    Declared, DeclaredHost, DeclaredIsolation, DeclaredPrevention, DeclaredTask, Identity, Missing,
};
use crate::model::{
    Aspect, Cause, HostList, Origin, Sensor, SensorId, ServerName, Subject, Target, TaskId, Untrusted,
};

use identity::Lost;

pub use likeness::alike;
pub use limit::{HostPattern, PatternError};
pub use listing::{NotBelieved, believe};
pub use pick::{PickError, Picked, pick};
pub use selection::Selection;

/// What is wanted of one server's hosts, and of which declarations we could not tell who is meant.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// Those with an entry in the order of the files, then those that only groups know, by name.
    pub hosts: Vec<Arc<DesiredHost>>,
    /// Those of whom we could not tell; under `--limit` only whom it selects.
    pub unresolved: Vec<Unresolved>,
    /// The others of whom we could not tell: nothing is said of them.
    pub unresolved_left_out: Vec<Unresolved>,
    /// What became of each declared group here, in their order.
    pub groups: Vec<GroupUse>,
    /// The isolation that groups declare for hosts whose own entry says what theirs is.
    pub hidden: BTreeMap<SensorId, DeclaredIsolation>,
    /// Declared, and left out by `--limit`: nothing is written there.
    pub left_out: Vec<Arc<DesiredHost>>,
    /// The rule for all hosts.
    pub all_hosts: Option<Arc<DeclaredPrevention>>,
    /// The same where `--limit` leaves it out: nothing is written there.
    pub all_left_out: Option<Arc<DeclaredPrevention>>,
    /// In the order of their names, then of sensors; one for each host of a task.
    pub tasks: Vec<Arc<DesiredTask>>,
}

impl Desired {
    /// Of whom we could not tell, selected or not: what is declared for them counts all the same.
    pub fn all_unresolved(&self) -> impl Iterator<Item = &Unresolved> {
        self.unresolved.iter().chain(&self.unresolved_left_out)
    }
}

/// One declared host whose sensor is known.
#[derive(Debug)]
pub struct DesiredHost {
    /// What people, flags and the record call it: the key of its entry, else the name that a list gives, else the
    /// name that the server lists or, where others have that too, its sensor id.
    pub entry: Arc<str>,
    /// The line of its entry, else that of the first of its groups that declares isolation or prevention.
    pub origin: Origin,
    /// As the server lists it.
    pub sensor: Arc<Sensor>,
    /// The names of the groups that it is in.
    pub groups: Arc<[Arc<str>]>,
    /// By an entry or a list, not only by a pattern: which sensor that is, later runs compare with.
    pub is_named: bool,
    /// By its own entry, else by its groups; `None`: nobody declares it, or it is unresolved what they mean.
    pub isolation: Option<DeclaredIsolation>,
    /// Likewise; what several groups block is joined. `--renew-only` leaves it out.
    pub prevention: Option<Arc<DeclaredPrevention>>,
}

impl DesiredHost {
    /// Where an aspect was declared.
    pub fn cause(&self, aspect: Aspect) -> Option<&Cause> {
        match aspect {
            Aspect::Isolation => self.isolation.as_ref().map(|isolation| &isolation.cause),
            Aspect::Prevention => self.prevention.as_ref().map(|prevention| &prevention.cause),
            // An entry of its own declares it, and not the host's.
            Aspect::Task(_) => None,
        }
    }
}

/// A declared host of which we can not tell, or not well enough, who or what is meant. It gets no write.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// What people and flags call it.
    pub entry: Arc<str>,
    /// Where it is declared: its entry, a list that names it, or the groups that it is in.
    pub cause: Cause,
    /// Of which kind the reason is.
    pub why: WhyUnresolved,
    /// For a person, safe to print: what was found instead and what to do.
    pub message: String,
    /// The name that its server lists, as far as it is known of one host.
    pub listed: Option<Arc<str>>,
    /// What is declared for it.
    pub aspects: Vec<Aspect>,
    /// What of prevention rules is declared for it: each of these may be what is meant.
    pub preventions: Vec<Arc<DeclaredPrevention>>,
    /// Who may be meant.
    pub sensors: Vec<SensorId>,
    /// The groups that it is in, as far as names tell.
    pub groups: Vec<Arc<str>>,
}

/// Why nobody can say which sensor an entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnresolved {
    /// The server does not list it.
    Missing,
    /// As `Missing`, for a fleet whose policy calls that a warning.
    MissingTolerated,
    /// Several sensors have this name or address.
    Ambiguous,
    /// Another sensor has the same name and was seen later.
    Superseded,
    /// The record knows another sensor under this entry.
    Moved,
    /// Another entry means the same sensor, another declared server lists it too, or a refused name may mean it.
    Contested,
    /// Who is meant is known; two of its groups differ on what it is to be.
    GroupsDiffer,
}

/// What became of a declared group on one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupUse {
    /// Hosts that are in it, or are named by it and were not found.
    pub hosts: usize,
    /// Which items of `except` left a host out.
    pub excepts: Vec<bool>,
}

/// A task on one of the hosts that it is for.
#[derive(Debug, Clone)]
pub struct DesiredTask {
    /// It follows from sensor, name, content and generation; random where a person starts it.
    pub id: TaskId,
    /// Its entry under `tasks`; where a person starts or deletes it, one that was made for that.
    pub task: Arc<DeclaredTask>,
    /// The host; one whose task a person deletes need not be listed any more.
    pub sensor: Arc<Sensor>,
    /// The line of the task; through a group where it names that.
    pub cause: Cause,
    /// The names of all groups that the host is in; none where a person starts it.
    pub groups: Arc<[Arc<str>]>,
}

impl DesiredTask {
    /// The key of its entry; `None`: a person started it, and no file names it.
    pub fn name(&self) -> Option<&Arc<str>> {
        (!self.cause.origin().is_command_line()).then_some(&self.task.name)
    }

    /// What people call it: its name, or its id. Safe to print.
    pub fn label(&self) -> String {
        match self.name() {
            Some(name) => Untrusted::new(Arc::clone(name)).printable().to_string(),
            None => self.id.to_string(),
        }
    }

    /// What is to be there, or not.
    pub fn subject(&self) -> Subject {
        Subject { target: Target::Sensor(self.sensor.id), aspect: Aspect::Task(self.id) }
    }
}

/// What is known when the declarations of one server are resolved.
#[derive(Debug)]
pub struct Known<'a> {
    /// The hosts that this server lists: nobody else is found.
    pub listed: &'a HostList,
    /// Sensors that another declared server lists too, with that server.
    pub listed_elsewhere: &'a BTreeMap<SensorId, ServerName>,
    /// Which sensor each entry meant when a run last noted it.
    pub recorded_entries: &'a BTreeMap<Arc<str>, SensorId>,
    /// The entries whose move is accepted (`--accept-moved`).
    pub accepted_moves: &'a BTreeSet<String>,
    /// `policy.missing`: what a host that is not listed is; always an error where its isolation is declared.
    pub missing: Missing,
}

/// Finds the sensors of all that is declared for a server. Nothing is guessed: whoever is not found exactly once
/// stays unresolved, and is not written for another reason either.
///
/// A host gets an aspect from its own entry, otherwise from the groups that it is in.
pub fn resolve(declared: &Declared, server: &ServerName, known: &Known<'_>) -> Desired {
    let index = identity::Index::new(known.listed);
    let here = declared.hosts.iter().filter(|host| host.server == *server);
    let entries = entries::Entries::find(here, &index, known);
    let membership = membership::Membership::find(declared, server, &index, &entries, known);
    let mut joined = joined::Joined::new(&declared.groups);
    let tasks = tasks::desired(declared, server, &index, &entries, &membership, known, &mut joined);
    let all_hosts = declared.all_hosts.get(server).map(|all| Arc::clone(&all.prevention));
    let mut desired =
        Desired { unresolved: tasks.unresolved, all_hosts, tasks: tasks.desired, ..Desired::default() };
    for (host, sensor) in &entries.found {
        let groups = joined.of(membership.groups_of(sensor.id));
        desired.add_entry(host, sensor, groups, membership.claim(sensor.id, &entries));
    }
    let mut others: Vec<(Arc<str>, &Arc<Sensor>, bool)> = Vec::new();
    for (id, member) in &membership.of {
        if let Some(sensor) = known.listed.sensors.get(id).filter(|sensor| !entries.has(sensor.id)) {
            others.push((membership.label(sensor, &index, &entries), sensor, member.name.is_some()));
        }
    }
    others.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.id.cmp(&b.1.id)));
    for (entry, sensor, is_named) in others {
        let groups = joined.of(membership.groups_of(sensor.id));
        let (Some(first), true) = (&groups.origin, groups.declares_anything()) else { continue };
        let elsewhere = identity::listed_elsewhere(sensor, known);
        if let Some(lost) = elsewhere.or_else(|| membership.claim(sensor.id, &entries)) {
            desired.unresolved.extend(groups.unresolved(entry, sensor, lost, &[]));
            continue;
        }
        desired.unresolved.extend(groups.isolation.differ(&entry, sensor, groups));
        desired.unresolved.extend(groups.prevention.differ(&entry, sensor, groups));
        let (isolation, prevention) = (groups.isolation.value(), groups.prevention.value());
        if isolation.is_some() || prevention.is_some() {
            desired.hosts.push(Arc::new(DesiredHost {
                entry,
                origin: first.clone(),
                sensor: Arc::clone(sensor),
                groups: Arc::clone(&groups.names),
                is_named,
                isolation,
                prevention,
            }));
        }
    }
    desired.unresolved.extend(entries.unresolved(&declared.groups, &membership));
    desired.unresolved.extend(membership.unresolved(&declared.groups));
    desired.add_refused(tasks.refused);
    desired.groups = membership.uses;
    desired
}

/// Finds the sensors of these entries alone, whatever groups say of them.
pub fn resolve_entries<'a>(hosts: impl IntoIterator<Item = &'a DeclaredHost>, known: &Known<'_>) -> Desired {
    let entries = entries::Entries::find(hosts, &identity::Index::new(known.listed), known);
    let mut desired = Desired::default();
    for (host, sensor) in &entries.found {
        desired.add_entry(host, sensor, joined::Joined::new(&[]).of(&[]), None);
    }
    desired.unresolved.extend(entries.unresolved(&[], &membership::Membership::default()));
    desired
}

/// Finds the sensors that an earlier plan was about, as [`resolve`] does. `by_patterns`: those that it knew by a pattern
/// alone; a namesake that was seen later puts in doubt what an entry means, and nothing of whom a pattern matches.
pub fn resolve_again(
    declared: &Declared,
    server: &ServerName,
    known: &Known<'_>,
    by_patterns: &BTreeSet<SensorId>,
) -> Desired {
    let mut desired = resolve(declared, server, known);
    for host in declared.hosts.iter().filter(|host| host.server == *server) {
        let Identity::Sensor(id) = host.identity else { continue };
        let is_superseded =
            |lost: &Unresolved| lost.why == WhyUnresolved::Superseded && lost.entry == host.entry;
        let (true, Some(place), Some(sensor)) = (
            by_patterns.contains(&id),
            desired.unresolved.iter().position(is_superseded),
            known.listed.sensors.get(&id),
        ) else {
            continue;
        };
        desired.unresolved.remove(place);
        desired.add_entry(host, sensor, joined::Joined::new(&[]).of(&[]), None);
    }
    desired
}

/// What a person named just now, each host by its sensor id: no other sensor of that name, and nothing that the record
/// knows of an entry, puts in doubt whom they mean. Not in doubt alone makes it theirs: a sensor that two servers list
/// stays unresolved.
pub fn resolve_named<'a>(hosts: impl IntoIterator<Item = &'a DeclaredHost>, known: &Known<'_>) -> Desired {
    let mut desired = Desired::default();
    for host in hosts {
        let Identity::Sensor(id) = host.identity else { continue };
        let lost = match known.listed.sensors.get(&id) {
            Some(sensor) => match identity::listed_elsewhere(sensor, known) {
                None => {
                    desired.add_entry(host, sensor, joined::Joined::new(&[]).of(&[]), None);
                    continue;
                }
                Some(lost) => lost,
            },
            None => identity::Lost {
                why: WhyUnresolved::Missing,
                message: format!("the server does not list sensor {id} any more"),
                sensors: vec![id],
            },
        };
        desired.unresolved.push(Unresolved {
            entry: Arc::clone(&host.entry),
            cause: Cause::Own(host.origin.clone()),
            why: lost.why,
            message: lost.message,
            aspects: entries::aspects(host.isolation.is_some(), host.prevention.is_some()),
            preventions: host.prevention.iter().cloned().collect(),
            sensors: lost.sensors,
            groups: Vec::new(),
            listed: None,
        });
    }
    desired
}

impl Desired {
    /// Those who get no task, unless the same is said of them for what else is declared.
    fn add_refused(&mut self, refused: BTreeMap<SensorId, Unresolved>) {
        if refused.is_empty() {
            return;
        }
        let said: BTreeSet<Arc<str>> = self.unresolved.iter().map(|lost| Arc::clone(&lost.entry)).collect();
        self.unresolved.extend(refused.into_values().filter(|lost| !said.contains(&lost.entry)));
    }

    /// `claim`: why it gets nothing from its groups.
    fn add_entry(
        &mut self,
        host: &DeclaredHost,
        sensor: &Arc<Sensor>,
        groups: &joined::OfGroups,
        claim: Option<Lost>,
    ) {
        let (mut isolation, mut prevention) = (host.isolation.clone(), host.prevention.clone());
        if let Some(lost) = claim {
            let own = entries::aspects(isolation.is_some(), prevention.is_some());
            let of_groups = groups.unresolved(Arc::clone(&host.entry), sensor, lost, &own);
            self.unresolved.extend(of_groups.filter(|lost: &Unresolved| !lost.aspects.is_empty()));
        } else {
            if isolation.is_none() {
                self.unresolved.extend(groups.isolation.differ(&host.entry, sensor, groups));
                isolation = groups.isolation.value();
            } else if let Some(hidden) = groups.isolation.value() {
                self.hidden.insert(sensor.id, hidden);
            }
            if prevention.is_none() {
                self.unresolved.extend(groups.prevention.differ(&host.entry, sensor, groups));
                prevention = groups.prevention.value();
            }
        }
        self.hosts.push(Arc::new(DesiredHost {
            entry: Arc::clone(&host.entry),
            origin: host.origin.clone(),
            sensor: Arc::clone(sensor),
            groups: Arc::clone(&groups.names),
            is_named: true,
            isolation,
            prevention,
        }));
    }
}

#[cfg(test)]
mod tests;
