use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Creation, HeldLock, Holder, Lease, LockStore, RecordError, Store};

/// A record that lasts as long as the process: for tests, and where nothing else can be had. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    objects: BTreeMap<String, Vec<u8>>,
    locks: BTreeMap<String, LockState>,
}

#[derive(Debug, Default)]
struct LockState {
    fence: u64,
    held_by: Option<Holder>,
}

impl MemoryStore {
    /// Every object under its key, for tests that look at or edit what is kept.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.content().objects.clone()
    }

    /// Puts an object there, whatever was there before: no store for a record can do that.
    pub fn overwrite(&self, key: &str, bytes: Vec<u8>) {
        self.content().objects.insert(key.to_owned(), bytes);
    }

    /// As somebody does who deletes a file of a record.
    pub fn remove(&self, key: &str) {
        self.content().objects.remove(key);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // No code in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        Ok(self.content().objects.get(key).cloned())
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        let mut content = self.content();
        if content.objects.contains_key(key) {
            return Ok(Creation::AlreadyExists);
        }
        content.objects.insert(key.to_owned(), bytes.to_owned());
        Ok(Creation::Created)
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.overwrite(key, bytes.to_owned());
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        let content = self.content();
        let keys = content
            .objects
            .keys()
            .filter(|key| key.strip_prefix(prefix).is_some_and(|name| !name.contains('/')));
        Ok(keys.cloned().collect())
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, RecordError> {
        let content = self.content();
        let later = content.objects.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let keys = later
            .map(|(key, _)| key)
            .skip_while(|key| key.as_str() < prefix)
            .take_while(|key| key.starts_with(prefix))
            .filter(|key| !key[prefix.len()..].contains('/'));
        Ok(keys.cloned().collect())
    }

    fn place(&self, key: &str) -> String {
        format!("memory:{key}")
    }
}

impl LockStore for MemoryStore {
    type Lock = MemoryLock;

    /// Does not wait: whoever holds it is in this process.
    async fn lock(&self, key: &str, holder: &Holder, _timeout: Duration) -> Result<MemoryLock, RecordError> {
        let mut content = self.content();
        let state = content.locks.entry(key.to_owned()).or_default();
        if let Some(other) = &state.held_by {
            return Err(RecordError::Locked {
                place: self.place(key),
                holder: Some(Box::new(other.clone())),
            });
        }
        state.fence += 1;
        state.held_by = Some(holder.clone());
        Ok(MemoryLock { store: self.clone(), key: key.to_owned(), fence: state.fence })
    }
}

/// The lock of one server, as long as it lives.
#[derive(Debug)]
pub struct MemoryLock {
    store: MemoryStore,
    key: String,
    fence: u64,
}

impl HeldLock for MemoryLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn lease(&self) -> Lease {
        Lease::lasting()
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        if let Some(state) = self.store.content().locks.get_mut(&self.key) {
            state.held_by = None;
        }
    }
}
