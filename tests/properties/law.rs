//! What may be written at this moment, by what is declared and by what the plan has announced; held against every
//! write in the moment in which it arrives.

use std::collections::{BTreeMap, BTreeSet};

use kedrctl::central_node::Call;
use kedrctl::model::{Difference, HashSet, Program, SensorId, Side, Target};
use kedrctl::plan::{Action, Plan};

/// What a declared entry allows of writes to its isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Isolate,
    Release,
    /// Only a rule of ours.
    EndOurs,
    /// By one of the two clocks its time has ended.
    IsolateOrEndOurs,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Law {
    /// A host that is not in here gets no write to its isolation.
    pub(crate) allowed: BTreeMap<SensorId, Allowed>,
    /// Hosts whose isolation was set by a write of ours.
    pub(crate) ours: BTreeSet<SensorId>,
    /// Whether the rule for all hosts may be written.
    pub(crate) all_is_declared: bool,
    /// Hosts whose prevention rule may be written; `None`: any.
    pub(crate) ruled: Option<BTreeSet<SensorId>>,
    /// Hashes that the plan has named as going, by the rule that they leave; `None`: nobody asks.
    pub(crate) announced: Option<BTreeMap<Target, HashSet>>,
    pub(crate) tasks: TaskLaw,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct TaskLaw {
    /// What may be started, and where.
    pub(crate) may_start: BTreeSet<(SensorId, Program)>,
    /// What may be taken off.
    pub(crate) may_delete: BTreeSet<(SensorId, Program)>,
    /// How often each was started.
    pub(crate) started: BTreeMap<(SensorId, Program), u32>,
}

impl TaskLaw {
    pub(crate) fn note_start(&mut self, sensor: SensorId, program: &Program) {
        *self.started.entry((sensor, program.clone())).or_default() += 1;
    }
}

impl Law {
    /// What the plan says about hashes that go.
    pub(crate) fn announce(&mut self, plan: &Plan) {
        let mut announced: BTreeMap<Target, HashSet> = BTreeMap::new();
        for (_, change) in plan.changes() {
            if let Action::Block(rule) = &change.action {
                let gone = announced.entry(change.subject.target).or_default();
                gone.extend(rule.removed.iter().map(|removed| removed.hash));
            }
        }
        self.announced = Some(announced);
    }

    /// `now`: what is there, and what was sent.
    pub(crate) fn check(&self, call: Call, now: &Difference) {
        match call {
            Call::SetIsolation(id) => {
                let allowed = self.allowed.get(&id);
                let may = matches!(allowed, Some(Allowed::Isolate | Allowed::IsolateOrEndOurs));
                assert!(may, "{call}: not declared isolated");
            }
            Call::DeleteIsolation(id) => match self.allowed.get(&id) {
                Some(Allowed::Release) => {}
                Some(Allowed::EndOurs | Allowed::IsolateOrEndOurs) => {
                    assert!(self.ours.contains(&id), "{call}: not a rule of ours")
                }
                Some(Allowed::Isolate) | None => panic!("{call}: nobody named this release"),
            },
            Call::SetPrevention(target) | Call::DeletePrevention(target) => {
                self.check_rule(call, target, now);
            }
            Call::CreateTask(_, sensor) => {
                let Difference::Task(_, Side { after: Some(program), .. }) = now else { panic!("{now:?}") };
                let may = self.tasks.may_start.contains(&(sensor, (**program).clone()));
                assert!(may, "{call}: nobody declared that {program} is started");
            }
            Call::DeleteTask(_) => {
                let Difference::Task(_, Side { before: Some(program), .. }) = now else { return };
                let may = self.tasks.may_delete.iter().any(|(_, declared)| *declared == **program);
                assert!(may, "{call}: nobody declared that {program} goes");
            }
            Call::Hosts | Call::Isolation(_) | Call::Prevention(_) | Call::Task(_) => {}
        }
    }

    fn check_rule(&self, call: Call, target: Target, now: &Difference) {
        let may = match target {
            Target::AllHosts => self.all_is_declared,
            Target::Sensor(id) => self.ruled.as_ref().is_none_or(|ruled| ruled.contains(&id)),
        };
        assert!(may, "{call}: this rule is nobody's business here");
        let (Some(announced), Difference::Prevention(side)) = (&self.announced, now) else { return };
        let hashes = |rule: &Option<std::sync::Arc<kedrctl::model::PreventionRule>>| {
            rule.as_ref().map_or_else(HashSet::new, |rule| rule.hashes())
        };
        let gone = &hashes(&side.before) - &hashes(&side.after);
        let said = announced.get(&target).cloned().unwrap_or_default();
        assert!(gone.is_subset(&said), "{call}: the plan says that {said:?} go, and {gone:?} do");
    }
}
