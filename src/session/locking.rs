//! Which servers a run may write to: those whose chains it has locked. One that is lost holds up no other.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout};

use super::Connected;
use super::connect::chain;
use crate::model::ServerName;
use crate::plan::ServerState;
use crate::record::{Holder, LockStore, Locked, Record, RecordError, Recorded};

/// What became of the locks of some servers.
pub struct Locks<S: LockStore> {
    /// The servers that this run may write to.
    pub held: BTreeMap<ServerName, Locked<S>>,
    /// Somebody else holds the lock, or the chain cannot be read.
    pub left_out: BTreeMap<ServerName, RecordError>,
}

impl<S: LockStore> Default for Locks<S> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), left_out: BTreeMap::new() }
    }
}

impl<S: LockStore> Locks<S> {
    fn add(&mut self, server: ServerName, lock: Result<Locked<S>, RecordError>) {
        match lock {
            Ok(lock) => drop(self.held.insert(server, lock)),
            Err(error) => drop(self.left_out.insert(server, error)),
        }
    }

    /// The ledgers as they stand under the locks.
    pub fn recorded(&self) -> BTreeMap<ServerName, Recorded> {
        self.held.iter().map(|(name, lock)| (name.clone(), lock.recorded().clone())).collect()
    }
}

/// Locks the chains of these servers, in the order of their keys in the record, so that two runs can not wait for each
/// other. All together are waited for as long as one would be.
pub async fn lock_all<S: LockStore, C>(
    record: &Record<S>,
    servers: &[Connected<C>],
    holder: &Holder,
    timeout: Duration,
) -> Locks<S> {
    let begun = Instant::now();
    let mut locks = Locks::default();
    let mut servers: Vec<_> = servers.iter().collect();
    servers.sort_by_key(|server| &server.key);
    for server in servers {
        let left = timeout.saturating_sub(begun.elapsed());
        locks.add(server.name.clone(), record.lock(&server.key, holder, left).await);
    }
    locks
}

/// Servers that are walked one after the other as their locks come, so that nobody waits for a lock that they do not
/// need. No lock is waited for on behalf of another: two runs that meet each other's servers cannot wait for each other.
pub struct Turns<'a, S: LockStore, C> {
    waiting: FuturesUnordered<Waits<'a, S, C>>,
}

type Waits<'a, S, C> = Pin<Box<dyn Future<Output = (Connected<C>, Result<Locked<S>, RecordError>)> + 'a>>;

/// How long others may still join whoever has its lock: what nobody holds is walked together.
const TOGETHER: Duration = Duration::from_secs(2);

impl<'a, S: LockStore, C: 'a> Turns<'a, S, C> {
    /// Locks nothing yet. `timeout`: how long to wait for whoever holds a lock.
    pub fn new(
        record: &'a Record<S>,
        servers: Vec<Connected<C>>,
        holder: &'a Holder,
        timeout: Duration,
    ) -> Self {
        let waiting: FuturesUnordered<_> = FuturesUnordered::new();
        for server in servers {
            let waits: Waits<'a, S, C> = Box::pin(async move {
                let lock = record.lock(&server.key, holder, timeout).await;
                (server, lock)
            });
            waiting.push(waits);
        }
        Self { waiting }
    }

    /// Those whose turn it is, in the order of their names; `None`: it was everybody's.
    pub async fn next(&mut self) -> Option<(Vec<Connected<C>>, Locks<S>)> {
        let mut locks = Locks::default();
        let (server, lock) = self.waiting.next().await?;
        locks.add(server.name.clone(), lock);
        let mut servers = vec![server];
        let others = async {
            while let Some((server, lock)) = self.waiting.next().await {
                locks.add(server.name.clone(), lock);
                servers.push(server);
            }
        };
        // Whoever comes later has the next turn.
        drop(timeout(TOGETHER, others).await);
        servers.sort_by(|one, other| one.name.cmp(&other.name));
        Some((servers, locks))
    }
}

/// As a plan shows the servers that a run does without.
pub fn left_out<'a>(
    errors: impl IntoIterator<Item = (&'a ServerName, &'a RecordError)>,
) -> BTreeMap<ServerName, ServerState> {
    let state = |error| ServerState::Unrecorded { why: chain(error) };
    errors.into_iter().map(|(server, error)| (server.clone(), state(error))).collect()
}
