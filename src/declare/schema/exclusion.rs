use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::OneOrList;
use super::words::{Address, Ports, ProtocolNumber};
use crate::model;

/// Traffic that isolation lets through; a list stands for one rule each. Ports need a direction.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "minProperties" = 1,
        "if" = { "anyOf": [{ "required": ["remote_ports"] }, { "required": ["local_ports"] }] },
        "then" = { "required": ["direction"], "properties": { "direction": { "enum": ["inbound", "outbound"] } } },
    )
)]
pub(super) struct ExclusionRule {
    /// Seen from the isolated host. Default: both.
    direction: Option<Direction>,
    /// By name, or by the number that IANA gave it. Default: all.
    protocol: Option<OneOrList<Protocol>>,
    /// Where the host may go to, or be reached from: single addresses. Default: all.
    remote_address: Option<OneOrList<Address>>,
    /// Ports of the other side. Default: all.
    remote_ports: Option<OneOrList<Ports>>,
    /// Ports of the isolated host. Default: all.
    local_ports: Option<OneOrList<Ports>>,
}

struct Direction;

impl JsonSchema for Direction {
    fn schema_name() -> Cow<'static, str> {
        "Direction".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": model::Direction::ALL.map(model::Direction::as_str) })
    }
}

struct Protocol;

impl JsonSchema for Protocol {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = model::Protocol::NAMES.map(|(name, _)| name);
        json_schema!({ "anyOf": [{ "enum": names }, generator.subschema_for::<ProtocolNumber>()] })
    }
}
