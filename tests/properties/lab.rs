//! The commands' walk over any Central Node, without files and terminal: what apply and drift do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::TakeTurns;
use kedrctl::declare::Declared;
use kedrctl::execute::{Outcome, Pace, Rollout, Stop};
use kedrctl::guard::{self, Allowance, LimitKind, Rules};
use kedrctl::model::{Clock, ServerKey};
use kedrctl::plan::Plan;
use kedrctl::record::{Holder, LockStore, Record};
use kedrctl::session::{Connected, Prepared, Run, SurveyOptions, lock_all, survey as walk_to_plan};
use tokio::sync::watch;

use crate::values::server;

/// The tool's clock is the world's.
#[derive(Debug, Clone)]
pub(crate) struct LabClock(pub(crate) kedrctl_simulator::Clock);

impl Clock for LabClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

pub(crate) struct Lab<C, S> {
    pub(crate) servers: Vec<Connected<C>>,
    pub(crate) record: Record<S>,
    pub(crate) clock: LabClock,
    pub(crate) pace: Pace,
    pub(crate) rollout: Rollout,
}

pub(crate) fn connected<C>(client: C, key: ServerKey) -> Connected<C> {
    Connected {
        origin: kedrctl::model::Origin::command_line(),
        name: server(),
        address: "a lab".to_owned(),
        key,
        client,
        concurrency: 2,
        clock_tolerance: SignedDuration::from_mins(10),
        simulator: None,
    }
}

impl<C: TakeTurns, S: LockStore> Lab<C, S>
where
    S::Lock: Send + Sync,
{
    /// What `drift` judges; it takes no lock and cannot write.
    pub(crate) async fn drift(&self, declared: &Declared) -> Plan {
        let mut recorded = BTreeMap::new();
        for server in &self.servers {
            recorded.insert(server.name.clone(), self.record.read(&server.key).await.unwrap());
        }
        let options = SurveyOptions::default();
        walk_to_plan(declared, &self.servers, recorded, &options, &self.clock, &|_| {}).await.unwrap().plan
    }

    /// `apply --yes` with limits out of the way: its plan and what became of it; `None` where it was refused.
    pub(crate) async fn apply(&self, declared: &Declared) -> Option<(Plan, Outcome)> {
        self.apply_announced(declared, |_| {}).await
    }

    /// The same; `announce` is told the plan before anything is written.
    pub(crate) async fn apply_announced(
        &self,
        declared: &Declared,
        announce: impl FnOnce(&Plan),
    ) -> Option<(Plan, Outcome)> {
        let holder = Holder { by: "lab".into(), pid: 1, since: self.clock.now() };
        let locks = lock_all(&self.record, &self.servers, &holder, Duration::from_secs(1)).await;
        assert!(locks.left_out.is_empty(), "{:?}", locks.left_out);
        let options = SurveyOptions::default();
        let recorded = locks.recorded();
        let survey =
            walk_to_plan(declared, &self.servers, recorded, &options, &self.clock, &|_| {}).await.unwrap();
        let nobody = BTreeSet::new();
        let allowances = LimitKind::ALL.map(|kind| Allowance { kind, count: 1_000 });
        let rules = Rules {
            policy: &declared.policy,
            never_block: &survey.never_block,
            allowances: &allowances,
            take_over: &nobody,
            owner: &declared.owner,
            listed: &survey.listed,
            recorded: &survey.recorded,
        };
        let Ok((cleared, _)) = guard::clear(survey.plan.clone(), &rules) else { return None };
        let plan = cleared.plan().clone();
        announce(&plan);
        let now = self.clock.now();
        let run = Run {
            id: format!("run-{}", uuid::Uuid::new_v4()).into(),
            command: "apply".into(),
            by: "lab".into(),
            owner: declared.owner.clone(),
            allow: Vec::new(),
            plan: None,
            ci_job: None,
            ci_commit: None,
        };
        assert_eq!(plan.now.min(now), plan.now, "time does not go back");
        let (_stop, stop) = watch::channel(Stop::No);
        let prepared = Prepared { cleared, survey, locks: locks.held };
        let (outcome, failures) =
            prepared.execute(&self.servers, &run, &self.clock, &(), stop, (self.pace, &self.rollout)).await;
        assert!(failures.is_empty(), "{failures:?}");
        Some((plan, outcome))
    }
}
