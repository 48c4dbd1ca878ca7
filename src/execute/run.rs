//! One server's steps, one after the other; within a step, changes side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync;

use super::moves::Moves;
use super::shared::{Server, Shared};
use super::write::{Written, write};
use super::{ChangeOutcome, Observer, ServerOutcome, Stop, StoppedBy, WriteResult};
use crate::central_node::WriteSettings;
use crate::guard::ClearedServer;
use crate::model::{Clock, Difference, Isolation, PreventionRule, Side, Timeout};
use crate::plan::{Change, Purpose, ServerClock, timeout_to_send};
use crate::record::{INTENTIONS_AT_ONCE, Intended, Intention, Intentions, RecordError};

/// Carries out the plan of one server. Every intention is durable in `journal` before it is sent.
pub async fn execute<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
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
        let ahead = match step.purpose {
            Purpose::Release => 1,
            Purpose::Contain | Purpose::GiveUp | Purpose::ForAll | Purpose::Prevent | Purpose::Run => {
                put_down_together(server.concurrency)
            }
        };
        for batch in rollout.batches(&step.changes, ahead) {
            for group in batch.chunks(ahead) {
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
        changes,
        put_back: moves.into_put_back(),
        open,
        stopped: shared.stopped(),
    }
}

/// So many intentions that writing them keeps everybody busy to the end: of a hundred, four would be left to a round
/// of their own where 32 are on their way at once.
fn put_down_together(concurrency: usize) -> usize {
    let rounds = INTENTIONS_AT_ONCE / concurrency.max(1);
    if rounds == 0 { INTENTIONS_AT_ONCE } else { rounds * concurrency.max(1) }
}

/// Those of a group that nothing bars, written; of the others why they are not tried.
async fn unbarred<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    group: &[Arc<Change>],
    bar: impl Fn(&Change) -> Option<String>,
    shared: &Shared<'_, K, O>,
    (client, concurrency): (&C, usize),
    journal: &mut J,
) -> Vec<ChangeOutcome> {
    // Where nothing more is sent at all, that is what there is to say.
    let barred = |change: &Change| (!shared.is_stopping()).then(|| bar(change)).flatten();
    let bars: Vec<Option<String>> = group.iter().map(|change| barred(change)).collect();
    let free = group.iter().zip(&bars).filter(|(_, bar)| bar.is_none());
    let free: Vec<Arc<Change>> = free.map(|(change, _)| Arc::clone(change)).collect();
    let mut results = group_of(&free, client, shared, concurrency, journal).await.into_iter();
    let outcomes = group.iter().zip(bars).map(|(change, bar)| {
        let change = Arc::clone(change);
        match bar {
            None => results.next().map(|result| ChangeOutcome { change, result }),
            Some(why) => Some(shared.ended(change, WriteResult::NotTried { why })),
        }
    });
    outcomes.flatten().collect()
}

/// What is put down together.
async fn group_of<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    group: &[Arc<Change>],
    client: &C,
    shared: &Shared<'_, K, O>,
    concurrency: usize,
    journal: &mut J,
) -> Vec<WriteResult> {
    let not_tried = |why: String| -> Vec<WriteResult> {
        group.iter().map(|_| WriteResult::NotTried { why: why.clone() }).collect()
    };
    if *shared.stop.borrow() != Stop::No {
        return not_tried("interrupted before it was sent".to_owned());
    }
    if let Some(why) = shared.why_stopped() {
        return not_tried(why);
    }
    let now = shared.clock.now();
    let ready: Vec<ReadyChange> = group
        .iter()
        .map(|change| ReadyChange {
            change: Arc::clone(change),
            difference: as_sent(change, shared.server_clock, now),
            returned: None,
        })
        .collect();
    let mut results = write_all(&ready, client, shared, concurrency, journal).await;
    // Of those that can not be told from ignored ones, the same again with a timeout that rounding can not hide.
    let (places, again): (Vec<usize>, Vec<ReadyChange>) = results
        .iter()
        .enumerate()
        .filter(|(_, result)| matches!(result, Written::NotToldApart))
        .filter_map(|(i, _)| Some((i, ready[i].beyond_rounding()?)))
        .unzip();
    let second = write_all(&again, client, shared, concurrency, journal).await;
    for (i, result) in places.into_iter().zip(second) {
        // Whatever kept the second from being sent: the first one was.
        if matches!(&result, Written::Ended(WriteResult::Done { .. } | WriteResult::Unknown { .. })) {
            results[i] = result;
        }
    }
    let results: Vec<WriteResult> = results.into_iter().map(Written::result).collect();
    for (change, result) in group.iter().zip(&results) {
        drop(shared.ended(Arc::clone(change), result.clone()));
    }
    results
}

