//! One server's writes against a scripted server, on tokio's paused clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::central_node::{Call, CallError, CallErrorKind, Listing, ReadSettings, TakeTurns, WriteSettings};
use crate::declare::{Forbidden, Limit, Policy, Term};
use crate::guard::{self, Rules};
use crate::model::{
    Clock, Exclusions, Isolation, ListedTask, PreventionRule, Program, SensorId, Subject, Target, TaskId,
    Timeout, Untrusted,
};
use crate::plan::{Action, Change, End, Plan, Purpose, WhyUnknown};
use crate::record::{
    Hold, Intended, Intention, IntentionNumber, Intentions, Lease, RecordError, WriteOutcome,
};
use crate::report::sample;

mod by_hand;
mod fleet;
mod many;
mod outlast;
mod rollout;
mod side_by_side;

/// What becomes of one write.
#[derive(Debug, Clone)]
enum Fate {
    Done,
    /// 200, and the timeout that is listed then.
    Rounded(u64),
    Ignored,
    LostBefore,
    LostAfter,
    /// The answer is lost, and somebody else sets another rule meanwhile.
    LostAndOverwritten,
    Fails(CallErrorKind),
}

/// What happens when it is read.
#[derive(Debug, Clone)]
enum Look {
    Fails(CallErrorKind),
    /// Ctrl-C while it is read.
    Stops,
    /// Ctrl-C, and no answer comes.
    StopsAndHangs,
    /// The machine sleeps while it is read, for longer than the lock lasts.
    Sleeps,
    Fine,
}

#[derive(Debug, Default)]
struct State {
    isolations: BTreeMap<SensorId, Isolation>,
    fates: VecDeque<Fate>,
    looks: VecDeque<Look>,
    /// `get`, `set`, `delete`, `intend`, in their order.
    calls: Vec<&'static str>,
    outcomes: Vec<WriteOutcome>,
    intended: Vec<usize>,
    record_is_lost: bool,
    record_is_lost_later: bool,
    /// What an act by hand has left; met by the append, or only before something is sent again.
    hold: Option<Hold>,
    held_at_once: bool,
    is_sure: Sure,
}

#[derive(Debug)]
struct Sure(Arc<AtomicBool>);

impl Default for Sure {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

#[derive(Clone)]
struct Scripted {
    state: Arc<Mutex<State>>,
    stop: Arc<watch::Sender<Stop>>,
}

/// No whole number of hours before the end of the samples.
fn began() -> Timestamp {
    sample::now() + SignedDuration::from_secs(1)
}

/// The wall clock follows tokio's.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        began() + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

fn error(call: Call, kind: CallErrorKind) -> CallError {
    CallError::new(call, "https://hq", kind)
}

impl Scripted {
    fn write(
        &self,
        call: Call,
        sensor: SensorId,
        after: Option<Isolation>,
        word: &'static str,
    ) -> Result<(), CallError> {
        let mut state = self.state.lock().unwrap();
        assert!(state.calls.contains(&"intend"), "sent before it was put down");
        state.calls.push(word);
        let put = |state: &mut State, rule: Option<Isolation>| match rule {
            Some(rule) => drop(state.isolations.insert(sensor, rule)),
            None => drop(state.isolations.remove(&sensor)),
        };
        match state.fates.pop_front().unwrap_or(Fate::Done) {
            Fate::Done => put(&mut state, after),
            Fate::Rounded(timeout_seconds) => {
                put(&mut state, after.map(|rule| Isolation { timeout_seconds, ..rule }));
            }
            Fate::Ignored => {}
            Fate::LostBefore => return Err(error(call, CallErrorKind::AnswerLost)),
            Fate::LostAfter => {
                put(&mut state, after);
                return Err(error(call, CallErrorKind::AnswerLost));
            }
            Fate::LostAndOverwritten => {
                put(&mut state, Some(Isolation { timeout_seconds: 4_711, ..sample::isolation(&[]) }));
                return Err(error(call, CallErrorKind::AnswerLost));
            }
            Fate::Fails(kind) => return Err(error(call, kind)),
        }
        Ok(())
    }
}

impl ReadSettings for Scripted {
    async fn hosts(&self, _clock: &dyn Clock) -> Result<Listing, CallError> {
        unreachable!("nobody lists while writing")
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        let look = {
            let mut state = self.state.lock().unwrap();
            state.calls.push("get");
            state.looks.pop_front().unwrap_or(Look::Fine)
        };
        match look {
            Look::Fails(kind) => return Err(error(Call::Isolation(sensor), kind)),
            Look::Stops => drop(self.stop.send_replace(Stop::FinishInFlight)),
            Look::StopsAndHangs => {
                self.stop.send_replace(Stop::FinishInFlight);
                std::future::pending::<()>().await;
            }
            Look::Sleeps => self.state.lock().unwrap().is_sure.0.store(false, Ordering::Relaxed),
            Look::Fine => {}
        }
        Ok(self.state.lock().unwrap().isolations.get(&sensor).cloned())
    }

