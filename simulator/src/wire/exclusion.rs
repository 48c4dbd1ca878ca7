//! One exclusion rule in JSON; fleet and state files write it the same way.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{Direction, ExclusionRule, PortRange};

/// RULE of response-api.md, section 3. Fields that the API does not know are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExclusionJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<DirectionJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_ipv4_address: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_ipv6_address: Option<Ipv6Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_port_range: Option<PortRangeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_port_range: Option<PortRangeJson>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DirectionJson {
    Inbound,
    Outbound,
    Both,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PortRangeJson {
    from_port: u16,
    to_port: u16,
}

impl From<ExclusionJson> for ExclusionRule {
    fn from(json: ExclusionJson) -> ExclusionRule {
        let ports = |range: PortRangeJson| PortRange { from: range.from_port, to: range.to_port };
        ExclusionRule {
            direction: json.direction.map(|direction| match direction {
                DirectionJson::Inbound => Direction::Inbound,
                DirectionJson::Outbound => Direction::Outbound,
                DirectionJson::Both => Direction::Both,
            }),
            protocol: json.protocol,
            remote_ipv4: json.remote_ipv4_address,
            remote_ipv6: json.remote_ipv6_address,
            remote_ports: json.remote_port_range.map(ports),
            local_ports: json.local_port_range.map(ports),
        }
    }
}

impl From<&ExclusionRule> for ExclusionJson {
    fn from(rule: &ExclusionRule) -> ExclusionJson {
        let ports = |range: PortRange| PortRangeJson { from_port: range.from, to_port: range.to };
        ExclusionJson {
            direction: rule.direction.map(|direction| match direction {
                Direction::Inbound => DirectionJson::Inbound,
                Direction::Outbound => DirectionJson::Outbound,
                Direction::Both => DirectionJson::Both,
            }),
            protocol: rule.protocol,
            remote_ipv4_address: rule.remote_ipv4,
            remote_ipv6_address: rule.remote_ipv6,
            remote_port_range: rule.remote_ports.map(ports),
            local_port_range: rule.local_ports.map(ports),
        }
    }
}

impl ExclusionJson {
    /// The rule with its numbers written by `number`, and fields that nobody knows where asked for.
    pub(super) fn spelled(&self, number: impl Fn(u64) -> Value, extra_fields: bool) -> Value {
        let ports = |range: PortRangeJson| json!({"fromPort": number(range.from_port.into()), "toPort": number(range.to_port.into())});
        let mut fields = serde_json::Map::new();
        let mut put = |field: &str, value: Option<Value>| {
            value.map(|value| fields.insert(field.into(), value));
        };
        put("direction", self.direction.map(|direction| json!(direction)));
        put("protocol", self.protocol.map(|protocol| number(protocol.into())));
        put("remoteIpv4Address", self.remote_ipv4_address.map(|address| json!(address)));
        put("remoteIpv6Address", self.remote_ipv6_address.map(|address| json!(address)));
        put("remotePortRange", self.remote_port_range.map(ports));
        put("localPortRange", self.local_port_range.map(ports));
        put("ruleName", extra_fields.then(|| json!("rule of the web interface")));
        Value::Object(fields)
    }
}
