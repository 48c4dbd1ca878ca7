//! What most commands begin with: read the files, make clients, open the record.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Exit;
use super::flags::{FileFlags, GuardFlags, ScopeFlags};
use super::log::CallLog;
use crate::central_node::Watch;
use crate::declare::{self, Declared, DeclaredServer, RecordPlace};
use crate::diagnostic::{Look, Problem, Sources, draw, nearest};
use crate::guard::Rules;
use crate::model::{ServerKey, ServerName, Untrusted};
use crate::record::{AnyStore, BucketStore, FolderStore, LockTerms, Record, RecordError};
use crate::report::{Complaint, NoPlan, View};
use crate::resolve::{HostPattern, PatternError};
use crate::session::{
    ApplyError, AskPassphrase, ConnectError, ConnectOptions, Connected, Survey, SurveyError, SurveyOptions,
    chain, connect, declared_key,
};
use crate::terminal::Ui;

/// Why a command could not do what it is for. Its text is the whole message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What is wrong has been shown already.
    #[error("{said}; nothing was sent")]
    Files { said: String, found: Box<WrongFiles> },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("{}", chain(.0))]
    Survey(#[from] SurveyError),
    #[error("{}", chain(.0))]
    Record(RecordError),
    #[error("{}", chain(.0))]
    Apply(ApplyError),
    #[error("{0}")]
    Usage(String),
    /// A snapshot that says nothing of now.
    #[error("{0}")]
    Stale(String),
    /// A saved plan that says nothing of now: what it asks for is refused.
    #[error("{0}")]
    TooOld(String),
    #[error("the result could not be written: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Connect(ConnectError::NotAsked { cause, .. })
                if cause.kind() == io::ErrorKind::Interrupted =>
            {
                Exit::Interrupted
            }
            Self::Files { .. }
            | Self::Connect(_)
            | Self::Pattern(_)
            | Self::Survey(_)
            | Self::Usage(_)
            | Self::Output(_) => Exit::Error,
            Self::Stale(_) => Exit::Incomplete,
            Self::TooOld(_) => Exit::Refused,
            Self::Record(cause) | Self::Apply(ApplyError::Record { cause, .. }) => record_exit(cause),
        }
    }
}

/// What is wrong with the files of a state.
#[derive(Debug)]
pub(super) struct WrongFiles {
    problems: Vec<Problem>,
    sources: Sources,
}

