//! The hosts that servers list, as a table, as JSON and as CSV.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::escape;
use super::json;
use super::table::{Cell, Row, Table, write_cells};
use super::words::{ago, count_of, instant, thousands_of};
use crate::model::{Isolation, LastAccess, Reading, Sensor, ServerName, Untrusted, display_duration};
use crate::terminal::{Paint, Palette};

/// The answer of one server.
#[derive(Debug, Clone)]
pub struct ServerHosts<'a> {
    pub server: &'a ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: &'a str,
    /// The hosts to show, or why there are none to be had.
    pub hosts: Result<Hosts, String>,
}

/// Hosts of a server, as far as they were asked for.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// By name; those without one come last.
    rows: Vec<HostRow>,
    /// How many the server lists.
    listed: usize,
    /// Whether the server says that there are more than it lists.
    has_more: bool,
}

/// One host with what was read of it; `None`: not asked for.
#[derive(Debug, Clone)]
pub struct HostRow {
    pub sensor: Arc<Sensor>,
    pub isolation: Option<Reading<Isolation>>,
    /// How many files its own prevention rule blocks.
    pub blocked: Option<Reading<usize>>,
}

impl Hosts {
    pub fn new(mut rows: Vec<HostRow>, listed: usize, has_more: bool) -> Self {
        // Equal names are told apart by the id.
        rows.sort_by(|a, b| {
            let key = |row: &HostRow| (row.sensor.name.is_none(), row.sensor.name.clone(), row.sensor.id);
            key(a).cmp(&key(b))
        });
        Self { rows, listed, has_more }
    }

    /// Whether it says all that was asked: a list that is empty or goes on says nothing about what there is not.
    pub fn is_whole(&self) -> bool {
        self.doubt().is_none() && self.rows.iter().all(HostRow::is_known)
    }

    fn doubt(&self) -> Option<&'static str> {
        match (self.has_more, self.listed) {
            (true, _) => Some("the server says that there are more hosts than it lists"),
            (false, 0) => Some("the server lists no hosts at all, which it can hardly mean"),
            (false, _) => None,
        }
    }
}

impl HostRow {
    fn is_known(&self) -> bool {
        !matches!(self.isolation, Some(Reading::Unknown(_)))
            && !matches!(self.blocked, Some(Reading::Unknown(_)))
    }

