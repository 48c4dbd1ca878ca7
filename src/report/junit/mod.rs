//! JUnit XML, as Jenkins, GitLab and others read it: each managed subject is a test case.
//!
//! As declared: passed. It differs, also under a hold: a failure. Nobody can tell: an error. A host without contact has
//! passed with a note in its output, and is an error with `--require-contact`, as for the exit code: a skipped case
//! would be taken for one that nobody looked at.

#[cfg(test)]
mod tests;
mod xml;

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::standing::{Grade, Standing, State, standings, troubles};
use super::told::{NoPlan, Told};
use super::words::term;
use crate::model::Cause;
use xml::{attribute, content};

/// What became of a case.
enum Result {
    Passed { note: String },
    Failure { kind: &'static str, text: String },
    Error { kind: &'static str, text: String },
}

struct Case {
    class: String,
    name: String,
    /// Tells equal names apart.
    id: Option<String>,
    place: Option<(String, Option<u32>)>,
    result: Result,
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One suite for each server, and one for what the guard refuses.
///
/// # Errors
/// Those of `out`.
pub fn write(told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    let standings = standings(told);
    let troubles = troubles(told, &standings);
    let mut suites: Vec<Suite> = Vec::new();
    for server in &told.plan.servers {
        let name = server.server.to_string();
        let of_it = |other: &crate::plan::ServerPlan| std::ptr::eq(other, server);
        let broken = troubles.iter().filter(|trouble| of_it(trouble.server)).map(|trouble| Case {
            class: format!("{name}.{}", trouble.kind),
            name: trouble.label.clone(),
            id: None,
            place: trouble.cause.map(place),
            result: result_of(trouble.grade, trouble.kind, trouble.message.clone()),
        });
        let mut cases: Vec<Case> = broken.collect();
        cases.extend(standings.iter().filter(|one| of_it(one.server)).map(|one| case(one, told)));
        suites.push(Suite { name, cases });
    }
    if !told.judgement.refusals.is_empty() {
        let refused = told.judgement.refusals.iter().map(|refusal| Case {
            class: format!("policy.{}", refusal.kind.as_str()),
            name: refusal.subject.clone(),
            id: None,
            place: refusal.cause.as_ref().map(place),
            result: Result::Failure { kind: "refused", text: refusal.message.clone() },
        });
        suites.push(Suite { name: "policy".to_owned(), cases: refused.collect() });
    }
    write_suites(told.view.as_str(), told.plan.now, suites, out)
}

/// One suite whose cases are the reasons.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    let command = no_plan.command;
    let case = |reason: super::told::Reason| Case {
        class: format!("{command}.{}", reason.kind),
        name: reason.message.lines().next().unwrap_or_default().to_owned(),
        id: None,
        place: reason.place,
        result: Result::Error { kind: "failed", text: reason.message },
    };
    let cases = no_plan.said().into_iter().map(case).collect();
    write_suites(command, no_plan.now, vec![Suite { name: command.to_owned(), cases }], out)
}

fn case(standing: &Standing<'_>, told: &Told<'_>) -> Case {
    let mut text = standing.what(told.view, told.plan.now);
    if let Some(age) = standing.age {
        text.push_str(&format!("\nsince the earlier result: {}", age.as_str().replace('_', " ")));
    }
    // A plan says what it would set; of what is as declared that is what is declared.
    if text.is_empty() && standing.state() == State::Renew {
        text = standing
            .changes
            .iter()
            .filter_map(|change| change.action.term())
            .fold(text, |text, wanted| format!("{text}due for renewal: {}", term(wanted, told.plan.now)));
    }
    let kind = standing.state().as_str();
    let judged = standing.judged;
    Case {
        class: format!("{}.{}", standing.server.server, judged.aspect),
        name: format!("{} {}", judged.whom.label(), judged.aspect),
        id: judged.whom.sensor().map(|sensor| sensor.id.to_string()),
        place: Some(place(&standing.cause())),
        result: result_of(standing.grade(told.view), kind, text),
    }
}

fn result_of(grade: Grade, kind: &'static str, text: String) -> Result {
    match grade {
        Grade::Right => Result::Passed { note: text },
        Grade::Wrong => Result::Failure { kind, text },
        Grade::Doubt => Result::Error { kind, text },
    }
}

fn place(cause: &Cause) -> (String, Option<u32>) {
    let origin = cause.origin();
    (origin.file.to_string(), (origin.line > 0).then_some(origin.line))
}

/// Cases are known by class and name: whoever has the same gets what tells them apart.
fn tell_apart(cases: &mut [Case]) {
    let keys: Vec<(String, String)> =
        cases.iter().map(|case| (case.class.clone(), attribute(&case.name))).collect();
    let mut counts: BTreeMap<&(String, String), usize> = BTreeMap::new();
    keys.iter().for_each(|key| *counts.entry(key).or_default() += 1);
    let mut numbers: BTreeMap<&(String, String), usize> = BTreeMap::new();
    for (case, key) in cases.iter_mut().zip(&keys) {
        if counts.get(key).is_some_and(|count| *count > 1) {
            match &case.id {
                Some(id) => case.name.push_str(&format!(" ({id})")),
                None => {
                    let number = numbers.entry(key).or_default();
                    *number += 1;
                    case.name.push_str(&format!(" ({number})"));
                }
            }
        }
    }
}

#[derive(Default, Clone, Copy)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
}

impl Counts {
    fn of(cases: &[Case]) -> Self {
        Self {
            tests: cases.len(),
            failures: cases.iter().filter(|case| matches!(case.result, Result::Failure { .. })).count(),
            errors: cases.iter().filter(|case| matches!(case.result, Result::Error { .. })).count(),
        }
    }

