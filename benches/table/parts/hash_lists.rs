//! What long hash lists cost: a list under `policy.never_block`, which is not kept, and one that is blocked; beside each,
//! a plain count of the lines of the same file in this process.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use kedrctl::model::{Clock as _, WallClock};

use crate::markdown::{Section, count, mebibytes, seconds, times};
use crate::ours;
use crate::process::{Cost, cost_of};
use crate::scale::Scale;
use crate::workload::write;

/// What lists that are never blocked may cost, MiB: they are not kept.
const MEMORY: f64 = 64.0;

const COLUMNS: &[&str] = &["list", "hashes", "time", "times a count of its lines", "peak memory"];

pub(crate) fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("Hash lists", COLUMNS);
    let folder = tempfile::tempdir().unwrap();
    let (never, block) = (folder.path().join("never.txt"), folder.path().join("block.txt"));
    list(&never, 0, scale.never_blocked);
    // None of them is in the other list.
    list(&block, scale.never_blocked, scale.blocked);
    let foreign = hash(2 * scale.never_blocked + scale.blocked);
    write(&folder.path().join("fleet.sim"), &format!("hosts: [{{ name: ws-1, prevention: [{foreign}] }}]\n"));
    let state = |lists: &str, policy: &str, blocked: &str| {
        format!(
            "version: 1\nservers: {{ lab: {{ simulator: fleet.sim }} }}\nhash_lists: {{ {lists} }}\n{policy}hosts: {{ ws-1: \
             {{ prevention: {{ block: [{blocked}] }} }} }}\n"
        )
    };
    let policy = "policy: { never_block: [never] }\n";
    let looking = state("never: { file: never.txt }", policy, &hash(3 * scale.never_blocked + scale.blocked));
    let keeping = state("block: { file: block.txt }", "", "block");
    for (name, text) in [("looking.yaml", &looking), ("keeping.yaml", &keeping)] {
        write(&folder.path().join(name), text);
    }

    let cost =
        |command: &str, state: &str| cost_of(&mut ours::command(&[command], &folder.path().join(state)));
    let plain = counted(&never, scale.never_blocked);
    for (what, command) in
        [("never blocked, `validate`: one pass", "validate"), ("never blocked, `plan`: two passes", "plan")]
    {
        let cost = cost(command, "looking.yaml");
        assert!(cost.peak_mib <= MEMORY, "more memory than a list may cost that is not kept: {cost:?}");
        section.row(row(what, scale.never_blocked, cost, plain));
    }
    let plain = counted(&block, scale.blocked);
    section.row(row("blocked, `validate`", scale.blocked, cost("validate", "keeping.yaml"), plain));
    section
}

fn row(what: &str, hashes: u64, cost: Cost, plain: f64) -> [String; 5] {
    [
        what.to_owned(),
        count(usize::try_from(hashes).unwrap()),
        seconds(cost.seconds),
        times(cost.seconds / plain),
        mebibytes(cost.peak_mib),
    ]
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

/// What there is to beat: reading the lines and doing nothing with them.
fn counted(path: &Path, expected: u64) -> f64 {
    let began = WallClock.now();
    let lines = BufReader::new(File::open(path).unwrap()).lines().map(Result::unwrap).count();
    assert_eq!(lines as u64, expected);
    WallClock.now().duration_since(began).as_secs_f64()
}
