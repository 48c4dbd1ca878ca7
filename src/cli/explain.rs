use clap::Args;

use super::Exit;
use super::start::Failure;
use crate::diagnostic::Code;
use crate::model::Untrusted;
use crate::report;
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainFlags {
    /// The codes, in either case
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  kedrctl explain E021         what it means, why it matters, a wrong and a right example
  kedrctl explain e033 w004    several
  kedrctl explain              all codes, one a line";

/// Says what codes mean; without any, which there are.
pub(super) fn run(ui: &Ui, flags: &ExplainFlags) -> Result<Exit, Failure> {
    let codes = flags.codes.iter().map(|text| parse(text)).collect::<Result<Vec<Code>, Failure>>()?;
    let palette = ui.out_palette();
    let printed = ui.print(|out| match codes.is_empty() {
        true => report::explain::list(palette, out),
        false => report::explain::text(&codes, palette, out),
    });
    match printed? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

fn parse(text: &str) -> Result<Code, Failure> {
    Code::parse(text).ok_or_else(|| {
        let text = Untrusted::new(text);
        let near = Code::nearest(text.raw()).map_or_else(
            || "`kedrctl explain` lists all codes".to_owned(),
            |code| format!("did you mean `{code}`?"),
        );
        Failure::Usage(format!("there is no code `{}`; {near}", text.printable()))
    })
}
