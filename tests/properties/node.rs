//! A Central Node in memory: the simulator's world behind the client's traits, with faults.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::{
    Call, CallError, CallErrorKind, Listing, ReadSettings, TakeTurns, WriteSettings,
};
use kedrctl::model::{
    Difference, Exclusions, HostList, Isolation, LastAccess, ListedTask, PreventionRule, Program, Sensor,
    SensorId, ServerKey, Side, Target, TaskId, Timeout, Untrusted,
};
use kedrctl::record::MemoryStore;
use kedrctl_simulator::{Clock, World, world};

use crate::fuse::Fuse;
use crate::law::Law;
use crate::shown::Shown;
use crate::translate::{of_hash, of_target, of_task, rule};
use crate::witness::{Arriving, isolation_sent, rule_sent, task_sent};

/// What goes wrong with one call. What does not fit the call is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A read that fails after all its tries.
    NotRead,
    /// A write that never arrives, and nobody knows.
    LostBefore,
    /// A write that is carried out; its answer is lost.
    LostAfter,
    /// 200 without effect.
    Ignored,
    Refused,
    Overloaded,
    /// Right before a setting is read somebody else changes it: an isolation comes, or this file is blocked.
    ChangedMeanwhile(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    Exact,
    Down,
    Up,
}

impl Rounding {
    fn round(self, seconds: u64) -> u64 {
        match self {
            Self::Exact => seconds,
            Self::Down => seconds / 3_600 * 3_600,
            Self::Up => seconds.div_ceil(3_600) * 3_600,
        }
    }
}

/// How this server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) rounding: Rounding,
    /// Rules past their end are listed no more.
    pub(crate) forgets_ended: bool,
    /// Last accesses are told in whole seconds.
    pub(crate) whole_seconds: bool,
    /// Answers carry a `Date`, where the clocks do not agree in any case.
    pub(crate) tells_date: bool,
    /// How long a call takes while a run writes.
    pub(crate) latency: SignedDuration,
}

#[derive(Debug, Clone)]
pub(crate) struct MemoryNode(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    fuse: Fuse,
    store: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) manners: Manners,
    /// By how much its display of the time is ahead.
    pub(crate) skew: SignedDuration,
    /// What goes wrong with the next calls, one each.
    pub(crate) troubles: VecDeque<Option<Trouble>>,
    /// Whether calls take their time.
    pub(crate) takes_time: bool,
    /// Hosts whose renewal was ignored by a rounding server: nobody can know.
    pub(crate) fooled: BTreeSet<SensorId>,
    pub(crate) law: Law,
    /// What was ever set by us, so that others use something else.
    pub(crate) used: Used,
    /// Writes that had an effect.
    pub(crate) writes: u32,
}

/// Timeouts, each with the number of exclusions: all that tells one rule of these tests from another.
pub(crate) type Used = BTreeSet<(u64, usize)>;

impl MemoryNode {
    pub(crate) fn new(
        world: World,
        clock: Clock,
        fuse: Fuse,
        store: MemoryStore,
        manners: Manners,
        skew: SignedDuration,
    ) -> Self {
        let state = State {
            world,
            manners,
            skew,
            troubles: VecDeque::new(),
            takes_time: false,
            fooled: BTreeSet::new(),
            law: Law::default(),
            used: Used::new(),
            writes: 0,
        };
        Self(Arc::new(Inner { clock, fuse, store, state: Mutex::new(state) }))
    }

    pub(crate) fn key() -> ServerKey {
        ServerKey::of_simulator("memory")
    }

