//! A simulated Central Node over real HTTPS, every write to which is witnessed before it is sent.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::SignedDuration;
use kedrctl::central_node::{
    Call, CallError, HttpsCentralNode, Limits, Listing, ReadSettings, Retry, TakeTurns, WriteSettings,
};
use kedrctl::declare::{Connection, DeclaredServer};
use kedrctl::execute::{Pace, Rollout};
use kedrctl::model::{
    Difference, Exclusions, Isolation, ListedTask, PreventionRule, Program, SensorId, ServerKey, Target,
    TaskId, Timeout,
};
use kedrctl::record::{MemoryStore, Record};
use kedrctl::session::{ConnectOptions, Connected, connect};
use kedrctl_simulator::dialect::{Expired, Rounding};
use kedrctl_simulator::{Clock, Dialect, Drop, Fault, Method, Simulator};
use tempfile::TempDir;

use crate::bench::start;
use crate::fuse::{Fuse, FusedStore};
use crate::lab::{Lab, LabClock};
use crate::law::Law;
use crate::node::{Trouble, Used};
use crate::shown::Shown;
use crate::values::{origin, server};
use crate::witness::{Arriving, isolation_sent, rule_sent, task_sent};

pub(crate) struct Https {
    pub(crate) lab: Lab<Witnessed, FusedStore>,
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) store: MemoryStore,
    pub(crate) fuse: Fuse,
    pub(crate) clock: Clock,
    pub(crate) dialect: Dialect,
    seen: Arc<Mutex<Seen>>,
    _folder: TempDir,
}

/// What was seen of our writes, and what may be written.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) law: Law,
    /// What was ever listed of ours, so that others use something else.
    pub(crate) used: Used,
    /// Writes that were sent.
    pub(crate) writes: u32,
    pub(crate) skew: SignedDuration,
}

/// The client, watched.
pub(crate) struct Witnessed {
    inner: HttpsCentralNode,
    simulator: Arc<Simulator>,
    key: ServerKey,
    store: MemoryStore,
    fuse: Fuse,
    forgets_ended: bool,
    seen: Arc<Mutex<Seen>>,
}

/// A simulator with these hosts and the client for it.
pub(crate) fn simulated(
    names: &[&str],
    dialect: &Dialect,
    clock: &Clock,
) -> (Connected<HttpsCentralNode>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.yaml");
    let mut file = std::fs::File::create(&fleet).unwrap();
    writeln!(file, "hosts:").unwrap();
    for name in names {
        writeln!(file, "  - {{ name: {name}, restart_drops_isolation: true }}").unwrap();
    }
    let declared = DeclaredServer {
        name: server(),
        origin: origin(1),
        connection: Connection::Simulator { fleet },
        concurrency: 2,
        clock_tolerance: SignedDuration::from_mins(10),
    };
    let retry = Retry { attempts: 2, first_delay: Duration::from_millis(1), ..Retry::default() };
    let options = ConnectOptions {
        simulator_clock: clock.clone(),
        limits: Limits { retry, ..Limits::default() },
        ..ConnectOptions::default()
    };
    let connected = connect(&declared, &options).unwrap();
    connected.simulator.as_ref().unwrap().set_dialect(dialect.clone());
    (connected, folder)
}

/// In real time: sockets wait for somebody.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Reading back is not waited for long.
pub(crate) const QUICK: Pace =
    Pace { attempts: 4, first_pause: Duration::from_millis(1), verify_for: Duration::from_millis(4) };

/// The troubles of calls as faults of a simulator, whose display of the time is ahead by `skew`.
pub(crate) fn faults(troubles: &[Option<Trouble>], dialect: &Dialect, skew: SignedDuration) -> Vec<Fault> {
    let mut faults = vec![Fault { clock_skew: Some(skew), ..Fault::default() }];
    for (skip, trouble) in (0..).zip(troubles) {
        let nth = |method| Fault { method: Some(method), skip, first: Some(1), ..Fault::default() };
        faults.extend(match trouble {
            None | Some(Trouble::ChangedMeanwhile(_)) => None,
            // Longer than it is tried.
            Some(Trouble::NotRead) => Some(Fault { first: Some(2), ..nth(Method::Get) }.status(502)),
            Some(Trouble::LostBefore) => Some(nth(Method::Post).dropping(Drop::Before)),
            Some(Trouble::LostAfter) => Some(nth(Method::Post).dropping(Drop::After)),
            // A rounding server that ignores a renewal can not be seen through.
            Some(Trouble::Ignored) if dialect.timeouts == Rounding::None => {
                Some(Fault { ignore_write: true, ..nth(Method::Post) })
            }
            Some(Trouble::Ignored) => None,
            Some(Trouble::Refused) => Some(nth(Method::Post).status(400)),
            Some(Trouble::Overloaded) => {
                Some(Fault { retry_after: Some(0), ..nth(Method::Post).status(429) })
            }
        });
    }
    faults
}

