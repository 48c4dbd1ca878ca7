//! A host with the Endpoint Agent, as the server lists it.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::agent::Agent;

/// A host and its agent. What agents can do is told by `capabilities`: they carry out only what they list.
#[derive(Clone, Debug)]
pub struct Host {
    /// The identity that the API uses.
    pub sensor_id: Uuid,
    /// The computer's name; the server compares it with regard to case. Not unique.
    pub name: String,
    /// The address that the server saw last. Not unique.
    pub ip: Option<IpAddr>,
    /// Such as `Windows` or `Linux`; `None` leaves the field out of the list.
    pub os_family: Option<Arc<str>>,
    /// Such as `Windows 11 Pro`.
    pub os_name: Option<Arc<str>>,
    /// The agent's version.
    pub agent_version: Arc<str>,
    /// See [`capability`]; `None` leaves the field out, and the agent can do everything.
    pub capabilities: Option<Arc<[String]>>,
    /// Whether the agent's self-defence is on.
    pub self_defense: bool,
    /// Such as `Valid`.
    pub license: Arc<str>,
    /// What runs on the host.
    pub agent: Agent,
}

/// What an agent can do. The names are ours: those of the real API are not documented.
pub mod capability {
    /// Network isolation.
    pub const ISOLATION: &str = "network_isolation";
    /// Blocking files.
    pub const PREVENTION: &str = "prevention";
    /// Running applications.
    pub const TASKS: &str = "run_process";
}

impl Host {
    /// A Windows host of this name; its sensor id is the UUIDv5 of the name, see [`sensor_id_of`].
    #[must_use]
    pub fn new(name: &str) -> Host {
        let sensor_id = sensor_id_of(name);
        let [_, a, b, c, ..] = sensor_id.into_bytes();
        Host {
            sensor_id,
            name: name.into(),
            ip: Some(IpAddr::from([10, a, b, c])),
            os_family: Some("Windows".into()),
            os_name: Some("Windows 11 Pro".into()),
            agent_version: "12.6.0.438".into(),
            capabilities: Some(
                [capability::ISOLATION, capability::PREVENTION, capability::TASKS].map(String::from).into(),
            ),
            self_defense: true,
            license: "Valid".into(),
            agent: Agent::default(),
        }
    }

    /// Whether the agent can carry this out.
    #[must_use]
    pub fn can(&self, what: &str) -> bool {
        self.capabilities.as_ref().is_none_or(|list| list.iter().any(|one| one == what))
    }
}

/// The sensor id of a host that the fleet file gives none: UUIDv5 of its name in the DNS namespace
/// (`uuidgen --sha1 -n @dns -N NAME` prints the same).
#[must_use]
pub fn sensor_id_of(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, name.as_bytes())
}
