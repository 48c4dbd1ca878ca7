//! Plans and drift checks: each difference, and each problem, at the line that declares it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::log::{
    Artifact, Automation, Component, Invocation, Location, Log, Message, Notification, Outcome, Physical,
    Region, Run, Tool,
};
use super::rule::RuleOf;
use super::{Driver, SCHEMA, escape, result, rule, uri};
use crate::model::{Cause, Origin, sha256_hex};
use crate::plan::{ServerPlan, ServerState};
use crate::report::View;
use crate::report::json::instant;
use crate::report::since::Age;
use crate::report::standing::{Grade, Standing, standings, troubles};
use crate::report::told::{NoPlan, Told};

/// Before its place in the list of rules is known.
struct Found {
    rule: RuleOf,
    level: &'static str,
    text: String,
    /// The line that declares it; of what no line does, that of its server: code hosts take no result without a place.
    place: Option<Origin>,
    /// What it is about, whatever it is called and wherever it stands.
    identity: String,
    age: Option<Age>,
}

/// The log of one run. Differences are errors for `drift`; for `plan`, which proposes them, they are notes.
///
/// # Errors
/// Those of `out`.
pub fn write(told: &Told<'_>, driver: Driver<'_>, out: &mut impl Write) -> io::Result<()> {
    let found = found(told);
    let rules: BTreeSet<RuleOf> = found.iter().map(|one| one.rule).collect();
    let rules: Vec<RuleOf> = RuleOf::ALL.into_iter().filter(|rule| rules.contains(rule)).collect();
    let results = found.into_iter().map(|found| outcome(found, &rules)).collect();
    let invocation = Invocation {
        execution_successful: true,
        end_time_utc: instant(told.plan.now),
        exit_code: None,
        tool_execution_notifications: Vec::new(),
    };
    let rules = rules.into_iter().map(RuleOf::rule).collect();
    log(told.view, driver, rules, invocation, results, out)
}

/// A run that failed: what is wrong with the files as results, other reasons as notifications of the tool.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, driver: Driver<'_>, out: &mut impl Write) -> io::Result<()> {
    let codes: BTreeSet<_> = no_plan.errors().map(|problem| problem.code).collect();
    let codes: Vec<_> = codes.into_iter().collect();
    let results = no_plan.errors().map(|problem| result(problem, &codes, no_plan.sources)).collect();
    let notification = |text: &str| Notification { level: "error", message: Message::new(text) };
    let invocation = Invocation {
        execution_successful: false,
        end_time_utc: instant(no_plan.now),
        exit_code: Some(no_plan.exit_code),
        tool_execution_notifications: no_plan
            .complaint
            .iter()
            .map(|complaint| notification(&complaint.message))
            .collect(),
    };
    let rules = codes.iter().map(|code| rule(*code, driver.repository)).collect();
    log(no_plan.view, driver, rules, invocation, results, out)
}

fn log(
    view: View,
    driver: Driver<'_>,
    rules: Vec<super::log::Rule>,
    invocation: Invocation,
    results: Vec<Outcome>,
    out: &mut impl Write,
) -> io::Result<()> {
    let driver = Component {
        name: "kedrctl",
        version: driver.version,
        information_uri: Some(driver.repository).filter(|uri| !uri.is_empty()),
        rules,
    };
    let run = Run {
        tool: Tool { driver },
        automation_details: Some(Automation { id: format!("kedrctl/{}/", view.as_str()) }),
        invocations: vec![invocation],
        column_kind: "unicodeCodePoints",
        results,
    };
    escape::write_json(&Log { schema: SCHEMA, version: "2.1.0", runs: [run] }, out)
}