/// Puts the intentions down, writes them side by side, and notes what became of them.
pub(super) async fn write_all<C: WriteSettings, K: Clock, O: Observer, J: Intentions>(
    ready: &[ReadyChange],
    client: &C,
    shared: &Shared<'_, K, O>,
    concurrency: usize,
    journal: &mut J,
) -> Vec<Written> {
    if ready.is_empty() {
        return Vec::new();
    }
    let now = shared.clock.now();
    let clocks_apart = matches!(shared.server_clock, ServerClock::Apart(_));
    let intentions: Vec<Intention> = ready.iter().map(|ready| ready.intention(now, clocks_apart)).collect();
    let intended = match journal.intend(&intentions).await {
        Ok(intended) => intended,
        Err(error) => {
            let why = format!("the record could not take it, so it was not sent: {error}");
            shared.stop(stopped_by(&error), why.clone());
            let not_tried = |_| Written::Ended(WriteResult::NotTried { why: why.clone() });
            return ready.iter().map(not_tried).collect();
        }
    };
    let asked = sync::Mutex::new(&mut *journal);
    let write_one = async |(place, (ready, intended)): (usize, (&ReadyChange, Intended))| match intended {
        Intended::MaySend(number) => {
            let (written, outcome) = write(client, ready, shared, &asked).await;
            (place, (written, Some((number, outcome))))
        }
        Intended::Held(hold) => (place, (Written::Ended(WriteResult::Held { hold }), None)),
    };
    // Nobody waits for one that takes long; the results come in the order of the changes all the same.
    let ended: BTreeMap<usize, _> = futures_util::stream::iter(ready.iter().zip(intended).enumerate())
        .map(write_one)
        .buffer_unordered(concurrency)
        .collect()
        .await;
    let (results, outcomes): (Vec<_>, Vec<_>) = ended.into_values().unzip();
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    journal.outcomes(shared.clock.now(), &outcomes);
    results
}

/// One change as it is about to be sent.
#[derive(Debug)]
pub(super) struct ReadyChange {
    pub(super) change: Arc<Change>,
    /// With the timeout of this moment, not that of the plan.
    pub(super) difference: Difference,
    /// It puts back what this run took out.
    pub(super) returned: Option<Returned>,
}

/// What is put back into a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Returned {
    /// What of it others had put there: it stays theirs.
    pub(super) foreign: Option<Arc<PreventionRule>>,
}

impl ReadyChange {
    /// The same with an hour more (at the upper end, less): however a server rounds, it lists another timeout then.
    fn beyond_rounding(&self) -> Option<Self> {
        const HOUR: i64 = 3_600;
        let Difference::Isolation(Side { before, after: Some(after) }) = &self.difference else {
            return None;
        };
        let sent = i64::try_from(after.timeout_seconds).unwrap_or(i64::MAX);
        let timeout = Timeout::from_seconds(sent.saturating_add(HOUR))
            .or_else(|_above_the_range| Timeout::from_seconds(sent.saturating_sub(HOUR)));
        // In the range of 1 h to 9,999 h one of the two always is.
        let timeout_seconds = timeout.map_or(after.timeout_seconds, |timeout| u64::from(timeout.seconds()));
        let after = Isolation { timeout_seconds, exclusions: Arc::clone(&after.exclusions) };
        Some(Self {
            change: Arc::clone(&self.change),
            difference: Difference::Isolation(Side { before: before.clone(), after: Some(after) }),
            returned: None,
        })
    }

    fn intention(&self, at: jiff::Timestamp, clocks_apart: bool) -> Intention {
        let whom = &self.change.whom;
        Intention {
            target: self.change.subject.target,
            host: Some(whom.label().into()),
            entry: whom.entry().map(Arc::clone),
            cause: Some(self.change.cause.clone()),
            reason: self.change.reason.clone(),
            action: self.returned.as_ref().map_or(self.change.action.as_str(), |_| "put_back").into(),
            at,
            difference: self.difference.clone(),
            clocks_apart,
            foreign: self.returned.as_ref().and_then(|returned| returned.foreign.clone()),
        }
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
        | RecordError::Damaged { .. }
        | RecordError::FromNewerVersion { .. } => StoppedBy::Record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_hundred_are_put_down_and_nobody_idles() {
        for (concurrency, together) in [(0, 100), (1, 100), (7, 98), (16, 96), (32, 96), (64, 64), (512, 100)]
        {
            assert_eq!(put_down_together(concurrency), together, "{concurrency}");
        }
    }
}
