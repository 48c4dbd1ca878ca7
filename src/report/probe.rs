//! What a probe measured: as text for whoever ran it, and as a file to attach to a report.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::table::{Cell, write_cells};
use super::{escape, json};
use crate::model::Sensor;
use crate::probe::{End, Probed};
use crate::terminal::{Paint, Palette};

/// One line for each question.
///
/// # Errors
/// Those of `out`.
pub fn write_text(probed: &Probed, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for finding in &probed.findings {
        let cells =
            [Cell::new(format!("{}: ", finding.question), Paint::Heading), Cell::plain(&finding.answer)];
        write_cells(&cells, palette, out)?;
    }
    Ok(())
}

/// The file. Nothing in it tells whose server or host it was: no names, addresses, ids, hashes.
#[derive(Debug, Serialize)]
struct Document<'a> {
    format_version: u32,
    kind: &'static str,
    kedrctl: &'static str,
    day: String,
    server_version: Option<&'a str>,
    agent_version: Option<&'a str>,
    os_family: Option<&'a str>,
    /// Whether all was measured; where not, why.
    complete: bool,
    ended_early_because: Option<&'static str>,
    findings: Vec<Finding<'a>>,
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    question: &'static str,
    answer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<&'a Value>,
}

/// # Errors
/// Those of `out`.
pub fn write_json(
    probed: &Probed,
    sensor: &Sensor,
    server_version: Option<&str>,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let document = Document {
        format_version: 1,
        kind: "probe",
        kedrctl: env!("CARGO_PKG_VERSION"),
        day: json::instant(now).chars().take_while(|c| *c != 'T').collect(),
        server_version,
        agent_version: sensor.agent_version.as_ref().map(|text| text.raw()),
        os_family: sensor.os_family.as_ref().map(|text| text.raw()),
        complete: probed.end == End::Whole,
        ended_early_because: match &probed.end {
            End::Whole => None,
            End::Stopped => Some("interrupted"),
            // Its words may name the server.
            End::Failed(_) => Some("a call failed"),
            End::Others(_) => Some("somebody else acted on the host"),
        },
        findings: probed
            .findings
            .iter()
            .map(|finding| Finding {
                question: finding.question,
                answer: &finding.answer,
                seen: finding.seen.as_ref(),
            })
            .collect(),
    };
    escape::write_json(&document, out)
}
