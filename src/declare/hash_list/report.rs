//! What is said of a list file: only the lines that it is about are read again, and kept.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::account::{Account, End, MAX_SHOWN, Skipped, Spot, Tally, Wrong};
use super::file::{Format, ListFile};
use crate::declare::decode::Context;
use crate::declare::files;
use crate::diagnostic::{Code, Place, Problem, masked};

/// Reports what is wrong with a file and what of it was passed over. Whether its entries can be used.
pub(in crate::declare) fn report<T>(
    cx: &mut Context<'_>,
    file: &ListFile,
    account: &Account<'_>,
    read: Result<T, End>,
) -> Option<T> {
    let name = &file.name;
    let quoting = Quoting::of(account);
    if account.wrong_count > 1 && account.files == 0 && account.skipped.is_empty() {
        let message =
            format!("the file of the hash list `{name}` is of another format: no line of it is a hash");
        let at = account.wrong.first().map(|first| first.spot).unwrap_or_default();
        let problem = Problem::new(Code::BadHash, message)
            .at(place(cx, file, at, quoting), quoting.label("this, for one"));
        cx.report(problem.and(file.declared_at, "named here").help(format_help(file.format)));
        return None;
    }
    let mut right = None;
    let ended = match read {
        Ok(read) => {
            right = Some(read);
            None
        }
        Err(End::Unreadable(error)) => {
            cx.report(files::unreadable(&file.path, &error).at(file.declared_at, ""));
            None
        }
        Err(End::Problem(problem)) => {
            cx.report(problem.at(file.declared_at, ""));
            None
        }
        Err(End::Wrong(wrong)) => Some(*wrong),
    };
    let mut told = Vec::new();
    for wrong in account.wrong.iter().take(MAX_SHOWN).chain(&ended) {
        let mut problem = Problem::new(wrong.code, wrong.message.clone());
        problem.help.clone_from(&wrong.help);
        told.push((wrong.spot, "", problem));
    }
    if let Some(Wrong { spot, .. }) = account.wrong.get(MAX_SHOWN) {
        let message = match account.wrong_count - MAX_SHOWN as u64 {
            1 => format!("1 more {} of this file is wrong", file.format.entry()),
            more => format!("{more} more {}s of this file are wrong", file.format.entry()),
        };
        let problem = Problem::new(Code::BadHash, message).help(format_help(file.format));
        told.push((*spot, "the next one", problem));
    }
    for (why, tally) in &account.skipped {
        let (message, help) = passed_over(*why, tally);
        let label = if tally.count == 1 { "" } else { "the first one" };
        told.push((tally.first, label, Problem::new(Code::SkippedHashes, message).help(help)));
    }
    // Places are made in the order of the file, and so shown in it.
    told.sort_by_key(|(spot, ..)| *spot);
    for (spot, label, problem) in told {
        let place = place(cx, file, spot, quoting);
        cx.report(problem.at(place, quoting.label(label)));
    }
    if right.is_some() && account.is_right() && account.files == 0 && account.skipped.is_empty() {
        let message = format!("the hash list `{name}` is empty: its file has no hashes");
        cx.report(
            Problem::new(Code::NoHashes, message).at(file.declared_at, "").help("was it written whole?"),
        );
    }
    right.filter(|_| account.is_right())
}

impl Format {
    /// What its mistakes stand in.
    fn entry(self) -> &'static str {
        match self {
            Self::Text => "line",
            Self::Csv => "row",
            Self::Stix => "indicator",
            Self::Misp => "attribute",
        }
    }
}

fn format_help(format: Format) -> &'static str {
    match format {
        Format::Text => {
            "a text file has one MD5 or SHA-256 a line and comments after `#`; for others write `format: csv`, `stix` \
             or `misp`"
        }
        Format::Csv => "a row has what its header names: an MD5 under `md5`, a SHA-256 under `sha256`",
        Format::Stix => {
            "a pattern compares `file:hashes.MD5` with an MD5, `file:hashes.'SHA-256'` with a SHA-256"
        }
        Format::Misp => "an attribute of the type `md5` has an MD5, one of the type `sha256` a SHA-256",
    }
}

