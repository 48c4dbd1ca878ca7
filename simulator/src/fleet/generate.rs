//! Many hosts that need not be written down; the same seed makes the same ones.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::host::capabilities_of;
use crate::agent::{Agent, CONTACT_EVERY};
use crate::time_span;
use crate::world::Host;

/// How many hosts of which kind. Host number n is the same whatever `hosts` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many.
    pub hosts: u32,
    /// Another seed makes other hosts.
    #[serde(default)]
    pub seed: u64,
    /// `{n}` stands for the number, from 1 on.
    #[serde(default = "name")]
    pub name: String,
    /// `None`: `never`.
    #[serde(default = "contact_every", deserialize_with = "time_span::or_never")]
    pub contact_every: Option<SignedDuration>,
    /// How many of 100 run Linux.
    #[serde(default)]
    pub linux_percent: u8,
    /// How many of 100 have been off for six hours or more.
    #[serde(default)]
    pub silent_percent: u8,
}

/// What all generated hosts share.
pub(super) struct Shared {
    windows: Kind,
    linux: Kind,
    agent_version: Arc<str>,
    license: Arc<str>,
}

struct Kind {
    family: Arc<str>,
    names: [Arc<str>; 3],
    capabilities: Arc<[String]>,
}

impl Shared {
    pub(super) fn new(server_version: &str) -> Shared {
        let kind = |family: &str, names: [&str; 3]| Kind {
            family: family.into(),
            names: names.map(Into::into),
            capabilities: capabilities_of(Some(family), server_version),
        };
        Shared {
            windows: kind("Windows", ["Windows 10 Pro", "Windows 11 Pro", "Windows Server 2022"]),
            linux: kind("Linux", ["Astra Linux 1.8", "RED OS 8", "Ubuntu 24.04 LTS"]),
            agent_version: "12.6.0.438".into(),
            license: "Valid".into(),
        }
    }
}

impl Generate {
    /// Host number `n`, from 1 on, of a world that began at `start`.
    pub(super) fn host(&self, n: u32, start: Timestamp, shared: &Shared) -> Host {
        let mut random = Random(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(n) << 20);
        let id = u128::from(random.next()) << 64 | u128::from(random.next());
        let kind =
            if random.below(100) < u64::from(self.linux_percent) { &shared.linux } else { &shared.windows };
        let silent = random.below(100) < u64::from(self.silent_percent);
        let name = kind.names[usize::try_from(random.below(3)).unwrap_or(0)].clone();
        // Contacts are spread: hosts do not all call at once.
        let spread = self.contact_every.unwrap_or(CONTACT_EVERY).as_secs().max(1).unsigned_abs();
        let ago = if silent { 6 * 3_600 + random.below(30 * 24 * 3_600) } else { random.below(spread) };
        let ago = SignedDuration::from_secs(i64::try_from(ago).unwrap_or(0));
        let [_, a, b, c] = n.to_be_bytes();
        Host {
            sensor_id: Uuid::from_u128(id),
            name: self.name.replace("{n}", &n.to_string()),
            ip: Some(IpAddr::from([10, a, b, c])),
            os_family: Some(Arc::clone(&kind.family)),
            os_name: Some(name),
            agent_version: Arc::clone(&shared.agent_version),
            capabilities: Some(Arc::clone(&kind.capabilities)),
            self_defense: true,
            license: Arc::clone(&shared.license),
            agent: Agent {
                contact_every: self.contact_every.filter(|_| !silent),
                last_contact: Some(start.checked_sub(ago).unwrap_or(start)),
                ..Agent::default()
            },
        }
    }
}

/// SplitMix64: small, fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn name() -> String {
    "WS-{n}".into()
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn contact_every() -> Option<SignedDuration> {
    Some(CONTACT_EVERY)
}
