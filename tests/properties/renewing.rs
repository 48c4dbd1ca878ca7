//! The job that renews every ten minutes keeps a fleet isolated through outages, with hardly a write too many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::SignedDuration;
use kedrctl::central_node::{
    Call, CallError, CallErrorKind, Listing, ReadSettings, TakeTurns, WriteSettings,
};
use kedrctl::declare::{Declared, Policy, Term};
use kedrctl::execute::{Pace, Rollout, Stop};
use kedrctl::guard::{self, Allowance, LimitKind, Rules};
use kedrctl::model::{
    Exclusions, HostList, Isolation, LastAccess, ListedTask, PreventionRule, Program, Sensor, SensorId,
    ServerKey, Target, TaskId, Timeout, Untrusted,
};
use kedrctl::record::{
    Creation, Holder, LockStore, MemoryLock, MemoryStore, Record, RecordError, Recorded, Store,
};
use kedrctl::session::{Prepared, Run, SurveyOptions, lock_all, spare_renewals, survey};
use kedrctl_simulator::world::{Host, Resend};
use kedrctl_simulator::{Clock, World};
use tokio::sync::watch;

use crate::bench::{now, start};
use crate::lab::{Lab, LabClock, connected};
use crate::values::{declared, declared_host, isolation, sensor, server};

const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// What does not answer at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    None,
    ServerAway,
    /// 503 to everything but the host list.
    ServerBusy,
    Record,
}

/// What goes wrong, decided once for all runs: the same in each run of this test.
#[derive(Debug)]
struct Luck {
    state: u64,
    /// Of a thousand calls, so many go wrong by themselves.
    per_mille: u64,
}

impl Luck {
    /// splitmix64
    fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn fails(&mut self) -> bool {
        self.draw(1_000) < self.per_mille
    }
}

#[derive(Debug)]
struct State {
    world: World,
    luck: Luck,
    outage: Outage,
    /// Writes that had an effect.
    writes: u64,
    requests: u64,
}

/// A fleet, the server in front of it, and the store of its record, all of which fail.
#[derive(Debug, Clone)]
struct Fleet {
    state: Arc<Mutex<State>>,
    clock: Clock,
    store: MemoryStore,
}

impl Fleet {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        state.world.set_now(self.clock.now());
        state
    }

    fn ask<T>(&self, call: Call, answer: impl FnOnce(&mut State) -> T) -> Result<T, CallError> {
        let mut state = self.state();
        state.requests += 1;
        let kind = match (state.outage, call) {
            (Outage::ServerAway, _) => CallErrorKind::CannotConnect,
            (Outage::ServerBusy, Call::Isolation(_) | Call::SetIsolation(_)) => {
                CallErrorKind::Overloaded { retry_after: None }
            }
            _ if !call.is_write() && state.luck.fails() => CallErrorKind::ServerFailed,
            _ if call.is_write() && state.luck.fails() => {
                // Its answer is lost, with or without an effect.
                if state.luck.draw(2) == 0 {
                    answer(&mut state);
                }
                CallErrorKind::AnswerLost
            }
            _ => return Ok(answer(&mut state)),
        };
        Err(CallError::new(call, "memory", kind))
    }

    fn record_fails(&self, attempted: &'static str) -> Result<(), RecordError> {
        let mut state = self.state();
        if state.outage != Outage::Record && !state.luck.fails() {
            return Ok(());
        }
        Err(RecordError::Unreachable {
            attempted,
            place: "memory".to_owned(),
            remedy: "wait",
            cause: "an outage".into(),
        })
    }
}

impl ReadSettings for Fleet {
    async fn hosts(&self, clock: &dyn kedrctl::model::Clock) -> Result<Listing, CallError> {
        let sensors = self.ask(Call::Hosts, |state| {
            let sensor = |host: &Host| Sensor {
                id: SensorId::new(host.sensor_id),
                name: Some(Untrusted::new(host.name.as_str())),
                addresses: Vec::new(),
                last_access: LastAccess::Unknown,
                agent_version: None,
                os_family: None,
                os_name: None,
                capabilities: Vec::new(),
            };
            state.world.hosts().map(sensor).map(|sensor| (sensor.id, Arc::new(sensor))).collect()
        })?;
        let hosts = HostList { sensors, has_more: false, server_version: None };
        let now = clock.now();
        Ok(Listing { hosts, date: Some(now), asked: now, answered: now })
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.ask(Call::Isolation(sensor), |state| {
            let rule = state.world.isolation(sensor.uuid())?;
            Some(Isolation { timeout_seconds: rule.timeout_seconds, exclusions: Exclusions::default() })
        })
    }