fn passed_over(why: Skipped, tally: &Tally) -> (String, &'static str) {
    let are = |one: &str, many: &str| match tally.count {
        1 => format!("1 {one} is"),
        count => format!("{count} {many} are"),
    };
    match why {
        Skipped::Sha1 => (
            format!("{} skipped: files are blocked by MD5 or SHA-256 only", are("SHA-1", "SHA-1")),
            "where only the SHA-1 is known, the file cannot be blocked",
        ),
        Skipped::OtherHash => (
            format!(
                "{} skipped: files are blocked by MD5 or SHA-256 only",
                are("hash of another kind", "hashes of other kinds")
            ),
            "where only such a hash is known, the file cannot be blocked",
        ),
        Skipped::NoHash => (
            format!("{} skipped, without MD5 and SHA-256", are("row", "rows")),
            "files are blocked by these hashes only",
        ),
        Skipped::NotAFile => (
            format!("{} skipped that name no file by its hash", are("indicator", "indicators")),
            "a prevention rule holds hashes of files only",
        ),
        Skipped::Benign => (
            format!("{} skipped that the feed says are benign", are("indicator", "indicators")),
            "a feed marks known good files so; a list that only `never_block` names takes them",
        ),
        Skipped::Pattern => (
            format!("{} skipped that do not just say which file is meant", are("pattern", "patterns")),
            "hashes of files with `=`, `IN` and `OR` are understood, and `AND` between the hashes of one file",
        ),
    }
}

/// How the lines of a file are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    AsTheyAre,
    /// Only their shape: letters and digits are masked.
    Masked,
}

impl Quoting {
    /// A file in which nothing was understood may never have been meant as a list: a key, passwords, a token. What is
    /// shown of it ends up in logs and comments.
    fn of(account: &Account<'_>) -> Self {
        if account.files > 0 || !account.skipped.is_empty() { Self::AsTheyAre } else { Self::Masked }
    }

    /// What is said beside the place.
    fn label(self, label: &'static str) -> &'static str {
        match self {
            Self::AsTheyAre => label,
            Self::Masked => "letters and digits are shown as x: nothing in this file is understood as a list",
        }
    }

    fn shown(self, text: String) -> String {
        match self {
            Self::AsTheyAre => text,
            Self::Masked => masked(&text),
        }
    }
}

/// The place of a spot, in as much of its line as is worth showing.
fn place(cx: &mut Context<'_>, file: &ListFile, spot: Spot, quoting: Quoting) -> Place {
    match excerpt(&file.path, spot) {
        Ok(excerpt) => {
            let display = files::display(&file.path);
            let text = quoting.shown(excerpt.text);
            let id = cx.sources.add_excerpt(display, text, (excerpt.lines_before, excerpt.cut));
            Place::new(id, excerpt.start, excerpt.end)
        }
        // It was there a moment ago: what is wrong with it is worth saying all the same.
        Err(_) => file.declared_at,
    }
}

struct Excerpt {
    text: String,
    lines_before: usize,
    /// What is left out of the line before the text.
    cut: usize,
    start: usize,
    end: usize,
}

/// So much of a line is shown before a spot and after it.
const AROUND: usize = 4_096;

fn excerpt(path: &Path, spot: Spot) -> io::Result<Excerpt> {
    let cut = if spot.start > 2 * AROUND { spot.start - AROUND } else { 0 };
    let length = (spot.end.max(spot.start) - cut).min(2 * AROUND) + AROUND;
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(spot.offset + cut as u64))?;
    let mut bytes = Vec::new();
    file.take(length as u64).read_to_end(&mut bytes)?;
    let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(line_end);
    // Offsets hold where the text is as it was: what is no UTF-8 moves them, within the line.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let boundary = |at: usize| {
        let at = at.min(text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let (start, end) = (boundary(spot.start - cut), boundary(spot.end.max(spot.start) - cut));
    let lines_before = usize::try_from(spot.line).unwrap_or(usize::MAX).saturating_sub(1);
    Ok(Excerpt { text, lines_before, cut, start, end })
}
