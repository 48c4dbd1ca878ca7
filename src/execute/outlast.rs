//! What was done by hand stands, though a run under the lock was about to write the opposite.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::compare::{Found, look};
use super::run::{ReadyChange, as_sent};
use super::shared::Shared;
use super::side_by_side::write_all;
use super::{ChangeOutcome, Event, Observer, Server, ServerOutcome, Stop, WriteResult};
use crate::central_node::{CallError, TakeTurns};
use crate::guard::ClearedServer;
use crate::model::{
    Clock, Difference, FileHash, Isolation, KeptObject, PreventionRule, Side, Target, Untrusted,
};
use crate::plan::{Action, Change, Judged, ServerPlan};
use crate::record::{Journal, OpenIntention, Store};

/// How long a write that is under way is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The pause between two looks at the record and the host.
    pub pause: Duration,
    /// Then whoever was writing has long given up, or was killed.
    pub at_most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), at_most: Duration::from_secs(120) }
    }
}

/// What every act by hand does last, after [`super::execute`] with the same plan and journal.
///
/// A run under the lock that puts a write down after our intention meets our hold and leaves the host alone. One
/// that had put it down before may send it before or after ours: so a host for which another write was open is looked
/// at until that is settled, and what was done by hand is done again whenever it does not stand. So is what
/// somebody changed between our plan and our write. What can not be found out in time is
/// [`WriteResult::Unknown`].
///
/// Of two people who act by hand on one host, who isolates it has their way; otherwise who came last.
pub async fn outlast_others<C, K, O, S, L>(
    outcome: &mut ServerOutcome,
    plan: &ClearedServer<'_>,
    server: Server<'_, C, K, O>,
    journal: &mut Journal<S, L>,
    patience: Patience,
) where
    C: TakeTurns,
    K: Clock,
    O: Observer,
    S: Store,
    L: Send + Sync,
{
    let shared = Shared::new(plan.plan(), &server, crate::record::Intentions::lease(journal));
    for ended in &mut outcome.changes {
        let act = Act::new(&ended.change, server.client, &shared);
        let run = act.in_the_way(journal).next().map(run_name);
        let has_changed =
            act.wish != Wish::Task && matches!(ended.result, WriteResult::ChangedSincePlan { .. });
        if (run.is_some() || has_changed)
            && let Some(result) = act.outlast(run, journal, patience).await
        {
            ended.result = result;
        }
    }
    // What was as it was to be had no write of ours: another's may come all the same. Its hold comes into the chain
    // now: who puts a write down later meets it. Where it can not, that is told at the end of the run.
    let unchanged = as_they_were(plan.plan());
    if unchanged.is_empty() || journal.flush().await.is_err() {
        return;
    }
    let (client, shared) = (server.client, &shared);
    let looked = futures_util::stream::iter(&unchanged)
        .map(|change| async move { (change, Act::new(change, client, shared).undone().await) })
        .buffered(server.concurrency);
    for (change, undone) in looked.collect::<Vec<_>>().await {
        let run = Act::new(change, client, shared).in_the_way(journal).next().map(run_name);
        // It was as it was to be: where it is, and nobody is at it, there is nothing to say.
        if run.is_none() && matches!(undone, Ok(None)) {
            continue;
        }
        if let Some(result) = Act::new(change, client, shared).outlast(run, journal, patience).await {
            outcome.changes.push(ChangeOutcome { change: Arc::clone(change), result });
        }
    }
}

fn run_name(open: &OpenIntention) -> String {
    Untrusted::new(&*open.by.run).printable().to_string()
}

/// What is to stand in the end, whoever writes meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Isolated,
    Released,
    /// These hashes are in the rule, and those are not; of all others nothing was said.
    Rule {
        with: BTreeSet<FileHash>,
        without: BTreeSet<FileHash>,
    },
    /// Programs are started by one id, and nobody else writes that.
    Task,
}

impl Wish {
    fn of_change(change: &Change) -> Self {
        match (&change.action, &change.difference) {
            (_, Difference::Task(..)) => Self::Task,
            (Action::Block(rule), _) => Self::Rule {
                with: rule.added.iter().map(|added| added.hash).collect(),
                without: rule.removed.iter().map(|removed| removed.hash).collect(),
            },
            (_, Difference::Isolation(Side { after: Some(_), .. })) => Self::Isolated,
            (_, Difference::Isolation(Side { after: None, .. }) | Difference::Prevention(_)) => {
                Self::Released
            }
        }
    }
}

/// The changes that would be made again of what needed none when it was looked at.
fn as_they_were(plan: &ServerPlan) -> Vec<Arc<Change>> {
    let has_change = |judged: &Judged| plan.changes().any(|change| change.subject == judged.subject());
    let unchanged = plan.judged.iter().filter(|judged| judged.verdict.is_in_sync() && !has_change(judged));
    unchanged.filter_map(Judged::done_again).map(Arc::new).collect()
}

struct Act<'a, C, K, O> {
    change: &'a Arc<Change>,
    wish: Wish,
    client: &'a C,
    shared: &'a Shared<'a, K, O>,
}

impl<'a, C: TakeTurns, K: Clock, O: Observer> Act<'a, C, K, O> {
    fn new(change: &'a Arc<Change>, client: &'a C, shared: &'a Shared<'a, K, O>) -> Self {
        Self { wish: Wish::of_change(change), change, client, shared }
    }

