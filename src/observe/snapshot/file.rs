//! A snapshot's file: one JSON document in ASCII, with a digest of its content.

use std::io;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Snapshot;
use super::wire::Content;
use crate::model::sha256_hex;

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "kedrctl snapshot";
const BEGINNING: &str = r#"{"format":"kedrctl snapshot","#;
const CONTENT: &str = r#","content":"#;

/// Why a file can not be planned from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It neither begins as a snapshot does nor says in `format` that it is one.
    #[error("it is no snapshot; `kedrctl snapshot` makes one")]
    NotASnapshot,
    /// Of another version of the document, older or newer.
    #[error(
        "it has the format version {found}, and this version of kedrctl reads {FORMAT_VERSION}; take one with this version"
    )]
    Version {
        /// Its `format_version`.
        found: u64,
    },
    /// It is a snapshot that was cut off or edited, or says what can not be; how that shows, for a person.
    #[error("it is damaged: {0}; take a new one")]
    Damaged(String),
}

/// What one look at the servers told. Readers must ignore fields that they do not know.
#[derive(JsonSchema)]
#[schemars(title = "kedrctl snapshot")]
#[expect(dead_code, reason = "the schema alone is made of it: the content is digested as it stands")]
struct File {
    /// Always `kedrctl snapshot`.
    format: String,
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    format_version: u32,
    /// Of the content, as it stands in the file.
    sha256: String,
    content: Content,
}

/// What every version begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    format_version: u64,
}

#[derive(Deserialize)]
struct Digested {
    sha256: String,
}

/// The bytes of the file; the same snapshot gives the same.
///
/// # Errors
/// None that is known: the content has text keys and finite numbers only.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
    let content = ascii(&serde_json::to_string(&Content::from(snapshot))?);
    let digest = sha256_hex(&content);
    let text = format!(
        "{BEGINNING}\"format_version\":{FORMAT_VERSION},\"sha256\":\"{digest}\"{CONTENT}{content}}}\n"
    );
    Ok(text.into_bytes())
}

/// # Errors
/// Another document, another version, or not as it was written.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let damaged = |why: String| SnapshotError::Damaged(why);
    let Ok(text) = str::from_utf8(bytes) else {
        return Err(if is_snapshot(bytes) {
            damaged("it is no text".to_owned())
        } else {
            SnapshotError::NotASnapshot
        });
    };
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(why) if is_snapshot(bytes) => return Err(damaged(why.to_string())),
        Err(_other) => return Err(SnapshotError::NotASnapshot),
    };
    if head.format != FORMAT {
        return Err(SnapshotError::NotASnapshot);
    }
    if head.format_version != u64::from(FORMAT_VERSION) {
        return Err(SnapshotError::Version { found: head.format_version });
    }
    let digested: Digested = serde_json::from_str(text).map_err(|why| damaged(why.to_string()))?;
    let content = text.split_once(CONTENT).and_then(|(_, rest)| rest.trim_end().strip_suffix('}'));
    let Some(content) = content.filter(|content| sha256_hex(content) == digested.sha256) else {
        return Err(damaged("its content is not what its digest says".to_owned()));
    };
    let content: Content = serde_json::from_str(content).map_err(|why| damaged(why.to_string()))?;
    Snapshot::try_from(content).map_err(damaged)
}

/// Whether a file may be written over as an older (or broken) snapshot.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGINNING.as_bytes())
}

/// The JSON Schema of the file, as schemas/snapshot-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl io::Write) -> io::Result<()> {
    let mut schema = schemars::schema_for!(File);
    one_line(&mut schema);
    serde_json::to_writer_pretty(&mut *out, &schema).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Descriptions are doc comments, broken where the source is: a reader of the schema has another width.
fn one_line(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    schemars::transform::transform_subschemas(&mut one_line, schema);
}

/// JSON in which no character of others can drive a terminal or hide; characters beyond ASCII stand in texts only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
