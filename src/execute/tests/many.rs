//! Several appliers, one of which may be frozen past its lock, and several people who act by hand, at once over one
//! record and one Central Node.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::sleep;

use super::fleet::{Arrived, Far, Node, Pauses, World, cleared, header, key, server};
use super::*;
use crate::model::{Aspect, Difference, Side};
use crate::record::{
    Creation, HeldLock, Holder, Kept, LockStore, Locked, MemoryStore, NewHold, Record, Recorded, RunEnd,
    Store,
};

const HOSTS: u8 = 3;

/// A lock with a lease: whoever waits for it long enough takes it over, after its holder has given it up by itself.
#[derive(Clone)]
struct Leased {
    store: Far,
    held: HeldBy,
    fence: Arc<Mutex<u64>>,
}

/// By which fence, and whether that holder may still rely on it.
type HeldBy = Arc<Mutex<Option<(u64, Arc<AtomicBool>)>>>;

/// As long as any one request may be on its way.
const IN_FLIGHT: Duration = Duration::from_millis(200);
const TIME_TO_LIVE: Duration = Duration::from_millis(400);

struct LeasedLock {
    fence: u64,
    is_sure: Arc<AtomicBool>,
    held: HeldBy,
}

impl HeldLock for LeasedLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn lease(&self) -> Lease {
        Lease::watched(Arc::clone(&self.is_sure))
    }
}

impl Drop for LeasedLock {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap();
        if held.as_ref().is_some_and(|(fence, _)| *fence == self.fence) {
            *held = None;
        }
    }
}

impl Store for Leased {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.store.get(key).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.store.create(key, bytes).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.store.replace(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.store.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.store.place(key)
    }
}

impl LockStore for Leased {
    type Lock = LeasedLock;

    async fn lock(&self, _key: &str, _holder: &Holder, _wait: Duration) -> Result<LeasedLock, RecordError> {
        let began = Instant::now();
        let mut seen = None;
        loop {
            let other = self.held.lock().unwrap().clone();
            match other {
                None => break,
                Some((fence, is_sure)) => {
                    if seen != Some(fence) {
                        seen = Some(fence);
                    } else if began.elapsed() > TIME_TO_LIVE {
                        is_sure.store(false, Ordering::Relaxed);
                        sleep(IN_FLIGHT).await;
                        break;
                    }
                }
            }
            sleep(Duration::from_millis(7)).await;
        }
        let fence = {
            let mut fence = self.fence.lock().unwrap();
            *fence += 1;
            *fence
        };
        let is_sure = Arc::new(AtomicBool::new(true));
        if let Some((_, other)) = self.held.lock().unwrap().replace((fence, Arc::clone(&is_sure))) {
            other.store(false, Ordering::Relaxed);
        }
        Ok(LeasedLock { fence, is_sure, held: Arc::clone(&self.held) })
    }
}

/// What somebody wants of each host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Nothing,
    Isolated,
    Released,
}

#[derive(Debug, Clone)]
struct Apply {
    after: u64,
    wants: [Want; HOSTS as usize],
    fates: Vec<Fate>,
}

#[derive(Debug, Clone)]
struct Hand {
    after: u64,
    host: u8,
    isolates: bool,
}

#[derive(Debug, Clone)]
struct Case {
    appliers: Vec<Vec<Apply>>,
    hands: Vec<Hand>,
    pauses: Vec<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let want = prop_oneof![1 => Just(Want::Nothing), 2 => Just(Want::Isolated), 3 => Just(Want::Released)];
    let fate = prop_oneof![4 => Just(Fate::Done), 1 => Just(Fate::LostBefore), 1 => Just(Fate::LostAfter)];
    let apply = (0_u64..300, proptest::array::uniform3(want), vec(fate, 0..4))
        .prop_map(|(after, wants, fates)| Apply { after, wants, fates });
    let hand = (0_u64..900, 0..HOSTS, proptest::bool::weighted(0.8))
        .prop_map(|(after, host, isolates)| Hand { after, host, isolates });
    let pause = prop_oneof![6 => 0_u64..4, 2 => 0_u64..60, 1 => 60_u64..90];
    (vec(vec(apply, 1..4), 2..4), vec(hand, 1..4), vec(pause, 0..400))
        .prop_map(|(appliers, hands, pauses)| Case { appliers, hands, pauses })
}

