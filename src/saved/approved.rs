//! What a plan means that waits for approval, as it stands in the record: `plans/<id>.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::PlanId;
use crate::plan::{Approved, Meaning, Said};

const FORMAT: &str = "kedrctl-approved-plan";
const FORMAT_VERSION: u32 = 1;

/// Why what the record keeps is not what was approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovedError {
    /// Another version may say more, so nothing of it counts as approved.
    #[error("it has the format version {found}, and this version of kedrctl reads {FORMAT_VERSION}")]
    Version {
        /// What the document says.
        found: u64,
    },
    /// It is no such document, or its changes have another id than was asked for; with what is wrong.
    #[error("{0}")]
    Damaged(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    format_version: u64,
    plan_id: String,
    /// What was or would be set, once each; changes say which by its place.
    lists: Vec<Vec<String>>,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    server: String,
    key: String,
    subject: String,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    term: Option<String>,
    before: Option<usize>,
    after: Option<usize>,
}

/// The same meaning gives the same bytes, whoever planned it and when.
///
/// # Errors
/// None that is known: the document has text keys and whole numbers only.
pub fn encode_approved(approved: &Approved) -> Result<Vec<u8>, serde_json::Error> {
    let mut lists = Vec::new();
    let mut places: BTreeMap<Said, usize> = BTreeMap::new();
    let mut place = |said: &Option<Said>| {
        said.as_ref().map(|said| {
            *places.entry(Arc::clone(said)).or_insert_with(|| {
                lists.push(said.to_vec());
                lists.len() - 1
            })
        })
    };
    let mut changes: Vec<Change> = Vec::new();
    for meaning in approved.meanings() {
        changes.push(Change {
            server: meaning.server.clone(),
            key: meaning.key.clone(),
            subject: meaning.subject.clone(),
            action: meaning.action.clone(),
            term: meaning.term.clone(),
            before: place(&meaning.before),
            after: place(&meaning.after),
        });
    }
    let document = Document {
        format: FORMAT.to_owned(),
        format_version: u64::from(FORMAT_VERSION),
        plan_id: approved.id().to_owned(),
        lists,
        changes,
    };
    let mut bytes = serde_json::to_vec(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// # Errors
/// It is not the plan of this id.
pub fn decode_approved(bytes: &[u8], id: &PlanId) -> Result<Approved, ApprovedError> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        format_version: u64,
    }
    let damaged = |why: String| ApprovedError::Damaged(why);
    let head: Head = serde_json::from_slice(bytes).map_err(|why| damaged(why.to_string()))?;
    if head.format != FORMAT {
        return Err(damaged("it is no plan".to_owned()));
    }
    if head.format_version != u64::from(FORMAT_VERSION) {
        return Err(ApprovedError::Version { found: head.format_version });
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|why| damaged(why.to_string()))?;
    let lists: Vec<Said> = document.lists.into_iter().map(Into::into).collect();
    let list = |place: Option<usize>| match place {
        None => Ok(None),
        Some(place) => match lists.get(place) {
            Some(said) => Ok(Some(Arc::clone(said))),
            None => Err(damaged(format!("there is no list {place}"))),
        },
    };
    let mut meanings = Vec::new();
    for change in document.changes {
        meanings.push(Meaning {
            server: change.server,
            key: change.key,
            subject: change.subject,
            action: change.action,
            term: change.term,
            before: list(change.before)?,
            after: list(change.after)?,
        });
    }
    let approved = Approved::new(meanings);
    if approved.id() != id.as_str() {
        return Err(damaged("it is not the plan of this id".to_owned()));
    }
    Ok(approved)
}
