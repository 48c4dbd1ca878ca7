//! The JSON Schema of a state file, for editors. It refuses what the decoder refuses, as far as one file alone
//! and the words of JSON Schema can say it.

use serde_json::{Value, json};

use super::hash_list::Format;
use super::{exclusion, group_schema, hash, policy, server, time};
use crate::model::{Direction, Protocol};

/// The schema of one state file. `schemas/kedrctl.schema.json` holds it for editors.
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kedrctl state",
        "description": "What the network isolation and the prevention rules of hosts are to be. All files together are one state.",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": {
            "version": {
                "description": "The version of this language.",
                "enum": [1, "1"],
            },
            "record": {
                "description": "Where what was done is remembered: a folder, relative to this file, or s3://bucket/prefix, az://container/prefix, gs://bucket/prefix. Default: .kedrctl beside the state. In one file only.",
                "type": "string",
                "minLength": 1,
                "anyOf": [{ "not": { "pattern": "://" } }, { "pattern": BUCKET_URL }],
            },
            "owner": {
                "description": "Who we are in a shared record. Default: default. In one file only.",
                "type": "string",
                "pattern": "^[A-Za-z0-9._-]+$",
            },
            "servers": named("Central Nodes by name.", reference("server")),
            "policy": reference("policy"),
            "exclusions": named(
                "Named sets of traffic that isolation lets through.",
                json!({ "type": "array", "items": reference("exclusion_rule") }),
            ),
            "hash_lists": named("Named lists of the hashes of files.", reference("hash_list")),
            "hosts": {
                "description": "Hosts by name, as the server lists it, unless `identity` says otherwise.",
                "type": "object",
                "propertyNames": { "pattern": VISIBLE },
                "additionalProperties": reference("host"),
            },
        },
        "$defs": definitions(),
    });
    for (name, section) in group_schema::sections() {
        schema["properties"][name] = section;
    }
    for (name, definition) in group_schema::definitions() {
        schema["$defs"][name] = definition;
    }
    schema
}

/// Near enough: not every validator knows the classes of Unicode.
pub(super) const NAME: &str = r"^[A-Za-z0-9._\u00aa-\uffff-]+$";
pub(super) const VISIBLE: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// Near enough: a part of the prefix is neither `.` nor `..`.
const BUCKET_URL: &str = "^(s3|az|gs)://[a-z0-9][a-z0-9._-]{2,221}(/[A-Za-z0-9._=-]+)*/?$";
const UUID: &str = "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$";
/// Near enough: JSON Schema cannot count labels.
const URL: &str = r"^[Hh][Tt][Tt][Pp][Ss]://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)(:[0-9]{1,5})?/?$";

