//! What codes mean: for a terminal, and as the page docs/diagnostics.md.

use std::io::{self, Write};

use crate::diagnostic::{Code, Example, Explanation, Severity, explain};
use crate::terminal::{Paint, Palette};

/// The explanations of some codes, for a terminal.
///
/// # Errors
/// Those of `out`.
pub fn text(codes: &[Code], palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for (index, code) in codes.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let explanation = explain(*code);
        writeln!(out, "{}", palette.paint(Paint::Heading, &heading(&explanation)))?;
        for paragraph in &explanation.paragraphs {
            writeln!(out, "\n{paragraph}")?;
        }
        for example in &explanation.examples {
            let paint = if example.is_right { Paint::Added } else { Paint::Alarm };
            writeln!(out, "\n{}\n", palette.paint(paint, &caption(example)))?;
            for line in example.text.lines() {
                writeln!(out, "{}", format!("    {line}").trim_end())?;
            }
        }
    }
    Ok(())
}

/// Every code with its title, one a line.
///
/// # Errors
/// Those of `out`.
pub fn list(palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for code in Code::ALL {
        let paint = match code.severity() {
            Severity::Error => Paint::Alarm,
            Severity::Warning => Paint::Doubt,
        };
        writeln!(out, "{}  {}", palette.paint(paint, code.as_str()), explain(*code).title)?;
    }
    writeln!(out, "\n`kedrctl explain CODE` says what one of them means.")
}

/// The page of all codes, in Markdown.
///
/// # Errors
/// Those of `out`.
pub fn page(out: &mut impl Write) -> io::Result<()> {
    out.write_all(PAGE_HEAD.as_bytes())?;
    for code in Code::ALL {
        let title = explain(*code).title;
        writeln!(out, "| [{code}](#{}) | {title} |", code.as_str().to_lowercase())?;
    }
    for code in Code::ALL {
        let explanation = explain(*code);
        writeln!(out, "\n## {code}\n\n**{}**", explanation.title)?;
        out.write_all(markdown(&explanation).as_bytes())?;
    }
    Ok(())
}

const PAGE_HEAD: &str = "\
# What `kedrctl validate` finds

Every kind of problem in state files has a code that stays the same. `kedrctl explain E021` prints what stands here.
Codes with `E` are errors: nothing is sent while there is one. Codes with `W` are doubts: `--deny warnings` makes
`validate` fail on them. This page is made from `src/diagnostic/explain/`; each example is tried by the tests.

| code | |
| --- | --- |
";

/// Paragraphs and examples, without a heading.
pub(super) fn markdown(explanation: &Explanation) -> String {
    let paragraphs = explanation.paragraphs.iter().map(|paragraph| format!("\n{paragraph}\n"));
    let examples = explanation
        .examples
        .iter()
        .map(|example| format!("\n{}\n\n```{}\n{}```\n", caption(example), example.language, example.text));
    paragraphs.chain(examples).collect()
}

fn heading(explanation: &Explanation) -> String {
    format!("{}  {}", explanation.code, explanation.title)
}

fn caption(example: &Example) -> String {
    let word = if example.is_right { "Right" } else { "Wrong" };
    match example.file {
        Some(file) if !example.is_latin1 => format!("{word}, `{file}`:"),
        Some(_) | None => format!("{word}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SNAPSHOTS=overwrite cargo test --lib explain` writes the file.
    #[test]
    fn the_page_in_the_repository_is_made_from_the_explanations() {
        let mut written = Vec::new();
        page(&mut written).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics.md");
        let expected = snapbox::Data::read_from(path.as_ref(), Some(snapbox::data::DataFormat::Text)).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_terminal_gets_text_and_examples() {
        let mut written = Vec::new();
        text(&[Code::OnlyOnce], Palette::OFF, &mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(
            written.starts_with("E027  A section that may stand in one file only\n\n`policy`"),
            "{written}"
        );
        assert!(
            written.contains("\n\nWrong, `b.yaml`:\n\n    version: 1\n    owner: branch-office\n"),
            "{written}"
        );
    }
}