    async fn prevention(&self, _target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        unreachable!("isolation only")
    }

    async fn task(&self, _id: TaskId) -> Result<Option<ListedTask>, CallError> {
        unreachable!("isolation only")
    }
}

impl TakeTurns for Scripted {
    type Turn<'a> = &'a Self;

    async fn turn(&self) -> &Self {
        self
    }
}

impl WriteSettings for Scripted {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        let after =
            Isolation { timeout_seconds: u64::from(timeout.seconds()), exclusions: Arc::clone(exclusions) };
        self.write(Call::SetIsolation(sensor), sensor, Some(after), "set")
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        self.write(Call::DeleteIsolation(sensor), sensor, None, "delete")
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

impl Intentions for Scripted {
    async fn intend(&mut self, intentions: &[Intention]) -> Result<Vec<Intended>, RecordError> {
        let mut state = self.state.lock().unwrap();
        if state.record_is_lost {
            return Err(RecordError::Collision { place: "here".to_owned(), other: "run 2".to_owned() });
        }
        state.calls.push("intend");
        state.intended.push(intentions.len());
        let numbers = (0..intentions.len() as u64).map(IntentionNumber);
        Ok(numbers
            .map(|number| match &state.hold {
                Some(hold) if state.held_at_once => Intended::Held(hold.clone()),
                Some(_) | None => Intended::MaySend(number),
            })
            .collect())
    }

    fn lease(&self) -> Lease {
        Lease::watched(Arc::clone(&self.state.lock().unwrap().is_sure.0))
    }

    async fn hold_since(&mut self, _subject: Subject, _at: Timestamp) -> Result<Option<Hold>, RecordError> {
        let mut state = self.state.lock().unwrap();
        if state.record_is_lost_later {
            return Err(RecordError::LockNotSure);
        }
        state.calls.push("hold?");
        Ok(state.hold.clone())
    }

