//! What `show --format json` writes (docs/json-output.md, schemas/show-v1.schema.json).

use std::collections::BTreeMap;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::Shown;
use crate::guard::Judgement;
use crate::model::{PreventionRule, Reading};
use crate::report::hosts::{Host, json_host};
use crate::report::json::{self, Contact, Setting, instant, isolation, write_schema_of};
use crate::report::{Told, View, escape, why};

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// All that is known of one host. Readers must ignore fields that they do not know: new ones may come within a format
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl show")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What the document is.
    pub kind: Kind,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// As the files call it.
    pub server: String,
    /// The server's first URL, or the simulator's fleet file.
    pub address: String,
    /// As its server lists it.
    pub host: Host,
    /// Whether it is cut off from the network.
    pub isolation: Known,
    /// When the listed isolation ends at the soonest, where the record shows that we set it: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub isolated_until: Option<String>,
    /// Whether its agent can have fetched the isolation that is listed: `seen`, `waiting` (no contact since it was set),
    /// `silent` (none for over 5 hours), `unsupported`; `null`: no isolation is listed, or not one of ours.
    pub isolation_contact: Option<Contact>,
    /// Its own rule.
    pub prevention: Known,
    /// How many of the hashes in it are ours.
    pub hashes_ours: usize,
    /// The rule for all hosts of its server.
    pub prevention_for_all: Known,
    /// The rule of `policy.protected` that keeps it from being isolated: `FILE:LINE`.
    pub protected_by: Option<String>,
    /// What `plan --format json` says of this host alone: what is declared, from where, and how it stands.
    pub plan: json::Document,
    /// What the record tells of it, as in `why --format json`; `null`: it could not be read.
    pub record: Option<Vec<why::Subject>>,
    /// Why the record could not be read.
    pub record_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Show,
}

/// What stands on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Known {
    Rule { rule: Setting },
    None,
    Unknown { why: String },
}

/// All that is known of one host, as a document.
pub fn document(shown: &Shown<'_>) -> Document {
    let host = shown.host;
    let blocks =
        |rule: &std::sync::Arc<PreventionRule>| Setting::Prevention { hash_count: rule.objects.len() };
    let (id, judgement, recorded) = (host.plan.id(), Judgement::default(), BTreeMap::new());
    let told = Told {
        plan: &host.plan,
        judgement: &judgement,
        plan_id: &id,
        view: View::Plan,
        recorded: &recorded,
        since: None,
    };
    let (record, record_error) = match &shown.record {
        Ok(stories) => {
            (Some(stories.of.iter().map(|story| why::subject(story, stories.counts)).collect()), None)
        }
        Err(why) => (None, Some(why.clone())),
    };
    Document {
        format_version: FORMAT_VERSION,
        kind: Kind::Show,
        now: instant(shown.now()),
        server: shown.server.to_string(),
        address: shown.address.to_owned(),
        host: json_host(&host.sensor, shown.now()),
        isolation: known(&host.isolation, isolation),
        isolated_until: host.isolated_until().map(instant),
        isolation_contact: host.isolation_contact.map(Into::into),
        prevention: known(&host.prevention, blocks),
        hashes_ours: host.ours,
        prevention_for_all: known(&host.for_all, blocks),
        protected_by: shown.protected_by.as_ref().map(ToString::to_string),
        plan: json::document(&told),
        record,
        record_error,
    }
}

fn known<T>(reading: &Reading<T>, rule: impl Fn(&T) -> Setting) -> Known {
    match reading {
        Reading::Present(value) => Known::Rule { rule: rule(value) },
        Reading::Absent => Known::None,
        Reading::Unknown(why) => Known::Unknown { why: why.to_string() },
    }
}

/// Writes the document; what could drive a terminal or hide text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write_json(shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
    escape::write_json(&document(shown), out)
}

/// The JSON Schema of [`Document`], as schemas/show-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Document>(out)
}

#[cfg(test)]
mod tests {
    use snapbox::assert_data_eq;

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_document() {
        let mut schema = Vec::new();
        super::write_schema(&mut schema).unwrap();
        let schema = String::from_utf8(schema).unwrap();
        assert_data_eq!(schema, snapbox::file!["../../../schemas/show-v1.schema.json": Text].raw());
    }
}
