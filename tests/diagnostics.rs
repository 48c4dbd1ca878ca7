//! What a wrong state gets to hear: one folder per case under `tests/diagnostics/`.
//!
//! A case holds `state.yaml` (or `paths.txt` with the paths to read, one a line), whatever else it needs, and
//! `expected.txt`: the problems as they are drawn without colour. `SNAPSHOTS=overwrite cargo test --test
//! diagnostics` writes them; `CASE=name` takes only some.
//!
//! The same cases, the examples of `kedrctl explain` and generated states hold decoder and JSON Schema together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "diagnostics/explained.rs"]
mod explained;
#[path = "diagnostics/generated.rs"]
mod generated;
#[path = "diagnostics/pages.rs"]
mod pages;
#[path = "diagnostics/schema.rs"]
mod schema;
#[path = "diagnostics/yaml.rs"]
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kedrctl::declare::{self, Read};
use kedrctl::diagnostic::{Code, Look, Problem, draw};

#[test]
fn wrong_states_are_explained() {
    let only = std::env::var("CASE").unwrap_or_else(|_not_set| String::new());
    for case in cases().into_iter().filter(|case| case.contains(&only)) {
        println!("{case}");
        let read = read(&case);
        let has_errors = read.problems.iter().any(Problem::is_error);
        assert_eq!(read.declared.is_none(), has_errors, "a state without errors is declared");
        let expected = folder(&case).join("expected.txt");
        snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .eq(drawn(&case, read), snapbox::Data::read_from(&expected, None).raw());
    }
}

#[test]
fn every_code_has_a_case() {
    let seen: BTreeSet<Code> =
        cases().iter().flat_map(|case| &read(case).problems).map(|problem| problem.code).collect();
    let without = [
        // Nobody wants a file of that size in a repository: the example of `kedrctl explain` makes one.
        Code::TooLarge,
        // Said in its place: that no task is started at all.
        Code::TasksNotAllowed,
    ];
    let missing: Vec<&Code> =
        Code::ALL.iter().filter(|code| !seen.contains(code) && !without.contains(code)).collect();
    assert!(missing.is_empty(), "no folder in tests/diagnostics has a problem of {missing:?}");
    assert!(cases().len() >= 120, "only {} cases were found", cases().len());
}

/// What is said is said in the words of whoever writes state files, and says what to do next.
#[test]
fn no_message_speaks_of_the_program() {
    const BANNED: &[&str] = &[
        "serde",
        "struct",
        "variant",
        "unwrap",
        "Some(",
        "None",
        "Ok(",
        "Err(",
        "panick",
        "enum",
        "did not match any",
        "deserializ",
        "deserialis",
        "scalar",
        "sequence",
        "invalid type",
        "expected one of",
        "null pointer",
        "usize",
        "u16",
        "u64",
        "i64",
        "::",
        "tokens",
        "parser",
        "os error",
    ];
    let mut helpless = Vec::new();
    for case in cases() {
        for problem in &read(&case).problems {
            let said = [Some(&problem.message), problem.help.as_ref()];
            let labels = problem.labels.iter().map(|label| &label.text);
            for text in said.into_iter().flatten().chain(labels) {
                // What stands between backticks is quoted from the files.
                let own: String = text.split('`').step_by(2).collect();
                let spoken = BANNED.iter().find(|banned| own.contains(*banned));
                assert_eq!(spoken, None, "{case}: {text}");
                assert!(!text.ends_with('.'), "{case}: {text}");
            }
            let mut first = problem.message.chars();
            let is_sentence = first.next().unwrap().is_uppercase() && !first.next().unwrap().is_uppercase();
            assert!(!is_sentence, "{case}: {}", problem.message);
            let suggests = problem.labels.iter().any(|label| label.text.contains("did you mean"));
            if problem.help.is_none() && !suggests {
                helpless.push(format!("{case}: {}", problem.message));
            }
        }
    }
    assert!(helpless.is_empty(), "what is to be done?\n{}", helpless.join("\n"));
}

/// Every place lies in its file, between characters, and the first one of a problem leads.
#[test]
fn places_lie_in_their_files() {
    for case in cases() {
        check_places(read(&case));
    }
}

fn check_places(read: &Read) {
    for problem in &read.problems {
        for label in &problem.labels {
            let text = read.sources.text(label.place.file);
            let (start, end) = (label.place.span.start as usize, label.place.span.end as usize);
            assert!(
                text.get(start..end).is_some(),
                "{problem:?} does not lie in its file of {} bytes",
                text.len()
            );
        }
        assert!(problem.labels.first().is_none_or(|label| label.is_primary), "{problem:?}");
        assert!(draw(problem, &read.sources, Look::default()).contains(problem.code.as_str()));
    }
    assert!(read.problems.is_sorted_by_key(Problem::place), "in source order");
}

/// The names of all cases.
fn cases() -> Vec<String> {
    let entries = fs::read_dir(root().join("tests/diagnostics")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut cases: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    cases.sort();
    cases
}

/// Relative to the current folder, which is that of the package.
fn folder(case: &str) -> PathBuf {
    Path::new("tests/diagnostics").join(case)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What reading a case gives; each is read once.
fn read(case: &str) -> &'static Read {
    static READ: LazyLock<BTreeMap<String, Read>> =
        LazyLock::new(|| cases().into_iter().map(|case| (case.clone(), read_now(&case))).collect());
    &READ[case]
}

fn read_now(case: &str) -> Read {
    let folder = folder(case);
    let paths = match fs::read_to_string(folder.join("paths.txt")) {
        Ok(paths) => paths.lines().map(|path| folder.join(path)).collect(),
        Err(_) => vec![folder.join("state.yaml")],
    };
    declare::read(&paths)
}

/// As somebody sees it whose current folder is that of the case.
fn drawn(case: &str, read: &Read) -> String {
    let problems: Vec<String> =
        read.problems.iter().map(|problem| draw(problem, &read.sources, Look::default())).collect();
    (problems.join("\n\n") + "\n").replace(&format!("tests/diagnostics/{case}/"), "")
}
