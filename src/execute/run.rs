//! One server's steps, one after the other; within a step, changes side by side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;

use super::write::{doubling, write};
use super::{ChangeOutcome, Event, Observer, ServerOutcome, Stop, WriteResult};
use crate::central_node::WriteSettings;
use crate::declare::Term;
use crate::guard::ClearedServer;
use crate::model::{Clock, Difference, Isolation, ServerName, Side};
use crate::plan::{Action, Change, Purpose, ServerClock, ServerState, has_ended, timeout_to_send};
use crate::record::{INTENTIONS_AT_ONCE, Intention, Intentions};

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
    /// Why nothing more may be sent to this server.
    stopped: Mutex<Option<String>>,
}

impl<K, O> Shared<'_, K, O> {
    pub(super) fn stop_server(&self, why: String) {
        // A poisoned lock still holds a whole value: nothing is left half written in it.
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Carries out the plan of one server. Every intention is durable in `journal` before it is sent.
pub async fn execute<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    plan: &ClearedServer<'_>,
    server: Server<'_, C, K, O>,
    journal: &mut J,
) -> ServerOutcome {
    let plan = plan.plan();
    let shared = Shared {
        server: &plan.server,
        clock: server.clock,
        observer: server.observer,
        stop: server.stop,
        pace: server.pace,
        stopped: Mutex::new(None),
    };
    let clock_difference = match &plan.state {
        ServerState::Read { clock, .. } => *clock,
        ServerState::ListNotBelieved { .. } | ServerState::Unreachable { .. } => ServerClock::NotGiven,
    };
    let mut changes = Vec::new();
    for step in &plan.steps {
        // A release is put down right before it is sent, alone: whoever contains that host by hand meanwhile must
        // meet at most one release that is on its way.
        let ahead = match step.purpose {
            Purpose::Release => 1,
            Purpose::Contain | Purpose::Prevent => INTENTIONS_AT_ONCE,
        };
        for batch in step.changes.chunks(ahead) {
            let results =
                batch_of(batch, server.client, &shared, clock_difference, server.concurrency, journal).await;
            changes.extend(batch.iter().zip(results).map(|(change, result)| {
                let outcome = ChangeOutcome { change: Arc::clone(change), result };
                shared
                    .observer
                    .notice(Event::Ended { server: plan.server.clone(), outcome: outcome.clone() });
                outcome
            }));
        }
    }
    ServerOutcome { server: plan.server.clone(), changes, stopped: shared.stopped() }
}

async fn batch_of<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    batch: &[Arc<Change>],
    client: &C,
    shared: &Shared<'_, K, O>,
    clock_difference: ServerClock,
    concurrency: usize,
    journal: &mut J,
) -> Vec<WriteResult> {
    let not_tried = |why: String| batch.iter().map(|_| WriteResult::NotTried { why: why.clone() }).collect();
    if *shared.stop.borrow() != Stop::No {
        return not_tried("interrupted before it was sent".to_owned());
    }
    if let Some(why) = shared.stopped() {
        return not_tried(why);
    }
    let now = shared.clock.now();
    // From its end on nothing is set for an entry, and a plan may have waited for hours for its yes.
    let is_late =
        |change: &Arc<Change>| term_of(change).is_some_and(|term| has_ended(term, clock_difference, now));
    let prepared: Vec<Prepared> = batch
        .iter()
        .filter(|change| !is_late(change))
        .map(|change| Prepared {
            change: Arc::clone(change),
            difference: as_sent(change, clock_difference, now),
        })
        .collect();
    let late = || WriteResult::NotTried { why: "its time ended before it was sent".to_owned() };
    if prepared.is_empty() {
        return batch.iter().map(|_| late()).collect();
    }
    let clocks_apart = matches!(clock_difference, ServerClock::Apart(_));
    let intentions: Vec<Intention> =
        prepared.iter().map(|prepared| prepared.intention(now, clocks_apart)).collect();
    let numbers = match journal.intend(&intentions).await {
        Ok(numbers) => numbers,
        Err(error) => {
            let why = format!("the record could not take it, so it was not sent: {error}");
            shared.stop_server(why.clone());
            return not_tried(why);
        }
    };
    let ended: Vec<_> = futures_util::stream::iter(&prepared)
        .map(|prepared| write(client, prepared, shared))
        .buffered(concurrency)
        .collect()
        .await;
    let (results, outcomes): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    let outcomes: Vec<_> = numbers.into_iter().zip(outcomes).collect();
    journal.outcomes(shared.clock.now(), &outcomes);
    let mut results = results.into_iter();
    batch
        .iter()
        .map(|change| if is_late(change) { late() } else { results.next().unwrap_or_else(late) })
        .collect()
}

/// One change as it is about to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) change: Arc<Change>,
    /// With the timeout of this moment, not that of the plan.
    pub(super) difference: Difference,
}

impl Prepared {
    fn intention(&self, at: jiff::Timestamp, clocks_apart: bool) -> Intention {
        let host = &self.change.host;
        Intention {
            target: self.change.subject.target,
            host: Some(host.sensor.label().into()),
            entry: Some(Arc::clone(&host.entry)),
            origin: Some(self.change.origin.clone()),
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
fn as_sent(change: &Change, clock: ServerClock, now: jiff::Timestamp) -> Difference {
    let Some(term) = term_of(change) else { return change.difference.clone() };
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
        Difference::Isolation(Side { after: None, .. }) | Difference::Prevention(_) => {
            change.difference.clone()
        }
    }
}

/// How long the isolation that is set is meant to last.
fn term_of(change: &Change) -> Option<Term> {
    match &change.action {
        Action::Isolate { term, .. } | Action::ChangeExclusions { term } | Action::Renew { term, .. } => {
            Some(*term)
        }
        Action::Release | Action::EndSpent { .. } | Action::Block(_) => None,
    }
}
