//! What became of the differences of an earlier run, and who wrote last.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{cut, shown};
use crate::report::last_write::LastWrite;
use crate::report::since::{Age, Compared, Since};
use crate::report::standing::{Standing, standings};
use crate::report::table::{Cell, Row, Table};
use crate::report::told::Told;
use crate::report::words::{instant, thousands_of};
use crate::report::{TextOptions, escape};
use crate::terminal::Paint;

/// Of those that were there before, and of those that are gone.
const SHOWN: usize = 20;

/// Writes each difference with whether it is new, the new ones first.
///
/// # Errors
/// Those of `out`.
pub fn since(since: &Since, told: &Told<'_>, options: &TextOptions, out: &mut impl Write) -> io::Result<()> {
    let counts: Vec<String> = AGES
        .into_iter()
        .map(|age| (since.count(age), age))
        .filter(|(count, age)| *count > 0 || *age == Age::New)
        .map(|(count, age)| format!("{} {}", thousands_of(count), word(age)))
        .collect();
    let line = format!("since {}: {}", escape::line(&since.earlier), counts.join(", "));
    writeln!(out, "\n{}", options.palette.paint(Paint::Heading, &line))?;
    if since.compared.is_empty() || options.summary {
        return Ok(());
    }
    let standings = standings(told);
    let by_subject: BTreeMap<(&str, Option<String>, String), &Standing<'_>> = standings
        .iter()
        .map(|standing| {
            let sensor = standing.judged.whom.sensor().map(|sensor| sensor.id.to_string());
            ((standing.server.server.as_str(), sensor, standing.judged.aspect.to_string()), standing)
        })
        .collect();
    let row = |one: &Compared| {
        let subject = (one.server.as_str(), one.sensor_id.clone(), one.aspect.clone());
        row(one, by_subject.get(&subject).copied(), told)
    };
    let mut table = Table { indent: 2, widest: vec![usize::MAX, 60], ..Table::default() };
    for age in AGES {
        let of_age: Vec<&Compared> = since.compared.iter().filter(|one| one.age == age).collect();
        let first = if age == Age::New { of_age.len() } else { SHOWN };
        let show = shown(of_age.len(), first, options);
        table.rows.extend(of_age[..show].iter().map(|one| row(one)));
        table.rows.extend(cut(of_age.len(), show).map(super::changes::note_row));
    }
    writeln!(out)?;
    table.write(options.palette, out)
}

const AGES: [Age; 4] = [Age::New, Age::Still, Age::NotKnown, Age::Gone];

fn word(age: Age) -> &'static str {
    match age {
        Age::New => "new",
        Age::Still => "still there",
        Age::Gone => "gone",
        Age::NotKnown => "not known any more",
    }
}

fn row(one: &Compared, standing: Option<&Standing<'_>>, told: &Told<'_>) -> Row {
    let (mark, paint) = match one.age {
        Age::New => ("!", Paint::Alarm),
        Age::Still => ("·", Paint::Plain),
        Age::NotKnown => ("?", Paint::Doubt),
        Age::Gone => ("✓", Paint::Added),
    };
    let who = match (standing, one.age) {
        (Some(standing), Age::New | Age::Still) => who(&standing.last, told),
        (Some(_) | None, _) => String::new(),
    };
    let parts: Vec<String> = one.remark.iter().cloned().chain((!who.is_empty()).then_some(who)).collect();
    Row {
        mark: Some(Cell::new(mark, paint)),
        cells: vec![
            Cell::new(word(one.age), paint),
            Cell::plain(&one.subject),
            Cell::plain(parts.join("; ")),
        ],
        ..Row::default()
    }
}

/// Who wrote it last, as far as the record tells.
fn who(last: &LastWrite<'_>, told: &Told<'_>) -> String {
    match (last.write, last.is_changed_by_others) {
        (Some(by), changed) => {
            let at = instant(by.at, told.plan.now);
            let whose = match changed {
                Some(true) => "changed since then, not by us",
                Some(false) => "as we left it",
                None => "whether somebody changed it since is not known",
            };
            let cause = by.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("last set by run {} of {} on {at}{cause}; {whose}", by.run, by.owner)
        }
        (None, Some(true)) => "not by us".to_owned(),
        (None, Some(false) | None) => "the record shows no write of ours".to_owned(),
    }
}
