//! A saved plan's file: one JSON document in ASCII, with a digest of what it says.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::change::Step;
use super::connection::{Connection, absolute, text};
use super::policy::Policy;
use super::rules::RulesWriter;
use super::wire::{self, File};
use super::{Flags, SavedPlan};
use crate::declare::{self, DeclaredServer, Forbidden, RecordLocation};
use crate::model::{ServerKey, ServerName, sha256_hex};
use crate::plan::{ListedTimeouts, Plan, Scope, ServerClock, ServerPlan, ServerState};

/// The version of the document. Whatever is added makes it another one: see [`SavedPlanError::Version`].
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "kedrctl-plan";

/// Why a file is no plan that could be carried out, or a plan could not be put into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedPlanError {
    /// It is no JSON, or its `format` is another one.
    #[error("it is no saved plan; `kedrctl plan -o FILE` makes one")]
    NotASavedPlan,
    /// Another version may say more, and a plan must not be carried out in part.
    #[error(
        "it has the format version {found}, and this version of kedrctl reads {FORMAT_VERSION}; plan again with this version"
    )]
    Version {
        /// What the file says.
        found: u64,
    },
    /// It says that it is a plan, and its digest, its `plan_id` or a value does not fit; with what is wrong.
    #[error("it was altered, or is not whole: {0}; plan again")]
    Damaged(String),
    /// JSON can not hold this path: it is not UTF-8. Only [`encode`] ends so.
    #[error("the path {} is no text, and can not be put into a plan", .0.display())]
    Path(PathBuf),
}

/// The bytes of the file; the same plan gives the same.
///
/// # Errors
/// A path that is no text.
pub fn encode(saved: &SavedPlan) -> Result<Vec<u8>, SavedPlanError> {
    let mut file = written(saved).map_err(SavedPlanError::Path)?;
    let damaged = |error: serde_json::Error| SavedPlanError::Damaged(error.to_string());
    file.sha256 = digest(&serde_json::to_value(&file).map_err(damaged)?);
    let mut text = ascii(&serde_json::to_string_pretty(&file).map_err(damaged)?);
    text.push('\n');
    Ok(text.into_bytes())
}

/// # Errors
/// Another document, another version, or not what was written.
pub fn decode(bytes: &[u8]) -> Result<SavedPlan, SavedPlanError> {
    let damaged = SavedPlanError::Damaged;
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(why) if is_saved_plan(bytes) => return Err(damaged(why.to_string())),
        Err(_other) => return Err(SavedPlanError::NotASavedPlan),
    };
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(SavedPlanError::NotASavedPlan);
    }
    match value.get("format_version").map(|version| (version, version.as_u64())) {
        Some((_, Some(version))) if version == u64::from(FORMAT_VERSION) => {}
        Some((_, Some(found))) => return Err(SavedPlanError::Version { found }),
        Some((_, None)) | None => return Err(damaged("it has no format version".to_owned())),
    }
    if value.get("sha256").and_then(Value::as_str) != Some(&digest(&value)) {
        return Err(damaged("what it says is not what its digest says".to_owned()));
    }
    let file: File = serde_json::from_value(value).map_err(|why| damaged(why.to_string()))?;
    let plan_id = file.plan_id.clone();
    let saved = read(file).map_err(damaged)?;
    if saved.plan.id() != plan_id {
        return Err(damaged("its changes are not those of its `plan_id`".to_owned()));
    }
    Ok(saved)
}

/// Whether a file may be written over as an older (or broken) plan: by its beginning.
pub fn is_saved_plan(bytes: &[u8]) -> bool {
    let beginning = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    let expected = br#"{"format":"kedrctl-plan""#;
    beginning.take(expected.len()).eq(expected)
}

/// The JSON Schema of the file, as schemas/plan-file-v1.schema.json has it.
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
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    schemars::transform::transform_subschemas(&mut one_line, schema);
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: jiff::Error| format!("`{text}`: {error}"))
}

fn written(saved: &SavedPlan) -> Result<File, PathBuf> {
    let plan = &saved.plan;
    let servers = plan.servers.iter().filter_map(|server| match &server.state {
        ServerState::Read { key, hosts_listed, distinct_hashes, .. } => {
            let declared = saved.servers.get(&server.server)?;
            Some(self::server(server, declared, (key, *hosts_listed, *distinct_hashes), plan.now))
        }
        ServerState::ListNotBelieved { .. }
        | ServerState::Unrecorded { .. }
        | ServerState::Unreachable { .. } => None,
    });
    Ok(File {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        sha256: String::new(),
        plan_id: plan.id(),
        made_at: plan.now.to_string(),
        observed_at: plan.observed_at.to_string(),
        made_with: saved.made_with.clone(),
        complete: saved.is_complete,
        owner: plan.owner.to_string(),
        files: saved.files.iter().map(|path| text(path)).collect::<Result<_, _>>()?,
        record: wire::Record {
            place: match &saved.record.place {
                declare::RecordPlace::Folder(folder) => wire::RecordPlace::Folder(text(folder)?),
                declare::RecordPlace::Bucket(url) => wire::RecordPlace::Url(url.to_string()),
            },
            declared: saved.record.is_declared,
        },
        policy: Policy::of(&saved.policy, &saved.never_block),
        flags: wire::Flags {
            allow: saved.flags.allow.iter().map(ToString::to_string).collect(),
            take_over: saved.flags.take_over.iter().cloned().collect(),
            accept_moved: saved.flags.accept_moved.iter().cloned().collect(),
            accept_short_list: saved.flags.accept_short_list,
        },
        servers: servers.collect::<Result<_, _>>()?,
    })
}

