//! Reads the journal as it tells of itself (`told.rs`): from its end, so that a few runs cost a few segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::{Event, HeldLine, Intends, OutcomeOf, RunBegins, SettledLine, Status, WireOutcome};
use super::segment::{self, Link, Segment};
use super::told::{
    Act, ActOutcome, ActValues, Commit, HashCounts, History, HoldChange, HoldNote, KeptRule, RecordedRun,
    RuleCounts,
};
use super::wire::{SetRef, WireDifference, WireSide};
use super::{IntentionNumber, Record, RecordError, RunEnd, Store, key, sets};
use crate::model::{Aspect, HoldScope, Isolation, PreventionRule, ServerKey, Side, Subject};

impl<S: Store> Record<S> {
    /// The runs of a server; the `newest` ones, or all. Reads from the end, so that a few cost a few.
    ///
    /// # Errors
    /// As [`Record::read`], for what had to be read.
    pub async fn history(&self, server: &ServerKey, newest: Option<usize>) -> Result<History, RecordError> {
        let first = Link::first(key::file_name(server));
        let names = self.store.list(&segment::folder(&first.server)).await?;
        let last = names.iter().filter_map(|key| segment::number_of(key)).max().unwrap_or(0);
        let (mut begun, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut segments: Vec<(Link, Segment)> = Vec::new();
        for number in (1..=last).rev() {
            // A run is told whole: also one that began long before those that began after it.
            let is_enough = newest.is_some_and(|newest| begun.len() >= newest && seen.is_subset(&begun));
            if is_enough {
                break;
            }
            let link = Link { number, ..first.clone() };
            let segment = self.segment(&link, segments.last().map(|(_, next)| next)).await?;
            seen.insert(segment.header.run.clone());
            if segment.events.iter().any(|event| matches!(event, Event::RunBegins(_))) {
                begun.insert(segment.header.run.clone());
            }
            segments.push((link, segment));
        }
        let is_whole = segments.len() as u64 == last;
        let mut told = Telling::default();
        for (link, segment) in segments.iter().rev() {
            told.segment(segment).map_err(|what| RecordError::FromNewerVersion {
                place: self.store.place(&link.key()),
                writer: segment.header.writer.clone(),
                what,
            })?;
        }
        let mut runs = told.runs;
        runs.reverse();
        if let Some(newest) = newest {
            let is_cut = runs.len() > newest;
            runs.truncate(newest);
            return Ok(History { runs, is_whole: is_whole && !is_cut });
        }
        Ok(History { runs, is_whole })
    }

    /// `next`: the segment after it, which names its digest.
    async fn segment(&self, link: &Link, next: Option<&Segment>) -> Result<Segment, RecordError> {
        let Some(bytes) = self.store.get(&link.key()).await? else {
            let why = format!("segment {} is missing, though there are later ones", link.number);
            return Err(segment::damaged(&*self.store, link, why));
        };
        let segment = segment::decode_alone(&*self.store, link, &bytes)?;
        match next {
            Some(next) if next.header.previous.as_deref() != Some(&*segment.digest) => {
                let why = "it is not the segment that the one after it was written after".to_owned();
                Err(segment::damaged(&*self.store, link, why))
            }
            Some(_) | None => Ok(segment),
        }
    }

    /// A prevention rule that an act names.
    ///
    /// # Errors
    /// It is missing or was edited.
    pub async fn rule(&self, kept: &KeptRule) -> Result<Arc<PreventionRule>, RecordError> {
        Ok(Arc::new(sets::read(&*self.store, &kept.sha256).await?))
    }

    /// Counts what these acts changed; rules are read as they are needed, and not kept in memory.
    ///
    /// # Errors
    /// A rule is missing or was edited.
    pub async fn count(&self, acts: impl IntoIterator<Item = &Act>) -> Result<RuleCounts, RecordError> {
        let mut counts = RuleCounts::default();
        for act in acts {
            let ActValues::Prevention(Side { before, after }) = &act.values else { continue };
            let key = (before.clone(), after.clone());
            if counts.0.contains_key(&key) {
                continue;
            }
            let (before, after) = (self.rule_or_none(before).await?, self.rule_or_none(after).await?);
            let kept = before.objects.keys().filter(|hash| after.objects.contains_key(hash)).count();
            let (added, removed) = (after.objects.len() - kept, before.objects.len() - kept);
            counts.0.insert(key, HashCounts { added, removed, kept });
        }
        Ok(counts)
    }

    async fn rule_or_none(&self, kept: &Option<KeptRule>) -> Result<Arc<PreventionRule>, RecordError> {
        match kept {
            None => Ok(Arc::default()),
            Some(kept) => self.rule(kept).await,
        }
    }

    /// Where a server's chain lies, for messages.
    pub fn chain_place(&self, server: &ServerKey) -> String {
        self.store.place(&segment::folder(&key::file_name(server)))
    }
}

/// Runs in the order in which they began, as far as they were told.
#[derive(Default)]
struct Telling {
    acts: usize,
    runs: Vec<RecordedRun>,
    index: BTreeMap<Arc<str>, usize>,
}

impl Telling {
    /// # Errors
    /// What makes no sense to this version, for a message.
    fn segment(&mut self, segment: &Segment) -> Result<(), String> {
        for event in &segment.events {
            self.event(&segment.header.run, event)?;
        }
        Ok(())
    }

