//! Why a host is as it is, and where a hash comes from, as far as the record tells. Pure but for the rules that it
//! asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Act, ActOutcome, ActValues, History, Hold, KeptRule, Record, RecordError, Recorded, RecordedRun, Store,
};
use crate::model::{Aspect, AspectKind, FileHash, HoldScope, SensorId, Side, Subject, Target, TaskId};

/// An act with the run that made it.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// The run that put it down.
    pub run: &'a RecordedRun,
    /// What it meant to write, and what became of that.
    pub act: &'a Act,
}

/// What the record tells of one aspect of one host.
#[derive(Debug, Clone)]
pub struct SubjectStory<'a> {
    /// The aspect, and whose: one host, or all hosts.
    pub scope: HoldScope,
    /// Which of the host's tasks, where it is about one; `None`: about none, or about the hold on all of them.
    pub task: Option<TaskId>,
    /// What people called the host when it was last written.
    pub label: String,
    /// What made it as it is; a renewal is none.
    pub set: Option<Deed<'a>>,
    /// How often that was renewed since, and by what at last.
    pub renewals: usize,
    /// The newest of these renewals; `None`: there was none.
    pub last_renewal: Option<Deed<'a>>,
    /// Later acts of which nobody knows whether they were done.
    pub open: Vec<Deed<'a>>,
    /// At the moment that was asked about, by the ledger.
    pub standing: Standing,
    /// What keeps `apply` off it at that moment; `None`: nothing does.
    pub hold: Option<Hold>,
}

/// How it stands by the record alone: somebody else may have changed it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// We never wrote it, as far as the record tells.
    NotOurs,
    /// Our isolation rule ends then at the soonest.
    IsolatedUntil(Timestamp),
    /// When our rule was set, the clocks were too far apart.
    IsolatedEndUnknown,
    /// Our isolation rule ended then at the soonest; the server may go on listing it.
    IsolationEnded(Timestamp),
    /// We deleted the rule.
    Released,
    /// So many hashes of the rule are ours.
    Blocks(usize),
    /// The task was created, and not deleted by us.
    TaskCreated,
    /// We deleted the task.
    TaskDeleted,
}

/// What the record tells of one hash in one rule.
#[derive(Debug, Clone)]
pub struct HashStory<'a> {
    /// Whose rule: one host's, or that for all hosts.
    pub target: Target,
    /// What people called the host when it was last written.
    pub label: String,
    /// What the acts come to that are known to be done.
    pub state: HashState<'a>,
    /// A later act of which nobody knows whether it was done, and that would have changed that.
    pub open: Option<Deed<'a>>,
}

