//! A release under way meets an isolation by hand: in whatever order their steps come, the host ends isolated.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use super::fleet::{Far, Node, Pauses, World, cleared, cleared_with, header, key, server};
use super::*;
use crate::declare::{DeclaredIsolation, WantedIsolation};
use crate::model::{Aspect, Cause, Difference, Side};
use crate::plan::{Contact, Verdict};
use crate::record::{Holder, Kept, MemoryStore, NewHold, Record, RunEnd};
use crate::resolve::DesiredHost;

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
    let cleared = cleared(Purpose::Release, vec![change]);
    let holder = Holder { by: "ci".into(), pid: 1, since: began() };
    let locked = record.lock(&key(), &holder, Duration::ZERO).await.unwrap();
    // The plan is made under the lock, and leaves alone what was held by then.
    if let Some(hold) = locked.recorded().holds.values().next() {
        return WriteResult::Held { hold: hold.clone().into() };
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
    let cleared = cleared(Purpose::Contain, vec![change]);
    let mut journal = record.by_hand(&key(), &header(9, "isolate WS-1")).await.unwrap();
    let until = began() + SignedDuration::from_hours(24);
    let hold = NewHold { until, command: "isolate".into(), reason: None, host: Some("WS-1".into()) };
    journal.hold(clock.now(), subject, &hold);
    let plan = cleared.servers().next().unwrap();
    let mut outcome = execute(&plan, server(node, clock, stop), &mut journal).await;
    let patience = Patience { pause: Duration::from_millis(10), at_most: Duration::from_secs(90) };
    outlast_others(&mut outcome, &plan, server(node, clock, stop), &mut journal, patience).await;
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

/// A run and a responder on one server, with one record.
struct Meeting {
    store: MemoryStore,
    record: Record<Far>,
    /// The run's way to the server, and the responder's.
    theirs: Node,
    ours: Node,
    clock: Paused,
    stop: watch::Sender<Stop>,
    /// After which the run is killed.
    limit: Duration,
    /// When the responder begins.
    after: Duration,
}

impl Meeting {
    fn new(case: Case, world: World) -> Self {
        let store = MemoryStore::default();
        let pauses = Pauses(Arc::new(Mutex::new(case.pauses.into())));
        let record = Record::new(Far(store.clone(), pauses.clone()));
        let world = Arc::new(Mutex::new(world));
        let node = |who, fates: Vec<Fate>| Node {
            who,
            world: Arc::clone(&world),
            pauses: pauses.clone(),
            fates: Arc::new(Mutex::new(fates.into())),
        };
        Self {
            store,
            record,
            theirs: node(1, case.fates),
            ours: node(9, Vec::new()),
            clock: Paused(Instant::now()),
            stop: watch::Sender::new(Stop::No),
            limit: case.killed_after.map_or(Duration::from_secs(600), Duration::from_millis),
            after: Duration::from_millis(case.after),
        }
    }
}

async fn meet(case: Case) {
    let may_fail = case.killed_after.is_some();
    let sensor = sample::host(1, "WS-1").sensor.id;
    let world = World { rules: [(sensor, listed())].into(), ..World::default() };
    let Meeting { store, record, theirs, ours, clock, stop, limit, after } = Meeting::new(case, world);
    let releasing = timeout(limit, release(&record, &theirs, &clock, &stop));
    let isolating = async {
        sleep(after).await;
        isolate(&record, &ours, &clock, &stop).await
    };
    let (released, isolated) = tokio::join!(releasing, isolating);

    assert!(ours.rule(sensor).is_some(), "released: {released:?}, isolated: {isolated:?}");
    assert!(isolated.is_done() || may_fail, "{released:?}, {isolated:?}");
    let record = Record::new(store);
    assert_eq!(record.verify(&key()).await.unwrap().problems, []);
    let recorded = record.read(&key()).await.unwrap();
    let subject = Subject { target: Target::Sensor(sensor), aspect: Aspect::Isolation };
    assert!(recorded.holds.contains_key(&subject.into()));
    if let Ok(released) = released {
        // Nobody says that it is released who does not know that it was.
        assert!(recorded.open.iter().all(|open| !open.by_hand));
        assert!(!matches!(released, WriteResult::Refused { .. }), "{released:?}");
    }
}

/// The other way round: a run under the lock isolates, and a responder releases.
async fn meet_a_release(case: Case) {
    let may_fail = case.killed_after.is_some();
    let sensor = sample::host(1, "WS-1").sensor.id;
    let meeting = Meeting::new(case, World::default());
    let Meeting { record, theirs, ours, clock, stop, limit, after, .. } = meeting;
    let isolating = timeout(limit, apply_isolation(&record, &theirs, &clock, &stop));
    let releasing = async {
        sleep(after).await;
        release_by_hand(&record, &ours, &clock, &stop).await
    };
    let (isolated, released) = tokio::join!(isolating, releasing);

    // A run that was killed in the middle of its request may have it arrive at any time: the responder is told so.
    let is_sure = released.iter().all(WriteResult::is_done);
    assert!(is_sure || may_fail, "isolated: {isolated:?}, released: {released:?}");
    assert!(!is_sure || ours.rule(sensor).is_none(), "isolated: {isolated:?}, released: {released:?}");
}

async fn apply_isolation(record: &Record<Far>, node: &Node, clock: &Paused, stop: &watch::Sender<Stop>) {
    let holder = Holder { by: "ci".into(), pid: 1, since: began() };
    let locked = record.lock(&key(), &holder, Duration::ZERO).await.unwrap();
    if !locked.recorded().holds.is_empty() {
        return;
    }
    let cleared = cleared(Purpose::Contain, vec![sample::isolate(sample::host(1, "WS-1"))]);
    let mut journal = locked.begin(&header(1, "apply"));
    let plan = cleared.servers().next().unwrap();
    execute(&plan, server(node, clock, stop), &mut journal).await;
    journal.end(clock.now(), &RunEnd::Finished).await.unwrap();
}

/// Where it is not isolated when the responder looks, there is nothing to send, and a hold is left all the same.
async fn release_by_hand(
    record: &Record<Far>,
    node: &Node,
    clock: &Paused,
    stop: &watch::Sender<Stop>,
) -> Vec<WriteResult> {
    let host = sample::host(1, "WS-1");
    let off = DeclaredIsolation { cause: Cause::Own(host.origin.clone()), want: WantedIsolation::Off };
    let host = Arc::new(DesiredHost {
        entry: "WS-1".into(),
        origin: host.origin.clone(),
        sensor: Arc::clone(&host.sensor),
        groups: Arc::new([]),
        is_named: true,
        isolation: Some(off),
        prevention: None,
    });
    // The record first, then the host: what was put down in between is known.
    let mut journal = record.by_hand(&key(), &header(9, "release WS-1")).await.unwrap();
    let found = ReadSettings::isolation(node, host.sensor.id).await.unwrap();
    let difference = Difference::Isolation(Side { before: found.clone(), after: None });
    let release = Change { difference, ..sample::release(Arc::clone(&host)) };
    let subject = release.subject;
    let changes = if found.is_some() { vec![release] } else { Vec::new() };
    let cleared = cleared_with(
        Purpose::Release,
        changes,
        vec![sample::judged(
            host,
            Aspect::Isolation,
            if found.is_some() { Verdict::Differs } else { Verdict::InSync },
            Contact::Seen,
        )],
    );
    let until = began() + SignedDuration::from_hours(24);
    let hold = NewHold { until, command: "release".into(), reason: None, host: Some("WS-1".into()) };
    journal.hold(clock.now(), subject, &hold);
    let plan = cleared.servers().next().unwrap();
    let mut outcome = execute(&plan, server(node, clock, stop), &mut journal).await;
    let patience = Patience { pause: Duration::from_millis(10), at_most: Duration::from_secs(90) };
    outlast_others(&mut outcome, &plan, server(node, clock, stop), &mut journal, patience).await;
    journal.end(clock.now(), &RunEnd::Finished).await.unwrap();
    outcome.changes.into_iter().map(|ended| ended.result).collect()
}

/// A release that another run has put down, and of which nothing more is heard.
async fn release_left_open(record: &Record<Far>) {
    let release = sample::release(sample::host(1, "WS-1"));
    let intention = Intention {
        target: release.subject.target,
        host: None,
        entry: None,
        cause: None,
        reason: None,
        action: "release".into(),
        at: began(),
        difference: release.difference,
        clocks_apart: false,
        foreign: None,
    };
    let holder = Holder { by: "ci".into(), pid: 1, since: began() };
    let locked = record.lock(&key(), &holder, Duration::ZERO).await.unwrap();
    locked.begin(&header(1, "apply")).intend(&[intention]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_interrupted_while_another_is_at_it_does_not_say_that_it_stands() {
    let case = Case { after: 0, pauses: Vec::new(), fates: Vec::new(), killed_after: None };
    let sensor = sample::host(1, "WS-1").sensor.id;
    let world = World { rules: [(sensor, listed())].into(), ..World::default() };
    let Meeting { record, ours, clock, stop, .. } = Meeting::new(case, world);
    release_left_open(&record).await;
    let interrupting = async {
        sleep(Duration::from_secs(5)).await;
        stop.send_replace(Stop::FinishInFlight)
    };
    let (isolated, _) = tokio::join!(isolate(&record, &ours, &clock, &stop), interrupting);
    assert!(
        matches!(&isolated, WriteResult::Unknown { why } if why.contains("interrupted while run run-1 was at the same")),
        "{isolated:?}"
    );
    assert_eq!(ours.world.lock().unwrap().arrived.len(), 1, "it was sent all the same");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_release_under_way_and_an_isolation_by_hand_end_with_the_host_isolated(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(meet(case));
    }

    #[test]
    fn an_isolation_under_way_and_a_release_by_hand_end_with_the_host_free(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(meet_a_release(case));
    }
}
