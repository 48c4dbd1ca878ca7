//! Why a host is as it is, and where a hash comes from, as text and as JSON.

mod json;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use jiff::Timestamp;

use super::history::{HistoryOptions, circumstances, values, when, word};
use super::table::{Cell, write_cells};
use super::words::{instant, thousands_of};
use crate::model::{Aspect, AspectKind, Cause, FileHash, ServerKey, ServerName, Target};
use crate::record::{Deed, HashState, HashStory, Hold, RuleCounts, Standing, SubjectStory};
use crate::terminal::Paint;

pub(super) use json::subject;
pub use json::{Document, FORMAT_VERSION, Subject, document, write_json, write_schema};

/// What the record of one server tells.
#[derive(Debug, Clone)]
pub struct ServerWhy<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What names its chain in the record.
    pub key: &'a ServerKey,
    /// What it tells; a server whose record tells nothing of it is left out.
    pub told: Told<'a>,
    /// What the shown acts changed in prevention rules.
    pub counts: &'a RuleCounts,
}

/// What the record tells of what was asked for.
#[derive(Debug, Clone)]
pub enum Told<'a> {
    /// One for each aspect that anything is told of, of whoever was ever called so.
    Host(Vec<SubjectStory<'a>>),
    /// One for each rule that it is or was in, or may be.
    Hash(Vec<HashStory<'a>>),
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// As typed: a name, an entry, a sensor id or `all@SERVER`.
    Host(String),
    /// The hash of a file.
    Hash(FileHash),
}

/// Writes what each server's record tells. It says what was set; whether it still stands is for a plan to say.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    servers: &[ServerWhy<'_>],
    options: &HistoryOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, server) in servers.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let header =
            [Cell::new(server.server.as_str(), Paint::Heading), Cell::plain(format!("  {}", server.key))];
        write_cells(&header, options.palette, out)?;
        match &server.told {
            Told::Host(stories) => {
                for story in stories {
                    writeln!(out)?;
                    write_subject(story, server.counts, options, out)?;
                }
            }
            Told::Hash(stories) => {
                for story in stories {
                    writeln!(out)?;
                    write_hash(story, options, out)?;
                }
            }
        }
    }
    writeln!(out)?;
    let note = "this is what the record tells; `kedrctl plan` reads what stands on the server now";
    write_cells(&[Cell::new(note, Paint::Faint)], options.palette, out)
}

fn write_subject(
    story: &SubjectStory<'_>,
    counts: &RuleCounts,
    options: &HistoryOptions,
    out: &mut impl Write,
) -> io::Result<()> {
    let id = match story.scope.target {
        Target::AllHosts => String::new(),
        Target::Sensor(id) if *story.label == id.to_string() => String::new(),
        Target::Sensor(id) => format!("   sensor {id}"),
    };
    let aspect = match story.task {
        Some(id) => Aspect::Task(id).to_string(),
        None => story.scope.aspect.to_string(),
    };
    let title = format!("  {} {aspect}", host(story.scope.target, &story.label));
    write_cells(&[Cell::new(title, Paint::Heading), Cell::new(id, Paint::Faint)], options.palette, out)?;
    indented(&told(story, counts, options.now), options, out)
}

/// What the record tells of one aspect of one host, line by line.
pub(super) fn told(story: &SubjectStory<'_>, counts: &RuleCounts, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if story.standing != Standing::NotOurs || story.open.is_empty() {
        lines.push(standing(story, now));
    }
    match (story.set, story.last_renewal) {
        (Some(set), _) => lines.extend(deed(set, counts, now)),
        (None, Some(_)) => lines.push("who set it first, the record does not tell".to_owned()),
        (None, None) => {}
    }
    if let Some(renewal) = story.last_renewal {
        let times = if story.renewals == 1 { "once".to_owned() } else { format!("{} times", story.renewals) };
        lines.push(format!("renewed {times}, at last on {}", by(renewal, now)));
    }
    for open in &story.open {
        lines.push(format!("not known whether done: {} on {}", word(open.act), by(*open, now)));
    }
    lines.extend(story.hold.as_ref().map(|hold| held(hold, now)));
    lines
}

