//! One cell of the matrix: an apply under a fault, what is seen of it, and the applies after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::{
    Endpoint, Exchange, Fingerprint, HttpsCentralNode, Limits, Pem, Retry, SecretPem, Trust, Watch,
};
use kedrctl::cli::{Exit, Findings};
use kedrctl::declare::{self, Declared};
use kedrctl::execute::{Pace, Rollout, Stop};
use kedrctl::guard::{self, Rules};
use kedrctl::model::{Clock, SensorId, ServerKey, ServerName, Target as ModelTarget};
use kedrctl::record::{ActValues, Holder, MemoryStore, Record};
use kedrctl::report::{self, TextOptions, View, outcome_text};
use kedrctl::session::{Connected, Prepared, Run, SurveyOptions, lock_all, survey};
use kedrctl::terminal::Palette;
use kedrctl_simulator::world::{Target, sensor_id_of};
use kedrctl_simulator::{CallKind, Fleet, LoggedRequest, Method, Options, Simulator};
use tokio::sync::watch;

use crate::calls::{BESIDE, Call, FOREIGN, HOST, Whom};
use crate::kinds::{Kind, Times};
use crate::seen;

/// The most that the client takes in: the fleet's list is far shorter.
pub(crate) const MOST_BYTES: usize = 64 << 10;

/// What a cell of the table says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) exit: u8,
    pub(crate) seen: String,
    /// Of the write that the call is or belongs to: whether it was in effect after the run.
    pub(crate) effects: usize,
    /// How many writes the next apply sends there.
    pub(crate) then: usize,
}

/// The files of a call, read once.
pub(crate) struct Scenario {
    pub(crate) call: Call,
    fleet: Fleet,
    declared: Declared,
    before: Option<Declared>,
}

