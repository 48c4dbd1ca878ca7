use schemars::JsonSchema;

use super::OneOrList;
use super::words::{Generation, HostName, Instant, Line, Name};

/// A program that is started once on each host that it names.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("anyOf" = [{ "required": ["hosts"] }, { "required": ["groups"] }])
)]
pub(super) struct Task {
    /// Hosts by name, or by their entries under `hosts`; never patterns.
    hosts: Option<OneOrList<HostName>>,
    /// Groups whose hosts it is for.
    groups: Option<OneOrList<Name>>,
    /// Where the hosts are. May be left out when only one is declared.
    server: Option<Name>,
    run: Program,
    /// From this instant on it is not started.
    not_after: Instant,
    /// A higher one starts the same program once more. Default: 1.
    generation: Option<Generation>,
    state: Option<Presence>,
}

/// What is started.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Program {
    /// The path of the program on the host.
    command: Line,
    /// What stands behind it on a command line.
    arguments: Option<Line>,
    /// The folder that it is started in.
    working_directory: Option<Line>,
}

/// Whether the task is there, or taken off its server. Default: present.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Presence {
    Present,
    Absent,
}