    /// The state at this instant.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap();
        let now = self.0.clock.now();
        state.world.set_now(now);
        state
    }

    async fn begin(&self) -> Option<Trouble> {
        self.0.fuse.pass().await;
        let (trouble, latency) = {
            let mut state = self.state();
            let latency = if state.takes_time { state.manners.latency } else { SignedDuration::ZERO };
            (state.troubles.pop_front().flatten(), latency)
        };
        self.0.clock.advance(latency / 2);
        trouble
    }

    async fn end(&self) {
        let latency = {
            let state = self.state();
            if state.takes_time { state.manners.latency } else { SignedDuration::ZERO }
        };
        self.0.clock.advance(latency / 2);
        self.0.fuse.pass().await;
    }

    async fn read<T>(&self, call: Call, of: impl FnOnce(&State) -> T) -> Result<T, CallError> {
        let trouble = self.begin().await;
        if let Some(Trouble::NotRead) = trouble {
            return Err(error(call, CallErrorKind::ServerFailed));
        }
        if let Some(Trouble::ChangedMeanwhile(n)) = trouble {
            self.state().change_meanwhile(call, n);
        }
        let value = of(&self.state());
        self.end().await;
        Ok(value)
    }

    /// A write: the record has to know of it and of what was there before, in the moment in which it arrives.
    async fn write(
        &self,
        call: Call,
        sent: Difference,
        effect: impl FnOnce(&mut State) -> Result<(), world::Refusal>,
    ) -> Result<(), CallError> {
        let trouble = self.begin().await;
        let (arriving, law) = {
            let state = self.state();
            (Arriving::new(call, sent.clone(), &state.shown()), state.law.clone())
        };
        arriving.check(&law, self.0.store.clone(), &Self::key()).await;
        match trouble {
            Some(Trouble::LostBefore) => return Err(error(call, CallErrorKind::AnswerLost)),
            Some(Trouble::Refused) => {
                return Err(error(call, CallErrorKind::Incorrect(Untrusted::new("no"))));
            }
            Some(Trouble::Overloaded) => {
                let retry_after = Some(Duration::from_secs(7));
                return Err(error(call, CallErrorKind::Overloaded { retry_after }));
            }
            Some(Trouble::Ignored) => {
                self.ignored(call, &sent);
                self.end().await;
                return Ok(());
            }
            Some(Trouble::NotRead | Trouble::LostAfter | Trouble::ChangedMeanwhile(_)) | None => {}
        }
        let done = {
            let mut state = self.state();
            state.writes += 1;
            effect(&mut state)
        };
        let result = match (done, trouble) {
            (Ok(()), Some(Trouble::LostAfter)) => return Err(error(call, CallErrorKind::AnswerLost)),
            (Ok(()), _) => Ok(()),
            (Err(world::Refusal::UnknownHost | world::Refusal::NoRule | world::Refusal::NoTask), _) => {
                Err(error(call, CallErrorKind::NoSuchHost))
            }
            (Err(world::Refusal::TaskExists), _) => Err(error(call, CallErrorKind::AlreadyThere)),
            (Err(refusal @ world::Refusal::Clash(_)), _) => {
                let text = Untrusted::new(refusal.to_string());
                Err(error(call, CallErrorKind::Clash { hosts: Vec::new(), text }))
            }
            (Err(refusal), _) => {
                Err(error(call, CallErrorKind::Incorrect(Untrusted::new(refusal.to_string()))))
            }
        };
        self.end().await;
        result
    }

    /// An ignored renewal shows, unless the server rounds it to what is listed already.
    fn ignored(&self, call: Call, sent: &Difference) {
        let mut state = self.state();
        if let (Call::SetIsolation(id), Difference::Isolation(Side { after: Some(after), .. })) = (call, sent)
            && state.manners.rounding != Rounding::Exact
            && let Some(listed) = state.listed_isolation(id)
            && listed.timeout_seconds == state.manners.rounding.round(after.timeout_seconds)
            && listed.exclusions == after.exclusions
        {
            state.fooled.insert(id);
        }
    }
}

impl State {
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown { world: &self.world, forgets_ended: self.manners.forgets_ended }
    }

    pub(crate) fn listed_isolation(&self, id: SensorId) -> Option<Isolation> {
        self.shown().isolation(id)
    }

    pub(crate) fn listed_prevention(&self, target: Target) -> Option<PreventionRule> {
        self.shown().prevention(target)
    }

    /// Somebody else comes between the plan and the look before the write.
    fn change_meanwhile(&mut self, call: Call, n: u8) {
        if let Call::Isolation(id) = call {
            // A rounding server would round it, and then nothing tells it from ours.
            if self.manners.rounding == Rounding::Exact && self.world.host(id.uuid()).is_some() {
                // No timeout that we would send.
                let seconds = 7_201 + 2 * u64::from(n) + 20 * u64::try_from(self.used.len()).unwrap();
                self.world.set_isolation(id.uuid(), seconds, Vec::new()).unwrap();
                self.law.ours.remove(&id);
            }
        }
        if let Call::Prevention(Target::Sensor(id)) = call {
            let (of_host, hash) = (of_target(Target::Sensor(id)), of_hash(crate::values::hash(n)));
            let blocks = |target| self.world.prevention(target).is_some_and(|rule| rule.blocks(hash));
            if self.world.host(id.uuid()).is_some() && !blocks(world::Target::All) && !blocks(of_host) {
                let rule = self.world.prevention(of_host);
                let mut objects = rule.map_or_else(Vec::new, |rule| rule.objects().to_vec());
                objects.push(world::FileObject::new(hash));
                self.world.set_prevention(of_host, objects).unwrap();
            }
        }
    }

    fn sensor(&self, host: &world::Host) -> Arc<Sensor> {
        let shown = |instant: Timestamp| {
            let instant = instant + self.skew;
            if self.manners.whole_seconds {
                Timestamp::from_second(instant.as_second()).unwrap()
            } else {
                instant
            }
        };
        let seen = self.world.last_access(host.sensor_id).map(shown);
        Arc::new(Sensor {
            id: SensorId::new(host.sensor_id),
            name: Some(Untrusted::new(host.name.as_str())),
            addresses: host.ip.into_iter().collect(),
            last_access: seen.map_or(LastAccess::Unknown, LastAccess::At),
            agent_version: None,
            os_family: host.os_family.as_deref().map(Untrusted::new),
            os_name: None,
            capabilities: Vec::new(),
        })
    }

    /// Without it nobody can know of a skew.
    fn date(&self) -> Option<Timestamp> {
        let shown = (self.world.now() + self.skew).as_second();
        let is_told = self.manners.tells_date || !self.skew.is_zero();
        is_told.then(|| Timestamp::from_second(shown).unwrap())
    }

    pub(crate) fn host_list(&self) -> HostList {
        let sensors = self.world.hosts().map(|host| self.sensor(host));
        HostList {
            sensors: sensors.map(|sensor| (sensor.id, sensor)).collect(),
            has_more: false,
            server_version: None,
        }
    }
}

