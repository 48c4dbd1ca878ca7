//! What the schema says of many hosts at once: groups, the rules for all hosts, tasks.

use serde_json::{Value, json};

use super::schema::{NAME, VISIBLE, isolated, named, object, one_or_list, reference};

/// The sections of a state.
pub(super) fn sections() -> [(&'static str, Value); 3] {
    let all_hosts = object(&["prevention"], json!({ "prevention": reference("prevention") }));
    let of_servers = "The rule for all hosts of a server, by the server. Understood, and not yet written.";
    let of_tasks = "Programs that are started once on each host. Understood, and not yet started.";
    [
        ("groups", named("Many hosts by what they are, or by their names.", reference("group"))),
        ("all_hosts", named(of_servers, all_hosts)),
        ("tasks", named(of_tasks, reference("task"))),
    ]
}

pub(super) fn definitions() -> [(&'static str, Value); 4] {
    [
        ("host_name", json!({ "type": "string", "pattern": VISIBLE, "not": { "pattern": "[*?]" } })),
        ("host_pattern", json!({ "type": "string", "pattern": VISIBLE })),
        ("group", group()),
        ("task", task()),
    ]
}

fn group() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "match": {
                "description": "All that is given must hold; of the items of one list, one.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "properties": {
                    "name": one_or_list(reference("host_pattern")),
                    "cidr": one_or_list(json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" })),
                    "os": one_or_list(reference("host_name")),
                },
            },
            "hosts": one_or_list(reference("host_name")),
            "hosts_file": {
                "description": "A text file with one host a line and comments after `#`, relative to this file.",
                "type": "string",
                "minLength": 1,
            },
            "except": one_or_list(reference("host_pattern")),
            "server": server(),
            "isolation": {
                "description": "`off` is a check: who is isolated all the same is reported, and nobody is released.",
                "oneOf": [{ "enum": ["off", "false", false] }, isolated("until")],
            },
            "prevention": reference("prevention"),
        },
        "oneOf": [{ "required": ["match"] }, { "required": ["hosts"] }, { "required": ["hosts_file"] }],
    })
}

fn task() -> Value {
    let visible = || json!({ "type": "string", "pattern": VISIBLE });
    json!({
        "type": "object",
        "required": ["run", "not_after"],
        "additionalProperties": false,
        "properties": {
            "hosts": one_or_list(reference("host_name")),
            "groups": one_or_list(json!({ "type": "string", "pattern": NAME })),
            "server": server(),
            "run": object(&["command"], json!({
                "command": visible(),
                "arguments": visible(),
                "working_directory": visible(),
            })),
            "not_after": reference("instant"),
            "generation": {
                "description": "A higher one starts the same program once more. Default: 1.",
                "type": "integer",
                "minimum": 1,
            },
            "state": { "description": "Default: present.", "enum": ["present", "absent"] },
        },
        "anyOf": [{ "required": ["hosts"] }, { "required": ["groups"] }],
    })
}

fn server() -> Value {
    json!({ "description": "May be left out when only one is declared.", "type": "string", "pattern": NAME })
}
