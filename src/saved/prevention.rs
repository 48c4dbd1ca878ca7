//! What a prevention rule gains and loses, with why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::instant;
use super::rules::hash;
use super::what::{Declared, Meant};
use super::wire::Origin;
use crate::declare::DeclaredPrevention;
use crate::model::{self, BlockEntry, Difference, FileHash, PreventionRule, Side, Untrusted};
use crate::plan::{self, Action, RuleChange};

pub(super) fn block(
    change: RuleChange,
    side: Side<Arc<PreventionRule>>,
    ends: Vec<Ends>,
    cause: &model::Cause,
) -> Result<Meant, String> {
    // What is judged has to be what is sent.
    let hashes =
        |rule: &Option<Arc<PreventionRule>>| rule.as_ref().map_or_else(BTreeSet::new, |rule| rule.hashes());
    let (before, after) = (hashes(&side.before), hashes(&side.after));
    let added: BTreeSet<FileHash> = change.added.iter().map(|added| added.hash).collect();
    let removed: BTreeSet<FileHash> = change.removed.iter().map(|removed| removed.hash).collect();
    if !after.difference(&before).eq(&added) || !before.difference(&after).eq(&removed) {
        return Err("what a rule is to gain and to lose is not what lies between its two sides".to_owned());
    }
    let count = ends.len();
    let ends: BTreeMap<FileHash, Timestamp> = ends
        .into_iter()
        .map(|ends| Ok((hash(&ends.hash)?, instant(&ends.until)?)))
        .collect::<Result<_, String>>()?;
    if ends.len() != count || !ends.keys().all(|hash| after.contains(hash)) {
        return Err("an end of a hash that is not in the rule, or stands twice".to_owned());
    }
    let of_list: BTreeMap<FileHash, &plan::AddedHash> =
        change.added.iter().map(|added| (added.hash, added)).collect();
    let entries = after.iter().map(|hash| BlockEntry {
        hash: *hash,
        comment: of_list.get(hash).and_then(|added| added.comment.clone()),
        from: None,
        until: ends.get(hash).copied(),
        list: of_list.get(hash).and_then(|added| added.list.clone()),
        origin: of_list.get(hash).map_or_else(|| cause.origin().clone(), |added| added.origin.clone()),
    });
    let declared = DeclaredPrevention {
        cause: cause.clone(),
        block: vec![entries.collect()],
        unblock: Vec::new(),
        exact: true,
    };
    Ok(Meant {
        declared: Declared::Prevention(Arc::new(declared)),
        action: Action::Block(Arc::new(change)),
        difference: Difference::Prevention(side),
    })
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    pub(super) hash: String,
    /// The hash list that names it; `null`: the entry itself.
    pub(super) list: Option<String>,
    /// What the files say of it; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) origin: Origin,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    pub(super) hash: String,
    pub(super) because: Because,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Because {
    /// `unblock` names it.
    Unblocked(Origin),
    Expired {
        at: String,
        origin: Origin,
    },
    /// We added it, and no file names it there any more.
    NoLongerDeclared,
    /// `exact: true`, and `block` does not have it.
    Exact,
    /// The rule for all hosts takes it over.
    MovedToAll {
        /// We had put it there.
        was_ours: bool,
    },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ends {
    pub(super) hash: String,
    pub(super) until: String,
}

impl From<&plan::AddedHash> for Added {
    fn from(added: &plan::AddedHash) -> Self {
        Self {
            hash: added.hash.to_string(),
            list: added.list.as_deref().map(str::to_owned),
            comment: added.comment.as_ref().map(|comment| comment.raw().to_owned()),
            origin: (&added.origin).into(),
        }
    }
}

impl TryFrom<Added> for plan::AddedHash {
    type Error = String;

    fn try_from(added: Added) -> Result<Self, String> {
        let list = added.list.map(Into::into);
        let comment = added.comment.map(Untrusted::new);
        Ok(Self { hash: hash(&added.hash)?, list, comment, origin: added.origin.into() })
    }
}

impl From<&plan::RemovedHash> for Removed {
    fn from(removed: &plan::RemovedHash) -> Self {
        let because = match &removed.because {
            plan::RemovedBecause::Unblocked(origin) => Because::Unblocked(origin.into()),
            plan::RemovedBecause::Expired { at, origin } => {
                Because::Expired { at: at.to_string(), origin: origin.into() }
            }
            plan::RemovedBecause::NoLongerDeclared => Because::NoLongerDeclared,
            plan::RemovedBecause::Exact => Because::Exact,
            plan::RemovedBecause::MovedToAll { was_ours } => Because::MovedToAll { was_ours: *was_ours },
        };
        Self { hash: removed.hash.to_string(), because }
    }
}

impl TryFrom<Removed> for plan::RemovedHash {
    type Error = String;

    fn try_from(removed: Removed) -> Result<Self, String> {
        let because = match removed.because {
            Because::Unblocked(origin) => plan::RemovedBecause::Unblocked(origin.into()),
            Because::Expired { at, origin } => {
                plan::RemovedBecause::Expired { at: instant(&at)?, origin: origin.into() }
            }
            Because::NoLongerDeclared => plan::RemovedBecause::NoLongerDeclared,
            Because::Exact => plan::RemovedBecause::Exact,
            Because::MovedToAll { was_ours } => plan::RemovedBecause::MovedToAll { was_ours },
        };
        Ok(Self { hash: hash(&removed.hash)?, because })
    }
}
