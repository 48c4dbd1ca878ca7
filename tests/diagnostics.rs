//! What a wrong state gets to hear: one folder per case under `tests/diagnostics/`.
//!
//! A case holds `state.yaml` (or `paths.txt` with the paths to read, one a line), whatever else it needs, and
//! `expected.txt`: the problems as they are drawn without colour. `SNAPSHOTS=overwrite cargo test --test
//! diagnostics` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use kedrctl::declare;
use kedrctl::diagnostic::{Look, draw};

#[test]
fn wrong_states_are_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 60, "only {} cases were found", cases.len());
    for case in cases {
        // Paths are shown relative to the current folder; this is the only test of its process.
        std::env::set_current_dir(&case).unwrap();
        let expected = case.join("expected.txt");
        let actual = drawn(&case);
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name}");
        snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .eq(actual, snapbox::Data::read_from(&expected, None).raw());
    }
}

fn drawn(case: &Path) -> String {
    let paths = match fs::read_to_string(case.join("paths.txt")) {
        Ok(paths) => paths.lines().map(PathBuf::from).collect(),
        Err(_) => vec![PathBuf::from("state.yaml")],
    };
    let read = declare::read(&paths);
    let has_errors = read.problems.iter().any(kedrctl::diagnostic::Problem::is_error);
    assert_eq!(read.declared.is_none(), has_errors, "{}: a state without errors is declared", case.display());
    let problems: Vec<String> =
        read.problems.iter().map(|problem| draw(problem, &read.sources, Look::default())).collect();
    problems.join("\n\n") + "\n"
}
