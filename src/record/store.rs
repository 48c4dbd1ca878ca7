use std::future::Future;
use std::time::Duration;

use super::{Holder, Lease, RecordError};

/// Where a record lies: named byte strings that are written once and never changed.
///
/// Keys are relative paths with `/`, made of `[A-Za-z0-9._%-]` by this room alone.
pub trait Store: Send + Sync {
    /// `None`: there is nothing under this key, or no record at all yet.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, RecordError>> + Send;

    /// Puts `bytes` under `key`, whole and durably or not at all, and never over something else.
    ///
    /// # Errors
    /// After an error it may be there or not: whoever needs to know asks again ([`Creation::AlreadyExists`] is
    /// durable too) and compares.
    fn create(&self, key: &str, bytes: &[u8]) -> impl Future<Output = Result<Creation, RecordError>> + Send;

    /// Puts `bytes` under `key`, whole, over whatever is there; of two at once the later one stays. Only for what is
    /// derived from the rest and may be lost: readers check it.
    fn replace(&self, key: &str, bytes: &[u8]) -> impl Future<Output = Result<(), RecordError>> + Send;

    /// The keys right under the folder `prefix` (which ends with `/`), in the order of their names.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, RecordError>> + Send;

    /// Those of [`Store::list`] that come after the key `after`, which need not be there. A chain grows at its end
    /// only: who has read it once asks for what is new.
    fn list_after(
        &self,
        prefix: &str,
        after: &str,
    ) -> impl Future<Output = Result<Vec<String>, RecordError>> + Send {
        async move {
            let mut keys = self.list(prefix).await?;
            keys.retain(|key| key.as_str() > after);
            Ok(keys)
        }
    }

    /// What a person calls the place of this key, for messages.
    fn place(&self, key: &str) -> String;
}

/// What became of an object that must not be there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was not there, and is now, whole and durable.
    Created,
    /// Something is there, and stays; it may be our own, of a try whose answer was lost.
    AlreadyExists,
}

/// Sees to it that `bytes` are under `key`. `Some`: something else is, and stays.
///
/// An answer that was lost is asked for again: who then meets their own bytes has succeeded.
pub(super) async fn put_in_place<S: Store>(
    store: &S,
    key: &str,
    bytes: &[u8],
) -> Result<Option<Vec<u8>>, RecordError> {
    /// A store may say that something is there while somebody else is about to put it, or fails to.
    const TRIES: usize = 4;
    let mut lost = None;
    for _ in 0..TRIES {
        match store.create(key, bytes).await {
            Ok(Creation::Created) => return Ok(None),
            Ok(Creation::AlreadyExists) => {
                if let Some(found) = store.get(key).await? {
                    return Ok((found != bytes).then_some(found));
                }
            }
            Err(error) if lost.is_none() => lost = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(RecordError::Unreachable {
        attempted: "written",
        place: store.place(key),
        remedy: "run again; nothing was put there",
        cause: "it is said to be there, and is not".into(),
    })
}

/// A store that can see to it that one run at a time writes to a server's chain.
pub trait LockStore: Store {
    /// What is held while the lock is: dropping it gives the lock back.
    type Lock: HeldLock;

    /// # Errors
    /// [`RecordError::Locked`] when somebody else still holds it after `timeout`.
    fn lock(
        &self,
        key: &str,
        holder: &Holder,
        timeout: Duration,
    ) -> impl Future<Output = Result<Self::Lock, RecordError>> + Send;

    /// Gives back every lock of this store (and its clones) that was dropped and would otherwise only expire. To be
    /// called at every end of a run: dropping cannot wait for a network.
    ///
    /// # Errors
    /// What was not given back is tried again by the next call, or expires by itself.
    fn give_back(&self) -> impl Future<Output = Result<(), RecordError>> + Send {
        async { Ok(()) }
    }
}

/// A lock that is held as long as this lives; who is killed holds it no longer, or not for long.
pub trait HeldLock: Send + Sync {
    /// Higher for every later holder of the same lock.
    fn fence(&self) -> u64;

    /// Tells, before each send, whether it is still held for certain.
    fn lease(&self) -> Lease;

    /// Gives it back now, so that the next one need not wait.
    ///
    /// # Errors
    /// As [`LockStore::give_back`].
    fn release(self) -> impl Future<Output = Result<(), RecordError>> + Send
    where
        Self: Sized,
    {
        async {
            drop(self);
            Ok(())
        }
    }
}
