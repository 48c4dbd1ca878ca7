use super::Exit;
use super::start::Failure;
use crate::diagnostic::Code;
use crate::model::Untrusted;
use crate::report;
use crate::terminal::{Printed, Ui};

/// Says what codes mean; without any, which there are.
pub(super) fn run(ui: &Ui, codes: &[String]) -> Result<Exit, Failure> {
    let codes = codes.iter().map(|text| parse(text)).collect::<Result<Vec<Code>, Failure>>()?;
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