fn server(
    plan: &ServerPlan,
    declared: &DeclaredServer,
    (key, hosts_listed, distinct_hashes): (&ServerKey, u64, u64),
    now: Timestamp,
) -> Result<wire::Server, PathBuf> {
    let mut rules = RulesWriter::default();
    let steps = plan.steps.iter().map(|step| Step::of(step, now, &mut rules)).collect();
    Ok(wire::Server {
        name: plan.server.to_string(),
        address: plan.address.clone(),
        key: key.to_string(),
        hosts_listed,
        distinct_hashes,
        origin: (&declared.origin).into(),
        connection: Connection::of(&declared.connection)?,
        concurrency: declared.concurrency,
        clock_tolerance_seconds: declared.clock_tolerance.as_secs(),
        rules: rules.rules(),
        steps,
    })
}

pub(super) fn read(file: File) -> Result<SavedPlan, String> {
    let (made_at, observed_at) = (instant(&file.made_at)?, instant(&file.observed_at)?);
    let mut plan =
        Plan { now: made_at, observed_at, scope: Scope::All, owner: file.owner.into(), servers: Vec::new() };
    let mut servers = BTreeMap::new();
    for server in file.servers {
        let rules = server.rules.read()?;
        let name = ServerName::new(server.name);
        let steps: Result<_, String> = server.steps.into_iter().map(|step| step.read(&rules)).collect();
        plan.servers.push(ServerPlan {
            server: name.clone(),
            address: server.address,
            origin: server.origin.clone().into(),
            state: ServerState::Read {
                key: ServerKey::as_recorded(server.key),
                hosts_listed: server.hosts_listed,
                // What was found beside the changes is not kept, and asked anew.
                clock: ServerClock::NotGiven,
                last_run: None,
                distinct_hashes: server.distinct_hashes,
                timeouts: ListedTimeouts::NotKnown,
            },
            steps: steps?,
            judged: Arc::default(),
            findings: Vec::new(),
        });
        if server.concurrency == 0 {
            return Err(format!("server `{name}`: no request at once"));
        }
        let declared = DeclaredServer {
            name: name.clone(),
            origin: server.origin.into(),
            connection: server.connection.declared()?,
            concurrency: server.concurrency,
            clock_tolerance: SignedDuration::from_secs(server.clock_tolerance_seconds),
        };
        if servers.insert(name.clone(), declared).is_some() {
            return Err(format!("the server `{name}` stands twice"));
        }
    }
    let place = match file.record.place {
        wire::RecordPlace::Folder(folder) => declare::RecordPlace::Folder(absolute(folder)?),
        wire::RecordPlace::Url(url) => declare::RecordPlace::Bucket(
            url.parse().map_err(|error| format!("`{url}` is no place of a record: {error}"))?,
        ),
    };
    let (policy, known_by_one) = file.policy.declared()?;
    let never_block = Forbidden::judged_before(plan.added_hashes().collect(), known_by_one);
    let allow =
        file.flags.allow.iter().map(|text| text.parse().map_err(|error| format!("`{text}`: {error}")));
    Ok(SavedPlan {
        is_complete: file.complete,
        made_with: file.made_with,
        files: file.files.into_iter().map(PathBuf::from).collect(),
        record: RecordLocation { place, is_declared: file.record.declared },
        servers,
        policy,
        never_block,
        flags: Flags {
            allow: allow.collect::<Result<_, String>>()?,
            take_over: file.flags.take_over.into_iter().collect(),
            accept_moved: file.flags.accept_moved.into_iter().collect(),
            accept_short_list: file.flags.accept_short_list,
        },
        plan,
    })
}

/// The SHA-256 of a document without its `sha256`: however it is spaced, and in whatever order its keys stand.
pub(super) fn digest(document: &Value) -> String {
    let mut text = String::new();
    canonical(document, true, &mut text);
    sha256_hex(text)
}

fn canonical(value: &Value, is_top: bool, text: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> =
                map.iter().filter(|(key, _)| !is_top || *key != "sha256").collect();
            text.push('{');
            for (n, (key, value)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, false, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                canonical(item, false, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string())
        }
    }
}

/// JSON in which no character of others can drive a terminal or hide; characters beyond ASCII stand in texts only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if (c.is_ascii() && c != '\u{7f}') || c == '\n' {
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
