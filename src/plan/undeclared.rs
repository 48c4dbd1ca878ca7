//! What stands on the hosts of a server and no file declares: for an auditor who asks about all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::{Facts, Finding, FindingKind, ServerPlan, left_behind};
use crate::model::{
    Aspect, Isolation, LastAccess, PreventionRule, Reading, Sensor, SensorId, Subject, Target, Untrusted,
    display_duration, shell_word, yaml_scalar,
};
use crate::record::Attribution;

/// Hashes that stand in a command; of more a command is told that has no need of them.
const IN_A_COMMAND: usize = 3;

/// Rules of hosts, and of all hosts, that no file declares, with the lines that would adopt each and the command that
/// would end it; then hosts without contact for longer than `silent`. By the names of the hosts.
///
/// `plan`: what was found of the declared ones; what it judged or could not resolve is not undeclared, and of what
/// is left behind only that is which the plan does not tell.
pub fn undeclared(facts: &Facts<'_>, plan: &ServerPlan, silent: SignedDuration) -> Vec<Finding> {
    let known = declared(facts, plan);
    let is_told = |subject: &&Subject| left_behind::finding(**subject, facts).is_some();
    let told: BTreeSet<Subject> = facts.undeclared.iter().filter(is_told).copied().collect();
    let mut sensors: Vec<&Sensor> = facts.listed.sensors.values().map(AsRef::as_ref).collect();
    sensors.sort_by_cached_key(|sensor| (sensor.label(), sensor.id));
    let mut findings = Vec::new();
    let all = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };
    if !known.contains(&all) {
        findings.extend(of_all(facts, told.contains(&all)));
    }
    for sensor in sensors {
        let of = |aspect| subject(sensor, aspect);
        if !known.contains(&of(Aspect::Isolation)) && !told.contains(&of(Aspect::Isolation)) {
            findings.extend(isolation(sensor, facts));
        }
        if !known.contains(&of(Aspect::Prevention)) {
            findings.extend(prevention(sensor, facts, told.contains(&of(Aspect::Prevention))));
        }
        findings.extend(silence(sensor, silent, facts));
    }
    findings
}

/// What a file names, or may mean.
fn declared(facts: &Facts<'_>, plan: &ServerPlan) -> BTreeSet<Subject> {
    let mut known: BTreeSet<Subject> = plan.judged.iter().map(super::Judged::subject).collect();
    let either = |id: SensorId| {
        [Aspect::Isolation, Aspect::Prevention].map(|aspect| Subject { target: Target::Sensor(id), aspect })
    };
    known.extend(facts.desired.unresolved.iter().flat_map(|host| &host.sensors).copied().flat_map(either));
    known
}

fn isolation(sensor: &Sensor, facts: &Facts<'_>) -> Option<Finding> {
    let rule = match facts.observed.isolation(sensor.id) {
        Reading::Absent => return None,
        Reading::Unknown(why) => return Some(unread(sensor, Aspect::Isolation, &why.to_string())),
        Reading::Present(rule) => rule,
    };
    let set = facts.recorded.isolation_in_force(sensor.id, &rule);
    let until = match set {
        // The server goes on listing a rule after its end.
        Some(set) if !set.clocks_apart && set.end() <= facts.now => return None,
        Some(set) if !set.clocks_apart => format!(" until {:.0}", set.end()),
        Some(_) | None => String::new(),
    };
    let by = match facts.recorded.last_write_of(subject(sensor, Aspect::Isolation)) {
        Some(by) if !until.is_empty() => whose(by),
        Some(_) | None => "who set it, and when it ends, the record does not tell".to_owned(),
    };
    let name = shell_word(&called(sensor));
    let message = format!(
        "is isolated{until}, and no file declares it ({by}); to adopt it: {}; to end it: `kedrctl release {name}`",
        adopt(sensor, &isolation_lines(&rule))
    );
    Some(finding(sensor, Aspect::Isolation, message))
}

fn isolation_lines(rule: &Isolation) -> String {
    match rule.exclusions.len() {
        0 => "isolation: { lease: 24h }".to_owned(),
        _ => "isolation: { lease: 24h, exclusions: […] }".to_owned(),
    }
}

/// `is_told`: what of it is ours is said already to be left behind.
fn prevention(sensor: &Sensor, facts: &Facts<'_>, is_told: bool) -> Option<Finding> {
    let target = Target::Sensor(sensor.id);
    let rule = match facts.observed.prevention(target) {
        Reading::Absent => return None,
        Reading::Unknown(_) if is_told => return None,
        Reading::Unknown(why) => return Some(unread(sensor, Aspect::Prevention, &why.to_string())),
        Reading::Present(rule) => not_told(target, rule, facts, is_told)?,
    };
    let name = shell_word(&called(sensor));
    let (adopt, end) = match few(&rule) {
        Some(hashes) => (
            adopt(sensor, &format!("prevention: {{ block: [{}] }}", yaml(&hashes))),
            format!("`kedrctl unblock {} --on {name}`", hashes.join(" ")),
        ),
        None => (
            format!("`kedrctl import {name}`"),
            adopt(sensor, "prevention: { block: [], exact: true }") + " and `kedrctl apply`",
        ),
    };
    let message = format!(
        "{}, and no file declares that{}; to adopt it: {adopt}; to end it: {end}",
        blocks(&rule, is_told),
        ours(target, &rule, facts)
    );
    Some(finding(sensor, Aspect::Prevention, message))
}

