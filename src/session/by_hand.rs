//! What a person does at once to hosts that they name: without the lock, through the same plan, guard and execution,
//! and with a hold that keeps applies off it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;

use super::apply::run_end;
use super::{ApplyError, ByHand, Connected, Run, RunFailure};
use crate::central_node::TakeTurns;
use crate::execute::{
    self, ChangeOutcome, Observer, Outcome, Pace, Patience, ServerOutcome, Stop, WriteResult,
};
use crate::guard::{Cleared, ClearedServer};
use crate::model::{Clock, HoldScope, ServerName, Subject};
use crate::plan::ServerState;
use crate::record::{Hold, Journal, Kept, NewHold, Record, RecordError, Recorded, Store};

/// The chains that acts by hand append to, beside whoever has the lock; `L`: the lock, of those that need it.
pub type Journals<S, L = ()> = BTreeMap<ServerName, Journal<S, L>>;

/// Begins an act by hand on each of these servers. Writes nothing yet.
///
/// # Errors
/// The record can not be reached: then containment alone goes ahead, where this machine can keep what is done
/// ([`Journal::is_kept_locally_because`]).
pub async fn begin_by_hand<S: Store, C>(
    record: &Record<S>,
    servers: &[Connected<C>],
    run: &Run,
    what: ByHand,
    now: Timestamp,
) -> Result<Journals<S>, ApplyError> {
    let header = &run.header(now);
    // Side by side: where the record does not answer, containment waits for that once.
    let begun = join_all(servers.iter().map(|server| async move {
        let failed = |cause| ApplyError::Record { server: server.name.clone(), cause };
        let journal = record.by_hand(&server.key, header).await.map_err(failed)?;
        let journal = match what {
            ByHand::Contains => journal,
            ByHand::Changes => journal.needing_the_record().map_err(failed)?,
        };
        Ok((server.name.clone(), journal))
    }));
    begun.await.into_iter().collect()
}

/// The ledgers as they were read when the acts began.
pub fn recorded_by<S: Store, L: Send + Sync>(journals: &Journals<S, L>) -> BTreeMap<ServerName, Recorded> {
    journals.iter().map(|(name, journal)| (name.clone(), journal.recorded().clone())).collect()
}

/// What is ready to be done: the plan that the guard cleared, and what is to be held for it.
pub struct Acts<S: Store, L = ()> {
    /// What is written; a server that could not be read is passed over.
    pub cleared: Cleared,
    /// As [`begin_by_hand`] began them, or from locks; a server without one is passed over.
    pub journals: Journals<S, L>,
    /// By server. Each comes into the chain together with the intention on its subject, or before it.
    pub holds: BTreeMap<ServerName, Vec<(Subject, NewHold)>>,
    /// With [`ByHand::Contains`] a hold stays even where nothing was sent, since another rule stood there,
    /// another hold was met, or the host could not be read.
    pub what: ByHand,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Acted {
    /// Of the servers that could be read, in the order of the plan.
    pub outcome: Outcome,
    /// Holds that stand, by server.
    pub held: BTreeMap<ServerName, Vec<(Subject, NewHold)>>,
    /// The ends that could not be brought into the record.
    pub failures: Vec<RunFailure>,
}

impl<S: Store, L: Send + Sync> Acts<S, L> {
    /// Executes, servers side by side, and ends the run in the record.
    pub async fn execute<C: TakeTurns, K: Clock, O: Observer>(
        self,
        servers: &[Connected<C>],
        clock: &K,
        observer: &O,
        stop: watch::Receiver<Stop>,
        (pace, patience): (Pace, Option<Patience>),
    ) -> Acted {
        let Self { cleared, mut journals, mut holds, what } = self;
        let mut runs = Vec::new();
        for plan in cleared.servers() {
            let name = &plan.plan().server;
            let is_read = matches!(plan.plan().state, ServerState::Read { .. });
            let (true, Some(server), Some(journal)) =
                (is_read, servers.iter().find(|server| server.name == *name), journals.remove(name))
            else {
                continue;
            };
            let executing = || execute::Server {
                client: &server.client,
                clock,
                observer,
                stop: stop.clone(),
                concurrency: server.concurrency,
                pace,
                rollout: &execute::AT_ONCE,
            };
            let act = Act { plan, journal, holds: holds.remove(name).unwrap_or_default(), what, patience };
            runs.push(act.carry_out(executing));
        }
        let mut acted = Acted::default();
        for (outcome, held, failure) in join_all(runs).await {
            acted.held.insert(outcome.server.clone(), held);
            acted.outcome.servers.push(outcome);
            acted.failures.extend(failure);
        }
        acted.outcome.was_interrupted = *stop.borrow() != Stop::No;
        acted
    }
}

/// All of it on one server.
struct Act<'a, S: Store, L> {
    plan: ClearedServer<'a>,
    journal: Journal<S, L>,
    holds: Vec<(Subject, NewHold)>,
    what: ByHand,
    /// Of those who hold no lock: a run under one may be writing the same.
    patience: Option<Patience>,
}

