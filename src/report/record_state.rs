//! What a record's locks and its store are found to be, for people.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::table::{Cell, write_cells};
use super::words::{ago, instant};
use crate::model::{ServerName, Untrusted, display_duration};
use crate::record::{Expiry, Held, LastSegment, LockState, ProbeReport};
use crate::terminal::{Paint, Palette};

/// A server's lock and the end of its chain.
#[derive(Debug, Clone)]
pub struct ServerLock<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: String,
    /// Whether a run holds it, which one, and by which fence.
    pub lock: LockState,
    /// `None`: nothing was ever written into the chain.
    pub last_segment: Option<LastSegment>,
}

/// Who holds which lock, since when, and what breaks it.
///
/// # Errors
/// Those of `out`.
pub fn write_locks(
    locks: &[ServerLock<'_>],
    now: Timestamp,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, server) in locks.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let name = server.server.as_str();
        write_cells(
            &[Cell::new(name, Paint::Heading), Cell::plain(format!("  {}", server.address))],
            palette,
            out,
        )?;
        let LockState { fence, held } = &server.lock;
        match held {
            Held::Free if *fence == 0 => writeln!(out, "  free     nobody ever held it")?,
            Held::Free => writeln!(out, "  free     fence {fence}")?,
            Held::Held { by, expiry } => {
                match by {
                    Some(holder) => writeln!(
                        out,
                        "  held     by {} (process {}), since {} ({}), fence {fence}",
                        Untrusted::new(&*holder.by).printable(),
                        holder.pid,
                        instant(holder.since, now),
                        ago(holder.since, now)
                    )?,
                    None => writeln!(out, "  held     by a run that has not said which, fence {fence}")?,
                }
                match expiry {
                    Expiry::WithItsProcess => {
                        writeln!(out, "  ends     with its process, however that ends")?
                    }
                    Expiry::Unrenewed { time_to_live, renewed } => writeln!(
                        out,
                        "  renewed  {} ({}, by the store's clock); ends when it is not renewed for {}",
                        instant(*renewed, now),
                        ago(*renewed, now),
                        display_duration(
                            SignedDuration::try_from(*time_to_live).unwrap_or(SignedDuration::MAX)
                        )
                    )?,
                }
            }
        }
        match &server.last_segment {
            None => writeln!(out, "  journal  empty")?,
            Some(LastSegment { number, run: Some(run) }) => {
                writeln!(
                    out,
                    "  journal  {number} segments, the last by run {}",
                    Untrusted::new(&**run).printable()
                )?;
            }
            Some(LastSegment { number, run: None }) => writeln!(out, "  journal  {number} segments")?,
        }
        if let Held::Held { expiry: Expiry::Unrenewed { .. }, .. } = held {
            writeln!(out, "  Where that run is known to be gone: `kedrctl unlock {name} --fence {fence}`")?;
        }
    }
    Ok(())
}

/// What a probe of a store found, and what that means.
///
/// # Errors
/// Those of `out`.
pub fn write_probe(
    place: &str,
    report: &ProbeReport,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    write_cells(&[Cell::new(place, Paint::Heading)], palette, out)?;
    for finding in &report.findings {
        match &finding.failure {
            None => writeln!(out, "  ok  {}", finding.what)?,
            Some(failure) => write_cells(
                &[
                    Cell::new("  !   ", Paint::Alarm),
                    Cell::plain(format!(
                        "{}: no, {}",
                        finding.what,
                        Untrusted::new(failure.as_str()).printable()
                    )),
                ],
                palette,
                out,
            )?,
        }
    }
    if let Some(left) = &report.left_behind {
        writeln!(
            out,
            "  ?   what the probe wrote could not be removed, and does no harm: {}",
            Untrusted::new(left.as_str()).printable()
        )?;
    }
    if report.is_fit() {
        writeln!(out, "fit to keep a record, as far as a probe can show (docs/record.md)")
    } else {
        writeln!(
            out,
            "not fit to keep a record: two runs could write at once without noticing; keep it elsewhere"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Finding, Holder};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shown(lock: LockState, last_segment: Option<LastSegment>) -> String {
        let server = ServerName::new("hq");
        let locks = [ServerLock {
            server: &server,
            address: "https://kata.example.org".to_owned(),
            lock,
            last_segment,
        }];
        let mut out = Vec::new();
        write_locks(&locks, at("2026-11-25T00:12:00Z"), Palette::new(false), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_lock_says_who_holds_it_since_when_and_what_breaks_it() {
        let by = Holder { by: "ana@soc\u{1b}-1".into(), pid: 4711, since: at("2026-11-25T00:00:00Z") };
        let expiry =
            Expiry::Unrenewed { time_to_live: Duration::from_secs(60), renewed: at("2026-11-25T00:11:48Z") };
        let lock = LockState { fence: 7, held: Held::Held { by: Some(by), expiry } };
        let last = LastSegment { number: 41, run: Some("20261125-000000-ab12".into()) };
        snapbox::assert_data_eq!(
            shown(lock, Some(last)),
            snapbox::str![[r#"
hq  https://kata.example.org
  held     by ana@soc/u{1b}-1 (process 4711), since 25 Nov 00:00Z (12 min ago), fence 7
  renewed  25 Nov 00:11Z (just now, by the store's clock); ends when it is not renewed for 1 min
  journal  41 segments, the last by run 20261125-000000-ab12
  Where that run is known to be gone: `kedrctl unlock hq --fence 7`

"#]]
        );
        let lock = LockState { fence: 2, held: Held::Held { by: None, expiry: Expiry::WithItsProcess } };
        snapbox::assert_data_eq!(
            shown(lock, None),
            snapbox::str![[r#"
hq  https://kata.example.org
  held     by a run that has not said which, fence 2
  ends     with its process, however that ends
  journal  empty

"#]]
        );
        assert!(shown(LockState { fence: 3, held: Held::Free }, None).contains("free     fence 3"));
    }

    #[test]
    fn a_store_that_is_not_fit_is_said_to_be_so() {
        let report = ProbeReport {
            findings: vec![
                Finding { what: "what was created is listed at once", failure: None },
                Finding { what: "one succeeds", failure: Some("24 of 24 did".to_owned()) },
            ],
            left_behind: None,
        };
        let mut out = Vec::new();
        write_probe("s3://soc/prod", &report, Palette::new(false), &mut out).unwrap();
        snapbox::assert_data_eq!(
            String::from_utf8(out).unwrap(),
            snapbox::str![[r#"
s3://soc/prod
  ok  what was created is listed at once
  !   one succeeds: no, 24 of 24 did
not fit to keep a record: two runs could write at once without noticing; keep it elsewhere

"#]]
        );
    }
}
