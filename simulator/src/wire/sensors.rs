//! The host list.

use jiff::Timestamp;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dialect::{LastAccess, UuidCase};
use super::{Answer, Dialect, SensorFilter};
use crate::world::{Host, World};

/// The hosts that fit the filter, as they are listed now.
pub(crate) fn sensors_answer(
    world: &World,
    filter: &SensorFilter,
    version: &str,
    dialect: &Dialect,
) -> Answer {
    let hosts: Vec<&Host> = match filter.sensor_id {
        // By its index: a list of one must not cost a walk over all.
        Some(sensor) => world.host(sensor).into_iter().filter(|host| filter.fits(host)).collect(),
        None => world.hosts().filter(|host| filter.fits(host)).collect(),
    };
    let most = dialect.list_at_most.unwrap_or(usize::MAX).min(hosts.len());
    Answer::json(200, &List { hosts: &hosts[..most], now: world.now(), version, dialect }, dialect)
}

/// A UUID in the dialect's case.
pub(super) fn uuid_text(uuid: Uuid, dialect: &Dialect) -> String {
    match dialect.uuid_case {
        UuidCase::Lower => uuid.hyphenated().to_string(),
        UuidCase::Upper => uuid.hyphenated().to_string().to_uppercase(),
    }
}

/// Written without a copy of the list, which may hold very many hosts.
struct List<'a> {
    hosts: &'a [&'a Host],
    now: Timestamp,
    version: &'a str,
    dialect: &'a Dialect,
}

struct Sensors<'a>(&'a List<'a>);

struct Sensor<'a> {
    host: &'a Host,
    list: &'a List<'a>,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("sensors", &Sensors(self))?;
        map.serialize_entry("server", &json!({"version": self.version}))?;
        if let Some(token) = &self.dialect.continuation_token {
            map.serialize_entry("continuation_token", token)?;
        }
        if self.dialect.extra_fields {
            map.serialize_entry("requestId", "00000000000000000000000000000000")?;
        }
        map.end()
    }
}

impl Serialize for Sensors<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.hosts.len()))?;
        self.0.hosts.iter().try_for_each(|host| list.serialize_element(&Sensor { host, list: self.0 }))?;
        list.end()
    }
}

impl Serialize for Sensor<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Sensor { host, list: List { now, dialect, .. } } = self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("sensorId", &uuid_text(host.sensor_id, dialect))?;
        map.serialize_entry(dialect.host_name_field.as_str(), &host.name)?;
        if let Some(ip) = host.ip {
            map.serialize_entry("hostIp", &ip)?;
        }
        if let Some(at) = host.agent.last_access(*now).and_then(|at| time(at, dialect)) {
            map.serialize_entry("lastAccessTimestamp", &at)?;
        }
        map.serialize_entry("version", host.agent_version.as_ref())?;
        map.serialize_entry("selfDefenseState", &host.self_defense)?;
        map.serialize_entry("licenseStatus", host.license.as_ref())?;
        if let Some(family) = &host.os_family {
            map.serialize_entry("osFamily", family.as_ref())?;
        }
        if let Some(name) = &host.os_name {
            map.serialize_entry("osName", name.as_ref())?;
        }
        if let Some(capabilities) = &host.capabilities {
            map.serialize_entry("capabilities", capabilities.as_ref())?;
        }
        if dialect.extra_fields {
            map.serialize_entry("tenant", &json!({"id": 1, "name": "default"}))?;
        }
        map.end()
    }
}

fn time(at: Timestamp, dialect: &Dialect) -> Option<Value> {
    let number =
        |number: i64| if dialect.numbers_as_text { json!(number.to_string()) } else { json!(number) };
    match dialect.last_access {
        // Whole seconds, rounded down as clocks are read.
        LastAccess::Rfc3339 => Some(json!(Timestamp::from_second(at.as_second()).unwrap_or(at).to_string())),
        LastAccess::EpochSeconds => Some(number(at.as_second())),
        LastAccess::EpochMillis => Some(number(at.as_millisecond())),
        LastAccess::Missing => None,
    }
}