/// The rule, or what others have in it; `None`: nothing.
fn not_told(
    target: Target,
    mut rule: Arc<PreventionRule>,
    facts: &Facts<'_>,
    is_told: bool,
) -> Option<Arc<PreventionRule>> {
    if is_told {
        let ours = facts.recorded.ours_in(target, &rule.hashes());
        Arc::make_mut(&mut rule).objects.retain(|hash, _| !ours.contains(hash));
    }
    (!rule.objects.is_empty()).then_some(rule)
}

/// `is_told`: what of it is ours is said already to be left behind.
fn of_all(facts: &Facts<'_>, is_told: bool) -> Option<Finding> {
    let server = facts.server;
    let (kind, message) = match facts.observed.prevention(Target::AllHosts) {
        Reading::Absent => return None,
        Reading::Unknown(_) if is_told => return None,
        Reading::Present(rule) => {
            let rule = not_told(Target::AllHosts, rule, facts, is_told)?;
            let name = yaml_scalar(server.as_str());
            let (listed, end) = match few(&rule) {
                Some(hashes) => (
                    yaml(&hashes),
                    format!(
                        "`kedrctl unblock {} --all --server {}`",
                        hashes.join(" "),
                        shell_word(server.as_str())
                    ),
                ),
                None => (
                    "…".to_owned(),
                    format!(
                        "`all_hosts: {{ {name}: {{ prevention: {{ block: [], exact: true }} }} }}` and `kedrctl apply`"
                    ),
                ),
            };
            let message = format!(
                "the rule for all hosts: {}, and no file declares that{}; to adopt it: `all_hosts: {{ {name}: {{ \
                 prevention: {{ block: [{listed}] }} }} }}`; to end it: {end}",
                blocks(&rule, is_told),
                ours(Target::AllHosts, &rule, facts)
            );
            (FindingKind::Undeclared, message)
        }
        Reading::Unknown(why) => {
            (FindingKind::Unknown, format!("the rule for all hosts could not be read: {why}"))
        }
    };
    let label = "all hosts".to_owned();
    Some(Finding { kind, label, aspect: Some(Aspect::Prevention), message, cause: None })
}

/// For no aspect in particular: nothing that is written for it reaches its agent.
fn silence(sensor: &Sensor, silent: SignedDuration, facts: &Facts<'_>) -> Option<Finding> {
    let message = match sensor.last_access {
        LastAccess::At(at) if facts.observed_at.duration_since(at) <= silent => return None,
        LastAccess::At(at) => format!(
            "no contact for {}: what is set for it may not be in force, and what is written waits for it",
            display_duration(facts.observed_at.duration_since(at))
        ),
        LastAccess::Unknown => {
            "when it was last in contact is not known: what is set for it may not be in force".to_owned()
        }
    };
    let label = sensor.label();
    Some(Finding { kind: FindingKind::SilentHost, label, aspect: None, message, cause: None })
}

/// `blocks 3 files`, `blocks 1 file beside ours`.
fn blocks(rule: &PreventionRule, is_told: bool) -> String {
    let beside = if is_told { " beside ours" } else { "" };
    match rule.objects.len() {
        1 => format!("blocks 1 file{beside}"),
        many => format!("blocks {many} files{beside}"),
    }
}

fn few(rule: &PreventionRule) -> Option<Vec<String>> {
    (rule.objects.len() <= IN_A_COMMAND).then(|| rule.objects.keys().map(ToString::to_string).collect())
}

fn yaml(hashes: &[String]) -> String {
    hashes.iter().map(|hash| yaml_scalar(hash)).collect::<Vec<_>>().join(", ")
}

fn ours(target: Target, rule: &PreventionRule, facts: &Facts<'_>) -> String {
    let ours = facts.recorded.ours_in(target, &rule.hashes()).len();
    let by = facts.recorded.last_write_of(Subject { target, aspect: Aspect::Prevention });
    match by.filter(|_| ours > 0) {
        Some(by) => format!(" ({ours} of them {})", whose(by)),
        None => " (who put them there the record does not tell)".to_owned(),
    }
}

/// `set by owner soc-gitops, run 20261125-100000-0000`.
fn whose(by: &Attribution) -> String {
    let printable = |text: &str| Untrusted::new(text).printable().to_string();
    format!("set by owner {}, run {}", printable(&by.owner), printable(&by.run))
}

fn adopt(sensor: &Sensor, lines: &str) -> String {
    format!("`hosts: {{ {}: {{ {lines} }} }}`", yaml_scalar(&called(sensor)))
}

/// What commands and entries call it.
fn called(sensor: &Sensor) -> String {
    sensor.name.as_ref().map_or_else(|| sensor.id.to_string(), |name| name.raw().to_owned())
}

fn subject(sensor: &Sensor, aspect: Aspect) -> Subject {
    Subject { target: Target::Sensor(sensor.id), aspect }
}

fn finding(sensor: &Sensor, aspect: Aspect, message: String) -> Finding {
    Finding {
        kind: FindingKind::Undeclared,
        label: sensor.label(),
        aspect: Some(aspect),
        message,
        cause: None,
    }
}

fn unread(sensor: &Sensor, aspect: Aspect, why: &str) -> Finding {
    let message = format!("could not be read: {why}");
    Finding { kind: FindingKind::Unknown, label: sensor.label(), aspect: Some(aspect), message, cause: None }
}
