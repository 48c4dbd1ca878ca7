use std::time::Duration;

use super::{
    Breaking, BucketLock, BucketStore, Creation, FolderLock, FolderStore, Held, HeldLock, Holder, Lease,
    LockState, LockStore, ProbeReport, RecordError, Store,
};

/// Wherever a state says that its record is.
#[derive(Debug, Clone)]
pub enum AnyStore {
    /// A folder of this machine: the one that `record:` names, or else `.kedrctl` beside the state.
    Folder(FolderStore),
    /// What `s3://`, `az://` or `gs://` names: a bucket or container, and a prefix in it.
    Bucket(BucketStore),
}

impl Store for AnyStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        match self {
            Self::Folder(store) => store.get(key).await,
            Self::Bucket(store) => store.get(key).await,
        }
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        match self {
            Self::Folder(store) => store.create(key, bytes).await,
            Self::Bucket(store) => store.create(key, bytes).await,
        }
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        match self {
            Self::Folder(store) => store.replace(key, bytes).await,
            Self::Bucket(store) => store.replace(key, bytes).await,
        }
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, RecordError> {
        match self {
            Self::Folder(store) => store.list_after(prefix, after).await,
            Self::Bucket(store) => store.list_after(prefix, after).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        match self {
            Self::Folder(store) => store.list(prefix).await,
            Self::Bucket(store) => store.list(prefix).await,
        }
    }

    fn place(&self, key: &str) -> String {
        match self {
            Self::Folder(store) => store.place(key),
            Self::Bucket(store) => store.place(key),
        }
    }
}

impl LockStore for AnyStore {
    type Lock = AnyLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<AnyLock, RecordError> {
        match self {
            Self::Folder(store) => store.lock(key, holder, timeout).await.map(AnyLock::Folder),
            Self::Bucket(store) => {
                store.lock(key, holder, timeout).await.map(|lock| AnyLock::Bucket(Box::new(lock)))
            }
        }
    }

    async fn give_back(&self) -> Result<(), RecordError> {
        match self {
            Self::Folder(store) => store.give_back().await,
            Self::Bucket(store) => store.give_back().await,
        }
    }
}

impl AnyStore {
    /// Tries whether this store can keep a record, with a small race, and leaves nothing behind.
    ///
    /// # Errors
    /// Where it could not be asked at all.
    pub async fn check(&self, holder: &Holder) -> Result<ProbeReport, RecordError> {
        match self {
            Self::Folder(store) => store.check(holder).await,
            Self::Bucket(store) => store.check().await,
        }
    }

    pub(super) async fn look_at_lock(&self, key: &str) -> Result<LockState, RecordError> {
        match self {
            Self::Folder(store) => store.look_at_lock(key),
            Self::Bucket(store) => store.look_at_lock(key).await,
        }
    }

    pub(super) async fn break_lock(&self, key: &str, fence: u64) -> Result<Breaking, RecordError> {
        match self {
            Self::Folder(store) => {
                let found = store.look_at_lock(key)?;
                Ok(match found.held {
                    Held::Free => Breaking::WasFree,
                    Held::Held { .. } if found.fence != fence => Breaking::OtherFence(found.fence),
                    Held::Held { .. } => Breaking::EndsWithItsProcess,
                })
            }
            Self::Bucket(store) => store.break_lock(key, fence).await,
        }
    }
}

/// The lock of one server, of whichever store.
#[derive(Debug)]
pub enum AnyLock {
    /// The operating system's lock on a file: it ends with its process.
    Folder(FolderLock),
    /// A lease in an object store, renewed as long as this lives.
    Bucket(Box<BucketLock>),
}

impl HeldLock for AnyLock {
    fn fence(&self) -> u64 {
        match self {
            Self::Folder(lock) => lock.fence(),
            Self::Bucket(lock) => lock.fence(),
        }
    }

    fn lease(&self) -> Lease {
        match self {
            Self::Folder(lock) => lock.lease(),
            Self::Bucket(lock) => lock.lease(),
        }
    }

    async fn release(self) -> Result<(), RecordError> {
        match self {
            Self::Folder(lock) => lock.release().await,
            Self::Bucket(lock) => lock.release().await,
        }
    }
}
