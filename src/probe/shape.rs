//! What a server's answer looks like, with nothing in it of whose it is: for a report that goes to strangers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::{FileHash, HostList};

/// So many characters of a message are shown.
const MESSAGE: usize = 200;

/// Knows the words that must not be told.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// The longest first: a name may hold another one. In lower case.
    words: Vec<String>,
}

impl Redactor {
    /// `more`: the server's address, our id and whatever else is nobody's business.
    pub fn new(hosts: &HostList, more: impl IntoIterator<Item = String>) -> Self {
        let mut words: BTreeSet<String> = more.into_iter().collect();
        for sensor in hosts.sensors.values() {
            if let Some(name) = &sensor.name {
                words.insert(name.raw().to_owned());
                words.extend(name.raw().split('.').next().map(str::to_owned));
            }
            words.extend(sensor.addresses.iter().map(IpAddr::to_string));
            words.insert(sensor.id.to_string());
            words.insert(sensor.id.uuid().simple().to_string());
        }
        let mut words: Vec<String> = words
            .into_iter()
            .map(|word| word.to_lowercase())
            .filter(|word| word.chars().count() > 1)
            .collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self { words }
    }

    /// The structure of a body: keys, kinds of values, messages without names.
    pub(super) fn shape(&self, body: &[u8]) -> Value {
        let has_bom = body.starts_with(b"\xef\xbb\xbf");
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return json!("(empty)");
        }
        let shape = match serde_json::from_slice::<Value>(body) {
            Ok(value) => self.of(&value, None),
            Err(_no_json) if body.trim_ascii_start().starts_with(b"<") => json!("(markup)"),
            Err(_no_json) => json!({ "(text)": self.message(&String::from_utf8_lossy(body)) }),
        };
        if has_bom { json!({ "(byte order mark, then)": shape }) } else { shape }
    }

    fn of(&self, value: &Value, key: Option<&str>) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                // A number may be an instant, which tells when; its size tells its unit.
                match number.as_u64() {
                    Some(small) if small < 1_000_000_000 => value.clone(),
                    Some(large) => json!(format!("<number of {} digits>", large.to_string().len())),
                    None => json!("<number>"),
                }
            }
            Value::String(text) => match key {
                Some("error" | "message" | "detail" | "description" | "reason") => json!(self.message(text)),
                Some(_) | None => json!(kind(text)),
            },
            Value::Array(items) => {
                let mut shown: Vec<Value> = items.iter().take(1).map(|item| self.of(item, key)).collect();
                if items.len() > 1 {
                    shown.push(json!(format!("… {} in all", items.len())));
                }
                Value::Array(shown)
            }
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (self.message(name), self.of(value, Some(name))))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// A server's own words, without names, addresses, ids and hashes.
    fn message(&self, text: &str) -> String {
        let mut rest = text.to_lowercase();
        // Case is lost where something was taken out: lower case has other lengths in some scripts.
        let original = rest.clone();
        for word in &self.words {
            rest = rest.replace(word.as_str(), "<known>");
        }
        let shown = if rest == original { text.to_owned() } else { rest };
        let words = shown.split_inclusive(|c: char| !(c.is_alphanumeric() || "-.:_<>".contains(c)));
        let redacted: String = words
            .map(|word| {
                let bare = word.trim_end_matches(|c: char| !(c.is_alphanumeric() || "-.:_<>".contains(c)));
                let bare = bare.trim_end_matches(['.', ':']);
                let tag = kind(bare);
                if tag == "<text>" || bare.is_empty() {
                    word.to_owned()
                } else {
                    word.replacen(bare, &tag, 1)
                }
            })
            .collect();
        redacted.chars().take(MESSAGE).collect()
    }
}

/// What a text is, by its form.
fn kind(text: &str) -> String {
    let case = |text: &str| match (
        text.chars().any(|c| c.is_ascii_lowercase()),
        text.chars().any(|c| c.is_ascii_uppercase()),
    ) {
        (true, false) => ", lower case",
        (false, true) => ", upper case",
        (true, true) => ", mixed case",
        (false, false) => "",
    };
    if let Ok(hash) = text.parse::<FileHash>() {
        return format!("<{}{}>", hash.algorithm(), case(text));
    }
    if text.len() >= 32 && Uuid::try_parse(text).is_ok() {
        return format!("<uuid{}>", case(text));
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => return "<ipv4>".to_owned(),
        Ok(IpAddr::V6(_)) => return "<ipv6>".to_owned(),
        Err(_) => {}
    }
    if text.parse::<jiff::Timestamp>().is_ok() {
        return "<rfc 3339>".to_owned();
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("<{} digits>", text.len());
    }
    if text.is_empty() { "<empty text>".to_owned() } else { "<text>".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{LastAccess, Sensor, SensorId, Untrusted};

    fn redactor() -> Redactor {
        let id: SensorId = "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap();
        let sensor = Sensor {
            id,
            name: Some(Untrusted::new("WS-017.corp.example")),
            addresses: vec!["10.1.2.3".parse().unwrap()],
            last_access: LastAccess::Unknown,
            agent_version: None,
            os_family: None,
            os_name: None,
            capabilities: Vec::new(),
        };
        let hosts = HostList { sensors: [(id, Arc::new(sensor))].into(), ..HostList::default() };
        Redactor::new(&hosts, ["kata.example.org".to_owned()])
    }

    #[test]
    fn a_shape_has_no_names_in_it() {
        let body = r#"{"error": "rule exists on WS-017.corp.example (5B0D2C1E-6F2E-4F4C-8A55-0B5B0C8F7A11, 10.9.9.9): 900150983cd24fb0d6963f7d28e17f72.",
            "hosts": [{"host": "ws-017", "ip": "10.1.2.3", "at": 1764000000000}, {}], "n": 3600, "when": "2026-11-25T13:00:00Z"}"#;
        assert_eq!(
            redactor().shape(body.as_bytes()),
            json!({
                "error": "rule exists on <known> (<known>, <ipv4>): <md5, lower case>.",
                "hosts": [{"host": "<text>", "ip": "<ipv4>", "at": "<number of 13 digits>"}, "… 2 in all"],
                "n": 3600,
                "when": "<rfc 3339>",
            })
        );
    }

    #[test]
    fn what_is_no_json_has_a_shape_too() {
        assert_eq!(redactor().shape(b" \n"), json!("(empty)"));
        assert_eq!(redactor().shape(b"<html>kata.example.org"), json!("(markup)"));
        assert_eq!(redactor().shape(b"no ws-017 here"), json!({"(text)": "no <known> here"}));
        assert_eq!(redactor().shape(b"\xef\xbb\xbf{}"), json!({"(byte order mark, then)": {}}));
    }
}
