//! What could hang the reader or fill the memory gets a clear answer instead.

use std::fs::File;
use std::path::Path;

use super::*;
use crate::declare;

const BEGINNING: &str = "version: 1\nservers: { lab: { simulator: fleet.sim } }\n";

const STATE: &str = "version: 1\nservers: { lab: { simulator: fleet.sim } }\nhash_lists: { bad: { file: bad.txt } }\n\
    hosts: { ws-1: { prevention: { block: [bad] } } }\n";

/// Reads a state with a list file, which `make` puts there.
fn with_list(make: impl FnOnce(&Path)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("state.yaml"), STATE);
    make(&folder.path().join("bad.txt"));
    short(&declare::read(&[folder.path().to_owned()]), folder.path())
}

/// Reads a state of one file, which `make` puts there.
fn with_state(make: impl FnOnce(&Path)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    make(&folder.path().join("state.yaml"));
    short(&declare::read(&[folder.path().join("state.yaml")]), folder.path())
}

fn short(read: &Read, folder: &Path) -> Vec<String> {
    messages(read).iter().map(|message| message.replace(&format!("{}/", folder.display()), "")).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).unwrap();
}

/// So many bytes of zero, without using any of the disk.
fn sparse(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_not_read() {
    use std::os::unix::fs::symlink;
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    for (name, expected) in [
        ("/dev/zero", "E002 `NAME` is no regular file"),
        ("pipe", "E002 `NAME` is no regular file"),
        ("folder", "E002 `NAME` cannot be read: it is a folder"),
        ("loop", "E002 `NAME` cannot be read: "),
        ("dangling", "E002 `NAME` cannot be read: it does not exist"),
    ] {
        let make = |path: &Path| match name {
            "pipe" => pipe(path),
            "folder" => std::fs::create_dir(path).unwrap(),
            "loop" => symlink(path, path).unwrap(),
            "dangling" => symlink("nowhere", path).unwrap(),
            device => symlink(device, path).unwrap(),
        };
        let told = with_list(make);
        let expected_of_a_list = match name {
            // Before anybody looks what it is.
            "/dev/zero" => "E002 `NAME` is not read: it lies outside of the folder of this state",
            _ => expected,
        };
        assert!(
            told.len() == 1 && told[0].starts_with(&expected_of_a_list.replace("NAME", "bad.txt")),
            "{name}: {told:?}"
        );
        if !matches!(name, "folder" | "dangling") {
            let told = with_state(make);
            assert!(
                told.len() == 1 && told[0].starts_with(&expected.replace("NAME", "state.yaml")),
                "{name}: {told:?}"
            );
        }
    }
}

#[test]
fn files_of_any_size_get_an_answer() {
    assert_eq!(with_state(|path| sparse(path, 300 << 20)), ["E004 `state.yaml` is larger than 64 MiB"]);
    assert_eq!(with_list(|path| sparse(path, 1 << 30)), ["E004 this line is longer than 1024 KiB"]);
    assert_eq!(with_list(|path| sparse(path, 1 << 37)), ["E004 `bad.txt` is larger than 65536 MiB"]);
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        sparse(&folder.path().join(name), 60 << 20);
    }
    let told = messages(&declare::read(&[folder.path().to_owned()]));
    assert!(told.contains(&"E004 the files of this state have over 128 MiB together".to_owned()), "{told:?}");
}

#[test]
fn small_files_do_not_become_large_states() {
    // Ten levels of ten: ten thousand million lols.
    let mut laughs =
        "version: 1\nhosts:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("  a{level}: &a{level} [{before}]\n"));
    }
    // One long text, and many aliases of it.
    let long = "x".repeat(1 << 20);
    let many = vec!["*t"; 100_000].join(", ");
    let quadratic =
        format!("version: 1\nowner: &t {long}\nhosts: {{ ws-1: {{ prevention: {{ block: [{many}] }} }} }}\n");
    for (text, count) in [(laughs, 100), (quadratic, 1_000)] {
        let told = with_state(|path| write(path, &text));
        assert!(told.len() < count, "{} problems", told.len());
        let limit = "E014 the aliases of this file stand for over 5000000 values";
        assert!(told.iter().any(|message| message == limit), "{:?}", &told[..2]);
        assert!(told.iter().all(|message| message.len() < 1_100));
    }
}

