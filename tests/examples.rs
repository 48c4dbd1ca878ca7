//! Each folder under `examples/` that has a simulated fleet, played as its README says: valid without a warning, the
//! plan that is shown there, applied once and for all, and the drift that is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The state, and what `drift` answers after an apply.
const EXAMPLES: &[(&str, i32)] = &[
    ("examples/compliance", 2),
    ("examples/feeds", 0),
    ("examples/gitops/kedr", 0),
    ("examples/incident", 0),
    ("examples/quickstart", 0),
];

#[test]
fn every_example_does_what_its_readme_says() {
    std::thread::scope(|scope| {
        for (state, drift) in EXAMPLES {
            scope.spawn(|| plays(state, *drift));
        }
    });
}

fn plays(state: &str, drift: i32) {
    let copy = copy();
    let run = |command: &str, code: i32| expect(copy.path(), &format!("{command} -f {state}"), code);
    run("validate --deny warnings", 0);
    let plan = run("plan", 0);
    for shown in shown_plans(&copy.path().join(readme(state))) {
        let told = without_time_left(&plan);
        assert!(begins_as(&told, &without_time_left(&shown)), "{state}: shown\n{shown}\ntold\n{plan}");
    }
    let first = run("apply --yes", 0);
    assert!(first.contains("changes done") || first.contains("change done"), "{state}: {first}");
    let second = run("apply --yes", 0);
    assert!(second.contains("nothing to do"), "{state}: {second}");
    run("drift", drift);
    // As a job that has no key does it.
    run("snapshot --all-hosts -o observed.json", 0);
    run("plan --observed observed.json --detailed-exitcode", drift);
}

/// A README of an example that shows no plan was forgotten; that of the quickstart is the project's, which
/// `.ci/quickstart` holds.
#[test]
fn every_example_is_played_and_shows_its_plan() {
    let mut fleets: BTreeSet<String> = BTreeSet::new();
    for file in files(&root().join("examples")) {
        if file.file_name().is_some_and(|name| name == "fleet.yaml") {
            let folder = file.parent().unwrap().strip_prefix(root()).unwrap();
            fleets.insert(folder.to_string_lossy().replace('\\', "/"));
        }
    }
    let played: BTreeSet<String> = EXAMPLES.iter().map(|(state, _)| (*state).to_owned()).collect();
    assert_eq!(fleets, played);
    for (state, drift) in EXAMPLES {
        let readme = readme(state);
        let text = fs::read_to_string(root().join(&readme)).unwrap();
        let page = root().join(if *state == "examples/quickstart" { "README.md" } else { &readme });
        assert_eq!(shown_plans(&page).len(), 1, "{}", page.display());
        assert!(
            *drift == 0 || text.contains(&format!("exit {drift}")),
            "{readme} does not say how drift ends"
        );
    }
}

/// In scripts, jobs and documents of examples: `kedrctl WORD` is a command of this program, and `cargo run -- WORD`.
#[test]
fn no_example_names_a_command_that_is_not_there() {
    let help = expect(root(), "help", 0);
    let commands = help.split_once("Commands:").unwrap().1.split_once("Options:").unwrap().0;
    // A description that goes on in the next line is indented further.
    let commands: BTreeSet<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut wrong = Vec::new();
    let documents = files(&root().join("examples")).into_iter().chain([root().join("docs/gitops.md")]);
    for file in documents {
        let text = fs::read_to_string(&file).unwrap();
        for before in [
            "run: kedrctl ",
            "- kedrctl ",
            "`kedrctl ",
            "bin/kedrctl ",
            "\nkedrctl ",
            "run -- ",
            "--release -- ",
        ] {
            for after in text.split(before).skip(1) {
                let word =
                    after.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or(after);
                if !commands.contains(word) {
                    wrong.push(format!("{}: {before}{word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands in the blocks `text plan` of a document.
fn shown_plans(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```text plan\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("the block ends").0.to_owned()).collect()
}

/// A line `…` stands for any lines, and one that ends in ` …` for any rest of its line. Where `shown` ends the plan may
/// go on.
fn begins_as(told: &str, shown: &str) -> bool {
    let mut told = told.lines();
    let mut skips = false;
    for wanted in shown.lines() {
        if wanted == "…" {
            skips = true;
            continue;
        }
        let fits = |line: &str| match wanted.strip_suffix(" …") {
            Some(start) => line.starts_with(start),
            None => line == wanted,
        };
        let found = if skips { told.any(fits) } else { told.next().is_some_and(fits) };
        if !found {
            return false;
        }
        skips = false;
    }
    true
}

/// How long it is until 2099 depends on the day, and by it the width of a column.
fn without_time_left(plan: &str) -> String {
    if !plan.contains("until ") {
        return plan.to_owned();
    }
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((start, rest)) = line.split_once("Z (") {
            let (_, end) = rest.split_once(')').expect("the bracket ends");
            line = format!("{start}Z (…){end}");
        }
        format!("{:indent$}{line}\n", "")
    };
    plan.lines().map(line).collect()
}

fn readme(state: &str) -> String {
    let example = state.split('/').nth(1).expect("a folder below examples");
    format!("examples/{example}/README.md")
}

/// All examples in a folder of their own, so that their worlds and records are left there.
fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(&root().join("examples")) {
        let to = copy.path().join(file.strip_prefix(root()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    copy
}

/// All files below, without what runs leave.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if name == ".kedrctl" || name.contains(".simulator.") {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The program, deaf to the environment of the test run; its stdout.
fn expect(folder: &Path, arguments: &str, code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kedrctl"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KEDRCTL_") {
            command.env_remove(name);
        }
    }
    let output = command.current_dir(folder).args(arguments.split(' ')).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "kedrctl {arguments}\n{stdout}\n{stderr}");
    stdout
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
