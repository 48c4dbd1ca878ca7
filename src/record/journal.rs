use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::event::{Event, Intends, OutcomeOf, RunBegins, SettledLine, Status, WireOutcome};
use super::segment::{self, Header, Link, line};
use super::sets::Sets;
use super::store::put_in_place;
use super::wire::{SetRef, WireDifference, WireSensor, WireTarget, WireTime};
use super::{
    Facts, Intention, IntentionNumber, Intentions, RecordError, RunEnd, RunHeader, Settled, Store,
    WriteOutcome,
};
use crate::model::{Cause, Difference};

/// The journal of one run on one server. It holds the server's lock as long as it lives.
///
/// Nothing is written before the first intention, or before [`Journal::flush`] or [`Journal::end`] with something
/// settled or noted; a run that did nothing leaves no trace.
pub struct Journal<S: Store, L> {
    store: Arc<S>,
    next: Link,
    sets: Sets,
    run: Arc<str>,
    seed: Uuid,
    fence: Option<u64>,
    /// Lines that wait for the next append.
    lines: Vec<u8>,
    /// What was being appended when an error came: it may be there, so the same bytes are tried again first.
    pending: Option<Arc<[u8]>>,
    /// Something was written, or waits, that a later reader must see.
    is_worth_it: bool,
    last_intention: u64,
    _lock: L,
}

impl<S: Store, L: Send + Sync> Journal<S, L> {
    pub(super) fn begin(
        store: Arc<S>,
        next: Link,
        sets: Sets,
        lock: (Option<u64>, L),
        run: &RunHeader,
    ) -> Self {
        let begins = Event::RunBegins(RunBegins {
            at: WireTime(run.at),
            owner: run.owner.to_string(),
            by: run.by.to_string(),
            command: run.command.to_string(),
            allow: run.allow.iter().map(ToString::to_string).collect(),
            ci_job: run.ci_job.as_deref().map(str::to_owned),
            ci_commit: run.ci_commit.as_deref().map(str::to_owned),
        });
        Self {
            store,
            next,
            sets,
            run: run.id.clone(),
            seed: run.seed,
            fence: lock.0,
            lines: line(&begins),
            pending: None,
            is_worth_it: false,
            last_intention: 0,
            _lock: lock.1,
        }
    }

    /// What a reading showed of open intentions. Stored with what is appended next.
    pub fn settled(&mut self, at: Timestamp, settled: &[Settled]) {
        for settled in settled {
            self.add(&Event::Settled(SettledLine {
                at: WireTime(at),
                run: settled.run.to_string(),
                intention: settled.number.0,
                done: settled.is_done,
                listed_timeout_seconds: settled.listed_timeout_seconds,
            }));
            self.is_worth_it = true;
        }
    }

    /// What this run saw. Stored with what is appended next; [`Facts::news`] tells what is worth it.
    pub fn note(&mut self, at: Timestamp, facts: &Facts) {
        let at = WireTime(at);
        if let Some(count) = facts.hosts_listed {
            self.add(&Event::HostsListed { at, count });
        }
        if !facts.entries.is_empty() {
            let entries =
                facts.entries.iter().map(|(entry, sensor)| (entry.to_string(), WireSensor(*sensor)));
            self.add(&Event::Entries { at, entries: entries.collect() });
        }
        self.is_worth_it |= !facts.is_empty();
    }

    /// Writes what waits; at the first call also that the run began.
    ///
    /// # Errors
    /// What waits still waits then, and goes along with the next append.
    pub async fn flush(&mut self) -> Result<(), RecordError> {
        while self.pending.is_some() || !self.lines.is_empty() {
            let bytes = match &self.pending {
                Some(bytes) => bytes.clone(),
                None => self.seal(),
            };
            self.append(&bytes).await?;
            self.next = self.next.after(super::digest::sha256_hex(&bytes));
            self.pending = None;
        }
        Ok(())
    }

    /// Says how the run ended, and gives the lock back. Writes nothing where there is nothing to tell.
    ///
    /// # Errors
    /// The run then counts as unfinished, and what is open is settled by the next one.
    pub async fn end(mut self, at: Timestamp, end: &RunEnd) -> Result<(), RecordError> {
        if !self.is_worth_it {
            return Ok(());
        }
        let (status, why) = match end {
            RunEnd::Finished => (Status::Finished, None),
            RunEnd::Interrupted => (Status::Interrupted, None),
            RunEnd::Failed { why } => (Status::Failed, Some(why.to_string())),
        };
        self.add(&Event::RunEnds { at: WireTime(at), status, why });
        self.flush().await
    }

