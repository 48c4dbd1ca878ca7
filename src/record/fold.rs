//! The ledger: what we set last, per subject, derived from the journal's events in their order. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{Event, Intends, OutcomeOf, SettledLine, WireOutcome};
use super::settle::{hashes, judge_preventions};
use super::{
    Attribution, IntentionNumber, LastRun, OpenIntention, Recorded, RecordedIsolation, RecordedPrevention,
    RecordedRule,
};
use crate::model::{Difference, HashSet, Isolation, PreventionRule, Side, Subject, Target};

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    recorded: Recorded,
    runs: BTreeMap<Arc<str>, Run>,
    /// What hosts have in common is in memory once.
    known_hashes: BTreeSet<Arc<HashSet>>,
}

#[derive(Debug, Clone)]
struct Run {
    owner: Arc<str>,
    has_ended: bool,
}

/// Sets by their digest; those that an event names are known before it is folded.
type Sets = BTreeMap<String, Arc<PreventionRule>>;

impl Ledger {
    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// # Errors
    /// What makes no sense to this version, for a message.
    pub(super) fn fold(&mut self, run: &Arc<str>, event: &Event, sets: &Sets) -> Result<(), String> {
        let at = match event {
            Event::RunBegins(begins) => {
                let begun = Run { owner: begins.owner.as_str().into(), has_ended: false };
                self.runs.insert(run.clone(), begun);
                begins.at
            }
            Event::Intends(intends) => {
                self.open(run, intends, sets)?;
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
                self.recorded.entries.extend(entries);
                *at
            }
            Event::RunEnds { at, status: _, why: _ } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.has_ended = true;
                }
                *at
            }
        };
        let is_unfinished = self.runs.get(run).is_none_or(|run| !run.has_ended);
        self.recorded.last_run = Some(LastRun { id: run.clone(), at: at.0, is_unfinished });
        Ok(())
    }

    fn open(&mut self, run: &Arc<str>, intends: &Intends, sets: &Sets) -> Result<(), String> {
        let Some(Run { owner, .. }) = self.runs.get(run) else {
            return Err(format!("run {run} has no beginning"));
        };
        let by = Attribution {
            owner: owner.clone(),
            run: run.clone(),
            entry: intends.entry.as_deref().map(Into::into),
            origin: intends.origin.clone().map(Into::into),
            reason: intends.reason.as_deref().map(Into::into),
            at: intends.at.0,
        };
        let difference = intends.difference.difference(sets)?;
        let subject = Subject { target: intends.target.0, aspect: difference.aspect() };
        let number = IntentionNumber(intends.intention);
        let clocks_apart = intends.clocks_apart;
        self.recorded.open.push(OpenIntention {
            number,
            subject,
            by,
            difference,
            clocks_apart,
            by_hand: false,
        });
        Ok(())
    }

    /// An outcome of what is not open changes nothing: what was judged first holds.
    fn outcome(&mut self, run: &Arc<str>, line: &OutcomeOf) {
        match &line.outcome {
            WireOutcome::Done { sent_at, listed_timeout_seconds } => {
                if let Some(index) = self.position(run, line.intention) {
                    self.done(index, sent_at.0, line.at.0, *listed_timeout_seconds);
                }
            }
            WireOutcome::NothingToDo | WireOutcome::NotDone { .. } => {
                if let Some(index) = self.position(run, line.intention) {
                    self.recorded.open.remove(index);
                }
            }
            WireOutcome::Unknown { .. } => {}
        }
    }

    fn settled(&mut self, line: &SettledLine) {
        let Some(index) = self.position(&line.run, line.intention) else { return };
        if line.done {
            // Its own time: the request can not have been sent before that.
            let at = self.recorded.open[index].by.at;
            self.done(index, at, line.at.0, line.listed_timeout_seconds);
        } else {
            self.recorded.open.remove(index);
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
        let OpenIntention { subject, by, difference, clocks_apart, .. } = self.recorded.open.remove(index);
        self.supersede(index, subject, &difference, verified_at);
        let by = Attribution { at: sent_at, ..by };
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
                self.recorded.isolations.insert(sensor, RecordedIsolation { by, rule, verified_at });
            }
            // The API knows no such rule (response-api.md, section 2).
            (Difference::Isolation(_), Target::AllHosts) => {}
            (Difference::Prevention(side), target) => self.add_prevention(target, by, &side, verified_at),
        }
    }

    fn add_prevention(
        &mut self,
        target: Target,
        by: Attribution,
        side: &Side<Arc<PreventionRule>>,
        verified_at: Timestamp,
    ) {
        let known = self.recorded.preventions.get(&target);
        let nothing = Arc::default();
        let ours = ours_after(known.map_or(&nothing, |known| &known.ours), side);
        let ours = self.shared(ours);
        self.recorded.preventions.insert(target, RecordedPrevention { by, ours, verified_at });
    }

    /// One copy for all hosts that have the same.
    fn shared(&mut self, hashes: HashSet) -> Arc<HashSet> {
        if let Some(known) = self.known_hashes.get(&hashes) {
            return known.clone();
        }
        let hashes = Arc::new(hashes);
        self.known_hashes.insert(hashes.clone());
        hashes
    }

    /// Closes what stayed open on the same subject before the one that was at `index`: the later write began with
    /// a reading, which judges them, and what is there now comes from it.
    fn supersede(&mut self, index: usize, subject: Subject, later: &Difference, verified_at: Timestamp) {
        let mut older = Vec::new();
        let mut open = Vec::new();
        for (at, other) in std::mem::take(&mut self.recorded.open).into_iter().enumerate() {
            if at < index && other.subject == subject { older.push(other) } else { open.push(other) }
        }
        self.recorded.open = open;
        let found = match later {
            // Of an isolation only the last one counts.
            Difference::Isolation(_) => return,
            Difference::Prevention(side) => {
                side.before.as_ref().map_or_else(HashSet::new, |rule| rule.hashes())
            }
        };
        let mut sides = Vec::new();
        for open in older {
            if let Difference::Prevention(side) = open.difference {
                sides.push((open.by, side));
            }
        }
        let judged = judge_preventions(sides.iter().map(|(_, side)| side), &found);
        for ((by, side), is_done) in sides.into_iter().zip(judged) {
            if is_done {
                self.add_prevention(subject.target, by, &side, verified_at);
            }
        }
    }
}

/// Ours after a write: of ours what is still there, and what the write added to what it found.
pub(super) fn ours_after(ours: &HashSet, side: &Side<Arc<PreventionRule>>) -> HashSet {
    let is_before = |hash: &_| side.before.as_ref().is_some_and(|rule| rule.objects.contains_key(hash));
    hashes(side.after.as_ref()).filter(|hash| ours.contains(hash) || !is_before(hash)).copied().collect()
}
