//! Commands are complete by `--help` alone.

use crate::lab::{command, ended};

const COMMANDS: [&str; 28] = [
    "init",
    "register",
    "validate",
    "plan",
    "apply",
    "drift",
    "snapshot",
    "hosts",
    "show",
    "isolate",
    "release",
    "block",
    "unblock",
    "run",
    "tasks",
    "hold",
    "history",
    "why",
    "import",
    "record",
    "rollback",
    "lock",
    "unlock",
    "probe",
    "simulate",
    "completions",
    "explain",
    "schema",
];

#[test]
fn every_command_has_examples_that_are_its_own() {
    let here = std::path::Path::new(".");
    let listed = ended(command(here, "--help").output().unwrap());
    for name in COMMANDS {
        assert!(listed.stdout.contains(&format!("\n  {name}")), "{name} is not in {}", listed.stdout);
        let help = ended(command(here, &format!("{name} --help")).output().unwrap());
        help.expect(0, &["Examples:", &format!("\n  kedrctl {name}")]);
        for flag in help.stdout.lines().filter(|line| line.starts_with(&format!("  kedrctl {name}"))) {
            for word in flag.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.stdout.matches(word).count() > 1, "{name}: {word} is only in an example");
            }
        }
    }
    let subcommands = listed.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let count =
        subcommands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   ")).count();
    assert_eq!(count, COMMANDS.len() + 1, "a command is not in this test (one is `help`): {}", listed.stdout);
}

#[test]
fn there_are_completions_for_each_shell() {
    for (shell, has) in [
        ("bash", "complete -F _kedrctl"),
        ("zsh", "#compdef kedrctl"),
        ("fish", "complete -c kedrctl"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script =
            ended(command(std::path::Path::new("."), &format!("completions {shell}")).output().unwrap());
        script.expect(0, &[has, "register", "fingerprint"]);
        assert_eq!(script.stderr, "");
    }
}
