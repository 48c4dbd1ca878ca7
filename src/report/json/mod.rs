//! The one documented JSON document for `plan` and `drift` (docs/json-output.md, schemas/plan-v1.schema.json).

mod build;
mod document;
mod events;
mod failed;
mod settings;
mod since;
mod value;

use std::io::{self, Write};

pub(super) use build::{aspect, aspect_kind, cause, hold, host, instant};
pub use document::*;
pub use events::*;
pub use failed::*;
pub(super) use settings::{isolation, program};
pub use since::*;
pub use value::*;

use super::escape;
use super::told::{NoPlan, Told};

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// The plan as a document of its own, independent of how the plan is shaped inside.
pub fn document(told: &Told<'_>) -> Document {
    build::document(told)
}

/// What stands in its place where there is no plan.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    escape::write_json(&failed::failed(no_plan), out)
}

/// Writes the document with two spaces of indent and a line break at its end. What could drive a terminal or hide
/// text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    escape::write_json(document, out)
}

/// The JSON Schema of [`Answer`], as schemas/plan-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Answer>(out)
}

/// The JSON Schema of a document.
pub(super) fn write_schema_of<T: schemars::JsonSchema>(out: &mut impl Write) -> io::Result<()> {
    let mut schema = schemars::schema_for!(T);
    one_line(&mut schema);
    escape::write_json(&schema, out)
}

/// Descriptions are doc comments, broken where the source is: a reader of the schema has another width.
fn one_line(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    schemars::transform::transform_subschemas(&mut one_line, schema);
}

#[cfg(test)]
mod tests;