type Ended = (ServerOutcome, Vec<(Subject, NewHold)>, Option<RunFailure>);

impl<S: Store, L: Send + Sync> Act<'_, S, L> {
    async fn carry_out<'a, C: TakeTurns + 'a, K: Clock + 'a, O: Observer + 'a>(
        mut self,
        executing: impl Fn() -> execute::Server<'a, C, K, O>,
    ) -> Ended {
        let (clock, stop) = (executing().clock, executing().stop);
        let now = clock.now();
        // Somebody else may have acted while the question waited. Where that cannot be read, what is known counts; a
        // record that was gone already is not waited for again.
        if self.journal.is_kept_locally_because().is_none() {
            drop(self.journal.catch_up().await);
        }
        let before: BTreeMap<HoldScope, Hold> = self.journal.recorded().holds.clone();
        if *stop.borrow() == Stop::No {
            for (subject, hold) in &self.holds {
                self.journal.hold(now, *subject, hold);
            }
        } else {
            self.holds.clear();
        }
        let mut outcome = execute::execute(&self.plan, executing(), &mut self.journal).await;
        if let Some(patience) = self.patience {
            let plan = &self.plan;
            execute::outlast_others(&mut outcome, plan, executing(), &mut self.journal, patience).await;
        }
        let now = clock.now();
        let what = self.what;
        let in_vain: Vec<Subject> = outcome
            .changes
            .iter()
            .filter(|ended| is_without_effect(ended, what))
            .map(|ended| ended.change.subject)
            .collect();
        // Somebody else may have left a hold since. Where that cannot be read, what is known counts.
        let is_known = !in_vain.is_empty()
            && self.journal.is_kept_locally_because().is_none()
            && self.journal.flush().await.is_ok()
            && self.journal.catch_up().await.is_ok();
        for subject in in_vain {
            self.take_back(subject, &before, now, is_known);
        }
        let end = run_end(&outcome, *stop.borrow());
        let failed = match self.journal.end(now, &end).await {
            Ok(Kept::InRecord) => None,
            Ok(Kept::Locally { place, cause }) => Some((cause, Some(place))),
            Err(cause) => Some((cause, None)),
        };
        let server = outcome.server.clone();
        let failure = failed.map(|(cause, kept)| RunFailure { server, cause, kept });
        (outcome, self.holds, failure)
    }

    /// A hold for nothing would keep applies from what the files want; what was held before is held again. What
    /// somebody else holds by now, or has ended, is theirs.
    fn take_back(
        &mut self,
        subject: Subject,
        before: &BTreeMap<HoldScope, Hold>,
        now: Timestamp,
        is_known: bool,
    ) {
        let Some(place) = self.holds.iter().position(|(held, _)| *held == subject) else { return };
        let (_, hold) = self.holds.remove(place);
        let there = self.journal.recorded().holds.get(&subject.into());
        if is_known && !there.is_some_and(|there| self.journal.is_of_this(&there.run)) {
            return;
        }
        match before.get(&subject.into()).filter(|before| before.is_in_force(now)) {
            None => self.journal.end_hold(now, subject, hold.host.as_deref()),
            Some(before) => {
                let again = NewHold {
                    until: before.until,
                    command: Arc::clone(&before.command),
                    reason: before.reason.clone(),
                    host: hold.host,
                };
                self.journal.hold(now, subject, &again);
            }
        }
    }
}

