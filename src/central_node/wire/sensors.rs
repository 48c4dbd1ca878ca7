//! The host list (response-api.md, section 1).

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::NotUnderstood;
use super::json::{instant, not_json, quoted, says, text, without_bom};
use crate::model::{HostList, LastAccess, Sensor, SensorId, Untrusted};

/// # Errors
/// No `sensors`, a sensor without a usable id, or two sensors of one id that differ in name: a list that is not
/// whole says nothing about which hosts exist. A bad value of any other field is "not given".
pub fn read_hosts(body: &[u8]) -> Result<HostList, NotUnderstood> {
    // One host whose name is not UTF-8 must not take the whole list away.
    let body = String::from_utf8_lossy(without_bom(body));
    let mut deserializer = serde_json::Deserializer::from_str(&body);
    deserializer
        .deserialize_map(AnswerVisitor)
        .and_then(|hosts| deserializer.end().map(|()| hosts))
        .map_err(|error| not_json(&error))
}

/// Reads one sensor after the other, so that 100,000 hosts never stand in memory as JSON values.
struct AnswerVisitor;

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = HostList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an array `sensors`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut answer: A) -> Result<HostList, A::Error> {
        let mut hosts = HostList::default();
        let mut has_sensors = false;
        while let Some(field) = answer.next_key::<String>()? {
            match field.as_str() {
                "sensors" if has_sensors => return Err(A::Error::duplicate_field("sensors")),
                "sensors" => {
                    has_sensors = true;
                    answer.next_value_seed(Sensors(&mut hosts))?;
                }
                "continuation_token" | "continuationToken" => {
                    hosts.has_more |= is_token(&answer.next_value()?);
                }
                "server" => hosts.server_version = version_of(&answer.next_value()?),
                _ => {
                    answer.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_sensors { Ok(hosts) } else { Err(A::Error::missing_field("sensors")) }
    }
}

/// `{"version": "7.0.1.500"}`; anything else is "not given".
fn version_of(server: &serde_json::Value) -> Option<Untrusted> {
    server.get("version")?.as_str().map(Untrusted::new)
}

struct Sensors<'a>(&'a mut HostList);

impl<'de> DeserializeSeed<'de> for Sensors<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Sensors<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of sensors")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sensors: A) -> Result<(), A::Error> {
        let mut words = Words::default();
        let mut joined = BTreeSet::new();
        while let Some(Element(fields)) = sensors.next_element()? {
            let sensor = read_sensor(&fields, &mut words).map_err(A::Error::custom)?;
            add(self.0, sensor, &mut joined).map_err(A::Error::custom)?;
        }
        // Once each: a list may repeat one sensor a million times.
        for id in &joined {
            if let Some(sensor) = self.0.sensors.get_mut(id) {
                let addresses = &mut Arc::make_mut(sensor).addresses;
                addresses.sort_unstable();
                addresses.dedup();
            }
        }
        Ok(())
    }
}

/// What of a sensor is read, in whatever type it comes. A field that is given twice is refused: which of the two holds is
/// not ours to guess.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields {
    sensor_id: Value,
    host: Value,
    host_name: Value,
    hostname: Value,
    name: Value,
    host_ip: Value,
    last_access_timestamp: Value,
    version: Value,
    os_family: Value,
    os_name: Value,
    capabilities: Value,
}

/// An object, and not the array of its values that serde would take for one.
struct Element(Fields);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields of a sensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Element, A::Error> {
        Fields::deserialize(MapAccessDeserializer::new(fields)).map(Element)
    }
}

/// The addresses of those that are `joined` are neither in order nor each once yet.
fn add(hosts: &mut HostList, sensor: Sensor, joined: &mut BTreeSet<SensorId>) -> Result<(), String> {
    match hosts.sensors.entry(sensor.id) {
        Entry::Vacant(place) => {
            place.insert(Arc::new(sensor));
            Ok(())
        }
        // Policy and targets go by name: of two names for one sensor we must not pick one.
        Entry::Occupied(known) if known.get().name != sensor.name => {
            Err(format!("the sensor {} is listed twice under different names", sensor.id))
        }
        Entry::Occupied(mut known) => {
            joined.insert(sensor.id);
            // Nobody else has it yet: nothing is copied.
            let known = Arc::make_mut(known.get_mut());
            known.addresses.extend(sensor.addresses);
            known.last_access = known.last_access.max(sensor.last_access);
            Ok(())
        }
    }
}

/// Texts that most sensors share, each once in memory: versions, systems, capabilities.
#[derive(Default)]
struct Words(BTreeSet<Arc<str>>);

impl Words {
    fn one(&mut self, text: &str) -> Untrusted {
        if let Some(known) = self.0.get(text) {
            return Untrusted::new(Arc::clone(known));
        }
        let word: Arc<str> = text.into();
        self.0.insert(Arc::clone(&word));
        Untrusted::new(word)
    }

