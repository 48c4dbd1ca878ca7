//! Hours of an incident in seconds: many processes of the program on one server and one record, while somebody else
//! changes the fleet, people act by hand, the server fails, agents restart and runs are killed.
//!
//! `cargo test` does so for some seconds. `KEDRCTL_SOAK_SECONDS=600 cargo test --test soak -- --nocapture` goes on for
//! longer; `KEDRCTL_SOAK_SEED=N` makes the choices of a run again (not the order in which its processes meet).

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "../cli/lab.rs"]
#[expect(dead_code, reason = "it is a lab for more than this")]
mod lab;
mod stage;
mod usage;

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stage::{Dice, Stage};
use usage::Usage;

const WORKERS: u64 = 3;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).map_or_else(|_not_set| None, |text| Some(text.parse().expect(name)))
}

#[test]
fn nothing_is_lost_and_nothing_leaks_in_hours_of_an_incident() {
    let seconds = setting("KEDRCTL_SOAK_SECONDS").unwrap_or(12);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = setting("KEDRCTL_SOAK_SEED").unwrap_or_else(|| if seconds > 12 { now() } else { 1 });
    eprintln!("KEDRCTL_SOAK_SEED={seed} KEDRCTL_SOAK_SECONDS={seconds}");
    let stage = Stage::new();
    stage.warm_up();
    let before = Usage::now();
    let end = SystemTime::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let stage = &stage;
            scope.spawn(move || {
                let mut dice = Dice::new(seed.wrapping_mul(WORKERS).wrapping_add(worker));
                while SystemTime::now() < end {
                    stage.act(&mut dice);
                }
            });
        }
    });
    stage.calm_down();
    let after = Usage::settled(&before);
    eprintln!(
        "{} applies ({} killed), {} acts by hand, {} foreign changes, {} faults; {} writes took effect\nopen files {} → \
         {}, of which sockets {} → {}; memory {} → {} KiB",
        stage.counts.applies.load(Ordering::Relaxed),
        stage.counts.kills.load(Ordering::Relaxed),
        stage.counts.by_hand.load(Ordering::Relaxed),
        stage.counts.foreign.load(Ordering::Relaxed),
        stage.counts.faults.load(Ordering::Relaxed),
        stage.effects().len(),
        before.files,
        after.files,
        before.sockets,
        after.sockets,
        before.kib,
        after.kib,
    );
    assert!(after.files <= before.files && after.sockets <= before.sockets, "{before:?} → {after:?}");
    // The log of requests is all that grows: well below a KiB for each.
    let most = before.kib + 32 * 1024 + stage.lab.simulator.requests().len() as u64;
    assert!(after.kib < most, "{before:?} → {after:?}");
}
