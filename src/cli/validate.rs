use super::Exit;
use super::flags::{Deny, ValidateFlags};
use super::start::Failure;
use crate::declare;
use crate::diagnostic::{Look, draw};
use crate::terminal::Ui;

/// Checks the files; sends nothing.
pub(super) fn run(ui: &Ui, flags: &ValidateFlags) -> Result<Exit, Failure> {
    let read = declare::read(&flags.files.paths());
    let look = Look { color: ui.out_palette().is_on(), ..Look::default() };
    let errors = read.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = read.problems.len() - errors;
    let printed = ui.print(|out| {
        use std::io::Write;
        for problem in &read.problems {
            writeln!(out, "{}\n", draw(problem, &read.sources, look))?;
        }
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
            ),
            None => writeln!(out, "{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        }
    });
    // A reader that has seen enough changes nothing about the answer.
    match printed? {
        crate::terminal::Printed::Whole | crate::terminal::Printed::PipeClosed => {}
    }
    let is_denied = flags.deny == Some(Deny::Warnings) && warnings > 0;
    Ok(if errors > 0 || is_denied { Exit::Error } else { Exit::Done })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