impl ReadSettings for MemoryNode {
    async fn hosts(&self, clock: &dyn kedrctl::model::Clock) -> Result<Listing, CallError> {
        let asked = clock.now();
        let (hosts, date) = self.read(Call::Hosts, |state| (state.host_list(), state.date())).await?;
        Ok(Listing { hosts, date, asked, answered: clock.now() })
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        self.read(Call::Isolation(sensor), |state| state.listed_isolation(sensor)).await
    }

    async fn prevention(&self, target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        self.read(Call::Prevention(target), |state| state.listed_prevention(target))
            .await
            .map(|rule| rule.map(Arc::new))
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        self.read(Call::Task(id), |state| state.shown().task(id)).await
    }
}

impl TakeTurns for MemoryNode {
    type Turn<'a> = &'a Self;

    async fn turn(&self) -> &Self {
        self
    }
}

impl WriteSettings for MemoryNode {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        let seconds = u64::from(timeout.seconds());
        self.write(Call::SetIsolation(sensor), isolation_sent(timeout, exclusions), |state| {
            let kept = state.manners.rounding.round(seconds);
            let rules = exclusions.iter().map(rule).collect();
            state.law.ours.insert(sensor);
            state.fooled.remove(&sensor);
            state.used.insert((kept, exclusions.len()));
            state.world.post_isolation(sensor.uuid(), kept, Some(rules), world::Resend::Restarts)
        })
        .await
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        let sent = Difference::Isolation(Side { before: None, after: None });
        self.write(Call::DeleteIsolation(sensor), sent, |state| {
            state.law.ours.remove(&sensor);
            state.world.delete_isolation(sensor.uuid())
        })
        .await
    }

    async fn set_prevention(&self, target: Target, rule: &Arc<PreventionRule>) -> Result<(), CallError> {
        self.write(Call::SetPrevention(target), rule_sent(Some(rule)), |state| {
            let objects = rule.objects.iter().map(|(hash, kept)| {
                let object = world::FileObject::new(of_hash(*hash));
                match &kept.name {
                    Some(name) => object.named(name.raw()),
                    None => object,
                }
            });
            state.world.post_prevention(of_target(target), objects.collect())
        })
        .await
    }

    async fn delete_prevention(&self, target: Target) -> Result<(), CallError> {
        self.write(Call::DeletePrevention(target), rule_sent(None), |state| {
            state.world.delete_prevention(of_target(target))
        })
        .await
    }

    async fn create_task(&self, id: TaskId, sensor: SensorId, program: &Program) -> Result<(), CallError> {
        self.write(Call::CreateTask(id, sensor), task_sent(id, Some(program)), |state| {
            state.world.post_task(of_task(id, sensor, program))?;
            state.law.tasks.note_start(sensor, program);
            Ok(())
        })
        .await
    }

    async fn delete_task(&self, id: TaskId) -> Result<(), CallError> {
        self.write(Call::DeleteTask(id), task_sent(id, None), |state| state.world.delete_task(id.uuid()))
            .await
    }
}

fn error(call: Call, kind: CallErrorKind) -> CallError {
    CallError::new(call, "memory", kind)
}
