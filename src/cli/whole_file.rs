//! Files that a command writes at the end of its work: whole or not at all, and over nothing but their own kind.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

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

/// Whole or not at all, over what was there. Where a link stands the file is written that it names; what is no file,
/// such as a device or a pipe, is written into and stays what it is.
pub(super) fn write_whole(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let written = if is_no_file(path) { write_into(path, write) } else { replace(path, readers, write) };
    // Of several outputs, which it was.
    written.map_err(|error| {
        Failure::Output(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    })
}

fn replace(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let path = linked(path);
    let mut file = BufWriter::new(new_beside(&path, readers)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// `/dev/stdout` may lead to a file, which somebody else writes too.
fn is_no_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| !there.is_file() || path.starts_with("/dev"))
}

fn write_into(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(std::fs::OpenOptions::new().append(true).open(path)?);
    write(&mut file)?;
    file.flush()
}

/// Where the links lead that stand at `path`, whether or not a file is there. Where everybody may put one they are
/// not followed: then somebody else's would choose what is written over.
fn linked(path: &Path) -> PathBuf {
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match std::fs::read_link(&path) {
            Ok(to) if !is_for_everybody(folder_of(&path)) => path = folder_of(&path).join(to),
            Ok(_) | Err(_) => break,
        }
    }
    path
}

fn is_for_everybody(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const OTHERS_WRITE: u32 = 0o002;
        std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & OTHERS_WRITE != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
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

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_pipes_stay_pipes() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let written =
            |name: &str| write_whole(&at(name), Readers::AsUsual, |out| out.write_all(name.as_bytes()));
        std::fs::create_dir(at("kept")).unwrap();
        symlink("kept/today.json", at("link")).unwrap();
        symlink("link", at("other")).unwrap();
        for name in ["link", "other"] {
            written(name).unwrap();
            assert!(std::fs::symlink_metadata(at(name)).unwrap().is_symlink());
            assert_eq!(std::fs::read_to_string(at("kept/today.json")).unwrap(), name);
        }

        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || std::fs::read_to_string(pipe).unwrap()
        });
        written("pipe").unwrap();
        assert_eq!(reader.join().unwrap(), "pipe");
        assert!(std::fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());

        // Anybody may have put this link there.
        std::fs::create_dir(at("open")).unwrap();
        std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("../kept/today.json", at("open/link")).unwrap();
        written("open/link").unwrap();
        assert_eq!(std::fs::read_to_string(at("kept/today.json")).unwrap(), "other");
        assert_eq!(std::fs::read_to_string(at("open/link")).unwrap(), "open/link");
    }

    #[cfg(unix)]
    #[test]
    fn what_can_not_be_written_is_named() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let failed = write_whole(full, Readers::AsUsual, |out| out.write_all(b"one")).unwrap_err();
        assert!(failed.to_string().contains("/dev/full: "), "{failed}");
    }
}