    /// Why something of it is not known.
    fn why_unknown(&self) -> Option<String> {
        match (&self.isolation, &self.blocked) {
            (Some(Reading::Unknown(why)), _) | (_, Some(Reading::Unknown(why))) => Some(why.to_string()),
            (_, _) => None,
        }
    }
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
            Ok(hosts) if hosts.rows.len() == hosts.listed => count_of(hosts.listed, "host"),
            Ok(hosts) => format!("{} of {}", thousands_of(hosts.rows.len()), count_of(hosts.listed, "host")),
            Err(_) => "not read".to_owned(),
        };
        let header = [
            Cell::new(server.server.as_str(), Paint::Heading),
            Cell::plain(format!("  {}   {count}", server.address)),
        ];
        write_cells(&header, palette, out)?;
        match &server.hosts {
            Ok(hosts) => {
                if !hosts.rows.is_empty() {
                    writeln!(out)?;
                    table(hosts, now).write(palette, out)?;
                }
                if let Some(doubt) = hosts.doubt() {
                    write_cells(&[Cell::new("  ? ", Paint::Doubt), Cell::plain(doubt)], palette, out)?;
                }
                let unknown: Vec<&HostRow> = hosts.rows.iter().filter(|row| !row.is_known()).collect();
                for row in unknown.iter().take(SHOWN_UNKNOWN) {
                    let text = format!("{}: {}", row.sensor.label(), row.why_unknown().unwrap_or_default());
                    write_cells(&[Cell::new("  ? ", Paint::Doubt), Cell::plain(text)], palette, out)?;
                }
                if let Some(more) = unknown.len().checked_sub(SHOWN_UNKNOWN).filter(|more| *more > 0) {
                    let text = format!("{} more could not be read", thousands_of(more));
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

/// When a server fails it fails on every host, with the same words.
const SHOWN_UNKNOWN: usize = 5;

fn table(hosts: &Hosts, now: Timestamp) -> Table {
    let with_isolation = hosts.rows.iter().any(|row| row.isolation.is_some());
    let with_blocked = hosts.rows.iter().any(|row| row.blocked.is_some());
    let mut head = vec!["name", "address", "OS", "agent", "last access"];
    let mut widest = vec![40, 40, 32, 20, 40];
    if with_isolation {
        head.push("isolation rule");
        widest.push(20);
    }
    if with_blocked {
        head.push("blocks");
        widest.push(20);
    }
    head.push("sensor id");
    let mut table = Table { indent: 2, widest, ..Table::default() };
    table.rows.push(Row {
        cells: head.iter().map(|word| Cell::new(word, Paint::Faint)).collect(),
        ..Row::default()
    });
    table.rows.extend(hosts.rows.iter().map(|row| {
        let sensor = &row.sensor;
        let mut cells = vec![
            Cell::plain(sensor.name.as_ref().map(printable).unwrap_or_else(not_given)),
            Cell::plain(some_or_dash(addresses(sensor).join(", "))),
            Cell::plain(some_or_dash(os(sensor))),
            Cell::plain(sensor.agent_version.as_ref().map(printable).unwrap_or_else(not_given)),
            Cell::plain(match sensor.last_access {
                LastAccess::Unknown => "unknown".to_owned(),
                LastAccess::At(at) => format!("{} ({})", instant(at, now), ago(at, now)),
            }),
        ];
        if with_isolation {
            cells.push(known(row.isolation.as_ref(), |rule| {
                let seconds = i64::try_from(rule.timeout_seconds).unwrap_or(i64::MAX);
                format!("timeout {}", display_duration(SignedDuration::from_secs(seconds)))
            }));
        }
        if with_blocked {
            cells.push(known(row.blocked.as_ref(), |count| count_of(*count, "file")));
        }
        cells.push(Cell::plain(sensor.id.to_string()));
        Row { cells, ..Row::default() }
    }));
    table
}

fn known<T>(reading: Option<&Reading<T>>, shown: impl Fn(&T) -> String) -> Cell {
    match reading {
        Some(Reading::Present(value)) => Cell::plain(shown(value)),
        Some(Reading::Absent) => Cell::plain(not_given()),
        Some(Reading::Unknown(_)) | None => Cell::new("unknown", Paint::Doubt),
    }
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
    /// How many hosts the server lists, whatever was asked for.
    hosts_listed: Option<usize>,
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
            Some(hosts.rows.iter().map(|row| json_host(row, now)).collect()),
            None,
            Some(hosts.listed),
            hosts.has_more,
        ),
        Err(why) => (None, Some(why.clone()), None, false),
    };
    let (name, address) = (server.server.to_string(), server.address.to_owned());
    Server { name, address, hosts, why, hosts_listed, has_more }
}

fn json_host(row: &HostRow, now: Timestamp) -> Host {
    let sensor = &row.sensor;
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
        isolation: row.isolation.as_ref().map(json_isolation),
        prevention: row.blocked.as_ref().map(json_prevention),
    }
}