    async fn prevention(&self, _target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        unreachable!("renewals are of isolations")
    }

    async fn task(&self, _id: TaskId) -> Result<Option<ListedTask>, CallError> {
        unreachable!("renewals are of isolations")
    }
}

impl TakeTurns for Fleet {
    type Turn<'a> = &'a Self;

    async fn turn(&self) -> &Self {
        self
    }
}

impl WriteSettings for Fleet {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        _exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        self.ask(Call::SetIsolation(sensor), |state| {
            state.writes += 1;
            let seconds = u64::from(timeout.seconds());
            state.world.post_isolation(sensor.uuid(), seconds, None, Resend::Restarts).unwrap();
        })
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        self.ask(Call::DeleteIsolation(sensor), |state| {
            state.writes += 1;
            // It may be the second try of a deletion whose answer was lost.
            if state.world.delete_isolation(sensor.uuid()).is_err() {}
        })
    }

    async fn set_prevention(&self, _: Target, _: &Arc<PreventionRule>) -> Result<(), CallError> {
        unreachable!("renewals are of isolations")
    }

    async fn delete_prevention(&self, _: Target) -> Result<(), CallError> {
        unreachable!("renewals are of isolations")
    }

    async fn create_task(&self, _: TaskId, _: SensorId, _: &Program) -> Result<(), CallError> {
        unreachable!("renewals are of isolations")
    }

    async fn delete_task(&self, _: TaskId) -> Result<(), CallError> {
        unreachable!("renewals are of isolations")
    }
}

impl Store for Fleet {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.store.get(key).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.record_fails("written")?;
        let created = self.store.create(key, bytes).await?;
        self.record_fails("written")?;
        Ok(created)
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.record_fails("written")?;
        self.store.replace(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.record_fails("listed")?;
        self.store.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.store.place(key)
    }
}

impl LockStore for Fleet {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<MemoryLock, RecordError> {
        self.record_fails("locked")?;
        self.store.lock(key, holder, timeout).await
    }
}

struct Job {
    lab: Lab<Fleet, Fleet>,
    fleet: Fleet,
    declared: Declared,
    hosts: Vec<(SensorId, Term)>,
    /// The record as a run last read it, and how many objects were in its store then: these never change.
    known: Mutex<Option<(usize, Recorded)>>,
}

impl Job {
    /// All are isolated at the start, by an apply that nothing disturbs.
    async fn new(terms: &[Term]) -> Self {
        let clock = Clock::manual(start());
        let mut world = World::new(start());
        let names: Vec<String> = (0..terms.len()).map(|n| format!("WS-{n}")).collect();
        names.iter().for_each(|name| world.add_host(Host::new(name)));
        let luck = Luck { state: 417, per_mille: 0 };
        let state = State { world, luck, outage: Outage::None, writes: 0, requests: 0 };
        let fleet =
            Fleet { state: Arc::new(Mutex::new(state)), clock: clock.clone(), store: MemoryStore::default() };
        let hosts = names.iter().zip(terms);
        let declared = declared(
            hosts.clone().map(|(name, term)| declared_host(name, Some(isolation(*term, 0)), None)).collect(),
            Policy::default(),
        );
        let job = Self {
            lab: Lab {
                servers: vec![connected(fleet.clone(), ServerKey::of_simulator("fleet"))],
                record: Record::new(fleet.clone()),
                clock: LabClock(clock),
                pace: Pace::default(),
                rollout: Rollout::default(),
            },
            fleet,
            declared,
            hosts: hosts.map(|(name, term)| (sensor(name), *term)).collect(),
            known: Mutex::new(None),
        };
        job.run(&SurveyOptions::default()).await;
        job.fleet.clock.advance(SignedDuration::from_mins(1));
        job.fleet.state().world.contact_all();
        job.fleet.clock.set(start());
        job
    }

