//! What could not be brought into the record yet, kept on this machine: segments, each in a file of its own, in the
//! order in which they came to be. No secret is in them, as in the record.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use super::chain::Chain;
use super::event::Event;
use super::folder::unreachable;
use super::folder_lock::POLL;
use super::segment::{self, Header, Segment};
use super::sets::{self, Sets};
use super::store::put_in_place;
use super::wire::SetRef;
use super::{FolderStore, RecordError, Store};
use crate::model::{PreventionRule, sha256_hex};

/// The segments of one server that wait on this machine: `<root>/pending/<record>/<server>/`.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    files: FolderStore,
}

const REMEDY: &str = "check that this user may read and write there";

/// How the names of those end that can not be brought in, and are kept as evidence.
const ASIDE: &str = ".of-another-record";

impl Spool {
    /// `record`: what tells this record from others that this machine may write to.
    pub(super) fn new(root: &Path, record: &str, server: &str) -> Self {
        let record = &sha256_hex(record.as_bytes())[..16];
        Self { files: FolderStore::new(root.join("pending").join(record).join(server)) }
    }

    pub(super) fn place(&self) -> String {
        self.files.root().display().to_string()
    }

    /// Puts a segment down durably. One that says its number was on its way there and may have arrived.
    pub(super) async fn keep(&self, header: &Header, bytes: &[u8], file: u64) -> Result<(), RecordError> {
        let key = format!("{}.{file:04}.jsonl", header.run);
        if let Some(_other) = put_in_place(&self.files, &key, bytes).await? {
            return Err(self.damaged(&key, "it is there already, and says something else".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn keep_sets(&self, rules: &[&Arc<PreventionRule>]) -> Result<Vec<SetRef>, RecordError> {
        Sets::default().keep(&self.files, rules).await
    }

    /// Where the segments lie that were kept for a record which is not there any more.
    pub(super) async fn aside(&self) -> Result<Vec<String>, RecordError> {
        let keys = self.files.list("").await?.into_iter().filter(|key| key.ends_with(ASIDE));
        Ok(keys.map(|key| self.files.place(&key)).collect())
    }

    /// How many wait, and what is wrong with them.
    pub(super) async fn verify(&self) -> Result<(usize, Vec<RecordError>), RecordError> {
        let keys = self.keys().await?;
        let mut wrong = Vec::new();
        for key in &keys {
            // Brought in since.
            let Some(bytes) = self.files.get(key).await? else { continue };
            if let Err(error) = self.decode(key, &bytes) {
                wrong.push(error);
            }
        }
        Ok((keys.len(), wrong))
    }

    /// Whether there is something to be brought in.
    pub(super) async fn is_waiting(&self) -> Result<bool, RecordError> {
        Ok(!self.keys().await?.is_empty())
    }

    /// Appends what waits to the chain; `fence` is that of the lock under which this happens, `None` without one:
    /// then only what was done without one is brought in, since a holder stops at a segment of another holder.
    ///
    /// Given up anywhere, it is gone on with by the next: a file says where its segment was about to be put, and is
    /// taken away only when it is there.
    ///
    /// # Errors
    /// [`RecordError::Locked`]: somebody else on this machine is at it, at that instant still. The chain lacks then what
    /// it must not be planned without.
    pub(super) async fn bring_in<S: Store>(
        &self,
        store: &S,
        chain: &mut Chain,
        fence: Option<u64>,
        until: Instant,
    ) -> Result<(), RecordError> {
        let _lock = self.lock(until).await?;
        // Whoever was at it before has put there what was not there when the chain was read.
        chain.catch_up(store).await?;
        for key in self.keys().await? {
            let Some(bytes) = self.files.get(&key).await? else { continue };
            let segment = self.decode(&key, &bytes)?;
            if segment.header.fence.is_none() || fence.is_some() {
                self.bring_in_one(store, chain, (&key, bytes, segment), fence).await?;
            }
        }
        Ok(())
    }

    async fn bring_in_one<S: Store>(
        &self,
        store: &S,
        chain: &mut Chain,
        (key, mut bytes, mut segment): (&str, Vec<u8>, Segment),
        fence: Option<u64>,
    ) -> Result<(), RecordError> {
        self.bring_in_sets(store, &segment).await?;
        loop {
            if is_in(store, chain, &segment.header, &bytes).await? {
                break;
            }
            if is_of_another_record(chain, &segment) {
                return self.set_aside(key);
            }
            if !is_next(chain, &segment.header) {
                let header = Header {
                    number: chain.next.number,
                    previous: chain.next.previous.clone(),
                    fence: segment.header.fence.and(fence),
                    late: true,
                    ..segment.header
                };
                bytes = segment::encode(&header, &segment.events);
                self.files.replace(key, &bytes).await?;
                segment = self.decode(key, &bytes)?;
            }
            if chain.put(store, &bytes).await?.is_none() {
                chain.take(store, segment).await?;
                break;
            }
            chain.catch_up(store).await?;
        }
        let path = self.files.path(key);
        std::fs::remove_file(&path).map_err(|cause| unreachable("written", &path, REMEDY, cause))
    }

    /// Folds what waits, as if it were in the chain already: for whoever only reads.
    pub(super) async fn look_ahead<S: Store>(&self, store: &S, chain: &mut Chain) -> Result<(), RecordError> {
        for key in self.keys().await? {
            // Brought in since.
            let Some(bytes) = self.files.get(&key).await? else { continue };
            let mut segment = self.decode(&key, &bytes)?;
            segment.header.late |= !is_next(chain, &segment.header);
            let is_to_come = !is_in(store, chain, &segment.header, &bytes).await?;
            if is_to_come && !is_of_another_record(chain, &segment) {
                for set in segment.sets() {
                    if self.files.get(&sets::key(&set.sha256)).await?.is_some() {
                        chain.sets.load(&self.files, [set].into_iter()).await?;
                    }
                }
                chain.sets.load(store, segment.sets()).await?;
                chain.fold(&self.files.place(&key), &segment)?;
            }
        }
        Ok(())
    }

    /// Out of the way of what can be brought in, and kept as evidence.
    fn set_aside(&self, key: &str) -> Result<(), RecordError> {
        let path = self.files.path(key);
        let aside = self.files.path(&format!("{key}{ASIDE}"));
        std::fs::rename(&path, aside).map_err(|cause| unreachable("written", &path, REMEDY, cause))
    }

    async fn bring_in_sets<S: Store>(&self, store: &S, segment: &Segment) -> Result<(), RecordError> {
        for set in segment.sets() {
            if self.files.get(&sets::key(&set.sha256)).await?.is_some() {
                let rule = Arc::new(sets::read(&self.files, &set.sha256).await?);
                Sets::default().keep(store, &[&rule]).await?;
            }
        }
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<String>, RecordError> {
        let mut keys = self.files.list("").await?;
        keys.retain(|key| key.ends_with(".jsonl"));
        Ok(keys)
    }

    fn decode(&self, key: &str, bytes: &[u8]) -> Result<Segment, RecordError> {
        let damaged = |why| self.damaged(key, why);
        segment::decode_anywhere(&self.files.place(key), &damaged, bytes)
    }

    fn damaged(&self, key: &str, why: String) -> RecordError {
        RecordError::Damaged {
            place: self.files.place(key),
            why,
            remedy: "it waits to be brought into the record; move it away and keep it as evidence: what it tells of \
                     is then known by reading only"
                .to_owned(),
        }
    }

    /// # Errors
    /// [`RecordError::Locked`]: another process holds it at that instant still.
    async fn lock(&self, until: Instant) -> Result<File, RecordError> {
        let path: PathBuf = self.files.path(".lock");
        let failed = |cause| unreachable("locked", &path, REMEDY, cause);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(POLL).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(RecordError::Locked { place: path.display().to_string(), holder: None });
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
        }
    }
}

/// Whether nothing came into the chain since this segment was made for its place there.
fn is_next(chain: &Chain, header: &Header) -> bool {
    header.number == chain.next.number && header.previous == chain.next.previous
}

/// Whether this very segment is where it says that it was about to be put.
async fn is_in<S: Store>(
    store: &S,
    chain: &Chain,
    header: &Header,
    bytes: &[u8],
) -> Result<bool, RecordError> {
    if header.number == 0 || header.number >= chain.next.number {
        return Ok(false);
    }
    let there = store.get(&segment::key(&chain.next.server, header.number)).await?;
    Ok(there.is_some_and(|there| there == bytes))
}

/// The rest of a run that began in a record which is not this one: somebody deleted it, or moved it away. What it tells
/// of is known by reading only.
fn is_of_another_record(chain: &Chain, segment: &Segment) -> bool {
    let begins = segment.events.iter().any(|event| matches!(event, Event::RunBegins(_)));
    !begins && chain.ledger.has_ended(&segment.header.run)
}

/// A segment that has no place in the chain yet.
pub(super) fn unplaced(header: Header, events: &[Event]) -> (Header, Vec<u8>) {
    let header = Header { number: 0, previous: None, ..header };
    let bytes = segment::encode(&header, events);
    (header, bytes)
}
