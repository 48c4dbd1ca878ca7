//! What `validate` found, as one documented JSON document (docs/json-output.md, schemas/validate-v1.schema.json).

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::escape;
use super::json::write_schema_of;
use crate::diagnostic::{self, FileId, Severity as Weight, Sources, explain};

/// The version of the document. It grows by new fields and codes only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// What is wrong or doubtful in the files of a state. Readers must ignore fields that they do not know: new ones may
/// come within a format version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl validate")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What the document is.
    pub kind: Kind,
    /// Whether there is no error; warnings do not count, whatever `--deny` says.
    pub valid: bool,
    /// The state files that were read, then other files that a problem is shown in, such as hash lists; relative to
    /// the current folder, with `/`.
    pub files: Vec<String>,
    /// In the order of files and of places in them, those outside of files first.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub sums: Sums,
}

/// What the document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What `validate` found.
    Validate,
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Its kind, such as `E021`: stable, and explained by `kedrctl explain`.
    #[schemars(regex(pattern = "^[EW][0-9]{3}$"))]
    pub code: &'static str,
    /// Whether it keeps the state from being used.
    pub severity: Severity,
    /// What its kind is, the same for every problem of one code.
    pub title: &'static str,
    /// What is wrong here, in lower case without a full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The file or folder that it is about, where it is not inside a file that could be read.
    pub path: Option<String>,
    /// Where it is, the main place first; empty where it is not inside a file.
    pub labels: Vec<Label>,
}

/// Whether a problem keeps the state from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The state can not be used.
    Error,
    /// The state can be used; something in it is doubtful.
    Warning,
}

/// A piece of a file with a few words about it. Lines and columns count from 1, columns in characters (Unicode code
/// points); `end_line` and `end_column` are the point after its last character. Offsets count from 0, in bytes from
/// the beginning of the file; they are null where only a piece of a large hash list was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Label {
    /// One of `files`.
    pub file: String,
    /// Where it begins.
    #[schemars(range(min = 1))]
    pub line: usize,
    /// Where in the line it begins.
    #[schemars(range(min = 1))]
    pub column: usize,
    /// Where it ends.
    #[schemars(range(min = 1))]
    pub end_line: usize,
    /// Where in the line it ends.
    #[schemars(range(min = 1))]
    pub end_column: usize,
    /// Where in the file it begins.
    pub offset: Option<usize>,
    /// Where in the file it ends.
    pub end_offset: Option<usize>,
    /// Whether the problem is here; other labels show what it has to do with.
    pub primary: bool,
    /// May be empty where the message says it all.
    pub text: String,
}

/// How many problems there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sums {
    /// Those that keep the state from being used.
    pub errors: usize,
    /// The others.
    pub warnings: usize,
}

/// The problems of these state files as a document of its own.
pub fn document(states: &[FileId], problems: &[diagnostic::Problem], sources: &Sources) -> Document {
    let mut files = states.to_vec();
    for label in problems.iter().flat_map(|problem| &problem.labels) {
        if !files.contains(&label.place.file) {
            files.push(label.place.file);
        }
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    Document {
        format_version: FORMAT_VERSION,
        kind: Kind::Validate,
        valid: errors == 0,
        files: files.into_iter().map(|file| sources.display(file).to_string()).collect(),
        problems: problems.iter().map(|found| problem(found, sources)).collect(),
        sums: Sums { errors, warnings: problems.len() - errors },
    }
}

/// Writes the document with two spaces of indent and a line break at its end. What could drive a terminal or hide
/// text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    escape::write_json(document, out)
}

/// The JSON Schema of [`Document`], as schemas/validate-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Document>(out)
}

pub(super) fn problem(found: &diagnostic::Problem, sources: &Sources) -> Problem {
    let severity = match found.severity() {
        Weight::Error => Severity::Error,
        Weight::Warning => Severity::Warning,
    };
    Problem {
        code: found.code.as_str(),
        severity,
        title: explain(found.code).title,
        message: found.message.clone(),
        help: found.help.clone(),
        path: found.path.as_deref().map(str::to_owned),
        labels: found.labels.iter().map(|it| label(it, sources)).collect(),
    }
}

fn label(label: &diagnostic::Label, sources: &Sources) -> Label {
    let (start, end) = sources.extent(label.place);
    Label {
        file: sources.display(label.place.file).to_string(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        offset: start.offset,
        end_offset: end.offset,
        primary: label.is_primary,
        text: label.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn schema() -> String {
        let mut schema = Vec::new();
        write_schema(&mut schema).unwrap();
        String::from_utf8(schema).unwrap()
    }

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_document() {
        snapbox::assert_data_eq!(
            schema(),
            snapbox::file!["../../schemas/validate-v1.schema.json": Text].raw()
        );
    }

    #[test]
    fn the_document_is_as_documented_and_fits_its_schema() {
        let (problems, sources) = sample::problems();
        let mut written = Vec::new();
        write(&document(&[], &problems, &sources), &mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        snapbox::assert_data_eq!(written, snapbox::file!["problems.json": Text].raw());
    }
}
