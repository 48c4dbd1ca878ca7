//! Protected hosts: matched widely, since a match too much costs a question and a match too little a domain
//! controller.

use std::collections::BTreeMap;

use super::{Refusal, RefusalKind};
use crate::declare::{Protected, ProtectedRule};
use crate::model::{HostList, Sensor, ServerName};
use crate::plan::{Action, Change, Plan};

/// Every write that isolates counts, a renewal too.
pub(super) fn refuse_isolation(change: &Change, protected: &[Protected]) -> Option<Refusal> {
    let verb = match &change.action {
        Action::Isolate { .. } => "isolated",
        Action::ChangeExclusions { .. } | Action::Renew { .. } => "kept isolated",
        Action::Release | Action::EndSpent { .. } | Action::Block(_) => return None,
    };
    let sensor = &change.host.sensor;
    protected.iter().find_map(|rule| {
        let why = match matches(&rule.rule, sensor) {
            Match::No => return None,
            Match::Yes => "matches",
            Match::CannotTell => "can not be judged (the server did not give what the rule needs) and so counts by",
        };
        Some(Refusal {
            kind: RefusalKind::Protected,
            subject: sensor.label(),
            message: format!(
                "may not be {verb}: it {why} the rule of `policy.protected` in {}; only the files can change that",
                rule.origin
            ),
            origin: Some(change.origin.clone()),
        })
    })
}

/// A pattern that matches no host protects nobody: said on every plan that isolates.
pub(super) fn unmatched(
    plan: &Plan,
    protected: &[Protected],
    listed: &BTreeMap<ServerName, HostList>,
) -> Vec<String> {
    if !plan.changes().any(|(_, change)| matches!(change.action, Action::Isolate { .. })) {
        return Vec::new();
    }
    let is_unmatched = |rule: &&Protected| {
        !listed
            .values()
            .flat_map(|list| list.sensors.values())
            .any(|sensor| matches!(matches(&rule.rule, sensor), Match::Yes))
    };
    protected
        .iter()
        .filter(is_unmatched)
        .map(|rule| {
            format!("the rule of `policy.protected` in {} matches no listed host; is it right?", rule.origin)
        })
        .collect()
}

enum Match {
    Yes,
    No,
    /// The rule needs a name or an address that the server did not give.
    CannotTell,
}

fn matches(rule: &ProtectedRule, sensor: &Sensor) -> Match {
    let yes = |does: bool| if does { Match::Yes } else { Match::No };
    match rule {
        ProtectedRule::Name(glob) => match &sensor.name {
            None => Match::CannotTell,
            // The glob is made without regard to case.
            Some(name) => {
                let first_label = name.raw().split('.').next().unwrap_or_default();
                yes(glob.is_match(name.raw()) || glob.is_match(first_label))
            }
        },
        ProtectedRule::Network(network) => {
            if sensor.addresses.is_empty() {
                return Match::CannotTell;
            }
            yes(sensor.addresses.iter().any(|address| network.contains(&address.to_canonical())))
        }
        ProtectedRule::Sensor(id) => yes(*id == sensor.id),
    }
}
