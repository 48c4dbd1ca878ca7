//! How many requests are on their way to a server at once. One that is overloaded, or does not answer in time, is asked
//! less, by all: half as many at once, and one more again after each round that it has answered.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::answer::Answer;
use super::error::{CallError, CallErrorKind};

/// What a request waits for before it is sent.
pub trait Bound: Send + Sync {
    /// For as long as its answer is not here. An `Err` is how long a write would have to wait: what was looked at before
    /// it is old by then.
    fn slot(&self, is_write: bool) -> impl Future<Output = Result<Sending<'_>, Duration>> + Send;
}

/// A slot, of this request alone or of a turn.
#[derive(Debug)]
pub enum Sending<'a> {
    /// Given back when this ends.
    Alone(Slot<'a>),
    /// Kept by the turn.
    InTurn(&'a Slot<'a>),
}

impl<'a> Deref for Sending<'a> {
    type Target = Slot<'a>;

    fn deref(&self) -> &Slot<'a> {
        match self {
            Self::Alone(slot) => slot,
            Self::InTurn(slot) => slot,
        }
    }
}

impl Bound for Throttle {
    async fn slot(&self, _is_write: bool) -> Result<Sending<'_>, Duration> {
        Ok(Sending::Alone(self.free_slot().await))
    }
}

impl Bound for Slot<'_> {
    async fn slot(&self, is_write: bool) -> Result<Sending<'_>, Duration> {
        loop {
            match self.may_send() {
                Ok(()) => return Ok(Sending::InTurn(self)),
                Err(not_before) if is_write => return Err(not_before - Instant::now()),
                Err(not_before) => sleep_until(not_before).await,
            }
        }
    }
}

/// The bound of one server, shared by its reads and writes.
#[derive(Debug)]
pub struct Throttle {
    slots: Semaphore,
    /// What was declared: never more than that.
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// So many at once for now.
    bound: usize,
    /// Slots that are to go, once who has them gives them back.
    owed: usize,
    /// How often the bound was cut. Who was sent before the last cut tells nothing new of the load.
    cuts: u64,
    /// Answers since the bound last changed.
    answered: usize,
    /// Nobody is sent before.
    not_before: Option<Instant>,
}

/// What one exchange told of the server's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// It answered.
    Fine,
    /// 429 or 503, and how long it asks to wait.
    TooMuch(Option<Duration>),
    /// It did not answer in time.
    TooSlow,
    /// Nothing: it was not reached.
    NotKnown,
}

impl Busy {
    /// One that breaks off in the middle may be busy, too.
    pub(super) fn of(answer: Result<&Answer, &CallError>, longest_wait: Duration) -> Self {
        match answer {
            Ok(answer) => match answer.status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    Self::TooMuch(answer.retry_after.map(|wait| wait.min(longest_wait)))
                }
                StatusCode::GATEWAY_TIMEOUT => Self::TooSlow,
                _ => Self::Fine,
            },
            Err(error) => match error.kind() {
                CallErrorKind::AnswerLost => Self::TooSlow,
                CallErrorKind::CannotConnect
                | CallErrorKind::UntrustedServer
                | CallErrorKind::ClientCertificateRefused
                | CallErrorKind::NotAuthorised
                | CallErrorKind::Incorrect(_)
                | CallErrorKind::Clash { .. }
                | CallErrorKind::TooLarge { .. }
                | CallErrorKind::NoSuchHost
                | CallErrorKind::AlreadyThere
                | CallErrorKind::Overloaded { .. }
                | CallErrorKind::ServerFailed
                | CallErrorKind::NotUnderstood => Self::NotKnown,
            },
        }
    }
}

impl Throttle {
    /// `most`: at least 1.
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { bound: most, owed: 0, cuts: 0, answered: 0, not_before: None };
        Self { slots: Semaphore::new(most), most, state: Mutex::new(state) }
    }

    /// Waits until a request may be sent. Who stops waiting leaves nothing behind.
    pub(super) async fn free_slot(&self) -> Slot<'_> {
        #[expect(clippy::disallowed_methods, reason = "it is never closed, so this is always a permit")]
        let permit = self.slots.acquire().await.ok();
        let slot = Slot { throttle: self, permit, cuts: AtomicU64::new(0) };
        while let Err(not_before) = slot.may_send() {
            sleep_until(not_before).await;
        }
        slot
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock still holds whole values.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, state: &mut State) {
        state.answered += 1;
        if state.bound < self.most && state.answered >= state.bound {
            state.answered = 0;
            state.bound += 1;
            match state.owed.checked_sub(1) {
                Some(owed) => state.owed = owed,
                None => self.slots.add_permits(1),
            }
        }
    }

    fn cut(&self, state: &mut State, sent_under: u64) {
        if sent_under != state.cuts {
            return;
        }
        state.cuts += 1;
        state.answered = 0;
        let bound = (state.bound / 2).max(1);
        let gone = state.bound - bound;
        state.bound = bound;
        state.owed += gone - self.slots.forget_permits(gone);
    }
}

/// The place of one request on its way, or of a turn: several, one after the other.
#[derive(Debug)]
pub struct Slot<'a> {
    throttle: &'a Throttle,
    permit: Option<SemaphorePermit<'a>>,
    /// How often the bound had been cut when the last of them was sent.
    cuts: AtomicU64,
}

