//! Several runs over one record and one Central Node, each step of which takes its time.

use tokio::time::sleep;

use super::*;
use crate::guard::Cleared;
use crate::model::{ListedTask, Program, ServerKey, TaskId};
use crate::plan::Judged;
use crate::record::{Creation, Holder, LockStore, MemoryLock, MemoryStore, RunHeader, Store};

/// How long each step takes, in milliseconds: what decides on the order.
#[derive(Clone, Default)]
pub(super) struct Pauses(pub(super) Arc<Mutex<VecDeque<u64>>>);

impl Pauses {
    pub(super) async fn next(&self) {
        let pause = self.0.lock().unwrap().pop_front().unwrap_or(1);
        sleep(Duration::from_millis(pause)).await;
    }
}

/// The record, far away.
#[derive(Clone)]
pub(super) struct Far(pub(super) MemoryStore, pub(super) Pauses);

impl Far {
    async fn call<T>(&self, does: impl Future<Output = Result<T, RecordError>>) -> Result<T, RecordError> {
        self.1.next().await;
        let done = does.await;
        self.1.next().await;
        done
    }
}

impl Store for Far {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.call(self.0.get(key)).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.call(self.0.create(key, bytes)).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.call(self.0.replace(key, bytes)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.call(self.0.list(prefix)).await
    }

    fn place(&self, key: &str) -> String {
        self.0.place(key)
    }
}

impl LockStore for Far {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, wait: Duration) -> Result<MemoryLock, RecordError> {
        self.0.lock(key, holder, wait).await
    }
}

/// The hosts, as the Central Node has them, and every write in the order in which it arrived.
#[derive(Default)]
pub(super) struct World {
    pub(super) rules: BTreeMap<SensorId, Isolation>,
    pub(super) arrived: Vec<Arrived>,
}

#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) who: u64,
    pub(super) sensor: SensorId,
    pub(super) at: Instant,
    pub(super) rule: Option<Isolation>,
}

/// One client of the Central Node.
#[derive(Clone)]
pub(super) struct Node {
    /// Whose client it is.
    pub(super) who: u64,
    pub(super) world: Arc<Mutex<World>>,
    pub(super) pauses: Pauses,
    /// What becomes of its writes.
    pub(super) fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Node {
    pub(super) fn rule(&self, sensor: SensorId) -> Option<Isolation> {
        self.world.lock().unwrap().rules.get(&sensor).cloned()
    }

    async fn write(&self, call: Call, sensor: SensorId, rule: Option<Isolation>) -> Result<(), CallError> {
        self.pauses.next().await;
        let fate = self.fates.lock().unwrap().pop_front();
        if !matches!(fate, Some(Fate::LostBefore)) {
            let mut world = self.world.lock().unwrap();
            match rule.clone() {
                Some(rule) => drop(world.rules.insert(sensor, rule)),
                None => drop(world.rules.remove(&sensor)),
            }
            world.arrived.push(Arrived { who: self.who, sensor, at: Instant::now(), rule });
        }
        self.pauses.next().await;
        match fate {
            Some(Fate::LostBefore | Fate::LostAfter) => Err(error(call, CallErrorKind::AnswerLost)),
            _ => Ok(()),
        }
    }
}

impl ReadSettings for Node {
    async fn hosts(&self, _clock: &dyn Clock) -> Result<Listing, CallError> {
        unreachable!("nobody lists while writing")
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.pauses.next().await;
        let rule = self.rule(sensor);
        self.pauses.next().await;
        Ok(rule)
    }

    async fn prevention(&self, _target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        unreachable!("isolation only")
    }

    async fn task(&self, _id: TaskId) -> Result<Option<ListedTask>, CallError> {
        unreachable!("isolation only")
    }
}

impl TakeTurns for Node {
    type Turn<'a> = &'a Self;

    async fn turn(&self) -> &Self {
        self
    }
}

impl WriteSettings for Node {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        let timeout_seconds = u64::from(timeout.seconds());
        let rule = Isolation { timeout_seconds, exclusions: Arc::clone(exclusions) };
        self.write(Call::SetIsolation(sensor), sensor, Some(rule)).await
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        self.write(Call::DeleteIsolation(sensor), sensor, None).await
    }

    async fn set_prevention(&self, _target: Target, _rule: &Arc<PreventionRule>) -> Result<(), CallError> {
        unreachable!("isolation only")
    }

    async fn delete_prevention(&self, _target: Target) -> Result<(), CallError> {
        unreachable!("isolation only")
    }

    async fn create_task(&self, _: TaskId, _: SensorId, _: &Program) -> Result<(), CallError> {
        unreachable!("isolation only")
    }

    async fn delete_task(&self, _: TaskId) -> Result<(), CallError> {
        unreachable!("isolation only")
    }
}

pub(super) fn key() -> ServerKey {
    ServerKey::of_simulator("one")
}

pub(super) fn header(n: u128, command: &str) -> RunHeader {
    RunHeader {
        id: format!("run-{n}").into(),
        seed: uuid::Uuid::from_u128(n),
        at: began(),
        owner: "default".into(),
        by: "ana@soc-1".into(),
        command: command.into(),
        allow: Vec::new(),
        plan: None,
        ci_job: None,
        ci_commit: None,
    }
}

pub(super) fn cleared(purpose: Purpose, changes: Vec<Change>) -> Cleared {
    cleared_with(purpose, changes, Vec::new())
}

pub(super) fn cleared_with(purpose: Purpose, changes: Vec<Change>, judged: Vec<Judged>) -> Cleared {
    let mut server = sample::server("hq");
    server.steps = vec![sample::step(purpose, changes)];
    *server.judged_mut() = judged;
    let (mut policy, nobody) = (Policy::default(), BTreeSet::new());
    policy.limits.isolations = Some(Limit::Count(200));
    let rules = Rules {
        policy: &policy,
        never_block: &Forbidden::default(),
        allowances: &[],
        take_over: &nobody,
        owner: "default",
        listed: &BTreeMap::new(),
        recorded: &BTreeMap::new(),
    };
    guard::clear(sample::plan(vec![server]), &rules).unwrap().0
}

pub(super) fn server<'a>(
    client: &'a Node,
    clock: &'a Paused,
    stop: &watch::Sender<Stop>,
) -> Server<'a, Node, Paused, ()> {
    let (observer, stop) = (&(), stop.subscribe());
    Server { client, clock, observer, stop, concurrency: 1, pace: Pace::default(), rollout: &AT_ONCE }
}
