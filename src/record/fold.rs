//! The ledger: what we set last, per subject, derived from the journal's events in their order. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{Event, HeldLine, Intends, OutcomeOf, SettledLine, WireOutcome};
use super::ours::SharedOurs;
use super::sets::Sets;
use super::settle::judge_preventions;
use super::wire;
use super::{
    Attribution, Hold, IntentionNumber, LastRun, OpenIntention, Recorded, RecordedIsolation,
    RecordedPrevention, RecordedRule, RecordedTask,
};
use crate::model::{
    Difference, HashSet, HoldScope, Isolation, PreventionRule, Program, SensorId, Side, Subject, Target,
    TaskId,
};

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    recorded: Recorded,
    /// Those that have not ended: what they go on to say is theirs.
    runs: BTreeMap<Arc<str>, Run>,
    /// By hand, and found not done by a reading while its run may still have been at it: what that run says of it
    /// later holds.
    judged: Vec<OpenIntention>,
    ours: SharedOurs,
}

impl PartialEq for Ledger {
    /// By what it says. Which sets it met on the way there is no part of that.
    fn eq(&self, other: &Self) -> bool {
        let Self { recorded, runs, judged, ours: _ } = self;
        (recorded, runs, judged) == (&other.recorded, &other.runs, &other.judged)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) owner: Arc<str>,
    pub(super) by: Arc<str>,
    pub(super) commit: Option<Arc<str>>,
}

/// How a segment came into the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) run: &'a Arc<str>,
    /// Without a lock.
    pub(super) by_hand: bool,
    /// What stands before it may have been written after it.
    pub(super) is_late: bool,
}

impl Ledger {
    pub(super) fn from_parts(
        recorded: Recorded,
        runs: BTreeMap<Arc<str>, Run>,
        judged: Vec<OpenIntention>,
    ) -> Self {
        let ours = SharedOurs::of(&recorded);
        Self { recorded, runs, judged, ours }
    }

    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = (&Arc<str>, &Run)> {
        self.runs.iter()
    }

    pub(super) fn judged(&self) -> &[OpenIntention] {
        &self.judged
    }

    pub(super) fn has_ended(&self, run: &str) -> bool {
        !self.runs.contains_key(run)
    }

    /// `sets`: those that the event names are known.
    ///
    /// # Errors
    /// What makes no sense to this version, for a message.
    pub(super) fn fold(&mut self, written: Written<'_>, event: &Event, sets: &Sets) -> Result<(), String> {
        let run = written.run;
        let at = match event {
            Event::RunBegins(begins) => {
                let begun = Run {
                    owner: begins.owner.as_str().into(),
                    by: begins.by.as_str().into(),
                    commit: begins.ci_commit.as_deref().map(Into::into),
                };
                self.runs.insert(run.clone(), begun);
                begins.at
            }
            Event::Intends(intends) => {
                self.open(written, intends, sets)?;
                intends.at
            }
            Event::Outcome(outcome) => {
                self.outcome(run, outcome);
                outcome.at
            }
            Event::Settled(settled) => {
                self.settled(settled);
                settled.at
            }
            Event::HostsListed { at, count } => {
                self.recorded.hosts_last_seen = Some(*count);
                *at
            }
            Event::Entries { at, entries } => {
                let entries = entries.iter().map(|(entry, sensor)| (entry.as_str().into(), sensor.0));
                let owner = self.begun(run)?.owner.clone();
                self.recorded.entries.entry(owner).or_default().extend(entries);
                *at
            }
            Event::Held(held) => {
                self.hold(written, held)?;
                held.at
            }
            Event::HoldEnded { at, target, aspect, host: _, run: of } => {
                let subject = HoldScope { target: target.0, aspect: (*aspect).into() };
                // It ended what was held then, not what is held since.
                let is_meant = |hold: &Hold| match of {
                    Some(of) => *hold.run == **of,
                    None => hold.at <= at.0,
                };
                if self.recorded.holds.get(&subject).is_some_and(is_meant) {
                    self.recorded.holds.remove(&subject);
                }
                *at
            }
            Event::RunEnds { at, status: _, why: _ } => {
                self.runs.remove(run);
                self.judged.retain(|open| open.by.run != *run);
                *at
            }
        };
        // Of several that write at once the one that wrote last; what was kept elsewhere and brought in is older.
        let last = self.recorded.last_run.as_ref();
        if last.is_none_or(|last| !written.is_late || last.at <= at.0 || last.id == *run) {
            let is_unfinished = !self.has_ended(run);
            self.recorded.last_run = Some(LastRun { id: run.clone(), at: at.0, is_unfinished });
        }
        Ok(())
    }

