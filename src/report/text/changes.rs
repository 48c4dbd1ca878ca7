use std::io::{self, Write};

use jiff::Timestamp;

use super::{cut, lines, renewals, shown};
use crate::model::Difference;
use crate::plan::{Action, Change, End, Gap, Purpose, RuleChange, ServerPlan};
use crate::report::table::{Cell, Row, Table};
use crate::report::words::{count_of, instant, term, thousands, thousands_of};
use crate::report::{TextOptions, View};
use crate::terminal::{Paint, Palette};

/// Longer reasons are cut.
const REASON: usize = 60;

/// The changes of one server in the order in which they are made, then the renewals. Whether there was any.
pub(super) fn write(
    server: &ServerPlan,
    now: Timestamp,
    is_large: bool,
    options: &TextOptions,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut table = table(options);
    for step in &server.steps {
        let changes: Vec<&Change> =
            step.changes.iter().map(AsRef::as_ref).filter(|change| !change.action.is_renewal()).collect();
        let most = if is_large { most(step.purpose) / LESS } else { most(step.purpose) };
        let shown = shown(changes.len(), most, options);
        table.rows.extend(changes[..shown].iter().map(|change| row(change, now, options)));
        if let Some(cut) = cut(changes.len(), shown) {
            table.rows.push(note_row(cut));
        }
    }
    if options.view == View::Plan {
        table.rows.extend(server.gaps().iter().map(gap_row));
    }
    let any = !table.rows.is_empty();
    table.write(options.palette, out)?;
    Ok(renewals::write(server, now, options, out)? || any)
}

/// What hosts go without while hashes move between two rules.
fn gap_row(gap: &Gap) -> Row {
    const SHOWN: usize = 3;
    let mut hashes: Vec<String> =
        gap.hashes.iter().take(SHOWN).map(|hash| format!("{}…", hash.short())).collect();
    if gap.hashes.len() > SHOWN {
        hashes.push("…".to_owned());
    }
    let until = match gap.until {
        Purpose::ForAll if gap.hashes.len() == 1 => "until the rule for all hosts has it",
        Purpose::ForAll => "until the rule for all hosts has them",
        Purpose::Contain | Purpose::GiveUp | Purpose::Prevent | Purpose::Run | Purpose::Release => {
            "from when the rule for all hosts is written until theirs is"
        }
    };
    let (hosts, go) = match gap.hosts {
        1 => ("1 host".to_owned(), "goes"),
        many => (format!("{} hosts", thousands(many)), "go"),
    };
    let text =
        format!("{hosts} {go} without {} ({}) {until}", count_of_hashes(gap.hashes.len()), hashes.join(", "));
    Row {
        mark: Some(Cell::new("!", Paint::Alarm)),
        cells: vec![Cell::new("gap", Paint::Alarm), Cell::plain(text)],
        ..Row::default()
    }
}

/// The columns are word, host, detail, reason and cause. Wider cells than these push only what follows them.
pub(super) fn table(options: &TextOptions) -> Table {
    let (word, detail) = match options.view {
        View::Plan => ("isolate".len(), 52),
        View::Drift { .. } => ("prevention".len(), 72),
    };
    Table { indent: 2, widest: vec![usize::MAX, 36, detail, 40], narrowest: vec![word], ..Table::default() }
}

/// A line in the place of what was cut.
pub(super) fn note_row(text: String) -> Row {
    Row { mark: Some(Cell::plain(" ")), cells: vec![Cell::new(text, Paint::Faint)], ..Row::default() }
}

/// How much shorter the lists below a summary are.
const LESS: usize = 4;

/// How many changes of a step are shown. Releases are cut last: each of them lets something back onto the network.
fn most(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Contain => 50,
        Purpose::GiveUp | Purpose::ForAll | Purpose::Prevent => 40,
        // What would run is never cut.
        Purpose::Run => usize::MAX,
        Purpose::Release => 100,
    }
}

/// One change as a line, with what it is made of below.
pub(super) fn row(change: &Change, now: Timestamp, options: &TextOptions) -> Row {
    let (mark, paint) = match (&change.action, options.view) {
        // Drift can not say whether such a rule is still in force.
        (Action::Renew { end: End::Unknown(_), .. }, View::Drift { .. }) => ("?", Paint::Doubt),
        (action, View::Plan | View::Drift { .. }) => mark(action),
    };
    let detail = match options.view {
        View::Plan => planned(change, now),
        View::Drift { .. } => differing(change, now),
    };
    let below = below(change, now, options);
    Row {
        mark: Some(Cell::new(mark, paint)),
        cells: vec![
            Cell::new(word(change, options.view), paint),
            Cell::plain(who(change)),
            Cell::plain(detail),
            Cell::plain(
                change.reason.as_deref().map(|reason| reason_of(reason, options)).unwrap_or_default(),
            ),
            Cell::new(change.cause.to_string(), Paint::Faint),
        ],
        below,
    }
}

