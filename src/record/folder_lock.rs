use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::folder::{replace, unreachable};
use super::lock::WireHolder;
use super::{Expiry, FolderStore, Held, HeldLock, Holder, Lease, LockState, LockStore, RecordError};

/// How often a lock that somebody else holds is tried again.
pub(super) const POLL: Duration = Duration::from_millis(200);

const NO_LOCKS: &str = "a record in a folder needs the operating system's file locks: keep it on a local disk that this user may write";

/// The operating system's lock on a file: gone with its process, however that ends. The file itself stays, since
/// deleting it would let two runs lock two files of one name; who deletes the record's folder does just that.
#[derive(Debug)]
pub struct FolderLock {
    locked: Arc<LockedFile>,
    fence: u64,
}

/// An open file that is locked.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: File,
    path: PathBuf,
}

impl LockedFile {
    /// Whether whoever locks the path now would meet our lock.
    pub(super) fn is_in_place(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            match (self.file.metadata(), std::fs::metadata(&self.path)) {
                (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
                (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
            }
        }
        // An open file cannot be taken away there.
        #[cfg(not(unix))]
        self.path.is_file()
    }
}

impl HeldLock for FolderLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn lease(&self) -> Lease {
        Lease::of_file(Arc::clone(&self.locked))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file releases it too; this also does where a child process has inherited the file.
        drop(self.locked.file.unlock());
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
        Ok(FolderLock { locked: Arc::new(LockedFile { file, path }), fence })
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_whose_folder_was_taken_away_is_not_sure() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("record");
        let holder = Holder { by: "ana@soc-1".into(), pid: 1, since: jiff::Timestamp::UNIX_EPOCH };
        let lock = async || FolderStore::new(&root).lock("lock/kata", &holder, Duration::ZERO).await;
        let first = lock().await.unwrap();
        assert!(first.lease().is_sure());
        assert!(matches!(lock().await, Err(RecordError::Locked { .. })));
        std::fs::rename(&root, place.path().join("elsewhere")).unwrap();
        assert!(!first.lease().is_sure());
        let second = lock().await.unwrap();
        assert!(second.lease().is_sure() && !first.lease().is_sure(), "two hold a lock, and one may write");
    }
}