impl Https {
    pub(crate) fn new(names: &[&str], dialect: Dialect) -> Self {
        let clock = Clock::manual(start());
        let (connected, folder) = simulated(names, &dialect, &clock);
        let Connected { name, address, origin, key, client, concurrency, clock_tolerance, simulator } =
            connected;
        let simulator = Arc::new(simulator.unwrap());
        let (fuse, store) = (Fuse::default(), MemoryStore::default());
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let client = Witnessed {
            inner: client,
            simulator: Arc::clone(&simulator),
            key: key.clone(),
            store: store.clone(),
            fuse: fuse.clone(),
            forgets_ended: dialect.expired == Expired::Gone,
            seen: Arc::clone(&seen),
        };
        let server =
            Connected { name, address, origin, key, client, concurrency, clock_tolerance, simulator: None };
        let lab = Lab {
            servers: vec![server],
            record: Record::new(FusedStore { inner: store.clone(), fuse: fuse.clone() }),
            clock: LabClock(clock.clone()),
            rollout: Rollout::default(),
            pace: QUICK,
        };
        Self { lab, simulator, store, fuse, clock, dialect, seen, _folder: folder }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(crate) fn arm(&self, troubles: &[Option<Trouble>]) {
        let skew = self.seen().skew;
        self.simulator.set_faults(faults(troubles, &self.dialect, skew));
    }
}

impl Witnessed {
    async fn write(
        &self,
        call: Call,
        sent: Difference,
        write: impl Future<Output = Result<(), CallError>>,
    ) -> Result<(), CallError> {
        self.fuse.pass().await;
        let law = self.seen.lock().unwrap().law.clone();
        let arriving = self
            .simulator
            .world(|world| Arriving::new(call, sent, &Shown { world, forgets_ended: self.forgets_ended }));
        arriving.check(&law, self.store.clone(), &self.key).await;
        self.seen.lock().unwrap().writes += 1;
        let written = write.await;
        self.fuse.pass().await;
        written
    }

    fn has_task(&self, id: TaskId) -> bool {
        self.simulator.world(|world| world.task(id.uuid()).is_ok())
    }
}

impl ReadSettings for Witnessed {
    async fn hosts(&self, clock: &dyn kedrctl::model::Clock) -> Result<Listing, CallError> {
        self.inner.hosts(clock).await
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.inner.isolation(sensor).await
    }

    async fn prevention(&self, target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        self.inner.prevention(target).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        self.inner.task(id).await
    }
}

impl TakeTurns for Witnessed {
    type Turn<'a> = &'a Self;

    async fn turn(&self) -> &Self {
        self
    }
}

impl WriteSettings for Witnessed {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        let write = self.inner.set_isolation(sensor, timeout, exclusions);
        let sent = isolation_sent(timeout, exclusions);
        let written = self.write(Call::SetIsolation(sensor), sent, write).await;
        // Whatever became of it, from now on nobody else uses the same: the rule is ours if it is there.
        let listed = self.simulator.world(|world| world.isolation(sensor.uuid()).cloned());
        let mut seen = self.seen.lock().unwrap();
        seen.law.ours.insert(sensor);
        seen.used.extend(
            listed.map(|rule| (rule.timeout_seconds, rule.exclusions.map_or(0, |rules| rules.len()))),
        );
        written
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        let write = self.inner.delete_isolation(sensor);
        self.write(Call::DeleteIsolation(sensor), rule_less(), write).await
    }

    async fn set_prevention(&self, target: Target, rule: &Arc<PreventionRule>) -> Result<(), CallError> {
        let write = self.inner.set_prevention(target, rule);
        self.write(Call::SetPrevention(target), rule_sent(Some(rule)), write).await
    }

    async fn delete_prevention(&self, target: Target) -> Result<(), CallError> {
        let write = self.inner.delete_prevention(target);
        self.write(Call::DeletePrevention(target), rule_sent(None), write).await
    }

    async fn create_task(&self, id: TaskId, sensor: SensorId, program: &Program) -> Result<(), CallError> {
        let was_there = self.has_task(id);
        let write = async {
            let created = self.inner.create_task(id, sensor, program).await;
            if !was_there && self.has_task(id) {
                self.seen.lock().unwrap().law.tasks.note_start(sensor, program);
            }
            created
        };
        self.write(Call::CreateTask(id, sensor), task_sent(id, Some(program)), write).await
    }

    async fn delete_task(&self, id: TaskId) -> Result<(), CallError> {
        let write = self.inner.delete_task(id);
        self.write(Call::DeleteTask(id), task_sent(id, None), write).await
    }
}

/// No isolation is what is sent.
fn rule_less() -> Difference {
    Difference::Isolation(kedrctl::model::Side { before: None, after: None })
}
