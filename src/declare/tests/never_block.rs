//! Lists that are too large to be kept.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::model::FileHash;

const STATE: &str = "version: 1\nservers: { lab: { simulator: fleet.sim } }\npolicy: { never_block: [good, small] }\n\
    hash_lists: { good: { file: good.csv }, small: [900150983cd24fb0d6963f7d28e17f72] }\nhosts: { ws-1: { prevention: { \
    block: [LISTED, UNLISTED] } } }\n";

fn hash(n: u64) -> FileHash {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    FileHash::Sha256(digest)
}

fn md5(n: u64) -> FileHash {
    FileHash::Md5([u8::try_from(n % 251).unwrap(); 16])
}

/// 600 rows with two hashes each, more than are kept.
fn rows() -> String {
    let mut text = "sha256,md5\n".to_owned();
    for n in 0..600 {
        text.push_str(&format!("{},{}\n", hash(n), md5(n)));
    }
    text
}

fn read_with(rows: &str) -> (tempfile::TempDir, Declared) {
    let state =
        STATE.replace("UNLISTED", &hash(70_000).to_string()).replace("LISTED", &hash(417).to_string());
    let (folder, read) = read_files(&[("state.yaml", &state), ("good.csv", rows)]);
    assert_eq!(messages(&read), Vec::<String>::new());
    (folder, read.declared.unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_large_list_is_looked_through_for_what_matters() {
    let (folder, declared) = read_with(&rows());
    let never_block = &declared.policy.never_block;
    assert!(never_block.whole().is_none());
    let stop = AtomicBool::new(false);
    let declared_ones = [hash(417), hash(70_000)];
    let known = never_block.look_up(declared_ones, &stop).unwrap();
    let judged = |known: &Forbidden, hashes: &[FileHash]| {
        hashes.iter().map(|hash| known.judge(hash)).collect::<Vec<_>>()
    };
    assert_eq!(judged(&known, &declared_ones), [MayBlock::Never, MayBlock::CannotTell]);
    // The small list knows its file by MD5 only: any SHA-256 that no list has may be of that file.
    assert_eq!(known.judge(&"900150983cd24fb0d6963f7d28e17f72".parse().unwrap()), MayBlock::Never);
    assert_eq!(judged(&known, &[hash(5), md5(5), hash(80_000)]), [MayBlock::NotLookedUp; 3]);

    let seen = [hash(5), md5(5), hash(80_000), FileHash::Md5([255; 16])];
    let known = never_block.look_up(seen, &stop).unwrap();
    assert_eq!(
        judged(&known, &seen),
        [MayBlock::Never, MayBlock::Never, MayBlock::CannotTell, MayBlock::Yes]
    );
    assert_eq!(judged(&known, &declared_ones), [MayBlock::Never, MayBlock::CannotTell]);

    // What was looked up when the state was read needs no file; anything else does.
    std::fs::remove_file(folder.path().join("good.csv")).unwrap();
    assert!(never_block.look_up(declared_ones, &stop).is_ok());
    let gone = never_block.look_up(seen, &stop).unwrap_err();
    assert!(gone.to_string().ends_with("good.csv` cannot be read: it does not exist"), "{gone}");
}

#[test]
fn a_large_list_must_stay_as_it_was() {
    let rows = rows();
    for changed in [
        rows.replacen(&hash(1).to_string(), &hash(601).to_string(), 1),
        rows.clone() + &format!("{},{}\n", hash(600), md5(0)),
        rows.replacen("sha256,md5", "sha256,sha1", 1),
        "no list".to_owned(),
    ] {
        let (folder, declared) = read_with(&rows);
        let path = folder.path().join("good.csv");
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        write(&path, &changed);
        // As if it had been written within the same tick of the clock.
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        let looked_up = declared.policy.never_block.look_up([hash(5)], &AtomicBool::new(false));
        let error = looked_up.unwrap_err().to_string();
        assert!(error.ends_with("has changed since the state was read: run this again"), "{error}");
    }
}

#[test]
fn nobody_waits_for_an_answer_that_is_not_needed() {
    let (_folder, declared) = read_with(&rows());
    let stopped = declared.policy.never_block.look_up([hash(5)], &AtomicBool::new(true));
    assert!(matches!(stopped, Err(NeverBlockError::Unreadable(_))));
}