/// The same for spreadsheets: RFC 4180, one row a host. A server whose hosts could not be had has none. Columns that
/// were not asked for are empty.
///
/// # Errors
/// Those of `out`.
pub fn write_csv(servers: &[ServerHosts<'_>], out: &mut impl Write) -> io::Result<()> {
    const HEAD: [&str; 11] = [
        "server",
        "sensor_id",
        "name",
        "addresses",
        "os_family",
        "os_name",
        "agent_version",
        "last_access",
        "isolation",
        "isolation_timeout_seconds",
        "blocked_files",
    ];
    escape::write_csv_row(&HEAD, out)?;
    for server in servers {
        let Ok(hosts) = &server.hosts else { continue };
        for row in &hosts.rows {
            let sensor = &row.sensor;
            let raw = |text: &Option<Untrusted>| {
                text.as_ref().map_or_else(String::new, |text| text.raw().to_owned())
            };
            let (isolation, timeout) = match &row.isolation {
                None => ("", String::new()),
                Some(Reading::Present(rule)) => ("rule", rule.timeout_seconds.to_string()),
                Some(Reading::Absent) => ("none", String::new()),
                Some(Reading::Unknown(_)) => ("unknown", String::new()),
            };
            let blocked = match &row.blocked {
                None => String::new(),
                Some(Reading::Present(count)) => count.to_string(),
                Some(Reading::Absent) => "0".to_owned(),
                Some(Reading::Unknown(_)) => "unknown".to_owned(),
            };
            let cells = [
                server.server.to_string(),
                sensor.id.to_string(),
                raw(&sensor.name),
                addresses(sensor).join(" "),
                raw(&sensor.os_family),
                raw(&sensor.os_name),
                raw(&sensor.agent_version),
                sensor.last_access.at().map(json::instant).unwrap_or_default(),
                isolation.to_owned(),
                timeout,
                blocked,
            ];
            escape::write_csv_row(&cells, out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData, assert_data_eq, str};

    use super::*;
    use crate::model::ReadFailure;
    use crate::report::sample;

    fn list() -> Hosts {
        let mut plain = sample::sensor(1, "WS-017.corp.example");
        plain.os_family = Some(Untrusted::new("Windows"));
        plain.os_name = Some(Untrusted::new("Windows 11 Pro"));
        plain.agent_version = Some(Untrusted::new("12.6.0.438"));
        let mut bare = sample::sensor(2, "ws\u{1b}[2J\u{202e}\n");
        bare.addresses.clear();
        bare.last_access = LastAccess::Unknown;
        Hosts::new(vec![row(bare), row(plain)], 2, false)
    }

    fn row(sensor: Sensor) -> HostRow {
        HostRow { sensor: Arc::new(sensor), isolation: None, blocked: None }
    }

    #[test]
    fn what_stands_on_hosts_is_shown_and_what_is_not_known_too() {
        let mut hosts = list();
        let rule = Isolation { timeout_seconds: 28_800, exclusions: Arc::default() };
        hosts.rows[0].isolation = Some(Reading::Present(rule));
        hosts.rows[0].blocked = Some(Reading::Absent);
        hosts.rows[1].isolation = Some(Reading::Unknown(ReadFailure::new("timed out")));
        hosts.rows[1].blocked = Some(Reading::Present(3));
        hosts.listed = 9;
        assert!(!hosts.is_whole());
        let hq = ServerName::new("hq");
        let servers = [ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(hosts) }];
        let mut out = Vec::new();
        write_text(&servers, sample::now(), Palette::OFF, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2 of 9 hosts"), "{text}");
        assert!(text.contains("timeout 8 h      —         01010101-"), "{text}");
        assert!(text.contains("unknown          3 files   02020202-"), "{text}");
        assert!(text.contains("  ? ws\\u{1b}[2J\\u{202e}\\u{a}: timed out\n"), "{text}");
        let mut out = Vec::new();
        write_json(&servers, sample::now(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let hosts = &value["servers"][0]["hosts"];
        assert_eq!(hosts[0]["isolation"]["state"], "rule");
        assert_eq!(hosts[0]["isolation"]["timeout_seconds"], 28_800);
        assert_eq!(hosts[0]["prevention"]["state"], "none");
        assert_eq!(hosts[1]["isolation"]["why"], "timed out");
        assert_eq!(hosts[1]["prevention"]["hashes"], 3);
    }

    #[test]
    fn no_cell_of_a_spreadsheet_is_a_formula() {
        let mut evil = sample::sensor(1, "=cmd|' /c calc'!A1");
        evil.os_name = Some(Untrusted::new("Windows, \"11\"\nPro"));
        evil.agent_version = Some(Untrusted::new("-1"));
        let hq = ServerName::new("hq");
        let hosts = Ok(Hosts::new(vec![row(evil)], 1, false));
        let mut out = Vec::new();
        write_csv(&[ServerHosts { server: &hq, address: "", hosts }], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.lines().last().unwrap(),
            "hq,01010101-0101-0101-0101-010101010101,'=cmd|' /c calc'!A1,10.1.2.1,,\"Windows, \"\"11\"\"\\u{a}Pro\",'-1,\
             2026-11-25T12:30:00Z,,,"
        );
        assert!(text.ends_with(",,,\r\n"));
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_not_whole() {
        assert!(list().is_whole());
        assert!(!Hosts::new(Vec::new(), 0, false).is_whole());
        assert!(!Hosts { has_more: true, ..list() }.is_whole());
    }

    #[test]
    fn hosts_are_a_table_that_no_name_can_break() {
        let (list, hq, lab) = (list(), ServerName::new("hq"), ServerName::new("lab"));
        let servers = [
            ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(list) },
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
        let servers = [ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(list) }];
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
