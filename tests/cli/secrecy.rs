//! Keys stand where they are kept and nowhere else.

use std::path::Path;

use crate::lab::Lab;

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { prevention: { block: \
                     [900150983cd24fb0d6963f7d28e17f72] } } }";

/// Every file below a folder, but for the key's own.
fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.file_name().is_some_and(|name| name != "client.key") {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn no_key_is_in_a_log_an_error_a_plan_a_snapshot_or_the_record() {
    let lab = Lab::new("hosts: [{ name: WS-1 }, { name: WS-2 }]", HOSTS);
    let key = std::fs::read_to_string(lab.path("client.key")).unwrap();
    let pieces: Vec<&str> = key.lines().filter(|line| line.len() > 40 && !line.starts_with("--")).collect();
    assert!(!pieces.is_empty());
    let mut written: Vec<(String, Vec<u8>)> = Vec::new();
    for command in [
        "plan -vv --full",
        "plan -vv --log-format json --format json",
        "snapshot -vv -o observed.json --all-hosts",
        "plan -vv --observed observed.json --format json",
        "apply -vv --yes --log-format json",
        "drift -vv --format json",
        "history --format json",
        "why WS-1 --format json",
        "record verify",
        "hosts -vv",
    ] {
        let ended = lab.run(command);
        written.push((command.to_owned(), (ended.stdout + &ended.stderr).into_bytes()));
    }
    // What goes wrong with the key itself: cut, doubled, of another kind, without its last line.
    for (what, text) in [
        ("cut", key[..key.len() / 2].to_owned()),
        ("twice", format!("{key}{key}")),
        ("without its end", key.replace("-----END", "")),
        ("of another kind", key.replace("PRIVATE KEY", "SECRET THING")),
        ("no PEM", pieces.join("")),
        ("spoilt", key.replace(pieces[0], &pieces[0].to_lowercase())),
    ] {
        crate::lab::write(&lab.path("client.key"), &text);
        let ended = lab.run("plan -vv");
        if what != "twice" {
            ended.expect(1, &["client.key"]);
        }
        written.push((what.to_owned(), (ended.stdout + &ended.stderr).into_bytes()));
    }
    files(&lab.path("."), &mut written);
    for (what, bytes) in written {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for piece in &pieces {
            // Half a line of it is too much.
            assert!(!text.contains(&piece[..piece.len() / 2].to_lowercase()), "{what}: {text}");
        }
    }
}

/// A path, a link and a list in a change from outside do not show what else the job can read.
#[cfg(unix)]
#[test]
fn a_hostile_state_shows_nothing_of_other_files() {
    let lab = Lab::new("hosts: [{ name: WS-1 }]", "{ WS-1: { isolation: { lease: 8h } } }");
    lab.run("snapshot -o observed.json").expect(0, &[]);
    let server = lab.server();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("shadow");
    crate::lab::write(&secret, "root:hunter2:19000:0:99999:7:::\n");
    std::os::unix::fs::symlink(&secret, lab.path("linked")).unwrap();
    for file in [secret.display().to_string(), "linked".to_owned()] {
        for declared in [
            format!("hash_lists: {{ l: {{ file: {file}, format: csv }} }}\n"),
            format!("hash_lists: {{ l: {{ file: {file}, format: text }} }}\n"),
            format!("groups: {{ g: {{ hosts_file: {file}, isolation: off }} }}\n"),
        ] {
            let hosts = "{ WS-1: { isolation: off } }";
            lab.write("state.yaml", &(lab.state(&server, hosts) + &declared));
            for command in ["plan --observed observed.json", "validate", "plan"] {
                let ended = lab.run(command);
                ended.expect(1, &["it lies outside of the folder of this state"]);
                assert!(!(ended.stdout + &ended.stderr).contains("hunter2"));
            }
        }
    }
}
