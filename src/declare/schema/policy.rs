use schemars::JsonSchema;

use super::words::{Limit, Line, Name, Network, SensorId, Truth};

/// What no run may do. In one file only.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Policy {
    /// Hosts that may never be isolated.
    protected: Option<Vec<Protected>>,
    limits: Option<Limits>,
    /// Exclusion sets that every isolation gets.
    always_allow: Option<Vec<Name>>,
    /// Hash lists of files that must never be blocked.
    never_block: Option<Vec<Name>>,
    missing: Option<Missing>,
    /// Programs may be started from declarations. Default: false.
    tasks: Option<Truth>,
}

/// Hosts by name, network or sensor.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["name"] }, { "required": ["cidr"] }, { "required": ["sensor_id"] }])
)]
struct Protected {
    /// A pattern such as dc*, matched without regard to case against the whole name and its first label.
    name: Option<Line>,
    cidr: Option<Network>,
    /// The id of one sensor.
    sensor_id: Option<SensorId>,
}

/// A plan beyond any of them is refused; per server.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limits {
    /// Hosts that would become isolated. Default: 5.
    isolations: Option<Limit>,
    /// Isolation rules that would be deleted. Default: 5.
    releases: Option<Limit>,
    /// Hosts with a change. Default: 25% of the listed hosts, where these are 20 or more.
    hosts_changed: Option<Limit>,
    /// Different hashes that would be taken out. Default: 20% of those that were read, where these are 20 or more.
    hashes_removed: Option<Limit>,
}

/// What a declared host that the server does not list is. Default: error.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Missing {
    Error,
    Warn,
}
