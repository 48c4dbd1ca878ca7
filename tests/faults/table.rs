//! The page of documentation.

use std::fmt::Write as _;

use crate::cell::{Cell, Scenario};
use crate::kinds::{Kind, Times};
use crate::ours;

/// The whole page.
pub(crate) fn of(scenarios: &[Scenario], done: &[(usize, usize, Kind, Cell)], ours: &[ours::Row]) -> String {
    let cells = done.len() + ours.len();
    let mut text = include_str!("introduction.txt")
        .replace("{cells}", &cells.to_string())
        .replace("{calls}", &scenarios.len().to_string());
    for (row, scenario) in scenarios.iter().enumerate() {
        let cells: Vec<(&Kind, &Cell)> =
            done.iter().filter(|(of, ..)| *of == row).map(|(_, _, kind, cell)| (kind, cell)).collect();
        if cells.is_empty() {
            continue;
        }
        let _infallible = write!(text, "\n### {}\n\n{HEAD}", scenario.call.title);
        for outcome in folded(&cells) {
            text.push_str(&outcome.line());
        }
    }
    text.push_str(include_str!("ours.txt"));
    for row in ours {
        text.push_str(&row.line());
    }
    text
}

const HEAD: &str = "| exit | what is seen first | once | for the whole run | in effect | the next apply |\n\
                    | --- | --- | --- | --- | --- | --- |\n";

/// All faults that end alike.
struct Folded<'a> {
    cell: Cell,
    once: Vec<&'a str>,
    always: Vec<&'a str>,
}

fn folded<'a>(cells: &[(&'a Kind, &Cell)]) -> Vec<Folded<'a>> {
    let mut all: Vec<Folded<'a>> = Vec::new();
    for (kind, cell) in cells {
        let cell = Cell { seen: told(&cell.seen), ..(*cell).clone() };
        let place = all.iter().position(|folded| folded.cell == cell).unwrap_or_else(|| {
            all.push(Folded { cell, once: Vec::new(), always: Vec::new() });
            all.len() - 1
        });
        match kind.times {
            Times::Once => all[place].once.push(&kind.name),
            Times::Always => all[place].always.push(&kind.name),
        }
    }
    all.sort_by_key(|folded| folded.cell.exit);
    all
}

impl Folded<'_> {
    fn line(&self) -> String {
        let Cell { exit, seen, effects, then } = &self.cell;
        let next = match (effects, then) {
            (_, 0) => "nothing to do",
            (0, _) => "writes it",
            (_, _) => "renews it",
        };
        let effect = if *effects == 0 { "no" } else { "yes" };
        let names = |names: &[&str]| if names.is_empty() { "–".to_owned() } else { names.join(", ") };
        let (once, always) = (names(&self.once), names(&self.always));
        format!("| {exit} | {} | {once} | {always} | {effect} | {next} |\n", code(seen))
    }
}

/// As it was printed, whatever is in it.
pub(crate) fn code(seen: &str) -> String {
    let seen = seen.replace('|', "\\|");
    if seen.contains('`') { format!("`` {seen} ``") } else { format!("`{seen}`") }
}

/// Without the server's own words and the reader's of them, so that what is the same but for these is one row.
fn told(seen: &str) -> String {
    const FORM: &str = "no JSON of the expected form: ";
    let seen = match seen.split_once(FORM) {
        None => seen.to_owned(),
        Some((before, why)) => {
            format!("{before}{FORM}…{}", why.find("; ").map_or("", |end| &why[end..]))
        }
    };
    let Some((before, rest)) = seen.split_once(" (status ") else { return seen };
    let after = match rest.find("\")") {
        Some(end) => &rest[end + 2..],
        None => rest.split_once(')').map_or("", |(_, after)| after),
    };
    format!("{before} (status …){}", told(after))
}
