//! The journal as it tells of itself: its runs, what each meant to change and what became of that. Values, as they
//! were put down; what follows from them is the ledger's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{Event, HeldLine, Intends, OutcomeOf, RunBegins, SettledLine, Status, WireOutcome};
use super::segment::{self, Link, Segment};
use super::wire::{SetRef, WireDifference, WireSide};
use super::{IntentionNumber, Record, RecordError, RunEnd, Store, key, sets};
use crate::model::{Aspect, Cause, HoldScope, Isolation, PreventionRule, Program, ServerKey, Side, Subject};

/// The runs of one server, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// By where they began in the chain; no more than were asked for.
    pub runs: Vec<RecordedRun>,
    /// There are no older runs.
    pub is_whole: bool,
}

/// One run on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRun {
    /// Such as `20261125-003319-4f2a`: its begin in UTC and four random hexadecimal digits.
    pub id: Arc<str>,
    /// When it began on this server, by its own machine's clock.
    pub begun_at: Timestamp,
    /// When it last wrote to the record.
    pub last_at: Timestamp,
    /// `user@machine`.
    pub by: Arc<str>,
    /// In whose name it wrote: `owner:` of its files, `default` where they have none.
    pub owner: Arc<str>,
    /// As it called itself: `apply`, `apply --renew-only`, `isolate`, `tasks delete`, …
    pub command: Arc<str>,
    /// What its flags let pass: limits, take-overs, accepted moves, a short host list.
    pub allow: Vec<Arc<str>>,
    /// The id of the approved or saved plan that it was held to.
    pub plan: Option<Arc<str>>,
    /// A link to its CI job, without credentials; `None`: the environment gave none.
    pub ci_job: Option<Arc<str>>,
    /// `None`: neither a CI job nor a git folder around the files told one.
    pub commit: Option<Commit>,
    /// In the order in which they were put down.
    pub acts: Vec<Act>,
    /// What it left or ended, in that order.
    pub holds: Vec<HoldNote>,
    /// `None`: it never said that it ended.
    pub end: Option<RunEnd>,
}

/// The commit that a run's files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// As the CI job or the git folder told it: mostly 40 or 64 hexadecimal digits.
    pub id: Arc<str>,
    /// A CI job checked it out; otherwise the files may have been edited since.
    pub is_sure: bool,
}

/// A hold that a run left, or that it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldNote {
    /// When it was left or ended, by the clock of the run's machine.
    pub at: Timestamp,
    /// What it keeps, or kept, `apply` off.
    pub subject: HoldScope,
    /// What people called the host then.
    pub host: Option<Arc<str>>,
    /// Whether it was left or ended.
    pub change: HoldChange,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldChange {
    /// It stands from then on, in the place of any that stood there.
    Left {
        /// When it ends by itself.
        until: Timestamp,
        /// `isolate`, `release`, `block`, `unblock`, `rollback` or `hold`.
        command: Arc<str>,
        /// As whoever left it gave it; `None`: none was given.
        reason: Option<Arc<str>>,
    },
    /// Ended before its time, whoever had left it.
    Ended,
}

/// One write that a run meant to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Counted within its run, from 1.
    pub number: IntentionNumber,
    /// Its place among all acts that were read, of any run.
    pub order: usize,
    /// What it was to write.
    pub subject: Subject,
    /// What people called the host then.
    pub host: Option<Arc<str>>,
    /// The key of its entry, or what one could be called; `None`: it has none, as the rule for all hosts.
    pub entry: Option<Arc<str>>,
    /// The lines that asked for it, or the command line; `None`: the journal does not say.
    pub cause: Option<Cause>,
    /// As the files or the command give it: recorded, never sent. `None`: none was given.
    pub reason: Option<Arc<str>>,
    /// `isolate`, `renew`, `release`, `block`, …
    pub action: Arc<str>,
    /// Before anything was sent.
    pub at: Timestamp,
    /// What was read before, and what it was to become.
    pub values: ActValues,
    /// What of a prevention rule it put back for others, who had put it there; `None`: nothing.
    pub foreign: Option<KeptRule>,
    /// The server's clock and ours were too far apart for an end to be known.
    pub clocks_apart: bool,
    /// As far as the lines that were read tell.
    pub outcome: ActOutcome,
}

/// The value before and after. `None` is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActValues {
    /// One host's: before as it was listed, after as it was to be sent.
    Isolation(Side<Isolation>),
    /// One host's rule, or that for all hosts: as digests, without the hashes.
    Prevention(Side<KeptRule>),
    /// A task that was created (`before` is `None`) or deleted (`after` is).
    Task(Side<Arc<Program>>),
}

/// A prevention rule that the record keeps; [`Record::rule`] has its hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptRule {
    sha256: Arc<str>,
    /// How many hashes it holds.
    pub count: u64,
}

/// How many hashes the changes of prevention rules added, took out and kept: all that most readers want of rules
/// that may hold a hundred thousand each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCounts(BTreeMap<(Option<KeptRule>, Option<KeptRule>), HashCounts>);

/// How many files of a rule a change concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCounts {
    /// In the rule after the change, and not before.
    pub added: usize,
    /// In the rule before the change, and not after.
    pub removed: usize,
    /// In both.
    pub kept: usize,
}

impl RuleCounts {
    /// `None`: it was not counted.
    pub fn of(&self, change: &Side<KeptRule>) -> Option<HashCounts> {
        self.0.get(&(change.before.clone(), change.after.clone())).copied()
    }
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActOutcome {
    /// Read back as it was sent, or judged to be done by a later reading.
    Done {
        /// The moment before the request was sent: the time that counts.
        sent_at: Timestamp,
        /// As the server listed it, where that is known and it is an isolation.
        listed_timeout_seconds: Option<u64>,
    },
    /// It was found as desired; nothing was sent.
    NothingToDo,
    /// It counts as not carried out: not sent, refused, or judged so by a later reading.
    NotDone {
        /// In words for a person.
        why: Arc<str>,
    },
    /// Nobody knows; `why` where the run itself could not tell.
    Open {
        /// `None`: its run has told nothing of it; it was killed, say, or is under way.
        why: Option<Arc<str>>,
    },
}

impl Act {
    /// Whether it is known to have had its effect.
    pub fn is_done(&self) -> bool {
        match self.outcome {
            ActOutcome::Done { .. } => true,
            ActOutcome::NothingToDo | ActOutcome::NotDone { .. } | ActOutcome::Open { .. } => false,
        }
    }

    /// When it was sent, where that is known, else when it was put down.
    pub fn sent_at(&self) -> Timestamp {
        match self.outcome {
            ActOutcome::Done { sent_at, .. } => sent_at,
            ActOutcome::NothingToDo | ActOutcome::NotDone { .. } | ActOutcome::Open { .. } => self.at,
        }
    }

    /// What people called the host, or else its entry or its id.
    pub fn label(&self) -> String {
        let name = self.host.as_ref().or(self.entry.as_ref());
        name.map_or_else(|| self.subject.target.to_string(), |name| name.to_string())
    }
}

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

/// For tests of what is told, which need no store.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) fn kept(digit: char, count: u64) -> KeptRule {
        KeptRule { sha256: digit.to_string().repeat(64).into(), count }
    }

    pub(crate) fn counted(change: &Side<KeptRule>, counts: HashCounts) -> RuleCounts {
        RuleCounts(BTreeMap::from([((change.before.clone(), change.after.clone()), counts)]))
    }
}
