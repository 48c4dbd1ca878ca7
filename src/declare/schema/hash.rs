use schemars::JsonSchema;

use super::words::{Hash, Instant, Md5, Path, Sha256, Text};

/// Hashes that stand here, or a file of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum HashList {
    Here(Vec<ListedHash>),
    File(HashListFile),
}

#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("anyOf" = [
        { "required": ["format"] },
        { "properties": { "file": { "anyOf": [
            { "type": ["number", "boolean"] },
            { "pattern": r"\.([Ss][Tt][Ii][Xx]|[Mm][Ii][Ss][Pp])\.[Jj][Ss][Oo][Nn]$" },
            { "not": { "pattern": r"\.[Jj][Ss][Oo][Nn]$" } },
        ] } } },
    ])
)]
pub(super) struct HashListFile {
    /// A file of hashes, relative to this file; its ending says how it is written: .csv, .stix.json, .misp.json, and
    /// anything else is a text file with one hash a line and comments after `#`.
    file: Path,
    /// How the file is written, where its ending does not say so.
    format: Option<Format>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Format {
    Text,
    Csv,
    Stix,
    Misp,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum ListedHash {
    Bare(Hash),
    Described(DescribedHash),
}

/// A hash with what is said about it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["sha256"] }, { "required": ["md5"] }]))]
pub(super) struct DescribedHash {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    /// What the file is.
    comment: Option<Text>,
    /// From then on it is taken out.
    until: Option<Instant>,
}

/// A hash that is to be taken out, at once.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["sha256"] }, { "required": ["md5"] }]))]
pub(super) struct UnblockedHash {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    /// What the file is.
    comment: Option<Text>,
}
