use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::store::put_in_place;
use super::wire::SetRef;
use super::{RecordError, Store};
use crate::model::{FileHash, KeptObject, PreventionRule, Untrusted, sha256_hex};

/// The prevention rules of a record, each kept once under its digest: `sets/<sha256>.json`. Of what was read and
/// written those stay in memory that something still needs.
#[derive(Debug, Default, Clone)]
pub(super) struct Sets {
    known: BTreeMap<String, Known>,
    /// How often [`Sets::forget`] was called.
    round: u64,
}

#[derive(Debug, Clone)]
struct Known {
    rule: Arc<PreventionRule>,
    last_used: u64,
}

/// How many sets are on their way at once.
const AT_ONCE: usize = 16;

impl Sets {
    pub(super) fn get(&self, sha256: &str) -> Option<Arc<PreventionRule>> {
        self.known.get(sha256).map(|known| known.rule.clone())
    }

    /// Puts rules in place, before anything names them; their names in the same order.
    pub(super) async fn keep<S: Store>(
        &mut self,
        store: &S,
        rules: &[&Arc<PreventionRule>],
    ) -> Result<Vec<SetRef>, RecordError> {
        let mut named: BTreeMap<usize, SetRef> = BTreeMap::new();
        let mut new: BTreeMap<String, (Arc<PreventionRule>, Vec<u8>)> = BTreeMap::new();
        for rule in rules {
            // Most hosts have the same before and after: one digest for all of them.
            named.entry(Arc::as_ptr(rule).addr()).or_insert_with(|| {
                let bytes = encode(rule);
                let sha256 = sha256_hex(&bytes);
                match self.known.get_mut(&sha256) {
                    Some(known) => known.last_used = self.round,
                    None => drop(new.insert(sha256.clone(), (Arc::clone(rule), bytes))),
                }
                SetRef { sha256, count: rule.objects.len() as u64 }
            });
        }
        let writes = new.into_iter().map(|(sha256, (rule, bytes))| async move {
            let key = key(&sha256);
            if let Some(other) = put_in_place(store, &key, &bytes).await? {
                verify(store, &key, &sha256, Some(&other))?;
            }
            Ok::<_, RecordError>((sha256, rule))
        });
        let kept: Vec<_> = stream::iter(writes).buffered(AT_ONCE).try_collect().await?;
        for (sha256, rule) in kept {
            self.insert(sha256, rule);
        }
        Ok(rules.iter().filter_map(|rule| named.get(&Arc::as_ptr(rule).addr()).cloned()).collect())
    }

    /// Reads those that are not known yet.
    pub(super) async fn load<'a, S: Store>(
        &mut self,
        store: &S,
        sets: impl Iterator<Item = &'a SetRef>,
    ) -> Result<(), RecordError> {
        let mut missing = BTreeSet::new();
        for set in sets {
            match self.known.get_mut(&set.sha256) {
                Some(known) => known.last_used = self.round,
                None => drop(missing.insert(set.sha256.clone())),
            }
        }
        let reads = missing.into_iter().map(|sha256| async move {
            let rule = read(store, &sha256).await?;
            Ok::<_, RecordError>((sha256, rule))
        });
        let read: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        for (sha256, rule) in read {
            self.insert(sha256, Arc::new(rule));
        }
        Ok(())
    }

    /// Lets go of what nothing needs: ten thousand runs may have changed a rule of ten thousand hashes.
    pub(super) fn forget(&mut self) {
        /// The next segment often begins with what the last one ended with.
        const ROUNDS: u64 = 2;
        self.round += 1;
        let round = self.round;
        self.known.retain(|_, known| {
            Arc::strong_count(&known.rule) > 1 || known.last_used.saturating_add(ROUNDS) >= round
        });
    }

    fn insert(&mut self, sha256: String, rule: Arc<PreventionRule>) {
        self.known.insert(sha256, Known { rule, last_used: self.round });
    }
}

/// # Errors
/// It is missing, edited, or of a version that knows more than we do.
pub(super) async fn read<S: Store>(store: &S, sha256: &str) -> Result<PreventionRule, RecordError> {
    let key = key(sha256);
    let bytes = store.get(&key).await?;
    let bytes = verify(store, &key, sha256, bytes.as_deref())?;
    decode(bytes).map_err(|what| RecordError::FromNewerVersion {
        place: store.place(&key),
        writer: "unknown".to_owned(),
        what,
    })
}

pub(super) fn key(sha256: &str) -> String {
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
        SetRef { sha256: sha256_hex(super::segment::line(self)), count: self.objects.len() as u64 }
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
        let copy = Arc::new(PreventionRule::clone(&rule));
        let kept = Sets::default().keep(&store, &[&rule, &copy, &rule]).await.unwrap();
        let set = kept[0].clone();
        assert_eq!(kept, [set.clone(), set.clone(), set.clone()]);
        assert_eq!(Sets::default().keep(&store, &[&rule]).await.unwrap(), kept[..1]);
        assert_eq!(store.objects().len(), 1);
        let mut sets = Sets::default();
        sets.load(&store, [&set, &set].into_iter()).await.unwrap();
        assert_eq!(sets.get(&set.sha256), Some(rule.clone()));

        store.overwrite(&key(&set.sha256), encode(&PreventionRule::default()));
        let edited = Sets::default().load(&store, [&set].into_iter()).await;
        assert!(matches!(edited, Err(RecordError::Damaged { .. })), "{edited:?}");
        let kept = Sets::default().keep(&store, &[&rule]).await;
        assert!(matches!(kept, Err(RecordError::Damaged { .. })), "{kept:?}");
        store.remove(&key(&set.sha256));
        let missing = Sets::default().load(&store, [&set].into_iter()).await;
        assert!(matches!(missing, Err(RecordError::Damaged { .. })), "{missing:?}");
    }
    #[tokio::test]
    async fn what_nothing_needs_any_more_leaves_the_memory() {
        let (store, mut sets) = (MemoryStore::default(), Sets::default());
        let (needed, rule) = (Arc::new(rule()), Arc::new(PreventionRule::default()));
        let kept = sets.keep(&store, &[&needed, &rule]).await.unwrap();
        drop(rule);
        let known = |sets: &Sets| kept.iter().map(|set| sets.get(&set.sha256).is_some()).collect::<Vec<_>>();
        for _ in 0..2 {
            sets.forget();
            assert_eq!(known(&sets), [true, true]);
        }
        sets.forget();
        assert_eq!(known(&sets), [true, false]);
        sets.load(&store, kept.iter()).await.unwrap();
        assert_eq!(known(&sets), [true, true]);
    }
}