/// What a change is made of, and what to know of it, one line each.
fn below(change: &Change, now: Timestamp, options: &TextOptions) -> Vec<Vec<Cell>> {
    let mut below = match (&change.action, &change.difference) {
        (Action::Block(rule), _) => lines::of_rule(rule, now, options),
        (Action::ChangeExclusions { .. }, Difference::Isolation(side)) => lines::of_exclusions(side, options),
        (Action::Isolate { .. }, Difference::Isolation(side)) if options.full => lines::let_through(side),
        (
            Action::Isolate { .. }
            | Action::ChangeExclusions { .. }
            | Action::Renew { .. }
            | Action::Release
            | Action::EndSpent { .. }
            | Action::StartTask { .. }
            | Action::DeleteTask,
            _,
        ) => Vec::new(),
    };
    below.extend(notes(change, options.view).iter().map(|note| lines::note(note)));
    below
}

/// The same for other formats: nothing cut, safe to print.
pub(in crate::report) fn made_of(change: &Change, now: Timestamp, view: View) -> Vec<String> {
    let options = TextOptions { view, full: true, summary: false, palette: Palette::OFF };
    let text = |line: Vec<Cell>| line.iter().map(Cell::text).collect::<String>();
    below(change, now, &options).into_iter().map(text).collect()
}

/// Notes tell what a write would bring about; drift writes nothing.
pub(super) fn notes(change: &Change, view: View) -> &[String] {
    match view {
        View::Plan => &change.notes,
        View::Drift { .. } => &[],
    }
}

/// Whom a change is for: the entry's key, and the name that the server lists where that is another.
pub(in crate::report) fn who(change: &Change) -> String {
    let label = change.whom.label();
    let Some(host) = change.whom.host() else { return label };
    let is_named_so = host.sensor.name.as_ref().is_some_and(|name| name.raw() == &*host.entry);
    if is_named_so { label } else { format!("{} ({label})", host.entry) }
}

pub(in crate::report) fn mark(action: &Action) -> (&'static str, Paint) {
    match action {
        Action::Isolate { .. } => ("+", Paint::Added),
        Action::ChangeExclusions { .. } | Action::Block(_) => ("~", Paint::Changed),
        Action::Renew { .. } => ("↻", Paint::Renewed),
        Action::StartTask { .. } => ("▶", Paint::Added),
        Action::Release | Action::EndSpent { .. } | Action::DeleteTask => ("-", Paint::Removed),
    }
}

pub(super) fn word(change: &Change, view: View) -> &'static str {
    match view {
        View::Plan => act(&change.action),
        View::Drift { .. } => change.subject.aspect.as_str(),
    }
}

/// What is done, in the word that a person would use for it.
pub(in crate::report) fn act(action: &Action) -> &'static str {
    match action {
        Action::Isolate { .. } | Action::ChangeExclusions { .. } => "isolate",
        Action::Renew { .. } => "renew",
        Action::StartTask { .. } => "run",
        Action::DeleteTask => "delete",
        Action::Release | Action::EndSpent { .. } => "release",
        Action::Block(_) => "block",
    }
}

fn reason_of(reason: &str, options: &TextOptions) -> String {
    if options.full || reason.chars().count() <= REASON {
        return reason.to_owned();
    }
    let mut cut: String = reason.chars().take(REASON - 1).collect();
    cut.push('…');
    cut
}

/// What would be done.
pub(in crate::report) fn planned(change: &Change, now: Timestamp) -> String {
    match &change.action {
        Action::Isolate { term: wanted, is_lapsed: false } => term(*wanted, now),
        Action::Isolate { term: wanted, is_lapsed: true } => format!("{}, ours ran out", term(*wanted, now)),
        Action::ChangeExclusions { term: wanted } => {
            let (added, removed) = exclusion_counts(&change.difference);
            format!("exclusions +{added} −{removed}, {}", term(*wanted, now))
        }
        Action::Renew { term: wanted, end } => {
            format!("{}, {}", term(*wanted, now), renewals::end_of_one(*end, now))
        }
        Action::StartTask { not_after } => {
            format!("{}{}", task(change), deadline(*not_after, now))
        }
        Action::DeleteTask if change.cause.origin().is_command_line() => task(change),
        Action::DeleteTask => format!("{}  declared absent", task(change)),
        Action::Release => "declared off".to_owned(),
        Action::EndSpent { until } => format!("its time ended on {}", instant(*until, now)),
        Action::Block(rule) => planned_rule(rule, &change.difference),
    }
}

