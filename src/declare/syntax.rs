//! What a text that is no YAML gets to hear.

use granit_parser::{ErrorKind, ScanError};

use super::tree::MAX_DEPTH;
use crate::diagnostic::{Code, FileId, Place, Problem};

/// The error with its place, and in the common cases with what was probably meant.
pub(super) fn problem(file: FileId, text: &str, error: &ScanError) -> Problem {
    if let Some(problem) = conflict(file, text) {
        return problem;
    }
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let place = Place::new(file, at, at + width);
    let said = |message: &str, label: &str, help: &str| {
        Problem::new(Code::Syntax, message).at(place, label).help(help)
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's own enum, which may grow; its words serve the rest"
    )]
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            said("a tab stands where YAML takes only spaces", "this is a tab", "indent with spaces")
        }
        ErrorKind::RecursionLimitExceeded => {
            Problem::new(Code::TooDeep, format!("values are more than {MAX_DEPTH} levels deep"))
                .at(place, "")
                .help("a state needs a few levels only: is a bracket not closed?")
        }
        ErrorKind::MappingValueNotAllowed => said(
            "a key cannot stand here",
            "this colon makes what stands before it a key",
            "indent the keys of one mapping alike, and quote a text that contains `: `",
        ),
        ErrorKind::UnclosedFlowCollection { open } => said(
            &format!("this `{open}` is never closed"),
            "opened here",
            if *open == '{' { "close it with `}`" } else { "close it with `]`" },
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => said(
            &format!("`{open}` is closed with `{close}`"),
            "",
            if *open == '{' { "close it with `}`" } else { "close it with `]`" },
        ),
        ErrorKind::UnclosedQuotedScalar => {
            said("this quote is never closed", "opened here", "close it with the same quote")
        }
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => said(
            "YAML does not know this escape",
            "",
            "in double quotes write `\\\\` for a backslash, or use single quotes, where it stands for itself",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            said(&format!("a text cannot begin with `{character}`"), "", "put the text in quotes")
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => said(
            "a `:` is missing after this key",
            "",
            "write `key: value`, or indent the line further where it belongs to the one above",
        ),
        ErrorKind::ExpectedBlockMappingKey => said(
            "this line is part of no mapping above it",
            "",
            "indent the keys of one mapping alike; an item of a list begins with `- `",
        ),
        ErrorKind::InvalidIndentation | ErrorKind::BlockSequenceEntryNotAllowed => said(
            "the indentation of this line fits none of the lines above",
            "",
            "indent what belongs together alike",
        ),
        ErrorKind::ExpectedFlowMappingSeparator => {
            said("a `,` or `}` should stand here", "", "separate the entries of `{ … }` with commas")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            said("a `,` or `]` should stand here", "", "separate the items of `[ … ]` with commas")
        }
        _ => said(
            &format!("this is no valid YAML: {}", error.info()),
            "",
            "check quotes, brackets and indentation up to here; a text with special characters needs quotes",
        ),
    }
}

/// The mark that git leaves where two branches changed the same lines: whatever else is wrong follows from it.
fn conflict(file: FileId, text: &str) -> Option<Problem> {
    const MARK: &str = "<<<<<<< ";
    let at = if text.starts_with(MARK) { 0 } else { text.find(&format!("\n{MARK}"))? + 1 };
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    let place = Place::new(file, at, at + text[at..end].trim_end().len());
    Some(
        Problem::new(Code::Syntax, "two branches changed these lines, and the merge is not finished")
            .at(place, "git left this")
            .help("keep what is right of both sides, and take the lines with `<<<<<<<`, `=======` and `>>>>>>>` out"),
    )
}