impl Scenario {
    pub(crate) fn new(call: Call) -> Self {
        let place = tempfile::tempdir().unwrap();
        let declared = |text: &str| declared(place.path(), text);
        Self {
            fleet: Fleet::from_yaml(&call.fleet())
                .unwrap_or_else(|error| panic!("{error}: {}", call.fleet())),
            declared: declared(&call.state()),
            before: call.state_before().map(|state| declared(&state)),
            call,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a partial file is no worse than none to a test")]
fn declared(place: &Path, text: &str) -> Declared {
    let path = place.join("state.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(place.join("fleet.yaml"), "hosts: []").unwrap();
    let read = declare::read(&[path]);
    read.declared.unwrap_or_else(|| panic!("{:?}: {text}", read.problems))
}

#[derive(Debug, Clone)]
struct OurClock(kedrctl_simulator::Clock);

impl Clock for OurClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Moves our clock when the call has been answered.
#[derive(Debug)]
struct Jump {
    call: Call,
    seen: AtomicU32,
    clock: OurClock,
    by: SignedDuration,
}

impl Watch for Jump {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let is_asked = {
            use kedrctl::central_node::Call as Asked;
            let host = SensorId::new(sensor_id_of(HOST));
            let kind = match exchange.call {
                Asked::Hosts => Some((CallKind::Sensors, Whom::Any)),
                Asked::Isolation(sensor) | Asked::SetIsolation(sensor) | Asked::DeleteIsolation(sensor) => {
                    (sensor == host).then_some((CallKind::Isolation, Whom::Host))
                }
                Asked::Prevention(target)
                | Asked::SetPrevention(target)
                | Asked::DeletePrevention(target) => match target {
                    ModelTarget::AllHosts => Some((CallKind::Prevention, Whom::All)),
                    ModelTarget::Sensor(sensor) => {
                        (sensor == host).then_some((CallKind::Prevention, Whom::Host))
                    }
                },
                Asked::CreateTask(..) => Some((CallKind::Tasks, Whom::Host)),
                Asked::Task(_) | Asked::DeleteTask(_) => Some((CallKind::Tasks, Whom::Any)),
            };
            kind == Some((self.call.kind, self.call.whom)) && exchange.method() == method(self.call.method)
        };
        if is_asked && self.seen.fetch_add(1, Ordering::Relaxed) == self.call.skip {
            self.clock.0.advance(self.by);
        }
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

struct Lab<'a> {
    scenario: &'a Scenario,
    simulator: Simulator,
    server: Connected,
    record: Record<MemoryStore>,
    clock: OurClock,
    server_clock: kedrctl_simulator::Clock,
    runs: u16,
}

/// How an apply went.
struct Applied {
    exit: Exit,
    plan: String,
    outcome: String,
    changes: usize,
}

fn start() -> Timestamp {
    "2026-11-25T10:00:00Z".parse().unwrap()
}

/// Patient enough for what is healthy, and no longer with what is not.
fn limits(kind: &Kind) -> Limits {
    // Only what stalls is worth a short wait; a machine under load must not look like a fault anywhere else.
    let answer = Duration::from_secs(if kind.stalls { 2 } else { 60 });
    let retry = Retry {
        attempts: 2,
        first_delay: Duration::from_millis(1),
        longest_delay: Duration::from_millis(2),
        ..Retry::default()
    };
    Limits {
        answer,
        list_answer: answer,
        settings_bytes: MOST_BYTES,
        list_bytes: MOST_BYTES,
        retry,
        ..Limits::default()
    }
}

fn pace() -> Pace {
    Pace { attempts: 2, first_pause: Duration::from_millis(1), verify_for: Duration::from_millis(500) }
}

impl<'a> Lab<'a> {
    fn new(scenario: &'a Scenario, kind: &Kind) -> Self {
        let server_clock = kedrctl_simulator::Clock::manual(start());
        let options = Options { clock: server_clock.clone(), persist: false, ..Options::default() };
        let simulator = Simulator::start_with(scenario.fleet.clone(), options).expect("a free port");
        let clock = OurClock(kedrctl_simulator::Clock::manual(start()));
        let jump =
            Jump { call: scenario.call, seen: AtomicU32::new(0), clock: clock.clone(), by: kind.our_clock };
        let client = HttpsCentralNode::new(&endpoint(&simulator), limits(kind)).unwrap();
        let server = Connected {
            name: ServerName::new("lab"),
            address: "https://kata".to_owned(),
            origin: kedrctl::model::Origin::command_line(),
            key: ServerKey::of_address("kata", 443),
            client: client.watched_by(Arc::new(jump)),
            concurrency: 1,
            clock_tolerance: SignedDuration::from_mins(10),
            simulator: None,
        };
        let record = Record::new(MemoryStore::default());
        Self { scenario, simulator, server, record, clock, server_clock, runs: 0 }
    }

    /// As the command does it, without its limits, which a fleet of three would be beyond.
    async fn apply(&mut self, declared: &Declared) -> Applied {
        let servers = std::slice::from_ref(&self.server);
        let holder = Holder { by: "lab".into(), pid: 1, since: self.clock.now() };
        let locks = lock_all(&self.record, servers, &holder, Duration::from_secs(1)).await;
        assert!(locks.left_out.is_empty(), "{:?}", locks.left_out);
        let options = SurveyOptions::default();
        let survey =
            survey(declared, servers, locks.recorded(), &options, &self.clock, &|_| {}).await.unwrap();
        let nothing = std::collections::BTreeSet::new();
        let rules = Rules {
            policy: &declared.policy,
            never_block: &survey.never_block,
            allowances: &[],
            take_over: &nothing,
            owner: &declared.owner,
            listed: &survey.listed,
            recorded: &survey.recorded,
        };
        let (cleared, judgement) =
            guard::clear(survey.plan.clone(), &rules).unwrap_or_else(|(_, judgement)| {
                panic!("no fault makes a plan dangerous: {judgement:?}");
            });
        let options = TextOptions { view: View::Plan, full: true, summary: false, palette: Palette::OFF };
        let mut plan = Vec::new();
        report::text::plan(cleared.plan(), &judgement, &cleared.plan().id(), &options, &mut plan).unwrap();
        let (findings, changes) = (Findings::of(cleared.plan()), cleared.plan().changes().count());
        self.runs += 1;
        let run = Run {
            id: format!("run-{}", self.runs).into(),
            command: "apply".into(),
            by: "lab".into(),
            owner: declared.owner.clone(),
            allow: Vec::new(),
            plan: None,
            ci_job: None,
            ci_commit: None,
        };
        let (_stop, stop) = watch::channel(Stop::No);
        let prepared = Prepared { cleared, survey, locks: locks.held };
        let (outcome, failures) =
            prepared.execute(servers, &run, &self.clock, &(), stop, (pace(), &Rollout::default())).await;
        assert!(failures.is_empty(), "{failures:?}");
        let mut text = Vec::new();
        let options = outcome_text::OutcomeOptions {
            full: true,
            palette: Palette::OFF,
            again: "apply",
            run_id: None,
            listed_after: &BTreeMap::new(),
        };
        if changes > 0 {
            outcome_text::write(&outcome, &options, &mut text).unwrap();
        }
        Applied {
            exit: Exit::of([findings.reading_exit(), Exit::of_outcome(&outcome)]),
            plan: String::from_utf8(plan).unwrap(),
            outcome: String::from_utf8(text).unwrap(),
            changes,
        }
    }

    /// Both clocks, to the instant at which the server's is then.
    fn later(&self) {
        self.server_clock.advance(SignedDuration::from_mins(5));
        self.clock.0.set(self.server_clock.now());
        self.simulator.world(kedrctl_simulator::World::contact_all);
    }

    fn effects(&self) -> Vec<LoggedRequest> {
        self.simulator.requests().into_iter().filter(|request| request.effect).collect()
    }

    /// Writes to what the call is about.
    fn effects_there(&self) -> usize {
        let whose = match self.scenario.call.whom {
            Whom::All if self.scenario.call.is_write() => "sensor_id=all".to_owned(),
            Whom::Any if self.scenario.call.kind == CallKind::Tasks => "/tasks/".to_owned(),
            Whom::Any | Whom::Host | Whom::All => sensor_id_of(HOST).to_string(),
        };
        self.effects().iter().filter(|request| request.path.contains(&whose)).count()
    }
}

fn endpoint(simulator: &Simulator) -> Endpoint {
    let credentials = simulator.credentials();
    let address = simulator.address();
    let pin: Fingerprint = simulator.certificate_sha256().parse().unwrap();
    Endpoint {
        urls: vec![(address.ip().to_string(), address.port())],
        external_system_id: credentials.external_system_id,
        certificate: Pem { source: "client.crt".to_owned(), text: credentials.certificate_pem.into_bytes() },
        key: SecretPem::new("client.key", credentials.key_pem.into_bytes()),
        trust: Trust::Pinned(pin.0),
        concurrency: 1,
    }
}

/// Plays a cell; what must hold in every one is checked on the way.
pub(crate) async fn play(scenario: &Scenario, kind: &Kind) -> Cell {
    let mut lab = Lab::new(scenario, kind);
    if let Some(before) = &scenario.before {
        let applied = lab.apply(before).await;
        assert_eq!(applied.exit, Exit::Done, "{}{}", applied.plan, applied.outcome);
        lab.later();
        lab.simulator.clear_requests();
    }
    lab.simulator.set_faults(kind.of(&scenario.call));
    let faulty = lab.apply(&scenario.declared).await;
    lab.simulator.set_faults(Vec::new());
    let effects = lab.effects_there();
    nothing_is_there_that_the_record_does_not_know(&lab).await;
    if kind.times == Times::Once && faulty.exit == Exit::Done {
        assert!(effects == 1, "done, in one write: {}", faulty.outcome);
    }

    lab.later();
    let next = lab.apply(&scenario.declared).await;
    let after_next = lab.effects_there();
    assert_eq!(next.exit, Exit::Done, "after the fault:\n{}{}", next.plan, next.outcome);
    lab.later();
    let last = lab.apply(&scenario.declared).await;
    assert_eq!((last.exit, last.changes), (Exit::Done, 0), "it converged:\n{}", last.plan);
    let all = lab.effects_there();
    assert_eq!(all, after_next);

    nothing_is_there_that_the_record_does_not_know(&lab).await;
    it_is_as_declared(&lab);
    nobody_else_was_touched(&lab);
    // An isolation is renewed where the first could not be settled, or was set under clocks that were apart.
    let is_renewed = matches!(scenario.call.kind, CallKind::Sensors | CallKind::Isolation);
    assert!(all == 1 || (is_renewed && all == 2), "{all} writes took effect");
    let verified = lab.record.verify(&lab.server.key).await.unwrap();
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);

    let seen = seen::of(&faulty.plan, &faulty.outcome, &lab.simulator);
    Cell { exit: faulty.exit.code(), seen, effects, then: after_next - effects }
}

/// Every write that had an effect was put down, with the value that stood there before.
async fn nothing_is_there_that_the_record_does_not_know(lab: &Lab<'_>) {
    let history = lab.record.history(&lab.server.key, None).await.unwrap();
    let acts: Vec<_> = history.runs.iter().flat_map(|run| &run.acts).collect();
    for effect in lab.effects() {
        let is_of = |target: &ModelTarget| match target {
            ModelTarget::AllHosts => effect.path.contains("sensor_id=all"),
            ModelTarget::Sensor(sensor) => effect.path.contains(&sensor.to_string()),
        };
        let is_this = |values: &ActValues, target: &ModelTarget| match values {
            ActValues::Isolation(_) => effect.path.contains("network_isolation") && is_of(target),
            ActValues::Prevention(side) => {
                let is_deleted = effect.method == "DELETE";
                effect.path.contains("prevention") && is_of(target) && side.after.is_none() == is_deleted
            }
            ActValues::Task(side) => {
                effect.path.contains("/tasks/") && side.after.is_none() == (effect.method == "DELETE")
            }
        };
        assert!(
            acts.iter().any(|act| is_this(&act.values, &act.subject.target)),
            "{} {} is in no run",
            effect.method,
            effect.path
        );
    }
}

fn it_is_as_declared(lab: &Lab<'_>) {
    let call = &lab.scenario.call;
    let host = sensor_id_of(HOST);
    let effective = lab.simulator.effective(host);
    assert!(lab.simulator.effective(sensor_id_of(BESIDE)).isolated);
    match (call.kind, call.method) {
        (CallKind::Sensors, _) | (CallKind::Isolation, Method::Get | Method::Post) => {
            assert!(effective.isolated);
        }
        (CallKind::Isolation, Method::Delete) => assert!(!effective.isolated),
        (CallKind::Prevention, _) => {
            let target =
                if call.whom == Whom::All && call.is_write() { Target::All } else { Target::Sensor(host) };
            let hashes: Vec<String> = lab.simulator.world(|world| {
                let rule = world.prevention(target);
                rule.into_iter()
                    .flat_map(|rule| rule.objects())
                    .filter_map(|object| Some(object.hash?.to_string()))
                    .collect()
            });
            if call.is_about_hashes() {
                assert_eq!(hashes.len(), 2, "{hashes:?}");
                for hash in call.hashes_at_last() {
                    assert!(hashes.iter().any(|found| found == hash), "{hash} is lost: {hashes:?}");
                }
            } else {
                assert_eq!(hashes, Vec::<String>::new());
            }
        }
        (CallKind::Tasks, Method::Get | Method::Post) => assert_eq!(effective.started.len(), 1, "once"),
        (CallKind::Tasks, Method::Delete) => {
            assert_eq!(lab.simulator.world(|world| world.tasks().len()), 0);
        }
    }
}

fn nobody_else_was_touched(lab: &Lab<'_>) {
    let foreign = sensor_id_of(FOREIGN).to_string();
    let asked = lab.simulator.requests().into_iter().filter(|request| request.method != "GET");
    let touched: Vec<_> = asked.filter(|request| request.path.contains(&foreign)).collect();
    assert!(touched.is_empty(), "{touched:?}");
}
