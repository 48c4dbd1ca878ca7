//! What execution needs of one server, and what its writes share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::write::doubling;
use super::{ChangeOutcome, Event, Observer, Rollout, Stop, Stopped, StoppedBy, WriteResult};
use crate::model::ServerName;
use crate::plan::{Change, ListedTimeouts, ServerClock, ServerPlan, ServerState};
use crate::record::Lease;

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
    /// By which it is looked at and written.
    pub client: &'a C,
    /// Ours: it says when something is sent, and whether an `until` or `not_after` has come.
    pub clock: &'a K,
    /// Who is told how each change ended, and what is tried again.
    pub observer: &'a O,
    /// How soon to end: asked each time before anything is sent.
    pub stop: watch::Receiver<Stop>,
    /// Most writes under way at once; at least 1.
    pub concurrency: usize,
    /// How patient its writes are.
    pub pace: Pace,
    /// Where it pauses to look back, and after how many failures it ends.
    pub rollout: &'a Rollout,
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
            ServerState::ListNotBelieved { .. }
            | ServerState::Unrecorded { .. }
            | ServerState::Unreachable { .. } => (ServerClock::NotGiven, ListedTimeouts::NotKnown),
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

    /// For what was not put down yet.
    pub(super) fn why_nothing_is_sent(&self) -> Option<String> {
        match *self.stop.borrow() {
            Stop::No => self.why_stopped(),
            Stop::FinishInFlight | Stop::Now => Some("interrupted before it was sent".to_owned()),
        }
    }

    /// Whether nothing more is sent.
    pub(super) fn is_stopping(&self) -> bool {
        self.why_nothing_is_sent().is_some()
    }
}

impl<K, O: Observer> Shared<'_, K, O> {
    pub(super) fn ended(&self, change: Arc<Change>, result: WriteResult) -> ChangeOutcome {
        let outcome = ChangeOutcome { change, result };
        self.observer.notice(Event::Ended { server: self.server.clone(), outcome: outcome.clone() });
        outcome
    }
}
