//! Rules as a whole: isolations where they stand, prevention rules once each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    self, Direction, ExclusionRule, FileHash, KeptObject, PortRange, PreventionRule, Protocol, Untrusted,
};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Isolation {
    /// As it was set and is listed, or as it would have been set when the plan was made; an `until` is sent with what
    /// remains of it then.
    timeout_seconds: u64,
    exclusions: Vec<Exclusion>,
}

/// One kind of traffic that isolation lets through. `null`: any.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exclusion {
    /// `inbound`, `outbound` or `both`.
    direction: String,
    /// The IANA protocol number.
    protocol: Option<u8>,
    #[schemars(with = "Option<String>")]
    remote_address: Option<IpAddr>,
    /// From and to, both included.
    remote_ports: Option<(u16, u16)>,
    local_ports: Option<(u16, u16)>,
}

/// Prevention rules.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Rules(Vec<Vec<Object>>);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Object {
    /// MD5 or SHA-256, by its length.
    hash: String,
    /// As others wrote it beside the hash; it goes back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// It has fields that are lost when the rule is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    other_fields: bool,
}

/// Puts rules down once each.
#[derive(Default)]
pub(super) struct RulesWriter {
    rules: Rules,
    places: BTreeMap<usize, usize>,
}

impl RulesWriter {
    /// The place of a rule, counted from 0. Rules that are one in memory are one here.
    pub(super) fn place(&mut self, rule: &Arc<PreventionRule>) -> usize {
        *self.places.entry(Arc::as_ptr(rule).addr()).or_insert_with(|| {
            self.rules.0.push(rule.objects.iter().map(Object::from).collect());
            self.rules.0.len() - 1
        })
    }

    pub(super) fn rules(self) -> Rules {
        self.rules
    }
}

impl Rules {
    pub(super) fn read(self) -> Result<Vec<Arc<PreventionRule>>, String> {
        let rule = |objects: Vec<Object>| {
            let mut rule = PreventionRule::default();
            for object in objects {
                let kept = KeptObject {
                    name: object.name.map(Untrusted::new),
                    has_other_fields: object.other_fields,
                };
                rule.objects.insert(hash(&object.hash)?, kept);
            }
            if rule.objects.is_empty() { Err("a rule without a hash".to_owned()) } else { Ok(Arc::new(rule)) }
        };
        self.0.into_iter().map(rule).collect()
    }
}

pub(super) fn hash(text: &str) -> Result<FileHash, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
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

impl From<&model::Isolation> for Isolation {
    fn from(isolation: &model::Isolation) -> Self {
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

impl TryFrom<Isolation> for model::Isolation {
    type Error = String;

    fn try_from(isolation: Isolation) -> Result<Self, String> {
        let range = |pair: Option<(u16, u16)>| match pair {
            None => Ok(None),
            Some((from, to)) => {
                PortRange::new(from, to).map(Some).ok_or_else(|| format!("{from}-{to} is no range of ports"))
            }
        };
        let mut exclusions = BTreeSet::new();
        for rule in isolation.exclusions {
            let direction = Direction::ALL.into_iter().find(|known| known.as_str() == rule.direction);
            let direction = direction.ok_or_else(|| format!("`{}` is no direction", rule.direction))?;
            let (remote, local) = (range(rule.remote_ports)?, range(rule.local_ports)?);
            let rule = ExclusionRule::new(
                direction,
                rule.protocol.map(Protocol),
                rule.remote_address,
                remote,
                local,
            );
            exclusions.insert(rule.map_err(|error| error.to_string())?);
        }
        Ok(Self { timeout_seconds: isolation.timeout_seconds, exclusions: Arc::new(exclusions) })
    }
}
