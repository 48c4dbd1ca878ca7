//! Whatever bytes come from outside, reading them ends, without a panic and in bounded memory.
//!
//! `cargo test` tries a fixed number of mutations, always the same ones. `KEDRCTL_FUZZ_SECONDS=600 cargo test --test
//! fuzz` goes on for so long for each kind, from a seed of its own; `KEDRCTL_FUZZ_SEED=N` repeats one. What fails
//! belongs into `corpus/KIND/`, which is read first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod kinds;
mod memory;
mod mutate;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kinds::Kind;
use mutate::Mutator;

/// Without a wish for more: a few seconds for all kinds.
const MUTATIONS: u64 = 100;

/// The most bytes of an input. What larger files do is told by tests of their own.
const MAX_BYTES: usize = 64 * 1024;

/// A guard against what never ends, not a measure: the slowest inputs take a hundredth of it.
const LONGEST: Duration = Duration::from_secs(60);

/// More than this for inputs of 64 KiB is no longer bounded by their size.
const MAX_MEMORY: u64 = 128 * 1024 * 1024;

/// Which input is being read: for the message of one that hangs or panics.
#[derive(Default)]
struct Trying {
    number: u64,
    input: Vec<u8>,
}

/// When a kind has been tried enough.
#[derive(Clone, Copy)]
enum Until {
    Count(u64),
    Time(SystemTime),
}

fn fuzz(kind: Kind) {
    // One kind at a time, so that memory is that of one.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let until = match setting("KEDRCTL_FUZZ_SECONDS") {
        Some(seconds) => Until::Time(SystemTime::now() + Duration::from_secs(seconds)),
        None => Until::Count(MUTATIONS),
    };
    let seed = setting("KEDRCTL_FUZZ_SEED").unwrap_or(match until {
        Until::Count(_) => 1,
        Until::Time(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
    });
    let corpus = corpus(kind.name);
    assert!(!corpus.is_empty(), "tests/fuzz/corpus/{} has no seeds", kind.name);
    let before = memory::reset_peak();
    let trying = Arc::new(Mutex::new(Trying::default()));
    let (ended, end) = mpsc::channel();
    let worker = {
        let trying = Arc::clone(&trying);
        std::thread::spawn(move || try_all(kind, corpus, Mutator::new(seed), until, &trying, &ended))
    };
    loop {
        match end.recv_timeout(LONGEST) {
            // One more has been read.
            Ok(()) => {}
            // All have, or one panicked.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{} takes over {LONGEST:?}", told(kind, seed, &trying)),
        }
    }
    if let Err(panic) = worker.join() {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        panic!("{} panicked: {text}", told(kind, seed, &trying));
    }
    if let (Some(before), Some(peak)) = (before, memory::peak()) {
        let taken = peak.saturating_sub(before);
        assert!(taken < MAX_MEMORY, "{}: {} MiB for inputs of at most 64 KiB", kind.name, taken >> 20);
    }
}

fn try_all(
    kind: Kind,
    corpus: Vec<Vec<u8>>,
    mut mutator: Mutator,
    until: Until,
    trying: &Mutex<Trying>,
    ended: &mpsc::Sender<()>,
) {
    let mut reader = kind.reader();
    let mut read = |number: u64, input: Vec<u8>| {
        *trying.lock().unwrap() = Trying { number, input: input.clone() };
        let is_understood = reader(&input);
        ended.send(()).unwrap();
        is_understood
    };
    let understood = corpus.iter().filter(|input| read(0, input.to_vec())).count();
    // Mutations of what is refused at its first byte try nothing.
    assert!(understood > 0, "no seed of {} is understood", kind.name);
    for number in 1.. {
        let is_enough = match until {
            Until::Count(count) => number > count,
            Until::Time(end) => SystemTime::now() >= end,
        };
        if is_enough {
            break;
        }
        read(number, mutator.next(&corpus, kind.words, MAX_BYTES));
    }
}

/// What was being read, which is kept in a file.
fn told(kind: Kind, seed: u64, trying: &Mutex<Trying>) -> String {
    let trying = trying.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{seed}-{}", kind.name, trying.number));
    put(&path, &trying.input);
    format!(
        "{}: input {} of seed {seed} ({} bytes; keep {} in tests/fuzz/corpus/{})",
        kind.name,
        trying.number,
        trying.input.len(),
        path.display(),
        kind.name
    )
}

#[expect(clippy::disallowed_methods, reason = "a test's own files")]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

fn setting(name: &str) -> Option<u64> {
    let Ok(text) = std::env::var(name) else { return None };
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// In the order of their names.
fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(kind);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A test for each kind, by its name.
macro_rules! fuzzed {
    ($($test:ident: $kind:expr,)+) => {
        $(#[test]
        fn $test() {
            fuzz($kind);
        })+

        /// What lies in a folder of another name is never read.
        #[test]
        fn every_folder_of_the_corpus_is_tried() {
            let mut known = vec![$($kind.name.to_owned()),+];
            known.sort();
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
            let folders = std::fs::read_dir(folder).unwrap();
            let mut found: Vec<_> =
                folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, known);
        }
    };
}

fuzzed! {
    no_state_file_breaks_its_reader: kinds::STATE,
    no_file_of_hosts_breaks_its_reader: kinds::HOSTS_FILE,
    no_text_list_breaks_its_reader: kinds::LIST_TEXT,
    no_csv_list_breaks_its_reader: kinds::LIST_CSV,
    no_stix_bundle_breaks_its_reader: kinds::LIST_STIX,
    no_misp_event_breaks_its_reader: kinds::LIST_MISP,
    no_host_list_breaks_its_reader: kinds::SENSORS,
    no_isolation_breaks_its_reader: kinds::ISOLATION,
    no_prevention_rule_breaks_its_reader: kinds::PREVENTION,
    no_task_breaks_its_reader: kinds::TASK,
    no_refusal_breaks_its_reader: kinds::REFUSAL,
    no_snapshot_breaks_its_reader: kinds::SNAPSHOT,
    no_segment_breaks_its_reader: kinds::SEGMENT,
    no_set_of_a_record_breaks_its_reader: kinds::SET,
    no_ledger_breaks_its_reader: kinds::LEDGER,
}