    fn of(&mut self, value: &Value) -> Option<Untrusted> {
        text(value).map(|text| self.one(&text))
    }
}

fn read_sensor(fields: &Fields, words: &mut Words) -> Result<Sensor, String> {
    let id = says(&fields.sensor_id).ok_or("a sensor has no `sensorId`")?;
    let not_a_uuid = || format!("a `sensorId` is {}, not a UUID", quoted(id));
    let id: SensorId = match id.as_str().map(|text| text.trim().parse()) {
        Some(Ok(id)) => id,
        Some(Err(_)) | None => return Err(not_a_uuid()),
    };
    // The help does not name the field; these are what integrations read.
    let names = [&fields.host, &fields.host_name, &fields.hostname, &fields.name];
    Ok(Sensor {
        id,
        name: names.into_iter().find_map(text).map(Untrusted::new),
        addresses: read_addresses(&fields.host_ip),
        last_access: instant(&fields.last_access_timestamp).map_or(LastAccess::Unknown, LastAccess::At),
        agent_version: words.of(&fields.version),
        os_family: words.of(&fields.os_family),
        os_name: words.of(&fields.os_name),
        capabilities: elements(&fields.capabilities).iter().filter_map(|value| words.of(value)).collect(),
    })
}

/// One address, several with commas between them, or an array of either. Each once, in the order given.
fn read_addresses(value: &Value) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut seen = BTreeSet::new();
    for text in elements(value).iter().filter_map(text) {
        for part in text.split([',', ';', ' ']) {
            if let Ok(address) = part.trim().parse::<IpAddr>() {
                let address = address.to_canonical();
                if seen.insert(address) {
                    addresses.push(address);
                }
            }
        }
    }
    addresses
}

/// Those of an array; anything else is the only one.
fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(value)
        }
    }
}

