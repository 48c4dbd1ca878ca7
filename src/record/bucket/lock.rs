//! The lease lock. Whoever holds it renews it; who has seen the same object for its whole time to live, by their own
//! clock, takes it over. Clocks of two machines are never compared, and it is changed by conditional updates only, so
//! that of two who try one succeeds.

use std::sync::Arc;
use std::time::Duration;

use object_store::{PutMode, UpdateVersion};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::lock_object::LockObject;
use super::{BucketStore, words};
use crate::record::lease::{Moment, Timed};
use crate::record::{
    Breaking, Expiry, Held, HeldLock, Holder, Lease, LockState, LockStore, RecordError, Store as _,
};

/// How long before its end a lease is given up, in parts of its time: what is sent before that has time to arrive.
const MARGIN: u32 = 4;

/// How often a write is tried that meets another change each time.
const TRIES: usize = 10;

/// A lock of an object store, renewed as long as this lives. Dropped, it is given back by the next
/// [`LockStore::give_back`], or expires.
#[derive(Debug)]
pub struct BucketLock {
    fence: u64,
    lease: Lease,
    store: BucketStore,
    /// Renews it; ends with this.
    _renewal: JoinSet<()>,
    _tenure: Guard,
}

impl HeldLock for BucketLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn lease(&self) -> Lease {
        self.lease.clone()
    }

    async fn release(self) -> Result<(), RecordError> {
        let store = self.store.clone();
        drop(self);
        store.give_back().await
    }
}

impl LockStore for BucketStore {
    type Lock = BucketLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<BucketLock, RecordError> {
        let deadline = Instant::now() + timeout;
        let nonce = Uuid::new_v4().to_string();
        let mut guard = None;
        let mut first_sent = None;
        let mut watched: Option<Watched> = None;
        loop {
            let asked = Instant::now();
            let found = match (self.look(key).await?, first_sent) {
                // A write of ours whose answer was lost.
                (Some(found), Some(sent)) if found.object.nonce == nonce => {
                    self.refuse_a_store_without_conditions(key, &found.object).await?;
                    return Ok(self.hold(key, guard, sent, found.object, found.version));
                }
                (found, _) => found,
            };
            if let Some(Found { object, version, .. }) = &found
                && object.holder.is_some()
            {
                let is_same = watched.as_ref().is_some_and(|watched| watched.is(version));
                if !is_same {
                    watched = Some(Watched { e_tag: version.e_tag.clone(), since: Instant::now() });
                }
                let has_expired = watched
                    .as_ref()
                    .is_some_and(|watched| is_same && asked >= watched.since + object.time_to_live());
                if !has_expired {
                    if asked >= deadline {
                        let holder = object.holder.clone().map(|who| Box::new(who.holder()));
                        return Err(RecordError::Locked { place: self.place(key), holder });
                    }
                    sleep(self.poll()).await;
                    continue;
                }
            }
            guard.get_or_insert_with(|| Guard {
                store: self.clone(),
                tenure: Some(Tenure { key: key.into(), nonce: nonce.as_str().into() }),
            });
            let before = found.as_ref().map(|found| &found.object);
            let object = LockObject::acquired(before, holder, &nonce, self.terms.time_to_live);
            let sent = Moment::now(&*self.clock);
            first_sent = first_sent.or(Some(sent));
            match self.write(key, &object, found.map(|found| found.version)).await {
                Written::Done(version) => {
                    self.refuse_a_store_without_conditions(key, &object).await?;
                    return Ok(self.hold(key, guard, sent, object, version));
                }
                Written::SomebodyElseDid => sleep(self.poll()).await,
                Written::Unknown(error) if words::is_refusal(&error) || Instant::now() >= deadline => {
                    return Err(error);
                }
                Written::Unknown(_) => sleep(self.poll()).await,
            }
        }
    }

