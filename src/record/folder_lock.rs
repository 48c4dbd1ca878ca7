use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::folder::{replace, unreachable};
use super::lock::WireHolder;
use super::{Expiry, FolderStore, Held, HeldLock, Holder, Lease, LockState, LockStore, RecordError};

/// How often a lock that somebody else holds is tried again.
const POLL: Duration = Duration::from_millis(200);

const NO_LOCKS: &str = "a record in a folder needs the operating system's file locks: keep it on a local disk that this user may write";

/// The operating system's lock on a file: gone with its process, however that ends. The file itself stays, since
/// deleting it would let two runs lock two files of one name.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    fence: u64,
}

impl HeldLock for FolderLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn lease(&self) -> Lease {
        Lease::lasting()
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file releases it too; this also does where a child process has inherited the file.
        drop(self.file.unlock());
    }
}

impl LockStore for FolderStore {
    type Lock = FolderLock;

    async fn lock(&self, key: &str, holder: &Holder, timeout: Duration) -> Result<FolderLock, RecordError> {
        let path = self.path(key);
        self.make_parent(&path)?;
        let failed = |cause| unreachable("locked", &path, NO_LOCKS, cause);
        let file = open(&path).map_err(failed)?;
        let deadline = Instant::now() + timeout;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                Err(TryLockError::WouldBlock) => {
                    let holder = beside(&path).map(|wire| Box::new(wire.holder()));
                    return Err(RecordError::Locked { place: super::Store::place(self, key), holder });
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
        }
        let fence = beside(&path).map_or(0, |wire| wire.fence) + 1;
        let text = serde_json::to_vec(&WireHolder::new(fence, holder))
            .map_err(|cause| failed(io::Error::other(cause)))?;
        replace(&holder_path(&path), &text).map_err(failed)?;
        Ok(FolderLock { file, fence })
    }
}

impl FolderStore {
    /// Looks at a lock and changes nothing.
    pub(super) fn look_at_lock(&self, key: &str) -> Result<LockState, RecordError> {
        let path = self.path(key);
        let failed = |cause| unreachable("read", &path, NO_LOCKS, cause);
        let last = beside(&path);
        let fence = last.as_ref().map_or(0, |wire| wire.fence);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(LockState { fence, held: Held::Free });
            }
            Err(cause) => return Err(failed(cause)),
        };
        // Shared: two that look do not see each other as holders.
        let held = match file.try_lock_shared() {
            Ok(()) => Held::Free,
            Err(TryLockError::WouldBlock) => {
                Held::Held { by: last.map(WireHolder::holder), expiry: Expiry::WithItsProcess }
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        };
        Ok(LockState { fence, held })
    }
}

/// Who opened the folder to a group may lock with files that another user made: reading is enough for that.
fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        other => other,
    }
}

fn holder_path(lock: &Path) -> PathBuf {
    let mut name = lock.as_os_str().to_owned();
    name.push(".holder");
    name.into()
}

/// What the present or last holder wrote beside the lock.
#[expect(clippy::disallowed_methods, reason = "it only informs: a missing or unreadable one is none")]
fn beside(lock: &Path) -> Option<WireHolder> {
    let text = std::fs::read(holder_path(lock)).ok()?;
    serde_json::from_slice(&text).ok()
}
