//! What was done, since when, why and by whom.
//!
//! The journal is one chain of segments per server; everything else (the ledger: what we set last, per subject)
//! is derived from it and can be derived again. Over any [`Store`]:
//!
//! ```text
//! journal/<server>/<number>.jsonl   written once: header, events, digest; each names the one before
//! sets/<sha256>.json                prevention rules, once each, in place before a segment names them
//! ledger/<server>.json              the ledger as of some segment: spares reading those before; may be lost
//! lock/<server>                     one run at a time writes; acts by hand write beside it
//! plans/<plan>.json                 what plans mean that wait for approval, once each
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::ServerKey;

mod any;
mod append;
mod bucket;
mod chain;
mod error;
mod event;
mod fold;
mod folder;
mod folder_lock;
mod folder_probe;
mod history;
mod intention;
mod journal;
mod key;
mod lease;
mod lock;
mod memory;
mod ours;
mod plans;
mod recorded;
mod recorded_file;
mod run_id;
mod segment;
mod sets;
mod settle;
mod snapshot;
mod spool;
mod store;
#[cfg(test)]
mod tests;
mod told;
mod verify;
mod why;
mod wire;
mod wire_task;

pub use any::{AnyLock, AnyStore};
pub use bucket::{BucketLock, BucketStore, Finding, LockTerms, ProbeReport};
pub use error::RecordError;
pub use folder::FolderStore;
pub use folder_lock::FolderLock;
pub use intention::*;
pub use journal::Journal;
pub use lease::Lease;
pub use lock::{Breaking, Expiry, Held, Holder, LockState};
pub use memory::{MemoryLock, MemoryStore};
pub use recorded::*;
pub use recorded_file::{RecordedFile, RecordedFileError};
pub use run_id::run_id;
pub use settle::is_listed_as_sent;
pub use store::{Creation, HeldLock, LockStore, Store};
#[cfg(test)]
pub(crate) use told::sample;
pub use told::{
    Act, ActOutcome, ActValues, Commit, HashCounts, History, HoldChange, HoldNote, KeptRule, RecordedRun,
    RuleCounts,
};
pub use verify::{Problem, ProblemKind, Verified};
pub use why::{Deed, HashState, HashStory, Standing, SubjectStory};

use chain::Chain;
use spool::Spool;

/// A record, wherever it lies. Clones share it.
#[derive(Debug)]
pub struct Record<S> {
    store: Arc<S>,
    spools: Option<Arc<Spools>>,
}

/// Where this machine keeps what could not be brought into the record.
#[derive(Debug)]
struct Spools {
    root: PathBuf,
    record: String,
    /// What the record was called when earlier versions kept something.
    formerly: Option<String>,
}

/// How long an act by hand waits for whoever else on this machine is bringing something into the record.
const BRIEFLY: Duration = Duration::from_secs(5);

impl<S> Clone for Record<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), spools: self.spools.clone() }
    }
}

