//! Reading what a state only points at: certificates, keys and their passphrases, from files, variables and programs.

use std::env::VarError;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::connect::{ConnectError, ConnectOptions};
use crate::central_node::{Encryption, EndpointError, SecretPem};
use crate::declare::{CentralNodeAddress, PassphraseSource, PemSource};
use crate::model::ServerName;

/// How often a person may try a passphrase, as with `ssh`.
const TRIES: usize = 3;

/// Asks a person for the passphrase of a key.
pub trait AskPassphrase: fmt::Debug + Send + Sync {
    /// `None`: there is nobody to ask. `key` says which key; it is safe to print.
    ///
    /// # Errors
    /// Those of the terminal, and [`io::ErrorKind::Interrupted`] for Ctrl-C.
    fn ask(&self, key: &str) -> io::Result<Option<Zeroizing<String>>>;
}

/// Reads what belongs to one server.
pub(super) struct Secrets<'a> {
    pub(super) server: &'a ServerName,
    pub(super) options: &'a ConnectOptions,
}

impl Secrets<'_> {
    /// The PEM text, with the words by which messages call the place that it came from.
    pub(super) fn pem(
        &self,
        what: &'static str,
        source: &PemSource,
    ) -> Result<(String, Vec<u8>), ConnectError> {
        match source {
            PemSource::File(path) => {
                let mut text = Vec::new();
                match File::open(path).and_then(|mut file| file.read_to_end(&mut text)) {
                    Ok(_length) => Ok((path.display().to_string(), text)),
                    Err(cause) => Err(self.unreadable(what, path, cause)),
                }
            }
            PemSource::Env(variable) => {
                Ok((format!("the environment variable {variable}"), self.env(what, variable)?.into_bytes()))
            }
            PemSource::Command(words) => Ok((output_of(words), self.command(what, words)?)),
        }
    }

    /// The client's key, in the clear.
    pub(super) fn key(&self, node: &CentralNodeAddress) -> Result<SecretPem, ConnectError> {
        const KEY: &str = "the client key";
        let (source, text) = match &node.client_key {
            PemSource::File(path) => (path.display().to_string(), self.key_file(KEY, path)?),
            PemSource::Env(_) | PemSource::Command(_) => self.pem(KEY, &node.client_key)?,
        };
        let key = SecretPem::new(source, text);
        match (key.encryption(), &node.client_key_passphrase) {
            (Encryption::Pkcs8, Some(source)) => {
                let passphrase = self.passphrase(source)?;
                key.unlocked(&passphrase).map_err(|cause| self.endpoint(cause))
            }
            (Encryption::Pkcs8, None) => self.unlocked_by_a_person(&key),
            (Encryption::None, Some(_)) => {
                Err(ConnectError::NotEncrypted { server: self.server.clone(), key: key.source })
            }
            // The second is refused with what to do by whoever uses the key.
            (Encryption::None, None) | (Encryption::Traditional, _) => Ok(key),
        }
    }

    fn unlocked_by_a_person(&self, key: &SecretPem) -> Result<SecretPem, ConnectError> {
        let nobody = || ConnectError::NoPassphrase { server: self.server.clone(), key: key.source.clone() };
        let ask = self.options.ask_passphrase.as_ref().ok_or_else(nobody)?;
        let mut last = None;
        for _try in 0..TRIES {
            let asked = ask.ask(&key.source).map_err(|cause| ConnectError::NotAsked {
                server: self.server.clone(),
                key: key.source.clone(),
                cause,
            })?;
            match key.unlocked(asked.ok_or_else(nobody)?.as_bytes()) {
                Err(wrong @ EndpointError::WrongPassphrase { .. }) => last = Some(wrong),
                unlocked => return unlocked.map_err(|cause| self.endpoint(cause)),
            }
        }
        let wrong = EndpointError::WrongPassphrase { source_name: key.source.clone() };
        Err(self.endpoint(last.unwrap_or(wrong)))
    }

    fn passphrase(&self, source: &PassphraseSource) -> Result<Zeroizing<Vec<u8>>, ConnectError> {
        const PASSPHRASE: &str = "the passphrase of the client key";
        match source {
            PassphraseSource::Env(variable) => {
                Ok(Zeroizing::new(self.env(PASSPHRASE, variable)?.into_bytes()))
            }
            PassphraseSource::Command(words) => {
                let mut text = Zeroizing::new(self.command(PASSPHRASE, words)?);
                // Programs end their output with a line break, which nobody means.
                if text.last() == Some(&b'\n') {
                    text.pop();
                    if text.last() == Some(&b'\r') {
                        text.pop();
                    }
                }
                Ok(text)
            }
        }
    }

    /// A key that others can read may be theirs already.
    fn key_file(&self, what: &'static str, path: &Path) -> Result<Vec<u8>, ConnectError> {
        let mut text = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            let mode = too_open(&file)?;
            if mode.is_none() {
                file.read_to_end(&mut text)?;
            }
            Ok(mode)
        });
        match read {
            Ok(None) => Ok(text),
            Ok(Some(mode)) => {
                Err(ConnectError::KeyIsOpen { server: self.server.clone(), path: path.to_owned(), mode })
            }
            Err(cause) => Err(self.unreadable(what, path, cause)),
        }
    }

    fn env(&self, what: &'static str, variable: &str) -> Result<String, ConnectError> {
        std::env::var(variable).map_err(|cause| ConnectError::Env {
            server: self.server.clone(),
            what,
            variable: variable.to_owned(),
            why: match cause {
                VarError::NotPresent => "not set",
                VarError::NotUnicode(_secret) => "not UTF-8",
            },
        })
    }

    fn command(&self, what: &'static str, words: &[String]) -> Result<Vec<u8>, ConnectError> {
        let server = || self.server.clone();
        let program = words.first().cloned().unwrap_or_default();
        if !self.options.allow_commands {
            return Err(ConnectError::CommandsNotAllowed { server: server(), what, program });
        }
        run(words).map_err(|why| ConnectError::Command { server: server(), what, program, why })
    }

    fn unreadable(&self, what: &'static str, path: &Path, cause: io::Error) -> ConnectError {
        ConnectError::File { server: self.server.clone(), what, path: path.to_owned(), cause }
    }

    fn endpoint(&self, cause: EndpointError) -> ConnectError {
        ConnectError::Endpoint { server: self.server.clone(), cause }
    }
}

