//! A Central Node in memory: the simulator's world behind the client's traits, with faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::{Call, CallError, CallErrorKind, Listing, ReadSettings, WriteSettings};
use kedrctl::model::{
    Difference, Exclusions, FileHash, HostList, Isolation, KeptObject, LastAccess, ListedTask,
    PreventionRule, Program, Sensor, SensorId, ServerKey, Side, Target, TaskId, Timeout, Untrusted,
};
use kedrctl::record::MemoryStore;
use kedrctl_simulator::{Clock, World, world};

use crate::fuse::Fuse;
use crate::translate::{exclusion, of_hash, of_target, rule};

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
    /// Hosts whose rule was set by a write of ours.
    pub(crate) ours: BTreeSet<SensorId>,
    /// What may be deleted, by what is declared now; the whole host may not be isolated where it is not in here.
    pub(crate) allowed: BTreeMap<SensorId, Allowed>,
    /// Whether the rule for all hosts may be written.
    pub(crate) all_is_declared: bool,
    /// What was ever set by us, so that others use something else.
    pub(crate) used: Used,
    /// Writes that had an effect.
    pub(crate) writes: u32,
}

/// Timeouts, each with the number of exclusions: all that tells one rule of these tests from another.
pub(crate) type Used = BTreeSet<(u64, usize)>;

/// What a declared entry allows of writes to its isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Isolate,
    Release,
    /// Only a rule of ours.
    EndOurs,
    /// By one of the two clocks its time has ended.
    IsolateOrEndOurs,
}

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
            ours: BTreeSet::new(),
            allowed: BTreeMap::new(),
            all_is_declared: false,
            used: Used::new(),
            writes: 0,
        };
        Self(Arc::new(Inner { clock, fuse, store, state: Mutex::new(state) }))
    }

    pub(crate) fn store(&self) -> MemoryStore {
        self.0.store.clone()
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
        self.witness(call, &sent).await;
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
            Some(Trouble::NotRead | Trouble::LostAfter) | None => {}
        }
        let done = {
            let mut state = self.state();
            state.writes += 1;
            effect(&mut state)
        };
        let result = match (done, trouble) {
            (Ok(()), Some(Trouble::LostAfter)) => return Err(error(call, CallErrorKind::AnswerLost)),
            (Ok(()), _) => Ok(()),
            (Err(world::Refusal::UnknownHost | world::Refusal::NoRule), _) => {
                Err(error(call, CallErrorKind::NoSuchHost))
            }
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
    pub(crate) fn listed_isolation(&self, id: SensorId) -> Option<Isolation> {
        let rule = self.world.isolation(id.uuid())?;
        let is_forgotten = self.manners.forgets_ended && rule.end() <= self.world.now();
        if is_forgotten { None } else { self.kept_isolation(id) }
    }

    pub(crate) fn kept_isolation(&self, id: SensorId) -> Option<Isolation> {
        let rule = self.world.isolation(id.uuid())?;
        Some(Isolation {
            timeout_seconds: rule.timeout_seconds,
            exclusions: Arc::new(rule.exclusions.iter().flatten().map(exclusion).collect()),
        })
    }

    pub(crate) fn listed_prevention(&self, target: Target) -> Option<PreventionRule> {
        let rule = self.world.prevention(of_target(target))?;
        let objects = rule.objects().iter().filter_map(|object| {
            let hash: FileHash = object.hash?.to_string().parse().unwrap();
            let name = object.fields.get("name").and_then(|name| name.as_str()).map(Untrusted::new);
            let has_other_fields = object.fields.keys().any(|key| key != "name");
            Some((hash, KeptObject { name, has_other_fields }))
        });
        Some(PreventionRule { objects: objects.collect() })
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

    async fn prevention(&self, target: Target) -> Result<Option<PreventionRule>, CallError> {
        self.read(Call::Prevention(target), |state| state.listed_prevention(target)).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        self.read(Call::Task(id), |_state| None).await
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
        let after = Isolation { timeout_seconds: seconds, exclusions: Arc::clone(exclusions) };
        let sent = Difference::Isolation(Side { before: None, after: Some(after) });
        self.write(Call::SetIsolation(sensor), sent, |state| {
            let kept = state.manners.rounding.round(seconds);
            let rules = exclusions.iter().map(rule).collect();
            state.ours.insert(sensor);
            state.fooled.remove(&sensor);
            state.used.insert((kept, exclusions.len()));
            state.world.post_isolation(sensor.uuid(), kept, Some(rules), world::Resend::Restarts)
        })
        .await
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        let sent = Difference::Isolation(Side { before: None, after: None });
        self.write(Call::DeleteIsolation(sensor), sent, |state| {
            state.ours.remove(&sensor);
            state.world.delete_isolation(sensor.uuid())
        })
        .await
    }

    async fn set_prevention(&self, target: Target, rule: &PreventionRule) -> Result<(), CallError> {
        let sent = Difference::Prevention(Side { before: None, after: Some(Arc::new(rule.clone())) });
        self.write(Call::SetPrevention(target), sent, |state| {
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
        let sent = Difference::Prevention(Side { before: None, after: None });
        self.write(Call::DeletePrevention(target), sent, |state| {
            state.world.delete_prevention(of_target(target))
        })
        .await
    }

    async fn create_task(&self, _: TaskId, _: SensorId, _: &Program) -> Result<(), CallError> {
        unreachable!("no task is declared")
    }

    async fn delete_task(&self, _: TaskId) -> Result<(), CallError> {
        unreachable!("no task is declared")
    }
}

fn error(call: Call, kind: CallErrorKind) -> CallError {
    CallError::new(call, "memory", kind)
}
