//! Protected hosts: matched widely, since a match too much costs a question and a match too little a domain
//! controller.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, RefusalKind};
use crate::declare::{Policy, Protected, ProtectedRule};
use crate::model::{Case, HostList, NamePattern, Origin, Sensor, ServerName};
use crate::plan::{Action, Change, Plan};

/// Every write that isolates counts, a renewal too.
pub(super) fn refuse_isolation(change: &Change, protected: &[Rule<'_>]) -> Option<Refusal> {
    let verb = match &change.action {
        Action::Isolate { .. } => "isolated",
        Action::ChangeExclusions { .. } | Action::Renew { .. } => "kept isolated",
        Action::Release
        | Action::EndSpent { .. }
        | Action::StartTask { .. }
        | Action::DeleteTask
        | Action::Block(_) => return None,
    };
    let sensor = change.whom.sensor()?;
    protected.iter().find_map(|rule| {
        let why = match matches(rule, sensor) {
            Match::No => return None,
            Match::Yes => "matches",
            Match::CannotTell => "can not be judged (the server did not give what the rule needs) and so counts by",
        };
        Some(Refusal {
            kind: RefusalKind::Protected,
            subject: sensor.label(),
            message: format!(
                "may not be {verb}: it {why} the rule of `policy.protected` in {}; only the files can change that",
                rule.declared.origin
            ),
            cause: Some(change.cause.clone()),
        })
    })
}

/// Where this host is protected, or may be, if anywhere.
pub fn protected_by(policy: &Policy, sensor: &Sensor) -> Option<Origin> {
    rules(&policy.protected)
        .iter()
        .find(|rule| !matches!(matches(rule, sensor), Match::No))
        .map(|rule| rule.declared.origin.clone())
}

/// A pattern that matches no host protects nobody: said on every plan that isolates.
pub(super) fn unmatched(
    plan: &Plan,
    protected: &[Rule<'_>],
    listed: &BTreeMap<ServerName, HostList>,
) -> Vec<String> {
    if !plan.changes().any(|(_, change)| matches!(change.action, Action::Isolate { .. })) {
        return Vec::new();
    }
    let is_unmatched = |rule: &&Rule<'_>| {
        !listed
            .values()
            .flat_map(|list| list.sensors.values())
            .any(|sensor| matches!(matches(rule, sensor), Match::Yes))
    };
    protected
        .iter()
        .filter(is_unmatched)
        .map(|rule| {
            format!(
                "the rule of `policy.protected` in {} matches no listed host; is it right?",
                rule.declared.origin
            )
        })
        .collect()
}

/// A rule of `policy.protected`, made ready for many hosts.
pub(super) struct Rule<'a> {
    declared: &'a Protected,
    /// For hosts that the server lists without a domain: the first label of the rule's own name.
    first_label: FirstLabel,
}

enum FirstLabel {
    /// The rule has no domain: its own pattern judges such names.
    NotNeeded,
    Pattern(NamePattern),
    /// The rule's first dot stands within braces: several labels, which can not be told apart here.
    CannotTell,
}

pub(super) fn rules(protected: &[Protected]) -> Vec<Rule<'_>> {
    protected.iter().map(|declared| Rule { declared, first_label: first_label(&declared.rule) }).collect()
}

fn first_label(rule: &ProtectedRule) -> FirstLabel {
    let label = match rule {
        ProtectedRule::Name(pattern) => pattern.text().split_once('.').map(|(label, _domain)| label),
        ProtectedRule::Network(_) | ProtectedRule::Sensor(_) => None,
    };
    match label.map(|label| NamePattern::new(label, Case::Ignored)) {
        None => FirstLabel::NotNeeded,
        Some(Ok(label)) => FirstLabel::Pattern(label),
        Some(Err(_cut_within_braces)) => FirstLabel::CannotTell,
    }
}

enum Match {
    Yes,
    No,
    /// The rule needs a name or an address that the server did not give.
    CannotTell,
}

fn matches(rule: &Rule<'_>, sensor: &Sensor) -> Match {
    let yes = |does: bool| if does { Match::Yes } else { Match::No };
    match &rule.declared.rule {
        ProtectedRule::Name(pattern) => match &sensor.name {
            None => Match::CannotTell,
            // The patterns are made without regard to case.
            Some(name) => {
                let name = name.raw();
                let is_short = !name.contains('.');
                match &rule.first_label {
                    _ if pattern.is_match(name) => Match::Yes,
                    FirstLabel::Pattern(label) if is_short => yes(label.is_match(name)),
                    FirstLabel::CannotTell if is_short => Match::CannotTell,
                    FirstLabel::NotNeeded | FirstLabel::Pattern(_) | FirstLabel::CannotTell => {
                        yes(name.split_once('.').is_some_and(|(label, _domain)| pattern.is_match(label)))
                    }
                }
            }
        },
        ProtectedRule::Network(network) => {
            let addresses = || sensor.addresses.iter().map(IpAddr::to_canonical);
            // Servers list one address of a host: where it is an IPv6 one, the IPv4 address was not given. (Not the
            // other way round: an IPv6 rule would then protect every host of an IPv4 fleet.)
            let is_given = match network {
                IpNet::V4(_) => addresses().any(|address| address.is_ipv4()),
                IpNet::V6(_) => addresses().next().is_some(),
            };
            if is_given {
                yes(addresses().any(|address| network.contains(&address)))
            } else {
                Match::CannotTell
            }
        }
        ProtectedRule::Sensor(id) => yes(*id == sensor.id),
    }
}
