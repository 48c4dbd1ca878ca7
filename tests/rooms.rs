//! The direction in which the rooms of `src/` use each other, and that no test is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom, in the order of the pipeline. A use that is not here is a design question, not a shortcut.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("diagnostic", &["model"]),
    ("declare", &["diagnostic", "model"]),
    ("resolve", &["declare", "diagnostic", "model"]),
    ("central_node", &["model"]),
    // The ledger speaks of what was set, not of how it was planned.
    ("record", &["model"]),
    ("observe", &["central_node", "model", "record", "resolve"]),
    // A fleet as it is, told backwards: observed to declared.
    ("import", &["model", "observe"]),
    ("plan", &["declare", "model", "observe", "record", "resolve"]),
    // A judge shares no code with whom it judges; it looks at the value.
    ("guard", &["declare", "model", "plan", "record"]),
    // A plan in a file, with what it was judged by.
    ("saved", &["declare", "guard", "model", "plan", "resolve"]),
    ("execute", &["central_node", "guard", "model", "plan", "record"]),
    // `Stop`, which signals turn into; the clock of the log and of the commands.
    ("terminal", &["execute", "model"]),
    // Measures by the same client as all others, and on a host that nobody declares: no plan, no record.
    ("probe", &["central_node", "model"]),
    // `Palette` from the terminal: how to paint, not where.
    (
        "report",
        &["declare", "diagnostic", "execute", "guard", "model", "plan", "probe", "record", "terminal"],
    ),
    (
        "session",
        &[
            "central_node",
            "declare",
            "execute",
            "guard",
            "model",
            "observe",
            "plan",
            "record",
            "resolve",
            "saved",
        ],
    ),
    (
        "cli",
        &[
            "central_node",
            "declare",
            "diagnostic",
            "execute",
            "guard",
            "import",
            "model",
            "observe",
            "plan",
            "probe",
            "record",
            "report",
            "resolve",
            "saved",
            "session",
            "terminal",
        ],
    ),
];

/// Crates that only some rooms may know.
const CRATES: &[(&str, &[&str])] = &[
    ("reqwest", &["central_node"]),
    ("rustls", &["central_node", "record"]),
    ("object_store", &["record"]),
    ("granit_parser", &["declare"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("indicatif", &["terminal"]),
    ("kedrctl_simulator", &["cli", "session"]),
];

#[test]
fn rooms_use_each_other_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, file, text) in sources() {
        let Some(may_use) = allowed.get(room.as_str()) else {
            wrong.push(format!("{}: room `{room}` is not in MAY_USE", file.display()));
            continue;
        };
        for used in uses(&text) {
            if used != room && !may_use.contains(&used.as_str()) {
                wrong.push(format!("{}: `{room}` may not use `{used}`", file.display()));
            }
        }
        if file.ends_with("mod.rs") && file.components().count() == 3 && text.contains("use super::") {
            wrong.push(format!("{}: other rooms are used as `crate::…`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An allowance that nobody needs any more is taken back.
#[test]
fn no_use_is_allowed_in_vain() {
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for (room, _, text) in sources() {
        used.extend(uses(&text).into_iter().map(|other| (room.clone(), other)));
    }
    for (room, may_use) in MAY_USE {
        for other in *may_use {
            let pair = ((*room).to_owned(), (*other).to_owned());
            assert!(used.contains(&pair), "`{room}` uses `{other}` no more: take it out of MAY_USE");
        }
    }
}

#[test]
fn some_crates_stay_in_their_rooms() {
    for (room, file, text) in sources() {
        for (name, rooms) in CRATES {
            let is_used = text.contains(&format!("{name}::"));
            assert!(
                !is_used || rooms.contains(&room.as_str()),
                "{}: `{name}` is not its matter",
                file.display()
            );
        }
        let is_pure = ["model", "resolve", "plan", "guard", "report", "saved"].contains(&room.as_str());
        for io in ["std::fs", "std::net::Tcp", "std::env", "tokio::"] {
            assert!(!is_pure || !text.contains(io), "{}: `{room}` is pure, and uses {io}", file.display());
        }
        assert!(room != "model" || !text.contains("serde"), "{}: `model` is no wire type", file.display());
    }
}

#[test]
fn every_case_is_whole() {
    let mut wrong = Vec::new();
    for case in folders(Path::new("tests/cases")) {
        let names: BTreeSet<String> = files(&case).iter().map(|file| name(file)).collect();
        for needed in ["state.yaml", "fleet.yaml", "expected.txt"] {
            if !names.contains(needed) {
                wrong.push(format!("{}: {needed} is missing", case.display()));
            }
        }
        // What no other file names was forgotten.
        let texts: String =
            names.iter().map(|name| fs::read_to_string(root().join(&case).join(name)).unwrap()).collect();
        let known = ["state.yaml", "fleet.yaml", "case.yaml", "expected.txt"];
        for extra in names.iter().filter(|name| !known.contains(&name.as_str())) {
            if !texts.contains(extra.as_str()) {
                wrong.push(format!("{}: nothing names {extra}", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cargo compiles `tests/*.rs` and `tests/*/main.rs`; every other file must be a module of one of them.
#[test]
fn every_test_file_is_compiled() {
    for tests in ["tests", "simulator/tests"] {
        for file in rust_files(Path::new(tests)) {
            let folder = file.parent().unwrap();
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            let (module, folder) = match (folder == Path::new(tests), stem.as_str()) {
                (true, _) | (false, "main") => continue,
                (false, "mod") => (name(folder), folder.parent().unwrap()),
                (false, _) => (stem, folder),
            };
            let parents: Vec<PathBuf> = if folder == Path::new(tests) {
                files(folder).into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).collect()
            } else {
                vec![folder.join("main.rs"), folder.join("mod.rs"), folder.with_extension("rs")]
            };
            let is_module = parents
                .iter()
                .filter(|parent| root().join(parent).is_file())
                .map(|parent| fs::read_to_string(root().join(parent)).unwrap())
                .any(|text| text.lines().any(|line| line.trim().ends_with(&format!("mod {module};"))));
            assert!(is_module, "{}: no test binary has `mod {module};`", file.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Room, path and text of each source file, without unit tests and what only they use.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut sources = Vec::new();
    for file in rust_files(Path::new("src")) {
        let parts: Vec<String> =
            file.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
        let is_test = parts.iter().any(|part| ["tests", "tests.rs", "sample.rs"].contains(&part.as_str()));
        if parts.len() < 2 || is_test {
            continue;
        }
        let text = fs::read_to_string(root().join(&file)).expect("a source file");
        // Unit tests stand last in a file.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        sources.push((parts[0].clone(), file, text));
    }
    sources
}

/// The rooms that a text uses.
fn uses(text: &str) -> BTreeSet<String> {
    text.split("crate::")
        .skip(1)
        .flat_map(|rest| {
            let ident = |text: &str| -> String {
                text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
            };
            match rest.strip_prefix('{') {
                Some(list) => {
                    list.split('}').next().unwrap_or_default().split(',').map(ident).collect::<Vec<_>>()
                }
                None => vec![ident(rest)],
            }
        })
        .filter(|room| !room.is_empty())
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        files(folder).into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).collect();
    for folder in folders(folder) {
        found.extend(rust_files(&folder));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| root().join(path).is_file()).collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| root().join(path).is_dir()).collect()
}

/// Relative to the package, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(root().join(folder)).expect("a folder of the package");
    let mut paths: Vec<PathBuf> =
        read.map(|entry| folder.join(entry.expect("an entry").file_name())).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
