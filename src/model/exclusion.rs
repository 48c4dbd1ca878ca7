use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The traffic that one isolation lets through: a set, so that order and repetition never count as a difference.
pub type Exclusions = Arc<BTreeSet<ExclusionRule>>;

/// One kind of traffic that isolation lets through (response-api.md, section 3, RULE), normalised: what the API
/// leaves out and what it spells out in full are one value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExclusionRule {
    direction: Direction,
    protocol: Option<Protocol>,
    remote_address: Option<IpAddr>,
    remote_ports: Option<PortRange>,
    local_ports: Option<PortRange>,
}

/// Why these words are no exclusion that the API takes (response-api.md, section 3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionRuleError {
    /// Ports, other than the full range, beside [`Direction::Both`].
    #[error("with direction `both` no ports may be given (say `inbound` or `outbound`)")]
    PortsWithBoth,
}

impl ExclusionRule {
    /// # Errors
    /// Ports together with [`Direction::Both`]: the API refuses that (response-api.md, section 3).
    pub fn new(
        direction: Direction,
        protocol: Option<Protocol>,
        remote_address: Option<IpAddr>,
        remote_ports: Option<PortRange>,
        local_ports: Option<PortRange>,
    ) -> Result<Self, ExclusionRuleError> {
        // The full range says no more than no range, but some servers print it.
        let remote_ports = remote_ports.filter(|range| !range.is_full());
        let local_ports = local_ports.filter(|range| !range.is_full());
        if direction == Direction::Both && (remote_ports.is_some() || local_ports.is_some()) {
            return Err(ExclusionRuleError::PortsWithBoth);
        }
        // An IPv4 address written as ::ffff:a.b.c.d is that IPv4 address.
        let remote_address = remote_address.map(|address| address.to_canonical());
        Ok(Self { direction, protocol, remote_address, remote_ports, local_ports })
    }

    /// Of the connections that stay possible, seen from the isolated host.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// `None`: every protocol.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// `None`: every address.
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.remote_address
    }

    /// Destination ports; by the help only with `outbound`, by the guide with either single direction.
    pub fn remote_ports(&self) -> Option<PortRange> {
        self.remote_ports
    }

    /// Source ports; by the help only with `inbound`, by the guide with either single direction.
    pub fn local_ports(&self) -> Option<PortRange> {
        self.local_ports
    }
}

impl fmt::Display for ExclusionRule {
    /// As a person would say it: `outbound udp to 10.0.0.53 port 53`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.direction)?;
        match self.protocol {
            Some(protocol) => write!(f, " {protocol}")?,
            None => write!(f, " any protocol")?,
        }
        if let Some(address) = self.remote_address {
            let preposition = match self.direction {
                Direction::Inbound => "from",
                Direction::Outbound => "to",
                Direction::Both => "with",
            };
            write!(f, " {preposition} {address}")?;
        }
        if let Some(ports) = self.remote_ports {
            write!(f, " remote {ports}")?;
        }
        if let Some(ports) = self.local_ports {
            write!(f, " local {ports}")?;
        }
        Ok(())
    }
}

/// Which way the traffic goes, seen from the isolated host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// To the isolated host.
    Inbound,
    /// From the isolated host.
    Outbound,
    /// Either way; also what is meant where no direction is given. Takes no ports.
    Both,
}

impl Direction {
    /// In the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Both];

    /// The API's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An IP protocol by the number that IANA gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Protocol(pub u8);

impl Protocol {
    /// The names that a state file may use, with their numbers.
    pub const NAMES: [(&'static str, u8); 9] = [
        ("icmp", 1),
        ("igmp", 2),
        ("tcp", 6),
        ("udp", 17),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("icmpv6", 58),
        ("sctp", 132),
    ];

    /// By the name that state files use, such as `tcp`; `None`: it has none there.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| Self(*number))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "protocol {}", self.0),
        }
    }
}

/// Ports from `from` to `to`, both included; `from <= to`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortRange {
    from: u16,
    to: u16,
}

impl PortRange {
    /// `None` when `from > to`.
    pub fn new(from: u16, to: u16) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// The lowest port.
    pub fn from(self) -> u16 {
        self.from
    }

    /// The highest port, which belongs to it.
    pub fn to(self) -> u16 {
        self.to
    }

    fn is_full(self) -> bool {
        self.from <= 1 && self.to == u16::MAX
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "port {}", self.from)
        } else {
            write!(f, "ports {}-{}", self.from, self.to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_the_same() {
        let full = PortRange::new(0, 65535);
        let mapped = Some("::ffff:10.0.0.1".parse().unwrap());
        let plain = Some("10.0.0.1".parse().unwrap());
        let spelled = ExclusionRule::new(Direction::Both, None, mapped, full, full);
        let short = ExclusionRule::new(Direction::Both, None, plain, None, None);
        assert_eq!(spelled, short);
    }

    #[test]
    fn ports_need_one_direction() {
        let ports = PortRange::new(53, 53);
        assert!(ExclusionRule::new(Direction::Both, None, None, ports, None).is_err());
        let rule =
            ExclusionRule::new(Direction::Outbound, Protocol::from_name("udp"), None, ports, None).unwrap();
        assert_eq!(rule.to_string(), "outbound udp remote port 53");
    }
}
