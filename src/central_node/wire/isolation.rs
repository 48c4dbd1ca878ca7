//! The isolation rule of a host (response-api.md, sections 2 and 3).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde_json::Value;

use super::NotUnderstood;
use super::json::{Object, given, quoted, whole_number};
use super::settings::read_settings;
use crate::model::{Direction, ExclusionRule, Isolation, PortRange, Protocol};

/// # Errors
/// A body without a timeout, or with an exclusion that we do not understand: sending the rule again would change
/// what it lets through.
pub fn read_isolation(body: &[u8]) -> Result<Isolation, NotUnderstood> {
    let settings = read_settings(body)?;
    let timeout = given(&settings, "autoTurnoffTimeoutInSec")
        .ok_or_else(|| NotUnderstood::new("it has no `autoTurnoffTimeoutInSec`"))?;
    let timeout_seconds = whole_number(timeout).ok_or_else(|| {
        NotUnderstood(format!("`autoTurnoffTimeoutInSec` is {}, not whole seconds", quoted(timeout)))
    })?;
    let exclusions = match given(&settings, "excludedRules") {
        None => BTreeSet::new(),
        Some(Value::Array(rules)) => rules.iter().map(read_rule).collect::<Result<_, _>>()?,
        Some(other) => return Err(NotUnderstood(format!("`excludedRules` is {}", quoted(other)))),
    };
    Ok(Isolation { timeout_seconds, exclusions: Arc::new(exclusions) })
}

fn read_rule(value: &Value) -> Result<ExclusionRule, NotUnderstood> {
    let in_rule =
        |why: &str| NotUnderstood(format!("an excluded rule is not understood: {why}: {}", quoted(value)));
    let Value::Object(rule) = value else { return Err(in_rule("no object")) };
    let direction = read_direction(rule).ok_or_else(|| in_rule("`direction`"))?;
    let protocol = read_protocol(rule).map_err(|()| in_rule("`protocol`"))?;
    let address = read_address(rule).map_err(in_rule)?;
    let remote_ports = read_ports(rule, "remotePortRange").map_err(|()| in_rule("`remotePortRange`"))?;
    let local_ports = read_ports(rule, "localPortRange").map_err(|()| in_rule("`localPortRange`"))?;
    ExclusionRule::new(direction, protocol, address, remote_ports, local_ports)
        .map_err(|error| in_rule(&error.to_string()))
}

/// Absent means both.
fn read_direction(rule: &Object) -> Option<Direction> {
    let Some(value) = given(rule, "direction") else { return Some(Direction::Both) };
    let word = value.as_str()?.trim();
    Direction::ALL.into_iter().find(|direction| direction.as_str().eq_ignore_ascii_case(word))
}

/// A number, also as text; a name that IANA gave it is understood too.
fn read_protocol(rule: &Object) -> Result<Option<Protocol>, ()> {
    let Some(value) = given(rule, "protocol") else { return Ok(None) };
    if let Some(number) = whole_number(value) {
        return u8::try_from(number).map(|number| Some(Protocol(number))).map_err(|_too_large| ());
    }
    let name = value.as_str().ok_or(())?.trim().to_ascii_lowercase();
    Protocol::from_name(&name).map(Some).ok_or(())
}

fn read_address(rule: &Object) -> Result<Option<IpAddr>, &'static str> {
    let text = |field| match given(rule, field) {
        None => Ok(None),
        Some(value) => value.as_str().map(|text| Some(text.trim())).ok_or(()),
    };
    let ipv4 = match text("remoteIpv4Address").map_err(|()| "`remoteIpv4Address`")? {
        None => None,
        Some(text) => Some(
            text.parse::<Ipv4Addr>().map_err(|_not_an_address| "`remoteIpv4Address` is no IPv4 address")?,
        ),
    };
    let ipv6 = match text("remoteIpv6Address").map_err(|()| "`remoteIpv6Address`")? {
        None => None,
        Some(text) => Some(
            text.parse::<Ipv6Addr>().map_err(|_not_an_address| "`remoteIpv6Address` is no IPv6 address")?,
        ),
    };
    match (ipv4, ipv6) {
        (Some(_), Some(_)) => Err("it has two remote addresses, where the API knows one"),
        (Some(address), None) => Ok(Some(address.into())),
        (None, Some(address)) => Ok(Some(address.into())),
        (None, None) => Ok(None),
    }
}

