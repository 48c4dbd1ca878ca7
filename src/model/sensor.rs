use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Untrusted;

/// The identity that a Central Node gives to one installed Endpoint Agent. Compared as a UUID, never as text:
/// servers print either case (response-api.md, section 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SensorId(Uuid);

/// A text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sensor id is a UUID such as 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11")]
pub struct SensorIdError;

impl SensorId {
    /// The sensor of this UUID.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID itself.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The first eight digits, for messages that list several.
    pub fn short(self) -> String {
        let mut text = self.0.simple().to_string();
        text.truncate(8);
        text
    }
}

impl FromStr for SensorId {
    type Err = SensorIdError;

    fn from_str(text: &str) -> Result<Self, SensorIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_not_a_uuid| SensorIdError)
    }
}

impl fmt::Display for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One host with an Endpoint Agent, as the server lists it (response-api.md, section 1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sensor {
    /// Its identity, by which every call to the server names it.
    pub id: SensorId,
    /// As the server writes it, with its case; `None`: it gives none.
    pub name: Option<Untrusted>,
    /// IPv4 and IPv6, each once, IPv4 never in the form of IPv6; empty: none is given, or none is understood.
    pub addresses: Vec<IpAddr>,
    /// By the server's clock.
    pub last_access: LastAccess,
    /// Of its Endpoint Agent; `None`: not given.
    pub agent_version: Option<Untrusted>,
    /// Such as `Windows` or `Linux`: what `os` of a group is compared with, in any case. `None`: not given.
    pub os_family: Option<Untrusted>,
    /// Such as `Windows 11 Pro`; `None`: not given.
    pub os_name: Option<Untrusted>,
    /// What its agent can do, in the server's words, which are not documented; empty: not given.
    pub capabilities: Vec<Untrusted>,
}

/// When the agent was last in contact with its Central Node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LastAccess {
    /// Not given, or in a form that we do not understand: counts as none.
    Unknown,
    /// By the server's clock.
    At(Timestamp),
}

impl LastAccess {
    /// `None`: the server does not say.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::At(instant) => Some(instant),
        }
    }
}

impl Sensor {
    /// What a person calls this host: its name, or its id where the server gave no name. Safe to print.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => name.printable().to_string(),
            None => self.id.to_string(),
        }
    }

    /// The label with address, last access and id, for messages that make a person choose between several.
    pub fn describe(&self) -> String {
        let addresses = self.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let seen = match self.last_access {
            LastAccess::Unknown => "last access unknown".to_owned(),
            LastAccess::At(instant) => format!("last access {instant:.0}"),
        };
        format!(
            "{} ({}{}{seen}, sensor_id {})",
            self.label(),
            addresses,
            if addresses.is_empty() { "" } else { ", " },
            self.id
        )
    }
}

/// The hosts of one server, by sensor id.
#[derive(Clone, Debug, Default)]
pub struct HostList {
    /// Each once, also where the server lists one twice; of two names for one sensor the list is refused.
    pub sensors: BTreeMap<SensorId, Arc<Sensor>>,
    /// The answer carried a continuation token: there are more hosts than it lists, so it says nothing about
    /// which hosts do *not* exist.
    pub has_more: bool,
    /// The Central Node's own version, such as `7.0.1.500`.
    pub server_version: Option<Untrusted>,
}
