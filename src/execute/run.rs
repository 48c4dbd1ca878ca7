//! One server's steps, one after the other; within a step, changes side by side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{self, watch};

use super::write::{Written, doubling, write};
use super::{ChangeOutcome, Event, Observer, ServerOutcome, Stop, Stopped, StoppedBy, WriteResult};
use crate::central_node::WriteSettings;
use crate::guard::ClearedServer;
use crate::model::{Clock, Difference, Isolation, ServerName, Side, Timeout};
use crate::plan::{Change, ListedTimeouts, Purpose, ServerClock, ServerPlan, ServerState, timeout_to_send};
use crate::record::{INTENTIONS_AT_ONCE, Intended, Intention, Intentions, Lease, RecordError};

/// How patient execution is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often one write is tried, each time after a new look.
    pub attempts: u32,
    /// The pause before the second try, and between the looks that verify; doubles.
    pub first_pause: Duration,
    /// How long a write is read back before it counts as unknown.
    pub verify_for: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { attempts: 4, first_pause: Duration::from_millis(200), verify_for: Duration::from_secs(30) }
    }
}

impl Pace {
    pub(super) fn pause(&self, round: u32) -> Duration {
        doubling(self.first_pause, round, Duration::from_secs(5))
    }
}

/// What execution needs of one server.
#[derive(Debug)]
pub struct Server<'a, C, K, O> {
    pub client: &'a C,
    pub clock: &'a K,
    pub observer: &'a O,
    pub stop: watch::Receiver<Stop>,
    pub concurrency: usize,
    pub pace: Pace,
}

/// What the writes of one server share.
pub(super) struct Shared<'a, K, O> {
    pub(super) server: &'a ServerName,
    pub(super) clock: &'a K,
    pub(super) observer: &'a O,
    pub(super) stop: watch::Receiver<Stop>,
    pub(super) pace: Pace,
    pub(super) server_clock: ServerClock,
    pub(super) timeouts: ListedTimeouts,
    /// Whether we still hold the lock.
    pub(super) lease: Lease,
    /// Why nothing more may be sent to this server.
    stopped: Mutex<Option<Stopped>>,
}

impl<'a, K, O> Shared<'a, K, O> {
    pub(super) fn new<C>(plan: &'a ServerPlan, server: &Server<'a, C, K, O>, lease: Lease) -> Self {
        // Nothing is planned on a server that was not read.
        let (server_clock, timeouts) = match &plan.state {
            ServerState::Read { clock, timeouts, .. } => (*clock, *timeouts),
            ServerState::ListNotBelieved { .. } | ServerState::Unreachable { .. } => {
                (ServerClock::NotGiven, ListedTimeouts::NotKnown)
            }
        };
        Self {
            server: &plan.server,
            clock: server.clock,
            observer: server.observer,
            stop: server.stop.clone(),
            pace: server.pace,
            server_clock,
            timeouts,
            lease,
            stopped: Mutex::new(None),
        }
    }

    pub(super) fn stop(&self, by: StoppedBy, why: String) {
        // A poisoned lock still holds a whole value: nothing is left half written in it.
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Stopped { why, by });
    }

    pub(super) fn stopped(&self) -> Option<Stopped> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn why_stopped(&self) -> Option<String> {
        self.stopped().map(|stopped| stopped.why)
    }
}

/// Carries out the plan of one server. Every intention is durable in `journal` before it is sent.
pub async fn execute<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    plan: &ClearedServer<'_>,
    server: Server<'_, C, K, O>,
    journal: &mut J,
) -> ServerOutcome {
    let plan = plan.plan();
    let shared = Shared::new(plan, &server, journal.lease());
    let mut changes = Vec::new();
    for step in &plan.steps {
        // A release is put down right before it is sent, alone: whoever contains that host by hand meanwhile must
        // meet at most one release that is on its way.
        let ahead = match step.purpose {
            Purpose::Release => 1,
            Purpose::Contain | Purpose::Prevent | Purpose::Run => INTENTIONS_AT_ONCE,
        };
        for batch in step.changes.chunks(ahead) {
            let results = batch_of(batch, server.client, &shared, server.concurrency, journal).await;
            changes.extend(
                batch
                    .iter()
                    .zip(results)
                    .map(|(change, result)| ChangeOutcome { change: Arc::clone(change), result }),
            );
        }
    }
    ServerOutcome { server: plan.server.clone(), changes, stopped: shared.stopped() }
}

async fn batch_of<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    batch: &[Arc<Change>],
    client: &C,
    shared: &Shared<'_, K, O>,
    concurrency: usize,
    journal: &mut J,
) -> Vec<WriteResult> {
    let not_tried = |why: String| -> Vec<WriteResult> {
        batch.iter().map(|_| WriteResult::NotTried { why: why.clone() }).collect()
    };
    if *shared.stop.borrow() != Stop::No {
        return not_tried("interrupted before it was sent".to_owned());
    }
    if let Some(why) = shared.why_stopped() {
        return not_tried(why);
    }
    let now = shared.clock.now();
    let ready: Vec<ReadyChange> = batch
        .iter()
        .map(|change| ReadyChange {
            change: Arc::clone(change),
            difference: as_sent(change, shared.server_clock, now),
        })
        .collect();
    let mut results = write_all(&ready, client, shared, concurrency, journal).await;
    // Of those that can not be told from ignored ones, the same again with a timeout that rounding can not hide.
    let (places, again): (Vec<usize>, Vec<ReadyChange>) = results
        .iter()
        .enumerate()
        .filter(|(_, result)| matches!(result, Written::NotToldApart))
        .filter_map(|(i, _)| Some((i, ready[i].beyond_rounding()?)))
        .unzip();
    let second = write_all(&again, client, shared, concurrency, journal).await;
    for (i, result) in places.into_iter().zip(second) {
        // Whatever kept the second from being sent: the first one was.
        if matches!(&result, Written::Ended(WriteResult::Done { .. } | WriteResult::Unknown { .. })) {
            results[i] = result;
        }
    }
    let results: Vec<WriteResult> = results.into_iter().map(Written::result).collect();
    for (change, result) in batch.iter().zip(&results) {
        let outcome = ChangeOutcome { change: Arc::clone(change), result: result.clone() };
        shared.observer.notice(Event::Ended { server: shared.server.clone(), outcome });
    }
    results
}

