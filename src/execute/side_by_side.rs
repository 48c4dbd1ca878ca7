//! Changes side by side: nothing is sent before it is put down, and the next ones are put down while those before them
//! are under way, so that no connection waits for the record.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;

use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use tokio::sync;

use super::run::{ReadyChange, stopped_by};
use super::shared::Shared;
use super::write::{Ended, Written, write};
use super::{Observer, WriteResult};
use crate::central_node::TakeTurns;
use crate::model::Clock;
use crate::plan::ServerClock;
use crate::record::{INTENTIONS_AT_ONCE, Intended, Intention, IntentionNumber, Intentions, WriteOutcome};

/// So many may be neither ended nor sent when the next ones are put down: enough to keep all connections busy
/// meanwhile, and few enough that the record is written seldom.
const OPEN_AT_NEXT: usize = INTENTIONS_AT_ONCE / 2;

/// A change that is yet to be put down.
struct Waiting {
    place: usize,
    ready: ReadyChange,
    /// It was sent, and what came of it could not be told from nothing: the same again with another timeout.
    is_second: bool,
}

/// One that is put down, and may be sent.
struct Down {
    waiting: Waiting,
    number: IntentionNumber,
}

/// Puts changes down, writes them, at most `concurrency` at once, and notes what became of them. `told` hears of each
/// as soon as those before it have ended too; the results come in the order of the changes.
pub(super) async fn write_all<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
    changes: impl ExactSizeIterator<Item = ReadyChange>,
    (client, concurrency): (&C, usize),
    shared: &Shared<'_, K, O>,
    journal: &mut J,
    told: impl FnMut(usize, &WriteResult),
) -> Vec<WriteResult> {
    let journal = sync::Mutex::new(journal);
    let mut results = InOrder { ended: BTreeMap::new(), next: 0, told };
    let mut first = changes.enumerate().map(|(place, ready)| Waiting { place, ready, is_second: false });
    let mut second: VecDeque<Waiting> = VecDeque::new();
    let mut down: VecDeque<Down> = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    let mut putting = pin!(Fuse::terminated());
    let mut ended: Vec<Noted> = Vec::new();
    loop {
        while under_way.len() < concurrency.max(1)
            && let Some(next) = down.pop_front()
        {
            under_way.push(write_one(client, next, shared, &journal));
        }
        let open = under_way.len() + down.len();
        if putting.is_terminated() && second.len() + first.len() > 0 && open <= OPEN_AT_NEXT {
            let next = std::iter::from_fn(|| second.pop_front().or_else(|| first.next()));
            if let Some(why) = shared.why_nothing_is_sent() {
                let not_tried = |waiting: Waiting| (waiting, WriteResult::NotTried { why: why.clone() });
                next.map(not_tried).for_each(|ended| results.take(ended));
                continue;
            }
            let next = next.take(INTENTIONS_AT_ONCE - open).collect();
            putting.set(put_down(next, std::mem::take(&mut ended), shared, &journal).fuse());
        }
        tokio::select! {
            biased;
            (may_be_sent, others) = &mut putting, if !putting.is_terminated() => {
                down.extend(may_be_sent);
                others.into_iter().for_each(|other| results.take(other));
            }
            Some((Down { waiting: sent, number }, (written, outcome))) = under_way.next() => {
                ended.push(Noted { at: shared.clock.now(), number, outcome });
                match written {
                    Written::NotToldApart => match sent.ready.beyond_rounding() {
                        Some(ready) => second.push_back(Waiting { ready, is_second: true, ..sent }),
                        None => results.take((sent, Written::NotToldApart.result())),
                    },
                    Written::Ended(result) => results.take((sent, result)),
                }
            }
            else => break,
        }
    }
    note(ended, *journal.lock().await);
    results.ended.into_values().collect()
}

/// What the record is to be told of one that was sent.
struct Noted {
    at: Timestamp,
    number: IntentionNumber,
    outcome: WriteOutcome,
}

fn note<J: Intentions>(ended: Vec<Noted>, journal: &mut J) {
    for Noted { at, number, outcome } in ended {
        journal.outcomes(at, &[(number, outcome)]);
    }
}

/// What may be sent, and what ended with being put down.
type PutDown = (Vec<Down>, Vec<(Waiting, WriteResult)>);

async fn put_down<K: Clock, O: Observer, J: Intentions>(
    mut waiting: Vec<Waiting>,
    ended: Vec<Noted>,
    shared: &Shared<'_, K, O>,
    journal: &sync::Mutex<&mut J>,
) -> PutDown {
    let mut journal = journal.lock().await;
    let now = shared.clock.now();
    let clocks_apart = matches!(shared.server_clock, ServerClock::Apart(_));
    waiting.iter_mut().for_each(|waiting| waiting.ready.as_of(shared.server_clock, now));
    let intentions: Vec<Intention> =
        waiting.iter().map(|waiting| waiting.ready.intention(now, clocks_apart)).collect();
    note(ended, *journal);
    let intended = match journal.intend(&intentions).await {
        Ok(intended) => intended,
        Err(error) => {
            let why = format!("the record could not take it, so it was not sent: {error}");
            shared.stop(stopped_by(&error), why.clone());
            let not_tried = |waiting| (waiting, WriteResult::NotTried { why: why.clone() });
            return (Vec::new(), waiting.into_iter().map(not_tried).collect());
        }
    };
    let (mut may_be_sent, mut held) = (Vec::new(), Vec::new());
    for (waiting, intended) in waiting.into_iter().zip(intended) {
        match intended {
            Intended::MaySend(number) => may_be_sent.push(Down { waiting, number }),
            Intended::Held(hold) => held.push((waiting, WriteResult::Held { hold: hold.into() })),
        }
    }
    (may_be_sent, held)
}

async fn write_one<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
    client: &C,
    down: Down,
    shared: &Shared<'_, K, O>,
    journal: &sync::Mutex<&mut J>,
) -> (Down, Ended) {
    let ended = write(client, &down.waiting.ready, shared, journal).await;
    (down, ended)
}

/// Results as they come, told in the order of the changes.
struct InOrder<F> {
    ended: BTreeMap<usize, WriteResult>,
    /// The first that was not told.
    next: usize,
    told: F,
}

impl<F: FnMut(usize, &WriteResult)> InOrder<F> {
    fn take(&mut self, (waiting, result): (Waiting, WriteResult)) {
        // Whatever kept the second from being sent: the first one was.
        let counts =
            !waiting.is_second || matches!(result, WriteResult::Done { .. } | WriteResult::Unknown { .. });
        let result = if counts { result } else { Written::NotToldApart.result() };
        self.ended.insert(waiting.place, result);
        while let Some(result) = self.ended.get(&self.next) {
            (self.told)(self.next, result);
            self.next += 1;
        }
    }
}
