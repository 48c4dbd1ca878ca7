//! What is said of isolated hosts: the end of a rule is not known, so a person decides, and all of it is comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::SignedDuration;

use super::{Fleet, counted};
use crate::model::{ExclusionRule, Exclusions, Isolation, PortRange, Protocol, Reading, display_duration};

/// Equal exclusions of isolated hosts under one name.
#[derive(Debug, Default)]
pub(super) struct ExclusionSets {
    named: BTreeMap<Exclusions, (String, usize)>,
}

impl ExclusionSets {
    pub(super) fn gather(fleets: &[Fleet<'_>], prefix: &str) -> Self {
        let mut hosts: BTreeMap<Exclusions, usize> = BTreeMap::new();
        for fleet in fleets {
            for sensor in fleet.selected.difference(&fleet.declared) {
                if let Some(Reading::Present(rule)) = fleet.observed.isolations.get(sensor)
                    && !rule.exclusions.is_empty()
                {
                    *hosts.entry(rule.exclusions.clone()).or_default() += 1;
                }
            }
        }
        let mut by_weight: Vec<(Exclusions, usize)> = hosts.into_iter().collect();
        by_weight.sort_by_key(|(_, hosts)| std::cmp::Reverse(*hosts));
        let named = by_weight
            .into_iter()
            .enumerate()
            .map(|(i, (set, hosts))| (set, (format!("{prefix}-{}", i + 1), hosts)))
            .collect();
        Self { named }
    }

    /// `exclusions:` as comments: without a host that uses them they would be reported as unused.
    pub(super) fn section(&self, out: &mut String) {
        if self.named.is_empty() {
            return;
        }
        out.push_str("\n# What the rules of isolated hosts let through: take it in with the first of these hosts.\n# exclusions:\n");
        let mut sets: Vec<_> = self.named.iter().map(|(set, (name, hosts))| (name, set, hosts)).collect();
        sets.sort_by_key(|(name, ..)| (name.len(), name.as_str()));
        for (name, set, hosts) in sets {
            let hosts = counted(*hosts, "host", "hosts");
            let _infallible = writeln!(out, "#   {name}:   # {hosts}");
            for rule in set.iter() {
                let _infallible = writeln!(out, "#     - {}", flow(rule));
            }
        }
    }

    /// The two lines to choose from, each behind `indent`.
    pub(super) fn choice(&self, rule: &Isolation, indent: &str, out: &mut String) {
        let exclusions = match self.named.get(&rule.exclusions) {
            Some((name, _)) => format!(", exclusions: [{name}]"),
            None => String::new(),
        };
        // A lease is at least two hours, and the server takes no more than 9,999.
        let lease = rule.timeout_seconds.div_ceil(3_600).clamp(2, 9_999);
        let stays = format!("isolation: {{ lease: {lease}h{exclusions} }}");
        let width = stays.len();
        let _infallible =
            writeln!(out, "{indent}{stays}   # stays isolated for as long as this file says so");
        let _infallible =
            writeln!(out, "{indent}{:width$}   # is released by the next apply", "isolation: off");
    }
}

/// What is known of its end, in words that go on after the host's name.
pub(super) fn told(rule: &Isolation) -> String {
    let seconds = i64::try_from(rule.timeout_seconds).unwrap_or(i64::MAX);
    let set_for = display_duration(SignedDuration::from_secs(seconds));
    format!("is isolated, by a rule that was set for {set_for}; when, the server does not tell")
}

/// A rule as a state declares it, on one line.
fn flow(rule: &ExclusionRule) -> String {
    let mut keys = vec![format!("direction: {}", rule.direction())];
    keys.extend(rule.protocol().map(|protocol| match name_of(protocol) {
        Some(name) => format!("protocol: {name}"),
        None => format!("protocol: {}", protocol.0),
    }));
    // In quotes because of the colons of IPv6.
    keys.extend(rule.remote_address().map(|address| match address {
        std::net::IpAddr::V4(address) => format!("remote_address: {address}"),
        std::net::IpAddr::V6(address) => format!("remote_address: \"{address}\""),
    }));
    keys.extend(rule.remote_ports().map(|range| format!("remote_ports: {}", ports(range))));
    keys.extend(rule.local_ports().map(|range| format!("local_ports: {}", ports(range))));
    format!("{{ {} }}", keys.join(", "))
}

fn name_of(protocol: Protocol) -> Option<&'static str> {
    Protocol::NAMES.iter().find(|(_, number)| *number == protocol.0).map(|(name, _)| *name)
}

fn ports(range: PortRange) -> String {
    // A state cannot name port 0; nothing uses it.
    let from = range.from().max(1);
    if from == range.to() { from.to_string() } else { format!("{from}-{}", range.to()) }
}
