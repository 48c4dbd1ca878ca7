//! How the field's words stand in the record. Types of their own: the model may change, what is kept may not.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire_task::WireTaskSide;
use crate::model::{
    AspectKind, Cause, Difference, Direction, ExclusionRule, GroupOrigin, Isolation, Origin, PortRange,
    PreventionRule, Protocol, SensorId, Side, Target,
};

/// RFC 3339 in UTC, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WireTime(pub(super) Timestamp);

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// `all`, or a sensor's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WireTarget(pub(super) Target);

impl Serialize for WireTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "all" {
            return Ok(Self(Target::AllHosts));
        }
        text.parse().map(|id| Self(Target::Sensor(id))).map_err(D::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WireSensor(pub(super) SensorId);

impl Serialize for WireSensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireSensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireOrigin {
    pub(super) file: String,
    pub(super) line: u32,
}

impl From<&Origin> for WireOrigin {
    fn from(origin: &Origin) -> Self {
        Self { file: origin.file.to_string(), line: origin.line }
    }
}

impl From<WireOrigin> for Origin {
    fn from(wire: WireOrigin) -> Self {
        Self { file: wire.file.into(), line: wire.line }
    }
}

/// A group, and where it declares a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireGroup {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) origin: WireOrigin,
}

impl From<&GroupOrigin> for WireGroup {
    fn from(group: &GroupOrigin) -> Self {
        Self { name: group.group.to_string(), origin: WireOrigin::from(&group.origin) }
    }
}

