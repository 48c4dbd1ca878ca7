use clap::{Args, ValueEnum};

use super::Exit;
use super::start::Failure;
use crate::declare;
use crate::report;
use crate::saved;
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemaFlags {
    /// Of what
    #[arg(value_enum, default_value_t = SchemaOf::State, value_name = "WHAT")]
    of: SchemaOf,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaOf {
    /// State files
    State,
    /// The document of `plan` and `drift`
    Plan,
    /// One line of `apply`
    Apply,
    /// The document of `validate`
    Validate,
    /// The document of `history`
    History,
    /// The document of `why`
    Why,
    /// Files that `plan -o` writes
    PlanFile,
    /// The document of `show`
    Show,
    /// The document of `tasks`
    Tasks,
}

const EXAMPLES: &str = "\
Examples:
  kedrctl schema > kedrctl.schema.json    for editors: put this into the first line of each state file
                                          # yaml-language-server: $schema=kedrctl.schema.json
  kedrctl schema plan                     of `plan --format json` and `drift --format json`
  kedrctl schema apply                    of each line of `apply --format json`
  kedrctl schema validate                 of `validate --format json`; `history`, `why`, `show` and `tasks` alike
  kedrctl schema plan-file                of the file that `plan -o` writes";

/// Prints the JSON Schema of what is read or written.
pub(super) fn run(ui: &Ui, flags: &SchemaFlags) -> Result<Exit, Failure> {
    let printed = ui.print(|out| match flags.of {
        SchemaOf::State => declare::write_schema(out),
        SchemaOf::Plan => report::json::write_schema(out),
        SchemaOf::Apply => report::json::write_event_schema(out),
        SchemaOf::Validate => report::problems::write_schema(out),
        SchemaOf::History => report::history::write_schema(out),
        SchemaOf::Why => report::why::write_schema(out),
        SchemaOf::PlanFile => saved::write_schema(out),
        SchemaOf::Show => report::show::write_schema(out),
        SchemaOf::Tasks => report::tasks::write_schema(out),
    });
    match printed? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}
