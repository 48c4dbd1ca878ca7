//! Telling a clash of prevention rules from other refusals. The help says that such an answer carries the list of
//! the hosts to which the rule already applies, and names the first clashing file; neither its status nor its shape
//! is documented (response-api.md, "Errors"), so anything that looks like it is taken for it.

use serde_json::{Map, Value};

use super::wire::without_bom;
use crate::model::{SensorId, Untrusted};

/// Words of a text that speaks of a clash.
const WORDS: [&str; 5] = ["already", "conflict", "clash", "уже", "конфликт"];

/// The fields by which a host may be called, the most telling first.
const LABELS: [&str; 7] = ["hostName", "hostname", "host", "name", "sensorId", "hostIp", "ip"];

/// The hosts that a refusal lists; empty where there are none that we can make out.
pub fn listed_hosts(body: &[u8]) -> Vec<Untrusted> {
    let mut hosts = Vec::new();
    // A text that is no JSON lists no hosts for us; it is shown as it is.
    if let Ok(value) = serde_json::from_slice::<Value>(without_bom(body)) {
        gather(&value, false, &mut hosts);
    }
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

/// Whether a refusal says that a file is in another rule already (response-api.md, section 4, "Clash").
pub fn speaks_of_clash(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// `of_hosts`: whether the field that the value stands in is named after hosts.
fn gather(value: &Value, of_hosts: bool, hosts: &mut Vec<Untrusted>) {
    match value {
        Value::Array(elements) => {
            for element in elements {
                gather_element(element, of_hosts, hosts);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                let field = field.to_lowercase();
                let of_hosts = ["host", "sensor", "agent"].iter().any(|word| field.contains(word));
                gather(value, of_hosts, hosts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn gather_element(element: &Value, of_hosts: bool, hosts: &mut Vec<Untrusted>) {
    match element {
        Value::String(text) if of_hosts || text.parse::<SensorId>().is_ok() => {
            hosts.push(Untrusted::new(text.as_str()));
        }
        Value::Object(fields) => match label(fields, of_hosts) {
            Some(host) => hosts.push(Untrusted::new(host)),
            None => gather(element, of_hosts, hosts),
        },
        Value::Array(_) => gather(element, of_hosts, hosts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn label(fields: &Map<String, Value>, of_hosts: bool) -> Option<&str> {
    LABELS
        .iter()
        // In a list that is not of hosts, `name` may be that of a file.
        .filter(|field| of_hosts || **field != "name")
        .find_map(|field| fields.get(*field).and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_many_shapes() {
        for (body, expected) in [
            (r#"{"error": "x", "hosts": ["ws-1", "ws-2", "ws-1"]}"#, "ws-1 ws-2"),
            (r#"{"error": {"sensors": [{"sensorId": "7", "host": "ws-1"}]}}"#, "ws-1"),
            (r#"{"hostList": [{"name": "ws-1"}], "file": {"name": "a.exe"}}"#, "ws-1"),
            (r#"[{"hostName": "ws-1"}]"#, "ws-1"),
            (r#"["5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11"]"#, "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11"),
            (r#"{"objects": [{"name": "a.exe"}], "error": "bad hash"}"#, ""),
            (r#"{"error": "incorrect parameters"}"#, ""),
            ("<html>", ""),
            ("", ""),
        ] {
            let hosts = listed_hosts(body.as_bytes());
            let shown = hosts.iter().map(Untrusted::raw).collect::<Vec<_>>().join(" ");
            assert_eq!(shown, expected, "{body}");
        }
    }

    #[test]
    fn a_text_may_speak_of_a_clash() {
        assert!(speaks_of_clash(b"Rule Already applies to hosts"));
        assert!(!speaks_of_clash(b"incorrect parameters"));
    }
}
