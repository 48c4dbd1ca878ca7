//! What was done, since when, why and by whom.
//!
//! The journal is one chain of segments per server; everything else (the ledger: what we set last, per subject)
//! is derived from it and can be derived again. Over any [`Store`]:
//!
//! ```text
//! journal/<server>/<number>.jsonl   written once: header, events, digest; each names the one before
//! sets/<sha256>.json                prevention rules, once each, in place before a segment names them
//! lock/<server>                     one run at a time writes
//! ```

use std::sync::Arc;
use std::time::Duration;

use crate::model::ServerKey;

mod any;
mod bucket;
mod chain;
mod digest;
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
mod recorded;
mod recorded_file;
mod run_id;
mod segment;
mod sets;
mod settle;
mod store;
#[cfg(test)]
mod tests;
mod why;
mod wire;

pub use any::{AnyLock, AnyStore};
pub use bucket::{BucketLock, BucketStore, Finding, LockTerms, ProbeReport};
pub use error::RecordError;
pub use folder::FolderStore;
pub use folder_lock::FolderLock;
#[cfg(test)]
pub(crate) use history::sample;
pub use history::{
    Act, ActOutcome, ActValues, Commit, HashCounts, History, KeptRule, RecordedRun, RuleCounts,
};
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
pub use why::{Deed, HashState, HashStory, Standing, SubjectStory};

use chain::Chain;

/// A record, wherever it lies. Clones share it.
#[derive(Debug)]
pub struct Record<S> {
    store: Arc<S>,
}

impl<S> Clone for Record<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone() }
    }
}

impl<S: Store> Record<S> {
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store) }
    }

    /// What the record knows of one server; nothing where there is no record yet. Needs no lock: intentions of a
    /// run that is under way are among the open ones.
    ///
    /// # Errors
    /// Unreachable, damaged, or from a newer version: never an empty ledger instead.
    pub async fn read(&self, server: &ServerKey) -> Result<Recorded, RecordError> {
        let mut chain = Chain::new(key::file_name(server));
        chain.read(&*self.store).await?;
        Ok(chain.recorded().clone())
    }
}

impl<S: LockStore> Record<S> {
    /// Waits for the server's lock at most `timeout`, then reads its chain.
    ///
    /// # Errors
    /// [`RecordError::Locked`], or what [`Record::read`] fails with.
    pub async fn lock(
        &self,
        server: &ServerKey,
        holder: &Holder,
        timeout: Duration,
    ) -> Result<Locked<S>, RecordError> {
        let name = key::file_name(server);
        let lock = self.store.lock(&lock_key(server), holder, timeout).await?;
        let mut chain = Chain::new(name);
        chain.read(&*self.store).await?;
        Ok(Locked { store: self.store.clone(), chain, lock })
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
    pub number: u64,
    /// `None`: it does not say.
    pub run: Option<Arc<str>>,
}

fn lock_key(server: &ServerKey) -> String {
    format!("lock/{}", key::file_name(server))
}

/// A server's chain that nobody else appends to as long as this (or its journal) lives.
pub struct Locked<S: LockStore> {
    store: Arc<S>,
    chain: Chain,
    lock: S::Lock,
}

impl<S: LockStore> Locked<S> {
    /// As it stands under the lock: what was planned on must equal it, or be planned afresh.
    pub fn recorded(&self) -> &Recorded {
        self.chain.recorded()
    }

    /// The record that this chain is in.
    pub fn record(&self) -> Record<S> {
        Record { store: self.store.clone() }
    }

    /// Begins a run. Writes nothing yet.
    pub fn begin(self, run: &RunHeader) -> Journal<S, S::Lock> {
        let fence = Some(self.lock.fence());
        Journal::begin(self.store, self.chain.next, self.chain.sets, (fence, self.lock), run)
    }
}
