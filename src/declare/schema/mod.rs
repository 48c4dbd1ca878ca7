//! The JSON Schema of a state file, for editors: types that have the shape of the file, and descriptions from their
//! doc comments. It refuses what the decoder refuses, as far as one file alone and the words of JSON Schema can say it
//! (tests/schema.rs holds both together, and lists what cannot be said).

#![expect(dead_code, reason = "only the schemas of these types are used: the decoder makes `Declared`")]

mod exclusion;
mod group;
mod hash;
mod host;
mod policy;
mod server;
mod task;
mod words;

use std::borrow::Cow;
use std::io::{self, Write};
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// What the network isolation and the prevention rules of hosts are to be. All files together are one state.
#[derive(JsonSchema)]
#[schemars(title = "kedrctl state", deny_unknown_fields)]
struct State {
    /// The version of this language.
    version: words::Version,
    /// Where what was done is remembered: a folder, relative to this file, or s3://bucket/prefix, az://container/prefix,
    /// gs://bucket/prefix. Default: .kedrctl beside the state. In one file only.
    record: Option<words::Record>,
    /// Who we are in a shared record. Default: default. In one file only.
    owner: Option<words::Owner>,
    /// Central Nodes by name.
    servers: Option<Named<server::Server>>,
    policy: Option<policy::Policy>,
    /// Named sets of traffic that isolation lets through.
    exclusions: Option<Named<Vec<exclusion::ExclusionRule>>>,
    /// Named lists of the hashes of files.
    hash_lists: Option<Named<hash::HashList>>,
    /// Hosts by name, as the server lists it, unless `identity` says otherwise.
    hosts: Option<Hosts>,
    /// Many hosts at once by name: by what they have in common, or by a list.
    groups: Option<Groups>,
    /// The rule for all hosts of a server, by the name of the server.
    all_hosts: Option<Named<group::AllHosts>>,
    /// Programs that are started once on each host that they name.
    tasks: Option<Named<task::Task>>,
}

/// The schema of one state file. `schemas/kedrctl.schema.json` holds it for editors.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .with_transform(RecursiveTransform(on_one_line));
    settings.into_generator().into_root_schema_for::<State>().to_value()
}

/// Writes [`schema`] with two spaces of indent and a line break at its end.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &schema()).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// A key that may be left out is an `Option`, but no key takes a null: `isolation:` with nothing behind it is a
/// mistake.
fn without_null(schema: &mut Schema) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(any)) = schema.get_mut("anyOf")
        && any.iter().any(is_null)
    {
        any.retain(|one| !is_null(one));
        if let [Value::Object(only)] = any.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                // What stands at the key itself says more.
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
}

/// Descriptions are doc comments, broken where the source is: an editor has another width.
fn on_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// A mapping whose keys are names that the user chose.
struct Named<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": words::NAME, "not": { "pattern": words::LIKE_A_HASH } },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// The mapping of hosts, whose names somebody else chose.
struct Hosts;

impl JsonSchema for Hosts {
    fn schema_name() -> Cow<'static, str> {
        "Hosts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": words::VISIBLE },
            "additionalProperties": generator.subschema_for::<host::Host>(),
        })
    }
}

/// The mapping of groups: `--limit` could not tell a group `all` from everyone.
struct Groups;

impl JsonSchema for Groups {
    fn schema_name() -> Cow<'static, str> {
        "Groups".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": {
                "pattern": words::NAME,
                "not": { "anyOf": [{ "pattern": words::LIKE_A_HASH }, { "const": "all" }] },
            },
            "additionalProperties": generator.subschema_for::<group::Group>(),
        })
    }
}

/// One value, or a list of at least one.
struct OneOrList<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OneOrList<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrListOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SNAPSHOTS=overwrite cargo test --lib schema` writes the file.
    #[test]
    fn the_file_in_the_repository_is_this_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/kedrctl.schema.json");
        let mut written = Vec::new();
        write_schema(&mut written).unwrap();
        let expected = snapbox::Data::read_from(path.as_ref(), Some(snapbox::data::DataFormat::Text)).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(String::from_utf8(written).unwrap(), expected);
    }

    /// Every key is described where an editor shows it: at itself, or at what it refers to.
    #[test]
    fn every_key_is_described() {
        fn check(at: &str, schema: &Value, root: &Value) {
            // What stands in a condition is not shown.
            let is_shown = schema.get("additionalProperties").is_some();
            if let (true, Some(Value::Object(properties))) = (is_shown, schema.get("properties")) {
                for (key, value) in properties {
                    let referred = value["$ref"].as_str().and_then(|path| root.pointer(&path[1..]));
                    let is_described =
                        [Some(value), referred].iter().flatten().any(|it| it.get("description").is_some());
                    assert!(is_described, "{at}.{key} has no description");
                }
            }
            match schema {
                Value::Object(map) => {
                    map.iter().for_each(|(key, value)| check(&format!("{at}.{key}"), value, root))
                }
                Value::Array(items) => items.iter().for_each(|value| check(at, value, root)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let schema = schema();
        check("", &schema, &schema);
    }
}
