//! The policy that a plan was judged by, and is judged by again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::Origin;
use crate::declare::{self, Forbidden, Limit, Missing, Protected, ProtectedRule};
use crate::model;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Hosts that may never be isolated; judged on the hosts that are listed when the plan is carried out.
    protected: Vec<ProtectedHosts>,
    limits: Limits,
    never_block: NeverBlock,
    /// Programs may be started.
    tasks: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProtectedHosts {
    by: ProtectedBy,
    origin: Origin,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ProtectedBy {
    /// A name or a pattern.
    Name(String),
    Cidr(String),
    SensorId(String),
}

/// A count, or a share such as `10%`; `null`: the default.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    isolations: Option<String>,
    releases: Option<String>,
    hosts_changed: Option<String>,
    hashes_removed: Option<String>,
}

/// The lists themselves are not kept: every hash that the plan adds was looked up in them and may be blocked, and no
/// other may.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NeverBlock {
    /// Files that the lists know by their MD5 only: whether a SHA-256 is one of them can not be told.
    only_md5: u64,
    only_sha256: u64,
}

impl Policy {
    pub(super) fn of(policy: &declare::Policy, never_block: &Forbidden) -> Self {
        let protected = policy.protected.iter().map(|protected| ProtectedHosts {
            by: match &protected.rule {
                ProtectedRule::Name(pattern) => ProtectedBy::Name(pattern.text().to_owned()),
                ProtectedRule::Network(network) => ProtectedBy::Cidr(network.to_string()),
                ProtectedRule::Sensor(id) => ProtectedBy::SensorId(id.to_string()),
            },
            origin: (&protected.origin).into(),
        });
        let limits = &policy.limits;
        let (only_md5, only_sha256) = never_block.known_by_one();
        Self {
            protected: protected.collect(),
            limits: Limits {
                isolations: limits.isolations.map(limit_text),
                releases: limits.releases.map(limit_text),
                hosts_changed: limits.hosts_changed.map(limit_text),
                hashes_removed: limits.hashes_removed.map(limit_text),
            },
            never_block: NeverBlock { only_md5, only_sha256 },
            tasks: policy.tasks,
        }
    }

    /// The policy, and how many files its lists know by one digest only.
    pub(super) fn declared(self) -> Result<(declare::Policy, (u64, u64)), String> {
        let protected = self.protected.into_iter().map(|ProtectedHosts { by, origin }| {
            let rule = match by {
                ProtectedBy::Name(pattern) => ProtectedRule::name(&pattern)
                    .map_err(|why| format!("`{pattern}` is no pattern: {why}"))?,
                ProtectedBy::Cidr(text) => ProtectedRule::Network(
                    text.parse().map_err(|_no_network| format!("`{text}` is no network"))?,
                ),
                ProtectedBy::SensorId(text) => ProtectedRule::Sensor(
                    text.parse().map_err(|error: model::SensorIdError| format!("`{text}`: {error}"))?,
                ),
            };
            Ok::<_, String>(Protected { rule, origin: origin.into() })
        });
        let Limits { isolations, releases, hosts_changed, hashes_removed } = self.limits;
        let policy = declare::Policy {
            protected: protected.collect::<Result<_, _>>()?,
            limits: declare::Limits {
                isolations: isolations.map(limit).transpose()?,
                releases: releases.map(limit).transpose()?,
                hosts_changed: hosts_changed.map(limit).transpose()?,
                hashes_removed: hashes_removed.map(limit).transpose()?,
            },
            never_block: declare::NeverBlock::default(),
            // Whoever is in a plan was there when it was made.
            missing: Missing::Error,
            tasks: self.tasks,
        };
        Ok((policy, (self.never_block.only_md5, self.never_block.only_sha256)))
    }
}

impl From<&model::Origin> for Origin {
    fn from(origin: &model::Origin) -> Self {
        Self { file: origin.file.to_string(), line: origin.line }
    }
}

impl From<Origin> for model::Origin {
    fn from(origin: Origin) -> Self {
        Self { file: origin.file.into(), line: origin.line }
    }
}

fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::Count(count) => count.to_string(),
        Limit::Percent(percent) => format!("{percent}%"),
    }
}

fn limit(text: String) -> Result<Limit, String> {
    let wrong = || format!("`{text}` is no limit");
    match text.strip_suffix('%') {
        None => Ok(Limit::Count(text.parse().map_err(|_no_count| wrong())?)),
        Some(share) => match share.parse() {
            Ok(share) if share <= 100 => Ok(Limit::Percent(share)),
            Ok(_) | Err(_) => Err(wrong()),
        },
    }
}
