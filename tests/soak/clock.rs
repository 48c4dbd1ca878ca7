//! The soak's clock: many times as fast as this machine's, and one for the simulator and for all processes.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::{Clock, WallClock};

/// Begins at this machine's time, so that certificates are valid by either.
#[derive(Debug)]
pub(crate) struct FastClock {
    began: Timestamp,
    course: Mutex<Course>,
}

/// At an instant of this machine it was that one, and from then on it is so many times as fast.
#[derive(Debug, Clone, Copy)]
struct Course {
    machine: Timestamp,
    ours: Timestamp,
    times: i64,
}

impl FastClock {
    pub(crate) fn new(times: i64) -> Self {
        let now = WallClock.now();
        Self { began: now, course: Mutex::new(Course { machine: now, ours: now, times }) }
    }

    /// From now on it is as fast as this machine's. Programs that run already do not see it.
    pub(crate) fn slow_down(&self) {
        let mut course = self.course.lock().unwrap();
        let now = WallClock.now();
        *course = Course { machine: now, ours: course.at(now), times: 1 };
    }

    /// Lets so much time pass at once. Programs that run already do not see it.
    pub(crate) fn skip(&self, hours: i64) {
        self.course.lock().unwrap().ours += SignedDuration::from_hours(hours);
    }

    /// As a text, for another process.
    pub(crate) fn told(&self) -> String {
        let Course { machine, ours, times } = *self.course.lock().unwrap();
        format!("{machine} {ours} {times}")
    }

    /// What another process has told.
    pub(crate) fn heard(told: &str) -> Self {
        let words: Vec<&str> = told.split(' ').collect();
        let [machine, ours, times] = words[..] else { panic!("`{told}` is no clock") };
        let ours = ours.parse().unwrap();
        let course = Course { machine: machine.parse().unwrap(), ours, times: times.parse().unwrap() };
        Self { began: ours, course: Mutex::new(course) }
    }

    pub(crate) fn since_the_beginning(&self) -> SignedDuration {
        self.now().duration_since(self.began)
    }
}

impl Course {
    fn at(self, machine: Timestamp) -> Timestamp {
        let passed = machine.as_nanosecond() - self.machine.as_nanosecond();
        Timestamp::from_nanosecond(self.ours.as_nanosecond() + passed * i128::from(self.times)).unwrap()
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let course = self.course.lock().unwrap();
        course.at(WallClock.now())
    }
}
