//! The servers that a command is about, with what the record knows of them. One whose chain cannot be read holds up no
//! other.

use std::collections::{BTreeMap, BTreeSet};

use super::Exit;
use super::flags::ScopeFlags;
use super::start::{Failure, connect_options, connected_by, nothing_selected, record_exit, survey_options};
use crate::declare::Declared;
use crate::model::ServerName;
use crate::record::{AnyStore, Record, RecordError, Recorded};
use crate::session::{ApplyError, ConnectOptions, Connected, chain, declared_key, has_ours};
use crate::terminal::Ui;

pub(super) struct Managed {
    pub(super) servers: Vec<Connected>,
    pub(super) recorded: BTreeMap<ServerName, Recorded>,
    /// Those of the servers whose chain cannot be read.
    pub(super) left_out: BTreeMap<ServerName, RecordError>,
}

/// The servers that there is something to manage on: those that a host or a group is declared on, and those where the
/// record shows something of ours, which may be left behind, or cannot tell. Under `--limit`, those that may have a host
/// that is selected, as far as the files tell. No other is locked, read or asked.
pub(super) async fn managed(
    ui: &Ui,
    declared: &Declared,
    scope: &ScopeFlags,
    record: &Record<AnyStore>,
) -> Result<Managed, Failure> {
    let limit = survey_options(scope, false)?.limit.map(|pattern| pattern.servers(declared)).transpose()?;
    let is_limited = limit.is_some();
    let has_hosts: BTreeSet<ServerName> = limit.unwrap_or_else(|| {
        declared.servers.keys().filter(|server| declared.manages(server)).cloned().collect()
    });
    let only = &scope.servers.only;
    let mut is_needed = has_hosts.clone();
    is_needed.extend(only.iter().map(|name| ServerName::new(name.as_str())));
    let mut read = BTreeMap::new();
    for server in declared.servers.values().filter(|_| !is_limited) {
        // A simulator has a key only once it runs.
        if let Some(key) = declared_key(server) {
            let recorded = record.read(&key).await;
            if recorded.as_ref().map_or(true, |recorded| has_ours(recorded, &declared.owner)) {
                is_needed.insert(server.name.clone());
            }
            read.insert(server.name.clone(), recorded);
        }
    }
    let may_fail = |server: &ServerName| !is_needed.contains(server);
    let is_asked = |server: &ServerName| !is_limited || has_hosts.contains(server);
    let options = options(ui, scope);
    let mut servers = connected_by(&options, declared, only, is_asked, may_fail)?;
    let (mut known, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    for server in &servers {
        let recorded = match read.remove(&server.name) {
            Some(recorded) => recorded,
            None => record.read(&server.key).await,
        };
        match recorded {
            Ok(recorded) => {
                let is_managed =
                    has_hosts.contains(&server.name) || (!is_limited && has_ours(&recorded, &declared.owner));
                if is_managed {
                    known.insert(server.name.clone(), recorded);
                }
            }
            Err(error) => drop(left_out.insert(server.name.clone(), error)),
        }
    }
    servers.retain(|server| known.contains_key(&server.name) || left_out.contains_key(&server.name));
    let what = if is_limited { "no host that `--limit` selects" } else { "no host" };
    nothing_selected(only, what, |name| known.contains_key(name) || left_out.contains_key(name))?;
    if known.is_empty() && !left_out.is_empty() {
        return Err(none_works(ui, left_out));
    }
    Ok(Managed { servers, recorded: known, left_out })
}

/// Every server that `--server` names, or all, whatever is declared on it.
pub(super) async fn every_server(
    ui: &Ui,
    declared: &Declared,
    scope: &ScopeFlags,
    record: &Record<AnyStore>,
) -> Result<Managed, Failure> {
    let servers = connected_by(&options(ui, scope), declared, &scope.servers.only, |_| true, |_| false)?;
    let (recorded, left_out) = read_each(record, &servers).await;
    if recorded.is_empty() && !left_out.is_empty() {
        return Err(none_works(ui, left_out));
    }
    Ok(Managed { servers, recorded, left_out })
}

/// What the record knows of each of these servers, and those whose chain cannot be read.
pub(super) async fn read_each(
    record: &Record<AnyStore>,
    servers: &[Connected],
) -> (BTreeMap<ServerName, Recorded>, BTreeMap<ServerName, RecordError>) {
    let (mut recorded, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    for server in servers {
        match record.read(&server.key).await {
            Ok(known) => drop(recorded.insert(server.name.clone(), known)),
            Err(error) => drop(left_out.insert(server.name.clone(), error)),
        }
    }
    (recorded, left_out)
}

fn options(ui: &Ui, scope: &ScopeFlags) -> ConnectOptions {
    let parallel = scope.parallel.parallel;
    ConnectOptions { parallel, ..connect_options(ui, scope.servers.allow_commands) }
}

/// Without any server there is nothing to show: what is wrong with each is said, and decides how it ends.
pub(super) fn none_works(ui: &Ui, left_out: BTreeMap<ServerName, RecordError>) -> Failure {
    let worst = Exit::of(left_out.values().map(record_exit));
    let mut failure = None;
    for (server, cause) in left_out {
        if failure.is_none() && record_exit(&cause) == worst {
            failure = Some((server, cause));
        } else {
            ui.error(&format!("server `{server}`: {}", chain(&cause)));
        }
    }
    match failure {
        Some((server, cause)) => Failure::Apply(ApplyError::Record { server, cause }),
        None => Failure::Usage("no server is left".to_owned()),
    }
}