/// The mode of a key file that others than its user can read. As with libpq, a file of root may be readable by its
/// group: that is how a program without root's rights is given one, by Kubernetes for example.
#[cfg(unix)]
fn too_open(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    // A pipe such as `<(vault …)` is nobody else's.
    if !metadata.is_file() {
        return Ok(None);
    }
    let is_given_by_root = metadata.uid() == 0 && !rustix::process::geteuid().is_root();
    let others = if is_given_by_root { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o777;
    Ok((mode & others != 0).then_some(mode))
}

/// Windows has no such bits; a file there has the access list of its folder.
#[cfg(not(unix))]
fn too_open(_file: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

fn output_of(words: &[String]) -> String {
    format!("the output of `{}`", words.first().map_or("", String::as_str))
}

/// The program's standard output; what it says on its standard error goes to ours.
fn run(words: &[String]) -> Result<Vec<u8>, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("no program is named".to_owned());
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("it ended with {}", output.status))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const KEY: &[u8] = include_bytes!("../central_node/tests/encrypted.key");

    /// What a person types, the last first; then nobody is there.
    #[derive(Debug)]
    struct Types(Mutex<Vec<&'static str>>);

    impl AskPassphrase for Types {
        fn ask(&self, key: &str) -> io::Result<Option<Zeroizing<String>>> {
            assert_eq!(key, "hq.key");
            match self.0.lock().unwrap().pop() {
                Some("^C") => Err(io::ErrorKind::Interrupted.into()),
                typed => Ok(typed.map(|typed| Zeroizing::new(typed.to_owned()))),
            }
        }
    }

    #[test]
    fn a_person_may_mistype_as_often_as_with_ssh() {
        let unlocked = |typed: &[&'static str]| {
            let person = Types(Mutex::new(typed.iter().rev().copied().collect()));
            let options =
                ConnectOptions { ask_passphrase: Some(Arc::new(person)), ..ConnectOptions::default() };
            let secrets = Secrets { server: &ServerName::new("hq"), options: &options };
            secrets.unlocked_by_a_person(&SecretPem::new("hq.key", KEY.to_vec()))
        };
        let (right, wrong) = ("correct", "wrong");
        for typed in [&[right][..], &[wrong, right], &[wrong, wrong, right]] {
            assert_eq!(unlocked(typed).unwrap().encryption(), Encryption::None, "{typed:?}");
        }
        let too_often = unlocked(&[wrong, wrong, wrong, right]);
        assert!(
            matches!(
                &too_often,
                Err(ConnectError::Endpoint { cause: EndpointError::WrongPassphrase { .. }, .. })
            ),
            "{too_often:?}"
        );
        assert!(matches!(unlocked(&[wrong]), Err(ConnectError::NoPassphrase { .. })), "nobody answers");
        assert!(matches!(unlocked(&["^C"]), Err(ConnectError::NotAsked { .. })));
    }
}
