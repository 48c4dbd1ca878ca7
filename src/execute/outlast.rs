//! What was done by hand stands, though a run under the lock was about to write the opposite.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::SignedDuration;
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
use crate::record::{Journal, OpenIntention, Store, is_listed_as_sent};

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
/// at until that is settled, and what was done by hand is done again whenever it does not stand. What such a
/// run changed between our plan and our write is done again too; what anybody else changed is left as it is, since no
/// plan has shown that. What can not be found out in time is [`WriteResult::Unknown`].
///
/// Of two people who act by hand on one host, who isolates it has their way; otherwise who came last. Of two who write
/// one prevention rule both have theirs, and of a hash that both name, who came last: that one waits for the other.
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
        let act = Act::new(&ended.change, server.client, &shared, patience);
        let run = act.in_the_way(journal).next().map(run_name);
        let has_changed =
            matches!(ended.result, WriteResult::ChangedSincePlan { .. }) && act.may_be_done_again(journal);
        if run.is_none() && !has_changed {
            continue;
        }
        // Whoever waits for what was done here learns that it was.
        if run.is_some() && *shared.stop.borrow() == Stop::No {
            drop(journal.flush().await);
        }
        if let Some(result) = act.outlast(run, journal).await {
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
        .map(|change| async move { (change, look(client, change.subject.target, &change.difference).await) })
        .buffered(server.concurrency);
    for (change, found) in looked.collect::<Vec<_>>().await {
        let act = Act::new(change, client, shared, patience);
        let run = act.in_the_way(journal).next().map(run_name);
        let stands = match found {
            Ok(found) => matches!(act.standing(&found, journal).await, Ok(Standing::Stands)),
            Err(_unknown) => false,
        };
        // It was as it was to be: where it is, and nobody is at it, there is nothing to say.
        if run.is_none() && stands {
            continue;
        }
        if let Some(result) = act.outlast(run, journal).await {
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

/// How what was wished stands to what is there.
enum Standing {
    Stands,
    /// This has to be written so that it stands again.
    Undone(Difference),
    /// It does not stand, by somebody who is not to be overruled.
    LeftToOthers,
}

struct Act<'a, C, K, O> {
    change: &'a Arc<Change>,
    wish: Wish,
    client: &'a C,
    shared: &'a Shared<'a, K, O>,
    patience: Patience,
}

impl<'a, C: TakeTurns, K: Clock, O: Observer> Act<'a, C, K, O> {
    fn new(change: &'a Arc<Change>, client: &'a C, shared: &'a Shared<'a, K, O>, patience: Patience) -> Self {
        Self { wish: Wish::of_change(change), change, client, shared, patience }
    }

    /// Writes of others that are open, and of a kind that undoes this.
    fn in_the_way<'j, S: Store, L: Send + Sync>(
        &'j self,
        journal: &'j Journal<S, L>,
    ) -> impl Iterator<Item = &'j OpenIntention> {
        journal.open_of_others(self.change.subject).filter(|open| match (&self.wish, &open.difference) {
            (Wish::Isolated, Difference::Isolation(side)) => side.after.is_none() || !open.by_hand,
            (Wish::Isolated, Difference::Prevention(_) | Difference::Task(..)) | (Wish::Task, _) => false,
            (Wish::Released, _) => !open.by_hand,
            // One that came later waits for this one, and puts it back with its own.
            (Wish::Rule { .. }, _) => {
                !open.by_hand
                    || (self.may_be_under_way(open)
                        && self.before_ours(journal).any(|before| is_same(before, open)))
            }
        })
    }

    /// Nobody asks whether who acts by hand still lives, and what was left open may be from long ago.
    fn may_be_under_way(&self, open: &OpenIntention) -> bool {
        let at_most = SignedDuration::try_from(self.patience.at_most).unwrap_or(SignedDuration::MAX);
        self.shared.clock.now().duration_since(open.by.at) < at_most
    }

    /// What others put down on the same, since this act began.
    fn of_others<'j, S: Store, L: Send + Sync>(
        &self,
        journal: &'j Journal<S, L>,
    ) -> impl Iterator<Item = &'j OpenIntention> {
        journal.put_down_since(self.change.subject).filter(|open| !journal.is_of_this(&open.by.run))
    }

    /// Of these, what was put down before ours; none where there was nothing of ours to write.
    fn before_ours<'j, S: Store, L: Send + Sync>(
        &self,
        journal: &'j Journal<S, L>,
    ) -> impl Iterator<Item = &'j OpenIntention> {
        let is_ours = |open: &OpenIntention| journal.is_of_this(&open.by.run);
        let ours = journal.put_down_since(self.change.subject).position(is_ours);
        journal.put_down_since(self.change.subject).take(ours.unwrap_or(0))
    }

    fn has_written<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> bool {
        journal.put_down_since(self.change.subject).any(|open| journal.is_of_this(&open.by.run))
    }

    /// Whether what is there may be from a run under a lock that was at it since this act began. An isolation is
    /// nobody's to take back unseen.
    fn may_be_done_again<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> bool {
        match &self.wish {
            Wish::Isolated => true,
            Wish::Released | Wish::Rule { .. } => self.of_others(journal).any(|open| !open.by_hand),
            Wish::Task => false,
        }
    }

    /// `None`: it is as it was.
    async fn outlast<S: Store, L: Send + Sync>(
        &self,
        run: Option<String>,
        journal: &mut Journal<S, L>,
    ) -> Option<WriteResult> {
        let begun = Instant::now();
        let label = self.change.whom.label();
        let (is_at_it, had_done) = match &self.wish {
            Wish::Isolated => ("is writing its isolation", "it was isolated"),
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
            let stands = match self.look_again(journal).await {
                Ok((_, Standing::Stands)) => true,
                Ok((_, Standing::Undone(difference))) => {
                    self.say(format!("{label}: undone by {run}; it is done again"));
                    result = self.do_again(difference, journal).await.or(result);
                    if is_settled && result.as_ref().is_some_and(|result| !result.is_done()) {
                        return result;
                    }
                    false
                }
                Ok((found, Standing::LeftToOthers)) => {
                    return Some(WriteResult::ChangedSincePlan { found: found.describe() });
                }
                Err(_unknown) => false,
            };
            if is_settled && stands {
                return result;
            }
            let why = if begun.elapsed() >= self.patience.at_most {
                format!("{had_done}, but {run} was at the same and has not said how that ended")
            } else if *self.shared.stop.borrow() != Stop::No {
                format!("interrupted while {run} was at the same")
            } else if let Some(why) = self.shared.why_stopped() {
                why
            } else {
                sleep(self.patience.pause).await;
                continue;
            };
            return Some(WriteResult::Unknown { why });
        }
    }

    /// A run that has ended could not find out what became of its write, and sends nothing more.
    fn is_settled<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> bool {
        self.in_the_way(journal).all(|open| journal.has_ended(&open.by.run))
    }

    async fn look_again<S: Store, L: Send + Sync>(
        &self,
        journal: &mut Journal<S, L>,
    ) -> Result<(Found, Standing), CallError> {
        let found = look(self.client, self.change.subject.target, &self.change.difference).await?;
        let standing = self.standing(&found, journal).await?;
        match (standing, &self.wish) {
            // Whoever made what was found here had said so in the record before. An isolation waits for no record.
            (Standing::Undone(_), Wish::Released | Wish::Rule { .. } | Wish::Task) => {
                let standing = match journal.catch_up().await {
                    Ok(()) => self.standing(&found, journal).await?,
                    Err(_unknown) => Standing::LeftToOthers,
                };
                Ok((found, standing))
            }
            (standing @ (Standing::Stands | Standing::Undone(_) | Standing::LeftToOthers), _) => {
                Ok((found, standing))
            }
        }
    }

    async fn standing<S: Store, L: Send + Sync>(
        &self,
        found: &Found,
        journal: &Journal<S, L>,
    ) -> Result<Standing, CallError> {
        Ok(match (&self.wish, found) {
            (Wish::Isolated, Found::Isolation(found)) if !self.is_replaced(found.as_ref(), journal) => {
                Standing::Stands
            }
            (Wish::Isolated, Found::Isolation(found)) => {
                Standing::Undone(self.isolation_again(found.clone()))
            }
            (Wish::Released, Found::Isolation(Some(rule))) => {
                let is_isolated_by_hand = |open: &OpenIntention| open.by_hand && isolates(open);
                if !self.may_be_done_again(journal) || self.of_others(journal).any(is_isolated_by_hand) {
                    Standing::LeftToOthers
                } else {
                    Standing::Undone(Difference::Isolation(Side { before: Some(rule.clone()), after: None }))
                }
            }
            (Wish::Rule { with, without }, Found::Prevention(rule)) => {
                if self.rule_again(with, without, rule.clone()).await?.is_none() {
                    return Ok(Standing::Stands);
                }
                let later = self.hashes_named_since(journal);
                let with = with.difference(&later).copied().collect();
                let without = without.difference(&later).copied().collect();
                match self.rule_again(&with, &without, rule.clone()).await? {
                    // It was written, and then somebody else came; where it never was, it is not what was asked for.
                    None if self.has_written(journal) => Standing::Stands,
                    Some(side)
                        if self.may_be_done_again(journal) || self.before_ours(journal).next().is_some() =>
                    {
                        Standing::Undone(Difference::Prevention(side))
                    }
                    None | Some(_) => Standing::LeftToOthers,
                }
            }
            (Wish::Isolated | Wish::Released | Wish::Task, _)
            | (Wish::Rule { .. }, Found::Isolation(_) | Found::Task(_)) => Standing::Stands,
        })
    }

    /// Whether a host that is to be isolated is not, or as a run under a lock has it: another's timeout and exclusions.
    /// Those of somebody who acts by hand stay.
    fn is_replaced<S: Store, L: Send + Sync>(
        &self,
        found: Option<&Isolation>,
        journal: &Journal<S, L>,
    ) -> bool {
        let Some(found) = found else { return true };
        let is_by_hand = |open: &OpenIntention| open.by_hand && isolates(open);
        if self.of_others(journal).any(is_by_hand)
            || !self.of_others(journal).any(|open| !open.by_hand && isolates(open))
        {
            return false;
        }
        let ours = journal.put_down_since(self.change.subject);
        let sent = ours.filter(|open| journal.is_of_this(&open.by.run)).last().map(|open| &open.difference);
        matches!(sent, Some(Difference::Isolation(Side { after: Some(sent), .. }))
            if !is_listed_as_sent(sent, found))
    }

    fn isolation_again(&self, found: Option<Isolation>) -> Difference {
        let difference = match &self.change.difference {
            Difference::Isolation(side) => {
                Difference::Isolation(Side { before: found, after: side.after.clone() })
            }
            Difference::Prevention(_) | Difference::Task(..) => self.change.difference.clone(),
        };
        let again = Change { difference, ..Change::clone(self.change) };
        as_sent(&again, self.shared.server_clock, self.shared.clock.now())
    }

    /// Hashes that somebody else by hand put in or took out later: those are theirs.
    fn hashes_named_since<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> BTreeSet<FileHash> {
        let before = self.before_ours(journal).count();
        let since = journal.put_down_since(self.change.subject).skip(before);
        let since = since.filter(|open| open.by_hand && !journal.is_of_this(&open.by.run));
        let mut named = BTreeSet::new();
        for open in since {
            if let Difference::Prevention(side) = &open.difference {
                let of = |rule: &Option<Arc<PreventionRule>>| -> BTreeSet<FileHash> {
                    rule.iter().flat_map(|rule| rule.objects.keys().copied()).collect()
                };
                named.extend(of(&side.before).symmetric_difference(&of(&side.after)));
            }
        }
        named
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

fn isolates(open: &OpenIntention) -> bool {
    matches!(&open.difference, Difference::Isolation(Side { after: Some(_), .. }))
}

fn is_same(one: &OpenIntention, other: &OpenIntention) -> bool {
    one.number == other.number && one.by.run == other.by.run
}