impl Failure {
    /// Tells of it as reports do.
    pub(super) fn with_no_plan<T>(
        &self,
        (view, command): (View, &str),
        now: Timestamp,
        exit_code: u8,
        tell: impl FnOnce(&NoPlan<'_>) -> T,
    ) -> T {
        let no_sources = Sources::default();
        let (problems, sources, complaint) = match self {
            Self::Files { found, .. } => (found.problems.as_slice(), &found.sources, None),
            Self::Connect(_)
            | Self::Pattern(_)
            | Self::Survey(_)
            | Self::Record(_)
            | Self::Apply(_)
            | Self::Usage(_)
            | Self::Stale(_)
            | Self::TooOld(_)
            | Self::Output(_) => ([].as_slice(), &no_sources, Some(self.complaint())),
        };
        tell(&NoPlan { view, command, now, exit_code, problems, sources, complaint: complaint.as_ref() })
    }

    fn complaint(&self) -> Complaint {
        let (kind, server) = match self {
            Self::Files { .. } => ("files", None),
            Self::Connect(error) => ("credentials", Some(error.server().clone())),
            Self::Pattern(_) | Self::Usage(_) => ("usage", None),
            Self::Survey(SurveyError::Pattern(_)) => ("usage", None),
            Self::Survey(SurveyError::NeverBlock(_)) => ("files", None),
            Self::Record(_) => ("record", None),
            Self::Apply(ApplyError::Record { server, .. }) => ("record", Some(server.clone())),
            Self::Stale(_) | Self::TooOld(_) => ("stale", None),
            Self::Output(_) => ("output", None),
        };
        Complaint { kind, message: self.to_string(), server }
    }
}

/// How a command ends that the record fails.
pub(super) fn record_exit(error: &RecordError) -> Exit {
    match error {
        RecordError::Unreachable { .. } | RecordError::Replaced { .. } => Exit::Unreachable,
        RecordError::Locked { .. } | RecordError::LockNotSure | RecordError::Contended { .. } => {
            Exit::Incomplete
        }
        RecordError::Damaged { .. }
        | RecordError::Refused { .. }
        | RecordError::Unfit { .. }
        | RecordError::FromNewerVersion { .. }
        | RecordError::Collision { .. } => Exit::Error,
    }
}

/// A runtime on this thread: the client needs no other, and half of the processor time stays with whoever else runs.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Reads the files and shows what is wrong with them.
pub(super) fn declared(ui: &Ui, files: &FileFlags) -> Result<Declared, Failure> {
    valid(ui, declare::read(&files.paths()))
}

/// What was read, where it has no error; its problems are shown.
pub(super) fn valid(ui: &Ui, read: declare::Read) -> Result<Declared, Failure> {
    let look = Look { color: ui.err_palette().is_on(), ..Look::default() };
    for problem in &read.problems {
        ui.note(&format!("{}\n", draw(problem, &read.sources, look)));
    }
    let errors = read.problems.iter().filter(|problem| problem.is_error()).count();
    let (problems, sources) = (read.problems, read.sources);
    read.declared.ok_or_else(|| Failure::Files {
        said: format!(
            "{} in the state",
            if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
        ),
        found: Box::new(WrongFiles { problems, sources }),
    })
}

/// How this run connects: with what the flags allow, and with this person at the terminal.
pub(super) fn connect_options(ui: &Ui, allow_commands: bool) -> ConnectOptions {
    ConnectOptions {
        allow_commands,
        watch: CallLog::new(ui).map(|log| Arc::new(log) as Arc<dyn Watch>),
        ask_passphrase: Some(Arc::new(Person(ui.clone()))),
        ..ConnectOptions::default()
    }
}

/// Whoever sits at the terminal, if anybody does.
#[derive(Debug)]
struct Person(Ui);

impl AskPassphrase for Person {
    fn ask(&self, key: &str) -> io::Result<Option<Zeroizing<String>>> {
        self.0.ask_secret(&format!("Passphrase of {}", Untrusted::new(key).printable()))
    }
}

/// An empty selection is an error: it would do nothing and look like success.
pub(super) fn nothing_selected(
    only: &[String],
    what: &str,
    is_there: impl Fn(&ServerName) -> bool,
) -> Result<(), Failure> {
    match only.iter().find(|name| !is_there(&ServerName::new(name.as_str()))) {
        None => Ok(()),
        Some(empty) => {
            Err(Failure::Usage(format!("`--server {empty}` selects nothing: {what} is declared on it")))
        }
    }
}

/// Clients for the servers that `--server` names, or for all, where `is_asked`; `may_fail` tells of which it does not
/// matter whether they can be made.
pub(super) fn connected(
    ui: &Ui,
    declared: &Declared,
    only: &[String],
    allow_commands: bool,
    is_asked: impl Fn(&ServerName) -> bool,
    may_fail: impl Fn(&ServerName) -> bool,
) -> Result<Vec<Connected>, Failure> {
    connected_by(&connect_options(ui, allow_commands), declared, only, is_asked, may_fail)
}

/// The same with options of one's own.
pub(super) fn connected_by(
    options: &ConnectOptions,
    declared: &Declared,
    only: &[String],
    is_asked: impl Fn(&ServerName) -> bool,
    may_fail: impl Fn(&ServerName) -> bool,
) -> Result<Vec<Connected>, Failure> {
    check_names(declared, only)?;
    let mut servers = Vec::new();
    for server in declared.servers.values() {
        if !is_asked(&server.name)
            || (!only.is_empty() && !only.iter().any(|name| name == server.name.as_str()))
        {
            continue;
        }
        match connect(server, options) {
            Ok(connected) => servers.push(connected),
            Err(_unused) if may_fail(&server.name) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(servers)
}

/// What `--server` names has to be declared.
pub(super) fn check_names(declared: &Declared, only: &[String]) -> Result<(), Failure> {
    let is_unknown = |name: &&String| !declared.servers.contains_key(&ServerName::new(name.as_str()));
    let Some(unknown) = only.iter().find(is_unknown) else { return Ok(()) };
    let known = || declared.servers.keys().map(ServerName::as_str);
    let meant = nearest(unknown, known()).map_or_else(
        || format!("the files name {}", known().collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Failure::Usage(format!(
        "`{}`: no server has this name; {meant}",
        Untrusted::new(unknown.as_str()).printable()
    )))
}

/// The one server that is meant: the one named, or the only one.
pub(super) fn selected_server<'a>(
    declared: &'a Declared,
    name: Option<&str>,
) -> Result<&'a DeclaredServer, Failure> {
    let known = || declared.servers.keys().map(ServerName::as_str).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => declared.servers.get(&ServerName::new(name)).ok_or_else(|| {
            Failure::Usage(format!(
                "`{}`: no server has this name; the files name {}",
                Untrusted::new(name).printable(),
                known()
            ))
        }),
        None => match declared.servers.values().collect::<Vec<_>>().as_slice() {
            [one] => Ok(one),
            [] => Err(Failure::Usage("the files declare no server".to_owned())),
            _ => {
                Err(Failure::Usage(format!("the files declare several servers: say which one ({})", known())))
            }
        },
    }
}

pub(super) fn survey_options(scope: &ScopeFlags, renew_only: bool) -> Result<SurveyOptions, Failure> {
    let limit =
        if scope.limit.is_empty() { None } else { Some(HostPattern::parse(&scope.limit, read_hosts)?) };
    Ok(SurveyOptions {
        limit,
        accepted_moves: scope.accept_moved.iter().cloned().collect(),
        accept_short_list: scope.accept_short_list,
        renew_only,
        ..SurveyOptions::default()
    })
}

/// `--limit @FILE`, relative to the current folder as any path on the command line.
fn read_hosts(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Opens the record. Nothing is read yet.
pub(super) fn record(declared: &Declared) -> Result<Record<AnyStore>, Failure> {
    let (store, names) = match &declared.record.place {
        RecordPlace::Folder(folder) => {
            let typed = std::path::absolute(folder).map(|folder| folder.display().to_string());
            let store = FolderStore::new(folder);
            let names = store.address().and_then(|address| Ok((address, Some(typed?))));
            (AnyStore::Folder(store), names)
        }
        RecordPlace::Bucket(url) => {
            // A variable that is no text is none of a store's.
            let variables = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
            let store = BucketStore::open(url, variables, LockTerms::default()).map_err(Failure::Record)?;
            (AnyStore::Bucket(store), Ok((url.to_string(), None)))
        }
    };
    let record = Record::new(store);
    Ok(match (state_folder(), names) {
        // What an earlier version kept under the path as it was typed is found too.
        (Some(state), Ok((address, typed))) => record.keeping_in(state, address).formerly(typed),
        (None, _) | (_, Err(_)) => record,
    })
}

/// Where this user's programs keep what is neither a setting nor to be lost.
fn state_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_STATE_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("kedrctl"))
}