/// What the record knows of a file in one rule.
#[derive(Debug, Clone, Copy)]
pub enum HashState<'a> {
    /// Added by us, and there when a rule of ours was last written.
    Ours(Deed<'a>),
    /// It was there before we declared it: who put it there, and when, the record cannot tell. First met by this.
    Foreign(Deed<'a>),
    /// As before, and put back for others by this act, after we had taken it out.
    PutBack(Deed<'a>),
    /// Taken out by this act of ours, whoever had put it there.
    TakenOut(Deed<'a>),
    /// Ours or not, it was gone when this was about to write: somebody else took it out.
    Gone(Deed<'a>),
    /// Only an act of which nobody knows whether it was done names it.
    NotKnown,
}

impl<S: Store> Record<S> {
    /// Those of the rules that a history names which hold a hash; each is read once, and none is kept in memory.
    ///
    /// # Errors
    /// One is missing or was edited.
    pub async fn rules_holding<'a>(
        &self,
        history: &'a History,
        hash: FileHash,
    ) -> Result<BTreeSet<&'a KeptRule>, RecordError> {
        let mut holding = BTreeSet::new();
        for kept in history.kept_rules() {
            if self.rule(kept).await?.objects.contains_key(&hash) {
                holding.insert(kept);
            }
        }
        Ok(holding)
    }
}

impl History {
    /// Every act in the order in which they were put down.
    pub fn deeds(&self) -> Vec<Deed<'_>> {
        let mut deeds: Vec<Deed<'_>> =
            self.runs.iter().flat_map(|run| run.acts.iter().map(move |act| Deed { run, act })).collect();
        deeds.sort_by_key(|deed| deed.act.order);
        deeds
    }

    /// The sensors that were ever called `text`: by the name that the server listed, by their entry, by their id.
    pub fn sensors_called(&self, recorded: &Recorded, text: &str) -> BTreeSet<SensorId> {
        self.names(recorded)
            .into_iter()
            .filter(|(name, _)| **name == *text)
            .map(|(_, sensor)| sensor)
            .collect()
    }

    /// Names that are the same but for case or domain: what was probably meant.
    pub fn similar_names(&self, recorded: &Recorded, text: &str) -> BTreeSet<Arc<str>> {
        let label = |name: &str| name.split('.').next().unwrap_or(name).to_lowercase();
        let names = self.names(recorded).into_iter().map(|(name, _)| name);
        names.filter(|name| label(name) == label(text)).collect()
    }

    fn names(&self, recorded: &Recorded) -> BTreeSet<(Arc<str>, SensorId)> {
        let of_acts = self.runs.iter().flat_map(|run| &run.acts).flat_map(|act| match act.subject.target {
            Target::AllHosts => Vec::new(),
            Target::Sensor(sensor) => {
                let id: Arc<str> = sensor.to_string().into();
                // A task's entry is no host's name: it may be for hundreds of them.
                let entry = match act.subject.aspect {
                    Aspect::Isolation | Aspect::Prevention => act.entry.clone(),
                    Aspect::Task(_) => None,
                };
                let names = [Some(id), act.host.clone(), entry].into_iter().flatten();
                names.map(|name| (name, sensor)).collect()
            }
        });
        let of_notes =
            self.runs.iter().flat_map(|run| &run.holds).filter_map(|note| match note.subject.target {
                Target::AllHosts => None,
                Target::Sensor(sensor) => note.host.clone().map(|name| (name, sensor)),
            });
        let of_entries = recorded.entries.values().flatten().map(|(entry, sensor)| (entry.clone(), *sensor));
        let of_holds = recorded.holds.keys().filter_map(|subject| match subject.target {
            Target::AllHosts => None,
            Target::Sensor(sensor) => Some((sensor.to_string().into(), sensor)),
        });
        of_acts.chain(of_notes).chain(of_entries).chain(of_holds).collect()
    }

    /// What people called each target when it was last written.
    pub fn labels(&self) -> BTreeMap<Target, String> {
        let notes = self.runs.iter().rev().flat_map(|run| &run.holds);
        let mut labels: BTreeMap<Target, String> =
            notes.filter_map(|note| Some((note.subject.target, note.host.as_ref()?.to_string()))).collect();
        for deed in self.deeds() {
            labels.insert(deed.act.subject.target, deed.act.label());
        }
        labels
    }

    /// What is told of these targets, one story for each aspect that anything is told of.
    pub fn stories_of(
        &self,
        targets: &BTreeSet<Target>,
        recorded: &Recorded,
        now: Timestamp,
    ) -> Vec<SubjectStory<'_>> {
        let labels = self.labels();
        let deeds = self.deeds();
        let mut stories = Vec::new();
        for target in targets {
            let tasks: BTreeSet<Aspect> = deeds
                .iter()
                .filter(|deed| deed.act.subject.target == *target)
                .map(|deed| deed.act.subject.aspect)
                .filter(|aspect| matches!(aspect, Aspect::Task(_)))
                .collect();
            for aspect in [Aspect::Isolation, Aspect::Prevention].into_iter().chain(tasks) {
                let subject = Subject { target: *target, aspect };
                let label = labels.get(target).cloned().unwrap_or_else(|| target.to_string());
                let of_it = deeds.iter().copied().filter(|deed| deed.act.subject == subject);
                let story = story(subject, label, of_it, recorded, now);
                if story.is_anything_told() {
                    stories.push(story);
                }
            }
            let is_of_tasks = |story: &SubjectStory<'_>| {
                story.scope == HoldScope { target: *target, aspect: AspectKind::Tasks }
            };
            if !stories.iter().any(is_of_tasks) {
                let label = labels.get(target).cloned().unwrap_or_else(|| target.to_string());
                stories.extend(SubjectStory::of_held_tasks(*target, label, recorded, now));
            }
        }
        stories
    }

    /// Leaves out what was done to others, and runs that did nothing to these.
    pub fn keep_only(&mut self, targets: &BTreeSet<Target>) {
        for run in &mut self.runs {
            run.acts.retain(|act| targets.contains(&act.subject.target));
            run.holds.retain(|note| targets.contains(&note.subject.target));
        }
        self.runs.retain(|run| !run.acts.is_empty() || !run.holds.is_empty());
    }

    /// The prevention rules that the acts name.
    fn kept_rules(&self) -> BTreeSet<&KeptRule> {
        let acts = self.runs.iter().flat_map(|run| &run.acts);
        acts.flat_map(|act| match &act.values {
            ActValues::Isolation(_) | ActValues::Task(_) => Vec::new(),
            ActValues::Prevention(Side { before, after }) => {
                before.iter().chain(after).chain(&act.foreign).collect()
            }
        })
        .collect()
    }

    /// Where a hash comes from and went, by which of the kept rules hold it.
    pub fn stories_of_hash(&self, holding: &BTreeSet<&KeptRule>) -> Vec<HashStory<'_>> {
        let holds = |rule: &Option<KeptRule>| rule.as_ref().is_some_and(|rule| holding.contains(rule));
        let labels = self.labels();
        let mut stories: BTreeMap<Target, HashStory<'_>> = BTreeMap::new();
        for deed in self.deeds() {
            let ActValues::Prevention(Side { before, after }) = &deed.act.values else { continue };
            let target = deed.act.subject.target;
            let (was, is) = (holds(before), holds(after));
            let known = stories.get(&target).map(|story| story.state);
            let for_others = holds(&deed.act.foreign);
            match (&deed.act.outcome, turned(known, (was, is, for_others), deed)) {
                (_, None) | (ActOutcome::NothingToDo | ActOutcome::NotDone { .. }, Some(_)) => {}
                (ActOutcome::Done { .. }, Some(state)) => {
                    let label = labels.get(&target).cloned().unwrap_or_else(|| target.to_string());
                    stories.insert(target, HashStory { target, label, state, open: None });
                }
                (ActOutcome::Open { .. }, Some(_)) => {
                    let label = labels.get(&target).cloned().unwrap_or_else(|| target.to_string());
                    let story = stories.entry(target).or_insert(HashStory {
                        target,
                        label,
                        state: HashState::NotKnown,
                        open: None,
                    });
                    story.open = Some(deed);
                }
            }
        }
        stories.into_values().collect()
    }
}

