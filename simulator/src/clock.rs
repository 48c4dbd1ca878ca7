//! The one place that knows what time it is; everything below gets the time as an argument.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The world's clock: wall time, one that tests move, or one of theirs. Clones of a manual clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Wall,
    Manual(Arc<Mutex<Timestamp>>),
    Other(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl Clock {
    /// Follows the clock of this machine.
    #[must_use]
    pub fn wall() -> Clock {
        Clock(Source::Wall)
    }

    /// Stands still at `start` until it is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Source::Manual(Arc::new(Mutex::new(start))))
    }

    /// Goes by what `now` says, such as a clock that is faster than this machine's and that others share.
    #[must_use]
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Source::Other(Arc::new(now)))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that others are given")]
            Source::Wall => Timestamp::now(),
            Source::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
            Source::Other(now) => now(),
        }
    }

    /// Moves a manual clock; a negative duration moves it back.
    ///
    /// # Panics
    /// On any other clock, and beyond the range of [`Timestamp`]: both are mistakes of the test.
    pub fn advance(&self, by: SignedDuration) {
        let at = self.now().checked_add(by);
        match at {
            Ok(at) => self.set(at),
            Err(error) => panic!("the clock cannot be moved by {by}: {error}"),
        }
    }

    /// Sets a manual clock.
    ///
    /// # Panics
    /// On any other clock.
    pub fn set(&self, at: Timestamp) {
        match &self.0 {
            Source::Wall | Source::Other(_) => {
                panic!("only a manual clock can be set; start the simulator with Clock::manual")
            }
            Source::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner) = at,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Wall => "Wall",
            Source::Manual(_) => "Manual",
            Source::Other(_) => "Other",
        })
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::wall()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(other.now().as_second(), 3600);
    }

    #[test]
    fn a_clock_of_somebody_elses_is_asked_each_time() {
        let manual = Clock::manual(Timestamp::UNIX_EPOCH);
        let asked = manual.clone();
        let twice = Clock::of(move || asked.now() + asked.now().duration_since(Timestamp::UNIX_EPOCH));
        manual.advance(SignedDuration::from_hours(1));
        assert_eq!(twice.now().as_second(), 7200);
    }
}
