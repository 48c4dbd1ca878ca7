use std::io::{self, Write};

use super::Exit;
use super::flags::{Deny, ProblemFormat, ValidateFlags};
use super::start::Failure;
use crate::declare::{self, Read};
use crate::diagnostic::{Look, draw};
use crate::report::{problems, sarif};
use crate::terminal::{Printed, Ui};

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

const DRIVER: sarif::Driver<'static> =
    sarif::Driver { version: env!("CARGO_PKG_VERSION"), repository: env!("CARGO_PKG_REPOSITORY") };

fn text(read: &Read, color: bool, out: &mut impl Write) -> io::Result<()> {
    let look = Look { color, ..Look::default() };
    for problem in &read.problems {
        writeln!(out, "{}\n", draw(problem, &read.sources, look))?;
    }
    let (errors, warnings) = counts(read);
    match &read.declared {
        Some(declared) => writeln!(
            out,
            "the state is valid: {}, {}; {}",
            counted(declared.servers.len(), "server"),
            counted(declared.hosts.len(), "host"),
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
