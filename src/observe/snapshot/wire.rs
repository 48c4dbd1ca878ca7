//! How a snapshot stands in its file. Types of their own: what is kept does not change with the model.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire_task::TaskReading;
use super::{Failure, FailureKind, Readings, ServerSnapshot, Snapshot};
use crate::central_node::Listing;
use crate::model::{
    Direction, ExclusionRule, FileHash, HostList, Isolation, KeptObject, LastAccess, PortRange,
    PreventionRule, Protocol, ReadFailure, Reading, Sensor, SensorId, ServerName, Target, Untrusted,
};
use crate::observe::Observed;
use crate::record::RecordedFile;

/// Everything that a plan reads. No key and no other secret is in it; names of hosts, reasons and names of users are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Content {
    /// The moment before the first request: RFC 3339, UTC.
    taken_at: String,
    /// The version of kedrctl that wrote it.
    written_by: String,
    /// Whether isolation and prevention of every listed host were read, not only what was declared.
    all_hosts: bool,
    servers: Vec<Server>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Server {
    /// As the files called it.
    name: String,
    /// The first URL, or the simulator's fleet file.
    address: String,
    /// What names it in the record, and tells whether a declared server is this one.
    key: String,
    /// Why it could not be asked; then nothing else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<Unread>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<List>,
    /// What ended the reading before it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<Unread>,
    isolations: Vec<IsolationReading>,
    preventions: Vec<PreventionReading>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TaskReading>,
    /// Prevention rules, once each; `preventions` say which by its place, counted from 0.
    rules: Vec<Vec<Object>>,
    /// The ledger, as the record writes it down; for kedrctl alone.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    recorded: RecordedFile,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Unread {
    kind: UnreadKind,
    why: String,
    /// It was not asked, since its part of the record could not be had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_record: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum UnreadKind {
    /// The server was not there.
    Lost,
    /// It is not trusted, or does not accept this client.
    Stops,
    Other,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct List {
    /// By our clock: before the request that was answered, and after the head of the answer.
    asked: String,
    answered: String,
    /// By the server's clock; `null`: its answers carry no `Date`.
    date: Option<String>,
    server_version: Option<String>,
    /// It says that it goes on.
    has_more: bool,
    hosts: Vec<Host>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Host {
    sensor_id: String,
    name: Option<String>,
    #[schemars(with = "Vec<String>")]
    addresses: Vec<IpAddr>,
    /// RFC 3339; `null`: not given, or not understood.
    last_access: Option<String>,
    agent_version: Option<String>,
    os_family: Option<String>,
    os_name: Option<String>,
    capabilities: Vec<String>,
}

/// One of `isolation`, `unknown`; neither: there is no rule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct IsolationReading {
    sensor_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isolation: Option<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Rule {
    /// As it was set and is listed; the server does not tell what is left.
    timeout_seconds: u64,
    exclusions: Vec<Exclusion>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Exclusion {
    /// `inbound`, `outbound` or `both`.
    direction: String,
    protocol: Option<u8>,
    #[schemars(with = "Option<String>")]
    remote_address: Option<IpAddr>,
    remote_ports: Option<(u16, u16)>,
    local_ports: Option<(u16, u16)>,
}

/// One of `rule`, `unknown`; neither: there is no rule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct PreventionReading {
    /// A sensor id, or `all`.
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Object {
    /// MD5 or SHA-256, by its length.
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// It had fields that are not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    other_fields: bool,
}

impl From<&Snapshot> for Content {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            taken_at: snapshot.taken_at.to_string(),
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            all_hosts: snapshot.has_all_hosts,
            servers: snapshot.servers.iter().map(Server::from).collect(),
        }
    }
}

impl TryFrom<Content> for Snapshot {
    type Error = String;

    fn try_from(content: Content) -> Result<Self, String> {
        Ok(Self {
            taken_at: instant(&content.taken_at)?,
            has_all_hosts: content.all_hosts,
            servers: content.servers.into_iter().map(Server::snapshot).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&ServerSnapshot> for Server {
    fn from(server: &ServerSnapshot) -> Self {
        let mut written = Self {
            name: server.name.to_string(),
            address: server.address.clone(),
            key: server.key.clone(),
            unread: None,
            list: None,
            stopped: None,
            isolations: Vec::new(),
            preventions: Vec::new(),
            tasks: Vec::new(),
            rules: Vec::new(),
            recorded: RecordedFile::from(&server.recorded),
        };
        let readings = match &server.readings {
            Ok(readings) => readings,
            Err(failure) => {
                written.unread = Some(failure.into());
                return written;
            }
        };
        written.list = Some((&readings.listing).into());
        written.stopped = readings.stopped.as_ref().map(Into::into);
        written.isolations = readings
            .observed
            .isolations
            .iter()
            .map(|(sensor, reading)| {
                let (isolation, unknown) = parts(reading, |rule| Rule::from(rule));
                IsolationReading { sensor_id: sensor.to_string(), isolation, unknown }
            })
            .collect();
        // Equal rules are one in memory, and so in the file.
        let mut places: BTreeMap<*const PreventionRule, usize> = BTreeMap::new();
        for (target, reading) in &readings.observed.preventions {
            let (rule, unknown) = parts(reading, |rule: &Arc<PreventionRule>| {
                *places.entry(Arc::as_ptr(rule)).or_insert_with(|| {
                    written.rules.push(rule.objects.iter().map(Object::from).collect());
                    written.rules.len() - 1
                })
            });
            written.preventions.push(PreventionReading { target: target.to_string(), rule, unknown });
        }
        written.tasks = readings.observed.tasks.iter().map(TaskReading::from).collect();
        written
    }
}

/// What is there, and why that is not known.
pub(super) fn parts<T, U>(reading: &Reading<T>, of: impl FnOnce(&T) -> U) -> (Option<U>, Option<String>) {
    match reading {
        Reading::Present(value) => (Some(of(value)), None),
        Reading::Absent => (None, None),
        Reading::Unknown(why) => (None, Some(why.to_string())),
    }
}

pub(super) fn reading<T>(value: Option<T>, unknown: Option<String>) -> Result<Reading<T>, String> {
    match (value, unknown) {
        (Some(value), None) => Ok(Reading::Present(value)),
        (None, None) => Ok(Reading::Absent),
        (None, Some(why)) => Ok(Reading::Unknown(ReadFailure::new(printable(why)))),
        (Some(_), Some(_)) => Err("a reading that is known and unknown".to_owned()),
    }
}

impl Server {
    fn snapshot(self) -> Result<ServerSnapshot, String> {
        let recorded =
            self.recorded.try_into().map_err(|error: crate::record::RecordedFileError| error.to_string())?;
        let readings = match (self.unread, self.list) {
            (Some(unread), None) => Err(unread.into()),
            (None, Some(list)) => {
                let rules: Vec<Arc<PreventionRule>> =
                    self.rules.into_iter().map(rule).collect::<Result<_, _>>()?;
                let mut observed = Observed::default();
                for read in self.isolations {
                    let isolation = read.isolation.map(Isolation::try_from).transpose()?;
                    observed
                        .isolations
                        .insert(sensor_id(&read.sensor_id)?, reading(isolation, read.unknown)?);
                }
                for read in self.preventions {
                    let rule = read.rule.map(|place| {
                        rules.get(place).map(Arc::clone).ok_or_else(|| format!("there is no rule {place}"))
                    });
                    observed
                        .preventions
                        .insert(target(&read.target)?, reading(rule.transpose()?, read.unknown)?);
                }
                for read in self.tasks {
                    let (id, reading) = read.reading()?;
                    observed.tasks.insert(id, reading);
                }
                Ok(Readings { listing: list.try_into()?, observed, stopped: self.stopped.map(Into::into) })
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err("a server with neither or both of `list` and `unread`".to_owned());
            }
        };
        Ok(ServerSnapshot {
            name: ServerName::new(self.name),
            address: self.address,
            key: self.key,
            recorded,
            readings,
        })
    }
}

impl From<&Failure> for Unread {
    fn from(failure: &Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Lost => UnreadKind::Lost,
            FailureKind::Stops => UnreadKind::Stops,
            FailureKind::Other | FailureKind::Unrecorded => UnreadKind::Other,
        };
        Self { kind, why: failure.text.clone(), of_record: failure.kind == FailureKind::Unrecorded }
    }
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        let kind = match unread.kind {
            UnreadKind::Lost | UnreadKind::Stops | UnreadKind::Other if unread.of_record => {
                FailureKind::Unrecorded
            }
            UnreadKind::Lost => FailureKind::Lost,
            UnreadKind::Stops => FailureKind::Stops,
            UnreadKind::Other => FailureKind::Other,
        };
        Self { kind, text: printable(unread.why) }
    }
}

impl From<&Listing> for List {
    fn from(listing: &Listing) -> Self {
        let text = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
        let hosts = listing.hosts.sensors.values().map(|sensor| Host {
            sensor_id: sensor.id.to_string(),
            name: text(&sensor.name),
            addresses: sensor.addresses.clone(),
            last_access: sensor.last_access.at().map(|at| at.to_string()),
            agent_version: text(&sensor.agent_version),
            os_family: text(&sensor.os_family),
            os_name: text(&sensor.os_name),
            capabilities: sensor.capabilities.iter().map(|text| text.raw().to_owned()).collect(),
        });
        Self {
            asked: listing.asked.to_string(),
            answered: listing.answered.to_string(),
            date: listing.date.map(|date| date.to_string()),
            server_version: text(&listing.hosts.server_version),
            has_more: listing.hosts.has_more,
            hosts: hosts.collect(),
        }
    }
}

impl TryFrom<List> for Listing {
    type Error = String;

    fn try_from(list: List) -> Result<Self, String> {
        let mut hosts = HostList {
            sensors: BTreeMap::new(),
            has_more: list.has_more,
            server_version: list.server_version.map(Untrusted::new),
        };
        for host in list.hosts {
            let id = sensor_id(&host.sensor_id)?;
            let last_access = match host.last_access {
                Some(at) => LastAccess::At(instant(&at)?),
                None => LastAccess::Unknown,
            };
            let sensor = Sensor {
                id,
                name: host.name.map(Untrusted::new),
                addresses: host.addresses,
                last_access,
                agent_version: host.agent_version.map(Untrusted::new),
                os_family: host.os_family.map(Untrusted::new),
                os_name: host.os_name.map(Untrusted::new),
                capabilities: host.capabilities.into_iter().map(Untrusted::new).collect(),
            };
            hosts.sensors.insert(id, Arc::new(sensor));
        }
        Ok(Self {
            hosts,
            date: list.date.as_deref().map(instant).transpose()?,
            asked: instant(&list.asked)?,
            answered: instant(&list.answered)?,
        })
    }
}

impl From<&Isolation> for Rule {
    fn from(isolation: &Isolation) -> Self {
        let pair = |range: PortRange| (range.from(), range.to());
        let exclusions = isolation.exclusions.iter().map(|rule| Exclusion {
            direction: rule.direction().as_str().to_owned(),
            protocol: rule.protocol().map(|protocol| protocol.0),
            remote_address: rule.remote_address(),
            remote_ports: rule.remote_ports().map(pair),
            local_ports: rule.local_ports().map(pair),
        });
        Self { timeout_seconds: isolation.timeout_seconds, exclusions: exclusions.collect() }
    }
}

impl TryFrom<Rule> for Isolation {
    type Error = String;

    fn try_from(rule: Rule) -> Result<Self, String> {
        let range = |pair: Option<(u16, u16)>| match pair {
            None => Ok(None),
            Some((from, to)) => {
                PortRange::new(from, to).map(Some).ok_or_else(|| format!("{from}-{to} is no range of ports"))
            }
        };
        let mut exclusions = std::collections::BTreeSet::new();
        for rule in rule.exclusions {
            let direction = Direction::ALL.into_iter().find(|known| known.as_str() == rule.direction);
            let direction =
                direction.ok_or_else(|| format!("`{}` is no direction", printable(rule.direction)))?;
            let (remote, local) = (range(rule.remote_ports)?, range(rule.local_ports)?);
            let protocol = rule.protocol.map(Protocol);
            let rule = ExclusionRule::new(direction, protocol, rule.remote_address, remote, local);
            exclusions.insert(rule.map_err(|error| error.to_string())?);
        }
        Ok(Self { timeout_seconds: rule.timeout_seconds, exclusions: Arc::new(exclusions) })
    }
}

impl From<(&FileHash, &KeptObject)> for Object {
    fn from((hash, kept): (&FileHash, &KeptObject)) -> Self {
        Self {
            hash: hash.to_string(),
            name: kept.name.as_ref().map(|name| name.raw().to_owned()),
            other_fields: kept.has_other_fields,
        }
    }
}

fn rule(objects: Vec<Object>) -> Result<Arc<PreventionRule>, String> {
    let mut rule = PreventionRule::default();
    for object in objects {
        let hash = object.hash.parse().map_err(|error| format!("{}: {error}", printable(object.hash)))?;
        let kept =
            KeptObject { name: object.name.map(Untrusted::new), has_other_fields: object.other_fields };
        rule.objects.insert(hash, kept);
    }
    Ok(Arc::new(rule))
}

fn target(text: &str) -> Result<Target, String> {
    if text == "all" { Ok(Target::AllHosts) } else { sensor_id(text).map(Target::Sensor) }
}

fn sensor_id(text: &str) -> Result<SensorId, String> {
    text.parse().map_err(|error| format!("`{}`: {error}", printable(text.to_owned())))
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: jiff::Error| format!("`{}`: {error}", printable(text.to_owned())))
}

/// Whoever wrote the file wrote this too.
pub(super) fn printable(text: String) -> String {
    Untrusted::new(text).printable().to_string()
}
