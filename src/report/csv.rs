//! One row for each managed subject, as RFC 4180: for spreadsheets and for whoever has no JSON at hand.

use std::io::{self, Write};

use super::escape;
use super::json::instant;
use super::standing::{Standing, standings, troubles};
use super::told::{NoPlan, Told};
use super::{contact_word, json};
use crate::model::Cause;

/// The names of the columns: only added at the end within a major version.
const COLUMNS: [&str; 18] = [
    "server",
    "host",
    "entry",
    "sensor_id",
    "aspect",
    "state",
    "contact",
    "what",
    "since",
    "file",
    "line",
    "groups",
    "hold_until",
    "hold_by",
    "last_run",
    "last_write_at",
    "changed_by_others",
    "checked_at",
];

type Cells = [String; COLUMNS.len()];

/// Writes a header and the rows: every managed subject in the order of the files, then what could not be judged at all
/// (`error`: nobody knows who is meant; `unreachable`: a server that could not be read).
///
/// # Errors
/// Those of `out`.
pub fn write(told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    escape::write_csv_row(&COLUMNS, out)?;
    let standings = standings(told);
    for standing in &standings {
        escape::write_csv_row(&row(standing, told), out)?;
    }
    for trouble in troubles(told, &standings) {
        let mut cells = empty(told);
        cells[0] = trouble.server.server.to_string();
        let is_server = trouble.kind == "server";
        if !is_server {
            cells[1] = trouble.label;
        }
        let state = match trouble.kind {
            "server" => "unreachable",
            "host_error" | "unknown" => "error",
            other => other,
        };
        cells[5] = state.to_owned();
        cells[7] = trouble.message;
        place(trouble.cause, &mut cells);
        escape::write_csv_row(&cells, out)?;
    }
    Ok(())
}

/// The header, and a row for each reason.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    escape::write_csv_row(&COLUMNS, out)?;
    for reason in no_plan.said() {
        let mut cells = Cells::default();
        cells[5] = "failed".to_owned();
        cells[7] = format!("{}: {}", reason.kind, reason.message);
        if let Some((file, line)) = reason.place {
            cells[9] = file;
            cells[10] = line.map(|line| line.to_string()).unwrap_or_default();
        }
        cells[17] = instant(no_plan.now);
        escape::write_csv_row(&cells, out)?;
    }
    Ok(())
}

fn empty(told: &Told<'_>) -> Cells {
    let mut cells = Cells::default();
    cells[17] = instant(told.plan.observed_at);
    cells
}

fn row(standing: &Standing<'_>, told: &Told<'_>) -> Cells {
    let judged = standing.judged;
    let sensor = judged.whom.sensor();
    let hold = judged.hold.as_ref();
    let write = standing.last.write;
    let mut cells = empty(told);
    cells[0] = standing.server.server.to_string();
    cells[1] = sensor.map_or_else(|| judged.whom.label(), |sensor| json::host(sensor));
    cells[2] = judged.whom.entry().map(ToString::to_string).unwrap_or_default();
    cells[3] = sensor.map(|sensor| sensor.id.to_string()).unwrap_or_default();
    cells[4] = judged.aspect.to_string();
    cells[5] = standing.state().as_str().to_owned();
    cells[6] = contact_word(judged.contact).to_owned();
    cells[7] = standing.what(told.view, told.plan.now).replace('\n', "; ");
    cells[8] = standing.age.map(|age| age.as_str().to_owned()).unwrap_or_default();
    place(Some(&standing.cause()), &mut cells);
    cells[12] = hold.map(|hold| instant(hold.until)).unwrap_or_default();
    cells[13] = hold.map(|hold| hold.by.to_string()).unwrap_or_default();
    cells[14] = write.map(|by| by.run.to_string()).unwrap_or_default();
    cells[15] = write.map(|by| instant(by.at)).unwrap_or_default();
    cells[16] = standing.last.is_changed_by_others.map(|changed| changed.to_string()).unwrap_or_default();
    cells
}

fn place(cause: Option<&Cause>, cells: &mut Cells) {
    let Some(cause) = cause else { return };
    let origin = cause.origin();
    cells[9] = origin.file.to_string();
    cells[10] = if origin.line > 0 { origin.line.to_string() } else { String::new() };
    cells[11] = cause.groups().map(|group| group.group.to_string()).collect::<Vec<_>>().join(" ");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Judgement;
    use crate::plan::Plan;
    use crate::report::{View, sample};

    const DRIFT: View = View::Drift { require_contact: false };

    fn written(plan: &Plan) -> String {
        let mut out = Vec::new();
        sample::told(plan, &Judgement::default(), DRIFT, |told| write(told, &mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// As another program reads it.
    fn read(text: &str) -> Vec<csv::StringRecord> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|record| record.unwrap()).collect()
    }

    #[test]
    fn thirty_changes_are_as_expected() {
        snapbox::assert_data_eq!(written(&sample::many(30)), snapbox::file!["golden/drift.csv": Text].raw());
    }

    #[test]
    fn every_subject_has_its_row() {
        let plan = sample::ten_thousand();
        let rows = read(&written(plan));
        let managed: usize = plan.servers.iter().map(|server| server.judged.len()).sum();
        assert_eq!(rows.len(), 1 + managed + 2, "the header, a host that nobody knows, a server");
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        let states: std::collections::BTreeSet<&str> = rows[1..].iter().map(|row| &row[5]).collect();
        assert!(states.contains("unreachable") && states.contains("error") && states.contains("held"));
    }

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_out() {
        let (plan, _) = sample::hostile();
        let text = written(&plan);
        assert!(!text.contains(|c: char| c.is_control() && c != '\r' && c != '\n'));
        for row in read(&text) {
            assert_eq!(row.len(), COLUMNS.len());
            for cell in &row {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            }
        }
    }

    #[test]
    fn where_there_is_no_plan_a_row_says_so() {
        let mut out = Vec::new();
        sample::no_plan(DRIFT, |no_plan| write_failed(no_plan, &mut out)).unwrap();
        let rows = read(&String::from_utf8(out).unwrap());
        assert_eq!(rows.len(), 5);
        assert_eq!((&rows[3][5], &rows[3][9], &rows[3][10]), ("failed", "my state/a.yaml", "3"));
    }
}
