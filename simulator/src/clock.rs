//! The one place that knows what time it is; everything below gets the time as an argument.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The world's clock: wall time, or one that tests move. Clones of a manual clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Wall,
    Manual(Arc<Mutex<Timestamp>>),
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

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that others are given")]
            Source::Wall => Timestamp::now(),
            Source::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock; a negative duration moves it back.
    ///
    /// # Panics
    /// On a wall clock, and beyond the range of [`Timestamp`]: both are mistakes of the test.
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
    /// On a wall clock.
    pub fn set(&self, at: Timestamp) {
        match &self.0 {
            Source::Wall => panic!("the wall clock cannot be set; start the simulator with Clock::manual"),
            Source::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner) = at,
        }
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
}