/// `  not after 1 Dec 00:00Z`; nothing for what a person starts now.
fn deadline(not_after: Timestamp, now: Timestamp) -> String {
    if not_after == Timestamp::MAX {
        String::new()
    } else {
        format!("  not after {}", instant(not_after, now))
    }
}

/// `collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)`: whole, and safe to print.
fn task(change: &Change) -> String {
    let name = change.whom.task().map(|task| task.label()).unwrap_or_default();
    match &change.difference {
        Difference::Task(_, side) => {
            let program = side.after.as_deref().or(side.before.as_deref());
            format!("{name}  {}", program.map(ToString::to_string).unwrap_or_default())
        }
        Difference::Isolation(_) | Difference::Prevention(_) => name,
    }
}

/// `+17 −1, 212 kept (3 not ours)`.
fn planned_rule(rule: &RuleChange, difference: &Difference) -> String {
    let counts = [("+", rule.added.len()), ("−", rule.removed.len())]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign}{}", thousands_of(count)))
        .collect::<Vec<_>>()
        .join(" ");
    let mut parts = Vec::new();
    if !counts.is_empty() {
        parts.push(counts);
    }
    if is_deleted(difference) {
        parts.push("no hash is left, the rule is deleted".to_owned());
    }
    if rule.kept > 0 {
        parts.push(format!("{} kept{}", thousands_of(rule.kept), foreign(rule)));
    }
    if rule.covered_by_all > 0 {
        parts.push(format!("{} in the rule for all hosts", thousands_of(rule.covered_by_all)));
    }
    parts.join(", ")
}

/// What is, and what is declared.
pub(in crate::report) fn differing(change: &Change, now: Timestamp) -> String {
    match &change.action {
        Action::Isolate { term: wanted, is_lapsed: false } => {
            format!("no rule in force, declared {}", term(*wanted, now))
        }
        Action::Isolate { term: wanted, is_lapsed: true } => {
            format!("our rule has ended, declared {}", term(*wanted, now))
        }
        Action::ChangeExclusions { .. } => {
            let (missing, surplus) = exclusion_counts(&change.difference);
            format!("{} missing, {surplus} too many", count_of(missing, "exclusion"))
        }
        Action::Renew { term: wanted, end } => {
            format!("declared {}, {}", term(*wanted, now), renewals::end_of_one(*end, now))
        }
        Action::StartTask { not_after } => {
            format!("not started: {}{}", task(change), deadline(*not_after, now))
        }
        Action::DeleteTask => format!("there, declared absent: {}", task(change)),
        Action::Release => "a rule is set, declared off".to_owned(),
        Action::EndSpent { until } => {
            format!("a rule of ours is still listed, its time ended on {}", instant(*until, now))
        }
        Action::Block(rule) => {
            let mut parts = vec![
                format!("{} missing", count_of_hashes(rule.added.len())),
                format!("{} too many", thousands_of(rule.removed.len())),
            ];
            if rule.kept > 0 {
                parts.push(format!("{} stay{}", thousands_of(rule.kept), foreign(rule)));
            }
            if rule.covered_by_all > 0 {
                parts.push(format!("{} in the rule for all hosts", thousands_of(rule.covered_by_all)));
            }
            parts.join(", ")
        }
    }
}

fn count_of_hashes(count: usize) -> String {
    if count == 1 { "1 hash".to_owned() } else { format!("{} hashes", thousands_of(count)) }
}

fn foreign(rule: &RuleChange) -> String {
    if rule.kept_foreign > 0 {
        format!(" ({} not ours)", thousands_of(rule.kept_foreign))
    } else {
        String::new()
    }
}

fn is_deleted(difference: &Difference) -> bool {
    match difference {
        Difference::Prevention(side) => side.before.is_some() && side.after.is_none(),
        Difference::Isolation(_) | Difference::Task(..) => false,
    }
}

/// How many exclusions the value after has and the value before has not, and the other way round.
fn exclusion_counts(difference: &Difference) -> (usize, usize) {
    match difference {
        Difference::Isolation(side) => {
            let only = |a: &Option<crate::model::Isolation>, b: &Option<crate::model::Isolation>| {
                a.iter()
                    .flat_map(|isolation| isolation.exclusions.iter())
                    .filter(|rule| !b.as_ref().is_some_and(|other| other.exclusions.contains(*rule)))
                    .count()
            };
            (only(&side.after, &side.before), only(&side.before, &side.after))
        }
        Difference::Prevention(_) | Difference::Task(..) => (0, 0),
    }
}
