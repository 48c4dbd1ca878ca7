//! From a declared server to a client: credentials are read, a simulator is started.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl_simulator::Simulator;

use super::secrets::{AskPassphrase, Secrets};
use crate::central_node::{Endpoint, EndpointError, HttpsCentralNode, Limits, Pem, SecretPem, Trust, Watch};
use crate::declare::{self, CentralNodeAddress, Connection, DeclaredServer};
use crate::model::{Origin, ServerKey, ServerName};

/// A server that can be asked. Nothing was sent yet.
///
/// `C` is how it is asked: over HTTPS, by a snapshot of what was read, or in tests from memory.
#[derive(Debug)]
pub struct Connected<C = HttpsCentralNode> {
    /// As the files call it; it is not sent.
    pub name: ServerName,
    /// The first URL, or `simulator` and its fleet file.
    pub address: String,
    /// Where the files declare it.
    pub origin: Origin,
    /// What it is in the record: by its first URL, or by the simulator's world.
    pub key: ServerKey,
    /// What every call goes through.
    pub client: C,
    /// Most requests in flight at once: as declared, or fewer by `--parallel`.
    pub concurrency: usize,
    /// How far its clock may be from ours before nothing that hangs on an instant is decided.
    pub clock_tolerance: SignedDuration,
    /// Lives as long as the connection.
    pub simulator: Option<Simulator>,
}

/// What a connection is made with, beside what the files say.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `--allow-commands`: a state file may run programs for its credentials.
    pub allow_commands: bool,
    /// The time of simulated worlds; tests move it.
    pub simulator_clock: kedrctl_simulator::Clock,
    /// How long answers may take, how large they may be, and how reads are repeated.
    pub limits: Limits,
    /// `--parallel`: no more requests at once than this, whatever is declared.
    pub parallel: Option<NonZeroUsize>,
    /// Who sees every exchange (`-v`).
    pub watch: Option<Arc<dyn Watch>>,
    /// Who may be asked for the passphrase of an encrypted key; `None`: nobody.
    pub ask_passphrase: Option<Arc<dyn AskPassphrase>>,
}

impl Default for ConnectOptions {
    /// As without any flag, in a job.
    fn default() -> Self {
        Self {
            allow_commands: false,
            simulator_clock: kedrctl_simulator::Clock::wall(),
            limits: Limits::default(),
            parallel: None,
            watch: None,
            ask_passphrase: None,
        }
    }
}

