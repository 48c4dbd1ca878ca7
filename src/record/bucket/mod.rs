//! A record in an object store. What is asked of the store: a put that fails where something is there already, a put
//! that fails where something else is there than was read (`If-None-Match`, `If-Match`), reads and lists that show
//! what was written before.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion,
};

use super::{Creation, RecordError, Store};
use crate::model::{Clock, ObjectService, WallClock};

mod lock;
mod lock_object;
mod open;
mod probe;
mod words;

pub use lock::BucketLock;
pub use probe::{Finding, ProbeReport};

use lock::Tenure;

/// How a lock of an object store is kept. The time for a question to the store follows from it: a lock that is
/// renewed every third of its time has no patience for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockTerms {
    /// Who has not renewed it for so long holds it no more. Whole seconds, at least one.
    pub time_to_live: Duration,
}

impl LockTerms {
    /// For one request.
    fn request(self) -> Duration {
        self.time_to_live / 6
    }

    /// For connecting.
    fn connect(self) -> Duration {
        self.time_to_live / 12
    }

    /// After which a request that failed is not sent again.
    fn repeat(self) -> Duration {
        self.time_to_live / 5
    }

    /// For one question, with all its repetitions.
    fn longest(self) -> Duration {
        self.time_to_live / 2
    }
}

impl Default for LockTerms {
    /// A minute: a run that was killed does not block the next for much longer.
    fn default() -> Self {
        Self { time_to_live: Duration::from_secs(60) }
    }
}

/// A record under a prefix of a bucket (S3, Google) or a container (Azure). Clones share it.
#[derive(Clone)]
pub struct BucketStore {
    objects: Arc<dyn ObjectStore>,
    service: ObjectService,
    /// As a person writes it: `s3://bucket/prefix`.
    place: Arc<str>,
    prefix: Arc<str>,
    terms: LockTerms,
    clock: Arc<dyn Clock>,
    /// Locks that were dropped and not given back.
    dropped: Arc<Mutex<Vec<Tenure>>>,
}

impl fmt::Debug for BucketStore {
    /// Without what it is opened with: that holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl BucketStore {
    /// Over any store that has what a record asks for. `place` is what a person calls it.
    pub fn over(objects: Arc<dyn ObjectStore>, place: &str) -> Self {
        Self {
            objects,
            service: ObjectService::S3,
            place: place.into(),
            prefix: "".into(),
            terms: LockTerms::default(),
            clock: Arc::new(WallClock),
            dropped: Arc::default(),
        }
    }

    /// The same with other times of its locks.
    #[must_use]
    pub fn with_lock_terms(self, terms: LockTerms) -> Self {
        Self { terms, ..self }
    }

    /// By which leases are judged, beside the monotonic one.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    fn path(&self, key: &str) -> Path {
        let whole = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        // As it is: escaping it would make `%` of a key two things. Keys and prefixes have nothing that is refused.
        Path::parse(&whole).unwrap_or_else(|_unlike_a_key| Path::from(whole))
    }

    /// The object's bytes and what tells it from an earlier or later one; `None`: there is none.
    async fn read(&self, key: &str) -> Result<Option<Read>, RecordError> {
        let (objects, path) = (&self.objects, &self.path(key));
        let asked = move || async move {
            let found = objects.get(path).await?;
            let meta = found.meta.clone();
            Ok((meta, found.bytes().await?))
        };
        match self.in_time(repeated(asked)).await {
            Ok((meta, bytes)) => Ok(Some(Read {
                bytes: bytes.into(),
                version: UpdateVersion { e_tag: meta.e_tag, version: meta.version },
                written: meta.last_modified.timestamp(),
            })),
            Err(error) if words::is_no_object(&error) => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }

    /// Puts an object under a condition, once: whether it had an effect after an error is not known.
    async fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> object_store::Result<PutResult> {
        let options = PutOptions::from(mode);
        self.in_time(self.objects.put_opts(&self.path(key), PutPayload::from(bytes), options)).await
    }

    /// A store that neither answers nor fails is no reason to hang.
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        match tokio::time::timeout(self.terms.longest(), asked).await {
            Ok(answered) => answered,
            Err(_elapsed) => Err(words::too_slow()),
        }
    }

    fn failed(&self, attempted: &'static str, key: &str, error: &object_store::Error) -> RecordError {
        words::record_error(self, attempted, self.place(key), error)
    }

    fn dropped(&self) -> std::sync::MutexGuard<'_, Vec<Tenure>> {
        // Nothing in here panics half-way through a change.
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What breaks in the middle of an answer is asked for again: the crate does so only before an answer begins.
async fn repeated<T, F: Future<Output = object_store::Result<T>>>(
    ask: impl Fn() -> F,
) -> object_store::Result<T> {
    const TIMES: usize = 3;
    for _ in 1..TIMES {
        match ask().await {
            Err(error) if words::is_broken_off(&error) => {}
            answered => return answered,
        }
    }
    ask().await
}

/// An object as it was read.
struct Read {
    bytes: Vec<u8>,
    version: UpdateVersion,
    /// By the store's clock, in seconds since the epoch.
    written: i64,
}

impl Store for BucketStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        Ok(self.read(key).await?.map(|read| read.bytes))
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        match self.put(key, bytes.to_owned(), PutMode::Create).await {
            Ok(_) => Ok(Creation::Created),
            Err(error) if words::is_condition(&error) => Ok(Creation::AlreadyExists),
            Err(error) => Err(self.failed("written", key, &error)),
        }
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        match self.put(key, bytes.to_owned(), PutMode::Overwrite).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("written", key, &error)),
        }
    }

    async fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, RecordError> {
        let (folder, offset) = (self.path(prefix), self.path(after));
        let asked = || self.objects.list_with_offset(Some(&folder), &offset).try_collect::<Vec<_>>();
        let listed = self.in_time(repeated(asked)).await;
        let listed = listed.map_err(|error| self.failed("listed", prefix, &error))?;
        let own = format!("{folder}/");
        let names = listed.iter().filter_map(|object| object.location.as_ref().strip_prefix(&own));
        // A store that does not know where to begin lists all of it.
        let is_later = |name: &&str| !name.contains('/') && format!("{prefix}{name}").as_str() > after;
        let right_under = names.filter(is_later);
        let mut keys: Vec<String> = right_under.map(|name| format!("{prefix}{name}")).collect();
        keys.sort();
        Ok(keys)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        let folder = self.path(prefix);
        let asked = || self.objects.list_with_delimiter(Some(&folder));
        let listed = self.in_time(repeated(asked)).await;
        let listed = listed.map_err(|error| self.failed("listed", prefix, &error))?;
        let own = format!("{folder}/");
        // Consoles make an object for a folder itself.
        let names = listed.objects.iter().filter_map(|object| object.location.as_ref().strip_prefix(&own));
        let mut keys: Vec<String> = names.map(|name| format!("{prefix}{name}")).collect();
        keys.sort();
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.place)
    }
}
