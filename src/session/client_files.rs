//! Making the files by which a client is known, where a state names them and they are not there yet.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::connect::{ConnectError, ConnectOptions};
use super::secrets::Secrets;
use crate::central_node::{EndpointError, NewClient, certificate_for};
use crate::declare::{CentralNodeAddress, DeclaredServer, PemSource};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFiles {
    /// The new key file; `None`: the key was there, or comes from a variable or a program.
    pub key: Option<PathBuf>,
    /// The new certificate file; `None` as with the key.
    pub certificate: Option<PathBuf>,
}

/// Why there is no pair of certificate and key.
#[derive(Debug, thiserror::Error)]
pub enum ClientFilesError {
    /// The certificate is missing, and the key that it is to be made for can not be read or opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No key could be made, or no certificate for the key that is there.
    #[error("{0}")]
    Make(#[from] EndpointError),
    /// A certificate alone: a new key would not fit it.
    #[error(
        "the client certificate {} is there, and its key {} is not: put the key back, or remove the certificate and \
         register with a new one", .certificate.display(), .key.display()
    )]
    KeyIsGone {
        /// The certificate's file; where it is none, words for its source: `from a program`.
        certificate: PathBuf,
        /// The file that the files name, and that is not there.
        key: PathBuf,
    },
    /// A new file could not be put in its place; nothing was replaced.
    #[error("{} cannot be written: {cause}", .path.display())]
    Write {
        /// Where it should be.
        path: PathBuf,
        /// Of the file or of its folder; also that a file is there by now.
        cause: io::Error,
    },
}

/// Makes key and certificate of a server where both should be files and are missing; a certificate alone is made for
/// the key that is there. What comes from a variable or a program is not ours to make, and nothing is replaced.
///
/// # Errors
/// See [`ClientFilesError`].
pub fn make_client_files(
    server: &DeclaredServer,
    node: &CentralNodeAddress,
    options: &ConnectOptions,
    now: Timestamp,
) -> Result<MadeFiles, ClientFilesError> {
    let missing = |source: &PemSource| match source {
        PemSource::File(path) if !path.exists() => Some(path.clone()),
        PemSource::File(_) | PemSource::Env(_) | PemSource::Command(_) => None,
    };
    let (key, certificate) = (missing(&node.client_key), missing(&node.client_certificate));
    match (&key, &certificate) {
        (None, None) => {}
        (Some(key), Some(certificate)) => {
            let client = NewClient::make(now)?;
            write_new(key, client.key_pem.as_bytes(), Readers::Owner)?;
            write_new(certificate, client.certificate_pem.as_bytes(), Readers::All)?;
        }
        (None, Some(certificate)) => {
            let key = Secrets { server: &server.name, options }.key(node)?;
            write_new(certificate, certificate_for(&key, now)?.as_bytes(), Readers::All)?;
        }
        (Some(key), None) => {
            let certificate = match &node.client_certificate {
                PemSource::File(path) => path.clone(),
                PemSource::Env(name) => format!("in the environment variable {name}").into(),
                PemSource::Command(_) => "from a program".into(),
            };
            return Err(ClientFilesError::KeyIsGone { certificate, key: key.clone() });
        }
    }
    Ok(MadeFiles { key, certificate })
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// A key: mode 600, and its folder, where that is new too, mode 700. Only on Unix.
    Owner,
    /// Nothing secret: mode 644. Only on Unix.
    All,
}

/// Writes a file that is not there yet, whole or not at all.
///
/// # Errors
/// It is there, or its folder cannot be written.
pub fn write_new(path: &Path, text: &[u8], readers: Readers) -> Result<(), ClientFilesError> {
    let written = || {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        make_folder(folder, readers)?;
        // Temporary files are readable by their owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text)?;
        if readers == Readers::All {
            open_up(file.as_file())?;
        }
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|cause| ClientFilesError::Write { path: path.to_owned(), cause })
}

#[cfg(unix)]
fn make_folder(folder: &Path, readers: Readers) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if readers == Readers::All || folder.is_dir() {
        return fs::create_dir_all(folder);
    }
    // Only the folder of the secrets itself is closed, not the one that it stands in.
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path, _readers: Readers) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn open_up(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_up(_file: &fs::File) -> io::Result<()> {
    Ok(())
}