    /// As the command does it; what goes wrong is left to the next run.
    async fn run(&self, options: &SurveyOptions) {
        let Lab { servers, record, clock, pace, rollout } = &self.lab;
        let holder = Holder { by: "job".into(), pid: 1, since: self.fleet.clock.now() };
        let locks = lock_all(record, servers, &holder, Duration::ZERO).await;
        if !locks.left_out.is_empty() {
            return;
        }
        let recorded = locks.recorded();
        let objects = self.fleet.store.objects().len();
        *self.known.lock().unwrap() = recorded.get(&server()).map(|known| (objects, known.clone()));
        let found = survey(&self.declared, servers, recorded, options, clock, &|_| {}).await.unwrap();
        let allowances = LimitKind::ALL.map(|kind| Allowance { kind, count: 1_000 });
        let nobody = BTreeSet::new();
        let rules = Rules {
            policy: &self.declared.policy,
            allowances: &allowances,
            take_over: &nobody,
            owner: &self.declared.owner,
            listed: &found.listed,
            recorded: &found.recorded,
            never_block: &found.never_block,
        };
        let plan = spare_renewals(found.plan.clone(), &rules);
        let (cleared, _) = guard::clear(plan, &rules).unwrap();
        let run = Run {
            id: uuid::Uuid::new_v4().to_string().into(),
            command: "apply --renew-only".into(),
            by: "job".into(),
            owner: self.declared.owner.clone(),
            allow: Vec::new(),
            plan: None,
            ci_job: None,
            ci_commit: None,
        };
        let (_stop, stop) = watch::channel(Stop::No);
        let prepared = Prepared { cleared, survey: found, locks: locks.held };
        let _settled_by_the_next_run =
            prepared.execute(servers, &run, clock, &(), stop, (*pace, rollout)).await;
    }

    async fn renew(&self) {
        let options = SurveyOptions { renew_only: true, ..SurveyOptions::default() };
        if !self.has_nothing_to_do(&options).await {
            self.run(&options).await;
        }
    }

    /// A run that writes nothing, without reading the whole record again to find that out.
    async fn has_nothing_to_do(&self, options: &SurveyOptions) -> bool {
        let known = self.known.lock().unwrap().clone();
        let Some((objects, recorded)) = known else { return false };
        if objects != self.fleet.store.objects().len() || self.fleet.record_fails("locked").is_err() {
            return false;
        }
        let Lab { servers, clock, .. } = &self.lab;
        let recorded = BTreeMap::from([(server(), recorded)]);
        let found = survey(&self.declared, servers, recorded, options, clock, &|_| {}).await.unwrap();
        let is_settled = found.settled.values().all(Vec::is_empty);
        found.plan.changes().next().is_none() && is_settled
    }

    /// The hosts that are not, or not until the next run, isolated although they are declared so.
    fn free(&self) -> Vec<SensorId> {
        let state = self.fleet.state();
        let next = self.fleet.clock.now() + EVERY;
        let is_free = |(id, term): &&(SensorId, Term)| {
            let needed = match term {
                Term::Lease(_) => next,
                Term::Until(until) => next.min(*until),
            };
            let until = state.world.effective(id.uuid()).unwrap().isolated_until;
            needed > self.fleet.clock.now() && until.is_none_or(|until| until < needed)
        };
        self.hosts.iter().filter(is_free).map(|(id, _)| *id).collect()
    }
}

fn lease(hours: i64) -> Term {
    Term::Lease(Timeout::from_seconds(hours * 3_600).unwrap())
}

/// The least writes that keep a term in force for `days` days of runs every ten minutes, after it was first set.
///
/// The rule of design and guide: a lease is sent again at the first run at which less than half of it is left. Sent at
/// 0, that is the first multiple of ten minutes after half of the lease, so its period is
/// `(floor(lease / 2 / 10 min) + 1) * 10 min`, and the least is how many whole periods fit. An `until` is set once, and
/// deleted once where its instant comes.
fn least(term: Term, days: i64) -> u64 {
    let span = days * 86_400;
    let writes = match term {
        Term::Lease(lease) => {
            let half = i64::from(lease.seconds()) / 2;
            span / ((half / EVERY.as_secs() + 1) * EVERY.as_secs())
        }
        Term::Until(until) => i64::from(until < start() + SignedDuration::from_secs(span)),
    };
    writes.try_into().unwrap()
}