    /// Writes of others that are open, and of a kind that undoes this.
    fn in_the_way<'j, S: Store, L: Send + Sync>(
        &'j self,
        journal: &'j Journal<S, L>,
    ) -> impl Iterator<Item = &'j OpenIntention> {
        journal.open_of_others(self.change.subject).filter(|open| match (&self.wish, &open.difference) {
            (Wish::Isolated, Difference::Isolation(side)) => side.after.is_none(),
            (Wish::Isolated, Difference::Prevention(_) | Difference::Task(..)) | (Wish::Task, _) => false,
            (Wish::Released | Wish::Rule { .. }, _) => !open.by_hand,
        })
    }

    /// `None`: it is as it was.
    async fn outlast<S: Store, L: Send + Sync>(
        &self,
        run: Option<String>,
        journal: &mut Journal<S, L>,
        patience: Patience,
    ) -> Option<WriteResult> {
        let begun = Instant::now();
        let label = self.change.whom.label();
        let (is_at_it, had_done) = match &self.wish {
            Wish::Isolated => ("is releasing it", "it was isolated"),
            Wish::Released => ("is isolating it", "it was released"),
            Wish::Rule { .. } => ("is writing its prevention rule", "its rule was written"),
            Wish::Task => ("is at it", "it was written"),
        };
        if let Some(run) = &run {
            self.say(format!("{label}: run {run} {is_at_it}; waiting until that is settled"));
        }
        let run = run.map_or_else(|| "another run".to_owned(), |run| format!("run {run}"));
        let mut result = None;
        loop {
            // First the record, then the host: what is seen there is seen after the other's write was settled.
            let is_settled = match journal.catch_up().await {
                Ok(()) => self.is_settled(journal),
                Err(_unknown) => false,
            };
            let stands = match self.undone().await {
                Ok(None) => true,
                Ok(Some(difference)) => {
                    self.say(format!("{label}: undone by {run}; it is done again"));
                    result = self.do_again(difference, journal).await.or(result);
                    if is_settled && result.as_ref().is_some_and(|result| !result.is_done()) {
                        return result;
                    }
                    false
                }
                Err(_unknown) => false,
            };
            if is_settled && stands {
                return result;
            }
            let why = if begun.elapsed() >= patience.at_most {
                format!("{had_done}, but {run} was at the same and has not said how that ended")
            } else if *self.shared.stop.borrow() != Stop::No {
                format!("interrupted while {run} was at the same")
            } else if let Some(why) = self.shared.why_stopped() {
                why
            } else {
                sleep(patience.pause).await;
                continue;
            };
            return Some(WriteResult::Unknown { why });
        }
    }

    /// A run that has ended could not find out what became of its write, and sends nothing more.
    fn is_settled<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> bool {
        self.in_the_way(journal).all(|open| journal.has_ended(&open.by.run))
    }

    /// What has to be written so that it stands again; `None`: it does.
    async fn undone(&self) -> Result<Option<Difference>, CallError> {
        let found = look(self.client, self.change.subject.target, &self.change.difference).await?;
        Ok(match (&self.wish, found) {
            (Wish::Isolated, Found::Isolation(None)) => {
                match as_sent(self.change, self.shared.server_clock, self.shared.clock.now()) {
                    Difference::Isolation(side) => Some(Difference::Isolation(Side { before: None, ..side })),
                    Difference::Prevention(_) | Difference::Task(..) => None,
                }
            }
            (Wish::Released, Found::Isolation(Some(rule))) => {
                Some(Difference::Isolation(Side { before: Some(rule), after: None::<Isolation> }))
            }
            (Wish::Rule { with, without }, Found::Prevention(rule)) => {
                self.rule_again(with, without, rule).await?.map(Difference::Prevention)
            }
            (Wish::Isolated | Wish::Released | Wish::Task, _)
            | (Wish::Rule { .. }, Found::Isolation(_) | Found::Task(_)) => None,
        })
    }

    async fn rule_again(
        &self,
        with: &BTreeSet<FileHash>,
        without: &BTreeSet<FileHash>,
        found: Option<Arc<PreventionRule>>,
    ) -> Result<Option<Side<Arc<PreventionRule>>>, CallError> {
        let mut after = found.as_deref().cloned().unwrap_or_default();
        after.objects.retain(|hash, _| !without.contains(hash));
        let missing: Vec<FileHash> =
            with.iter().filter(|hash| !after.objects.contains_key(hash)).copied().collect();
        if !missing.is_empty() {
            // A hash may not be in both, and what the rule for all hosts has is blocked here too.
            let for_all = match self.change.subject.target {
                Target::AllHosts => None,
                Target::Sensor(_) => self.client.prevention(Target::AllHosts).await?,
            };
            let is_covered =
                |hash: &FileHash| for_all.as_ref().is_some_and(|rule| rule.objects.contains_key(hash));
            let missing = missing.into_iter().filter(|hash| !is_covered(hash));
            after.objects.extend(missing.map(|hash| (hash, KeptObject::default())));
        }
        let is_same = found.as_ref().map_or(after.objects.is_empty(), |found| found.blocks_the_same(&after));
        Ok((!is_same)
            .then(|| Side { before: found, after: (!after.objects.is_empty()).then(|| Arc::new(after)) }))
    }

    async fn do_again<S: Store, L: Send + Sync>(
        &self,
        difference: Difference,
        journal: &mut Journal<S, L>,
    ) -> Option<WriteResult> {
        let again = ReadyChange::with(self.change, difference);
        let written =
            write_all(std::iter::once(again), (self.client, 1), self.shared, journal, |_, _| {}).await;
        written.into_iter().next()
    }

    fn say(&self, message: String) {
        self.shared.observer.notice(Event::Notice { server: self.shared.server.clone(), message });
    }
}
