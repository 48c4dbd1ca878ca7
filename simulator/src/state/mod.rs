//! The file beside the fleet in which a world goes on from run to run.

mod saved;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

pub(crate) use saved::{Identity, Saved};

/// Why the state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Two processes cannot run one world.
    #[error(
        "this fleet is being simulated already, by {holder} (lock file {}); \
         stop that, or use a copy of the fleet file",
        .path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as it told.
        holder: String,
    },
    /// The file system says no.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is damaged, or not ours.
    #[error(
        "the state file {} cannot be understood; remove it or start with --reset to begin anew",
        .path.display()
    )]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Written by another version.
    #[error(
        "the state file {} has version {version}, this simulator reads version {}; \
         remove it or start with --reset to begin anew",
        .path.display(), saved::VERSION
    )]
    Version {
        /// The state file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The fleet's path has no file name.
    #[error("{} is no path of a file", .0.display())]
    NoFile(PathBuf),
}

/// The state file and the lock on it, which lasts as long as this value.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    lock_path: PathBuf,
    lock: File,
}

impl Store {
    /// Takes the lock of the world that belongs to a fleet file.
    pub(crate) fn open(fleet_file: &Path) -> Result<Store, StateError> {
        let stem = fleet_file.file_stem().ok_or_else(|| StateError::NoFile(fleet_file.into()))?;
        let beside = |end: &str| {
            let mut name = std::ffi::OsString::from(".");
            name.push(stem);
            name.push(end);
            fleet_file.with_file_name(name)
        };
        let (path, lock_path) = (beside(".simulator.json"), beside(".simulator.lock"));
        let failed = |doing| {
            let path = lock_path.clone();
            move |source| StateError::File { doing, path, source }
        };
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(failed("open the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Where a locked file cannot be read, it is still known to be locked.
                if lock.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    holder = "another process".into();
                }
                return Err(StateError::Locked { path: lock_path, holder: holder.trim().into() });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        Ok(Store { path, lock_path, lock })
    }

    /// Notes who we are, for those who find the lock taken.
    pub(crate) fn sign(&mut self, holder: &str) -> Result<(), StateError> {
        let write = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{holder}")
        };
        let failed =
            |source| StateError::File { doing: "write the lock file", path: self.lock_path.clone(), source };
        write(&mut self.lock).map_err(failed)
    }

    /// What the last run left; `None` on the first.
    pub(crate) fn load(&self) -> Result<Option<Saved>, StateError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StateError::File {
                    doing: "read the state file",
                    path: self.path.clone(),
                    source,
                });
            }
        };
        let damaged = |source| StateError::Damaged { path: self.path.clone(), source };
        // The version first: the rest may have another shape.
        let version = serde_json::from_slice::<saved::OnlyVersion>(&text).map_err(damaged)?.version;
        if version != saved::VERSION {
            return Err(StateError::Version { path: self.path.clone(), version });
        }
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    /// Replaces the state file as a whole: after a crash it is the old or the new one. Only its owner can read
    /// it, since it holds keys.
    pub(crate) fn save(&self, state: &Saved) -> Result<(), StateError> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let write = || {
            // Temporary files are made with mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let mut buffered = io::BufWriter::new(&mut file);
            serde_json::to_writer(&mut buffered, state)?;
            buffered.flush()?;
            drop(buffered);
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            sync_folder(folder)
        };
        let failed =
            |source| StateError::File { doing: "write the state file", path: self.path.clone(), source };
        write().map_err(failed)
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "as on the other systems; here folders cannot be opened as files"
)]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
