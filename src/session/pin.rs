//! Writing a pinned certificate into the state, at the one line that `init` left for it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::declare::{self, Connection, Declared, Trust};
use crate::model::{Hexadecimal, ServerName};

/// What `init` writes in the place of `trust`. Nobody writes such a line by accident, so replacing it edits no
/// person's words.
pub fn trust_comes_here(server: &str) -> String {
    format!("    # trust: comes here with `kedrctl register {server}`")
}

/// The line that pins this certificate, for a server's block.
pub fn trust_line(fingerprint: &[u8; 32]) -> String {
    format!("    trust: {{ sha256: \"{}\" }}", Hexadecimal(fingerprint))
}

/// A place for a server's `trust`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPlace {
    /// The file that declares the server, as messages call it.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    before: String,
}

/// Why the fingerprint was not written into the file.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file could not be replaced; it is as it was.
    #[error("{} cannot be written: {cause}", .path.display())]
    Write {
        /// The file that declares the server, as messages call it.
        path: PathBuf,
        /// Of reading or replacing it; also that somebody changed it meanwhile.
        cause: io::Error,
    },
    /// More than this `trust` would have been different, or the state an error; the file is as it was.
    #[error("{} was not changed: with the line in it, the state would not be what it is now with that `trust`", .0.display())]
    OtherState(PathBuf),
    /// As `OtherState`, and the line stands in the file all the same.
    #[error(
        "{} has the certificate pinned in line {line} now, though the state is then not what it should be, and could not \
         be put back: {cause}; mend that line by hand", .path.display()
    )]
    NotPutBack {
        /// The file that declares the server, as messages call it.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Of reading or replacing it; also that somebody changed it meanwhile.
        cause: io::Error,
    },
}

/// Where `init` left a line for this server's `trust`; `None` where there is none, or more than one.
pub fn trust_place(declared: &Declared, server: &ServerName) -> Option<TrustPlace> {
    let origin = &declared.servers.get(server)?.origin;
    let path = PathBuf::from(&*origin.file);
    let Ok(before) = fs::read_to_string(&path) else { return None };
    let wanted = trust_comes_here(server.as_str());
    let lines: Vec<usize> =
        before.lines().zip(1..).filter(|(line, _)| *line == wanted).map(|(_, number)| number).collect();
    match lines.as_slice() {
        [line] => Some(TrustPlace { path, line: *line, before }),
        [] | [_, _, ..] => None,
    }
}

/// Replaces that line, and reads the state again: nothing but this `trust` may be different in it, else the file is
/// put back as it was.
///
/// # Errors
/// See [`PinError`].
pub fn pin(
    place: &TrustPlace,
    paths: &[PathBuf],
    declared: &Declared,
    server: &ServerName,
    fingerprint: &[u8; 32],
) -> Result<(), PinError> {
    let failed = |cause| PinError::Write { path: place.path.clone(), cause };
    let after = place.before.replacen(&trust_comes_here(server.as_str()), &trust_line(fingerprint), 1);
    replace(&place.path, &place.before, &after).map_err(failed)?;
    let mut wanted = declared.clone();
    if let Some(Connection::CentralNode(node)) =
        wanted.servers.get_mut(server).map(|server| &mut server.connection)
    {
        node.trust = Some(Trust::Pinned(*fingerprint));
    }
    let is_as_wanted =
        declare::read(paths).declared.is_some_and(|read| format!("{read:?}") == format!("{wanted:?}"));
    if is_as_wanted {
        return Ok(());
    }
    replace(&place.path, &after, &place.before).map_err(|cause| PinError::NotPutBack {
        path: place.path.clone(),
        line: place.line,
        cause,
    })?;
    Err(PinError::OtherState(place.path.clone()))
}

/// Only where the file still is as it was read: somebody may have an editor open.
fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize()?;
    if fs::read_to_string(&path)? != before {
        return Err(io::Error::other("it was changed meanwhile"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(after.as_bytes())?;
    file.as_file().set_permissions(fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}
