//! What long hash lists cost: time and peak memory of `kedrctl` for a list of 10 million hashes under
//! `policy.never_block`, and for one of 1 million that is blocked; beside each, a plain count of the lines of the same
//! file in this process.
//!
//! `cargo bench --bench hash_lists`. It writes 720 MB to the folder of temporary files.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it measured, or fails")]

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use jiff::SignedDuration;
use kedrctl::model::{Clock as _, WallClock};

mod support;

use support::{Cost, cost_of};

const NEVER_BLOCKED: u64 = 10_000_000;
const BLOCKED: u64 = 1_000_000;
/// What lists that are never blocked may cost, MiB: they are not kept.
const MEMORY: u64 = 64;

fn main() {
    // `cargo test --all-targets` runs this too, and should not wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (never, block) = (folder.path().join("never.txt"), folder.path().join("block.txt"));
    list(&never, 0, NEVER_BLOCKED);
    // None of them is in the other list.
    list(&block, NEVER_BLOCKED, BLOCKED);
    let foreign = hash(2 * NEVER_BLOCKED);
    write(&folder.path().join("fleet.sim"), &format!("hosts: [{{ name: ws-1, prevention: [{foreign}] }}]\n"));
    let state = |lists: &str, policy: &str, blocked: &str| {
        format!(
            "version: 1\nservers: {{ lab: {{ simulator: fleet.sim }} }}\nhash_lists: {{ {lists} }}\n{policy}hosts: {{ ws-1: \
             {{ prevention: {{ block: [{blocked}] }} }} }}\n"
        )
    };
    let policy = "policy: { never_block: [never] }\n";
    let looking = state("never: { file: never.txt }", policy, &hash(3 * NEVER_BLOCKED));
    let keeping = state("block: { file: block.txt }", "", "block");
    for (name, text) in [("looking.yaml", &looking), ("keeping.yaml", &keeping)] {
        write(&folder.path().join(name), text);
    }

    let plain = count(&never, NEVER_BLOCKED);
    let validated = cost_of("validate", &folder.path().join("looking.yaml"));
    let planned = cost_of("plan", &folder.path().join("looking.yaml"));
    println!("never_block, {NEVER_BLOCKED} SHA-256, {} MB", size(&never));
    println!("  plain count of lines  {:.2} s", seconds(plain));
    shown("validate (one pass)", &validated, plain);
    shown("plan (two passes)", &planned, plain);
    let plain = count(&block, BLOCKED);
    let kept = cost_of("validate", &folder.path().join("keeping.yaml"));
    println!("block, {BLOCKED} SHA-256, {} MB", size(&block));
    println!("  plain count of lines  {:.2} s", seconds(plain));
    shown("validate", &kept, plain);
    for cost in [&validated, &planned] {
        assert!(cost.peak_kib <= MEMORY * 1024, "more memory than a list may cost that is not kept");
    }
}

fn shown(what: &str, cost: &Cost, plain: SignedDuration) {
    println!(
        "  {what:<21} {:.2} s, {:.1} times the count; peak {:.1} MiB",
        seconds(cost.took()),
        seconds(cost.took()) / seconds(plain),
        f64::from(u32::try_from(cost.peak_kib).unwrap()) / 1024.0
    );
}

/// Digits that are as good as random, as digests are: SplitMix64.
fn hash(n: u64) -> String {
    let mut text = String::with_capacity(64);
    for part in 0..4 {
        let mut z = (n * 4 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.push_str(&format!("{:016x}", z ^ (z >> 31)));
    }
    text
}

fn list(path: &Path, first: u64, count: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for n in first..first + count {
        writeln!(file, "{}", hash(n)).unwrap();
    }
    file.flush().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "nobody but this bench reads what is in its temporary folder")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// What there is to beat: reading the lines and doing nothing with them.
fn count(path: &Path, expected: u64) -> SignedDuration {
    let began = WallClock.now();
    let lines = BufReader::new(File::open(path).unwrap()).lines().map(Result::unwrap).count();
    assert_eq!(lines as u64, expected);
    WallClock.now().duration_since(began)
}

fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len() / 1_000_000
}

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64()
}
