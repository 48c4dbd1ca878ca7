//! The soak's clock: many times as fast as this machine's, and one for the simulator and for all processes.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::{Clock, WallClock};

/// Both begin at the same instant, so that certificates are valid by either.
#[derive(Debug)]
pub(crate) struct FastClock {
    began: Timestamp,
    times: i64,
    /// Seconds that were passed over, beside those that went by.
    skipped: AtomicI64,
}

impl FastClock {
    pub(crate) fn new(times: i64) -> Self {
        Self { began: WallClock.now(), times, skipped: AtomicI64::new(0) }
    }

    /// Lets so much time pass at once. Programs that run already do not see it.
    pub(crate) fn skip(&self, hours: i64) {
        self.skipped.fetch_add(hours * 3_600, Ordering::Relaxed);
    }

    /// As a text, for another process.
    pub(crate) fn told(&self) -> String {
        format!("{} {} {}", self.began.as_nanosecond(), self.times, self.skipped.load(Ordering::Relaxed))
    }

    /// What another process has told.
    pub(crate) fn heard(told: &str) -> Self {
        let words: Vec<&str> = told.split(' ').collect();
        let [began, times, skipped] = words[..] else { panic!("`{told}` is no clock") };
        Self {
            began: Timestamp::from_nanosecond(began.parse().unwrap()).unwrap(),
            times: times.parse().unwrap(),
            skipped: AtomicI64::new(skipped.parse().unwrap()),
        }
    }

    pub(crate) fn since_the_beginning(&self) -> SignedDuration {
        self.now().duration_since(self.began)
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = WallClock.now().as_nanosecond() - self.began.as_nanosecond();
        let fast = self.began.as_nanosecond() + passed * i128::from(self.times);
        Timestamp::from_nanosecond(fast).unwrap()
            + SignedDuration::from_secs(self.skipped.load(Ordering::Relaxed))
    }
}
