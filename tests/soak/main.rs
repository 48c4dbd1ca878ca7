//! Hours of an incident in seconds: many processes of the program on one server and one record, while somebody else
//! changes the fleet, files change, people act by hand, the server fails, agents restart and runs are killed. All of them
//! go by one clock that is much faster than this machine's, so that leases fall due, isolations end and holds run out.
//!
//! `cargo test` does so for some seconds. `KEDRCTL_SOAK_SECONDS=600 cargo test --test soak -- --nocapture` goes on for
//! longer, `KEDRCTL_SOAK_TIMES=60` on a slower clock; `KEDRCTL_SOAK_SEED=N` makes the choices of a run again (not the
//! order in which its processes meet).

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod aftermath;
mod between;
mod clock;
mod dice;
mod files;
mod hands;
#[path = "../cli/lab.rs"]
#[expect(dead_code, reason = "it is a lab for more than this")]
mod lab;
mod program;
mod programs;
mod stage;
mod usage;
mod written;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dice::Dice;
use stage::Stage;
use usage::{Peaks, Usage};

const WORKERS: u64 = 3;
/// Two hours are twelve seconds.
const TIMES: u64 = 600;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).map_or_else(|_not_set| None, |text| Some(text.parse().expect(name)))
}

#[test]
fn nothing_is_lost_and_nothing_leaks_in_hours_of_an_incident() {
    let seconds = setting("KEDRCTL_SOAK_SECONDS").unwrap_or(12);
    let times = setting("KEDRCTL_SOAK_TIMES").unwrap_or(TIMES);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = setting("KEDRCTL_SOAK_SEED").unwrap_or_else(|| if seconds > 12 { now() } else { 1 });
    eprintln!("KEDRCTL_SOAK_SEED={seed} KEDRCTL_SOAK_SECONDS={seconds} KEDRCTL_SOAK_TIMES={times}");
    let stage = Stage::new(i64::try_from(times).unwrap());
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
    let hours = stage.clock.since_the_beginning().as_hours();
    stage.written.gather(&stage.lab.simulator);
    // Before the looking, which takes more than the hours did.
    let kib = Usage::now().kib;
    let aftermath = stage.calm_down();
    let after = Usage::settled(&before);
    let peaks = Peaks::of(&stage.lab.path(program::PEAKS));
    eprintln!("{hours} hours: {}; {aftermath}", stage.counts);
    eprintln!(
        "open files {} → {}, of which sockets {} → {}",
        before.files, after.files, before.sockets, after.sockets
    );
    eprintln!("memory {} → {kib} KiB; of a program at most {} → {} KiB", before.kib, peaks.first, peaks.last);
    assert!(after.files <= before.files && after.sockets <= before.sockets, "{before:?} → {after:?}");
    // What was written is kept, with less than a KiB for each.
    let most = before.kib + 16 * 1024 + aftermath.effects as u64;
    assert!(kib < most, "{before:?} → {kib} KiB after {} requests", aftermath.requests);
    // Whoever reads a record that has grown takes a little more, and never all of it.
    assert!(peaks.last < peaks.first + 16 * 1024, "{peaks:?}");
}
