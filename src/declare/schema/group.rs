use schemars::JsonSchema;

use super::OneOrList;
use super::host::{Exclusion, Prevention};
use super::words::{Checked, HostName, Instant, Line, Name, Network, Path, System};

/// Many hosts at once, and what is declared for each of them; what a host's own entry declares goes before it.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["match"] }, { "required": ["hosts"] }, { "required": ["hosts_file"] }])
)]
pub(super) struct Group {
    r#match: Option<Match>,
    /// Hosts by name, or by their entries under `hosts`; never patterns.
    hosts: Option<OneOrList<HostName>>,
    /// A text file with one host a line and comments after `#`, relative to this file.
    hosts_file: Option<Path>,
    /// For `match` only the hosts of this server; for lists where the hosts are. May be left out for `match`, and for
    /// lists when only one is declared.
    server: Option<Name>,
    /// Hosts that are not in it all the same: names, and patterns such as srv-*.
    except: Option<OneOrList<Line>>,
    isolation: Option<GroupIsolation>,
    prevention: Option<Prevention>,
}

/// Whoever is so: all that is given must hold; of a list, one.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
struct Match {
    /// The name as the server lists it, or a pattern such as ws-*; case matters.
    name: Option<OneOrList<Line>>,
    /// A network that an address of the host is in.
    cidr: Option<OneOrList<Network>>,
    /// The family of its system, such as windows.
    os: Option<OneOrList<System>>,
}

/// A mapping isolates each host of the group up to an instant; `off` is a check that none of them is isolated.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum GroupIsolation {
    Off(Checked),
    On(GroupIsolated),
}

/// There is no lease: it stands in the entry of each host that is meant.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GroupIsolated {
    /// Isolated up to this instant: 2026-12-01T18:00:00+03:00.
    until: Instant,
    /// Names of exclusion sets, and rules that stand right here.
    exclusions: Option<Vec<Exclusion>>,
    /// Shown and recorded, never sent.
    reason: Option<Line>,
}

/// The rule for all hosts of a server; there is no isolation of all hosts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct AllHosts {
    prevention: Prevention,
}