/// Refusals first, then what nobody could judge, then each subject in the order of the files.
fn found(told: &Told<'_>) -> Vec<Found> {
    let standings = standings(told);
    let mut found: Vec<Found> = told
        .judgement
        .refusals
        .iter()
        .map(|refusal| Found {
            rule: RuleOf::Refused,
            level: RuleOf::Refused.level(),
            text: format!("{}: {}", refusal.subject, refusal.message),
            place: place(refusal.cause.as_ref(), told.plan.servers.first()),
            identity: format!("{}\t{}", refusal.kind.as_str(), refusal.subject),
            age: None,
        })
        .collect();
    for trouble in troubles(told, &standings) {
        let rule = match trouble.kind {
            "server" => RuleOf::Server,
            "host_error" => RuleOf::HostError,
            "undeclared" => RuleOf::Undeclared,
            "silent_host" => RuleOf::SilentHost,
            _ => RuleOf::Unknown,
        };
        found.push(Found {
            rule,
            level: match trouble.grade {
                Grade::Doubt => "error",
                Grade::Wrong | Grade::Right => rule.level(),
            },
            text: format!("{}: {}", trouble.label, trouble.message),
            place: place(trouble.cause, Some(trouble.server)),
            identity: format!("{}\t{}", server_identity(trouble.server), trouble.label),
            age: None,
        });
    }
    found.extend(standings.iter().filter_map(|standing| of_standing(standing, told)));
    for server in &told.plan.servers {
        for finding in &server.findings {
            let Some(rule) = RuleOf::of_finding(finding.kind) else { continue };
            found.push(Found {
                rule,
                level: rule.level(),
                text: format!("{}: {}", finding.label, finding.message),
                place: place(finding.cause.as_ref(), Some(server)),
                identity: format!("{}\t{}\t{:?}", server_identity(server), finding.label, finding.aspect),
                age: None,
            });
        }
    }
    found
}

fn of_standing(standing: &Standing<'_>, told: &Told<'_>) -> Option<Found> {
    let rule = RuleOf::of_state(standing.state(), standing.judged.aspect)?;
    let level = match (standing.grade(told.view), told.view) {
        (Grade::Doubt, _) => "error",
        (Grade::Right, _) | (Grade::Wrong, View::Plan) => "note",
        (Grade::Wrong, View::Drift { .. }) => rule.level(),
    };
    let whom = &standing.judged.whom;
    Some(Found {
        rule,
        level,
        text: format!(
            "{} {}: {}",
            whom.label(),
            standing.judged.aspect,
            standing.what(told.view, told.plan.now)
        ),
        place: place(Some(&standing.cause()), Some(standing.server)),
        identity: format!(
            "{}\t{}\t{}",
            server_identity(standing.server),
            whom.target(),
            standing.judged.aspect
        ),
        age: standing.age,
    })
}

fn server_identity(server: &ServerPlan) -> &str {
    match &server.state {
        ServerState::Read { key, .. } => key.as_str(),
        ServerState::ListNotBelieved { .. }
        | ServerState::Unrecorded { .. }
        | ServerState::Unreachable { .. } => server.server.as_str(),
    }
}

fn outcome(found: Found, rules: &[RuleOf]) -> Outcome {
    let text: Vec<String> = escape::lines(&found.text).map(std::borrow::Cow::into_owned).collect();
    let fingerprint = sha256_hex(format!("{}\t{}", found.rule.id(), found.identity));
    Outcome {
        rule_id: found.rule.id(),
        rule_index: rules.iter().position(|rule| *rule == found.rule),
        level: found.level,
        message: Message::new(text.join("\n")),
        locations: found.place.iter().map(location).collect(),
        related_locations: Vec::new(),
        partial_fingerprints: BTreeMap::from([("subject/v1", fingerprint)]),
        baseline_state: match found.age {
            Some(Age::New) => Some("new"),
            Some(Age::Still) => Some("unchanged"),
            Some(Age::Gone | Age::NotKnown) | None => None,
        },
    }
}

/// What a person typed stands in no file.
fn place(cause: Option<&Cause>, server: Option<&ServerPlan>) -> Option<Origin> {
    let of_server = server.map(|server| &server.origin);
    cause.map(Cause::origin).into_iter().chain(of_server).find(|origin| !origin.is_command_line()).cloned()
}

fn location(origin: &Origin) -> Location {
    Location {
        id: None,
        physical_location: Physical {
            artifact_location: Artifact { uri: uri::of_path(&origin.file) },
            region: Region::line(origin.line),
        },
        message: None,
    }
}
