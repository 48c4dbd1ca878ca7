//! Desired to readings: which reads a plan needs, made with bounded concurrency.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;

use crate::central_node::{CallError, ReadSettings};
use crate::model::{
    Aspect, HostList, Isolation, ListedTask, PreventionRule, ReadFailure, Reading, SensorId, Subject, Target,
    TaskId,
};
use crate::record::Recorded;
use crate::resolve::Desired;

pub use snapshot::{
    FORMAT_VERSION, Failure, FailureKind, Readings, ServerSnapshot, Snapshot, SnapshotError, SnapshotNode,
    decode, encode, is_snapshot, write_schema,
};

/// What the reads of one server told.
#[derive(Debug, Default)]
pub struct Observed {
    /// By host; one that is not in it was not read.
    pub isolations: BTreeMap<SensorId, Reading<Isolation>>,
    /// Equal rules are one value in memory: fleets have few different ones.
    pub preventions: BTreeMap<Target, Reading<Arc<PreventionRule>>>,
    /// By the task's id; one that is not in it was not read.
    pub tasks: BTreeMap<TaskId, Reading<ListedTask>>,
    /// Isolations that were not read, since the record shows them in force; only where that is enough (`--renew-only`).
    pub believed: BTreeMap<SensorId, Isolation>,
}

impl Observed {
    /// Of a host; unknown where it was neither read nor believed.
    pub fn isolation(&self, sensor: SensorId) -> Reading<Isolation> {
        let believed = || self.believed.get(&sensor).cloned().map(Reading::Present);
        self.isolations
            .get(&sensor)
            .cloned()
            .or_else(believed)
            .unwrap_or_else(|| Reading::Unknown(ReadFailure::new("it was not read")))
    }

    /// Of a host or of all hosts; unknown where it was not read.
    pub fn prevention(&self, target: Target) -> Reading<Arc<PreventionRule>> {
        self.preventions
            .get(&target)
            .cloned()
            .unwrap_or_else(|| Reading::Unknown(ReadFailure::new("it was not read")))
    }

    /// Unknown where it was not read.
    pub fn task(&self, id: TaskId) -> Reading<ListedTask> {
        self.tasks.get(&id).cloned().unwrap_or_else(|| Reading::Unknown(ReadFailure::new("it was not read")))
    }
}

/// What has to be read: each declared aspect once, the rule for all hosts once where it or a host's prevention is
/// declared, and what the record left open or shows as ours without a file naming it (`extra`).
pub fn subjects(desired: &Desired, extra: impl IntoIterator<Item = Subject>) -> Vec<Subject> {
    let mut subjects = BTreeSet::new();
    if desired.all_hosts.is_some() {
        subjects.insert(Subject { target: Target::AllHosts, aspect: Aspect::Prevention });
    }
    for host in &desired.hosts {
        let target = Target::Sensor(host.sensor.id);
        if host.isolation.is_some() {
            subjects.insert(Subject { target, aspect: Aspect::Isolation });
        }
        if host.prevention.is_some() {
            subjects.insert(Subject { target, aspect: Aspect::Prevention });
            subjects.insert(Subject { target: Target::AllHosts, aspect: Aspect::Prevention });
        }
    }
    subjects.extend(desired.tasks.iter().map(|task| task.subject()));
    subjects.extend(extra);
    subjects.into_iter().collect()
}

/// The prevention rules of listed hosts that were not read: where the rule for all hosts is to gain a file, any of
/// them may stand in its way (response-api.md, section 4, "Clash").
pub fn rules_not_read(listed: &HostList, observed: &Observed) -> Vec<Subject> {
    let targets = listed.sensors.keys().map(|sensor| Target::Sensor(*sensor));
    let not_read = targets.filter(|target| !observed.preventions.contains_key(target));
    not_read.map(|target| Subject { target, aspect: Aspect::Prevention }).collect()
}

/// What of the record concerns listed sensors although the declared state may not name it: open intentions, which
/// only a reading settles.
pub fn open_subjects(recorded: &Recorded) -> impl Iterator<Item = Subject> + '_ {
    recorded.open.iter().map(|open| open.subject)
}

