//! How a server is reached and trusted, and where the client's key and certificate come from: never these themselves.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::declare::{self, CentralNodeAddress, PassphraseSource, PemSource, ServerUrl};
use crate::model::Hexadecimal;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Connection {
    CentralNode {
        /// The first that answers is used.
        urls: Vec<Url>,
        external_system_id: String,
        client_certificate: Pem,
        client_key: Pem,
        /// `null`: the key is not encrypted, or a person is asked.
        client_key_passphrase: Option<Passphrase>,
        /// Why the server's certificate is believed; `null`: nobody has said yet.
        trust: Option<Trust>,
    },
    /// One that runs inside the process.
    Simulator {
        /// Its fleet file; an absolute path.
        fleet: String,
    },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Url {
    host: String,
    port: u16,
}

/// Where a PEM text comes from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pem {
    /// An absolute path.
    File(String),
    /// The environment variable that holds the text.
    Env(String),
    /// The program, with its arguments, that prints the text; runs only with `--allow-commands`.
    Command(Vec<String>),
}

/// Where a passphrase comes from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Passphrase {
    Env(String),
    Command(Vec<String>),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trust {
    /// Signed by one of these authorities.
    Ca(Pem),
    /// Exactly this certificate, by the SHA-256 of its DER.
    Sha256(String),
    /// Signed by an authority that the operating system trusts.
    System,
}

impl Connection {
    /// # Errors
    /// A path that is no text.
    pub(super) fn of(connection: &declare::Connection) -> Result<Self, PathBuf> {
        Ok(match connection {
            declare::Connection::Simulator { fleet } => Self::Simulator { fleet: text(fleet)? },
            declare::Connection::CentralNode(node) => Self::CentralNode {
                urls: node.urls.iter().map(|url| Url { host: url.host.clone(), port: url.port }).collect(),
                external_system_id: node.external_system_id.to_string(),
                client_certificate: Pem::of(&node.client_certificate)?,
                client_key: Pem::of(&node.client_key)?,
                client_key_passphrase: node.client_key_passphrase.as_ref().map(|source| match source {
                    PassphraseSource::Env(name) => Passphrase::Env(name.clone()),
                    PassphraseSource::Command(words) => Passphrase::Command(words.clone()),
                }),
                trust: match &node.trust {
                    None => None,
                    Some(declare::Trust::System) => Some(Trust::System),
                    Some(declare::Trust::Ca(source)) => Some(Trust::Ca(Pem::of(source)?)),
                    Some(declare::Trust::Pinned(pin)) => Some(Trust::Sha256(Hexadecimal(pin).to_string())),
                },
            },
        })
    }

    pub(super) fn declared(self) -> Result<declare::Connection, String> {
        Ok(match self {
            Self::Simulator { fleet } => declare::Connection::Simulator { fleet: absolute(fleet)? },
            Self::CentralNode {
                urls,
                external_system_id,
                client_certificate,
                client_key,
                client_key_passphrase,
                trust,
            } => {
                if urls.is_empty() {
                    return Err("a server without an address".to_owned());
                }
                declare::Connection::CentralNode(CentralNodeAddress {
                    urls: urls.into_iter().map(|Url { host, port }| ServerUrl { host, port }).collect(),
                    external_system_id: external_system_id.into(),
                    client_certificate: client_certificate.source()?,
                    client_key: client_key.source()?,
                    client_key_passphrase: client_key_passphrase.map(|source| match source {
                        Passphrase::Env(name) => PassphraseSource::Env(name),
                        Passphrase::Command(words) => PassphraseSource::Command(words),
                    }),
                    trust: match trust {
                        None => None,
                        Some(Trust::System) => Some(declare::Trust::System),
                        Some(Trust::Ca(source)) => Some(declare::Trust::Ca(source.source()?)),
                        Some(Trust::Sha256(digits)) => Some(declare::Trust::Pinned(pin(&digits)?)),
                    },
                })
            }
        })
    }
}

impl Pem {
    fn of(source: &PemSource) -> Result<Self, PathBuf> {
        Ok(match source {
            PemSource::File(path) => Self::File(text(path)?),
            PemSource::Env(name) => Self::Env(name.clone()),
            PemSource::Command(words) => Self::Command(words.clone()),
        })
    }

    fn source(self) -> Result<PemSource, String> {
        Ok(match self {
            Self::File(path) => PemSource::File(absolute(path)?),
            Self::Env(name) => PemSource::Env(name),
            Self::Command(words) => PemSource::Command(words),
        })
    }
}

/// # Errors
/// The path itself: it can not be written as text, and another one would be read.
pub(super) fn text(path: &Path) -> Result<String, PathBuf> {
    path.to_str().map(str::to_owned).ok_or_else(|| path.to_owned())
}

/// Whoever applies the file may stand elsewhere.
pub(super) fn absolute(path: String) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(format!("the path {} is not absolute", path.display())) }
}

fn pin(digits: &str) -> Result<[u8; 32], String> {
    match digits.parse() {
        Ok(crate::model::FileHash::Sha256(digest)) => Ok(digest),
        Ok(crate::model::FileHash::Md5(_)) | Err(_) => Err(format!("`{digits}` is no SHA-256")),
    }
}
