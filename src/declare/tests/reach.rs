//! What a state can make us read, and what of it is shown. Whoever proposes a change writes paths, and links too.

use std::path::Path;

use crate::declare;
use crate::diagnostic::{Look, draw};

const BEGINNING: &str = "version: 1\nservers: { lab: { simulator: fleet.sim } }\n";

/// Never to be seen in what is said.
const SECRET: &str = "hunter2";

#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A folder with a state in `kedr/`, and beside it what nobody may see.
fn folder(state: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("kedr/state.yaml"), &format!("{BEGINNING}{state}"));
    write(&folder.path().join("secret"), &format!("root:{SECRET}:19000:0:99999:7:::\n"));
    write(&folder.path().join("secret.yaml"), &format!("root: {SECRET}: x\n"));
    write(&folder.path().join("kedr/.git/config"), &format!("url = https://token:{SECRET}@git.example\n"));
    folder
}

fn told(folder: &tempfile::TempDir) -> String {
    let read = declare::read(&[folder.path().join("kedr")]);
    let drawn: Vec<String> =
        read.problems.iter().map(|problem| draw(problem, &read.sources, Look::default())).collect();
    let told = drawn.join("\n");
    assert!(!told.contains(SECRET), "{told}");
    told
}

fn list(file: &str) -> String {
    format!(
        "hash_lists: {{ l: {{ file: {file} }} }}\nhosts: {{ ws-1: {{ prevention: {{ block: [l] }} }} }}\n"
    )
}

fn group(file: &str) -> String {
    format!("groups: {{ g: {{ hosts_file: {file}, isolation: off }} }}\n")
}

#[test]
#[cfg(unix)]
fn no_link_to_a_folder_leads_out_of_the_folder_of_the_state() {
    let folder = folder("hosts: { ws-1: { isolation: off } }\n");
    write(&folder.path().join("elsewhere/clients/secret-project.yaml"), "x: y\n");
    std::os::unix::fs::symlink("../elsewhere", folder.path().join("kedr/more")).unwrap();
    let told = told(&folder);
    assert!(told.contains("kedr/more` is not read: it lies outside of the folder of this state"), "{told}");
    assert!(!told.contains("secret-project"), "{told}");
}

/// Only what is understood as what it is meant for is quoted.
#[test]
fn what_was_never_meant_as_a_list_is_not_quoted() {
    let folder = folder(&group("hosts.txt"));
    let latin1 = [b"PASSWORD=".as_slice(), SECRET.as_bytes(), b"-caf\xe9\n"].concat();
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(folder.path().join("kedr/hosts.txt"), latin1).unwrap();
    assert!(told(&folder).contains("is not UTF-8"));

    let folder = self::folder(&list("users.csv"));
    write(&folder.path().join("kedr/users.csv"), &format!("admin,{SECRET}\n"));
    assert!(told(&folder).contains("the header names neither `sha256` nor `md5`"));

    let key = format!("-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY-----");
    let server = "url: https://kata.example.org, external_system_id: 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11";
    let state =
        format!("servers: {{ hq: {{ {server}, client_certificate: hq.crt, client_key: \"{key}\" }} }}\n");
    write(&folder.path().join("kedr/state.yaml"), &format!("version: 1\n{state}"));
    assert!(told(&folder).contains("`client_key` stands in the state itself"));
}

#[test]
fn no_path_leads_out_of_the_folder_of_the_state() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let absolute = outside.path().display().to_string();
    for file in ["../secret", "lists/../../secret", "../nowhere", absolute.as_str()] {
        for state in [list(&format!("{file}, format: text")), group(file)] {
            let folder = folder(&state);
            write(&folder.path().join("kedr/lists/x"), "");
            let told = told(&folder);
            assert!(told.contains("it lies outside of the folder of this state"), "{file}: {told}");
        }
    }
    let of_a_fleet = folder("").path().join("kedr");
    write(&of_a_fleet.join("state.yaml"), "version: 1\nservers: { lab: { simulator: ../secret.yaml } }\n");
    let read = declare::read(&[of_a_fleet]);
    assert!(read.problems[0].message.contains("outside"), "{:?}", read.problems);
    for file in [".git/config", "lists/../.git/config"] {
        let folder = folder(&(group(file) + &list(&format!("{file}, format: csv"))));
        write(&folder.path().join("kedr/lists/x"), "");
        let told = told(&folder);
        assert_eq!(told.matches("it belongs to Git, which keeps credentials there").count(), 2, "{told}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder_of_the_state() {
    use std::os::unix::fs::symlink;
    for state in [list("l.txt"), group("l.txt")] {
        let folder = folder(&state);
        symlink("../secret", folder.path().join("kedr/l.txt")).unwrap();
        assert!(told(&folder).contains("it lies outside of the folder of this state"));
    }
    let found = folder("hosts: { ws-1: { isolation: off } }\n");
    symlink("../secret.yaml", found.path().join("kedr/more.yaml")).unwrap();
    assert!(told(&found).contains("it lies outside of the folder of this state"));
    let below = folder("hosts: { ws-1: { isolation: off } }\n");
    symlink("..", below.path().join("kedr/more")).unwrap();
    assert!(told(&below).contains("it lies outside of the folder of this state"));
}

#[cfg(unix)]
#[test]
fn within_the_folder_paths_and_links_lead_anywhere_and_so_does_what_the_user_names() {
    use std::os::unix::fs::symlink;
    let folder = folder("hosts: { ws-1: { prevention: { block: [l, m] } } }\n");
    let kedr = folder.path().join("kedr");
    let lists =
        "version: 1\nhash_lists: { l: { file: ../lists/real.txt }, m: { file: ../lists/link.txt } }\n";
    write(&kedr.join("more/lists.yaml"), lists);
    write(&kedr.join("lists/real.txt"), "900150983cd24fb0d6963f7d28e17f72\n");
    symlink("real.txt", kedr.join("lists/link.txt")).unwrap();
    assert_eq!(told(&folder), "");
    // A folder and a file by a link, as a scheduler mounts them.
    symlink(&kedr, folder.path().join("current")).unwrap();
    symlink("kedr/state.yaml", folder.path().join("current.yaml")).unwrap();
    assert!(declare::read(&[folder.path().join("current")]).declared.is_some());
    write(&kedr.join("state.yaml"), &format!("{BEGINNING}hosts: {{ ws-1: {{ isolation: off }} }}\n"));
    assert!(declare::read(&[folder.path().join("current.yaml")]).declared.is_some());
}

/// In the folder lies more than lists: what is none is not shown.
#[test]
fn what_is_no_list_is_not_quoted() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{SECRET}+{SECRET}/=\n-----END PRIVATE KEY-----\n");
    let settings = format!("USER=root\nPASSWORD={SECRET}\n");
    let json = format!(
        "{{\"type\": \"service_account\", \"private_key\": \"{SECRET}\", \"objects\": \"{SECRET}\"}}"
    );
    let texts = [
        key,
        settings,
        json,
        format!("{SECRET}\n"),
        format!("\"{SECRET}\",\"{SECRET}!\"\n"),
        format!("[\"{SECRET}\"]"),
    ];
    for text in &texts {
        for format in ["text", "csv", "stix", "misp"] {
            let folder = folder(&list(&format!("f, format: {format}")));
            write(&folder.path().join("kedr/f"), text);
            let told = told(&folder);
            assert!(!told.is_empty(), "{format}: {text}");
        }
    }
    for text in &texts[..3] {
        let folder = folder(&group("f"));
        write(&folder.path().join("kedr/f"), text);
        assert!(told(&folder).contains("is no name of a host"), "{text}");
    }
}