struct Scene {
    record: Record<Leased>,
    node: Node,
    clock: Paused,
    stop: watch::Sender<Stop>,
}

/// The client ids of appliers are the fences of their locks; those of people begin here.
const PEOPLE: u64 = 1_000;

fn host(n: u8) -> Arc<crate::resolve::DesiredHost> {
    sample::host(n, &format!("WS-{n}"))
}

fn subject(n: u8) -> Subject {
    Subject { target: Target::Sensor(host(n).sensor.id), aspect: Aspect::Isolation }
}

impl Scene {
    fn node(&self, who: u64, fates: &[Fate]) -> Node {
        let fates = Arc::new(Mutex::new(fates.iter().cloned().collect()));
        Node { who, fates, ..self.node.clone() }
    }

    /// What a plan says of these hosts, by what is there now.
    fn changes(&self, wants: [Want; HOSTS as usize], recorded: &Recorded) -> (Vec<Change>, Vec<Change>) {
        let (mut isolates, mut releases) = (Vec::new(), Vec::new());
        for (n, want) in (0..HOSTS).zip(wants) {
            let before = self.node.rule(host(n).sensor.id);
            let is_held =
                recorded.holds.get(&subject(n).into()).is_some_and(|hold| hold.is_in_force(self.clock.now()));
            match (want, before) {
                (_, _) if is_held => {}
                (Want::Isolated, None) => isolates.push(sample::isolate(host(n))),
                (Want::Released, Some(rule)) => {
                    let difference = Difference::Isolation(Side { before: Some(rule), after: None });
                    releases.push(Change { difference, ..sample::release(host(n)) });
                }
                (Want::Nothing, _) | (Want::Isolated, Some(_)) | (Want::Released, None) => {}
            }
        }
        (isolates, releases)
    }

    async fn apply(&self, n: u128, apply: &Apply) {
        sleep(Duration::from_millis(apply.after)).await;
        let holder = Holder { by: "ci".into(), pid: 1, since: began() };
        let Ok(locked): Result<Locked<Leased>, _> =
            self.record.lock(&key(), &holder, Duration::from_secs(1)).await
        else {
            return;
        };
        let (isolates, releases) = self.changes(apply.wants, locked.recorded());
        let mut journal = locked.begin(&header(n, "apply"));
        let who = journal.fence().unwrap();
        let node = self.node(who, &apply.fates);
        let steps = [(Purpose::Contain, isolates), (Purpose::Release, releases)];
        for (purpose, changes) in steps {
            if !changes.is_empty() {
                let cleared = cleared(purpose, changes);
                let plan = cleared.servers().next().unwrap();
                execute(&plan, server(&node, &self.clock, &self.stop), &mut journal).await;
            }
        }
        // Whoever lost its lock can not record its end here: there is no folder for it.
        drop(journal.end(self.clock.now(), &RunEnd::Finished).await);
    }

    /// What it says that became of it; `None`: there was nothing to release.
    async fn by_hand(&self, n: u128, hand: &Hand) -> Option<WriteResult> {
        sleep(Duration::from_millis(hand.after)).await;
        let command = if hand.isolates { "isolate" } else { "release" };
        let before = self.node.rule(host(hand.host).sensor.id);
        let (purpose, change) = match (hand.isolates, before) {
            (true, before) => {
                let change = sample::isolate(host(hand.host));
                let Difference::Isolation(side) = change.difference.clone() else { panic!() };
                let difference = Difference::Isolation(Side { before, ..side });
                (Purpose::Contain, Change { difference, ..change })
            }
            (false, Some(rule)) => {
                let difference = Difference::Isolation(Side { before: Some(rule), after: None });
                (Purpose::Release, Change { difference, ..sample::release(host(hand.host)) })
            }
            (false, None) => return None,
        };
        let mut journal = self.record.by_hand(&key(), &header(n, command)).await.unwrap();
        let until = began() + SignedDuration::from_hours(24);
        let hold = NewHold { until, command: command.into(), reason: None, host: None };
        journal.hold(self.clock.now(), subject(hand.host), &hold);
        let cleared = cleared(purpose, vec![change]);
        let plan = cleared.servers().next().unwrap();
        let node = self.node(PEOPLE + u64::try_from(n).unwrap(), &[]);
        let executing = || server(&node, &self.clock, &self.stop);
        let mut outcome = execute(&plan, executing(), &mut journal).await;
        let patience = Patience { pause: Duration::from_millis(10), at_most: Duration::from_secs(120) };
        outlast_others(&mut outcome, &plan, executing(), &mut journal, patience).await;
        let kept = journal.end(self.clock.now(), &RunEnd::Finished).await.unwrap();
        assert!(matches!(kept, Kept::InRecord));
        Some(outcome.changes.remove(0).result)
    }
}

