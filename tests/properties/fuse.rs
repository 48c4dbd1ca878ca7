//! Kills a run at a chosen point: before or after any call to the server or the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kedrctl::record::{Creation, Holder, LockStore, MemoryLock, MemoryStore, RecordError, Store};
use tokio::sync::Notify;

/// Every call passes it twice: before its effect and after it. When it is used up, the call never comes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fuse(Arc<Points>);

#[derive(Debug, Default)]
struct Points {
    /// 0: it never blows.
    left: AtomicU32,
    passed: AtomicU32,
    blown: Notify,
}

impl Fuse {
    /// It blows at the `point`th pass from now; `None`: never.
    pub(crate) fn set(&self, point: Option<u32>) {
        self.0.left.store(point.unwrap_or(0), Ordering::Relaxed);
        self.0.passed.store(0, Ordering::Relaxed);
    }

    /// How often it was passed since it was set.
    pub(crate) fn passed(&self) -> u32 {
        self.0.passed.load(Ordering::Relaxed)
    }

    pub(crate) async fn pass(&self) {
        self.0.passed.fetch_add(1, Ordering::Relaxed);
        let left = self.0.left.load(Ordering::Relaxed);
        if left > 0 {
            self.0.left.store(left - 1, Ordering::Relaxed);
            if left == 1 {
                self.0.blown.notify_one();
                std::future::pending::<()>().await;
            }
        }
    }

    /// Drops `run` when it blows; then there is nothing to return.
    pub(crate) async fn guarding<T>(&self, run: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = run => Some(done),
            () = self.0.blown.notified() => None,
        }
    }
}

/// A record whose user may be killed at any call.
#[derive(Debug, Clone)]
pub(crate) struct FusedStore {
    pub(crate) inner: MemoryStore,
    pub(crate) fuse: Fuse,
}

impl Store for FusedStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.inner.get(key).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.fuse.pass().await;
        let created = self.inner.create(key, bytes).await;
        self.fuse.pass().await;
        created
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.fuse.pass().await;
        let replaced = self.inner.replace(key, bytes).await;
        self.fuse.pass().await;
        replaced
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        self.inner.list(prefix).await
    }

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }
}

impl LockStore for FusedStore {
    type Lock = MemoryLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<MemoryLock, RecordError> {
        self.inner.lock(key, holder, timeout).await
    }
}
