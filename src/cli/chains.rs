//! What `history`, `why` and `hold` begin with: the chains of the record that a question is about. No server is asked.

use super::start::{Failure, server_keys};
use crate::declare::Declared;
use crate::model::{ServerKey, ServerName, Target, Untrusted};

/// A declared server as the record knows it.
#[derive(Debug, Clone)]
pub(super) struct RecordedServer {
    pub(super) name: ServerName,
    pub(super) key: ServerKey,
}

/// The servers that `--server` names, or all.
pub(super) fn chains(declared: &Declared, only: &[String]) -> Result<Vec<RecordedServer>, Failure> {
    let keys = server_keys(declared, only)?;
    Ok(keys.into_iter().map(|(name, key)| RecordedServer { name, key }).collect())
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
        .map(|name| format!("`{}`", Untrusted::new(name.as_ref()).printable()))
        .collect();
    if names.is_empty() { String::new() } else { format!("; it knows {}", names.join(", ")) }
}