/// What a done act makes of what was known of the hash: whether it was there before, is there after, and came back for
/// others. `None`: nothing new.
fn turned<'a>(
    known: Option<HashState<'a>>,
    (was, is, for_others): (bool, bool, bool),
    deed: Deed<'a>,
) -> Option<HashState<'a>> {
    let is_known_there = known.is_some_and(HashState::is_there);
    match (was, is) {
        (false, true) if for_others => Some(HashState::PutBack(deed)),
        (false, true) => Some(HashState::Ours(deed)),
        (true, false) => Some(HashState::TakenOut(deed)),
        (true, true) => (!is_known_there).then_some(HashState::Foreign(deed)),
        (false, false) => is_known_there.then_some(HashState::Gone(deed)),
    }
}

impl HashState<'_> {
    /// Whether it was in the rule after all that is known.
    fn is_there(self) -> bool {
        match self {
            Self::Ours(_) | Self::Foreign(_) | Self::PutBack(_) => true,
            Self::TakenOut(_) | Self::Gone(_) | Self::NotKnown => false,
        }
    }
}

impl<'a> HashStory<'a> {
    /// The acts that it names.
    pub fn deeds(&self) -> impl Iterator<Item = Deed<'a>> {
        let of_state = match self.state {
            HashState::Ours(deed)
            | HashState::Foreign(deed)
            | HashState::PutBack(deed)
            | HashState::TakenOut(deed)
            | HashState::Gone(deed) => Some(deed),
            HashState::NotKnown => None,
        };
        of_state.into_iter().chain(self.open)
    }
}