fn read_ports(rule: &Object, field: &str) -> Result<Option<PortRange>, ()> {
    let Some(value) = given(rule, field) else { return Ok(None) };
    let range = value.as_object().ok_or(())?;
    let port = |field| {
        let number = given(range, field).and_then(whole_number).ok_or(())?;
        u16::try_from(number).map_err(|_too_large| ())
    };
    PortRange::new(port("fromPort")?, port("toPort")?).map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> Result<String, String> {
        let isolation = read_isolation(body.as_bytes()).map_err(|error| error.to_string())?;
        let rules = isolation.exclusions.iter().map(ToString::to_string).collect::<Vec<_>>();
        Ok(format!("{} [{}]", isolation.timeout_seconds, rules.join("; ")))
    }

    #[test]
    fn every_documented_dialect_is_read() {
        for (body, expected) in [
            (r#"{"settings": {"autoTurnoffTimeoutInSec": 7200}}"#, "7200 []"),
            (r#"{"settings": {"autoTurnoffTimeoutInSec": "7200", "excludedRules": null}}"#, "7200 []"),
            (r#"{"settings": {"autoTurnoffTimeoutInSec": 7200.0, "excludedRules": []}}"#, "7200 []"),
            ("\u{feff}{\"settings\": {\"autoTurnoffTimeoutInSec\": 3}}", "3 []"),
            (r#"{"settings": [{"autoTurnoffTimeoutInSec": 7200}], "x": 1}"#, "7200 []"),
            (r#"[{"settings": {"autoTurnoffTimeoutInSec": 7200}}]"#, "7200 []"),
            (r#"[{"settings": [{"autoTurnoffTimeoutInSec": 7200}]}]"#, "7200 []"),
            (r#"[{"autoTurnoffTimeoutInSec": 7200, "new": {"a": []}}]"#, "7200 []"),
            (
                r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": [
                    {"direction": "Outbound", "protocol": "17", "remoteIpv4Address": "10.0.0.53", "id": 4,
                     "remoteIpv6Address": null, "remotePortRange": {"fromPort": "53", "toPort": 53}},
                    {"direction": null, "protocol": 6, "localPortRange": null, "remoteIpv6Address": "2001:db8::1"},
                    {"direction": "inbound", "localPortRange": {"fromPort": 1000, "toPort": 2000}}]}}"#,
                "7200 [inbound any protocol local ports 1000-2000; \
                 outbound udp to 10.0.0.53 remote port 53; both tcp with 2001:db8::1]",
            ),
        ] {
            assert_eq!(shown(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_not_understood_is_never_a_value() {
        for body in [
            "",
            "null",
            "<html>",
            "[]",
            "{}",
            r#"{"settings": null}"#,
            r#"{"settings": {}}"#,
            r#"{"settings": []}"#,
            r#"{"settings": [{"autoTurnoffTimeoutInSec": 1}, {"autoTurnoffTimeoutInSec": 2}]}"#,
            r#"[{"autoTurnoffTimeoutInSec": 1}, {"autoTurnoffTimeoutInSec": 1}]"#,
            r#"{"autoTurnoffTimeoutInSec": 7200}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": -1}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": "soon"}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 1.5}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": {}}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": ["dns"]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": [{"direction": "up"}]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": [{"protocol": 256}]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules": [{"remoteIpv4Address": "a"}]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules":
                [{"remoteIpv4Address": "10.0.0.1", "remoteIpv6Address": "::1"}]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules":
                [{"direction": "inbound", "localPortRange": {"fromPort": 9}}]}}"#,
            r#"{"settings": {"autoTurnoffTimeoutInSec": 7200, "excludedRules":
                [{"direction": "both", "localPortRange": {"fromPort": 9, "toPort": 9}}]}}"#,
        ] {
            assert!(shown(body).is_err(), "{body}");
        }
    }
}