/// Puts the intentions down, writes them side by side, and notes what became of them.
pub(super) async fn write_all<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    ready: &[ReadyChange],
    client: &C,
    shared: &Shared<'_, K, O>,
    concurrency: usize,
    journal: &mut J,
) -> Vec<Written> {
    if ready.is_empty() {
        return Vec::new();
    }
    let now = shared.clock.now();
    let clocks_apart = matches!(shared.server_clock, ServerClock::Apart(_));
    let intentions: Vec<Intention> = ready.iter().map(|ready| ready.intention(now, clocks_apart)).collect();
    let intended = match journal.intend(&intentions).await {
        Ok(intended) => intended,
        Err(error) => {
            let why = format!("the record could not take it, so it was not sent: {error}");
            shared.stop(stopped_by(&error), why.clone());
            let not_tried = |_| Written::Ended(WriteResult::NotTried { why: why.clone() });
            return ready.iter().map(not_tried).collect();
        }
    };
    let asked = sync::Mutex::new(&mut *journal);
    let write_one = async |(ready, intended): (&ReadyChange, Intended)| match intended {
        Intended::MaySend(number) => {
            let (written, outcome) = write(client, ready, shared, &asked).await;
            (written, Some((number, outcome)))
        }
        Intended::Held(hold) => (Written::Ended(WriteResult::Held { hold }), None),
    };
    let ended: Vec<_> = futures_util::stream::iter(ready.iter().zip(intended))
        .map(write_one)
        .buffered(concurrency)
        .collect()
        .await;
    let (results, outcomes): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    journal.outcomes(shared.clock.now(), &outcomes);
    results
}

/// One change as it is about to be sent.
#[derive(Debug)]
pub(super) struct ReadyChange {
    pub(super) change: Arc<Change>,
    /// With the timeout of this moment, not that of the plan.
    pub(super) difference: Difference,
}

impl ReadyChange {
    /// The same with an hour more (at the upper end, less): however a server rounds, it lists another timeout then.
    fn beyond_rounding(&self) -> Option<Self> {
        const HOUR: i64 = 3_600;
        let Difference::Isolation(Side { before, after: Some(after) }) = &self.difference else {
            return None;
        };
        let sent = i64::try_from(after.timeout_seconds).unwrap_or(i64::MAX);
        let timeout = Timeout::from_seconds(sent.saturating_add(HOUR))
            .or_else(|_above_the_range| Timeout::from_seconds(sent.saturating_sub(HOUR)));
        // In the range of 1 h to 9,999 h one of the two always is.
        let timeout_seconds = timeout.map_or(after.timeout_seconds, |timeout| u64::from(timeout.seconds()));
        let after = Isolation { timeout_seconds, exclusions: Arc::clone(&after.exclusions) };
        Some(Self {
            change: Arc::clone(&self.change),
            difference: Difference::Isolation(Side { before: before.clone(), after: Some(after) }),
        })
    }

    fn intention(&self, at: jiff::Timestamp, clocks_apart: bool) -> Intention {
        let whom = &self.change.whom;
        Intention {
            target: self.change.subject.target,
            host: Some(whom.label().into()),
            entry: whom.entry().map(Arc::clone),
            cause: Some(self.change.cause.clone()),
            reason: self.change.reason.clone(),
            action: self.change.action.as_str().into(),
            at,
            difference: self.difference.clone(),
            clocks_apart,
        }
    }
}

/// The difference as it is sent at this moment: `until` is sent with what remains now, not with what remained when
/// the plan was made.
pub(super) fn as_sent(change: &Change, clock: ServerClock, now: jiff::Timestamp) -> Difference {
    let Some(term) = change.action.term() else { return change.difference.clone() };
    match &change.difference {
        Difference::Isolation(Side { before, after: Some(after) }) => {
            let listed = before.as_ref().map(|rule| rule.timeout_seconds);
            let timeout = timeout_to_send(term, clock, now, listed);
            Difference::Isolation(Side {
                before: before.clone(),
                after: Some(Isolation {
                    timeout_seconds: u64::from(timeout.seconds()),
                    exclusions: Arc::clone(&after.exclusions),
                }),
            })
        }
        Difference::Isolation(Side { after: None, .. })
        | Difference::Prevention(_)
        | Difference::Task(..) => change.difference.clone(),
    }
}

/// Whether the record is not there for us, or another run is.
pub(super) fn stopped_by(error: &RecordError) -> StoppedBy {
    match error {
        RecordError::Locked { .. }
        | RecordError::Collision { .. }
        | RecordError::LockNotSure
        | RecordError::Contended { .. } => StoppedBy::Lock,
        RecordError::Unreachable { .. }
        | RecordError::Refused { .. }
        | RecordError::Unfit { .. }
        | RecordError::Damaged { .. }
        | RecordError::FromNewerVersion { .. } => StoppedBy::Record,
    }
}
