use std::io::{self, Write};

use super::{ServerHosts, addresses};
use crate::model::{Reading, Untrusted};
use crate::report::{escape, json};

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
