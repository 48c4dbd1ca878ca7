//! The hosts that servers list, as a table and as JSON.

use std::io::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::escape;
use super::json;
use super::table::{Cell, Row, Table, write_cells};
use super::words::{ago, count_of, instant};
use crate::model::{HostList, LastAccess, Sensor, ServerName, Untrusted};
use crate::terminal::{Paint, Palette};

/// The answer of one server.
#[derive(Debug, Clone)]
pub struct ServerHosts<'a> {
    pub server: &'a ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: &'a str,
    /// The hosts to show, or why there are none to be had.
    pub hosts: Result<&'a HostList, String>,
}

/// A table for each server, its hosts by name.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    servers: &[ServerHosts<'_>],
    now: Timestamp,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, server) in servers.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let count = match &server.hosts {
            Ok(list) => count_of(list.sensors.len(), "host"),
            Err(_) => "not read".to_owned(),
        };
        let header = [
            Cell::new(server.server.as_str(), Paint::Heading),
            Cell::plain(format!("  {}   {count}", server.address)),
        ];
        write_cells(&header, palette, out)?;
        match &server.hosts {
            Ok(list) => {
                if !list.sensors.is_empty() {
                    writeln!(out)?;
                    table(list, now).write(palette, out)?;
                }
                if list.has_more {
                    let text = "the server says that there are more hosts than it lists";
                    write_cells(&[Cell::new("  ? ", Paint::Doubt), Cell::plain(text)], palette, out)?;
                }
            }
            Err(why) => {
                write_cells(&[Cell::new("  ! ", Paint::Alarm), Cell::plain(why)], palette, out)?;
            }
        }
    }
    Ok(())
}

fn table(list: &HostList, now: Timestamp) -> Table {
    let head = ["name", "address", "OS", "agent", "last access", "sensor id"];
    let mut table = Table { indent: 2, widest: vec![40, 40, 32, 20, 40], ..Table::default() };
    table.rows.push(Row {
        cells: head.iter().map(|word| Cell::new(word, Paint::Faint)).collect(),
        ..Row::default()
    });
    table.rows.extend(by_name(list).into_iter().map(|sensor| Row {
        cells: vec![
            Cell::plain(sensor.name.as_ref().map(printable).unwrap_or_else(not_given)),
            Cell::plain(some_or_dash(addresses(sensor).join(", "))),
            Cell::plain(some_or_dash(os(sensor))),
            Cell::plain(sensor.agent_version.as_ref().map(printable).unwrap_or_else(not_given)),
            Cell::plain(match sensor.last_access {
                LastAccess::Unknown => "unknown".to_owned(),
                LastAccess::At(at) => format!("{} ({})", instant(at, now), ago(at, now)),
            }),
            Cell::plain(sensor.id.to_string()),
        ],
        ..Row::default()
    }));
    table
}

fn by_name(list: &HostList) -> Vec<&Sensor> {
    let mut sensors: Vec<&Sensor> = list.sensors.values().map(AsRef::as_ref).collect();
    // Hosts without a name come last; equal names are told apart by the id.
    sensors.sort_by(|a, b| (a.name.is_none(), &a.name, a.id).cmp(&(b.name.is_none(), &b.name, b.id)));
    sensors
}

fn printable(text: &Untrusted) -> String {
    text.printable().to_string()
}

fn not_given() -> String {
    "—".to_owned()
}

fn some_or_dash(text: String) -> String {
    if text.is_empty() { not_given() } else { text }
}

/// The name of the system, and its family where the name does not say it.
fn os(sensor: &Sensor) -> String {
    match (&sensor.os_family, &sensor.os_name) {
        (Some(family), Some(name)) if name.raw().to_lowercase().contains(&family.raw().to_lowercase()) => {
            printable(name)
        }
        (Some(family), Some(name)) => format!("{}, {}", printable(name), printable(family)),
        (Some(one), None) | (None, Some(one)) => printable(one),
        (None, None) => String::new(),
    }
}

fn addresses(sensor: &Sensor) -> Vec<String> {
    sensor.addresses.iter().map(IpAddr::to_string).collect()
}

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
    hosts: Option<Vec<Host>>,
    why: Option<String>,
    /// Whether the server says that there are more hosts than it lists.
    has_more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Host {
    sensor_id: String,
    name: Option<String>,
    addresses: Vec<String>,
    os_family: Option<String>,
    os_name: Option<String>,
    agent_version: Option<String>,
    capabilities: Vec<String>,
    /// `null`: not given, or not understood.
    last_access: Option<String>,
    last_access_age_seconds: Option<i64>,
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
    let (hosts, why, has_more) = match &server.hosts {
        Ok(list) => (
            Some(by_name(list).into_iter().map(|sensor| json_host(sensor, now)).collect()),
            None,
            list.has_more,
        ),
        Err(why) => (None, Some(why.clone()), false),
    };
    Server { name: server.server.to_string(), address: server.address.to_owned(), hosts, why, has_more }
}

fn json_host(sensor: &Sensor, now: Timestamp) -> Host {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapbox::{IntoData, assert_data_eq, str};

    use super::*;
    use crate::report::sample;

    fn list() -> HostList {
        let mut plain = sample::sensor(1, "WS-017.corp.example");
        plain.os_family = Some(Untrusted::new("Windows"));
        plain.os_name = Some(Untrusted::new("Windows 11 Pro"));
        plain.agent_version = Some(Untrusted::new("12.6.0.438"));
        let mut bare = sample::sensor(2, "ws\u{1b}[2J\u{202e}\n");
        bare.addresses.clear();
        bare.last_access = LastAccess::Unknown;
        let sensors = [plain, bare].into_iter().map(|sensor| (sensor.id, Arc::new(sensor))).collect();
        HostList { sensors, has_more: false, server_version: None }
    }

    #[test]
    fn hosts_are_a_table_that_no_name_can_break() {
        let (list, hq, lab) = (list(), ServerName::new("hq"), ServerName::new("lab"));
        let servers = [
            ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(&list) },
            ServerHosts { server: &lab, address: "fleet.yaml", hosts: Err("connection refused".to_owned()) },
        ];
        let mut out = Vec::new();
        write_text(&servers, sample::now(), Palette::OFF, &mut out).unwrap();
        assert_data_eq!(String::from_utf8(out).unwrap(), str![[r#"
hq  https://kata.example.org   2 hosts

  name                       address    OS               agent        last access                  sensor id
  WS-017.corp.example        10.1.2.1   Windows 11 Pro   12.6.0.438   25 Nov 12:30Z (30 min ago)   01010101-0101-0101-0101-010101010101
  ws\u{1b}[2J\u{202e}\u{a}   —          —                —            unknown                      02020202-0202-0202-0202-020202020202

lab  fleet.yaml   not read
  ! connection refused

"#]].raw());
    }

    #[test]
    fn json_keeps_the_name_as_it_came() {
        let (list, hq) = (list(), ServerName::new("hq"));
        let servers = [ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(&list) }];
        let mut out = Vec::new();
        write_json(&servers, sample::now(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let host = &value["servers"][0]["hosts"][1];
        assert_eq!(host["name"], "ws\u{1b}[2J\u{202e}\n");
        assert_eq!(host["last_access"], serde_json::Value::Null);
        assert_eq!(value["servers"][0]["hosts"][0]["last_access_age_seconds"], 1_800);
        assert!(!out.contains(&0x1b), "nothing raw in it");
    }
}
