//! The second half of apply: under the lock, execute what the guard cleared, and put it into the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::Connected;
use crate::central_node::TakeTurns;
use crate::execute::{self, Observer, Outcome, Pace, Rollout, ServerOutcome, Stop};
use crate::guard::Cleared;
use crate::model::{Clock, ServerName};
use crate::plan::ServerState;
use crate::record::{Kept, LockStore, Locked, RecordError, RunEnd, RunHeader};
use crate::session::Survey;

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A server's chain could not be opened for what is done by hand.
    #[error("server `{server}`: {cause}")]
    Record {
        /// Whose chain it is.
        server: ServerName,
        /// Why it could not be; the exit code follows from it.
        #[source]
        cause: RecordError,
    },
}

/// A run, as it introduces itself to the record.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its begin in UTC and four random hex digits: `20261125-003319-4f2a`.
    pub id: Arc<str>,
    /// As `history` tells it: `apply`, `apply --renew-only`, `apply plan.json`, `isolate`, …
    pub command: Arc<str>,
    /// `user@machine`.
    pub by: Arc<str>,
    /// In whose name it writes: `owner` of the files, or `default`.
    pub owner: Arc<str>,
    /// What its flags let pass: limits, take-overs, accepted moves, a short host list.
    pub allow: Vec<Arc<str>>,
    /// The id of the plan that it was held to.
    pub plan: Option<Arc<str>>,
    /// A link to the CI job, without credentials; `None`: the environment gives none.
    pub ci_job: Option<Arc<str>>,
    /// The commit that the CI service names; else the one that is checked out where the state lies, with a `?`
    /// behind it, since its files may have been edited. `None`: neither is known.
    pub ci_commit: Option<Arc<str>>,
}

impl Run {
    /// As it introduces itself to one server's chain.
    pub fn header(&self, at: Timestamp) -> RunHeader {
        RunHeader {
            id: self.id.clone(),
            seed: Uuid::new_v4(),
            at,
            owner: self.owner.clone(),
            by: self.by.clone(),
            command: self.command.clone(),
            allow: self.allow.clone(),
            plan: self.plan.clone(),
            ci_job: self.ci_job.clone(),
            ci_commit: self.ci_commit.clone(),
        }
    }
}

/// The end of a run could not be brought into the record.
#[derive(Debug)]
pub struct RunFailure {
    /// Whose chain lacks the end.
    pub server: ServerName,
    /// Why the record did not take it.
    pub cause: RecordError,
    /// Where it is kept on this machine, until the next run that reaches the record brings it in; `None`: what was
    /// done is known to the next run only by reading.
    pub kept: Option<String>,
}

/// What is ready to be executed: a survey made under the locks, and the plan that the guard cleared.
pub struct Prepared<S: LockStore> {
    /// What is written; a server that could not be read is passed over.
    pub cleared: Cleared,
    /// Of it, the record gets what is settled and the facts.
    pub survey: Survey,
    /// The locks that the survey was made under; a server without one is passed over.
    pub locks: BTreeMap<ServerName, Locked<S>>,
}

impl<S: LockStore> Prepared<S> {
    /// Executes, servers side by side, and ends the run in the record.
    pub async fn execute<C: TakeTurns, K: Clock, O: Observer>(
        self,
        servers: &[Connected<C>],
        run: &Run,
        clock: &K,
        observer: &O,
        stop: watch::Receiver<Stop>,
        (pace, rollout): (Pace, &Rollout),
    ) -> (Outcome, Vec<RunFailure>)
    where
        S::Lock: Send + Sync,
    {
        let Self { cleared, survey, mut locks } = self;
        let mut runs = Vec::new();
        for plan in cleared.servers() {
            let name = &plan.plan().server;
            let is_read = matches!(plan.plan().state, ServerState::Read { .. });
            let (true, Some(server), Some(lock)) =
                (is_read, servers.iter().find(|server| server.name == *name), locks.remove(name))
            else {
                continue;
            };
            let (survey, stop) = (&survey, stop.clone());
            runs.push(async move {
                let now = clock.now();
                let facts =
                    survey.facts.get(name).cloned().unwrap_or_default().news(lock.recorded(), &run.owner);
                let record = lock.record();
                let mut journal = lock.begin(&run.header(now));
                journal.settled(now, survey.settled.get(name).map_or(&[], Vec::as_slice));
                journal.note(now, &facts);
                let end_stop = stop.clone();
                let executing = execute::Server {
                    client: &server.client,
                    clock,
                    observer,
                    stop,
                    concurrency: server.concurrency,
                    pace,
                    rollout,
                };
                let outcome = execute::execute(&plan, executing, &mut journal).await;
                let end = run_end(&outcome, *end_stop.borrow());
                let ended = journal.end(clock.now(), &end).await;
                // What fails is tried again at the end of the command, which says so.
                drop(record.give_back().await);
                let failed = match ended {
                    Ok(Kept::InRecord) => None,
                    Ok(Kept::Locally { place, cause }) => Some((cause, Some(place))),
                    Err(cause) => Some((cause, None)),
                };
                let failure = failed.map(|(cause, kept)| RunFailure { server: name.clone(), cause, kept });
                (outcome, failure)
            });
        }
        let was_interrupted = |stop: &watch::Receiver<Stop>| *stop.borrow() != Stop::No;
        let mut outcome = Outcome::default();
        let mut failures = Vec::new();
        for (server, failure) in join_all(runs).await {
            outcome.servers.push(server);
            failures.extend(failure);
        }
        outcome.was_interrupted = was_interrupted(&stop);
        (outcome, failures)
    }
}

pub(super) fn run_end(outcome: &ServerOutcome, stop: Stop) -> RunEnd {
    match (&outcome.stopped, stop) {
        (Some(stopped), _) => RunEnd::Failed { why: stopped.why.as_str().into() },
        (None, Stop::No) => RunEnd::Finished,
        (None, Stop::FinishInFlight | Stop::Now) => RunEnd::Interrupted,
    }
}
