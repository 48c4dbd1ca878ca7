use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::chain::Chain;
use super::event::{Event, HeldLine, Intends, OutcomeOf, RunBegins, SettledLine, Status, WireOutcome};
use super::segment::Header;
use super::spool::Spool;
use super::wire::{SetRef, WireDifference, WireSensor, WireTarget, WireTime};
use super::{
    Facts, Hold, Intended, Intention, IntentionNumber, Intentions, Kept, Lease, NewHold, OpenIntention,
    RecordError, Recorded, RunEnd, RunHeader, Settled, Store, WriteOutcome,
};
use crate::model::{Cause, Difference, HoldScope, PreventionRule, Subject};

/// The journal of one run on one server. It holds the server's lock as long as it lives, or (an act by hand) it has
/// none and appends beside whoever holds it.
///
/// Nothing is written before the first intention, or before [`Journal::flush`] or [`Journal::end`] with something
/// settled or noted; a run that did nothing leaves no trace.
pub struct Journal<S: Store, L> {
    pub(super) store: Arc<S>,
    /// As far as it was read, our own segments included.
    pub(super) chain: Chain,
    pub(super) spool: Option<Spool>,
    pub(super) run: Arc<str>,
    pub(super) seed: Uuid,
    /// That of our lock; `None`: by hand.
    pub(super) fence: Option<u64>,
    pub(super) lease: Lease,
    /// What waits for the next append.
    pub(super) waiting: Vec<Event>,
    /// What was being appended when an error came: it may be there, so the same bytes are tried again first.
    pub(super) pending: Option<Pending>,
    /// Those of our intentions that a hold keeps from being sent.
    pub(super) held: BTreeMap<u64, Hold>,
    /// What the plan knew of already.
    pub(super) planned_under: BTreeMap<HoldScope, Hold>,
    /// What waits was to be appended before, and somebody else was first.
    pub(super) is_late: bool,
    /// Another holder of the lock wrote: where, and which run. We write nothing more.
    pub(super) met: Option<(String, String)>,
    /// An act by hand that sends nothing the record does not have.
    pub(super) needs_record: bool,
    /// Why this run is kept on this machine instead, and how many files it has there.
    pub(super) local: Option<RecordError>,
    pub(super) files: u64,
    /// Something was written, or waits, that a later reader must see.
    pub(super) is_worth_it: bool,
    last_intention: u64,
    _lock: L,
}

/// A segment on its way.
pub(super) struct Pending {
    pub(super) header: Header,
    pub(super) events: Vec<Event>,
    pub(super) bytes: Arc<[u8]>,
}

impl<S: Store, L: Send + Sync> Journal<S, L> {
    /// `lock`: fence, lease and the lock itself; `None` and whatever for an act by hand.
    pub(super) fn begin(
        (store, mut chain, spool): (Arc<S>, Chain, Option<Spool>),
        (fence, lease, lock): (Option<u64>, Lease, L),
        run: &RunHeader,
    ) -> Self {
        if fence.is_none() {
            chain.listen();
        }
        let begins = Event::RunBegins(RunBegins {
            at: WireTime(run.at),
            owner: run.owner.to_string(),
            by: run.by.to_string(),
            command: run.command.to_string(),
            allow: run.allow.iter().map(ToString::to_string).collect(),
            plan: run.plan.as_deref().map(str::to_owned),
            ci_job: run.ci_job.as_deref().map(str::to_owned),
            ci_commit: run.ci_commit.as_deref().map(str::to_owned),
        });
        Self {
            planned_under: chain.recorded().holds.clone(),
            store,
            chain,
            spool,
            run: run.id.clone(),
            seed: run.seed,
            fence,
            lease,
            waiting: vec![begins],
            pending: None,
            held: BTreeMap::new(),
            is_late: false,
            met: None,
            needs_record: false,
            local: None,
            files: 0,
            is_worth_it: false,
            last_intention: 0,
            _lock: lock,
        }
    }

    /// The ledger as this run knows it: what it has appended is in it, and what it has met of others.
    pub fn recorded(&self) -> &Recorded {
        self.chain.recorded()
    }