    async fn give_back(&self) -> Result<(), RecordError> {
        let dropped = std::mem::take(&mut *self.dropped());
        let mut failed = None;
        for tenure in dropped {
            let within = self.terms.time_to_live / 6;
            let given = match timeout(within, self.free(&tenure)).await {
                Ok(given) => given,
                Err(_elapsed) => Err(self.failed("locked", &tenure.key, &words::too_slow())),
            };
            if let Err(error) = given {
                failed = Some(error);
                self.dropped().push(tenure);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Since when a contender sees the same object.
struct Watched {
    e_tag: Option<String>,
    since: Instant,
}

impl Watched {
    fn is(&self, version: &UpdateVersion) -> bool {
        self.e_tag.is_some() && self.e_tag == version.e_tag
    }
}

/// One attempt to hold one lock: what in the store may be ours.
#[derive(Debug, Clone)]
pub(super) struct Tenure {
    key: Arc<str>,
    nonce: Arc<str>,
}

/// From before the first write on: who is interrupted in the middle of acquiring a lock may hold it.
#[derive(Debug)]
struct Guard {
    store: BucketStore,
    tenure: Option<Tenure>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.store.dropped().extend(self.tenure.take());
    }
}

/// A lock as it was found.
struct Found {
    object: LockObject,
    version: UpdateVersion,
    /// By the store's clock, in seconds since the epoch.
    written: i64,
}

/// What became of a conditional write.
enum Written {
    Done(UpdateVersion),
    /// Another object is there.
    SomebodyElseDid,
    /// It may be carried out yet; trying the same again is harmless.
    Unknown(RecordError),
}

impl BucketStore {
    /// Whatever a contender waits for, it looks about thirty times in a lock's time.
    fn poll(&self) -> Duration {
        self.terms.time_to_live / 30
    }

    async fn look(&self, key: &str) -> Result<Option<Found>, RecordError> {
        let Some(read) = self.read(key).await? else { return Ok(None) };
        let object = LockObject::decode(&read.bytes, &self.place(key))?;
        Ok(Some(Found { object, version: read.version, written: read.written }))
    }

    /// Puts `object` in the place of what was read as `over`. After any failure it looks again: the store may have
    /// carried it out and lost the answer, and then met it itself when it was asked again.
    async fn write(&self, key: &str, object: &LockObject, over: Option<UpdateVersion>) -> Written {
        let mode = over.clone().map_or(PutMode::Create, PutMode::Update);
        // The repetitions of a put must leave time to look.
        let within = self.terms.request();
        let error = match timeout(within, self.put(key, object.encode(), mode)).await {
            Ok(Ok(put)) if put.e_tag.is_some() => {
                return Written::Done(UpdateVersion { e_tag: put.e_tag, version: put.version });
            }
            Ok(Ok(_no_etag)) => None,
            Ok(Err(error)) => Some(error),
            Err(_elapsed) => Some(words::too_slow()),
        };
        let looked = timeout(within, self.look(key)).await;
        let found =
            match looked.unwrap_or_else(|_elapsed| Err(self.failed("locked", key, &words::too_slow()))) {
                Ok(found) => found,
                Err(later) => {
                    return Written::Unknown(error.map_or(later, |error| self.failed("locked", key, &error)));
                }
            };
        let is_unchanged =
            found.as_ref().map(|found| &found.version.e_tag) == over.as_ref().map(|over| &over.e_tag);
        match (found, error) {
            (Some(found), _) if found.object == *object => Written::Done(found.version),
            (_, Some(error)) if is_unchanged && !words::is_condition(&error) => {
                Written::Unknown(self.failed("locked", key, &error))
            }
            _ => Written::SomebodyElseDid,
        }
    }

    fn hold(
        &self,
        key: &str,
        guard: Option<Guard>,
        sent: Moment,
        object: LockObject,
        version: UpdateVersion,
    ) -> BucketLock {
        let time_to_live = self.terms.time_to_live;
        let sure_for = time_to_live - time_to_live / MARGIN;
        let timed = Arc::new(Timed::new(self.clock.clone(), sure_for, sent));
        let lease = Lease::timed(timed.clone());
        let fence = object.fence;
        let mut renewal = JoinSet::new();
        let renewing = Renewing { store: self.clone(), key: key.into(), timed, object, version };
        renewal.spawn(renewing.run());
        let tenure = guard.unwrap_or_else(|| Guard { store: self.clone(), tenure: None });
        BucketLock { fence, lease, store: self.clone(), _renewal: renewal, _tenure: tenure }
    }

    /// Two requests that must be refused, and change nothing where they are not: a store that ignores conditions is
    /// noticed before anything is sent. Whether one that knows them also keeps them in a race, `record check` shows.
    async fn refuse_a_store_without_conditions(
        &self,
        key: &str,
        object: &LockObject,
    ) -> Result<(), RecordError> {
        let never = UpdateVersion {
            e_tag: Some("\"00000000000000000000000000000000\"".to_owned()),
            version: Some("1".to_owned()),
        };
        let (created, updated) = tokio::join!(
            self.put(key, object.encode(), PutMode::Create),
            self.put(key, object.encode(), PutMode::Update(never)),
        );
        let unfit = |why: &str| Err(RecordError::Unfit { place: self.place(key), why: why.to_owned() });
        match (created, updated) {
            (Ok(_), _) => {
                unfit("it wrote over an object that was to be created only (it ignores If-None-Match)")
            }
            (_, Ok(_)) => {
                unfit("it wrote over an object on a condition that did not hold (it ignores If-Match)")
            }
            // Refused, or not answered: that proves nothing against it.
            (Err(_), Err(_)) => Ok(()),
        }
    }

    /// Gives back what may be held by `tenure`.
    async fn free(&self, tenure: &Tenure) -> Result<(), RecordError> {
        for _ in 0..TRIES {
            let Some(found) = self.look(&tenure.key).await? else { return Ok(()) };
            if found.object.nonce != *tenure.nonce || found.object.holder.is_none() {
                return Ok(());
            }
            match self.write(&tenure.key, &found.object.freed(&tenure.nonce), Some(found.version)).await {
                Written::Done(_) => return Ok(()),
                // A renewal that was on its way has arrived: ours, or not.
                Written::SomebodyElseDid => {}
                Written::Unknown(error) => return Err(error),
            }
        }
        Err(self.never_settles(&tenure.key))
    }

    fn never_settles(&self, key: &str) -> RecordError {
        RecordError::Unreachable {
            attempted: "locked",
            place: self.place(key),
            remedy: "run again",
            cause: "it changes each time that it is looked at".into(),
        }
    }

    pub(in crate::record) async fn look_at_lock(&self, key: &str) -> Result<LockState, RecordError> {
        let Some(found) = self.look(key).await? else { return Ok(LockState { fence: 0, held: Held::Free }) };
        let time_to_live = found.object.time_to_live();
        let renewed = jiff::Timestamp::from_second(found.written).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let held = match found.object.holder {
            None => Held::Free,
            Some(who) => {
                Held::Held { by: Some(who.holder()), expiry: Expiry::Unrenewed { time_to_live, renewed } }
            }
        };
        Ok(LockState { fence: found.object.fence, held })
    }

    /// Breaks the lock of the holder with this fence and no other's.
    pub(in crate::record) async fn break_lock(&self, key: &str, fence: u64) -> Result<Breaking, RecordError> {
        let nonce = Uuid::new_v4().to_string();
        for _ in 0..TRIES {
            let Some(found) = self.look(key).await? else { return Ok(Breaking::WasFree) };
            // Whoever held it last: nobody does.
            if found.object.holder.is_none() {
                return Ok(if found.object.nonce == nonce { Breaking::Broken } else { Breaking::WasFree });
            }
            if found.object.fence != fence {
                return Ok(Breaking::OtherFence(found.object.fence));
            }
            match self.write(key, &found.object.freed(&nonce), Some(found.version)).await {
                Written::Done(_) => return Ok(Breaking::Broken),
                // It was renewed just now.
                Written::SomebodyElseDid => {}
                Written::Unknown(error) => return Err(error),
            }
        }
        Err(self.never_settles(key))
    }
}

/// Keeps a lock. Lives in a task of its own, so that it goes on while the program waits for a person.
struct Renewing {
    store: BucketStore,
    key: Arc<str>,
    timed: Arc<Timed>,
    /// As it is there, as far as is known.
    object: LockObject,
    version: UpdateVersion,
}

impl Renewing {
    async fn run(mut self) {
        let time_to_live = self.store.terms.time_to_live;
        let mut pause = time_to_live / 3;
        // Of a renewal that is tried again after a lost answer the first try counts: it may be the one that landed.
        let mut first_sent: Option<Moment> = None;
        loop {
            sleep(pause).await;
            let next = self.object.renewed();
            let sent = *first_sent.get_or_insert_with(|| Moment::now(&*self.store.clock));
            pause = match self.store.write(&self.key, &next, Some(self.version.clone())).await {
                Written::Done(version) => {
                    self.object = next;
                    self.version = version;
                    self.timed.renew(sent);
                    first_sent = None;
                    time_to_live / 3
                }
                Written::SomebodyElseDid => match self.still_ours().await {
                    Ok(true) => {
                        first_sent = None;
                        time_to_live / 30
                    }
                    Ok(false) => return self.timed.lose(),
                    Err(_not_known_yet) => time_to_live / 12,
                },
                // Not renewed as far as is known: the same is tried again, and the lease runs on meanwhile.
                Written::Unknown(_) => time_to_live / 12,
            };
        }
    }

    /// An earlier renewal of ours may have arrived late: then that is what the next one stands on.
    async fn still_ours(&mut self) -> Result<bool, RecordError> {
        let Some(found) = self.store.look(&self.key).await? else { return Ok(false) };
        let is_ours = found.object.nonce == self.object.nonce && found.object.holder.is_some();
        if is_ours {
            self.object = found.object;
            self.version = found.version;
        }
        Ok(is_ours)
    }
}
