//! What the tool does, case by case: one folder each under `tests/cases/`.
//!
//! A case holds `state.yaml`, `fleet.yaml` (docs/simulator.md), perhaps `case.yaml` (tests/support/case.rs has its
//! keys; without it the case is one `plan`), and `expected.txt`: what each command printed, its exit code, and the
//! writes that reached the server.
//!
//! - `SNAPSHOTS=overwrite cargo test --test cases` writes `expected.txt`: read the difference before you commit it.
//! - `CASE=until cargo test --test cases` plays only the cases with that text in their name.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

mod support;

#[test]
fn cases_end_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let only = env::var("CASE").unwrap_or_else(|_not_set| String::new());
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.file_name().unwrap().to_string_lossy().contains(&only));
    cases.sort();
    assert!(!cases.is_empty(), "no case has `{only}` in its name");
    let failed = in_parallel(&cases, |case| judge(case).err());
    assert!(failed.is_empty(), "{} of {} cases:\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}

/// Cases wait for the disk more than they compute (the record is durable), so several are played at once.
fn in_parallel<T: Sync>(all: &[T], work: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, String)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = all.get(i) else { return done };
                done.extend(work(one).map(|result| (i, result)));
            }
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort();
    results.into_iter().map(|(_, result)| result).collect()
}

fn judge(case: &Path) -> Result<(), String> {
    let name = case.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let actual = played(case).map_err(|error| format!("{name}: {error}"))?;
    let expected = case.join("expected.txt");
    if env::var("SNAPSHOTS").is_ok_and(|action| action == "overwrite") {
        let written = snapbox::Data::text(actual).write_to_path(&expected);
        return written.map_err(|error| format!("{name}: {error}"));
    }
    snapbox::Assert::new()
        .try_eq(Some(&name), actual.into(), snapbox::Data::read_from(&expected, None).raw())
        .map_err(|error| error.to_string())
}

/// The record and the simulator's state are written beside the files, so a copy is played.
fn played(case: &Path) -> Result<String, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    for file in fs::read_dir(case)? {
        let file = file?;
        fs::copy(file.path(), place.path().join(file.file_name()))?;
    }
    Ok(support::play(place.path())?)
}
