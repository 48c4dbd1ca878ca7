//! The fault matrix: every call of the API under every fault, over real HTTPS. What is seen stands in
//! `docs/faults.md`, which this test makes: `SNAPSHOTS=overwrite cargo test --test faults` writes it anew, and
//! `CELL="Isolating a host" cargo test --test faults -- --nocapture` plays and prints a part.

// Signals, limits of the shell, resets: as on the machines that run this in earnest.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod calls;
mod cell;
#[cfg(target_os = "linux")]
mod filling;
mod kinds;
#[path = "../cli/lab.rs"]
#[expect(dead_code, reason = "it is a lab for more than this")]
mod lab;
mod ours;
mod seen;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use calls::CALLS;
use cell::{Cell, Scenario, play};
use kinds::{Kind, kinds};

/// Most cells wait, and none for the processor for long.
const AT_ONCE: usize = 24;

#[test]
fn every_call_under_every_fault_loses_nothing_and_converges() {
    let only = std::env::var("CELL").unwrap_or_else(|_not_set| String::new());
    let scenarios: Vec<Scenario> = CALLS.into_iter().map(Scenario::new).collect();
    let mut jobs: Vec<(usize, usize, Kind)> = Vec::new();
    for (row, scenario) in scenarios.iter().enumerate() {
        let kinds = kinds(&scenario.call).into_iter().enumerate();
        jobs.extend(kinds.map(|(column, kind)| (row, column, kind)));
    }
    jobs.retain(|(row, _, kind)| {
        format!("{}: {} {:?}", scenarios[*row].call.title, kind.name, kind.times).contains(&only)
    });
    let cells = jobs.len();
    // What waits for a time-out begins first.
    jobs.sort_by_key(|(row, column, kind)| (kind.stalls, std::cmp::Reverse((*row, *column))));
    let (jobs, done, failed) = (Mutex::new(jobs), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let Some((row, column, kind)) = jobs.lock().unwrap().pop() else { return };
                    let played =
                        catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(&scenarios[row], &kind))));
                    match played {
                        Ok(cell) => done.lock().unwrap().push((row, column, kind, cell)),
                        Err(_panic) => {
                            let name =
                                format!("{}: {} {:?}", scenarios[row].call.title, kind.name, kind.times);
                            failed.lock().unwrap().push(name);
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    assert!(
        failed.is_empty(),
        "{} of {cells} cells (CELL=\"…\" plays some):\n{}",
        failed.len(),
        failed.join("\n")
    );
    let mut done: Vec<(usize, usize, Kind, Cell)> = done.into_inner().unwrap();
    done.sort_by_key(|(row, column, ..)| (*row, *column));
    let text = table::of(&scenarios, &done, &if only.is_empty() { of_ours() } else { Vec::new() });
    if !only.is_empty() {
        println!("{text}");
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    if std::env::var("SNAPSHOTS").is_ok_and(|action| action == "overwrite") {
        snapbox::Data::text(text).write_to_path(&file).unwrap();
        return;
    }
    snapbox::Assert::new().eq(text, snapbox::Data::read_from(&file, None).raw());
}

/// What goes wrong on our side; each has a process of its own, and several run at once.
fn of_ours() -> Vec<ours::Row> {
    let all = ours::all();
    let rows = Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(one) = all.get(place) else { return };
                    let row = ours::play(one);
                    rows.lock().unwrap().push((place, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}