    fn add(&mut self, event: &Event) {
        self.lines.extend(line(event));
    }

    /// Makes a segment of the lines that wait. It is kept as pending until it is known to be in its place.
    fn seal(&mut self) -> Arc<[u8]> {
        let header = Header {
            format: segment::FORMAT,
            writer: segment::WRITER.to_owned(),
            server: self.next.server.clone(),
            number: self.next.number,
            previous: self.next.previous.clone(),
            run: self.run.to_string(),
            fence: self.fence,
            nonce: Uuid::new_v5(&self.seed, &self.next.number.to_be_bytes()).to_string(),
        };
        let bytes: Arc<[u8]> = segment::encode(&header, &self.lines).into();
        self.lines.clear();
        self.pending = Some(bytes.clone());
        self.is_worth_it = true;
        bytes
    }

    async fn append(&self, bytes: &[u8]) -> Result<(), RecordError> {
        let key = self.next.key();
        match put_in_place(&*self.store, &key, bytes).await? {
            None => Ok(()),
            Some(found) => {
                let other = segment::run_of(&found).unwrap_or_else(|| "(unknown)".to_owned());
                Err(RecordError::Collision { place: self.store.place(&key), other })
            }
        }
    }

    async fn keep_sets(&mut self, difference: &Difference) -> Result<WireDifference, RecordError> {
        let mut kept: Vec<SetRef> = Vec::new();
        if let Difference::Prevention(side) = difference {
            for rule in side.before.iter().chain(&side.after) {
                kept.push(self.sets.keep(&*self.store, rule).await?);
            }
        }
        Ok(WireDifference::new(difference, kept.into_iter()))
    }
}

impl<S: Store, L: Send + Sync> Intentions for Journal<S, L> {
    async fn intend(&mut self, intentions: &[Intention]) -> Result<Vec<IntentionNumber>, RecordError> {
        let mut numbers = Vec::with_capacity(intentions.len());
        let mut lines = Vec::new();
        for intention in intentions {
            let difference = self.keep_sets(&intention.difference).await?;
            self.last_intention += 1;
            numbers.push(IntentionNumber(self.last_intention));
            let intends = Intends {
                intention: self.last_intention,
                at: WireTime(intention.at),
                target: WireTarget(intention.target),
                host: intention.host.as_deref().map(str::to_owned),
                entry: intention.entry.as_deref().map(str::to_owned),
                origin: intention.cause.as_ref().map(|cause| cause.origin().into()),
                groups: intention.cause.iter().flat_map(Cause::groups).map(Into::into).collect(),
                reason: intention.reason.as_deref().map(str::to_owned),
                action: intention.action.to_string(),
                difference,
                clocks_apart: intention.clocks_apart,
            };
            lines.extend(line(&Event::Intends(Box::new(intends))));
        }
        self.lines.extend(lines);
        self.is_worth_it = true;
        let appended = self.flush().await;
        if appended.is_err() {
            // They may be in the record all the same; the caller never sends them.
            let why: Arc<str> = "never sent: it was not sure to be in the record".into();
            for (number, intention) in numbers.iter().zip(intentions) {
                let outcome = WriteOutcome::NotDone { why: why.clone() };
                self.outcomes(intention.at, &[(*number, outcome)]);
            }
        }
        appended.map(|()| numbers)
    }

    fn outcomes(&mut self, at: Timestamp, outcomes: &[(IntentionNumber, WriteOutcome)]) {
        for (number, outcome) in outcomes {
            let outcome = match outcome {
                WriteOutcome::Done { sent_at, listed_timeout_seconds } => WireOutcome::Done {
                    sent_at: WireTime(*sent_at),
                    listed_timeout_seconds: *listed_timeout_seconds,
                },
                WriteOutcome::NothingToDo => WireOutcome::NothingToDo,
                WriteOutcome::NotDone { why } => WireOutcome::NotDone { why: why.to_string() },
                WriteOutcome::Unknown { why } => WireOutcome::Unknown { why: why.to_string() },
            };
            self.add(&Event::Outcome(OutcomeOf { intention: number.0, at: WireTime(at), outcome }));
        }
    }
}
