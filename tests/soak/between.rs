//! Somebody blocks a file just after an apply has read the rule that it is about to write.

use std::cell::RefCell;

use kedrctl_simulator::LoggedRequest;
use kedrctl_simulator::world::{Target, sensor_id_of};

use crate::dice::Dice;
use crate::files::CONTESTED;
use crate::lab::wait_until;
use crate::program;
use crate::stage::{Stage, also_block, blocks};

const PREVENTION: &str = "settings_type=prevention";

impl Stage {
    /// No other program runs meanwhile, so that what the log has is this one's. Whoever looks before it writes keeps the
    /// file, unless it came between that look and the write, which nobody can exclude.
    pub(crate) fn blocked_in_between(&self, dice: &mut Dice) {
        let which = dice.below(CONTESTED.len());
        let sensor = sensor_id_of(&format!("WS-{}", CONTESTED.start + which));
        let target = Target::Sensor(sensor);
        let _quiet = self.quiet.write().unwrap();
        self.declare(|files, now| files.other_hashes(which, now));
        self.written.gather(&self.lab.simulator);
        let is_of_the_rule = |asked: &LoggedRequest| {
            asked.path.contains(PREVENTION) && asked.path.contains(&sensor.to_string())
        };
        let is_look = |asked: &LoggedRequest| {
            asked.method == "GET" && is_of_the_rule(asked) && matches!(asked.status, Some(200 | 404))
        };
        let run = RefCell::new(program::start(&self.lab, &self.clock, "apply --yes"));
        wait_until("the rule is read, or it ends", || {
            let has_ended = run.borrow_mut().child().try_wait().unwrap().is_some();
            has_ended || self.lab.simulator.world(|world| world.log.iter().any(is_look))
        });
        let mut kept = self.kept.lock().unwrap();
        let hash = format!("{:032x}", kept.len() + 1);
        let then = self.lab.simulator.world(|world| {
            also_block(world, target, &hash);
            world.log.iter().len()
        });
        drop(run.into_inner().end());
        let asked = self.lab.simulator.requests();
        let (before, after) = asked.split_at(then);
        let looks_before = before.iter().filter(|asked| is_look(asked)).count();
        let write = after.iter().position(|asked| asked.effect && is_of_the_rule(asked));
        let looked_again = after[..write.unwrap_or(after.len())].iter().any(is_look);
        if write.is_none() || looked_again {
            assert!(self.lab.simulator.world(|world| blocks(world, target, &hash)), "{hash} is lost");
            kept.push((target, hash));
        } else {
            assert!(looks_before > 1, "written without a look: {after:?}");
        }
    }
}
