//! The hosts that servers list, as a table, as JSON and as CSV.

mod csv;
mod json;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::table::{Cell, Row, Table, write_cells};
use super::words::{ago, count_of, instant, thousands_of};
use crate::model::{Isolation, LastAccess, Reading, Sensor, ServerName, Untrusted, display_duration};
use crate::terminal::{Paint, Palette};

pub use csv::write_csv;
pub(super) use json::json_host;
pub use json::{Host, write_json};

/// The answer of one server.
#[derive(Debug, Clone)]
pub struct ServerHosts<'a> {
    /// As the files call it.
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
    /// As the server lists it.
    pub sensor: Arc<Sensor>,
    /// The rule that is listed for it, which may have ended long ago.
    pub isolation: Option<Reading<Isolation>>,
    /// How many files its own prevention rule blocks.
    pub blocked: Option<Reading<usize>>,
}

impl Hosts {
    /// Rows in whatever order. `listed`: how many hosts the servers list; `has_more`: a list was not whole.
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

    /// What a format that has rows alone can not say of it: safe to print, a sentence each.
    pub fn doubts(&self) -> Vec<String> {
        let mut unknown = self.rows.iter().filter(|row| !row.is_known());
        let unread = unknown.next().map(|first| {
            let (host, why) = (first.sensor.label(), first.why_unknown().unwrap_or_default());
            match unknown.count() {
                0 => format!("{host} could not be read: {why}"),
                more => format!("{} could not be read, first {host}: {why}", count_of(more + 1, "host")),
            }
        });
        self.doubt().map(str::to_owned).into_iter().chain(unread).collect()
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