async fn live(case: Case) {
    let inner = MemoryStore::default();
    let pauses = Pauses(Arc::new(Mutex::new(case.pauses.into())));
    let store =
        Leased { store: Far(inner.clone(), pauses.clone()), held: Arc::default(), fence: Arc::default() };
    let world: Arc<Mutex<World>> = Arc::default();
    let node = Node { who: 0, world: Arc::clone(&world), pauses, fates: Arc::default() };
    let scene = Scene {
        record: Record::new(store),
        node,
        clock: Paused(Instant::now()),
        stop: watch::Sender::new(Stop::No),
    };
    let appliers = case.appliers.iter().enumerate().map(|(i, applies)| {
        let scene = &scene;
        async move {
            for (j, apply) in applies.iter().enumerate() {
                scene.apply(100 * (i as u128 + 1) + j as u128, apply).await;
            }
        }
    });
    let hands = case.hands.iter().enumerate().map(|(i, hand)| scene.by_hand(i as u128, hand));
    let (_, done) =
        tokio::join!(futures_util::future::join_all(appliers), futures_util::future::join_all(hands));

    // No segment is lost, and the ledger is what the chain says.
    let record = Record::new(inner.clone());
    let verified = record.verify(&key()).await.unwrap();
    assert_eq!(verified.problems, []);
    let recorded = record.read(&key()).await.unwrap();
    let from_the_chain = MemoryStore::default();
    for (key, bytes) in inner.objects().into_iter().filter(|(key, _)| !key.starts_with("ledger/")) {
        from_the_chain.overwrite(&key, bytes);
    }
    assert_eq!(Record::new(from_the_chain).read(&key()).await.unwrap(), recorded);

    // Who holds the lock later writes after all who held it before.
    let world = world.lock().unwrap();
    let fences: Vec<u64> = world.arrived.iter().map(|write| write.who).filter(|who| *who < PEOPLE).collect();
    assert!(fences.is_sorted(), "{:?}", world.arrived);

    for n in 0..HOSTS {
        let sensor = host(n).sensor.id;
        let here: Vec<&Arrived> = world.arrived.iter().filter(|write| write.sensor == sensor).collect();
        // What was done by hand stands: only another hand takes an isolation back.
        let hands = case.hands.iter().zip(&done).filter(|(hand, _)| hand.host == n);
        let (isolated, released): (Vec<_>, Vec<_>) = hands.partition(|(hand, _)| hand.isolates);
        let is_isolated =
            isolated.iter().any(|(_, result)| result.as_ref().is_some_and(WriteResult::is_done));
        // Who could not find out whether a run isolates again has released all the same.
        let is_released = released.iter().any(|(_, result)| result.is_some());
        if is_isolated && !is_released {
            assert!(world.rules.contains_key(&sensor), "WS-{n}: {here:#?}\n{done:?}");
            assert!(recorded.holds.contains_key(&subject(n).into()));
        }
        // No end is said to be later than it is.
        if let Some(listed) = world.rules.get(&sensor)
            && let Some(known) = recorded.isolation_in_force(sensor, listed)
        {
            let arrived = here.iter().rfind(|write| write.rule.is_some()).unwrap();
            let arrived = began() + SignedDuration::try_from(arrived.at - scene.clock.0).unwrap();
            assert!(known.sent_at <= arrived, "WS-{n}: {known:?}, {here:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_runners_and_hands_over_one_record(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(live(case));
    }
}