fn definitions() -> Value {
    let protocols = Protocol::NAMES.map(|(name, _)| name);
    let directions = Direction::ALL.map(Direction::as_str);
    json!({
        "server": {
            "oneOf": [central_node(), {
                "description": "A simulator inside this process: no network, no credentials.",
                "type": "object",
                "required": ["simulator"],
                "additionalProperties": false,
                "properties": {
                    "simulator": text("The fleet file, relative to this file."),
                    "concurrency": reference("concurrency"),
                    "clock_tolerance": reference("clock_tolerance"),
                },
            }],
        },
        "concurrency": {
            "description": format!("Most requests in flight at once. Default: {}.", server::DEFAULT_CONCURRENCY),
            "type": "integer",
            "minimum": 1,
            "maximum": server::MAX_CONCURRENCY,
        },
        "clock_tolerance": {
            "description": "How far the server's clock may be from ours before nothing that hangs on an instant is decided. Default: 10m.",
            "type": "string",
            "pattern": time::TOLERANCE_PATTERN,
        },
        "url": { "type": "string", "pattern": URL },
        "pem": {
            "description": "A path, relative to this file; the name of the environment variable that holds the PEM text; or the program that prints it.",
            "oneOf": [
                { "type": "string", "minLength": 1, "not": { "pattern": "-----BEGIN" } },
                environment(),
                program(),
            ],
        },
        "trust": {
            "description": "Why the server's certificate is believed: an authority, exactly this certificate, or what this machine trusts. Without it, only `kedrctl register` talks to the server.",
            "oneOf": [
                { "const": "system" },
                object(&["ca"], json!({ "ca": reference("pem") })),
                object(&["sha256"], json!({
                    "sha256": { "type": "string", "pattern": "^:*([0-9A-Fa-f]:*){64}$" },
                })),
            ],
        },
        "policy": {
            "description": "What no run may do. In one file only.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "protected": {
                    "description": "Hosts that may never be isolated.",
                    "type": "array",
                    "items": { "oneOf": [
                        object(&["name"], json!({ "name": { "type": "string", "pattern": VISIBLE } })),
                        object(&["cidr"], json!({ "cidr": { "type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" } })),
                        object(&["sensor_id"], json!({ "sensor_id": reference("sensor_id") })),
                    ] },
                },
                "limits": {
                    "description": "A plan beyond any of them is refused; per server.",
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "isolations": reference("limit"),
                        "releases": reference("limit"),
                        "hosts_changed": reference("limit"),
                        "hashes_removed": reference("limit"),
                    },
                },
                "always_allow": names("Exclusion sets that every isolation gets."),
                "never_block": names("Hash lists of files that must never be blocked."),
                "tasks": { "description": "Programs may be started from declarations. Default: false.", "type": "boolean" },
                "missing": {
                    "description": "What a declared host that the server does not list is. Default: error.",
                    "enum": ["error", "warn"],
                },
            },
        },
        "limit": {
            "description": "A count, or a share such as 10%.",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": policy::LIMIT_PATTERN },
            ],
        },
        "sensor_id": { "type": "string", "pattern": UUID },
        "exclusion_rule": {
            "description": "Traffic that isolation lets through; a list stands for one rule each.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": false,
            "properties": {
                "direction": { "description": "Seen from the isolated host. Default: both.", "enum": directions },
                "protocol": one_or_list(json!({ "oneOf": [
                    { "enum": protocols },
                    { "type": "integer", "minimum": 0, "maximum": 255 },
                    { "type": "string", "pattern": "^(0|[1-9][0-9]{0,2})$" },
                ] })),
                "remote_address": one_or_list(json!({ "type": "string", "pattern": "^[0-9A-Fa-f:.]+$" })),
                "remote_ports": one_or_list(reference("ports")),
                "local_ports": one_or_list(reference("ports")),
            },
            "if": { "anyOf": [{ "required": ["remote_ports"] }, { "required": ["local_ports"] }] },
            "then": {
                "required": ["direction"],
                "properties": { "direction": { "enum": ["inbound", "outbound"] } },
            },
        },
        "ports": {
            "description": "A port, or a range such as 1000-2000.",
            "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "pattern": exclusion::PORTS_PATTERN },
            ],
        },
        "instant": {
            "description": "Date, time and offset from UTC: 2026-12-01T18:00:00+03:00.",
            "type": "string",
            "pattern": time::INSTANT_PATTERN,
        },
        "hash_text": {
            "description": "32 digits for MD5, 64 for SHA-256.",
            "oneOf": [
                { "type": "string", "pattern": hash::HASH_PATTERN, "not": { "pattern": hash::EMPTY_FILE_PATTERN } },
                // Without quotes, editors read an all-digit hash as a number; kedrctl takes the text.
                { "type": "number" },
            ],
        },
        "hash_object": {
            "oneOf": [hash_object("sha256", 64, true), hash_object("md5", 32, true)],
        },
        "hash_list": {
            "oneOf": [
                { "type": "array", "items": { "oneOf": [reference("hash_text"), reference("hash_object")] } },
                hash_list_file(),
            ],
        },
        "host": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "identity": {
                    "description": "Who is meant. Default: the key is the name.",
                    "oneOf": [
                        object(&["name"], json!({ "name": { "type": "string", "pattern": VISIBLE } })),
                        object(&["ip"], json!({ "ip": { "type": "string", "pattern": "^[0-9A-Fa-f:.]+$" } })),
                        object(&["sensor_id"], json!({ "sensor_id": reference("sensor_id") })),
                    ],
                },
                "server": { "description": "May be left out when only one is declared.", "type": "string", "pattern": NAME },
                "isolation": reference("isolation"),
                "prevention": reference("prevention"),
            },
        },
        "isolation": {
            "description": "`off` releases the host.",
            "oneOf": [{ "enum": ["off", "false", false] }, isolated("until"), isolated("lease")],
        },
        "prevention": {
            "description": "What is to be blocked; what others put there is kept, unless `exact` is true.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": false,
            "properties": {
                "block": {
                    "description": "Names of hash lists, and single hashes.",
                    "type": "array",
                    "items": { "oneOf": [
                        // A name cannot look like a hash, right or wrong.
                        { "type": "string", "pattern": NAME, "not": { "pattern": "^[0-9A-Fa-f]{24,}$" } },
                        reference("hash_text"),
                        reference("hash_object"),
                    ] },
                },
                "unblock": {
                    "description": "Hashes that are to be taken out of the rule.",
                    "type": "array",
                    "items": { "oneOf": [
                        reference("hash_text"),
                        hash_object("sha256", 64, false),
                        hash_object("md5", 32, false),
                    ] },
                },
                "exact": { "description": "The rule is exactly `block`. Default: false.", "type": "boolean" },
            },
            "if": { "required": ["exact"], "properties": { "exact": { "const": true } } },
            "then": { "required": ["block"] },
        },
    })
}

