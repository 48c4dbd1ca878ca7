//! How a run's lines come into a chain that others append to. The number keeps order: of two that append at once one
//! meets the other's segment, reads it, and goes on after it, or stops.

use jiff::Timestamp;
use uuid::Uuid;

use super::event::{Event, OutcomeOf, WireOutcome};
use super::journal::{Journal, Pending};
use super::segment::{self, Header, Segment};
use super::spool::unplaced;
use super::wire::{WireDifference, WireTime};
use super::{Hold, RecordError, Store};
use crate::model::{AspectKind, HoldScope, Untrusted, sha256_hex};

/// How often an append is made again because somebody else was first: each time somebody else has written.
const COLLISIONS: u32 = 100;

impl<S: Store, L: Send + Sync> Journal<S, L> {
    /// Writes what waits; at the first call also that the run began.
    ///
    /// # Errors
    /// What waits still waits then, and goes along with the next append.
    pub async fn flush(&mut self) -> Result<(), RecordError> {
        if self.local.is_some() {
            return self.write_locally().await;
        }
        let mut collisions = 0;
        while self.pending.is_some() || !self.waiting.is_empty() {
            self.may_append()?;
            if self.pending.is_none() {
                self.seal();
            }
            let Some(pending) = &self.pending else { break };
            let key = self.chain.next.key();
            if self.chain.put(&*self.store, &pending.bytes).await?.is_none() {
                let Some(Pending { header, events, bytes }) = self.pending.take() else { break };
                // What a reader would make of these bytes.
                let segment = Segment { header, events, digest: sha256_hex(&bytes) };
                self.chain.take(&*self.store, segment).await?;
            } else if collisions < COLLISIONS {
                collisions += 1;
                self.catch_up().await?;
            } else {
                return Err(RecordError::Contended { place: self.store.place(&key) });
            }
        }
        Ok(())
    }

    /// Reads what others appended, and takes what could not be appended back to be appended after it.
    ///
    /// # Errors
    /// Another holder of our lock is among them: nothing more may be sent.
    pub async fn catch_up(&mut self) -> Result<(), RecordError> {
        self.may_append()?;
        let before = self.chain.next.number;
        let met = self.chain.catch_up(&*self.store).await?;
        // An answer that was lost twice: it is there, and was folded with the rest.
        if let Some(pending) =
            self.pending.take_if(|ours| met.iter().any(|met| met.nonce == ours.header.nonce))
        {
            drop(pending);
        } else if let Some(pending) = self.pending.take_if(|ours| ours.header.number < self.chain.next.number)
        {
            self.waiting.splice(0..0, pending.events);
            // Nobody had seen what was met when these lines were made.
            self.is_late = true;
        }
        let other = (before..).zip(&met).find(|(_, met)| met.fence.is_some() && *met.run != *self.run);
        if let (Some((number, other)), Some(_)) = (other, self.fence) {
            let place = self.store.place(&segment::key(&self.chain.next.server, number));
            self.met = Some((place, other.run.clone()));
            self.may_append()?;
        }
        Ok(())
    }

    fn may_append(&self) -> Result<(), RecordError> {
        match &self.met {
            Some((place, other)) => {
                Err(RecordError::Collision { place: place.clone(), other: other.clone() })
            }
            // Whoever holds the lock by now would have to stop at what we append.
            None if !self.lease.is_sure() => Err(RecordError::LockNotSure),
            None => Ok(()),
        }
    }

    /// Makes a segment of what waits. It is kept as pending until it is known to be in its place.
    fn seal(&mut self) {
        self.withdraw_held();
        let header = self.header();
        self.is_late = false;
        let events = std::mem::take(&mut self.waiting);
        let bytes = segment::encode(&header, &events).into();
        self.pending = Some(Pending { header, events, bytes });
        self.is_worth_it = true;
    }

    fn header(&self) -> Header {
        let next = &self.chain.next;
        Header {
            format: segment::FORMAT,
            writer: segment::WRITER.to_owned(),
            server: next.server.clone(),
            number: next.number,
            previous: next.previous.clone(),
            run: self.run.to_string(),
            fence: self.fence,
            nonce: Uuid::new_v5(&self.seed, &next.number.to_be_bytes()).to_string(),
            late: self.is_late,
        }
    }