    fn event(&mut self, id: &str, event: &Event) -> Result<(), String> {
        if let Event::RunBegins(begins) = event {
            let run = run(id, begins);
            self.index.insert(run.id.clone(), self.runs.len());
            self.runs.push(run);
            return Ok(());
        }
        if let Event::Settled(settled) = event {
            self.settled(settled);
        }
        let Some(run) = self.index.get(id).and_then(|index| self.runs.get_mut(*index)) else {
            return Err(format!("run {id} has no beginning"));
        };
        let at = match event {
            Event::RunBegins(begins) => begins.at,
            Event::Intends(intends) => {
                run.acts.push(act(intends, self.acts)?);
                self.acts += 1;
                intends.at
            }
            Event::Outcome(outcome) => {
                became(run, outcome);
                outcome.at
            }
            Event::Settled(settled) => settled.at,
            Event::Held(held) => {
                run.holds.push(hold(held));
                held.at
            }
            Event::HoldEnded { at, target, aspect, host, run: _ } => {
                run.holds.push(HoldNote {
                    at: at.0,
                    subject: HoldScope { target: target.0, aspect: (*aspect).into() },
                    host: host.as_deref().map(Into::into),
                    change: HoldChange::Ended,
                });
                *at
            }
            Event::HostsListed { at, .. } | Event::Entries { at, .. } => *at,
            Event::RunEnds { at, status, why } => {
                run.end = Some(match status {
                    Status::Finished => RunEnd::Finished,
                    Status::Interrupted => RunEnd::Interrupted,
                    Status::Failed => RunEnd::Failed { why: why.as_deref().unwrap_or("").into() },
                });
                *at
            }
        };
        run.last_at = at.0;
        Ok(())
    }