/// The servers that `--server` names, or all, by what they are in the record. Needs no credentials; of a simulator
/// the world tells it.
pub(super) fn server_keys(
    declared: &Declared,
    only: &[String],
) -> Result<Vec<(ServerName, ServerKey)>, Failure> {
    check_names(declared, only)?;
    let mut keys = Vec::new();
    for server in declared.servers.values() {
        if only.is_empty() || only.iter().any(|name| name == server.name.as_str()) {
            let key = match declared_key(server) {
                Some(key) => key,
                None => connect(server, &ConnectOptions::default())?.key,
            };
            keys.push((server.name.clone(), key));
        }
    }
    Ok(keys)
}

/// What the guard judges by.
pub(super) fn rules<'a>(
    declared: &'a Declared,
    allowances: &'a [crate::guard::Allowance],
    take_over: &'a BTreeSet<String>,
    survey: &'a Survey,
) -> Rules<'a> {
    Rules {
        policy: &declared.policy,
        never_block: &survey.never_block,
        allowances,
        take_over,
        owner: &declared.owner,
        listed: &survey.listed,
        recorded: &survey.recorded,
    }
}

pub(super) fn take_over(guard: &GuardFlags) -> BTreeSet<String> {
    guard.owner.take_over.iter().cloned().collect()
}