    fn begun(&self, run: &str) -> Result<&Run, String> {
        self.runs.get(run).ok_or_else(|| format!("run {run} has no beginning"))
    }

    fn open(&mut self, written: Written<'_>, intends: &Intends, sets: &Sets) -> Result<(), String> {
        let begun = self.begun(written.run)?;
        let by = Attribution {
            owner: begun.owner.clone(),
            run: written.run.clone(),
            entry: intends.entry.as_deref().map(Into::into),
            cause: intends.cause(),
            reason: intends.reason.as_deref().map(Into::into),
            commit: begun.commit.clone(),
            at: intends.at.0,
        };
        let difference = intends.difference.difference(&|sha256| sets.get(sha256))?;
        let foreign = wire::rule(intends.foreign.as_ref(), &|sha256| sets.get(sha256))?;
        let subject = Subject { target: intends.target.0, aspect: difference.aspect() };
        self.recorded.open.push(OpenIntention {
            number: IntentionNumber(intends.intention),
            subject,
            by,
            difference,
            clocks_apart: intends.clocks_apart,
            foreign,
            by_hand: written.by_hand,
            is_contested: written.is_late,
        });
        Ok(())
    }

    fn hold(&mut self, written: Written<'_>, held: &HeldLine) -> Result<(), String> {
        let run = written.run;
        let hold = Hold {
            until: held.until.0,
            by: self.begun(run)?.by.clone(),
            run: run.clone(),
            at: held.at.0,
            command: held.command.as_str().into(),
            reason: held.reason.as_deref().map(Into::into),
        };
        let subject = HoldScope { target: held.target.0, aspect: held.aspect.into() };
        // Of one that was kept elsewhere and brought in late, and the one that somebody left since: whichever lasts
        // longer. Nobody is freed by what came late.
        let lasts = |since: &Hold| written.is_late && since.at > hold.at && since.until > hold.until;
        if !self.recorded.holds.get(&subject).is_some_and(lasts) {
            self.recorded.holds.insert(subject, hold);
        }
        Ok(())
    }

    /// An outcome of what is not open changes nothing: what was judged first holds.
    fn outcome(&mut self, run: &Arc<str>, line: &OutcomeOf) {
        self.reopen(run, line.intention);
        match &line.outcome {
            WireOutcome::Done { sent_at, listed_timeout_seconds } => {
                if let Some(index) = self.position(run, line.intention) {
                    self.done(index, sent_at.0, line.at.0, *listed_timeout_seconds);
                }
            }
            WireOutcome::NothingToDo | WireOutcome::NotDone { .. } => {
                let Some(index) = self.position(run, line.intention) else { return };
                let open = &self.recorded.open[index];
                match (&line.outcome, &open.difference) {
                    // Somebody's equal declaration created it. It is known to have been there: it is not started again
                    // when it is there no more.
                    (WireOutcome::NothingToDo, Difference::Task(_, Side { after: Some(_), .. })) => {
                        self.done(index, open.by.at, line.at.0, None);
                    }
                    _ => drop(self.recorded.open.remove(index)),
                }
            }
            WireOutcome::Unknown { .. } => {}
        }
    }

    /// Who acts by hand is asked by nobody whether they are at it: a reading that came before their request says
    /// nothing against their own.
    fn reopen(&mut self, run: &str, number: u64) {
        let is_it = |open: &OpenIntention| *open.by.run == *run && open.number.0 == number;
        if let Some(index) = self.judged.iter().position(is_it) {
            self.recorded.open.push(self.judged.remove(index));
        }
    }

    fn settled(&mut self, line: &SettledLine) {
        let Some(index) = self.position(&line.run, line.intention) else { return };
        if line.done {
            // Its own time: the request can not have been sent before that.
            let at = self.recorded.open[index].by.at;
            self.done(index, at, line.at.0, line.listed_timeout_seconds);
        } else {
            let open = self.recorded.open.remove(index);
            if open.by_hand && !self.has_ended(&line.run) {
                self.judged.push(open);
            }
        }
    }

    fn position(&self, run: &str, number: u64) -> Option<usize> {
        self.recorded.open.iter().position(|open| *open.by.run == *run && open.number.0 == number)
    }

