use super::Exit;
use super::flags::SchemaOf;
use super::start::Failure;
use crate::declare;
use crate::report;
use crate::terminal::{Printed, Ui};

/// Prints the JSON Schema of what is read or written.
pub(super) fn run(ui: &Ui, of: SchemaOf) -> Result<Exit, Failure> {
    let printed = ui.print(|out| match of {
        SchemaOf::State => declare::write_schema(out),
        SchemaOf::Plan => report::json::write_schema(out),
        SchemaOf::Validate => report::problems::write_schema(out),
    });
    match printed? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}
