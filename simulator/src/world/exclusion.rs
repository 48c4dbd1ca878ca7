//! What isolation lets through: the server's checks of one exclusion rule.

use std::net::{Ipv4Addr, Ipv6Addr};

/// One kind of traffic that isolation lets through (RULE in response-api.md, section 3), as it was sent:
/// an absent field stays absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExclusionRule {
    /// Absent means both.
    pub direction: Option<Direction>,
    /// IANA protocol number; absent means all.
    pub protocol: Option<u8>,
    /// One remote address.
    pub remote_ipv4: Option<Ipv4Addr>,
    /// One remote address.
    pub remote_ipv6: Option<Ipv6Addr>,
    /// Destination ports.
    pub remote_ports: Option<PortRange>,
    /// Source ports.
    pub local_ports: Option<PortRange>,
}

/// Which way the traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the host.
    Inbound,
    /// From the host.
    Outbound,
    /// Either way.
    Both,
}

/// Ports from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// The first port.
    pub from: u16,
    /// The last port.
    pub to: u16,
}

/// Whether ports may go with every direction but `both` (the guide), or only remote ones with outbound and
/// local ones with inbound (the help).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortRules {
    /// As the guide says.
    #[default]
    Guide,
    /// As the help says.
    Help,
}

impl ExclusionRule {
    /// Says what the server would not accept in this rule.
    ///
    /// # Errors
    /// The text for the answer's body.
    pub fn check(&self, ports: PortRules) -> Result<(), String> {
        let direction = self.direction.unwrap_or(Direction::Both);
        let has_ports = self.remote_ports.is_some() || self.local_ports.is_some();
        if self.remote_ipv4.is_some() && self.remote_ipv6.is_some() {
            return Err("remoteIpv4Address and remoteIpv6Address exclude each other".into());
        }
        if direction == Direction::Both && has_ports {
            return Err("no port range may be given when direction is both".into());
        }
        if ports == PortRules::Help {
            if self.remote_ports.is_some() && direction != Direction::Outbound {
                return Err("remotePortRange is allowed only when direction is outbound".into());
            }
            if self.local_ports.is_some() && direction != Direction::Inbound {
                return Err("localPortRange is allowed only when direction is inbound".into());
            }
        }
        for (field, range) in [("remotePortRange", self.remote_ports), ("localPortRange", self.local_ports)] {
            if range.is_some_and(|range| range.from > range.to) {
                return Err(format!("{field}: fromPort is greater than toPort"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(
        direction: Option<Direction>,
        remote: Option<PortRange>,
        local: Option<PortRange>,
    ) -> ExclusionRule {
        ExclusionRule { direction, remote_ports: remote, local_ports: local, ..ExclusionRule::default() }
    }

    #[test]
    fn ports_need_one_direction() {
        let dns = Some(PortRange { from: 53, to: 53 });
        assert!(rule(None, dns, None).check(PortRules::Guide).is_err(), "absent means both");
        assert!(rule(Some(Direction::Both), None, dns).check(PortRules::Guide).is_err());
        assert!(rule(Some(Direction::Inbound), dns, None).check(PortRules::Guide).is_ok());
        assert!(rule(Some(Direction::Inbound), dns, None).check(PortRules::Help).is_err());
        assert!(rule(Some(Direction::Outbound), dns, None).check(PortRules::Help).is_ok());
    }

    #[test]
    fn a_range_does_not_run_backwards() {
        let backwards = Some(PortRange { from: 54, to: 53 });
        assert!(rule(Some(Direction::Outbound), backwards, None).check(PortRules::Guide).is_err());
    }
}