/// Why a server cannot even be asked: files and credentials, nothing of the network (exit 1).
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// All could be read, and no client can be made of it.
    #[error("server `{server}`: {cause}")]
    Endpoint {
        /// As the files call it.
        server: ServerName,
        /// What is not usable: an address, a certificate, the key, its passphrase, …
        cause: EndpointError,
    },
    /// The files name a file that is not there, or that we may not read.
    #[error("server `{server}`: {what} {path} cannot be read: {cause}{}", remedy(what, cause, server), path = .path.display())]
    File {
        /// As the files call it.
        server: ServerName,
        /// What should be read: `the client key`, `the client certificate`, `the certificate authority`.
        what: &'static str,
        /// As it is opened: joined to the folder of the state file that names it.
        path: PathBuf,
        /// Of opening or reading it.
        cause: io::Error,
    },
    /// The files name a variable that this process does not have.
    #[error("server `{server}`: {what} should be in the environment variable {variable}, which is {why}")]
    Env {
        /// As the files call it.
        server: ServerName,
        /// What should be read: as of `File`, or `the passphrase of the client key`.
        what: &'static str,
        /// Its name, as the files write it.
        variable: String,
        /// `not set`, or `not UTF-8`: what it holds is a secret.
        why: &'static str,
    },
    /// The files name a program, and nobody said that it may run; it was not started.
    #[error(
        "server `{server}`: {what} would come from the program `{program}`; programs run only with `--allow-commands`"
    )]
    CommandsNotAllowed {
        /// As the files call it.
        server: ServerName,
        /// What should be read: as of `File`, or `the passphrase of the client key`.
        what: &'static str,
        /// The first word of the command, without its arguments.
        program: String,
    },
    /// The program was allowed to run, and could not be started or failed.
    #[error("server `{server}`: {what} should come from the program `{program}`: {why}")]
    Command {
        /// As the files call it.
        server: ServerName,
        /// What should be read: as of `File`, or `the passphrase of the client key`.
        what: &'static str,
        /// The first word of the command, without its arguments.
        program: String,
        /// Why it was not started, or the status that it ended with.
        why: String,
    },
    /// The mode of the key file lets others than its user at it; it was not read.
    #[error(
        "server `{server}`: others can read the client key {path} (mode {mode:03o}), and whoever has it can isolate \
         every host: `chmod 600 {path}`; if others may have read it, make a new one and register anew",
        path = .path.display()
    )]
    KeyIsOpen {
        /// As the files call it.
        server: ServerName,
        /// As it is opened: joined to the folder of the state file that names it.
        path: PathBuf,
        /// Its permission bits, nothing else of its mode: `0o644`.
        mode: u32,
    },
    /// The key is encrypted, the files say no passphrase, and nobody can be asked for it.
    #[error(
        "server `{server}`: the client key in {key} is encrypted, and there is no terminal to ask for its passphrase: \
         say where it comes from with `client_key_passphrase: {{ env: … }}` or `{{ command: […] }}`"
    )]
    NoPassphrase {
        /// As the files call it.
        server: ServerName,
        /// Words for where the key comes from: a path, `the environment variable KEDRCTL_HQ_KEY`, …
        key: String,
    },
    /// A person was asked, and the terminal failed or they pressed Ctrl-C.
    #[error("server `{server}`: the passphrase of the client key in {key} was not given: {cause}")]
    NotAsked {
        /// As the files call it.
        server: ServerName,
        /// Words for where the key comes from: a path, `the environment variable KEDRCTL_HQ_KEY`, …
        key: String,
        /// Of the terminal; [`io::ErrorKind::Interrupted`]: Ctrl-C (exit 130).
        cause: io::Error,
    },
    /// The files say a passphrase for a key that has none: one of the two is a mistake.
    #[error(
        "server `{server}`: the client key in {key} is not encrypted, and `client_key_passphrase` is given: take it \
         out, or encrypt the key with `openssl pkcs8 -topk8 -in OLD -out NEW`"
    )]
    NotEncrypted {
        /// As the files call it.
        server: ServerName,
        /// Words for where the key comes from: a path, `the environment variable KEDRCTL_HQ_KEY`, …
        key: String,
    },
    /// The files do not say which certificate is believed: only `register` may talk to this server.
    #[error(
        "server `{server}` has no `trust`: nobody has said yet which certificate is the server's; \
         `kedrctl register {server}` shows it and writes it down"
    )]
    NoTrust {
        /// As the files call it.
        server: ServerName,
    },
    /// There is no server to ask: the one that should run in this process does not.
    #[error("server `{server}`: the simulator could not be started: {why}")]
    Simulator {
        /// As the files call it.
        server: ServerName,
        /// The simulator's error with its causes, on one line.
        why: String,
    },
}

const CERTIFICATE_AUTHORITY: &str = "the certificate authority";

/// What to do about a file that cannot be read. The authority is the server's: nobody can make it here.
fn remedy(what: &str, cause: &io::Error, server: &ServerName) -> String {
    if cause.kind() == io::ErrorKind::NotFound && what != CERTIFICATE_AUTHORITY {
        format!("; `kedrctl register {server}` makes what is missing")
    } else {
        String::new()
    }
}

impl ConnectError {
    /// The server that can not be asked.
    pub fn server(&self) -> &ServerName {
        match self {
            Self::Endpoint { server, .. }
            | Self::File { server, .. }
            | Self::Env { server, .. }
            | Self::CommandsNotAllowed { server, .. }
            | Self::Command { server, .. }
            | Self::KeyIsOpen { server, .. }
            | Self::NoPassphrase { server, .. }
            | Self::NotAsked { server, .. }
            | Self::NotEncrypted { server, .. }
            | Self::NoTrust { server }
            | Self::Simulator { server, .. } => server,
        }
    }
}