/// Surely nothing was changed there by us, so that a hold of ours would be one for nothing. Whoever meant to contain a
/// host and met another rule, or could not look, keeps it held: somebody else may have contained it, and their hold
/// may have given way to ours.
fn is_without_effect(ended: &ChangeOutcome, what: ByHand) -> bool {
    match &ended.result {
        WriteResult::ChangedSincePlan { .. } | WriteResult::Held { .. } | WriteResult::NotRead { .. } => {
            what != ByHand::Contains
        }
        WriteResult::Refused { .. } | WriteResult::NotTried { .. } => true,
        WriteResult::Done { .. } | WriteResult::AlreadyAsDesired | WriteResult::Unknown { .. } => false,
    }
}

/// Why what is done is kept on this machine alone, server by server.
pub fn kept_locally<S: Store>(journals: &Journals<S>) -> impl Iterator<Item = (&ServerName, &RecordError)> {
    journals.iter().filter_map(|(name, journal)| Some((name, journal.is_kept_locally_because()?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::model::{Origin, ServerKey};
    use crate::record::Creation;

    const SILENCE: Duration = Duration::from_secs(20);

    /// It answers nothing, and after a while that is known.
    struct Silent;

    impl Silent {
        async fn asked<T>(&self) -> Result<T, RecordError> {
            sleep(SILENCE).await;
            Err(RecordError::Unreachable {
                attempted: "read",
                place: "silence".to_owned(),
                remedy: "wait",
                cause: "no answer".into(),
            })
        }
    }

    impl Store for Silent {
        async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, RecordError> {
            self.asked().await
        }

        async fn create(&self, _key: &str, _bytes: &[u8]) -> Result<Creation, RecordError> {
            self.asked().await
        }

        async fn replace(&self, _key: &str, _bytes: &[u8]) -> Result<(), RecordError> {
            self.asked().await
        }

        async fn list(&self, _prefix: &str) -> Result<Vec<String>, RecordError> {
            self.asked().await
        }

        fn place(&self, key: &str) -> String {
            key.to_owned()
        }
    }

    fn server(name: &str) -> Connected<()> {
        Connected {
            name: ServerName::new(name),
            address: name.to_owned(),
            origin: Origin::command_line(),
            key: ServerKey::of_address(name, 443),
            client: (),
            concurrency: 1,
            clock_tolerance: SignedDuration::from_mins(10),
            simulator: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_servers_a_silent_record_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(Silent).keeping_in(folder.path(), "silence");
        let run = Run {
            id: "20261125-003319-4f2a".into(),
            command: "isolate".into(),
            by: "ana@soc-1".into(),
            owner: "default".into(),
            allow: Vec::new(),
            plan: None,
            ci_job: None,
            ci_commit: None,
        };
        let servers = ["a", "b", "c"].map(server);
        let began = Instant::now();
        let now = Timestamp::UNIX_EPOCH;
        let journals = begin_by_hand(&record, &servers, &run, ByHand::Contains, now).await.unwrap();
        assert_eq!(began.elapsed(), SILENCE);
        assert_eq!(kept_locally(&journals).count(), 3);
        assert!(begin_by_hand(&record, &servers, &run, ByHand::Changes, now).await.is_err());
    }
}