fn environment() -> Value {
    object(&["env"], json!({ "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" } }))
}

fn program() -> Value {
    object(
        &["command"],
        json!({ "command": { "type": "array", "minItems": 1, "items": { "type": "string" } } }),
    )
}

fn central_node() -> Value {
    json!({
        "description": "A Central Node.",
        "type": "object",
        "required": ["url", "external_system_id", "client_certificate", "client_key"],
        "additionalProperties": false,
        "properties": {
            "url": {
                "description": "https://, host and, where it is not 443, port; a list for a cluster.",
                "oneOf": [reference("url"), { "type": "array", "minItems": 1, "items": reference("url") }],
            },
            "external_system_id": {
                "description": "The id that the external system was registered with; usually a UUID.",
                "type": "string",
                "pattern": "^[A-Za-z0-9-]+$",
            },
            "client_certificate": reference("pem"),
            "client_key": reference("pem"),
            "client_key_passphrase": {
                "description": "Where the passphrase of an encrypted key comes from. Default: you are asked.",
                "oneOf": [environment(), program()],
            },
            "trust": reference("trust"),
            "concurrency": reference("concurrency"),
            "clock_tolerance": reference("clock_tolerance"),
        },
    })
}

/// An isolation with one of the two ways to say its end.
pub(super) fn isolated(term: &str) -> Value {
    let end = if term == "until" {
        reference("instant")
    } else {
        json!({
            "description": "In force for as long as the file says so, renewed in time: 2h to 9999h, or whole days.",
            "type": "string",
            "pattern": time::LEASE_PATTERN,
        })
    };
    object(
        &[term],
        json!({
            term: end,
            "exclusions": {
                "description": "Names of exclusion sets, and rules that stand right here.",
                "type": "array",
                "items": { "oneOf": [{ "type": "string", "pattern": NAME }, reference("exclusion_rule")] },
            },
            "reason": {
                "description": "Shown and recorded, never sent.",
                "type": "string",
                "pattern": VISIBLE,
            },
        }),
    )
}

fn hash_object(algorithm: &str, digits: usize, with_until: bool) -> Value {
    let mut properties = json!({
        algorithm: {
            "oneOf": [
                {
                    "type": "string",
                    "pattern": format!("^[0-9A-Fa-f]{{{digits}}}$"),
                    "not": { "pattern": hash::EMPTY_FILE_PATTERN },
                },
                { "type": "number" },
            ],
        },
        "comment": { "type": "string" },
    });
    if with_until {
        properties["until"] = reference("instant");
    }
    object(&[algorithm], properties)
}

/// A file whose name tells its format, or one whose format is given.
fn hash_list_file() -> Value {
    let formats = Format::ALL.map(|(name, _)| name);
    json!({
        "type": "object",
        "required": ["file"],
        "additionalProperties": false,
        "properties": {
            "file": text("A file with hashes, relative to this file."),
            "format": {
                "description": "Default: by the ending, .csv, .stix.json, .misp.json; any other but .json is text.",
                "enum": formats,
            },
        },
        "if": { "properties": { "file": { "pattern": r"\.[Jj][Ss][Oo][Nn]$", "not": { "pattern": r"\.([Ss][Tt][Ii][Xx]|[Mm][Ii][Ss][Pp])\.[Jj][Ss][Oo][Nn]$" } } } },
        "then": { "required": ["format"] },
    })
}

pub(super) fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string", "minLength": 1 })
}

pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

pub(super) fn one_or_list(item: Value) -> Value {
    json!({ "oneOf": [item, { "type": "array", "minItems": 1, "items": item }] })
}

fn names(description: &str) -> Value {
    json!({ "description": description, "type": "array", "items": { "type": "string", "pattern": NAME } })
}

pub(super) fn named(description: &str, value: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SNAPSHOTS=overwrite cargo test --lib schema` writes the file.
    #[test]
    fn the_file_in_the_repository_is_this_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/kedrctl.schema.json");
        let written = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        let expected = snapbox::Data::read_from(path.as_ref(), Some(snapbox::data::DataFormat::Text)).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(written, expected);
    }
}