/// Makes the client for one declared server.
///
/// # Errors
/// What is wrong with its files and credentials.
pub fn connect(server: &DeclaredServer, options: &ConnectOptions) -> Result<Connected, ConnectError> {
    let name = server.name.clone();
    let concurrency =
        options.parallel.map_or(server.concurrency, |parallel| parallel.get().min(server.concurrency));
    let (endpoint, address, key, simulator) = match &server.connection {
        Connection::CentralNode(node) => {
            let endpoint = Endpoint { concurrency, ..endpoint(server, node, options)? };
            let address = node.urls.first().map(ToString::to_string).unwrap_or_default();
            let Some(key) = declared_key(server) else {
                return Err(ConnectError::Endpoint { server: name, cause: EndpointError::NoAddress });
            };
            (endpoint, address, key, None)
        }
        Connection::Simulator { fleet } => {
            let started = kedrctl_simulator::Options {
                clock: options.simulator_clock.clone(),
                ..kedrctl_simulator::Options::default()
            };
            let simulator = Simulator::start(fleet, started)
                .map_err(|error| ConnectError::Simulator { server: name.clone(), why: chain(&error) })?;
            let key = ServerKey::of_simulator(simulator.world_id());
            let address = format!("simulator {}", fleet.display());
            (simulated_endpoint(&simulator, concurrency), address, key, Some(simulator))
        }
    };
    let client = HttpsCentralNode::new(&endpoint, options.limits)
        .map_err(|cause| ConnectError::Endpoint { server: name.clone(), cause })?;
    let client = match &options.watch {
        Some(watch) => client.watched_by(Arc::clone(watch)),
        None => client,
    };
    Ok(Connected {
        name,
        address,
        origin: server.origin.clone(),
        key,
        client,
        concurrency,
        clock_tolerance: server.clock_tolerance,
        simulator,
    })
}

/// A server's identity in the record, where its declaration tells it: a simulator has one only once it runs.
pub fn declared_key(server: &DeclaredServer) -> Option<ServerKey> {
    match &server.connection {
        Connection::CentralNode(node) => {
            node.urls.first().map(|url| ServerKey::of_address(&url.host, url.port))
        }
        Connection::Simulator { .. } => None,
    }
}

fn endpoint(
    server: &DeclaredServer,
    node: &CentralNodeAddress,
    options: &ConnectOptions,
) -> Result<Endpoint, ConnectError> {
    let secrets = Secrets { server: &server.name, options };
    let trust = match &node.trust {
        None => return Err(ConnectError::NoTrust { server: server.name.clone() }),
        Some(declare::Trust::System) => Trust::System,
        Some(declare::Trust::Pinned(pin)) => Trust::Pinned(*pin),
        Some(declare::Trust::Ca(source)) => {
            let (source, text) = secrets.pem(CERTIFICATE_AUTHORITY, source)?;
            Trust::Ca(Pem { source, text })
        }
    };
    let (source, text) = secrets.pem("the client certificate", &node.client_certificate)?;
    Ok(Endpoint {
        urls: node.urls.iter().map(|url| (url.host.clone(), url.port)).collect(),
        external_system_id: node.external_system_id.to_string(),
        certificate: Pem { source, text },
        key: secrets.key(node)?,
        trust,
        concurrency: server.concurrency,
    })
}

/// The same HTTPS as for anybody else: a certificate of our own, the server's pinned.
fn simulated_endpoint(simulator: &Simulator, concurrency: usize) -> Endpoint {
    let credentials = simulator.credentials();
    let address = simulator.address();
    Endpoint {
        urls: vec![(address.ip().to_string(), address.port())],
        external_system_id: credentials.external_system_id.clone(),
        certificate: Pem {
            source: "the simulator's client certificate".to_owned(),
            text: credentials.certificate_pem.clone().into_bytes(),
        },
        key: SecretPem::new("the simulator's client key", credentials.key_pem.clone().into_bytes()),
        trust: Trust::Ca(Pem {
            source: "the simulator's server certificate".to_owned(),
            text: simulator.certificate_pem().as_bytes().to_vec(),
        }),
        concurrency,
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_at_once_than_declared_and_than_the_run_may() {
        let place = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = place.path().join(name);
            #[expect(clippy::disallowed_methods, reason = "a partial file is no worse than none to a test")]
            std::fs::write(&path, text).unwrap();
            path
        };
        put("fleet.yaml", "hosts: [{ name: WS-1 }]");
        let state =
            put("state.yaml", "version: 1\nservers: { lab: { simulator: fleet.yaml, concurrency: 8 } }\n");
        let declared = declare::read(&[state]).declared.unwrap();
        let at_once = |parallel| {
            let parallel = NonZeroUsize::new(parallel);
            let options = ConnectOptions { parallel, ..ConnectOptions::default() };
            connect(declared.servers.values().next().unwrap(), &options).unwrap().concurrency
        };
        assert_eq!([0, 3, 8, 50].map(at_once), [8, 3, 8, 8]);
    }
}