    fn outcomes(&mut self, _at: Timestamp, outcomes: &[(IntentionNumber, WriteOutcome)]) {
        let outcomes = outcomes.iter().map(|(_, outcome)| outcome.clone());
        self.state.lock().unwrap().outcomes.extend(outcomes);
    }
}

/// How it went, and how long it took.
struct Went {
    results: Vec<WriteResult>,
    stopped: Option<String>,
    state: State,
    took: Duration,
}

async fn went(purpose: Purpose, changes: Vec<Change>, state: State) -> Went {
    went_by(&AT_ONCE, purpose, changes, state).await
}

async fn went_by(rollout: &Rollout, purpose: Purpose, changes: Vec<Change>, state: State) -> Went {
    let mut server = sample::server("hq");
    server.steps = vec![sample::step(purpose, changes)];
    let plan: Plan = sample::plan(vec![server]);
    let (mut policy, nobody) = (Policy::default(), BTreeSet::new());
    policy.limits.isolations = Some(Limit::Count(150));
    let rules = Rules {
        policy: &policy,
        never_block: &Forbidden::default(),
        allowances: &[],
        take_over: &nobody,
        owner: "default",
        listed: &BTreeMap::new(),
        recorded: &BTreeMap::new(),
    };
    let (cleared, _) = guard::clear(plan, &rules).unwrap();
    let (stop, stopped) = watch::channel(Stop::No);
    let scripted = Scripted { state: Arc::new(Mutex::new(state)), stop: Arc::new(stop) };
    let mut journal = scripted.clone();
    let began = Instant::now();
    let executing = Server {
        client: &scripted,
        clock: &Paused(began),
        observer: &(),
        stop: stopped,
        concurrency: 1,
        pace: Pace::default(),
        rollout,
    };
    let outcome = execute(&cleared.servers().next().unwrap(), executing, &mut journal).await;
    let state = std::mem::take(&mut *scripted.state.lock().unwrap());
    let results = outcome.changes.into_iter().map(|change| change.result).collect();
    Went { results, stopped: outcome.stopped.map(|stopped| stopped.why), state, took: began.elapsed() }
}

/// The isolation of a host without a rule.
async fn isolating(fates: Vec<Fate>, looks: Vec<Look>) -> Went {
    let state = State { fates: fates.into(), looks: looks.into(), ..State::default() };
    went(Purpose::Contain, vec![sample::isolate(sample::host(1, "WS-1"))], state).await
}

fn word(went: &Went) -> &'static str {
    went.results[0].as_str()
}

fn sets(went: &Went) -> usize {
    went.state.calls.iter().filter(|call| matches!(**call, "set" | "delete")).count()
}

#[tokio::test(start_paused = true)]
async fn it_looks_records_sends_and_reads_back() {
    let went = isolating(Vec::new(), Vec::new()).await;
    assert_eq!(went.state.calls, ["intend", "get", "set", "get"]);
    assert_eq!(went.results, [WriteResult::Done { sent_at: began() }]);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_write() {
    use CallErrorKind as Kind;
    let incorrect = || Kind::Incorrect(Untrusted::new("no"));
    let clash = || Kind::Clash { hosts: Vec::new(), text: Untrusted::new("in both") };
    for (what, fates, looks, expected, sent) in [
        ("rounded down", vec![Fate::Rounded(522_000)], vec![], "done", 1),
        ("rounded up", vec![Fate::Rounded(525_600)], vec![], "done", 1),
        ("something else", vec![Fate::Rounded(518_400)], vec![], "unknown", 1),
        ("a lost answer", vec![Fate::LostAfter], vec![], "done", 1),
        ("a lost request", vec![Fate::LostBefore], vec![], "done", 2),
        ("lost and overwritten", vec![Fate::LostAndOverwritten], vec![], "unknown", 1),
        ("always lost", vec![Fate::LostBefore; 4], vec![], "unknown", 4),
        ("ignored", vec![Fate::Ignored], vec![], "unknown", 1),
        ("refused", vec![Fate::Fails(incorrect())], vec![], "refused", 1),
        ("lost, then refused", vec![Fate::LostBefore, Fate::Fails(incorrect())], vec![], "unknown", 2),
        ("no connection", vec![Fate::Fails(Kind::CannotConnect)], vec![], "done", 2),
        ("never a connection", vec![Fate::Fails(Kind::CannotConnect); 4], vec![], "not_tried", 4),
        ("not read before", vec![], vec![Look::Fails(Kind::ServerFailed)], "not_read", 0),
        (
            "lost, then not read",
            vec![Fate::LostAfter],
            vec![Look::Fine, Look::Fails(Kind::ServerFailed)],
            "unknown",
            1,
        ),
        ("read back late", vec![], vec![Look::Fine, Look::Fails(Kind::ServerFailed)], "done", 1),
        (
            "lost, then not accepted",
            vec![Fate::LostBefore, Fate::Fails(Kind::NotAuthorised)],
            vec![],
            "unknown",
            2,
        ),
        ("lost, then a clash", vec![Fate::LostBefore, Fate::Fails(clash())], vec![], "refused", 2),
        (
            "lost, then a clash, and not read",
            vec![Fate::LostBefore, Fate::Fails(clash())],
            vec![Look::Fine, Look::Fine, Look::Fails(Kind::ServerFailed)],
            "unknown",
            2,
        ),
        ("stopped while it is looked at", vec![], vec![Look::StopsAndHangs], "not_tried", 0),
        ("stopped between look and send", vec![], vec![Look::Stops], "not_tried", 0),
        ("stopped after a lost answer", vec![Fate::LostAfter], vec![Look::Fine, Look::Stops], "done", 1),
        ("stopped after a lost request", vec![Fate::LostBefore], vec![Look::Fine, Look::Stops], "unknown", 1),
    ] {
        let went = isolating(fates, looks).await;
        assert_eq!((word(&went), sets(&went)), (expected, sent), "{what}: {:?}", went.results);
        let is_open = matches!(went.state.outcomes[..], [WriteOutcome::Unknown { .. }]);
        assert_eq!(is_open, expected == "unknown", "{what}: {:?}", went.state.outcomes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_counts_from_the_first_request() {
    let went = isolating(vec![Fate::LostBefore, Fate::LostAfter], Vec::new()).await;
    assert_eq!(went.results, [WriteResult::Done { sent_at: began() }]);
    assert!(went.took >= Duration::from_millis(200), "{:?}", went.took);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_write_is_read_for_half_a_minute() {
    let went = isolating(vec![Fate::Ignored], Vec::new()).await;
    assert!(went.took > Duration::from_secs(20) && went.took <= Duration::from_secs(30), "{:?}", went.took);
}

#[tokio::test(start_paused = true)]
async fn the_server_says_how_long_to_wait() {
    let overloaded = CallErrorKind::Overloaded { retry_after: Some(Duration::from_secs(7)) };
    let went = isolating(vec![Fate::Fails(overloaded)], Vec::new()).await;
    assert_eq!((word(&went), sets(&went)), ("done", 2));
    assert!(went.took >= Duration::from_secs(7) && went.took < Duration::from_secs(8), "{:?}", went.took);
    let sent_at = began() + SignedDuration::from_secs(7);
    assert!(
        matches!(went.results[0], WriteResult::Done { sent_at: at } if at >= sent_at),
        "429 has no effect"
    );
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_the_plan_is_left_alone() {
    let host = sample::host(1, "WS-1");
    let set = |rule: Isolation| State { isolations: [(host.sensor.id, rule)].into(), ..State::default() };
    let foreign = || Isolation { timeout_seconds: 4_711, ..sample::isolation(&[53]) };
    let renew = sample::renew(Arc::clone(&host), End::Unknown(WhyUnknown::NotRecorded));
    for (what, purpose, change, state, expected) in [
        (
            "isolated",
            Purpose::Contain,
            sample::isolate(Arc::clone(&host)),
            set(foreign()),
            "changed_since_plan",
        ),
        ("renewed", Purpose::Contain, renew.clone(), set(foreign()), "changed_since_plan"),
        ("gone", Purpose::Contain, renew, State::default(), "changed_since_plan"),
        (
            "another",
            Purpose::Release,
            sample::release(Arc::clone(&host)),
            set(foreign()),
            "changed_since_plan",
        ),
        (
            "gone",
            Purpose::Release,
            sample::release(Arc::clone(&host)),
            State::default(),
            "already_as_desired",
        ),
    ] {
        let went = went(purpose, vec![change], state).await;
        assert_eq!((word(&went), sets(&went)), (expected, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_sent_to_a_server_that_does_not_accept_us() {
    let changes = (1..4).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect();
    let fates = VecDeque::from([Fate::Done, Fate::Fails(CallErrorKind::NotAuthorised)]);
    let went = went(Purpose::Contain, changes, State { fates, ..State::default() }).await;
    let words: Vec<_> = went.results.iter().map(WriteResult::as_str).collect();
    assert_eq!(words, ["done", "refused", "not_tried"]);
    assert!(went.stopped.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_is_interrupted_puts_nothing_more_down() {
    let changes = (1..=150).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect();
    let looks = VecDeque::from([Look::Stops]);
    let went = went(Purpose::Contain, changes, State { looks, ..State::default() }).await;
    assert!(went.results.iter().all(|result| result.as_str() == "not_tried"), "{:?}", went.results);
    assert_eq!((went.results.len(), sets(&went)), (150, 0));
    assert_eq!(went.state.intended, [100], "those after them are not in the record");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_that_the_record_does_not_have() {
    let change = sample::isolate(sample::host(1, "WS-1"));
    let went = went(Purpose::Contain, vec![change], State { record_is_lost: true, ..State::default() }).await;
    assert_eq!((word(&went), went.state.calls.len()), ("not_tried", 0));
    assert!(went.stopped.is_some());
}

#[tokio::test(start_paused = true)]
async fn releases_are_put_down_one_by_one() {
    let hosts: Vec<_> = (1..4).map(|n| sample::host(n, &format!("WS-{n}"))).collect();
    let isolations = hosts.iter().map(|host| (host.sensor.id, sample::isolation(&[]))).collect();
    let releases = hosts.into_iter().map(sample::release).collect();
    let released = went(Purpose::Release, releases, State { isolations, ..State::default() }).await;
    assert_eq!(released.state.intended, [1, 1, 1]);
    let changes = (1..4).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect();
    assert_eq!(went(Purpose::Contain, changes, State::default()).await.state.intended, [3]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_set_whose_time_ended_while_the_plan_waited() {
    let mut late = sample::isolate(sample::host(1, "WS-1"));
    late.action = Action::Isolate { term: Term::Until(began()), is_lapsed: false };
    let changes = vec![late.clone(), sample::isolate(sample::host(2, "WS-2"))];
    let mixed = went(Purpose::Contain, changes, State::default()).await;
    let words: Vec<_> = mixed.results.iter().map(WriteResult::as_str).collect();
    assert_eq!((&words[..], sets(&mixed)), (&["not_tried", "done"][..], 1));
    assert_eq!(sets(&went(Purpose::Contain, vec![late], State::default()).await), 0);
}