    fn attributes(self) -> String {
        let Self { tests, failures, errors } = self;
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"")
    }
}

fn write_suites(
    command: &str,
    now: Timestamp,
    mut suites: Vec<Suite>,
    out: &mut impl Write,
) -> io::Result<()> {
    let total = suites.iter().map(|suite| Counts::of(&suite.cases)).fold(Counts::default(), |a, b| Counts {
        tests: a.tests + b.tests,
        failures: a.failures + b.failures,
        errors: a.errors + b.errors,
    });
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"kedrctl {command}\" {}>", total.attributes())?;
    for suite in &mut suites {
        tell_apart(&mut suite.cases);
        writeln!(
            out,
            "  <testsuite name=\"{}\" {} skipped=\"0\" timestamp=\"{}\">",
            attribute(&suite.name),
            Counts::of(&suite.cases).attributes(),
            // Without its zone, as the format has it.
            format!("{now:.0}").trim_end_matches('Z')
        )?;
        suite.cases.iter().try_for_each(|case| write_case(case, out))?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn write_case(case: &Case, out: &mut impl Write) -> io::Result<()> {
    write!(out, "    <testcase classname=\"{}\" name=\"{}\"", attribute(&case.class), attribute(&case.name))?;
    let mut place = String::new();
    if let Some((file, line)) = &case.place {
        write!(out, " file=\"{}\"", attribute(file))?;
        place = file.clone();
        if let Some(line) = line {
            write!(out, " line=\"{line}\"")?;
            place = format!("{file}:{line}");
        }
    }
    let (element, kind, text) = match &case.result {
        Result::Passed { note } if note.is_empty() => return writeln!(out, "/>"),
        Result::Passed { note } => {
            writeln!(out, ">\n      <system-out>{}</system-out>", content(note))?;
            return writeln!(out, "    </testcase>");
        }
        Result::Failure { kind, text } => ("failure", kind, text),
        Result::Error { kind, text } => ("error", kind, text),
    };
    let first = text.lines().next().unwrap_or_default();
    let place = if place.is_empty() { place } else { format!("\n{}", content(&place)) };
    writeln!(
        out,
        ">\n      <{element} type=\"{kind}\" message=\"{}\">{}{place}</{element}>",
        attribute(first),
        content(text)
    )?;
    writeln!(out, "    </testcase>")
}
