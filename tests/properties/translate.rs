//! The client's values in the simulator's words, and back: two sets of types, so that neither hides the other's
//! mistakes.

use jiff::Timestamp;
use kedrctl::model::{
    Direction, ExclusionRule, FileHash, PortRange, Program, Protocol, SensorId, Target, TaskId,
};
use kedrctl_simulator::world;

pub(crate) fn of_hash(hash: FileHash) -> world::FileHash {
    world::FileHash::parse(&hash.to_string()).unwrap()
}

pub(crate) fn of_target(target: Target) -> world::Target {
    match target {
        Target::AllHosts => world::Target::All,
        Target::Sensor(id) => world::Target::Sensor(id.uuid()),
    }
}

pub(crate) fn exclusion(rule: &world::ExclusionRule) -> ExclusionRule {
    let direction = match rule.direction {
        Some(world::Direction::Inbound) => Direction::Inbound,
        Some(world::Direction::Outbound) => Direction::Outbound,
        Some(world::Direction::Both) | None => Direction::Both,
    };
    let address = rule.remote_ipv4.map(Into::into).or(rule.remote_ipv6.map(Into::into));
    let ports = |range: Option<world::PortRange>| range.map(|r| PortRange::new(r.from, r.to).unwrap());
    ExclusionRule::new(
        direction,
        rule.protocol.map(Protocol),
        address,
        ports(rule.remote_ports),
        ports(rule.local_ports),
    )
    .unwrap()
}

pub(crate) fn rule(rule: &ExclusionRule) -> world::ExclusionRule {
    let (remote_ipv4, remote_ipv6) = match rule.remote_address() {
        Some(std::net::IpAddr::V4(address)) => (Some(address), None),
        Some(std::net::IpAddr::V6(address)) => (None, Some(address)),
        None => (None, None),
    };
    let ports = |range: Option<PortRange>| range.map(|r| world::PortRange { from: r.from(), to: r.to() });
    world::ExclusionRule {
        direction: Some(match rule.direction() {
            Direction::Inbound => world::Direction::Inbound,
            Direction::Outbound => world::Direction::Outbound,
            Direction::Both => world::Direction::Both,
        }),
        protocol: rule.protocol().map(|protocol| protocol.0),
        remote_ipv4,
        remote_ipv6,
        remote_ports: ports(rule.remote_ports()),
        local_ports: ports(rule.local_ports()),
    }
}

/// To be started at once; the rest is the world's to say.
pub(crate) fn of_task(id: TaskId, sensor: SensorId, program: &Program) -> world::Task {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    world::Task {
        id: id.uuid(),
        sensor: sensor.uuid(),
        command: program.command.to_string(),
        arguments: text(&program.arguments),
        working_directory: text(&program.working_directory),
        start_now: true,
        created_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        ended_at: None,
        unsupported: false,
    }
}
