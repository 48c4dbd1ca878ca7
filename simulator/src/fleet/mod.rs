//! The fleet file: which hosts there are, what stands on them at first, and how the server behaves.
//! `docs/simulator.md` describes every key for users.

mod file_entry;
mod generate;
mod host;
mod populate;

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde::Deserialize;

pub use file_entry::FleetFile;
pub use generate::Generate;
pub use host::{FleetHost, FleetIsolation, FleetOs};
pub(crate) use populate::{Left, LeftHost};

use crate::faults::Fault;
use crate::front::CertificateKind;
use crate::time_span;
use crate::wire::Dialect;

/// A fleet, as its file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// The format's version; 1, or left out.
    pub version: Option<u32>,
    /// The hosts one by one.
    pub hosts: Vec<FleetHost>,
    /// Many hosts more.
    pub generate: Option<Generate>,
    /// The prevention rule for all hosts that stands at first.
    pub prevention_all: Vec<FleetFile>,
    /// Whether the client that the simulator brings along is accepted from the start.
    pub registration: RegistrationMode,
    /// What kind of certificate the server has.
    pub server_certificate: CertificateKind,
    /// How the server behaves.
    pub server: Server,
}

/// How clients are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationMode {
    /// The simulator's own client is accepted from the start, others wait for approval.
    #[default]
    Auto,
    /// All wait for approval.
    Manual,
}

/// How the server behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// As the host list tells it.
    pub version: String,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// Bytes; a longer body gets 413.
    pub body_limit: usize,
    /// How long the administrator takes to accept a client; without it, until told to.
    #[serde(deserialize_with = "time_span::optional")]
    pub approve_after: Option<SignedDuration>,
    /// How answers are written.
    pub dialect: Dialect,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            version: "7.1.0.530".into(),
            http2: true,
            body_limit: 64 << 20,
            approve_after: None,
            dialect: Dialect::default(),
            faults: Vec::new(),
        }
    }
}

/// Why a fleet file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// It cannot be read.
    #[error("cannot read the fleet file {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no fleet: the message has the place.
    #[error("{}: {problem}", .path.as_deref().unwrap_or(Path::new("fleet")).display())]
    Syntax {
        /// Which file; `None` for one that was given as text.
        path: Option<PathBuf>,
        /// What and where.
        problem: yaml_serde::Error,
    },
    /// A version that is not known.
    #[error("the fleet has version {0}; this simulator reads version 1")]
    Version(u32),
    /// Two hosts are the same.
    #[error(
        "two hosts of the fleet have the sensor id {sensor_id}: {first:?} and {second:?}; \
         give one of them another `sensor_id`"
    )]
    SameSensor {
        /// What they share.
        sensor_id: uuid::Uuid,
        /// A name.
        first: String,
        /// The other's name, which may be the same.
        second: String,
    },
}

impl Fleet {
    /// Reads a fleet from YAML.
    ///
    /// # Errors
    /// Wrong syntax, unknown keys, wrong values, or two hosts with one sensor id.
    pub fn from_yaml(text: &str) -> Result<Fleet, FleetError> {
        Fleet::checked(
            yaml_serde::from_str(text).map_err(|problem| FleetError::Syntax { path: None, problem }),
        )
    }

    /// Reads a fleet file.
    ///
    /// # Errors
    /// As [`Fleet::from_yaml`], or a file that cannot be read.
    pub fn read(path: &Path) -> Result<Fleet, FleetError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| FleetError::Read { path: path.into(), source })?;
        let syntax = |problem| FleetError::Syntax { path: Some(path.into()), problem };
        Fleet::checked(yaml_serde::from_str(&text).map_err(syntax))
    }

    fn checked(read: Result<Fleet, FleetError>) -> Result<Fleet, FleetError> {
        let fleet = read?;
        if let Some(version) = fleet.version.filter(|version| *version != 1) {
            return Err(FleetError::Version(version));
        }
        let mut names = std::collections::BTreeMap::new();
        for host in &fleet.hosts {
            let sensor_id = host.sensor_id();
            if let Some(first) = names.insert(sensor_id, &host.name) {
                return Err(FleetError::SameSensor {
                    sensor_id,
                    first: first.clone(),
                    second: host.name.clone(),
                });
            }
        }
        Ok(fleet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Fleet::from_yaml(text).unwrap_err().to_string()
    }

    #[test]
    fn a_fleet_is_read() {
        let fleet = Fleet::from_yaml(
            "hosts:
  - name: WS-1
    ip: 10.0.0.1
    os: { family: Linux, name: Astra }
    last_access: 2h ago
    contact_every: never
    isolation: { timeout: 8h, set: 3h ago, exclusions: [{ direction: outbound, protocol: 17 }] }
    prevention:
      - 900150983cd24fb0d6963f7d28e17f72
      - { sha256: ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB, name: a.exe }
generate: { hosts: 10, seed: 7 }
server:
  dialect: { settings: array, host_name_field: hostName, last_access: epoch-millis, resend: keeps, write_status: 204 }
  faults:
    - { call: isolation, method: POST, first: 1, drop: after }
    - { sensor: all, delay: 10ms, answer: { oversized: 1000 } }
    - { status: 503, retry_after: 2, clock_skew: -15m }
",
        )
        .unwrap();
        assert_eq!(fleet.hosts[0].contact_every, None);
        assert_eq!(fleet.server.faults.len(), 3);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let unknown = error("hosts:\n  - name: WS-1\n    nmae: WS-2\n");
        assert!(unknown.contains("unknown field `nmae`") && unknown.contains("line 3"), "{unknown}");
        let no_number = error("hosts:\n  - name: WS-1\n    prevention: [12345678901234567890123456789012]\n");
        assert!(no_number.contains("quotes"), "{no_number}");
        let twice = error("hosts:\n  - name: WS-1\n  - name: WS-1\n");
        assert!(twice.contains("sensor_id"), "{twice}");
        let no_unit = error("hosts:\n  - name: WS-1\n    contact_every: '5'\n");
        assert!(no_unit.contains("5m"), "{no_unit}");
    }
}