    /// That of the lock under which it writes; `None`: by hand.
    pub fn fence(&self) -> Option<u64> {
        self.fence
    }

    /// Why this run is kept on this machine only, for the next one to bring it into the record; `None`: it is not.
    pub fn is_kept_locally_because(&self) -> Option<&RecordError> {
        self.local.as_ref()
    }

    /// For what must not be done without the record: containment goes ahead without one, and nothing else that is done
    /// by hand does. From now on nothing is sent that is kept on this machine alone.
    ///
    /// # Errors
    /// The record could not be reached already.
    pub fn needing_the_record(mut self) -> Result<Self, RecordError> {
        self.needs_record = true;
        match self.local.take() {
            None => Ok(self),
            Some(cause) => Err(cause),
        }
    }

    /// What a reading showed of open intentions. Stored with what is appended next.
    pub fn settled(&mut self, at: Timestamp, settled: &[Settled]) {
        for settled in settled {
            self.waiting.push(Event::Settled(SettledLine {
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
            self.waiting.push(Event::HostsListed { at, count });
        }
        if !facts.entries.is_empty() {
            let entries =
                facts.entries.iter().map(|(entry, sensor)| (entry.to_string(), WireSensor(*sensor)));
            self.waiting.push(Event::Entries { at, entries: entries.collect() });
        }
        self.is_worth_it |= !facts.is_empty();
    }

    /// Leaves a hold. Stored with what is appended next: put down before the intention that it is for, both come
    /// into the chain at once.
    pub fn hold(&mut self, at: Timestamp, on: impl Into<HoldScope>, hold: &NewHold) {
        let on = on.into();
        self.waiting.push(Event::Held(HeldLine {
            at: WireTime(at),
            target: WireTarget(on.target),
            aspect: on.aspect.into(),
            host: hold.host.as_deref().map(str::to_owned),
            until: WireTime(hold.until),
            command: hold.command.to_string(),
            reason: hold.reason.as_deref().map(str::to_owned),
        }));
        self.is_worth_it = true;
    }

    /// Ends the hold on this, as far as the chain was read; not one that somebody leaves meanwhile. `host`: what people
    /// call it.
    pub fn end_hold(&mut self, at: Timestamp, on: impl Into<HoldScope>, host: Option<&str>) {
        let on = on.into();
        let is_ours = |event: &Event| matches!(event, Event::Held(held) if held.target.0 == on.target && on.aspect == held.aspect.into());
        let run = if self.waiting.iter().any(is_ours) {
            Some(self.run.to_string())
        } else {
            self.chain.recorded().holds.get(&on).map(|hold| hold.run.to_string())
        };
        self.waiting.push(Event::HoldEnded {
            at: WireTime(at),
            target: WireTarget(on.target),
            aspect: on.aspect.into(),
            host: host.map(str::to_owned),
            run,
        });
        self.is_worth_it = true;
    }

    /// Writes of this subject that other runs have put down, may be sending, and have not told the end of, as far
    /// as the chain was read. Whoever acts by hand asks this after their own intention is in the chain: one that
    /// is put down later meets their hold.
    pub fn open_of_others(&self, subject: Subject) -> impl Iterator<Item = &OpenIntention> {
        let open = self.chain.recorded().open.iter();
        open.filter(move |open| open.subject == subject && open.by.run != self.run)
    }

    /// What was put down on this subject since this act by hand began, or was open then, in the order of the chain:
    /// by others and by this run. Nothing for a run under a lock, which nobody but acts by hand writes beside.
    pub fn put_down_since(&self, subject: Subject) -> impl Iterator<Item = &OpenIntention> {
        self.chain.heard().iter().filter(move |open| open.subject == subject)
    }

    /// Whether it is this run that is named so.
    pub fn is_of_this(&self, run: &str) -> bool {
        *self.run == *run
    }

    /// Whether the run has said that it ended: then it sends nothing more.
    pub fn has_ended(&self, run: &str) -> bool {
        self.chain.ledger.has_ended(run)
    }

    /// Says how the run ended, and gives the lock back. Writes nothing where there is nothing to tell.
    ///
    /// # Errors
    /// It could be kept neither in the record nor on this machine. The run then counts as unfinished, and what is
    /// open is settled by the next one.
    pub async fn end(mut self, at: Timestamp, end: &RunEnd) -> Result<Kept, RecordError> {
        if !self.is_worth_it {
            return Ok(Kept::InRecord);
        }
        let (status, why) = match end {
            RunEnd::Finished => (Status::Finished, None),
            RunEnd::Interrupted => (Status::Interrupted, None),
            RunEnd::Failed { why } => (Status::Failed, Some(why.to_string())),
        };
        self.waiting.push(Event::RunEnds { at: WireTime(at), status, why });
        if let Err(cause) = self.flush().await {
            self.keep_locally(cause).await?;
        }
        match (self.local, self.spool) {
            (Some(cause), Some(spool)) => Ok(Kept::Locally { place: spool.place(), cause }),
            (None, _) | (Some(_), None) => Ok(Kept::InRecord),
        }
    }

    /// Keeps the rules of these intentions; the difference of each as it is written, and what of it is foreign.
    async fn keep_sets(
        &mut self,
        intentions: &[Intention],
    ) -> Result<Vec<(WireDifference, Option<SetRef>)>, RecordError> {
        let mut rules: Vec<&Arc<PreventionRule>> = Vec::new();
        for intention in intentions {
            if let Difference::Prevention(side) = &intention.difference {
                rules.extend(side.before.iter().chain(&side.after));
            }
            rules.extend(&intention.foreign);
        }
        let kept = match (&self.local, &self.spool) {
            (Some(_), Some(spool)) => spool.keep_sets(&rules).await?,
            (None, _) | (Some(_), None) => self.chain.sets.keep(&*self.store, &rules).await?,
        };
        let mut kept: std::vec::IntoIter<SetRef> = kept.into_iter();
        Ok(intentions
            .iter()
            .map(|intention| {
                let difference = WireDifference::new(&intention.difference, kept.by_ref());
                (difference, intention.foreign.as_ref().and_then(|_| kept.next()))
            })
            .collect())
    }
}

impl<S: Store, L: Send + Sync> Intentions for Journal<S, L> {
    async fn intend(&mut self, intentions: &[Intention]) -> Result<Vec<Intended>, RecordError> {
        let differences = match self.keep_sets(intentions).await {
            Ok(differences) => differences,
            Err(cause) => {
                self.act_locally(cause).await?;
                self.keep_sets(intentions).await?
            }
        };
        let mut numbers = Vec::with_capacity(intentions.len());
        for (intention, (difference, foreign)) in intentions.iter().zip(differences) {
            self.last_intention += 1;
            numbers.push(IntentionNumber(self.last_intention));
            self.waiting.push(Event::Intends(Box::new(Intends {
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
                foreign,
                clocks_apart: intention.clocks_apart,
            })));
        }
        self.is_worth_it = true;
        let appended = match self.flush().await {
            Ok(()) => Ok(()),
            Err(cause) => self.act_locally(cause).await,
        };
        if let Err(error) = appended {
            // They may be in the record all the same; the caller never sends them.
            let why: Arc<str> = "never sent: it was not sure to be in the record".into();
            for (number, intention) in numbers.iter().zip(intentions) {
                let outcome = WriteOutcome::NotDone { why: why.clone() };
                self.outcomes(intention.at, &[(*number, outcome)]);
            }
            return Err(error);
        }
        let intended = numbers.into_iter().map(|number| match self.held.get(&number.0) {
            Some(hold) => Intended::Held(hold.clone()),
            None => Intended::MaySend(number),
        });
        Ok(intended.collect())
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
            let outcome = OutcomeOf { intention: number.0, at: WireTime(at), outcome };
            self.waiting.push(Event::Outcome(outcome));
        }
    }

    fn lease(&self) -> Lease {
        self.lease.clone()
    }

    async fn hold_since(&mut self, subject: Subject, at: Timestamp) -> Result<Option<Hold>, RecordError> {
        if self.fence.is_none() {
            return Ok(None);
        }
        self.catch_up().await?;
        Ok(self.hold_on(subject, at).cloned())
    }
}
