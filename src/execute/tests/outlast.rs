//! A release under way meets an isolation by hand: in whatever order their steps come, the host ends isolated.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use super::*;
use crate::guard::Cleared;
use crate::model::{Aspect, Difference, ServerKey, Side};
use crate::record::{
    Creation, Holder, Kept, LockStore, MemoryLock, MemoryStore, NewHold, Record, RunEnd, RunHeader, Store,
};

/// How long each step takes, in milliseconds: what decides on the order.
#[derive(Clone, Default)]
struct Pauses(Arc<Mutex<VecDeque<u64>>>);

impl Pauses {
    async fn next(&self) {
        let pause = self.0.lock().unwrap().pop_front().unwrap_or(1);
        sleep(Duration::from_millis(pause)).await;
    }
}

/// The record, far away.
#[derive(Clone)]
struct Far(MemoryStore, Pauses);

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

/// One host, as the Central Node has it.
#[derive(Clone)]
struct Node {
    rule: Arc<Mutex<Option<Isolation>>>,
    pauses: Pauses,
    /// What becomes of the writes of this client.
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Node {
    async fn write(&self, call: Call, rule: Option<Isolation>) -> Result<(), CallError> {
        self.pauses.next().await;
        let fate = self.fates.lock().unwrap().pop_front();
        if !matches!(fate, Some(Fate::LostBefore)) {
            *self.rule.lock().unwrap() = rule;
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

    async fn isolation(&self, _sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.pauses.next().await;
        let rule = self.rule.lock().unwrap().clone();
        self.pauses.next().await;
        Ok(rule)
    }

    async fn prevention(&self, _target: Target) -> Result<Option<PreventionRule>, CallError> {
        unreachable!("isolation only")
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
        self.write(Call::SetIsolation(sensor), Some(rule)).await
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        self.write(Call::DeleteIsolation(sensor), None).await
    }

    async fn set_prevention(&self, _target: Target, _rule: &PreventionRule) -> Result<(), CallError> {
        unreachable!("isolation only")
    }

    async fn delete_prevention(&self, _target: Target) -> Result<(), CallError> {
        unreachable!("isolation only")
    }
}

fn key() -> ServerKey {
    ServerKey::of_simulator("one")
}

fn header(n: u128, command: &str) -> RunHeader {
    RunHeader {
        id: format!("run-{n}").into(),
        seed: uuid::Uuid::from_u128(n),
        at: began(),
        owner: "default".into(),
        by: "ana@soc-1".into(),
        command: command.into(),
        allow: Vec::new(),
        ci_job: None,
        ci_commit: None,
    }
}

fn cleared(purpose: Purpose, change: Change) -> Cleared {
    let mut server = sample::server("hq");
    server.steps = vec![sample::step(purpose, vec![change])];
    let (policy, nobody) = (Policy::default(), BTreeSet::new());
    let rules = Rules {
        policy: &policy,
        allowances: &[],
        take_over: &nobody,
        owner: "default",
        listed: &BTreeMap::new(),
        recorded: &BTreeMap::new(),
        never_block: policy.never_block.whole().unwrap(),
    };
    guard::clear(sample::plan(vec![server]), &rules).unwrap().0
}

fn server<'a>(
    client: &'a Node,
    clock: &'a Paused,
    stop: &watch::Sender<Stop>,
) -> Server<'a, Node, Paused, ()> {
    let (observer, stop) = (&(), stop.subscribe());
    Server { client, clock, observer, stop, concurrency: 1, pace: Pace::default() }
}

/// The rule that is there before anybody acts.
fn listed() -> Isolation {
    sample::isolation(&[])
}

async fn release(
    record: &Record<Far>,
    node: &Node,
    clock: &Paused,
    stop: &watch::Sender<Stop>,
) -> WriteResult {
    let change = sample::release(sample::host(1, "WS-1"));
    assert_eq!(change.difference, Difference::Isolation(Side { before: Some(listed()), after: None }));
    let cleared = cleared(Purpose::Release, change);
    let holder = Holder { by: "ci".into(), pid: 1, since: began() };
    let locked = record.lock(&key(), &holder, Duration::ZERO).await.unwrap();
    // The plan is made under the lock, and leaves alone what was held by then.
    if let Some(hold) = locked.recorded().holds.values().next() {
        return WriteResult::Held { hold: hold.clone() };
    }
    let mut journal = locked.begin(&header(1, "apply"));
    let plan = cleared.servers().next().unwrap();
    let mut outcome = execute(&plan, server(node, clock, stop), &mut journal).await;
    assert_eq!(outcome.stopped, None);
    journal.end(clock.now(), &RunEnd::Finished).await.unwrap();
    outcome.changes.remove(0).result
}

async fn isolate(
    record: &Record<Far>,
    node: &Node,
    clock: &Paused,
    stop: &watch::Sender<Stop>,
) -> WriteResult {
    let mut change = sample::isolate(sample::host(1, "WS-1"));
    // It was there when the responder looked.
    let Difference::Isolation(side) = &change.difference else { panic!() };
    change.difference = Difference::Isolation(Side { before: Some(listed()), ..side.clone() });
    let subject = change.subject;
    let cleared = cleared(Purpose::Contain, change);
    let mut journal = record.by_hand(&key(), &header(9, "isolate WS-1")).await.unwrap();
    let until = began() + SignedDuration::from_hours(24);
    let hold = NewHold { until, command: "isolate".into(), reason: None, host: Some("WS-1".into()) };
    journal.hold(clock.now(), subject, &hold);
    let plan = cleared.servers().next().unwrap();
    let mut outcome = execute(&plan, server(node, clock, stop), &mut journal).await;
    let patience = Patience { pause: Duration::from_millis(10), at_most: Duration::from_secs(90) };
    outlast_releases(&mut outcome, &plan, server(node, clock, stop), &mut journal, patience).await;
    assert_eq!(outcome.stopped, None);
    let kept = journal.end(clock.now(), &RunEnd::Finished).await.unwrap();
    assert!(matches!(kept, Kept::InRecord));
    outcome.changes.remove(0).result
}

#[derive(Debug, Clone)]
struct Case {
    /// The responder begins so many milliseconds after the run.
    after: u64,
    pauses: Vec<u64>,
    fates: Vec<Fate>,
    killed_after: Option<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let fate = prop_oneof![2 => Just(Fate::Done), 1 => Just(Fate::LostBefore), 1 => Just(Fate::LostAfter)];
    let killed = proptest::option::weighted(0.3, 0_u64..400);
    (0_u64..60, vec(prop_oneof![0_u64..4, 0_u64..60], 0..80), vec(fate, 0..4), killed)
        .prop_map(|(after, pauses, fates, killed_after)| Case { after, pauses, fates, killed_after })
}

async fn meet(case: Case) {
    let store = MemoryStore::default();
    let pauses = Pauses(Arc::new(Mutex::new(case.pauses.into())));
    let record = Record::new(Far(store.clone(), pauses.clone()));
    let rule = Arc::new(Mutex::new(Some(listed())));
    let node = |fates: Vec<Fate>| Node {
        rule: Arc::clone(&rule),
        pauses: pauses.clone(),
        fates: Arc::new(Mutex::new(fates.into())),
    };
    let (theirs, ours) = (node(case.fates), node(Vec::new()));
    let (clock, stop) = (Paused(Instant::now()), watch::Sender::new(Stop::No));
    let limit = case.killed_after.map_or(Duration::from_secs(600), Duration::from_millis);
    let releasing = timeout(limit, release(&record, &theirs, &clock, &stop));
    let isolating = async {
        sleep(Duration::from_millis(case.after)).await;
        isolate(&record, &ours, &clock, &stop).await
    };
    let (released, isolated) = tokio::join!(releasing, isolating);

    assert!(rule.lock().unwrap().is_some(), "released: {released:?}, isolated: {isolated:?}");
    assert!(isolated.is_done() || case.killed_after.is_some(), "{released:?}, {isolated:?}");
    let record = Record::new(store);
    assert_eq!(record.verify(&key()).await.unwrap().problems, []);
    let recorded = record.read(&key()).await.unwrap();
    let subject = crate::model::Subject {
        target: Target::Sensor(sample::host(1, "WS-1").sensor.id),
        aspect: Aspect::Isolation,
    };
    assert!(recorded.holds.contains_key(&subject));
    if let Ok(released) = released {
        // Nobody says that it is released who does not know that it was.
        assert!(recorded.open.iter().all(|open| !open.by_hand));
        assert!(!matches!(released, WriteResult::Refused { .. }), "{released:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_release_under_way_and_an_isolation_by_hand_end_with_the_host_isolated(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(meet(case));
    }
}
