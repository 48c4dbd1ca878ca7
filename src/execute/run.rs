//! One server's steps, one after the other; within a step, changes side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::moves::Moves;
use super::shared::{Server, Shared};
use super::side_by_side::write_all;
use super::{ChangeOutcome, Observer, ServerOutcome, StoppedBy, WriteResult};
use crate::central_node::TakeTurns;
use crate::guard::ClearedServer;
use crate::model::{Clock, Difference, Isolation, PreventionRule, Side, Timeout};
use crate::plan::{Change, Purpose, ServerClock, timeout_to_send};
use crate::record::{INTENTIONS_AT_ONCE, Intention, Intentions, RecordError};

/// Carries out the plan of one server. Every intention is durable in `journal` before it is sent.
pub async fn execute<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
    plan: &ClearedServer<'_>,
    server: Server<'_, C, K, O>,
    journal: &mut J,
) -> ServerOutcome {
    let plan = plan.plan();
    let shared = Shared::new(plan, &server, journal.lease());
    let rollout = server.rollout;
    let mut changes = Vec::new();
    let total = plan.changes().count();
    let mut moves = Moves::of(plan);
    // Why the rest of a step is not tried: too many changes ended not done.
    let mut enough: Option<String> = None;
    for step in &plan.steps {
        // A release is put down right before it is sent, alone: whoever contains that host by hand meanwhile must
        // meet at most one release that is on its way.
        let (together, judged_together) = match step.purpose {
            Purpose::Release => (1, 1),
            Purpose::Contain | Purpose::GiveUp | Purpose::ForAll | Purpose::Prevent | Purpose::Run => {
                (usize::MAX, whole_rounds(server.concurrency))
            }
        };
        for batch in rollout.batches(&step.changes, judged_together) {
            for group in batch.chunks(together) {
                let bar = |change: &Change| enough.clone().or_else(|| moves.bars(step.purpose, change));
                let to_whom = (server.client, server.concurrency);
                let outcomes = unbarred(group, bar, &shared, to_whom, journal).await;
                moves.note(step.purpose, &outcomes);
                changes.extend(outcomes);
            }
            enough = enough.or_else(|| rollout.why_enough(&changes, total));
        }
        if step.purpose == Purpose::ForAll {
            moves.after_for_all(server.client, &shared, server.concurrency, journal).await;
        }
        // What hosts gave up for the rule for all is put back first.
        if step.purpose != Purpose::GiveUp
            && let Some(why) = enough.take()
        {
            shared.stop(StoppedBy::Failures, why);
        }
    }
    let open = moves.open();
    ServerOutcome {
        server: plan.server.clone(),
        clock: shared.server_clock,
        changes,
        put_back: moves.into_put_back(),
        open,
        stopped: shared.stopped(),
    }
}

/// As many as may be open in the record, cut so that writing them keeps everybody busy to the end: of a hundred, four
/// would be left to a round of their own where 32 are on their way at once.
fn whole_rounds(concurrency: usize) -> usize {
    let rounds = INTENTIONS_AT_ONCE / concurrency.max(1);
    if rounds == 0 { INTENTIONS_AT_ONCE } else { rounds * concurrency.max(1) }
}

/// Those of a group that nothing bars, written; of the others why they are not tried.
async fn unbarred<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
    group: &[Arc<Change>],
    bar: impl Fn(&Change) -> Option<String>,
    shared: &Shared<'_, K, O>,
    to_whom: (&C, usize),
    journal: &mut J,
) -> Vec<ChangeOutcome> {
    // Where nothing more is sent at all, that is what there is to say.
    let barred = |change: &Change| (!shared.is_stopping()).then(|| bar(change)).flatten();
    let bars: Vec<Option<String>> = group.iter().map(|change| barred(change)).collect();
    let free = group.iter().zip(&bars).filter(|(_, bar)| bar.is_none());
    let free: Vec<&Arc<Change>> = free.map(|(change, _)| change).collect();
    let ready = free.iter().map(|change| ReadyChange::as_planned(change));
    let told = |place: usize, result: &WriteResult| {
        drop(shared.ended(Arc::clone(free[place]), result.clone()));
    };
    let mut results = write_all(ready, to_whom, shared, journal, told).await.into_iter();
    let outcomes = group.iter().zip(bars).map(|(change, bar)| {
        let change = Arc::clone(change);
        match bar {
            None => results.next().map(|result| ChangeOutcome { change, result }),
            Some(why) => Some(shared.ended(change, WriteResult::NotTried { why })),
        }
    });
    outcomes.flatten().collect()
}

/// One change as it is about to be sent.
#[derive(Debug)]
pub(super) struct ReadyChange {
    pub(super) change: Arc<Change>,
    /// With the timeout of the moment when it is put down, not that of the plan.
    pub(super) difference: Difference,
    /// The difference is that of the plan, and nobody has chosen another for a reason.
    is_as_planned: bool,
    /// It puts back what this run took out.
    pub(super) is_put_back: bool,
}

