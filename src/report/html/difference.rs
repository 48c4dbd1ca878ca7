//! What a change is made of, one line each: hashes, exclusions, timeouts.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::markup::{shown, shown_message};
use crate::model::{Difference, Isolation, Program, Side};
use crate::plan::{Action, Change, RemovedBecause, RuleChange};
use crate::report::words::{self, instant, whole};

/// Lines of one change that are shown.
const LINES: usize = 50;

/// A sign, what it is about, why, and the line of a file that asks for it; safe to show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(super) struct Line(pub(super) &'static str, pub(super) String, pub(super) String, pub(super) String);

/// What differs, line by line, and how many lines were cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize)]
pub(super) struct Lines(pub(super) Vec<Line>, pub(super) usize);

pub(super) fn lines(change: &Change, now: Timestamp, full: bool) -> Lines {
    let mut lines = match (&change.action, &change.difference) {
        (Action::Block(rule), Difference::Prevention(_)) => of_rule(rule, now),
        (_, Difference::Isolation(side)) => of_isolation(side),
        (_, Difference::Task(_, side)) => of_task(side),
        (_, Difference::Prevention(_)) => Vec::new(),
    };
    let most = if full { usize::MAX } else { LINES };
    let cut = lines.len().saturating_sub(most);
    lines.truncate(most);
    Lines(lines, cut)
}

fn of_rule(rule: &RuleChange, now: Timestamp) -> Vec<Line> {
    let removed = rule.removed.iter().map(|removed| {
        let (why, origin) = match &removed.because {
            RemovedBecause::Unblocked(origin) => ("named by `unblock`".to_owned(), Some(origin)),
            RemovedBecause::Expired { at, origin } => {
                (format!("its time ended on {}", instant(*at, now)), Some(origin))
            }
            RemovedBecause::NoLongerDeclared => ("ours, and no file names it any more".to_owned(), None),
            RemovedBecause::MovedToAll { .. } => ("moves to the rule for all hosts".to_owned(), None),
            RemovedBecause::Exact => ("not in `block`, and the rule is declared exact".to_owned(), None),
        };
        let cause = origin.map(ToString::to_string).unwrap_or_default();
        Line("−", removed.hash.to_string(), why, shown(&cause))
    });
    let added = rule.added.iter().map(|added| {
        let why = shown(&words::of_added(added, usize::MAX));
        Line("+", added.hash.to_string(), why, shown(&added.origin.to_string()))
    });
    removed.chain(added).collect()
}

/// The whole command line: what would run is never cut.
fn of_task(side: &Side<Arc<Program>>) -> Vec<Line> {
    let line = |sign, program: &Arc<Program>| {
        Line(sign, shown_message(&program.to_string()), String::new(), String::new())
    };
    let before = side.before.iter().map(|program| line("−", program));
    before.chain(side.after.iter().map(|program| line("+", program))).collect()
}

fn of_isolation(side: &Side<Isolation>) -> Vec<Line> {
    let timeout = |sign, isolation: &Option<Isolation>| {
        isolation.as_ref().map(|isolation| {
            let seconds = i64::try_from(isolation.timeout_seconds).unwrap_or(i64::MAX);
            let text = format!("timeout {}", whole(SignedDuration::from_secs(seconds)));
            Line(sign, text, String::new(), String::new())
        })
    };
    let before = timeout("−", &side.before);
    let after = timeout("+", &side.after);
    let is_same = matches!((&before, &after), (Some(before), Some(after)) if before.1 == after.1);
    let mut lines: Vec<Line> = if is_same { Vec::new() } else { before.into_iter().chain(after).collect() };
    let rules = |isolation: &Option<Isolation>| {
        isolation.as_ref().map(|isolation| isolation.exclusions.clone()).unwrap_or_default()
    };
    let (before, after) = (rules(&side.before), rules(&side.after));
    let line = |sign, rule: &crate::model::ExclusionRule| {
        Line(sign, format!("lets through {rule}"), String::new(), String::new())
    };
    lines.extend(before.iter().filter(|rule| !after.contains(*rule)).map(|rule| line("−", rule)));
    lines.extend(after.iter().filter(|rule| !before.contains(*rule)).map(|rule| line("+", rule)));
    lines.extend(after.iter().filter(|rule| before.contains(*rule)).map(|rule| line(" ", rule)));
    lines
}
