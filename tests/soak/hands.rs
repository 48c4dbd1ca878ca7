//! What people do by hand, and that it stands for as long as it is held.

use std::sync::{Mutex, TryLockError};

use jiff::{SignedDuration, Timestamp};
use kedrctl::model::Clock;
use kedrctl_simulator::Simulator;
use kedrctl_simulator::world::{Target, sensor_id_of};

use crate::dice::Dice;
use crate::files::{BY_HAND, LONG_LEASE};
use crate::lab::Ended;
use crate::stage::{Stage, blocks};

const BLOCKED_BY_HAND: &str = "b026324c6904b2a9cb4b88d6d61c81d1";

/// What people have last done to a host; `None`: nothing, or it is not known.
#[derive(Clone, Copy, Default)]
struct Done {
    isolated: Option<Held>,
    /// No file says anything of it: it stays whatever time passes.
    blocked: Option<bool>,
    /// By then no hold keeps anybody off its isolation.
    free_at: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct Held {
    isolated: bool,
    /// Until then at least.
    until: Timestamp,
}

/// One person at a time per host.
pub(crate) struct Hands(Vec<Mutex<Done>>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(BY_HAND.map(|_| Mutex::default()).collect())
    }

    pub(crate) fn act(&self, stage: &Stage, dice: &mut Dice) {
        let which = dice.below(self.0.len());
        let n = BY_HAND.start + which;
        let mut done = self.0[which].lock().unwrap();
        done.stands(n, stage);
        let minutes = i64::try_from(dice.of(5..90)).unwrap();
        let hold = format!("--hold {minutes}m --yes --reason soak");
        let began = stage.clock.now();
        let by_hand = |what: String| {
            let ended = stage.run(&format!("{what} {hold}"));
            is_done(&ended)
        };
        match dice.below(4) {
            what @ (0 | 1) => {
                let is_isolation = what == 0;
                let what =
                    if is_isolation { format!("isolate WS-{n} --for 8h") } else { format!("release WS-{n}") };
                let until = began + SignedDuration::from_mins(minutes);
                done.isolated = by_hand(what).then_some(Held { isolated: is_isolation, until });
                let free_at = stage.clock.now() + SignedDuration::from_mins(minutes);
                done.free_at = done.free_at.max(Some(free_at));
            }
            2 => done.blocked = by_hand(format!("block {BLOCKED_BY_HAND} --on WS-{n}")).then_some(true),
            _ => done.blocked = by_hand(format!("unblock {BLOCKED_BY_HAND} --on WS-{n}")).then_some(false),
        }
    }

    pub(crate) fn all_stands(&self, stage: &Stage) {
        for (n, done) in BY_HAND.zip(&self.0) {
            done.lock().unwrap().stands(n, stage);
        }
    }

    /// After an apply that began then and has done all: hosts that nobody holds are isolated again, as the files say.
    /// Gives how many were looked at.
    pub(crate) fn the_rest_is_as_declared(&self, stage: &Stage, began: Timestamp) -> usize {
        let mut seen = 0;
        for (n, done) in BY_HAND.zip(&self.0) {
            let done = match done.try_lock() {
                Ok(done) => done,
                // Somebody does something there just now.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Poisoned(_)) => panic!("another worker has failed"),
            };
            if done.free_at.is_none_or(|free_at| free_at < began) {
                stage.is_isolated_until(n, began + LONG_LEASE / 2);
                seen += usize::from(done.free_at.is_some());
            }
        }
        seen
    }
}

impl Done {
    fn stands(&self, n: usize, stage: &Stage) {
        let sensor = sensor_id_of(&format!("WS-{n}"));
        let simulator: &Simulator = &stage.lab.simulator;
        simulator.world(|world| {
            if let Some(held) = self.isolated.filter(|held| world.now() < held.until) {
                assert_eq!(world.isolation(sensor).is_some(), held.isolated, "WS-{n}, by hand");
            }
            if let Some(blocked) = self.blocked {
                assert_eq!(
                    blocks(world, Target::Sensor(sensor), BLOCKED_BY_HAND),
                    blocked,
                    "WS-{n}, by hand"
                );
            }
        });
    }
}

fn is_done(ended: &Ended) -> bool {
    assert!(matches!(ended.code, Some(0 | 4 | 5)), "{:?}: {}{}", ended.code, ended.stdout, ended.stderr);
    ended.code == Some(0)
}
