//! What a JSON result says of each subject, read leniently: fields and words that a newer version added are passed
//! over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Age, Compared};
use crate::report::json::{Document, FORMAT_VERSION};

/// An earlier result of `drift` or `plan`, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Earlier(pub(super) Seen);

/// Why a file can not be compared with.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    /// It is no JSON, or not of the form that results have.
    #[error("it is no result of `kedrctl drift --format json`: {0}")]
    NotAResult(#[from] serde_json::Error),
    /// Its `kind`, which is neither `plan` nor `drift`.
    #[error("it is no result of `kedrctl drift --format json`: it is of the kind `{0}`")]
    OtherKind(String),
    /// Its `format_version`, which is not ours.
    #[error("its `format_version` is {0}, and this version reads {FORMAT_VERSION}")]
    OtherVersion(u64),
    /// There was no plan then: the first of the errors that it has instead.
    #[error("that run had no result ({0}), so nothing can be compared with it")]
    Failed(String),
    /// Its `scope` is `renewals`.
    #[error("that run looked at renewals only (`--renew-only`), and says nothing of differences")]
    OnlyRenewals,
}

/// Reads an earlier result.
///
/// # Errors
/// It is no such result, or one that tells nothing.
pub fn read(bytes: &[u8]) -> Result<Earlier, EarlierError> {
    // PowerShell's `>` writes one.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head: Head = serde_json::from_slice(bytes)?;
    if head.kind != "plan" && head.kind != "drift" {
        return Err(EarlierError::OtherKind(head.kind));
    }
    if head.format_version != u64::from(FORMAT_VERSION) {
        return Err(EarlierError::OtherVersion(head.format_version));
    }
    if let Some(error) = head.errors.into_iter().next() {
        return Err(EarlierError::Failed(error.message));
    }
    if head.scope.as_deref() == Some("renewals") {
        return Err(EarlierError::OnlyRenewals);
    }
    Ok(Earlier(Seen::from(serde_json::from_slice::<Written>(bytes)?)))
}

/// Who is meant, whatever server and host are called today.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The server's key in the record, else its name.
    pub(super) server: String,
    /// `None`: the rule for all hosts.
    pub(super) sensor: Option<String>,
    pub(super) aspect: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) now: String,
    pub(super) subjects: Vec<SeenSubject>,
    index: BTreeMap<Key, usize>,
    /// The servers that were read.
    read: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenSubject {
    pub(super) key: Key,
    subject: String,
    server: String,
    verdict: String,
    is_in_sync_on_the_server: bool,
    manner: Manner,
}

/// How something differs: what a change would do, and what is missing or too much in a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Manner {
    actions: BTreeSet<String>,
    missing: BTreeSet<String>,
    surplus: BTreeSet<String>,
}

impl Seen {
    pub(super) fn of(document: &Document) -> Result<Self, EarlierError> {
        let written: Written = serde_json::from_value(serde_json::to_value(document)?)?;
        Ok(Self::from(written))
    }

    pub(super) fn subject(&self, key: &Key) -> Option<&SeenSubject> {
        self.index.get(key).and_then(|at| self.subjects.get(*at))
    }

    pub(super) fn is_read(&self, server: &str) -> bool {
        self.read.contains(server)
    }
}

impl SeenSubject {
    pub(super) fn differs(&self) -> bool {
        matches!(self.verdict.as_str(), "differs" | "left_alone")
    }

    /// What is not known is not in sync, and neither is a word that a newer version wrote.
    pub(super) fn is_in_sync(&self) -> bool {
        self.is_in_sync_on_the_server
    }

    pub(super) fn word(&self) -> String {
        self.verdict.replace('_', " ")
    }

    /// Whether this differs in no way in which the other did not. Of what apply left alone the way is not told.
    pub(super) fn is_within(&self, earlier: &Self) -> bool {
        let (now, was) = (&self.manner, &earlier.manner);
        was.actions.is_empty()
            || now.actions.is_subset(&was.actions)
                && now.missing.is_subset(&was.missing)
                && now.surplus.is_subset(&was.surplus)
    }