impl Slot<'_> {
    /// `Err`: the instant before which nothing is sent.
    fn may_send(&self) -> Result<(), Instant> {
        let state = self.throttle.state();
        match state.not_before.filter(|not_before| *not_before > Instant::now()) {
            None => {
                self.cuts.store(state.cuts, Ordering::Relaxed);
                Ok(())
            }
            Some(not_before) => Err(not_before),
        }
    }

    /// The request ended, and told this.
    pub(super) fn told(&self, busy: Busy) {
        let throttle = self.throttle;
        let cuts = self.cuts.load(Ordering::Relaxed);
        let mut state = throttle.state();
        match busy {
            Busy::Fine => throttle.answered(&mut state),
            Busy::TooMuch(wait) => {
                throttle.cut(&mut state, cuts);
                if let Some(until) = wait.and_then(|wait| Instant::now().checked_add(wait)) {
                    state.not_before = state.not_before.max(Some(until));
                }
            }
            Busy::TooSlow => throttle.cut(&mut state, cuts),
            Busy::NotKnown => {}
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.throttle.state();
        if let (Some(owed), Some(permit)) = (state.owed.checked_sub(1), self.permit.take()) {
            state.owed = owed;
            permit.forget();
        }
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many may be sent right now; they are let go again.
    async fn free(throttle: &Throttle) -> usize {
        let mut slots = Vec::new();
        while let Ok(slot) = tokio::time::timeout(Duration::from_millis(1), throttle.free_slot()).await {
            slots.push(slot);
        }
        slots.len()
    }

    fn ended(slot: Slot<'_>, busy: Busy) {
        slot.told(busy);
    }

    async fn tell(throttle: &Throttle, busy: Busy, times: usize) {
        for _ in 0..times {
            ended(throttle.free_slot().await, busy);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_halved_and_grows_by_one_a_round_up_to_what_was_declared() {
        let throttle = Throttle::new(8);
        assert_eq!(free(&throttle).await, 8);
        tell(&throttle, Busy::TooMuch(None), 1).await;
        assert_eq!(free(&throttle).await, 4);
        tell(&throttle, Busy::TooSlow, 1).await;
        assert_eq!(free(&throttle).await, 2);
        tell(&throttle, Busy::Fine, 1).await;
        assert_eq!(free(&throttle).await, 2);
        tell(&throttle, Busy::Fine, 1).await;
        assert_eq!(free(&throttle).await, 3);
        tell(&throttle, Busy::Fine, 3).await;
        assert_eq!(free(&throttle).await, 4);
        tell(&throttle, Busy::Fine, 1_000).await;
        assert_eq!(free(&throttle).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn one_always_goes() {
        for most in [0, 1, 2, 3] {
            let throttle = Throttle::new(most);
            tell(&throttle, Busy::TooSlow, 20).await;
            assert_eq!(free(&throttle).await, 1, "{most}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_together_is_one_sign() {
        let throttle = Throttle::new(32);
        let mut sent = Vec::new();
        for _ in 0..32 {
            sent.push(throttle.free_slot().await);
        }
        sent.into_iter().for_each(|slot| ended(slot, Busy::TooMuch(None)));
        assert_eq!(free(&throttle).await, 16);
    }

    /// What is out when the bound is cut comes back before anybody new goes.
    #[tokio::test(start_paused = true)]
    async fn who_is_on_the_way_counts() {
        let throttle = Throttle::new(4);
        let mut sent = Vec::new();
        for _ in 0..4 {
            sent.push(throttle.free_slot().await);
        }
        ended(sent.pop().unwrap(), Busy::TooMuch(None));
        assert_eq!(free(&throttle).await, 0, "3 of 2 are out");
        drop(sent.pop());
        assert_eq!(free(&throttle).await, 0, "2 of 2 are out");
        drop(sent.pop());
        assert_eq!(free(&throttle).await, 1);
        drop(sent);
        assert_eq!(free(&throttle).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_wait_is_everybodys() {
        let throttle = Throttle::new(4);
        let began = Instant::now();
        tell(&throttle, Busy::TooMuch(Some(Duration::from_secs(7))), 1).await;
        assert_eq!(free(&throttle).await, 0);
        let waited = throttle.free_slot().await;
        assert!(began.elapsed() >= Duration::from_secs(7));
        // A shorter wish does not shorten a longer one.
        let other = throttle.free_slot().await;
        ended(waited, Busy::TooMuch(Some(Duration::from_secs(20))));
        ended(other, Busy::TooMuch(Some(Duration::from_secs(1))));
        drop(throttle.free_slot().await);
        assert!(began.elapsed() >= Duration::from_secs(27));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_leaves_nothing_locked() {
        let throttle = Throttle::new(1);
        let slot = throttle.free_slot().await;
        assert_eq!(free(&throttle).await, 0);
        ended(slot, Busy::TooMuch(Some(Duration::from_secs(5))));
        assert_eq!(free(&throttle).await, 0, "one that waits for the instant is dropped, too");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(free(&throttle).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_learnt_from_what_was_not_reached() {
        let throttle = Throttle::new(8);
        tell(&throttle, Busy::NotKnown, 20).await;
        assert_eq!(free(&throttle).await, 8);
        tell(&throttle, Busy::TooSlow, 1).await;
        tell(&throttle, Busy::NotKnown, 20).await;
        assert_eq!(free(&throttle).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_place_and_its_write_waits_for_nobody() {
        let throttle = Throttle::new(2);
        let turn = throttle.free_slot().await;
        for is_write in [false, true] {
            turn.slot(is_write).await.unwrap().told(Busy::Fine);
        }
        assert_eq!(free(&throttle).await, 1, "what is sent in a turn gives its place not back");
        tell(&throttle, Busy::TooMuch(Some(Duration::from_secs(9))), 1).await;
        assert_eq!(turn.slot(true).await.unwrap_err(), Duration::from_secs(9));
        let began = Instant::now();
        assert!(turn.slot(false).await.is_ok() && began.elapsed() >= Duration::from_secs(9));
        assert!(turn.slot(true).await.is_ok(), "its look is fresh");
    }
}