    fn done(
        &mut self,
        index: usize,
        sent_at: Timestamp,
        verified_at: Timestamp,
        listed_timeout_seconds: Option<u64>,
    ) {
        let done = self.recorded.open.remove(index);
        self.supersede(index, &done, verified_at);
        let OpenIntention { subject, by, difference, clocks_apart, foreign, is_contested, .. } = done;
        // Whatever comes of those later, they were before this one.
        self.judged.retain(|judged| judged.subject != subject);
        let by = Attribution { at: sent_at, ..by };
        // The chain tells what came last, since clocks of two machines need not agree; where it can not, they have to.
        let is_last = |known: &Attribution| !is_contested || known.at <= sent_at;
        match (difference, subject.target) {
            (Difference::Isolation(side), Target::Sensor(sensor)) => {
                let rule = side.after.map(|sent| RecordedRule {
                    sent_timeout_seconds: sent.timeout_seconds,
                    listed: Isolation {
                        timeout_seconds: listed_timeout_seconds.unwrap_or(sent.timeout_seconds),
                        ..sent
                    },
                    sent_at,
                    verified_at: Some(verified_at),
                    clocks_apart,
                });
                // Brought in late, it tells nothing of what was set since.
                if self.recorded.isolations.get(&sensor).is_none_or(|known| is_last(&known.by)) {
                    self.recorded.isolations.insert(sensor, RecordedIsolation { by, rule, verified_at });
                }
            }
            // The API knows no such rule (response-api.md, section 2).
            (Difference::Isolation(_), Target::AllHosts) => {}
            (Difference::Prevention(side), target) => {
                self.add_prevention(target, by, (side, foreign.as_deref()), verified_at);
            }
            (Difference::Task(id, side), Target::Sensor(sensor)) => {
                if self.recorded.tasks.get(&id).is_none_or(|known| is_last(&known.by)) {
                    self.add_task((id, sensor), by, side, verified_at);
                }
            }
            // A task is for one host (response-api.md, section 5).
            (Difference::Task(..), Target::AllHosts) => {}
        }
    }

    fn add_task(
        &mut self,
        (id, sensor): (TaskId, SensorId),
        by: Attribution,
        side: Side<Arc<Program>>,
        verified_at: Timestamp,
    ) {
        let is_deleted = side.after.is_none();
        let Some(program) = side.after.or(side.before) else { return };
        self.recorded.tasks.insert(id, RecordedTask { by, sensor, program, is_deleted, verified_at });
    }

    fn add_prevention(
        &mut self,
        target: Target,
        by: Attribution,
        (side, foreign): (Side<Arc<PreventionRule>>, Option<&PreventionRule>),
        verified_at: Timestamp,
    ) {
        let preventions = &mut self.recorded.preventions;
        let known = preventions.get(&target).map(|known| &known.ours);
        let ours = self.ours.after(known, side, foreign, preventions.len());
        preventions.insert(target, RecordedPrevention { by, ours, verified_at });
    }

    /// Closes what stayed open on the same subject before the one that was at `index`: the later write began with
    /// a reading, which judges them, and what is there now comes from it.
    fn supersede(&mut self, index: usize, later: &OpenIntention, verified_at: Timestamp) {
        let subject = later.subject;
        let mut open = std::mem::take(&mut self.recorded.open);
        let is_older = |other: &mut OpenIntention| other.subject == subject && !self.is_beside(other, later);
        let older: Vec<OpenIntention> = open.extract_if(..index, is_older).collect();
        // What others put down before it, and may still be at: that they tell its end later says nothing of which of
        // the two was sent last.
        let beside = open.iter_mut().take(index - older.len()).filter(|other| other.subject == subject);
        beside.for_each(|other| other.is_contested = true);
        self.recorded.open = open;
        let found = match &later.difference {
            // Of an isolation only the last one counts, and of a task.
            Difference::Isolation(_) | Difference::Task(..) => return,
            Difference::Prevention(side) => {
                side.before.as_ref().map_or_else(HashSet::new, |rule| rule.hashes())
            }
        };
        let mut sides = Vec::new();
        for open in older {
            if let Difference::Prevention(side) = open.difference {
                sides.push((open.by, side, open.foreign));
            }
        }
        let judged = judge_preventions(sides.iter().map(|(_, side, _)| side), &found);
        for ((by, side, foreign), is_done) in sides.into_iter().zip(judged) {
            if is_done {
                self.add_prevention(subject.target, by, (side, foreign.as_deref()), verified_at);
            }
        }
    }
}

impl Ledger {
    /// Whether two runs may be writing at once: who holds the lock, and who acts by hand. Then neither says
    /// anything about the other.
    fn is_beside(&self, one: &OpenIntention, other: &OpenIntention) -> bool {
        one.by.run != other.by.run && (one.by_hand || other.by_hand) && !self.has_ended(&one.by.run)
    }
}
