//! What a change is made of, one line each: hashes, exclusions, notes.

use jiff::Timestamp;
use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::{cut, shown};
use crate::model::{FileHash, Isolation, Origin, Side};
use crate::plan::{AddedHash, RemovedBecause, RemovedHash, RuleChange};
use crate::report::table::Cell;
use crate::report::words::{self, count_of, day};
use crate::report::{TextOptions, View};
use crate::terminal::Paint;

/// More is cut. What is taken out of a rule is shown at greater length than what comes in: it is what the fleet
/// loses.
const REMOVED: usize = 20;
const ADDED: usize = 10;
const EXCLUSIONS: usize = 20;
/// Characters of what the files say of a hash.
const COMMENT: usize = 60;

type Line = Vec<Cell>;

pub(super) fn note(text: &str) -> Line {
    vec![Cell::new("note: ", Paint::Doubt), Cell::plain(text)]
}

fn cut_line(total: usize, shown: usize, what: &str) -> Option<Line> {
    cut(total, shown).map(|cut| vec![Cell::new(format!("{what} {cut}"), Paint::Faint)])
}

/// The hashes that go, then those that come, each with why.
pub(super) fn of_rule(rule: &RuleChange, now: Timestamp, options: &TextOptions) -> Vec<Line> {
    let mut lines = Vec::new();
    let show = shown(rule.removed.len(), REMOVED, options);
    lines.extend(rule.removed[..show].iter().map(|removed| removed_line(removed, now, options)));
    lines.extend(cut_line(rule.removed.len(), show, "−"));
    let show = shown(rule.added.len(), ADDED, options);
    lines.extend(rule.added[..show].iter().map(|added| added_line(added, options)));
    lines.extend(cut_line(rule.added.len(), show, "+"));
    if rule.loses_fields > 0 && options.view == View::Plan {
        let verb = if rule.loses_fields == 1 { "stays and loses its" } else { "stay and lose their" };
        let objects = count_of(rule.loses_fields, "object");
        lines.push(note(&format!("{objects} {verb} fields other than hash and name")));
    }
    lines
}

fn removed_line(removed: &RemovedHash, now: Timestamp, options: &TextOptions) -> Line {
    let (why, origin) = match &removed.because {
        RemovedBecause::Unblocked(origin) => ("`unblock` names it".to_owned(), Some(origin)),
        RemovedBecause::Expired { at, origin } => {
            (format!("its time ended on {}", day(*at, now)), Some(origin))
        }
        RemovedBecause::NoLongerDeclared => ("ours, and no file names it any more".to_owned(), None),
        RemovedBecause::MovedToAll { was_ours } => {
            let whose = if *was_ours { "" } else { "not ours, " };
            (format!("{whose}moves to the rule for all hosts"), None)
        }
        RemovedBecause::Exact => ("not in `block`, and the rule is declared exact".to_owned(), None),
    };
    line("−", Paint::Removed, &digits(&removed.hash, options), &why, origin)
}

fn added_line(added: &AddedHash, options: &TextOptions) -> Line {
    let why = words::of_added(added, if options.full { usize::MAX } else { COMMENT });
    line("+", Paint::Added, &digits(&added.hash, options), &why, Some(&added.origin))
}

fn line(sign: &str, paint: Paint, what: &str, why: &str, origin: Option<&Origin>) -> Line {
    let mut line = vec![Cell::new(format!("{sign} {what}"), paint), Cell::plain(format!("  {why}"))];
    line.extend(origin.map(|origin| Cell::new(format!("   {origin}"), Paint::Faint)));
    line
}

fn digits(hash: &FileHash, options: &TextOptions) -> String {
    if options.full { hash.to_string() } else { format!("{}…", hash.short()) }
}

/// The exclusions that differ, in the fixed order of their set, so that only real differences show.
pub(super) fn of_exclusions(side: &Side<Isolation>, options: &TextOptions) -> Vec<Line> {
    let (before, after) = (sayings(side.before.as_ref()), sayings(side.after.as_ref()));
    let differing: Vec<Line> = capture_diff_slices(Algorithm::Myers, &before, &after)
        .iter()
        .flat_map(|operation| operation.iter_changes(&before, &after))
        .filter_map(|change| match change.tag() {
            ChangeTag::Equal => None,
            ChangeTag::Delete => Some(vec![Cell::new(format!("− {}", change.value()), Paint::Removed)]),
            ChangeTag::Insert => Some(vec![Cell::new(format!("+ {}", change.value()), Paint::Added)]),
        })
        .collect();
    let (total, show) = (differing.len(), shown(differing.len(), EXCLUSIONS, options));
    let mut lines: Vec<Line> = differing.into_iter().take(show).collect();
    lines.extend(cut(total, show).map(|cut| vec![Cell::new(cut, Paint::Faint)]));
    lines
}

/// Everything that an isolation lets through.
pub(super) fn let_through(side: &Side<Isolation>) -> Vec<Line> {
    sayings(side.after.as_ref())
        .into_iter()
        .map(|rule| vec![Cell::new(format!("lets through {rule}"), Paint::Faint)])
        .collect()
}

fn sayings(isolation: Option<&Isolation>) -> Vec<String> {
    isolation.into_iter().flat_map(|isolation| isolation.exclusions.iter()).map(ToString::to_string).collect()
}