impl<S: Store> Record<S> {
    /// The record that is kept in this store.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), spools: None }
    }

    /// With a folder of this user on this machine, in which what was done is kept while the record can not be
    /// reached, for the next run that reaches it. `record` tells this record from others: its absolute address.
    #[must_use]
    pub fn keeping_in(self, root: impl Into<PathBuf>, record: impl Into<String>) -> Self {
        let spools = Spools { root: root.into(), record: record.into(), formerly: None };
        Self { spools: Some(Arc::new(spools)), ..self }
    }

    /// What waits on this machine under another name of this record is brought in too; nothing new is kept there.
    #[must_use]
    pub fn formerly(self, record: Option<String>) -> Self {
        let spools = self.spools.map(|spools| {
            let formerly = record.filter(|record| *record != spools.record);
            Arc::new(Spools { root: spools.root.clone(), record: spools.record.clone(), formerly })
        });
        Self { spools, ..self }
    }

    /// What the record knows of one server, and what waits on this machine to be brought into it; nothing where
    /// there is no record yet. Needs no lock: intentions of a run that is under way are among the open ones.
    ///
    /// # Errors
    /// Unreachable, damaged, or from a newer version: never an empty ledger instead.
    pub async fn read(&self, server: &ServerKey) -> Result<Recorded, RecordError> {
        let mut chain = Chain::read(key::file_name(server), &*self.store).await?;
        for spool in self.spools(server) {
            spool.look_ahead(&*self.store, &mut chain).await?;
        }
        Ok(chain.recorded().clone())
    }

    /// What the record knew of one server before a run wrote anything there; all of it, where that run never did.
    ///
    /// # Errors
    /// As [`Record::read`], for what had to be read.
    pub async fn read_before(&self, server: &ServerKey, run: &str) -> Result<Recorded, RecordError> {
        let chain = Chain::read_before(key::file_name(server), &*self.store, run).await?;
        Ok(chain.recorded().clone())
    }

    /// Begins an act by hand: it takes no lock and waits for nobody, and what it leaves is respected by whoever has
    /// the lock. Writes nothing yet. Where the record can not be read or written, it is kept on this machine:
    /// [`Journal::is_kept_locally_because`] tells.
    ///
    /// # Errors
    /// The record can not be read, and there is no folder for what can not be brought into it.
    pub async fn by_hand(&self, server: &ServerKey, run: &RunHeader) -> Result<Journal<S, ()>, RecordError> {
        let spool = self.spool(server);
        let (chain, local) = match self.whole_chain(server, None, Instant::now() + BRIEFLY).await {
            Ok(chain) => (chain, None),
            Err(cause) if spool.is_some() => (Chain::new(key::file_name(server)), Some(cause)),
            Err(cause) => return Err(cause),
        };
        let mut journal =
            Journal::begin((self.store.clone(), chain, spool), (None, Lease::lasting(), ()), run);
        journal.local = local;
        Ok(journal)
    }

    /// A server's chain, with all in it that waits on this machine and may be brought in: see [`Spool::bring_in`].
    async fn whole_chain(
        &self,
        server: &ServerKey,
        fence: Option<u64>,
        until: Instant,
    ) -> Result<Chain, RecordError> {
        let mut waiting = Vec::new();
        for spool in self.spools(server) {
            // Asked before the chain is read: what somebody else brings in after this is read there.
            if spool.is_waiting().await? {
                waiting.push(spool);
            }
        }
        let mut chain = Chain::read(key::file_name(server), &*self.store).await?;
        for spool in waiting {
            spool.bring_in(&*self.store, &mut chain, fence, until).await?;
        }
        Ok(chain)
    }

    /// Whether something that was done from this machine waits to be brought into the record.
    ///
    /// # Errors
    /// The folder of this machine cannot be read.
    pub async fn has_more_to_come(&self, server: &ServerKey) -> Result<bool, RecordError> {
        for spool in self.spools(server) {
            if spool.is_waiting().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where something new is kept.
    fn spool(&self, server: &ServerKey) -> Option<Spool> {
        let spools = self.spools.as_ref()?;
        Some(Spool::new(&spools.root, &spools.record, &key::file_name(server)))
    }

    /// Wherever something may wait, the oldest first.
    fn spools(&self, server: &ServerKey) -> impl Iterator<Item = Spool> {
        let names = self.spools.iter().flat_map(|spools| {
            spools.formerly.iter().chain([&spools.record]).map(|record| (&spools.root, record))
        });
        names.map(|(root, record)| Spool::new(root, record, &key::file_name(server)))
    }
}

impl<S: LockStore> Record<S> {
    /// Waits for the server's lock, then reads its chain, and brings into it what waits on this machine; where
    /// somebody else here is at that, it waits for them. All of the waiting takes `timeout` at most.
    ///
    /// # Errors
    /// [`RecordError::Locked`], or what [`Record::read`] fails with.
    pub async fn lock(
        &self,
        server: &ServerKey,
        holder: &Holder,
        timeout: Duration,
    ) -> Result<Locked<S>, RecordError> {
        let until = Instant::now() + timeout;
        let lock = self.store.lock(&lock_key(server), holder, timeout).await?;
        let mut chain = self.whole_chain(server, Some(lock.fence()), until).await?;
        chain.keep_snapshot(&*self.store).await;
        let spool = self.spool(server);
        Ok(Locked { store: self.store.clone(), chain, spool, lock, record: self.clone() })
    }
}

impl<S: LockStore> Record<S> {
    /// At the end of a run, however it ends: see [`LockStore::give_back`].
    ///
    /// # Errors
    /// A lock that could not be given back expires by itself.
    pub async fn give_back(&self) -> Result<(), RecordError> {
        self.store.give_back().await
    }
}

impl Record<AnyStore> {
    /// Who holds a server's lock. Changes nothing.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub async fn look_at_lock(&self, server: &ServerKey) -> Result<LockState, RecordError> {
        self.store.look_at_lock(&lock_key(server)).await
    }

    /// Takes the lock from the holder with this fence, and from no other.
    ///
    /// # Errors
    /// Where the record cannot be read or written.
    pub async fn break_lock(&self, server: &ServerKey, fence: u64) -> Result<Breaking, RecordError> {
        self.store.break_lock(&lock_key(server), fence).await
    }

    /// The newest segment of a server's chain and the run that wrote it, whatever else the chain says.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub async fn last_segment(&self, server: &ServerKey) -> Result<Option<LastSegment>, RecordError> {
        let folder = segment::folder(&key::file_name(server));
        let keys = self.store.list(&folder).await?;
        let Some((number, key)) = keys.iter().filter_map(|key| Some((segment::number_of(key)?, key))).max()
        else {
            return Ok(None);
        };
        let run = self.store.get(key).await?.and_then(|bytes| segment::run_of(&bytes));
        Ok(Some(LastSegment { number, run: run.map(Into::into) }))
    }

    /// See [`AnyStore::check`].
    ///
    /// # Errors
    /// Where it could not be asked at all.
    pub async fn check(&self, holder: &Holder) -> Result<ProbeReport, RecordError> {
        self.store.check(holder).await
    }

    /// What a person calls the place of this record.
    pub fn place(&self) -> String {
        self.store.place("").trim_end_matches('/').to_owned()
    }
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSegment {
    /// Counted from 1: in a chain without gaps, how many segments it has.
    pub number: u64,
    /// `None`: it does not say.
    pub run: Option<Arc<str>>,
}

