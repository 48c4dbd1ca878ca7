use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::folder_lock::LockedFile;
use crate::model::Clock;

/// Whether a lock is ours for certain, by our own clocks alone. Clones speak of the same lock.
#[derive(Debug, Clone)]
pub struct Lease(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// As long as the process lives.
    Lasting,
    /// As long as nobody takes the file away.
    File(Arc<LockedFile>),
    Timed(Arc<Timed>),
    #[cfg(test)]
    Watched(std::sync::Arc<std::sync::atomic::AtomicBool>),
}

impl Lease {
    /// A lock that only the end of its process ends.
    pub fn lasting() -> Self {
        Self(Kind::Lasting)
    }

    pub(super) fn of_file(file: Arc<LockedFile>) -> Self {
        Self(Kind::File(file))
    }

    pub(super) fn timed(timed: Arc<Timed>) -> Self {
        Self(Kind::Timed(timed))
    }

    /// Ours as long as this says so.
    #[cfg(test)]
    pub(crate) fn watched(is_sure: std::sync::Arc<std::sync::atomic::AtomicBool>) -> Self {
        Self(Kind::Watched(is_sure))
    }

    /// Nothing may be sent while this is false: somebody else may hold the lock by now. It turns true again only
    /// where a renewal has shown that nobody has.
    pub fn is_sure(&self) -> bool {
        match &self.0 {
            Kind::Lasting => true,
            Kind::File(file) => file.is_in_place(),
            Kind::Timed(timed) => timed.is_sure(),
            #[cfg(test)]
            Kind::Watched(is_sure) => is_sure.load(std::sync::atomic::Ordering::Relaxed),
        }
    }
}

/// A moment, by both clocks. The monotonic one stands still while a machine sleeps, the other is set back and forth:
/// what has passed since is the larger of what they say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    monotonic: Instant,
    wall: Timestamp,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { monotonic: Instant::now(), wall: clock.now() }
    }

    fn passed(self, clock: &dyn Clock) -> Duration {
        let wall = clock.now().duration_since(self.wall);
        // Set back: then the other one counts.
        let wall = Duration::try_from(wall).unwrap_or(Duration::ZERO);
        self.monotonic.elapsed().max(wall)
    }
}

/// A lease that ends unless it is renewed.
pub(super) struct Timed {
    clock: Arc<dyn Clock>,
    /// How long after a renewal was sent it may still be relied on.
    sure_for: Duration,
    /// The moment before the last renewal that is known to have been carried out was sent; `None`: lost for good.
    renewed: Mutex<Option<Moment>>,
}

impl std::fmt::Debug for Timed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timed").field("sure_for", &self.sure_for).finish_non_exhaustive()
    }
}

impl Timed {
    pub(super) fn new(clock: Arc<dyn Clock>, sure_for: Duration, acquired: Moment) -> Self {
        Self { clock, sure_for, renewed: Mutex::new(Some(acquired)) }
    }

    /// `sent`: the moment before the renewal was sent.
    pub(super) fn renew(&self, sent: Moment) {
        let mut renewed = self.renewed();
        if renewed.is_some() {
            *renewed = Some(sent);
        }
    }

    /// Somebody else holds the lock.
    pub(super) fn lose(&self) {
        *self.renewed() = None;
    }

    fn is_sure(&self) -> bool {
        self.renewed().is_some_and(|renewed| renewed.passed(&*self.clock) < self.sure_for)
    }

    fn renewed(&self) -> std::sync::MutexGuard<'_, Option<Moment>> {
        // Nothing in here panics half-way through a change.
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct SetClock(Mutex<Timestamp>);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn lease() -> (Arc<SetClock>, Arc<Timed>, Lease) {
        let clock = Arc::new(SetClock(Mutex::new("2026-11-25T00:00:00Z".parse().unwrap())));
        let timed = Timed::new(clock.clone(), Duration::from_secs(45), Moment::now(&*clock));
        let timed = Arc::new(timed);
        (clock, timed.clone(), Lease::timed(timed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_whichever_clock_says_more() {
        let (clock, timed, lease) = lease();
        assert!(lease.is_sure());
        tokio::time::advance(Duration::from_secs(44)).await;
        assert!(lease.is_sure());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.is_sure(), "the monotonic clock");

        timed.renew(Moment::now(&*clock));
        assert!(lease.is_sure(), "renewed: nobody had it in between");
        // The machine slept: only the wall clock has noticed.
        *clock.0.lock().unwrap() += Duration::from_secs(45);
        assert!(!lease.is_sure(), "the wall clock");

        timed.renew(Moment::now(&*clock));
        *clock.0.lock().unwrap() -= Duration::from_secs(3600);
        assert!(lease.is_sure(), "set back, which proves nothing");
        tokio::time::advance(Duration::from_secs(45)).await;
        assert!(!lease.is_sure());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_lost_stays_lost() {
        let (clock, timed, lease) = lease();
        timed.lose();
        timed.renew(Moment::now(&*clock));
        assert!(!lease.is_sure());
    }
}
