//! Looks at every write in the moment in which it arrives: somebody declared it, and the record has the intention
//! with the value before.

use std::sync::Arc;

use kedrctl::central_node::Call;
use kedrctl::model::{
    Difference, Isolation, PreventionRule, Program, SensorId, ServerKey, Side, Subject, Target, TaskId,
    Timeout,
};
use kedrctl::record::{MemoryStore, Record};

use crate::law::Law;
use crate::shown::Shown;

/// A write, with what is there when it arrives.
#[derive(Debug)]
pub(crate) struct Arriving {
    call: Call,
    subject: Subject,
    now: Difference,
    /// An isolation that is listed no more since it has ended.
    kept: Option<Isolation>,
}

/// What is sent: the value after.
pub(crate) fn isolation_sent(timeout: Timeout, exclusions: &kedrctl::model::Exclusions) -> Difference {
    let after =
        Isolation { timeout_seconds: u64::from(timeout.seconds()), exclusions: Arc::clone(exclusions) };
    Difference::Isolation(Side { before: None, after: Some(after) })
}

pub(crate) fn rule_sent(rule: Option<&PreventionRule>) -> Difference {
    Difference::Prevention(Side { before: None, after: rule.cloned().map(Arc::new) })
}

pub(crate) fn task_sent(id: TaskId, program: Option<&Program>) -> Difference {
    Difference::Task(id, Side { before: None, after: program.cloned().map(Arc::new) })
}

impl Arriving {
    pub(crate) fn new(call: Call, sent: Difference, shown: &Shown<'_>) -> Self {
        let (target, now, kept) = match (call, sent) {
            (Call::SetIsolation(id) | Call::DeleteIsolation(id), Difference::Isolation(side)) => {
                let now = Difference::Isolation(Side { before: shown.isolation(id), ..side });
                (Target::Sensor(id), now, shown.kept_isolation(id))
            }
            (Call::SetPrevention(target) | Call::DeletePrevention(target), Difference::Prevention(side)) => {
                let before = shown.prevention(target).map(Arc::new);
                (target, Difference::Prevention(Side { before, ..side }), None)
            }
            (Call::CreateTask(id, _) | Call::DeleteTask(id), Difference::Task(_, side)) => {
                let before = shown.task(id).and_then(|task| task.program).map(Arc::new);
                let sensor =
                    if let Call::CreateTask(_, sensor) = call { sensor } else { sensor_of(id, shown) };
                (Target::Sensor(sensor), Difference::Task(id, Side { before, ..side }), None)
            }
            (call, sent) => unreachable!("{call} does not send {sent:?}"),
        };
        Self { call, subject: Subject { target, aspect: now.aspect() }, now, kept }
    }

    pub(crate) async fn check(&self, law: &Law, store: MemoryStore, key: &ServerKey) {
        law.check(self.call, &self.now);
        let recorded = Record::new(store).read(key).await.unwrap();
        let mut of_subject = recorded.open.iter().filter(|open| open.subject == self.subject);
        let is_intended = of_subject.any(|open| self.is_what(&open.difference));
        let Self { call, now, .. } = self;
        assert!(is_intended, "{call} is sent, and the record has no such intention: {now:?}\n{recorded:#?}");
    }

    /// What an earlier try of the same write did is no other value before.
    fn is_what(&self, intended: &Difference) -> bool {
        match (intended, &self.now) {
            (Difference::Isolation(intended), Difference::Isolation(now)) => {
                intended.after == now.after
                    && (intended.before == now.before
                        || is_after(intended, now.before.as_ref())
                        // It ended on the way here.
                        || intended.before == self.kept)
            }
            (Difference::Prevention(intended), Difference::Prevention(now)) => {
                let hashes = |rule: &Option<Arc<PreventionRule>>| rule.as_ref().map(|rule| rule.hashes());
                hashes(&intended.after) == hashes(&now.after)
                    && (hashes(&intended.before) == hashes(&now.before)
                        || hashes(&intended.after) == hashes(&now.before))
            }
            (Difference::Task(_, intended), Difference::Task(_, now)) => {
                intended.after == now.after && (intended.before == now.before || intended.after == now.before)
            }
            (Difference::Isolation(_) | Difference::Prevention(_) | Difference::Task(..), _) => false,
        }
    }
}

fn is_after(side: &Side<Isolation>, now: Option<&Isolation>) -> bool {
    match (&side.after, now) {
        (Some(sent), Some(listed)) => kedrctl::record::is_listed_as_sent(sent, listed),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A task that is gone is of nobody.
fn sensor_of(id: TaskId, shown: &Shown<'_>) -> SensorId {
    let task = shown.world.clone().tasks().into_iter().find(|task| task.id == id.uuid());
    SensorId::new(task.map_or_else(uuid::Uuid::nil, |task| task.sensor))
}