fn write_hash(story: &HashStory<'_>, options: &HistoryOptions, out: &mut impl Write) -> io::Result<()> {
    let title = format!("  {}", host(story.target, &story.label));
    write_cells(&[Cell::new(title, Paint::Heading)], options.palette, out)?;
    let now = options.now;
    let mut lines = Vec::new();
    match story.state {
        HashState::Ours(deed) => {
            lines.push(format!("ours since {}", when(deed.act.sent_at(), now)));
            lines.extend(whence(deed));
        }
        HashState::Foreign(deed) => {
            lines.push(format!(
                "not ours: it was there before run {} wrote on {}",
                deed.run.id,
                when(deed.act.sent_at(), now)
            ));
            lines.push("who put it there, when and why, the record does not tell".to_owned());
        }
        HashState::PutBack(deed) => {
            lines.push(format!(
                "not ours: run {} put it back for others on {}",
                deed.run.id,
                when(deed.act.sent_at(), now)
            ));
            lines.push("who put it there at first, the record does not tell".to_owned());
        }
        HashState::TakenOut(deed) => {
            lines.push(format!("taken out on {}", when(deed.act.sent_at(), now)));
            lines.extend(whence(deed));
        }
        HashState::Gone(deed) => lines.push(format!(
            "was there, and was gone before run {} wrote on {}: somebody else took it out",
            deed.run.id,
            when(deed.act.sent_at(), now)
        )),
        HashState::NotKnown => {}
    }
    if let Some(open) = story.open {
        lines.push(format!("not known whether done: {} on {}", word(open.act), by(open, now)));
    }
    indented(&lines, options, out)
}

fn indented(lines: &[String], options: &HistoryOptions, out: &mut impl Write) -> io::Result<()> {
    for line in lines {
        write_cells(&[Cell::plain(format!("      {line}"))], options.palette, out)?;
    }
    Ok(())
}

pub(super) fn host(target: Target, label: &str) -> String {
    match target {
        Target::AllHosts => "all hosts".to_owned(),
        Target::Sensor(_) => label.to_owned(),
    }
}

fn standing(story: &SubjectStory<'_>, now: Timestamp) -> String {
    match (story.standing, story.scope.aspect) {
        (Standing::NotOurs, AspectKind::Isolation) => "never isolated or released by us".to_owned(),
        (Standing::NotOurs, AspectKind::Prevention) => "its rule was never written by us".to_owned(),
        (Standing::IsolatedUntil(end), _) => {
            format!("isolated by us; by the record in force until {}", instant(end, now))
        }
        (Standing::IsolatedEndUnknown, _) => {
            "isolated by us; when that ends is not known: the clocks were too far apart".to_owned()
        }
        (Standing::IsolationEnded(end), _) => {
            format!("was isolated by us; by the record that ended on {}", instant(end, now))
        }
        (Standing::Released, _) => "not isolated: we deleted the rule".to_owned(),
        (Standing::NotOurs, AspectKind::Tasks) if story.task.is_none() => {
            "none was ever created by us".to_owned()
        }
        (Standing::NotOurs, AspectKind::Tasks) => "never created by us".to_owned(),
        (Standing::TaskCreated, _) => "created once; by the record it was not deleted by us".to_owned(),
        (Standing::TaskDeleted, _) => "deleted by us; it is not created again".to_owned(),
        (Standing::Blocks(0), _) => "no hash in its rule is ours".to_owned(),
        (Standing::Blocks(1), _) => "1 hash in its rule is ours".to_owned(),
        (Standing::Blocks(ours), _) => {
            format!("{} hashes in its rule are ours", thousands_of(ours))
        }
    }
}

/// What was done, by whom, why, and from where.
fn deed(deed: Deed<'_>, counts: &RuleCounts, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "{} ({}) on {}",
        word(deed.act),
        values(&deed.act.values, counts),
        when(deed.act.sent_at(), now)
    )];
    lines.extend(whence(deed));
    lines
}

fn whence(deed: Deed<'_>) -> Vec<String> {
    let run = deed.run;
    let mut lines = vec![format!("by run {}: {} by {}, owner {}", run.id, run.command, run.by, run.owner)];
    lines.extend(deed.act.reason.as_ref().map(|reason| format!("why: {reason}")));
    let cause = deed.act.cause.as_ref().map(Cause::to_string);
    lines.extend(cause.map(|cause| format!("from {cause}")));
    lines.extend(circumstances(run));
    lines
}

fn by(deed: Deed<'_>, now: Timestamp) -> String {
    format!(
        "{} by run {} ({} by {}, owner {})",
        when(deed.act.sent_at(), now),
        deed.run.id,
        deed.run.command,
        deed.run.by,
        deed.run.owner
    )
}

/// `held by ana@soc-1 until 26 Nov 13:00Z (by release: false alarm)`.
pub(super) fn held(hold: &Hold, now: Timestamp) -> String {
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "held by {} until {} (by `{}`, run {}{reason}): apply leaves it alone",
        hold.by,
        instant(hold.until, now),
        hold.command,
        hold.run
    )
}
