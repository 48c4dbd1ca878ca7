//! Files that a command writes at the end of its work: whole or not at all, and over nothing but their own kind.

use std::io::{self, Read, Write};
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

/// Readable for its owner only: it names hosts.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| Failure::Output(error.error))?;
    Ok(())
}
