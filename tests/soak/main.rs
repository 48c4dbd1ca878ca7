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

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aftermath::Aftermath;
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
    let (kib, (requests, log_kib)) = (Usage::now().kib, stage.log_size());
    let Aftermath { programs, acts, effects } = stage.calm_down();
    let after = Usage::settled(&before);
    let peaks = Peaks::of(&stage.lab.path(program::PEAKS));
    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    let counts = &stage.counts;
    eprintln!(
        "{hours} hours: {} applies ({} whole, {} killed), {} acts by hand ({} holds seen to be over), {} changes of the \
         files, {} foreign changes, {} faults; {effects} writes took effect, {programs} programs were started; in the record {acts:?}\nopen files {} → {}, \
         of which sockets {} → {}; memory {} → {} KiB, with a log of {requests} requests in {log_kib} KiB; memory of a program at most {} → {} KiB (the median of the first and of the \
         last tenth)",
        count(&counts.applies),
        count(&counts.whole),
        count(&counts.kills),
        count(&counts.by_hand),
        count(&counts.holds_over),
        count(&counts.changes),
        count(&counts.foreign),
        count(&counts.faults),
        before.files,
        after.files,
        before.sockets,
        after.sockets,
        before.kib,
        kib,
        peaks.first,
        peaks.last,
    );
    assert!(after.files <= before.files && after.sockets <= before.sockets, "{before:?} → {after:?}");
    // The log is all that grows; its queue doubles, and texts take a little more than their letters.
    let most = before.kib + 16 * 1024 + 2 * log_kib;
    assert!(kib < most, "{before:?} → {kib} KiB, of which the log takes {log_kib}");
    // A record that has grown is read with its snapshots: it takes a little more, and never all of it.
    assert!(peaks.last < peaks.first + 16 * 1024, "{peaks:?}");
}
