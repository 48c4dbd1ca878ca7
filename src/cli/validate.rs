use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::Exit;
use super::flags::FileFlags;
use super::reports::DRIVER;
use super::start::Failure;
use crate::declare::{self, Read};
use crate::diagnostic::{Look, draw};
use crate::report::{problems, sarif};
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateFlags {
    #[command(flatten)]
    files: FileFlags,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = ProblemFormat::Text)]
    format: ProblemFormat,

    /// Exit 1 on these too
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProblemFormat {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

const EXAMPLES: &str = "\
Examples:
  kedrctl validate -f state                      every mistake in the folder, with its place
  kedrctl validate -f state --deny warnings      fail on doubts too, in CI
  kedrctl validate --format sarif > state.sarif  for code hosts that show results at the lines of a change
  kedrctl validate --format json | jq -r '.problems[].code' | sort | uniq -c

Nothing is read but the files: no key, no environment variable of theirs, no network.
Exit codes: 0 valid, 1 with an error, or with a warning and `--deny warnings`.";

/// Checks the files; sends nothing.
pub(super) fn run(ui: &Ui, flags: &ValidateFlags) -> Result<Exit, Failure> {
    let read = declare::read(&flags.files.paths());
    let printed = ui.print(|out| match flags.format {
        ProblemFormat::Text => text(&read, ui.out_palette().is_on(), out),
        ProblemFormat::Json => {
            problems::write(&problems::document(&read.states, &read.problems, &read.sources), out)
        }
        ProblemFormat::Sarif => sarif::problems(&read.problems, &read.sources, DRIVER, out),
    });
    // A reader that has seen enough changes nothing about the answer.
    match printed? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    let (errors, warnings) = counts(&read);
    let is_denied = flags.deny == Some(Deny::Warnings) && warnings > 0;
    Ok(if errors > 0 || is_denied { Exit::Error } else { Exit::Done })
}

fn text(read: &Read, color: bool, out: &mut impl Write) -> io::Result<()> {
    let look = Look { color, ..Look::default() };
    for problem in &read.problems {
        writeln!(out, "{}\n", draw(problem, &read.sources, look))?;
    }
    let (errors, warnings) = counts(read);
    match &read.declared {
        Some(declared) => writeln!(
            out,
            "the state is valid: {}, {}{}; {}",
            counted(declared.servers.len(), "server"),
            counted(declared.hosts.len(), "host"),
            match declared.groups.len() {
                0 => String::new(),
                groups => format!(", {}", counted(groups, "group")),
            },
            counted(warnings, "warning")
        )?,
        None => writeln!(out, "{}, {}", counted(errors, "error"), counted(warnings, "warning"))?,
    }
    match read.problems.first() {
        Some(first) => writeln!(out, "`kedrctl explain {}` says more", first.code),
        None => Ok(()),
    }
}

/// Errors and warnings.
fn counts(read: &Read) -> (usize, usize) {
    let errors = read.problems.iter().filter(|problem| problem.is_error()).count();
    (errors, read.problems.len() - errors)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
