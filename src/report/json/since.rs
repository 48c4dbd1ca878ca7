use schemars::JsonSchema;
use serde::Serialize;

use crate::report::since::{self, Age};

/// What became of the differences that an earlier result has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Since {
    /// `now` of the earlier result.
    pub earlier: String,
    /// How many differ now that did not differ then, or not so.
    pub new: u64,
    /// How many differed then as they do now, or more.
    pub still: u64,
    /// How many differed then and are as declared now.
    pub gone: u64,
    /// How many differed then, and of now nobody knows.
    pub not_known: u64,
    /// In the order of the files; then those of the earlier result that were not looked at now.
    pub differences: Vec<ComparedDifference>,
}

/// A difference of now or of then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComparedDifference {
    /// As in `changes`.
    pub subject: String,
    /// As the files call it.
    pub server: String,
    /// The host's identity, a UUID; `null`: the rule for all hosts.
    pub sensor_id: Option<String>,
    /// What of the host differs, or differed.
    pub aspect: String,
    /// How it stands to the earlier result.
    pub since: DifferenceAge,
    /// How it differed before, or why nobody knows now.
    pub remark: Option<String>,
}

/// How a difference of now stands to an earlier result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceAge {
    /// It did not differ then, or not so.
    New,
    /// It differed then as it does now, or more.
    Still,
    /// It is as declared now.
    Gone,
    /// Of now nobody knows.
    NotKnown,
}

pub(super) fn of(since: &since::Since) -> Since {
    let count = |age| since.count(age) as u64;
    Since {
        earlier: since.earlier.clone(),
        new: count(Age::New),
        still: count(Age::Still),
        gone: count(Age::Gone),
        not_known: count(Age::NotKnown),
        differences: since
            .compared
            .iter()
            .map(|one| ComparedDifference {
                subject: one.subject.clone(),
                server: one.server.clone(),
                sensor_id: one.sensor_id.clone(),
                aspect: one.aspect.clone(),
                since: match one.age {
                    Age::New => DifferenceAge::New,
                    Age::Still => DifferenceAge::Still,
                    Age::Gone => DifferenceAge::Gone,
                    Age::NotKnown => DifferenceAge::NotKnown,
                },
                remark: one.remark.clone(),
            })
            .collect(),
    }
}
