//! Bodies that are sent: the form that the help documents for 5.1 and later, and nothing else.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::model::{ExclusionRule, FileHash, PortRange, PreventionRule, Timeout};

#[derive(Serialize)]
struct Envelope<T> {
    settings: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IsolationSettings {
    auto_turnoff_timeout_in_sec: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    excluded_rules: Vec<WireRule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireRule {
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_ipv4_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_ipv6_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_port_range: Option<WirePorts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_port_range: Option<WirePorts>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WirePorts {
    from_port: u16,
    to_port: u16,
}

#[derive(Serialize)]
struct PreventionSettings<'a> {
    objects: Vec<WireObject<'a>>,
}

#[derive(Serialize)]
struct WireObject<'a> {
    file: WireFile<'a>,
}

#[derive(Serialize)]
struct WireFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// A hash as its digits, which need no text of their own first.
struct Digits(FileHash);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// # Errors
/// None that these types can cause; serde_json's signature has them.
pub(in crate::central_node) fn write_isolation<'a>(
    timeout: Timeout,
    exclusions: impl IntoIterator<Item = &'a ExclusionRule>,
) -> serde_json::Result<Vec<u8>> {
    let excluded_rules = exclusions.into_iter().map(wire_rule).collect();
    let settings = IsolationSettings { auto_turnoff_timeout_in_sec: timeout.seconds(), excluded_rules };
    serde_json::to_vec(&Envelope { settings })
}

/// # Errors
/// None that these types can cause; serde_json's signature has them.
pub(in crate::central_node) fn write_prevention(rule: &PreventionRule) -> serde_json::Result<Vec<u8>> {
    let objects = rule
        .objects
        .iter()
        .map(|(hash, kept)| {
            let name = kept.name.as_ref().map(|name| name.raw());
            let file = match hash {
                FileHash::Md5(_) => WireFile { md5: Some(Digits(*hash)), sha256: None, name },
                FileHash::Sha256(_) => WireFile { md5: None, sha256: Some(Digits(*hash)), name },
            };
            WireObject { file }
        })
        .collect();
    serde_json::to_vec(&Envelope { settings: PreventionSettings { objects } })
}

fn wire_rule(rule: &ExclusionRule) -> WireRule {
    let (ipv4, ipv6) = match rule.remote_address() {
        Some(IpAddr::V4(address)) => (Some(address.to_string()), None),
        Some(IpAddr::V6(address)) => (None, Some(address.to_string())),
        None => (None, None),
    };
    WireRule {
        direction: rule.direction().as_str(),
        protocol: rule.protocol().map(|protocol| protocol.0),
        remote_ipv4_address: ipv4,
        remote_ipv6_address: ipv6,
        remote_port_range: rule.remote_ports().map(wire_ports),
        local_port_range: rule.local_ports().map(wire_ports),
    }
}

fn wire_ports(range: PortRange) -> WirePorts {
    WirePorts { from_port: range.from(), to_port: range.to() }
}

#[cfg(test)]
mod tests {
    use super::super::{read_isolation, read_prevention};
    use super::*;
    use crate::model::{Direction, KeptObject, Protocol, Untrusted};

    fn rules() -> Vec<ExclusionRule> {
        let ports = PortRange::new(53, 54);
        let address = |text: &str| Some(text.parse().unwrap());
        vec![
            ExclusionRule::new(Direction::Outbound, Some(Protocol(17)), address("10.0.0.53"), ports, None)
                .unwrap(),
            ExclusionRule::new(Direction::Inbound, None, address("2001:db8::1"), None, ports).unwrap(),
            ExclusionRule::new(Direction::Both, None, None, None, None).unwrap(),
        ]
    }

    #[test]
    fn isolation_is_sent_in_the_documented_form() {
        let plain = write_isolation(Timeout::MIN, []).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), r#"{"settings":{"autoTurnoffTimeoutInSec":3600}}"#);
        let with_rules = write_isolation(Timeout::MAX, &rules()).unwrap();
        assert_eq!(
            String::from_utf8(with_rules).unwrap(),
            concat!(
                r#"{"settings":{"autoTurnoffTimeoutInSec":35996400,"excludedRules":["#,
                r#"{"direction":"outbound","protocol":17,"remoteIpv4Address":"10.0.0.53","#,
                r#""remotePortRange":{"fromPort":53,"toPort":54}},"#,
                r#"{"direction":"inbound","remoteIpv6Address":"2001:db8::1","#,
                r#""localPortRange":{"fromPort":53,"toPort":54}},"#,
                r#"{"direction":"both"}]}}"#
            )
        );
    }

    #[test]
    fn what_is_sent_reads_back_as_it_was() {
        let read = read_isolation(&write_isolation(Timeout::MIN, &rules()).unwrap()).unwrap();
        assert_eq!(read.timeout_seconds, 3_600);
        assert_eq!(*read.exclusions, rules().into_iter().collect());

        let mut rule = PreventionRule::default();
        rule.objects.insert(
            "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08".parse().unwrap(),
            KeptObject { name: Some(Untrusted::new("a \"b\"\n")), has_other_fields: false },
        );
        rule.objects.insert("900150983CD24FB0D6963F7D28E17F72".parse().unwrap(), KeptObject::default());
        let body = write_prevention(&rule).unwrap();
        assert_eq!(
            String::from_utf8(body.clone()).unwrap(),
            concat!(
                r#"{"settings":{"objects":[{"file":{"md5":"900150983cd24fb0d6963f7d28e17f72"}},"#,
                r#"{"file":{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","#,
                r#""name":"a \"b\"\n"}}]}}"#
            )
        );
        assert_eq!(read_prevention(&body).unwrap().unwrap(), rule);
    }
}
