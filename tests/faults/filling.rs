//! A disk that fills up at any step, where a small one can be mounted.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ours::{it_converges, lab};

/// A file system of its own; gone when the test ends.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at);
        match mount.output() {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

/// Leaves so many pages of 4 KiB.
fn fill_up(small: &Small, left: usize) -> PathBuf {
    let filler = small.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let page = [7; 4096];
    let mut written = 0;
    while file.write_all(&page).is_ok() {
        written += page.len() as u64;
    }
    file.set_len(written.saturating_sub(4096 * left as u64)).unwrap();
    filler
}

#[test]
fn a_disk_that_fills_up_at_any_step_loses_nothing() {
    let mut ends = std::collections::BTreeSet::new();
    for left in (0..24).step_by(2) {
        let lab = lab();
        let small = match Small::mount(&lab.path("record")) {
            Ok(small) => small,
            Err(why) => {
                eprintln!("skipped: no small file system can be mounted here ({why})");
                return;
            }
        };
        let state = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
        lab.write("state.yaml", &format!("record: record/of-kedrctl\n{state}"));
        let filler = fill_up(&small, left);
        let ended = lab.run("apply --yes");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let code = ended.code.unwrap();
        assert!([0, 5].contains(&code), "{left} pages: {code}: {said}");
        assert_eq!(code == 5, said.contains("No space left on device"), "{left} pages: {said}");
        std::fs::remove_file(&filler).unwrap();
        it_converges(&lab);
        crate::ours::nothing_is_left_over(&lab.path("record"));
        ends.insert((code, lab.effects().len()));
    }
    assert!(ends.iter().any(|(code, _)| *code == 0) && ends.iter().any(|(code, _)| *code == 5), "{ends:?}");
}