/// Whether a continuation token says that there is more.
fn is_token(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(token) => !token.trim().is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11";

    /// `ID` stands for a sensor id.
    fn read(body: &str) -> Result<HostList, NotUnderstood> {
        read_hosts(body.replace("ID", ID).as_bytes())
    }

    fn only(body: &str) -> Sensor {
        let hosts = read(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(hosts.sensors.len(), 1, "{body}");
        Sensor::clone(hosts.sensors.values().next().unwrap())
    }

    fn with(fields: &str) -> Sensor {
        only(&format!(r#"{{"sensors": [{{"sensorId": "ID", {fields}}}]}}"#))
    }

    #[test]
    fn the_documented_answer_is_read_whole() {
        let sensor = only(
            r#"{"server": {"version": "7.1"}, "sensors": [{"sensorId": "ID", "host": "WS-017", "hostIp": "10.1.2.3",
                "lastAccessTimestamp": "2026-11-24T10:00:00Z", "version": "4.0", "selfDefenseState": true,
                "licenseStatus": "ok", "osFamily": "windows", "osName": "Windows 10",
                "capabilities": ["isolation", 7, null], "new": {"a": [1]}}]}"#,
        );
        assert_eq!(sensor.id.to_string(), ID);
        assert_eq!(sensor.label(), "WS-017");
        assert_eq!(sensor.addresses, ["10.1.2.3".parse::<IpAddr>().unwrap()]);
        assert_eq!(sensor.last_access, LastAccess::At("2026-11-24T10:00:00Z".parse().unwrap()));
        assert_eq!(sensor.agent_version.unwrap().raw(), "4.0");
        assert_eq!(sensor.os_family.unwrap().raw(), "windows");
        assert_eq!(sensor.os_name.unwrap().raw(), "Windows 10");
        assert_eq!(sensor.capabilities.len(), 2);
    }

    #[test]
    fn the_name_stands_in_any_of_four_fields() {
        for (fields, name) in [
            (r#""host": "a""#, "a"),
            (r#""hostName": "a""#, "a"),
            (r#""hostname": "a", "host": null"#, "a"),
            (r#""name": "a", "host": "", "hostName": {}"#, "a"),
            (r#""name": 417"#, "417"),
            (r#""name": "b", "host": "a""#, "a"),
            (r#""title": "b""#, "-"),
        ] {
            assert_eq!(with(fields).name.as_ref().map_or("-", Untrusted::raw), name, "{fields}");
        }
    }

    #[test]
    fn addresses_come_in_several_forms() {
        for (fields, expected) in [
            (r#""hostIp": "10.0.0.1""#, "10.0.0.1"),
            (r#""hostIp": "10.0.0.1, fe80::1,10.0.0.1""#, "10.0.0.1 fe80::1"),
            (r#""hostIp": ["10.0.0.1", "::ffff:10.0.0.2", "?"]"#, "10.0.0.1 10.0.0.2"),
            (r#""hostIp": "unknown""#, ""),
            (r#""hostIp": {"v4": "10.0.0.1"}"#, ""),
            (r#""hostIp": null"#, ""),
        ] {
            let shown = with(fields).addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ");
            assert_eq!(shown, expected, "{fields}");
        }
    }

    #[test]
    fn the_last_access_comes_in_several_forms() {
        for (value, expected) in [
            (r#""2026-11-24T10:00:00Z""#, "2026-11-24T10:00:00Z"),
            (r#""2026-11-24T13:00:00.5+03:00""#, "2026-11-24T10:00:00.5Z"),
            ("1795514400", "2026-11-24T10:00:00Z"),
            (r#""1795514400""#, "2026-11-24T10:00:00Z"),
            ("1795514400000", "2026-11-24T10:00:00Z"),
            (r#""1795514400500""#, "2026-11-24T10:00:00.5Z"),
            ("1795514400.5", "2026-11-24T10:00:00.5Z"),
            ("0", "-"),
            ("-5", "-"),
            ("1e300", "-"),
            (r#""yesterday""#, "-"),
            (r#""2026-11-24T10:00:00""#, "-"),
            ("true", "-"),
        ] {
            let shown = with(&format!(r#""lastAccessTimestamp": {value}"#))
                .last_access
                .at()
                .map_or("-".to_owned(), |instant| instant.to_string());
            assert_eq!(shown, expected, "{value}");
        }
    }

    #[test]
    fn a_list_that_may_not_be_whole_says_so() {
        for (rest, has_more) in [
            ("", false),
            (r#", "continuation_token": null"#, false),
            (r#", "continuationToken": """#, false),
            (r#", "continuation_token": "abc""#, true),
            (r#", "continuationToken": 7"#, true),
        ] {
            let hosts = read(&format!(r#"{{"sensors": []{rest}}}"#)).unwrap();
            assert_eq!(hosts.has_more, has_more, "{rest}");
        }
    }

    #[test]
    fn a_list_with_a_hole_is_not_understood() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"sensors": null}"#,
            r#"{"sensors": {}}"#,
            r#"{"sensors": [null]}"#,
            r#"{"sensors": [["ID"]]}"#,
            r#"{"sensors": [{"sensorId": "ID", "host": "a", "host": "b"}]}"#,
            r#"{"sensors": [{"host": "a"}]}"#,
            r#"{"sensors": [{"sensorId": "ID"}, {"sensorId": null}]}"#,
            r#"{"sensors": [{"sensorId": "7"}]}"#,
            r#"{"sensors": [{"sensorId": 7}]}"#,
            r#"{"sensors": [], "sensors": []}"#,
            r#"{"sensors": [{"sensorId": "ID", "host": "a"}, {"sensorId": "ID", "host": "b"}]}"#,
            r#"{"sensors": []} {"sensors": []}"#,
            r#"{"sensors": [{"sensorId": "ID"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn one_sensor_in_either_case_is_one_sensor() {
        let body = format!(
            r#"{{"sensors": [{{"sensorId": "{ID}", "host": "a", "hostIp": "10.0.0.1"}},
                             {{"sensorId": "{}", "host": "a", "hostIp": "10.0.0.2"}}]}}"#,
            ID.to_uppercase()
        );
        assert_eq!(only(&body).addresses.len(), 2);
    }

    /// A hostile list may have any number of either; what grows with its square would never end.
    #[test]
    fn a_sensor_of_very_many_addresses_or_lines_is_read() {
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let many: Vec<String> = (0..300_000).rev().map(|n| address(n).to_string()).collect();
        let addresses = with(&format!(r#""hostIp": "{}""#, many.join(","))).addresses;
        assert_eq!((addresses.len(), addresses[0]), (many.len(), address(299_999)), "in the order given");
        let line = |n: u32| {
            let [one, other] = [address(n), address(n / 2)];
            format!(r#"{{"sensorId": "ID", "host": "a", "hostIp": "{one},{other}"}}"#)
        };
        let lines: Vec<String> = (0..60_000).rev().map(line).collect();
        let addresses = only(&format!(r#"{{"sensors": [{}]}}"#, lines.join(","))).addresses;
        assert_eq!(addresses, (0..60_000).map(address).collect::<Vec<_>>());
    }

    #[test]
    fn a_name_in_another_encoding_does_not_take_the_list_away() {
        let mut body = format!("\u{feff}{{\"sensors\": [{{\"sensorId\": \"{ID}\", \"host\": \"").into_bytes();
        body.extend(b"\xcf\xd1-1\"}]}");
        assert_eq!(read_hosts(&body).unwrap().sensors.len(), 1);
    }
}
