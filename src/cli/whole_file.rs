//! Files that a command writes at the end of its work: whole or not at all, and over nothing but their own kind.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::start::Failure;

/// `-o state.yaml` is a typing mistake. `is_ours` tells by the beginning of a file.
pub(super) fn refuse_other_files(
    path: &Path,
    what: &str,
    is_ours: impl FnOnce(&[u8]) -> bool,
) -> Result<(), Failure> {
    let mut beginning = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(64).read_to_end(&mut beginning)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::Output(error)),
    };
    if beginning.is_empty() || is_ours(&beginning) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is there already and is no {what}; it is not written over",
        path.display()
    )))
}

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// It names hosts, or is a key.
    Owner,
    /// As any file of this user: collectors run as somebody else.
    AsUsual,
}

/// Whole or not at all, over what was there.
pub(super) fn write_whole(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut file = BufWriter::new(new_beside(path, readers)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| Failure::Output(error.error))?;
    Ok(())
}

fn new_beside(path: &Path, readers: Readers) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    match readers {
        // As temporary files are.
        Readers::Owner => {}
        #[cfg(unix)]
        Readers::AsUsual => {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        #[cfg(not(unix))]
        Readers::AsUsual => {}
    }
    builder.tempfile_in(folder_of(path))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        write_whole(&path, Readers::AsUsual, |out| out.write_all(b"one")).unwrap();
        let failed = write_whole(&path, Readers::AsUsual, |out| {
            out.write_all(b"tw")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(failed, Err(Failure::Output(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying");
    }
}
