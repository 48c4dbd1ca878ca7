use schemars::JsonSchema;

use super::exclusion::ExclusionRule;
use super::hash::{DescribedHash, UnblockedHash};
use super::words::{Address, Hash, Instant, Lease, Line, Name, Off, SensorId, Truth};

/// How the isolation and the prevention rule of one host are to be; what is left out is neither read nor touched.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Host {
    identity: Option<Identity>,
    /// May be left out when only one is declared.
    server: Option<Name>,
    isolation: Option<Isolation>,
    prevention: Option<Prevention>,
}

/// Who is meant. Default: the key is the name.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["name"] }, { "required": ["ip"] }, { "required": ["sensor_id"] }])
)]
struct Identity {
    /// The name as the server lists it, with its case.
    name: Option<Line>,
    /// The address as the server lists it. Addresses move.
    ip: Option<Address>,
    /// The id of the sensor, which stays with the host.
    sensor_id: Option<SensorId>,
}

/// `off` releases the host; a mapping isolates it, for exactly one of `until` and `lease`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Isolation {
    Off(Off),
    On(Isolated),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["until"] }, { "required": ["lease"] }]))]
struct Isolated {
    /// Isolated up to this instant: 2026-12-01T18:00:00+03:00.
    until: Option<Instant>,
    lease: Option<Lease>,
    /// Names of exclusion sets, and rules that stand right here.
    exclusions: Option<Vec<Exclusion>>,
    /// Shown and recorded, never sent.
    reason: Option<Line>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Exclusion {
    Set(Name),
    Rule(ExclusionRule),
}

/// What is to be blocked; what others put there is kept, unless `exact` is true.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "minProperties" = 1,
        "if" = { "required": ["exact"], "properties": { "exact": { "enum": [true, "true", "True", "TRUE"] } } },
        "then" = { "required": ["block"] },
    )
)]
pub(super) struct Prevention {
    /// Names of hash lists, and single hashes.
    block: Option<Vec<Blocked>>,
    /// Hashes that are to be taken out of the rule.
    unblock: Option<Vec<Unblocked>>,
    /// The rule is exactly `block`. Default: false.
    exact: Option<Truth>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Blocked {
    List(Name),
    Bare(Hash),
    Described(DescribedHash),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Unblocked {
    Bare(Hash),
    Described(UnblockedHash),
}
