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

mod chain;
mod digest;
mod error;
mod event;
mod fold;
mod folder;
mod folder_lock;
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
pub use lock::Holder;
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
        let lock = self.store.lock(&format!("lock/{name}"), holder, timeout).await?;
        let mut chain = Chain::new(name);
        chain.read(&*self.store).await?;
        Ok(Locked { store: self.store.clone(), chain, lock })
    }
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

    /// Begins a run. Writes nothing yet.
    pub fn begin(self, run: &RunHeader) -> Journal<S, S::Lock> {
        let fence = Some(self.lock.fence());
        Journal::begin(self.store, self.chain.next, self.chain.sets, (fence, self.lock), run)
    }
}
