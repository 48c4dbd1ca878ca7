use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Creation, RecordError, Store};

/// A record in a folder of this machine. Nothing is made before the first write; a missing folder reads as empty.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

const CHECK_FOLDER: &str = "check that `record:` names a folder that this user may read and write";
const CHECK_SPACE: &str =
    "check the permissions and the free space of that folder; nothing partial was left there";

impl FolderStore {
    /// `root`: what `record:` names, or `.kedrctl` beside the state.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that all of it lies in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What tells this folder from others, however its path is spelled and whether it is there or not.
    ///
    /// # Errors
    /// There is no current folder that a relative path could start from.
    pub fn address(&self) -> io::Result<String> {
        Ok(without_links(&std::path::absolute(&self.root)?).display().to_string())
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Makes the record's folder and the folder in which `path` lies, durably.
    pub(super) fn make_parent(&self, path: &Path) -> Result<(), RecordError> {
        let failed = |cause| unreachable("created", &self.root, CHECK_FOLDER, cause);
        if !self.root.is_dir() {
            make_private(&self.root).map_err(failed)?;
            sync_parent(&self.root).map_err(failed)?;
        }
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            // The record is no source: git must neither offer to commit it nor clean it away.
            place(&ignore, b"*\n").map_err(|cause| unreachable("written", &ignore, CHECK_SPACE, cause))?;
        }
        let mut missing: Vec<&Path> =
            path.ancestors().skip(1).take_while(|folder| *folder != self.root && !folder.is_dir()).collect();
        while let Some(folder) = missing.pop() {
            match fs::create_dir(folder) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(unreachable("created", folder, CHECK_SPACE, cause)),
            }
            sync_parent(folder).map_err(|cause| unreachable("created", folder, CHECK_SPACE, cause))?;
        }
        Ok(())
    }

    /// On a thread of its own: until a disk has it, what is under way to servers goes on.
    async fn write<T: Send + 'static>(
        &self,
        key: &str,
        bytes: &[u8],
        write: fn(&Path, &[u8]) -> io::Result<T>,
    ) -> Result<T, RecordError> {
        let (store, path, bytes) = (self.clone(), self.path(key), bytes.to_vec());
        let place = path.clone();
        let writing = tokio::task::spawn_blocking(move || {
            store.make_parent(&path)?;
            write(&path, &bytes).map_err(|cause| unreachable("written", &path, CHECK_SPACE, cause))
        });
        writing
            .await
            .unwrap_or_else(|stopped| Err(unreachable("written", &place, CHECK_SPACE, stopped.into())))
    }
}

impl Store for FolderStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        let path = self.path(key);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(unreachable("read", &path, CHECK_FOLDER, cause)),
        }
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, RecordError> {
        self.write(key, bytes, place).await
    }

    async fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.write(key, bytes, replace).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, RecordError> {
        let folder = self.path(prefix);
        let failed = |cause| unreachable("listed", &folder, CHECK_FOLDER, cause);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(failed(cause)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            // Dot files: what a killed writer left half-written, and what file managers put everywhere.
            if !name.starts_with('.') {
                keys.push(format!("{prefix}{name}"));
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }
}

/// Writes a file that is either whole and durable under its name, or not there; never over another.
fn place(path: &Path, bytes: &[u8]) -> io::Result<Creation> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = new_beside(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let creation = match file.persist_noclobber(path) {
        Ok(_) => Creation::Created,
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Creation::AlreadyExists,
        Err(failed) => return Err(failed.error),
    };
    // Also when it exists already: it may be ours, from a try whose last step failed, and is relied on now.
    sync_folder(folder)?;
    Ok(creation)
}

/// Replaces a small file as a whole: truncating and writing it would lose it now and then when killed between.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = new_beside(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    sync_folder(folder)
}

fn new_beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    #[cfg(unix)]
    {
        // As the user's umask says: who opens the (private) folder to a group means its files too.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

pub(super) fn unreachable(
    attempted: &'static str,
    path: &Path,
    remedy: &'static str,
    cause: io::Error,
) -> RecordError {
    RecordError::Unreachable { attempted, place: path.display().to_string(), remedy, cause: cause.into() }
}

/// An absolute path without links, `.` and `..`. A link that leads nowhere at the moment is followed all the same, so
/// that a folder is called the same while its disk is away.
fn without_links(path: &Path) -> PathBuf {
    /// As systems do: links may lead in a circle.
    const LINKS: usize = 40;
    let parts = |path: &Path| -> Vec<PathBuf> {
        path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (mut found, mut left, mut links) = (PathBuf::new(), parts(path), 0);
    while let Some(part) = left.pop() {
        match part.components().next() {
            None | Some(Component::CurDir) => {}
            Some(Component::ParentDir) => {
                found.pop();
            }
            Some(Component::Prefix(_) | Component::RootDir) => found.push(part),
            Some(Component::Normal(_)) => {
                let next = found.join(&part);
                match fs::read_link(&next) {
                    Ok(target) if links < LINKS => {
                        links += 1;
                        left.extend(parts(&target));
                    }
                    // No link, or nothing is there.
                    Ok(_) | Err(_) => found = next,
                }
            }
        }
    }
    found
}

/// A record tells who contained what and why: for its owner's eyes until they decide otherwise.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        Some(_) | None => sync_folder(Path::new(".")),
    }
}

/// A name is durable only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