    /// A later reading tells what became of an act of an earlier run, where that one is told at all.
    fn settled(&mut self, line: &SettledLine) {
        let Some(run) = self.index.get(&*line.run).and_then(|index| self.runs.get_mut(*index)) else {
            return;
        };
        let Some(act) = act_of(run, line.intention) else { return };
        if !matches!(act.outcome, ActOutcome::Open { .. }) {
            return;
        }
        act.outcome = if line.done {
            let listed_timeout_seconds = line.listed_timeout_seconds;
            ActOutcome::Done { sent_at: act.at, listed_timeout_seconds }
        } else {
            ActOutcome::NotDone { why: "a later reading showed that it was not done".into() }
        };
    }
}

fn run(id: &str, begins: &RunBegins) -> RecordedRun {
    RecordedRun {
        id: id.into(),
        begun_at: begins.at.0,
        last_at: begins.at.0,
        by: begins.by.as_str().into(),
        owner: begins.owner.as_str().into(),
        command: begins.command.as_str().into(),
        allow: begins.allow.iter().map(|allowed| allowed.as_str().into()).collect(),
        plan: begins.plan.as_deref().map(Into::into),
        ci_job: begins.ci_job.as_deref().map(Into::into),
        commit: begins.ci_commit.as_deref().map(|commit| match commit.strip_suffix('?') {
            Some(id) => Commit { id: id.into(), is_sure: false },
            None => Commit { id: commit.into(), is_sure: true },
        }),
        acts: Vec::new(),
        holds: Vec::new(),
        end: None,
    }
}

fn hold(held: &HeldLine) -> HoldNote {
    HoldNote {
        at: held.at.0,
        subject: HoldScope { target: held.target.0, aspect: held.aspect.into() },
        host: held.host.as_deref().map(Into::into),
        change: HoldChange::Left {
            until: held.until.0,
            command: held.command.as_str().into(),
            reason: held.reason.as_deref().map(Into::into),
        },
    }
}

fn act(intends: &Intends, order: usize) -> Result<Act, String> {
    let kept = |set: &Option<SetRef>| {
        set.as_ref().map(|set| KeptRule { sha256: set.sha256.as_str().into(), count: set.count })
    };
    let (aspect, values) = match &intends.difference {
        WireDifference::Isolation(WireSide { before, after }) => {
            let isolation = |wire: &Option<_>| wire.as_ref().map(Isolation::try_from).transpose();
            let side = Side { before: isolation(before)?, after: isolation(after)? };
            (Aspect::Isolation, ActValues::Isolation(side))
        }
        WireDifference::Prevention(WireSide { before, after }) => {
            (Aspect::Prevention, ActValues::Prevention(Side { before: kept(before), after: kept(after) }))
        }
        WireDifference::Task(side) => {
            let (id, side) = side.side();
            (Aspect::Task(id), ActValues::Task(side))
        }
    };
    Ok(Act {
        number: IntentionNumber(intends.intention),
        order,
        subject: Subject { target: intends.target.0, aspect },
        host: intends.host.as_deref().map(Into::into),
        entry: intends.entry.as_deref().map(Into::into),
        cause: intends.cause(),
        reason: intends.reason.as_deref().map(Into::into),
        action: intends.action.as_str().into(),
        at: intends.at.0,
        values,
        foreign: kept(&intends.foreign),
        clocks_apart: intends.clocks_apart,
        outcome: ActOutcome::Open { why: None },
    })
}

/// What was judged first holds, as in the ledger.
fn became(run: &mut RecordedRun, line: &OutcomeOf) {
    let Some(act) = act_of(run, line.intention) else { return };
    let is_news = match (&act.outcome, &line.outcome) {
        (ActOutcome::Open { .. }, _) => true,
        // A reading found it not done while its run was still at it.
        (ActOutcome::NotDone { .. }, WireOutcome::Done { .. } | WireOutcome::Unknown { .. }) => true,
        (ActOutcome::Done { .. } | ActOutcome::NothingToDo | ActOutcome::NotDone { .. }, _) => false,
    };
    if !is_news {
        return;
    }
    act.outcome = match &line.outcome {
        WireOutcome::Done { sent_at, listed_timeout_seconds } => {
            let listed_timeout_seconds = *listed_timeout_seconds;
            ActOutcome::Done { sent_at: sent_at.0, listed_timeout_seconds }
        }
        WireOutcome::NothingToDo => ActOutcome::NothingToDo,
        WireOutcome::NotDone { why } => ActOutcome::NotDone { why: why.as_str().into() },
        WireOutcome::Unknown { why } => ActOutcome::Open { why: Some(why.as_str().into()) },
    };
}

fn act_of(run: &mut RecordedRun, number: u64) -> Option<&mut Act> {
    // They are put down in the order of their numbers.
    let Ok(index) = run.acts.binary_search_by_key(&number, |act| act.number.0) else { return None };
    run.acts.get_mut(index)
}
