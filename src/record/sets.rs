use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::sha256_hex;
use super::store::put_in_place;
use super::wire::SetRef;
use super::{RecordError, Store};
use crate::model::{FileHash, KeptObject, PreventionRule, Untrusted};

/// The prevention rules of a record, each kept once under its digest: `sets/<sha256>.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct Sets {
    known: BTreeMap<String, Arc<PreventionRule>>,
}

impl Sets {
    /// Where to find what [`Sets::load`] has read.
    pub(super) fn known(&self) -> &BTreeMap<String, Arc<PreventionRule>> {
        &self.known
    }

    /// Puts a rule in place, before anything names it.
    pub(super) async fn keep<S: Store>(
        &mut self,
        store: &S,
        rule: &Arc<PreventionRule>,
    ) -> Result<SetRef, RecordError> {
        let bytes = encode(rule);
        let sha256 = sha256_hex(&bytes);
        if !self.known.contains_key(&sha256) {
            let key = key(&sha256);
            if let Some(other) = put_in_place(store, &key, &bytes).await? {
                verify(store, &key, &sha256, Some(&other))?;
            }
            self.known.insert(sha256.clone(), rule.clone());
        }
        Ok(SetRef { sha256, count: rule.objects.len() as u64 })
    }

    pub(super) async fn load<S: Store>(&mut self, store: &S, set: &SetRef) -> Result<(), RecordError> {
        if self.known.contains_key(&set.sha256) {
            return Ok(());
        }
        let key = key(&set.sha256);
        let bytes = store.get(&key).await?;
        let bytes = verify(store, &key, &set.sha256, bytes.as_deref())?;
        let rule = decode(bytes).map_err(|what| RecordError::FromNewerVersion {
            place: store.place(&key),
            writer: "unknown".to_owned(),
            what,
        })?;
        self.known.insert(set.sha256.clone(), Arc::new(rule));
        Ok(())
    }
}

fn key(sha256: &str) -> String {
    format!("sets/{sha256}.json")
}

fn verify<'a, S: Store>(
    store: &S,
    key: &str,
    sha256: &str,
    bytes: Option<&'a [u8]>,
) -> Result<&'a [u8], RecordError> {
    let damaged = |why: &str| RecordError::Damaged {
        place: store.place(key),
        why: why.to_owned(),
        remedy: "restore that file from a copy, or move the record's folder away: then no end is known, \
                 isolations are renewed once, and no hash counts as ours"
            .to_owned(),
    };
    match bytes {
        None => Err(damaged("the journal names this set of hashes, and it is missing")),
        Some(bytes) if sha256_hex(bytes) != sha256 => {
            Err(damaged("its content is not what its name, a digest, says"))
        }
        Some(bytes) => Ok(bytes),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireSet {
    format: u32,
    objects: Vec<WireObject>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireObject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// It had fields that were not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    other_fields: bool,
}

const FORMAT: u32 = 1;

impl WireSet {
    /// In the order of the hashes.
    pub(super) fn new(rule: &PreventionRule) -> Self {
        let objects = rule.objects.iter().map(|(hash, kept)| {
            let (md5, sha256) = match hash {
                FileHash::Md5(_) => (Some(hash.to_string()), None),
                FileHash::Sha256(_) => (None, Some(hash.to_string())),
            };
            let name = kept.name.as_ref().map(|name| name.raw().to_owned());
            WireObject { md5, sha256, name, other_fields: kept.has_other_fields }
        });
        Self { format: FORMAT, objects: objects.collect() }
    }

    /// What the record calls it.
    pub(super) fn named(&self) -> SetRef {
        SetRef { sha256: sha256_hex(&super::segment::line(self)), count: self.objects.len() as u64 }
    }

    /// # Errors
    /// It was written by a version that knows more than we do.
    pub(super) fn rule(self) -> Result<PreventionRule, String> {
        if self.format != FORMAT {
            return Err(format!("a set of format {}, this version reads {FORMAT}", self.format));
        }
        let mut rule = PreventionRule::default();
        for object in self.objects {
            let ((Some(hash), None) | (None, Some(hash))) = (&object.md5, &object.sha256) else {
                return Err("an object without exactly one hash".to_owned());
            };
            let hash: FileHash = hash.parse().map_err(|e| format!("{hash}: {e}"))?;
            let kept =
                KeptObject { name: object.name.map(Untrusted::new), has_other_fields: object.other_fields };
            rule.objects.insert(hash, kept);
        }
        Ok(rule)
    }
}

/// The same rule always gives the same bytes.
fn encode(rule: &PreventionRule) -> Vec<u8> {
    super::segment::line(&WireSet::new(rule))
}

/// What can not be read although its digest is right was written by a version that knows more than we do.
fn decode(bytes: &[u8]) -> Result<PreventionRule, String> {
    serde_json::from_slice::<WireSet>(bytes).map_err(|e| e.to_string())?.rule()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::MemoryStore;

    fn rule() -> PreventionRule {
        let name = Some(Untrusted::new("dropper\u{1b}.exe"));
        let objects = [
            ("900150983cd24fb0d6963f7d28e17f72", KeptObject { name, has_other_fields: true }),
            ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", KeptObject::default()),
        ];
        PreventionRule { objects: objects.map(|(hash, kept)| (hash.parse().unwrap(), kept)).into() }
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let bytes = encode(&rule());
        assert_eq!(decode(&bytes).unwrap(), rule());
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"format\":1,\"objects\":[{\"md5\":\"900150983cd24fb0d6963f7d28e17f72\",\
             \"name\":\"dropper\\u001b.exe\",\"other_fields\":true},{\"sha256\":\
             \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]}\n"
        );
    }

    #[test]
    fn a_set_of_a_newer_version_is_refused() {
        assert!(decode(b"{\"format\":2,\"objects\":[]}").is_err());
        assert!(decode(b"{\"format\":1,\"objects\":[{\"sha512\":\"ab\"}]}").is_err());
        let with_more = decode(b"{\"format\":1,\"objects\":[],\"made_with\":\"care\"}").unwrap();
        assert_eq!(with_more, PreventionRule::default());
    }

    #[tokio::test]
    async fn a_set_is_kept_once_and_an_edited_or_missing_one_is_found() {
        let store = MemoryStore::default();
        let rule = Arc::new(rule());
        let set = Sets::default().keep(&store, &rule).await.unwrap();
        assert_eq!(Sets::default().keep(&store, &rule).await.unwrap(), set);
        assert_eq!(store.objects().len(), 1);
        let mut sets = Sets::default();
        sets.load(&store, &set).await.unwrap();
        assert_eq!(sets.known()[&set.sha256], rule);

        store.overwrite(&key(&set.sha256), encode(&PreventionRule::default()));
        let edited = Sets::default().load(&store, &set).await;
        assert!(matches!(edited, Err(RecordError::Damaged { .. })), "{edited:?}");
        let kept = Sets::default().keep(&store, &rule).await;
        assert!(matches!(kept, Err(RecordError::Damaged { .. })), "{kept:?}");
        store.remove(&key(&set.sha256));
        let missing = Sets::default().load(&store, &set).await;
        assert!(matches!(missing, Err(RecordError::Damaged { .. })), "{missing:?}");
    }
}