impl ReadyChange {
    pub(super) fn as_planned(change: &Arc<Change>) -> Self {
        let difference = change.difference.clone();
        Self { change: Arc::clone(change), difference, is_as_planned: true, is_put_back: false }
    }

    /// Another difference of the same subject.
    pub(super) fn with(change: &Arc<Change>, difference: Difference) -> Self {
        Self { change: Arc::clone(change), difference, is_as_planned: false, is_put_back: false }
    }

    pub(super) fn as_of(&mut self, clock: ServerClock, now: jiff::Timestamp) {
        if self.is_as_planned {
            self.difference = as_sent(&self.change, clock, now);
        }
    }

    /// The same with an hour more (at the upper end, less): however a server rounds, it lists another timeout then.
    /// `None`: there is none, or it is that already.
    pub(super) fn beyond_rounding(&self) -> Option<Self> {
        const HOUR: i64 = 3_600;
        let (true, Difference::Isolation(Side { before, after: Some(after) })) =
            (self.is_as_planned, &self.difference)
        else {
            return None;
        };
        let sent = i64::try_from(after.timeout_seconds).unwrap_or(i64::MAX);
        let timeout = Timeout::from_seconds(sent.saturating_add(HOUR))
            .or_else(|_above_the_range| Timeout::from_seconds(sent.saturating_sub(HOUR)));
        // In the range of 1 h to 9,999 h one of the two always is.
        let timeout_seconds = timeout.map_or(after.timeout_seconds, |timeout| u64::from(timeout.seconds()));
        let after = Isolation { timeout_seconds, exclusions: Arc::clone(&after.exclusions) };
        let difference = Difference::Isolation(Side { before: before.clone(), after: Some(after) });
        Some(Self::with(&self.change, difference))
    }

    pub(super) fn intention(&self, at: jiff::Timestamp, clocks_apart: bool) -> Intention {
        let whom = &self.change.whom;
        let action = if self.is_put_back { "put_back" } else { self.change.action.as_str() };
        Intention {
            target: self.change.subject.target,
            host: Some(whom.label().into()),
            entry: whom.entry().map(Arc::clone),
            cause: Some(self.change.cause.clone()),
            reason: self.change.reason.clone(),
            action: action.into(),
            at,
            difference: self.difference.clone(),
            clocks_apart,
            foreign: self.foreign(),
        }
    }

    /// What of it others had put there before: it stays theirs.
    fn foreign(&self) -> Option<Arc<PreventionRule>> {
        let others = &self.change.action.rule_change()?.for_others;
        let Difference::Prevention(Side { after: Some(after), .. }) = &self.difference else { return None };
        let returned = others.iter().filter_map(|hash| Some((*hash, after.objects.get(hash)?.clone())));
        let objects: BTreeMap<_, _> = returned.collect();
        (!objects.is_empty()).then(|| Arc::new(PreventionRule { objects }))
    }
}

/// The difference as it is sent at this moment: `until` is sent with what remains now, not with what remained when
/// the plan was made.
pub(super) fn as_sent(change: &Change, clock: ServerClock, now: jiff::Timestamp) -> Difference {
    let Some(term) = change.action.term() else { return change.difference.clone() };
    match &change.difference {
        Difference::Isolation(Side { before, after: Some(after) }) => {
            let listed = before.as_ref().map(|rule| rule.timeout_seconds);
            let timeout = timeout_to_send(term, clock, now, listed);
            Difference::Isolation(Side {
                before: before.clone(),
                after: Some(Isolation {
                    timeout_seconds: u64::from(timeout.seconds()),
                    exclusions: Arc::clone(&after.exclusions),
                }),
            })
        }
        Difference::Isolation(Side { after: None, .. })
        | Difference::Prevention(_)
        | Difference::Task(..) => change.difference.clone(),
    }
}

/// Whether the record is not there for us, or another run is.
pub(super) fn stopped_by(error: &RecordError) -> StoppedBy {
    match error {
        RecordError::Locked { .. }
        | RecordError::Collision { .. }
        | RecordError::LockNotSure
        | RecordError::Contended { .. } => StoppedBy::Lock,
        RecordError::Unreachable { .. }
        | RecordError::Refused { .. }
        | RecordError::Unfit { .. }
        | RecordError::Replaced { .. }
        | RecordError::Damaged { .. }
        | RecordError::FromNewerVersion { .. } => StoppedBy::Record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_hundred_are_judged_together_and_nobody_idles() {
        for (concurrency, together) in [(0, 100), (1, 100), (7, 98), (16, 96), (32, 96), (64, 64), (512, 100)]
        {
            assert_eq!(whole_rounds(concurrency), together, "{concurrency}");
        }
    }
}
