//! What most commands begin with: read the files, make clients, open the record.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::Exit;
use super::flags::{FileFlags, GuardFlags, ScopeFlags};
use crate::declare::{self, Declared, DeclaredServer};
use crate::diagnostic::{Look, draw};
use crate::guard::Rules;
use crate::model::{HostList, ServerName, Untrusted};
use crate::record::{FolderStore, Record, RecordError, Recorded};
use crate::resolve::{HostPattern, PatternError};
use crate::session::{ApplyError, ConnectError, ConnectOptions, Connected, SurveyOptions, connect};
use crate::terminal::Ui;

/// Why a command could not do what it is for. Its text is the whole message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What is wrong has been shown already.
    #[error("{0}")]
    Files(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("{}", chain(.0))]
    Record(RecordError),
    #[error("{}", chain(.0))]
    Apply(ApplyError),
    #[error("{0}")]
    Usage(String),
    #[error("the result could not be written: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Files(_) | Self::Connect(_) | Self::Pattern(_) | Self::Usage(_) | Self::Output(_) => {
                Exit::Error
            }
            Self::Record(cause) | Self::Apply(ApplyError::Record { cause, .. }) => match cause {
                RecordError::Unreachable { .. } => Exit::Unreachable,
                RecordError::Locked { .. } => Exit::Incomplete,
                RecordError::Damaged { .. }
                | RecordError::FromNewerVersion { .. }
                | RecordError::Collision { .. } => Exit::Error,
            },
        }
    }
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    crate::session::chain(error)
}

/// A runtime on this thread: the client needs no other, and half of the processor time stays with whoever else runs.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Reads the files and shows what is wrong with them.
pub(super) fn declared(ui: &Ui, files: &FileFlags) -> Result<Declared, Failure> {
    let read = declare::read(&files.paths());
    let look = Look { color: ui.err_palette().is_on(), ..Look::default() };
    for problem in &read.problems {
        ui.note(&format!("{}\n", draw(problem, &read.sources, look)));
    }
    let errors = read.problems.iter().filter(|problem| problem.is_error()).count();
    read.declared.ok_or_else(|| {
        Failure::Files(format!(
            "{} in the state; nothing was sent",
            if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
        ))
    })
}

/// Clients for the servers that the run is about.
pub(super) fn connected(
    declared: &Declared,
    only: &[String],
    allow_commands: bool,
    with_hosts_only: bool,
) -> Result<Vec<Connected>, Failure> {
    let options = ConnectOptions {
        allow_commands,
        simulator_clock: kedrctl_simulator::Clock::wall(),
        limits: crate::central_node::Limits::default(),
    };
    let wanted: Vec<ServerName> = only.iter().map(|name| ServerName::new(name.as_str())).collect();
    if let Some(unknown) = wanted.iter().find(|name| !declared.servers.contains_key(name)) {
        let known: Vec<&str> = declared.servers.keys().map(ServerName::as_str).collect();
        return Err(Failure::Usage(format!(
            "`--server {}`: no server has this name; the files name {}",
            Untrusted::new(unknown.as_str()).printable(),
            known.join(", ")
        )));
    }
    // A server that no host is declared on is not even asked: only what is declared is managed.
    let has_hosts: BTreeSet<&ServerName> = declared.hosts.iter().map(|host| &host.server).collect();
    let is_wanted = |server: &&DeclaredServer| {
        (wanted.is_empty() || wanted.contains(&server.name))
            && (!with_hosts_only || has_hosts.contains(&server.name))
    };
    let servers: Result<Vec<_>, _> =
        declared.servers.values().filter(is_wanted).map(|server| connect(server, &options)).collect();
    Ok(servers?)
}

pub(super) fn survey_options(scope: &ScopeFlags) -> Result<SurveyOptions, Failure> {
    let limit = if scope.limit.is_empty() { None } else { Some(HostPattern::parse(&scope.limit)?) };
    Ok(SurveyOptions {
        limit,
        accepted_moves: scope.accept_moved.iter().cloned().collect(),
        accept_short_list: scope.accept_short_list,
    })
}

pub(super) fn record(declared: &Declared) -> Record<FolderStore> {
    Record::new(FolderStore::new(&declared.record.folder))
}

/// What the record knows of each server, without a lock.
pub(super) async fn recorded(
    record: &Record<FolderStore>,
    servers: &[Connected],
) -> Result<BTreeMap<ServerName, Recorded>, Failure> {
    let mut recorded = BTreeMap::new();
    for server in servers {
        let known = record.read(&server.key).await.map_err(Failure::Record)?;
        recorded.insert(server.name.clone(), known);
    }
    Ok(recorded)
}

/// What the guard judges by.
pub(super) fn rules<'a>(
    declared: &'a Declared,
    allowances: &'a [crate::guard::Allowance],
    take_over: &'a BTreeSet<String>,
    listed: &'a BTreeMap<ServerName, HostList>,
    recorded: &'a BTreeMap<ServerName, Recorded>,
) -> Rules<'a> {
    Rules { policy: &declared.policy, allowances, take_over, owner: &declared.owner, listed, recorded }
}

pub(super) fn take_over(guard: &GuardFlags) -> BTreeSet<String> {
    guard.take_over.iter().cloned().collect()
}
