//! One host of a fleet.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::FleetFile;
use crate::agent::{Agent, CONTACT_EVERY};
use crate::time_span::{self, Moment};
use crate::wire::ExclusionJson;
use crate::world::{ExclusionRule, Host, IsolationRule, capability, sensor_id_of};

/// A host and what stands on it at first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetHost {
    /// As the server lists it; may be that of another host too, when `sensor_id` tells them apart.
    pub name: String,
    /// Default: the UUIDv5 of the name, see [`sensor_id_of`].
    #[serde(default)]
    pub sensor_id: Option<Uuid>,
    /// Default: an address in 10.0.0.0/8 that follows from the sensor id.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// Default: Windows.
    #[serde(default)]
    pub os: Option<FleetOs>,
    /// Default: some version.
    #[serde(default)]
    pub agent_version: Option<String>,
    /// Default: what the table in response-api.md says of the operating system.
    #[serde(default)]
    pub capabilities: Option<Vec<String>>,
    /// The last contact before the first start.
    #[serde(default = "minute_ago")]
    pub last_access: Moment,
    /// `None`: `never`.
    #[serde(default = "five_minutes", deserialize_with = "time_span::or_never")]
    pub contact_every: Option<SignedDuration>,
    /// By how much the agent's clock is ahead.
    #[serde(default = "none_ahead", deserialize_with = "time_span::required")]
    pub clock_offset: SignedDuration,
    /// Whether a restart drops isolation until the next contact.
    #[serde(default)]
    pub restart_drops_isolation: bool,
    /// Whether self-defence is on.
    #[serde(default = "yes")]
    pub self_defense: bool,
    /// Default: `Valid`.
    #[serde(default)]
    pub license: Option<String>,
    /// The isolation rule that stands at first.
    #[serde(default)]
    pub isolation: Option<FleetIsolation>,
    /// The prevention rule that stands at first.
    #[serde(default)]
    pub prevention: Vec<FleetFile>,
}

/// An operating system; what is left out is left out of the host list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetOs {
    /// Such as `Windows` or `Linux`.
    pub family: Option<String>,
    /// Such as `Windows 11 Pro`.
    pub name: Option<String>,
}

/// An isolation rule that somebody set before the first start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetIsolation {
    /// Seconds, or a duration.
    #[serde(deserialize_with = "time_span::seconds")]
    pub timeout: u64,
    /// When; default: 10 minutes before the first start.
    #[serde(default = "ten_minutes_ago")]
    pub set: Moment,
    /// With the field names of the API; left out, `excludedRules` is left out of answers.
    #[serde(default, deserialize_with = "exclusions")]
    pub exclusions: Option<Vec<ExclusionRule>>,
}

impl FleetHost {
    /// The sensor id, given or by default.
    #[must_use]
    pub fn sensor_id(&self) -> Uuid {
        self.sensor_id.unwrap_or_else(|| sensor_id_of(&self.name))
    }

    /// The host as it is listed when it is first seen, at `first_seen`.
    pub(super) fn host(&self, first_seen: Timestamp, server_version: &str) -> Host {
        let mut host = Host::new(&self.name);
        if let Some(sensor_id) = self.sensor_id {
            let [_, a, b, c, ..] = sensor_id.into_bytes();
            (host.sensor_id, host.ip) = (sensor_id, Some(IpAddr::from([10, a, b, c])));
        }
        host.ip = self.ip.or(host.ip);
        if let Some(os) = &self.os {
            host.os_family = os.family.as_deref().map(Into::into);
            host.os_name = os.name.as_deref().map(Into::into);
        }
        host.capabilities = Some(match &self.capabilities {
            Some(capabilities) => capabilities.as_slice().into(),
            None => capabilities_of(host.os_family.as_deref(), server_version),
        });
        if let Some(version) = &self.agent_version {
            host.agent_version = version.as_str().into();
        }
        if let Some(license) = &self.license {
            host.license = license.as_str().into();
        }
        host.self_defense = self.self_defense;
        host.agent = Agent {
            contact_every: self.contact_every,
            clock_offset: self.clock_offset,
            restart_drops_isolation: self.restart_drops_isolation,
            last_contact: Some(self.last_access.seen_from(first_seen)),
            ..Agent::default()
        };
        host
    }

    /// The isolation rule that stands when the host is first seen.
    pub(super) fn isolation(&self, first_seen: Timestamp) -> Option<IsolationRule> {
        self.isolation.as_ref().map(|isolation| IsolationRule {
            timeout_seconds: isolation.timeout,
            exclusions: isolation.exclusions.clone(),
            set_at: isolation.set.seen_from(first_seen),
        })
    }
}

/// What an agent can do, by the table in response-api.md.
pub(super) fn capabilities_of(os_family: Option<&str>, server_version: &str) -> std::sync::Arc<[String]> {
    let [isolation, prevention, tasks] =
        [capability::ISOLATION, capability::PREVENTION, capability::TASKS].map(String::from);
    // A version that is no number is some new one.
    let major = server_version.split('.').next().unwrap_or("").parse().unwrap_or(u32::MAX);
    match os_family.map(str::to_lowercase).as_deref() {
        None | Some("windows") => [isolation, prevention, tasks].into(),
        Some(_) if major >= 7 => [isolation, tasks].into(),
        Some(_) => [tasks].into(),
    }
}

fn minute_ago() -> Moment {
    Moment::Ago(SignedDuration::from_mins(1))
}

fn ten_minutes_ago() -> Moment {
    Moment::Ago(SignedDuration::from_mins(10))
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn five_minutes() -> Option<SignedDuration> {
    Some(CONTACT_EVERY)
}

fn none_ahead() -> SignedDuration {
    SignedDuration::ZERO
}

fn yes() -> bool {
    true
}

fn exclusions<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<ExclusionRule>>, D::Error> {
    let rules = Vec::<ExclusionJson>::deserialize(from)?;
    Ok(Some(rules.into_iter().map(ExclusionRule::from).collect()))
}