impl From<WireGroup> for Cause {
    fn from(wire: WireGroup) -> Self {
        Self::group(wire.name.into(), wire.origin.into())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireAspect {
    Isolation,
    Prevention,
    Tasks,
}

impl From<AspectKind> for WireAspect {
    fn from(aspect: AspectKind) -> Self {
        match aspect {
            AspectKind::Isolation => Self::Isolation,
            AspectKind::Prevention => Self::Prevention,
            AspectKind::Tasks => Self::Tasks,
        }
    }
}

impl From<WireAspect> for AspectKind {
    fn from(wire: WireAspect) -> Self {
        match wire {
            WireAspect::Isolation => Self::Isolation,
            WireAspect::Prevention => Self::Prevention,
            WireAspect::Tasks => Self::Tasks,
        }
    }
}

/// Where a value was declared: through groups, where there are any.
pub(super) fn cause(origin: Option<&WireOrigin>, groups: &[WireGroup]) -> Option<Cause> {
    let groups: Vec<Cause> = groups.iter().cloned().map(Into::into).collect();
    Cause::joined(&groups).or_else(|| origin.cloned().map(|origin| Cause::Own(origin.into())))
}

/// One aspect before and after; `null` is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireDifference {
    Isolation(WireSide<WireIsolation>),
    Prevention(WireSide<SetRef>),
    /// No older reader may pass over it: it would start the program again.
    Task(WireTaskSide),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireSide<T> {
    pub(super) before: Option<T>,
    pub(super) after: Option<T>,
}

/// A prevention rule, kept once under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SetRef {
    /// The SHA-256 of the set's file, in lower case.
    pub(super) sha256: String,
    /// How many hashes it holds: for people who read the journal.
    pub(super) count: u64,
}

impl SetRef {
    /// Whether it can name a set at all: it becomes the name of a file.
    pub(super) fn is_digest(&self) -> bool {
        self.sha256.len() == 64 && self.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireIsolation {
    timeout_seconds: u64,
    exclusions: Vec<WireExclusion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireExclusion {
    direction: WireDirection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_ports: Option<(u16, u16)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_ports: Option<(u16, u16)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireDirection {
    Inbound,
    Outbound,
    Both,
}

impl From<&Isolation> for WireIsolation {
    fn from(isolation: &Isolation) -> Self {
        let pair = |range: PortRange| (range.from(), range.to());
        let exclusions = isolation.exclusions.iter().map(|rule| WireExclusion {
            direction: match rule.direction() {
                Direction::Inbound => WireDirection::Inbound,
                Direction::Outbound => WireDirection::Outbound,
                Direction::Both => WireDirection::Both,
            },
            protocol: rule.protocol().map(|protocol| protocol.0),
            remote_address: rule.remote_address(),
            remote_ports: rule.remote_ports().map(pair),
            local_ports: rule.local_ports().map(pair),
        });
        Self { timeout_seconds: isolation.timeout_seconds, exclusions: exclusions.collect() }
    }
}

impl TryFrom<&WireIsolation> for Isolation {
    type Error = String;

    fn try_from(wire: &WireIsolation) -> Result<Self, String> {
        let range = |pair: Option<(u16, u16)>| match pair {
            None => Ok(None),
            Some((from, to)) => {
                PortRange::new(from, to).map(Some).ok_or_else(|| format!("{from}-{to} is no range of ports"))
            }
        };
        let mut exclusions = std::collections::BTreeSet::new();
        for rule in &wire.exclusions {
            let direction = match rule.direction {
                WireDirection::Inbound => Direction::Inbound,
                WireDirection::Outbound => Direction::Outbound,
                WireDirection::Both => Direction::Both,
            };
            let (remote, local) = (range(rule.remote_ports)?, range(rule.local_ports)?);
            let protocol = rule.protocol.map(Protocol);
            let rule = ExclusionRule::new(direction, protocol, rule.remote_address, remote, local);
            exclusions.insert(rule.map_err(|e| e.to_string())?);
        }
        Ok(Self { timeout_seconds: wire.timeout_seconds, exclusions: exclusions.into() })
    }
}

impl WireDifference {
    /// `kept`: where the rules of the difference are kept, the one before first.
    pub(super) fn new(difference: &Difference, mut kept: impl Iterator<Item = SetRef>) -> Self {
        match difference {
            Difference::Isolation(side) => Self::Isolation(WireSide {
                before: side.before.as_ref().map(WireIsolation::from),
                after: side.after.as_ref().map(WireIsolation::from),
            }),
            Difference::Prevention(side) => Self::Prevention(WireSide {
                before: side.before.as_ref().and_then(|_| kept.next()),
                after: side.after.as_ref().and_then(|_| kept.next()),
            }),
            Difference::Task(id, side) => Self::Task(WireTaskSide::new(*id, side)),
        }
    }

    /// The sets that [`WireDifference::difference`] needs.
    pub(super) fn sets(&self) -> impl Iterator<Item = &SetRef> {
        let side = match self {
            Self::Isolation(_) | Self::Task(_) => None,
            Self::Prevention(side) => Some(side),
        };
        side.into_iter().flat_map(|side| side.before.iter().chain(&side.after))
    }

    /// `sets`: those that [`WireDifference::sets`] names, by their digest.
    pub(super) fn difference(
        &self,
        sets: &dyn Fn(&str) -> Option<Arc<PreventionRule>>,
    ) -> Result<Difference, String> {
        let isolation = |wire: &Option<WireIsolation>| wire.as_ref().map(Isolation::try_from).transpose();
        let rule = |wire: &Option<SetRef>| rule(wire.as_ref(), sets);
        Ok(match self {
            Self::Isolation(side) => Difference::Isolation(Side {
                before: isolation(&side.before)?,
                after: isolation(&side.after)?,
            }),
            Self::Prevention(side) => {
                Difference::Prevention(Side { before: rule(&side.before)?, after: rule(&side.after)? })
            }
            Self::Task(side) => {
                let (id, side) = side.side();
                Difference::Task(id, side)
            }
        })
    }
}

/// The rule that is kept under this name.
pub(super) fn rule(
    set: Option<&SetRef>,
    sets: &dyn Fn(&str) -> Option<Arc<PreventionRule>>,
) -> Result<Option<Arc<PreventionRule>>, String> {
    match set {
        None => Ok(None),
        Some(set) => sets(&set.sha256).map(Some).ok_or_else(|| format!("no set {}", set.sha256)),
    }
}
