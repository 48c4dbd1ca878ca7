//! What `history`, `why` and `hold` begin with: the chains of the record that a question is about. No server is asked.

use super::start::{Failure, check_names};
use crate::declare::{Connection, Declared, DeclaredServer};
use crate::model::{ServerKey, ServerName, Target};
use crate::session::{ConnectOptions, connect, declared_key};

/// A declared server as the record knows it.
#[derive(Debug, Clone)]
pub(super) struct RecordedServer {
    pub(super) name: ServerName,
    pub(super) key: ServerKey,
}

/// The servers that `--server` names, or all.
pub(super) fn chains(declared: &Declared, only: &[String]) -> Result<Vec<RecordedServer>, Failure> {
    check_names(declared, only)?;
    let mut servers = Vec::new();
    for server in declared.servers.values() {
        if only.is_empty() || only.iter().any(|name| name == server.name.as_str()) {
            servers.push(RecordedServer { name: server.name.clone(), key: key(server)? });
        }
    }
    Ok(servers)
}

/// A simulator has a key only once it runs; it is stopped again right away.
fn key(server: &DeclaredServer) -> Result<ServerKey, Failure> {
    match (&server.connection, declared_key(server)) {
        (Connection::CentralNode(_), Some(key)) => Ok(key),
        (Connection::CentralNode(_) | Connection::Simulator { .. }, _) => {
            let options = ConnectOptions {
                allow_commands: false,
                simulator_clock: kedrctl_simulator::Clock::wall(),
                limits: crate::central_node::Limits::default(),
            };
            Ok(connect(server, &options)?.key)
        }
    }
}

/// `all@hq`: the rule for all hosts of a server, as `--limit` names it.
pub(super) fn all_hosts_of(word: &str, server: &ServerName) -> Option<Target> {
    (word.strip_prefix("all@") == Some(server.as_str())).then_some(Target::AllHosts)
}

/// What may have been meant by a name that nobody has.
pub(super) fn similar(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = names
        .into_iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", crate::model::Untrusted::new(name.as_ref()).printable()))
        .collect();
    if names.is_empty() { String::new() } else { format!("; it knows {}", names.join(", ")) }
}