#[test]
fn three_hundred_hosts_stay_isolated_for_ten_days_of_failures() {
    const DAYS: i64 = 10;
    let hours = |n: i64| Term::Until(start() + SignedDuration::from_hours(n));
    // Few of the short ones: each renewal makes the record longer, which every later run reads.
    let mut terms = vec![lease(8); 2];
    terms.extend(vec![lease(12); 2]);
    terms.extend(vec![lease(24); 12]);
    terms.extend(vec![lease(72); 40]);
    terms.extend(vec![lease(240); 144]);
    // Half of them end within the ten days, a few at a time.
    terms.extend((0..50).map(|n| hours(5 + n * 4)));
    terms.extend((0..50).map(|n| hours(300 + n)));
    assert_eq!(terms.len(), 300);
    let least: u64 = terms.iter().map(|term| least(*term, DAYS)).sum();
    now(async {
        let job = Job::new(&terms).await;
        let before = job.fleet.state().writes;
        job.fleet.state().luck.per_mille = 8;
        let (mut outage, mut until) = (Outage::None, start());
        let mut disturbed = 0;
        for tick in 0..DAYS * 144 {
            let at = start() + EVERY * i32::try_from(tick).unwrap();
            job.fleet.clock.set(at);
            if at >= until {
                // Up to three hours without, then at least one with: less than half of the shortest lease. A busy
                // server makes every run write down what it means to do, so that is short.
                let mut state = job.fleet.state();
                let minutes = if outage == Outage::None {
                    outage = [Outage::ServerAway, Outage::ServerBusy, Outage::Record]
                        [usize::try_from(state.luck.draw(3)).unwrap()];
                    if outage == Outage::ServerBusy { 20 } else { 30 + state.luck.draw(150) }
                } else {
                    outage = Outage::None;
                    60 + state.luck.draw(600)
                };
                state.outage = outage;
                until = at + SignedDuration::from_mins(minutes.try_into().unwrap());
            }
            disturbed += i32::from(outage != Outage::None);
            job.renew().await;
            let free = job.free();
            assert!(free.is_empty(), "at {at}, {outage:?}: {free:?}");
        }
        assert!(disturbed > 200, "{disturbed} runs met an outage");
        let writes = job.fleet.state().writes - before;
        assert!(writes * 10 <= least * 11, "{writes} writes, where {least} would do");
        assert!(writes * 10 >= least * 8, "{writes} writes can not have kept {least} promises");
    });
}

/// From when it is due, half of the lease is left: so long may nothing work, less the ten minutes until the next run
/// and the five until the agent asks.
#[test]
fn an_outage_may_last_for_half_of_the_lease_and_no_longer() {
    for (minutes, survives) in [(4 * 60 - 20, true), (4 * 60 + 20, false)] {
        now(async {
            let job = Job::new(&[lease(8)]).await;
            let due = start() + SignedDuration::from_hours(4) + EVERY;
            job.fleet.state().outage = Outage::ServerAway;
            let mut lapsed = false;
            let mut at = due;
            while at < due + SignedDuration::from_mins(minutes) {
                job.fleet.clock.set(at);
                job.renew().await;
                lapsed |= !job.free().is_empty();
                at += EVERY;
            }
            job.fleet.state().outage = Outage::None;
            job.fleet.clock.set(at);
            job.renew().await;
            lapsed |= !job.free().is_empty();
            assert_eq!(!lapsed, survives, "{minutes} min");
            job.fleet.clock.set(at + EVERY);
            job.renew().await;
            assert!(job.free().is_empty(), "what lapsed is put back");
        });
    }
}

#[test]
fn what_is_in_force_by_the_record_is_not_asked_about() {
    now(async {
        let terms: Vec<Term> = (0..40).map(|n| if n < 7 { lease(12) } else { lease(48) }).collect();
        let job = Job::new(&terms).await;
        // Without what spares this test's runs the record.
        let requests = |job: &Job| {
            *job.known.lock().unwrap() = None;
            std::mem::take(&mut job.fleet.state().requests)
        };
        requests(&job);
        job.fleet.clock.advance(EVERY);
        job.renew().await;
        assert_eq!(requests(&job), 1);
        job.fleet.clock.advance(SignedDuration::from_hours(6));
        job.renew().await;
        assert_eq!(requests(&job), 1 + 3 * 7);
    });
}
