use std::io::{self, Write};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{HostRow, ServerHosts, addresses};
use crate::model::{Isolation, Reading, Sensor, Untrusted};
use crate::report::{escape, json};

/// What `hosts --format json` writes. Readers must ignore fields that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Document {
    format_version: u32,
    kind: &'static str,
    now: String,
    servers: Vec<Server>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Server {
    name: String,
    address: String,
    /// `null`: the list could not be had, and `why` says why.
    hosts: Option<Vec<Row>>,
    why: Option<String>,
    /// How many hosts the server lists, whatever was asked for.
    hosts_listed: Option<usize>,
    /// Whether the server says that there are more hosts than it lists.
    has_more: bool,
}

/// One host as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Host {
    /// Its identity: a UUID.
    pub sensor_id: String,
    /// As the server lists it; `null`: it lists none.
    pub name: Option<String>,
    /// IPv4 and IPv6.
    pub addresses: Vec<String>,
    /// Such as `Windows` or `Linux`.
    pub os_family: Option<String>,
    /// Such as `Windows 11 Pro`.
    pub os_name: Option<String>,
    /// That of its agent.
    pub agent_version: Option<String>,
    /// What its agent can do, in the words of the server.
    pub capabilities: Vec<String>,
    /// `null`: not given, or not understood.
    #[schemars(extend("format" = "date-time"))]
    pub last_access: Option<String>,
    /// How long ago that was.
    pub last_access_age_seconds: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Row {
    #[serde(flatten)]
    host: Host,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prevention: Option<Known>,
}

/// What stands on a host: `rule`, `none` or `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Known {
    Rule {
        /// Of an isolation: as it was set, not what is left of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<u64>,
        /// Of an isolation: how many kinds of traffic go through.
        #[serde(skip_serializing_if = "Option::is_none")]
        exclusions: Option<usize>,
        /// Of a prevention rule.
        #[serde(skip_serializing_if = "Option::is_none")]
        hashes: Option<usize>,
    },
    None,
    Unknown {
        why: String,
    },
}

fn json_isolation(reading: &Reading<Isolation>) -> Known {
    match reading {
        Reading::Present(rule) => Known::Rule {
            timeout_seconds: Some(rule.timeout_seconds),
            exclusions: Some(rule.exclusions.len()),
            hashes: None,
        },
        Reading::Absent => Known::None,
        Reading::Unknown(why) => Known::Unknown { why: why.to_string() },
    }
}

fn json_prevention(reading: &Reading<usize>) -> Known {
    match reading {
        Reading::Present(hashes) => {
            Known::Rule { timeout_seconds: None, exclusions: None, hashes: Some(*hashes) }
        }
        Reading::Absent => Known::None,
        Reading::Unknown(why) => Known::Unknown { why: why.to_string() },
    }
}

/// The same as one JSON document, times in RFC 3339 and UTC.
///
/// # Errors
/// Those of `out`.
pub fn write_json(servers: &[ServerHosts<'_>], now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let document = Document {
        format_version: 1,
        kind: "hosts",
        now: json::instant(now),
        servers: servers.iter().map(|server| json_server(server, now)).collect(),
    };
    escape::write_json(&document, out)
}

fn json_server(server: &ServerHosts<'_>, now: Timestamp) -> Server {
    let (hosts, why, hosts_listed, has_more) = match &server.hosts {
        Ok(hosts) => (
            Some(hosts.rows.iter().map(|row| json_row(row, now)).collect()),
            None,
            Some(hosts.listed),
            hosts.has_more,
        ),
        Err(why) => (None, Some(why.clone()), None, false),
    };
    let (name, address) = (server.server.to_string(), server.address.to_owned());
    Server { name, address, hosts, why, hosts_listed, has_more }
}

fn json_row(row: &HostRow, now: Timestamp) -> Row {
    Row {
        host: json_host(&row.sensor, now),
        isolation: row.isolation.as_ref().map(json_isolation),
        prevention: row.blocked.as_ref().map(json_prevention),
    }
}

pub(in crate::report) fn json_host(sensor: &Sensor, now: Timestamp) -> Host {
    let raw = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    let last_access = sensor.last_access.at();
    Host {
        sensor_id: sensor.id.to_string(),
        name: raw(&sensor.name),
        addresses: addresses(sensor),
        os_family: raw(&sensor.os_family),
        os_name: raw(&sensor.os_name),
        agent_version: raw(&sensor.agent_version),
        capabilities: sensor.capabilities.iter().map(|text| text.raw().to_owned()).collect(),
        last_access: last_access.map(json::instant),
        last_access_age_seconds: last_access.map(|at| now.duration_since(at).as_secs()),
    }
}