fn lock_key(server: &ServerKey) -> String {
    format!("lock/{}", key::file_name(server))
}

/// A server's chain that no other holder of the lock appends to as long as this (or its journal) lives.
pub struct Locked<S: LockStore> {
    store: Arc<S>,
    chain: Chain,
    spool: Option<Spool>,
    lock: S::Lock,
    /// As this was locked through.
    record: Record<S>,
}

impl<S: LockStore> Locked<S> {
    /// As it stands under the lock: what was planned on must equal it, or be planned afresh.
    pub fn recorded(&self) -> &Recorded {
        self.chain.recorded()
    }

    /// That of the lock: higher for every later holder.
    pub fn fence(&self) -> u64 {
        self.lock.fence()
    }

    /// Tells, before each send, whether the lock is still held for certain.
    pub fn lease(&self) -> Lease {
        self.lock.lease()
    }

    /// The record that this chain is in.
    pub fn record(&self) -> Record<S> {
        self.record.clone()
    }

    /// Begins a run. Writes nothing yet.
    pub fn begin(self, run: &RunHeader) -> Journal<S, S::Lock> {
        let (fence, lease) = (Some(self.lock.fence()), self.lock.lease());
        Journal::begin((self.store, self.chain, self.spool), (fence, lease, self.lock), run)
    }
}
