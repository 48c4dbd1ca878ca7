//! What is declared: hosts that are not isolated, each with the same rule of a hundred files.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

pub(crate) const HASHES: usize = 100;
/// Nobody reviews longer ones.
const HOSTS_IN_A_FILE: usize = 1_000;
/// The most requests at once, of every contestant that can send several.
pub(crate) const CONCURRENCY: usize = 32;

/// A host, as its server lists it.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) sensor: Uuid,
}

/// What a client needs, beside the address.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) external_system_id: String,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    /// Of the server's certificate, which is pinned.
    pub(crate) server_sha256: String,
}

/// What stands in the rules of the hosts before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All that is declared, but one file in a hundred hosts lacks: what a plan meets on most days.
    NearlyAll,
    /// Nothing: every host's rule has to be set.
    Nothing,
}

impl Standing {
    /// How many files are missing on the n-th host.
    pub(crate) fn missing(self, n: usize) -> usize {
        match self {
            Self::NearlyAll => usize::from(n.is_multiple_of(100)),
            Self::Nothing => HASHES,
        }
    }
}

/// Digits that are no number, as digests are none.
pub(crate) fn hash(n: usize) -> String {
    format!("{n:064x}").replacen("000", "abc", 1)
}

/// The rule without the first so many files, as the API writes it.
pub(crate) fn rule_json(missing: usize) -> String {
    let objects: Vec<String> =
        (missing..HASHES).map(|n| format!(r#"{{"file":{{"sha256":"{}"}}}}"#, hash(n))).collect();
    format!(r#"{{"settings":{{"objects":[{}]}}}}"#, objects.join(","))
}

pub(crate) fn isolation_path(host: &Host) -> String {
    format!("settings?sensor_id={}&settings_type=network_isolation", host.sensor)
}

pub(crate) fn prevention_path(host: &Host) -> String {
    format!("settings?sensor_id={}&settings_type=prevention", host.sensor)
}

/// A folder with a state and its client's key.
#[derive(Debug)]
pub(crate) struct State {
    folder: tempfile::TempDir,
}

impl State {
    pub(crate) fn new(hosts: &[Host], credentials: &Credentials) -> Self {
        let state = Self { folder: tempfile::tempdir().unwrap() };
        let list: Vec<String> = (0..HASHES).map(hash).collect();
        for (name, text) in [
            ("client.crt", credentials.certificate_pem.as_str()),
            ("client.key", &credentials.key_pem),
            ("all.txt", &list.join("\n")),
        ] {
            write(&state.path(name), text);
        }
        for (n, hosts) in hosts.chunks(HOSTS_IN_A_FILE).enumerate() {
            let mut text = "version: 1\nhosts:\n".to_owned();
            for host in hosts {
                writeln!(text, "  {}: {{ isolation: off, prevention: {{ block: [all] }} }}", host.name)
                    .unwrap();
            }
            write(&state.path(&format!("hosts-{n}.yaml")), &text);
        }
        state
    }

    /// The server is known by another address from now on.
    pub(crate) fn point_at(&self, url: &str, credentials: &Credentials) {
        let server = format!(
            "version: 1\nservers:\n  hq:\n    url: {url}\n    external_system_id: {}\n    client_certificate: client.crt\n    \
             client_key: client.key\n    trust: {{ sha256: \"{}\" }}\n    concurrency: {CONCURRENCY}\npolicy:\n  limits: {{ \
             hosts_changed: 100% }}\nhash_lists:\n  all: {{ file: all.txt }}\n",
            credentials.external_system_id, credentials.server_sha256
        );
        write(&self.path("server.yaml"), &server);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Nothing was ever done here.
    pub(crate) fn forget(&self) {
        let record = self.path(".kedrctl");
        if record.exists() {
            std::fs::remove_dir_all(record).unwrap();
        }
    }
}

/// For this user's eyes only: one of them is a key, and a key that others may read is refused.
pub(crate) fn write(path: &Path, text: &str) {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}
