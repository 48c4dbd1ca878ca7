//! A page that fits: whole rows, the most important ones first, and a count of what was cut.

use std::io::{self, Write};

use crate::report::words::thousands_of;

/// What comments take: GitHub 65,536 characters, others more. Counted in bytes, which are never fewer.
const LIMIT: usize = 64_900;
/// As much as the line about what was cut takes.
const CUT: usize = 80;

/// Rows between a beginning and an end.
pub(super) struct Section {
    /// Less is more important: the others are cut first.
    pub(super) rank: u8,
    pub(super) before: String,
    /// Each with its line breaks.
    pub(super) rows: Vec<String>,
    pub(super) after: &'static str,
}

/// Writes the sections that have rows, between `head` and `foot`.
pub(super) fn write(head: &str, sections: &[Section], foot: &str, out: &mut impl Write) -> io::Result<()> {
    let sections: Vec<&Section> = sections.iter().filter(|section| !section.rows.is_empty()).collect();
    let frames: usize = sections.iter().map(|section| section.before.len() + section.after.len() + CUT).sum();
    let mut left = LIMIT.saturating_sub(head.len() + foot.len() + frames);
    let mut by_rank: Vec<usize> = (0..sections.len()).collect();
    by_rank.sort_by_key(|at| sections[*at].rank);
    let mut shown = vec![0; sections.len()];
    for at in by_rank {
        for row in &sections[at].rows {
            let Some(rest) = left.checked_sub(row.len()) else { break };
            left = rest;
            shown[at] += 1;
        }
    }
    out.write_all(head.as_bytes())?;
    for (section, shown) in sections.iter().zip(shown) {
        out.write_all(section.before.as_bytes())?;
        section.rows[..shown].iter().try_for_each(|row| out.write_all(row.as_bytes()))?;
        if shown < section.rows.len() {
            let cut = thousands_of(section.rows.len() - shown);
            writeln!(out, "\n… and {cut} more, cut to fit into a comment")?;
        }
        out.write_all(section.after.as_bytes())?;
    }
    out.write_all(foot.as_bytes())
}

/// The head of a table.
pub(super) fn table(columns: &[&str]) -> String {
    let rule = "|---".repeat(columns.len());
    format!("| {} |\n{rule}|\n", columns.join(" | "))
}

pub(super) const DETAILS_END: &str = "\n</details>\n";

/// A part that is folded; `title` is in our own words.
pub(super) fn details(title: &str) -> String {
    format!("\n<details>\n<summary>{title}</summary>\n\n")
}