    pub(super) fn compared(&self, age: Age, remark: Option<String>) -> Compared {
        Compared {
            subject: self.subject.clone(),
            server: self.server.clone(),
            sensor_id: self.key.sensor.clone(),
            aspect: self.key.aspect.clone(),
            age,
            remark,
        }
    }
}

impl From<Written> for Seen {
    fn from(written: Written) -> Self {
        let keys: BTreeMap<String, String> = written
            .servers
            .iter()
            .map(|server| (server.name.clone(), server.key.clone().unwrap_or_else(|| server.name.clone())))
            .collect();
        let server_key = |name: &str| keys.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let read = written.servers.iter().filter(|server| server.state == "read");
        let mut manners: BTreeMap<Key, Manner> = BTreeMap::new();
        for change in written.changes.iter().filter(|change| !change.renewal) {
            let key = Key {
                server: server_key(&change.server),
                sensor: change.sensor_id.clone(),
                aspect: aspect_key(&change.aspect, change.task.as_ref()),
            };
            change.add_to(manners.entry(key).or_default());
        }
        let mut seen = Self {
            now: written.now,
            read: read.map(|server| server_key(&server.name)).collect(),
            ..Self::default()
        };
        for judged in written.judged {
            let aspect = aspect_key(&judged.aspect, judged.task.as_ref());
            let key = Key { server: server_key(&judged.server), sensor: judged.sensor_id, aspect };
            seen.index.insert(key.clone(), seen.subjects.len());
            seen.subjects.push(SeenSubject {
                manner: manners.remove(&key).unwrap_or_default(),
                key,
                subject: judged.subject,
                server: judged.server,
                is_in_sync_on_the_server: matches!(judged.verdict.as_str(), "in_sync" | "renew"),
                verdict: judged.verdict,
            });
        }
        seen
    }
}

#[derive(Deserialize)]
struct Head {
    format_version: u64,
    kind: String,
    scope: Option<String>,
    #[serde(default)]
    errors: Vec<WrittenError>,
}

#[derive(Deserialize)]
struct WrittenError {
    message: String,
}

#[derive(Deserialize)]
struct Written {
    now: String,
    servers: Vec<WrittenServer>,
    judged: Vec<WrittenJudged>,
    changes: Vec<WrittenChange>,
}

#[derive(Deserialize)]
struct WrittenServer {
    name: String,
    key: Option<String>,
    state: String,
}

#[derive(Deserialize)]
struct WrittenJudged {
    subject: String,
    server: String,
    sensor_id: Option<String>,
    aspect: String,
    task: Option<WrittenTask>,
    verdict: String,
}

#[derive(Deserialize)]
struct WrittenChange {
    server: String,
    sensor_id: Option<String>,
    aspect: String,
    task: Option<WrittenTask>,
    action: String,
    renewal: bool,
    before: Option<WrittenSetting>,
    after: Option<WrittenSetting>,
    hashes: Option<WrittenHashes>,
}

#[derive(Deserialize)]
struct WrittenTask {
    id: String,
}

/// Of several tasks of a host each is a subject.
fn aspect_key(aspect: &str, task: Option<&WrittenTask>) -> String {
    match task {
        Some(task) => format!("{aspect}/{}", task.id),
        None => aspect.to_owned(),
    }
}

#[derive(Deserialize)]
struct WrittenSetting {
    #[serde(default)]
    exclusions: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WrittenHashes {
    added: Vec<WrittenHash>,
    removed: Vec<WrittenHash>,
}

#[derive(Deserialize)]
struct WrittenHash {
    hash: String,
}

impl WrittenChange {
    fn add_to(&self, manner: &mut Manner) {
        manner.actions.insert(self.action.clone());
        if let Some(hashes) = &self.hashes {
            manner.missing.extend(hashes.added.iter().map(|one| one.hash.clone()));
            manner.surplus.extend(hashes.removed.iter().map(|one| one.hash.clone()));
        }
        // Where a whole rule is missing or too much, what is in it does not matter.
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            let rules = |setting: &WrittenSetting| -> BTreeSet<String> {
                setting.exclusions.iter().map(ToString::to_string).collect()
            };
            let (before, after) = (rules(before), rules(after));
            manner.missing.extend(after.difference(&before).cloned());
            manner.surplus.extend(before.difference(&after).cloned());
        }
    }
}
