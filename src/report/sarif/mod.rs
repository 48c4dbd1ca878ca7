//! What `validate`, `plan` and `drift` found as SARIF 2.1.0, the format that code hosts and editors show at the lines of
//! a change.

mod log;
mod plan;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::explain::markdown;
use super::{escape, uri};
use crate::diagnostic::{Code, Label, Problem, Severity, Sources, explain};
use log::{
    Artifact, Component, Configuration, Help, Location, Log, Message, Outcome, Physical, Region, Rule, Run,
    Tool,
};

pub use plan::{write, write_failed};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Which program says so.
#[derive(Debug, Clone, Copy)]
pub struct Driver<'a> {
    /// Its own version, such as `0.1.0`.
    pub version: &'a str,
    /// The address of the repository, empty where nobody knows it: without it a rule has no `helpUri`.
    pub repository: &'a str,
}

/// The log of one run.
///
/// Its rules are the codes that were found, with the texts of `kedrctl explain`. A problem without a place in a file
/// has the path that it is about, or else the first file that was read.
///
/// # Errors
/// Those of `out`.
pub fn problems(
    found: &[Problem],
    sources: &Sources,
    driver: Driver<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let codes: BTreeSet<Code> = found.iter().map(|problem| problem.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results = found.iter().map(|problem| result(problem, &codes, sources)).collect();
    let tool = Tool {
        driver: Component {
            name: "kedrctl",
            version: driver.version,
            information_uri: Some(driver.repository).filter(|uri| !uri.is_empty()),
            rules: codes.iter().map(|code| rule(*code, driver.repository)).collect(),
        },
    };
    let (automation_details, invocations) = (None, Vec::new());
    let run = Run { tool, automation_details, invocations, column_kind: "unicodeCodePoints", results };
    escape::write_json(&Log { schema: SCHEMA, version: "2.1.0", runs: [run] }, out)
}

fn rule(code: Code, repository: &str) -> Rule {
    let explanation = explain(code);
    let markdown = markdown(&explanation).trim().to_owned();
    let address = format!("{repository}/blob/main/docs/diagnostics.md#{}", code.as_str().to_lowercase());
    Rule {
        id: code.as_str(),
        name: Some(format!("{code:?}")),
        short_description: Message::new(explanation.title),
        full_description: Message::new(explanation.paragraphs.join("\n\n")),
        help_uri: (!repository.is_empty()).then_some(address),
        help: Help { text: markdown.clone(), markdown },
        default_configuration: Configuration { level: level(code.severity()) },
    }
}

fn result(problem: &Problem, codes: &[Code], sources: &Sources) -> Outcome {
    let text = match &problem.help {
        Some(help) => format!("{}\n{help}", problem.message),
        None => problem.message.clone(),
    };
    let is_primary = |label: &&Label| label.is_primary;
    let mut locations: Vec<Location> =
        problem.labels.iter().filter(is_primary).map(|label| location(label, sources)).collect();
    // Code hosts take no result without a place.
    let path = problem.path.clone().or_else(|| sources.first());
    if let (true, Some(path)) = (locations.is_empty(), path) {
        let artifact_location = Artifact { uri: uri::of_path(&path) };
        let physical_location = Physical { artifact_location, region: Region::line(0) };
        locations.push(Location { id: None, physical_location, message: None });
    }
    let others = problem.labels.iter().filter(|label| !label.is_primary);
    let related = others.enumerate().map(|(id, label)| Location { id: Some(id), ..location(label, sources) });
    Outcome {
        rule_id: problem.code.as_str(),
        rule_index: codes.iter().position(|code| *code == problem.code),
        level: level(problem.severity()),
        message: Message::new(text),
        locations,
        related_locations: related.collect(),
        partial_fingerprints: BTreeMap::new(),
        baseline_state: None,
    }
}

fn location(label: &Label, sources: &Sources) -> Location {
    let (start, end) = sources.extent(label.place);
    Location {
        id: None,
        physical_location: Physical {
            artifact_location: Artifact { uri: uri::of_path(&sources.display(label.place.file)) },
            region: Region::new(start, end),
        },
        message: (!label.text.is_empty()).then(|| Message::new(label.text.as_str())),
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