/// Reads all subjects, at most `concurrency` at once; `on_read` is called after each.
///
/// # Errors
/// Only what stops the whole server (it does not accept us, or we do not trust it); every other failure is an
/// unknown reading of its subject.
pub async fn observe<C: ReadSettings>(
    client: &C,
    subjects: Vec<Subject>,
    concurrency: usize,
    on_read: impl Fn(),
) -> Result<Observed, CallError> {
    let mut observed = Observed::default();
    observe_more(&mut observed, client, subjects, concurrency, on_read).await?;
    Ok(observed)
}

/// As [`observe`], beside what was read already.
///
/// # Errors
/// As those of [`observe`].
pub async fn observe_more<C: ReadSettings>(
    observed: &mut Observed,
    client: &C,
    subjects: Vec<Subject>,
    concurrency: usize,
    on_read: impl Fn(),
) -> Result<(), CallError> {
    let mut rules = Shared::default();
    for reading in observed.preventions.values() {
        if let Reading::Present(rule) = reading {
            drop(rules.of(rule));
        }
    }
    let mut reads = futures_util::stream::iter(subjects)
        .map(|subject| async move { (subject, read(client, subject).await) })
        .buffer_unordered(concurrency);
    while let Some((subject, answer)) = reads.next().await {
        on_read();
        match (answer?, subject.target) {
            (Answer::Isolation(reading), Target::Sensor(sensor)) => {
                observed.isolations.insert(sensor, reading);
            }
            // There is no isolation of all hosts.
            (Answer::Isolation(_), Target::AllHosts) => {}
            (Answer::Prevention(reading), target) => {
                let reading = reading.map(|rule| rules.of(&rule));
                observed.preventions.insert(target, reading);
            }
            (Answer::Task(id, reading), _) => {
                observed.tasks.insert(id, reading);
            }
        }
    }
    Ok(())
}

enum Answer {
    Isolation(Reading<Isolation>),
    Prevention(Reading<Arc<PreventionRule>>),
    Task(TaskId, Reading<ListedTask>),
}

async fn read<C: ReadSettings>(client: &C, subject: Subject) -> Result<Answer, CallError> {
    match (subject.aspect, subject.target) {
        (Aspect::Isolation, Target::Sensor(sensor)) => {
            Ok(Answer::Isolation(reading(client.isolation(sensor).await)?))
        }
        (Aspect::Isolation, Target::AllHosts) => Ok(Answer::Isolation(Reading::Absent)),
        (Aspect::Prevention, target) => Ok(Answer::Prevention(reading(client.prevention(target).await)?)),
        (Aspect::Task(id), _) => Ok(Answer::Task(id, reading(client.task(id).await)?)),
    }
}

/// Unknown is never flattened to absent: whoever could not be read gets no write.
pub fn reading<T>(answer: Result<Option<T>, CallError>) -> Result<Reading<T>, CallError> {
    match answer {
        Ok(Some(value)) => Ok(Reading::Present(value)),
        Ok(None) => Ok(Reading::Absent),
        Err(error) if error.stops_server() => Err(error),
        Err(error) => Ok(Reading::Unknown(ReadFailure::new(error.to_string()))),
    }
}

/// One of each of the rules that are equal.
#[derive(Default)]
struct Shared {
    rules: BTreeSet<Arc<PreventionRule>>,
    /// Where each of them lies: a client that shares rules itself hands out the same again and again, and comparing it
    /// hash by hash is most of the work. None of them goes away as long as it stands in `rules`.
    places: BTreeSet<usize>,
}

impl Shared {
    fn of(&mut self, rule: &Arc<PreventionRule>) -> Arc<PreventionRule> {
        if self.places.contains(&Arc::as_ptr(rule).addr()) {
            return Arc::clone(rule);
        }
        if let Some(same) = self.rules.get(rule) {
            return Arc::clone(same);
        }
        self.rules.insert(Arc::clone(rule));
        self.places.insert(Arc::as_ptr(rule).addr());
        Arc::clone(rule)
    }
}