#[test]
fn nesting_has_an_end() {
    for piece in ["[", "{a: ", "- ", "? ", "{", "\""] {
        let told =
            with_state(|path| write(path, format!("version: 1\nhosts: \n  {}", piece.repeat(200_000))));
        assert!(!told.is_empty() && told.len() < 10, "{piece}: {} problems", told.len());
    }
}

#[test]
fn nobody_is_told_of_a_million_mistakes() {
    let wrong = "x,".repeat(30_000);
    let text = format!(
        "version: 1\nservers: {{ lab: {{ simulator: f }} }}\nhosts: {{ ws-1: {{ prevention: {{ unblock: [{wrong}] }} }} }}"
    );
    let told = with_state(|path| write(path, text));
    assert_eq!(told[0], "E004 only 20000 problems are shown, and there may be more");
    assert_eq!(told.len(), 20_001);
}

/// Minutes and gigabytes, if each of them were compared with each, or if all that they stand for were kept.
#[test]
fn small_states_that_are_wrong_in_many_places_end() {
    let names = |prefix: &str| (0..9_000).map(|n| format!("{prefix}{n:0>190}")).collect::<Vec<_>>();
    let (sets, wanted) = (names("a"), names("b"));
    let rule = "[{ direction: outbound, remote_address: 10.0.0.53 }]";
    let sets: String = sets.iter().map(|name| format!("  {name}: {rule}\n")).collect();
    let names = format!(
        "{BEGINNING}exclusions:\n{sets}hosts: {{ ws-1: {{ isolation: {{ lease: 1h, exclusions: [{}] }} }} }}\n",
        wanted.join(", ")
    );
    let found = with_state(|path| write(path, names));
    assert!(found.iter().any(|problem| problem.starts_with("E040 there is no exclusion set")), "{found:.3?}");

    let keys: String = (0..60_000).map(|n| format!("WS-{n}: 1\n")).collect();
    let found = with_state(|path| write(path, format!("{BEGINNING}{keys}")));
    assert!(found.contains(&"E021 a state has no key `WS-7`".to_owned()), "{:?}", &found[..3]);

    let (addresses, ports) = (
        (0..100).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>().join(", "),
        (1..=100).map(|n| n.to_string()).collect::<Vec<_>>().join(", "),
    );
    let first = format!(
        "  - {{ direction: outbound, protocol: tcp, remote_address: &a [{addresses}], remote_ports: &p [{ports}] }}\n"
    );
    let others: String = (0..200)
        .map(|n| {
            format!("  - {{ direction: outbound, protocol: {n}, remote_address: *a, remote_ports: *p }}\n")
        })
        .collect();
    let found = with_state(|path| write(path, format!("{BEGINNING}exclusions:\n  s:\n{first}{others}")));
    assert!(found.iter().any(|problem| problem.contains("stand for over 500000 rules")), "{found:?}");
}

#[test]
fn a_list_that_stands_there_twice_counts_once() {
    let state = STATE.replace("[bad]", "[bad, bad]");
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("state.yaml"), state);
    write(&folder.path().join("bad.txt"), "900150983cd24fb0d6963f7d28e17f72\n");
    let read = declare::read(&[folder.path().to_owned()]);
    assert_eq!(short(&read, folder.path()), ["W007 the hash list `bad` stands here twice"]);
    let prevention = read.declared.unwrap().hosts[0].prevention.clone().unwrap();
    assert_eq!(prevention.block.len(), 1);
}
