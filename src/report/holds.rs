//! What is held, by whom, until when and why.

use std::io::{self, Write};

use jiff::Timestamp;

use super::table::{Cell, Row, Table, write_cells};
use super::why::host;
use super::words::{count_of, instant};
use crate::model::{HoldScope, ServerKey, ServerName, display_duration};
use crate::record::Hold;
use crate::terminal::{Paint, Palette};

/// The holds in force on one server, in the order in which they are to be shown.
#[derive(Debug, Clone)]
pub struct HeldServer<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What names its chain in the record.
    pub key: &'a ServerKey,
    /// What ends next comes first; empty: nothing is held there.
    pub subjects: Vec<HeldSubject<'a>>,
}

/// A hold, and on what it is.
#[derive(Debug, Clone)]
pub struct HeldSubject<'a> {
    /// One aspect of a host or of all hosts; of tasks all of the host, also those to come.
    pub subject: HoldScope,
    /// What people call the host.
    pub label: String,
    /// Who left it, until when and why; it was in force when it was looked up.
    pub hold: &'a Hold,
}

/// A table for each server.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    servers: &[HeldServer<'_>],
    now: Timestamp,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, server) in servers.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let count = match server.subjects.len() {
            0 => "nothing is held".to_owned(),
            held => format!("{} in force", count_of(held, "hold")),
        };
        let header = [
            Cell::new(server.server.as_str(), Paint::Heading),
            Cell::plain(format!("  {}   {count}", server.key)),
        ];
        write_cells(&header, palette, out)?;
        if server.subjects.is_empty() {
            continue;
        }
        writeln!(out)?;
        let mut table = Table { indent: 2, widest: vec![36], ..Table::default() };
        table.rows.extend(server.subjects.iter().map(|held| row(held, now)));
        table.write(palette, out)?;
    }
    Ok(())
}

fn row(held: &HeldSubject<'_>, now: Timestamp) -> Row {
    let hold = held.hold;
    let left = display_duration(hold.until.duration_since(now));
    Row {
        cells: vec![
            Cell::plain(host(held.subject.target, &held.label)),
            Cell::plain(held.subject.aspect.as_str()),
            Cell::plain(format!("until {} ({left})", instant(hold.until, now))),
            Cell::plain(format!("by {}, {}", hold.by, hold.command)),
            Cell::plain(hold.reason.as_deref().unwrap_or("")),
            Cell::new(format!("run {}", hold.run), Paint::Faint),
        ],
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData, assert_data_eq, str};

    use super::*;
    use crate::model::{AspectKind, Target};
    use crate::report::sample;

    #[test]
    fn holds_are_a_table_that_no_reason_can_break() {
        let (hq, lab) = (ServerName::new("hq"), ServerName::new("lab"));
        let key = ServerKey::of_address("kata.example.org", 443);
        let mut hostile = sample::hold();
        hostile.reason = Some("ws\u{1b}[2J\n\u{202e}1".into());
        let plain = sample::hold();
        let of =
            |number: u8, aspect| HoldScope { target: Target::Sensor(sample::sensor(number, "").id), aspect };
        let all = HoldScope { target: Target::AllHosts, aspect: AspectKind::Prevention };
        let subjects = vec![
            HeldSubject { subject: of(17, AspectKind::Isolation), label: "WS-017".to_owned(), hold: &plain },
            HeldSubject { subject: all, label: "all".to_owned(), hold: &hostile },
        ];
        let servers = [
            HeldServer { server: &hq, key: &key, subjects },
            HeldServer { server: &lab, key: &key, subjects: Vec::new() },
        ];
        let mut out = Vec::new();
        write_text(&servers, sample::now(), Palette::OFF, &mut out).unwrap();
        assert_data_eq!(String::from_utf8(out).unwrap(), str![[r#"
hq  kata.example.org_443   2 holds in force

  WS-017      isolation    until 26 Nov 13:00Z (1 d)   by ana@soc-1, isolate   INC-417                     run 20261125-120000-4f2a
  all hosts   prevention   until 26 Nov 13:00Z (1 d)   by ana@soc-1, isolate   ws\u{1b}[2J\u{a}\u{202e}1   run 20261125-120000-4f2a

lab  kata.example.org_443   nothing is held

"#]].raw());
    }
}
