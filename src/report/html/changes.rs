//! The changes of a plan, or what differs, or what became of them; each with its folded difference.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Page;
use super::data::step;
use super::difference::{Lines, lines};
use super::fleet::Fleet;
use super::markup::{message, shown, shown_message, text};
use crate::execute::WriteResult;
use crate::plan::{Change, Purpose};
use crate::report::words::{count_of, instant, thousands_of};
use crate::report::{View, text as plain};

/// Changes that are written into the page itself: all of them are in its data.
const CHANGES: usize = 100;

/// One change with all that a page says of it. Texts are safe to show.
pub(super) struct Made<'a> {
    pub(super) server: usize,
    pub(super) purpose: Purpose,
    /// Only its end is set anew: no difference.
    pub(super) is_renewal: bool,
    /// Its number in the fleet.
    pub(super) host: Option<usize>,
    pub(super) mark: &'static str,
    pub(super) word: &'static str,
    pub(super) who: String,
    pub(super) detail: String,
    pub(super) reason: String,
    pub(super) cause: String,
    pub(super) notes: &'a [String],
    pub(super) lines: Lines,
    /// Its tone, and what became of it.
    pub(super) result: Option<(&'static str, String)>,
}

pub(super) fn made<'a>(
    page: &Page<'a>,
    server: usize,
    purpose: Purpose,
    change: &'a Change,
    host: Option<usize>,
    result: Option<&WriteResult>,
) -> Made<'a> {
    let now = page.plan.now;
    let (mark, _) = plain::mark(&change.action);
    let (word, detail, notes): (_, _, &[String]) = match page.view {
        View::Plan => (plain::act(&change.action), plain::planned(change, now), &change.notes),
        // Notes tell what a write would bring about; drift writes nothing.
        View::Drift { .. } => (change.subject.aspect.as_str(), plain::differing(change, now), &[]),
    };
    Made {
        server,
        purpose,
        is_renewal: change.action.is_renewal(),
        host,
        mark,
        word,
        who: shown(&plain::who(change)),
        detail: shown(&detail),
        reason: change.reason.as_deref().map(shown).unwrap_or_default(),
        cause: shown(&change.cause.to_string()),
        notes,
        lines: lines(change, now, page.full),
        result: result.map(|result| {
            let (tone, text) = said(result, now);
            (tone, shown_message(&text))
        }),
    }
}

/// The tone of a result, and what it says; not escaped yet.
pub(super) fn said(result: &WriteResult, now: Timestamp) -> (&'static str, String) {
    match result {
        WriteResult::Done { .. } => ("fine", "done: set, and read back as it was sent".to_owned()),
        WriteResult::AlreadyAsDesired => ("fine", "found as declared, nothing sent".to_owned()),
        WriteResult::ChangedSincePlan { found } => {
            ("bad", format!("changed since the plan, nothing sent: {found}"))
        }
        WriteResult::Held { hold } => (
            "kept",
            format!("left alone, nothing sent: held by {} until {}", hold.by, instant(hold.until, now)),
        ),
        WriteResult::NotRead { why } => {
            ("doubt", format!("could not be read before the write, nothing sent: {why}"))
        }
        WriteResult::Refused { why } => ("bad", format!("refused by the server, nothing changed: {why}")),
        WriteResult::Unknown { why } => {
            ("doubt", format!("sent, but not known whether it is in force: {why}"))
        }
        WriteResult::NotTried { why } => ("bad", format!("not tried, nothing sent: {why}")),
    }
}

pub(super) fn write(page: &Page<'_>, fleet: &Fleet<'_>, out: &mut impl Write) -> io::Result<()> {
    let total = fleet.changes.len();
    let title = match (page.view, page.outcome) {
        (_, Some(_)) => "What was done",
        (View::Plan, None) => "Changes",
        (View::Drift { .. }, None) => "Differences",
    };
    let renewals = fleet.changes.iter().filter(|change| change.is_renewal).count();
    write!(out, "<h2>{title} <span class=\"count\">{}", thousands_of(total - renewals))?;
    if renewals > 0 {
        write!(out, ", and {}", count_of(renewals, "renewal"))?;
    }
    writeln!(out, "</span></h2>")?;
    if total == 0 {
        return writeln!(out, "<p class=\"quiet\">None.</p>");
    }
    out.write_all(include_str!("changes.html").as_bytes())?;
    let shown = if page.full { total } else { total.min(CHANGES) };
    writeln!(out, "<div id=\"change-list\">")?;
    for change in &fleet.changes[..shown] {
        write_one(page, change, out)?;
    }
    writeln!(out, "</div>")?;
    if total > shown {
        writeln!(
            out,
            "<p class=\"cut\">… and {} more, which only the script shows.</p>",
            thousands_of(total - shown)
        )?;
    }
    Ok(())
}

fn write_one(page: &Page<'_>, change: &Made<'_>, out: &mut impl Write) -> io::Result<()> {
    let server = page.plan.servers.get(change.server).map_or("", |server| server.server.as_str());
    write!(
        out,
        "<details class=\"change\"><summary><span class=\"mark {}\" aria-hidden=\"true\">{}</span> \
         <span class=\"word\">{}</span> <span class=\"who\">{}</span> <span class=\"what\">{}</span>",
        tone(change.mark),
        change.mark,
        change.word,
        text(&change.who),
        text(&change.detail)
    )?;
    if let Some((tone, said)) = &change.result {
        write!(out, " <span class=\"result {tone}\">{}</span>", message(said))?;
    }
    writeln!(out, "</summary>")?;
    writeln!(
        out,
        "<dl><div><dt>server</dt><dd>{}</dd></div><div><dt>step</dt><dd>{}</dd></div>",
        text(server),
        step(change.purpose)
    )?;
    let facts = [("asked for by", &change.cause), ("reason", &change.reason)];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", text(value))?;
    }
    for note in change.notes {
        writeln!(out, "<div><dt>note</dt><dd>{}</dd></div>", message(note))?;
    }
    writeln!(out, "</dl>")?;
    write_lines(&change.lines, out)?;
    writeln!(out, "</details>")
}

fn write_lines(lines: &Lines, out: &mut impl Write) -> io::Result<()> {
    let Lines(lines, cut) = lines;
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "<ul class=\"diff\">")?;
    for line in lines {
        writeln!(
            out,
            "<li class=\"{}\"><span class=\"sign\">{}</span><code>{}</code> <span>{}</span> <span class=\"cause\">{}</span></li>",
            tone(line.0),
            line.0,
            text(&line.1),
            text(&line.2),
            text(&line.3)
        )?;
    }
    if *cut > 0 {
        writeln!(out, "<li class=\"cut\">… and {} more (--full shows all)</li>", thousands_of(*cut))?;
    }
    writeln!(out, "</ul>")
}

/// The class that colours a sign.
fn tone(sign: &str) -> &'static str {
    match sign {
        "+" => "added",
        "−" | "-" => "removed",
        "~" => "changed",
        _ => "same",
    }
}