fn story<'a>(
    subject: Subject,
    label: String,
    deeds: impl Iterator<Item = Deed<'a>>,
    recorded: &Recorded,
    now: Timestamp,
) -> SubjectStory<'a> {
    let mut story = SubjectStory {
        scope: subject.into(),
        task: match subject.aspect {
            Aspect::Task(id) => Some(id),
            Aspect::Isolation | Aspect::Prevention => None,
        },
        label,
        set: None,
        renewals: 0,
        last_renewal: None,
        open: Vec::new(),
        standing: standing(subject, recorded, now),
        hold: recorded.hold_on(subject, now).cloned(),
    };
    let mut done = Vec::new();
    for deed in deeds {
        match deed.act.outcome {
            ActOutcome::Done { .. } => {
                done.push(deed);
                // The write that followed began with a look, which settled it.
                story.open.clear();
            }
            ActOutcome::Open { .. } => story.open.push(deed),
            ActOutcome::NothingToDo | ActOutcome::NotDone { .. } => {}
        }
    }
    // As in the ledger: what was kept elsewhere and brought in late was done before what was set since.
    done.sort_by_key(|deed| deed.act.sent_at());
    for deed in done {
        if &*deed.act.action == RENEW {
            story.renewals += 1;
            story.last_renewal = Some(deed);
        } else {
            story.set = Some(deed);
            (story.renewals, story.last_renewal) = (0, None);
        }
    }
    story
}

/// The word by which the journal calls a renewal.
const RENEW: &str = "renew";

impl<'a> SubjectStory<'a> {
    /// The hold on all tasks of a host, where no task is told of that it could stand beside.
    fn of_held_tasks(target: Target, label: String, recorded: &Recorded, now: Timestamp) -> Option<Self> {
        let scope = HoldScope { target, aspect: AspectKind::Tasks };
        let hold = recorded.hold_on(scope, now).cloned()?;
        Some(Self {
            scope,
            task: None,
            label,
            set: None,
            renewals: 0,
            last_renewal: None,
            open: Vec::new(),
            standing: Standing::NotOurs,
            hold: Some(hold),
        })
    }

    /// The acts that it names.
    pub fn deeds(&self) -> impl Iterator<Item = Deed<'a>> {
        self.set
            .into_iter()
            .chain(self.last_renewal)
            .chain(self.open.iter().copied())
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn is_anything_told(&self) -> bool {
        self.set.is_some() || self.last_renewal.is_some() || !self.open.is_empty() || self.hold.is_some()
    }
}

fn standing(subject: Subject, recorded: &Recorded, now: Timestamp) -> Standing {
    match (subject.aspect, subject.target) {
        (Aspect::Isolation, Target::Sensor(sensor)) => match recorded.isolations.get(&sensor) {
            None => Standing::NotOurs,
            Some(known) => match &known.rule {
                None => Standing::Released,
                Some(rule) if rule.clocks_apart => Standing::IsolatedEndUnknown,
                Some(rule) if rule.end() <= now => Standing::IsolationEnded(rule.end()),
                Some(rule) => Standing::IsolatedUntil(rule.end()),
            },
        },
        (Aspect::Isolation, Target::AllHosts) => Standing::NotOurs,
        (Aspect::Prevention, target) => match recorded.preventions.get(&target) {
            None => Standing::NotOurs,
            Some(known) => Standing::Blocks(known.ours.len()),
        },
        (Aspect::Task(id), _) => match recorded.tasks.get(&id) {
            None => Standing::NotOurs,
            Some(known) if known.is_deleted => Standing::TaskDeleted,
            Some(_) => Standing::TaskCreated,
        },
    }
}