    /// The hold in force on a subject that somebody else left since this run was planned.
    pub(super) fn hold_on(&self, on: impl Into<HoldScope>, at: Timestamp) -> Option<&Hold> {
        let on = on.into();
        let hold = self.chain.recorded().hold_on(on, at)?;
        (self.planned_under.get(&on) != Some(hold) && *hold.run != *self.run).then_some(hold)
    }

    /// Says of intentions that meet a hold that they are not done. They are in the record all the same: who looks
    /// for why a host was left alone finds it there.
    fn withdraw_held(&mut self) {
        if self.fence.is_none() {
            return;
        }
        let mut withdrawn = Vec::new();
        for event in &self.waiting {
            let Event::Intends(intends) = event else { continue };
            let aspect = match intends.difference {
                WireDifference::Isolation(_) => AspectKind::Isolation,
                WireDifference::Prevention(_) => AspectKind::Prevention,
                WireDifference::Task(_) => AspectKind::Tasks,
            };
            let subject = HoldScope { target: intends.target.0, aspect };
            if let Some(hold) = self.hold_on(subject, intends.at.0)
                && !self.held.contains_key(&intends.intention)
            {
                withdrawn.push((intends.intention, intends.at, hold.clone()));
            }
        }
        // Theirs stays: a hold of this run would take its place.
        let mut waiting = std::mem::take(&mut self.waiting);
        let is_held = |event: &Event| match event {
            Event::Held(held) => {
                let on = HoldScope { target: held.target.0, aspect: held.aspect.into() };
                self.hold_on(on, held.at.0).is_some()
            }
            Event::RunBegins(_)
            | Event::Intends(_)
            | Event::Outcome(_)
            | Event::Settled(_)
            | Event::HostsListed { .. }
            | Event::Entries { .. }
            | Event::HoldEnded { .. }
            | Event::RunEnds { .. } => false,
        };
        waiting.retain(|event| !is_held(event));
        self.waiting = waiting;
        for (intention, at, hold) in withdrawn {
            let why = format!("held by {} until {}", Untrusted::new(&*hold.by).printable(), hold.until);
            self.waiting.push(not_done(intention, at, why));
            self.held.insert(intention, hold);
        }
    }

    /// An act by hand goes on without the record; a run under a lock does not.
    ///
    /// # Errors
    /// `cause` itself where it must not go on; that it can not be kept on this machine either.
    pub(super) async fn act_locally(&mut self, cause: RecordError) -> Result<(), RecordError> {
        let must_stop = self.fence.is_some() || self.needs_record;
        if must_stop { Err(cause) } else { self.keep_locally(cause).await }
    }

    /// From now on this run is kept on this machine, for the next one to bring it into the record.
    pub(super) async fn keep_locally(&mut self, cause: RecordError) -> Result<(), RecordError> {
        if self.spool.is_none() || self.local.is_some() {
            return Err(cause);
        }
        self.local = Some(cause);
        self.write_locally().await
    }

    async fn write_locally(&mut self) -> Result<(), RecordError> {
        let Some(spool) = &self.spool else { return Ok(()) };
        if let Some(pending) = &self.pending {
            spool.keep(&pending.header, &pending.bytes, self.files).await?;
            self.files += 1;
            self.pending = None;
        }
        if !self.waiting.is_empty() {
            let nonce = Uuid::new_v5(&self.seed, format!("local {}", self.files).as_bytes()).to_string();
            let (header, bytes) = unplaced(Header { nonce, ..self.header() }, &self.waiting);
            spool.keep(&header, &bytes, self.files).await?;
            self.files += 1;
            self.waiting.clear();
        }
        Ok(())
    }
}

fn not_done(intention: u64, at: WireTime, why: String) -> Event {
    Event::Outcome(OutcomeOf { intention, at, outcome: WireOutcome::NotDone { why } })
}
