use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::Exit;
use super::flags::{FileFlags, ServerFlags};
use super::look::ReadingBar;
use super::start::{Failure, connected, declared, runtime};
use crate::central_node::{CallError, ReadSettings};
use crate::declare::Declared;
use crate::import::{self, Counts, Fleet, Imported, Surroundings};
use crate::model::{Aspect, Case, Clock, HostList, NamePattern, SensorId, ServerName, Subject, Target};
use crate::observe::{self, Observed};
use crate::resolve::{self, Known};
use crate::session::{Connected, Progress};
use crate::terminal::Ui;

const EXAMPLES: &str = "\
Examples:
  kedrctl import                           every host of every server of the state, into ./imported
  kedrctl import 'WS-0*' -o pci            only these, into ./pci
  kedrctl import -f servers.yaml --server hq";

/// What `import` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportFlags {
    /// Only hosts whose names match one of these globs, with their case
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,

    #[command(flatten)]
    files: FileFlags,

    /// The folder for the new files; it must not exist yet [default: `imported` in the folder of the state]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    #[command(flatten)]
    servers: ServerFlags,
}

/// Writes a state that says what the fleet is.
pub(super) fn run(ui: &Ui, flags: &ImportFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let patterns = patterns(&flags.patterns)?;
    let folder = output(flags);
    if folder.exists() {
        return Err(Failure::Usage(format!(
            "{} exists already; import writes new files only: name another folder with `-o`",
            folder.display()
        )));
    }
    let servers =
        connected(ui, &declared, &flags.servers.only, flags.servers.allow_commands, |_| true, |_| false)?;
    if servers.is_empty() {
        return Err(Failure::Usage("the files declare no server".to_owned()));
    }
    let read = runtime()?.block_on(read_all(ui, &servers, patterns.as_deref()));
    let failures: Vec<_> = read.values().filter_map(|read| read.as_ref().err()).collect();
    for (server, failed) in read.iter().filter_map(|(server, read)| Some((server, read.as_ref().err()?))) {
        ui.error(&format!("server `{server}`: {failed}; nothing of it was imported"));
    }
    if failures.len() == read.len() {
        return Ok(if failures.iter().all(|failed| failed.is_unreachable) {
            Exit::Unreachable
        } else {
            Exit::Incomplete
        });
    }
    let has_failures = !failures.is_empty();
    let imported = describe(&declared, &folder, &servers, &read, ui.clock().now());
    write(&folder, &imported).map_err(|(path, cause)| {
        Failure::Usage(format!("{} could not be written: {cause}; nothing was left there", path.display()))
    })?;
    tell(ui, &folder, imported.counts, flags, &declared);
    Ok(if has_failures || imported.counts.unknown > 0 { Exit::Incomplete } else { Exit::Done })
}

fn patterns(patterns: &[String]) -> Result<Option<Vec<NamePattern>>, Failure> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let made = patterns.iter().map(|pattern| {
        NamePattern::new(pattern, Case::Counts)
            .map_err(|error| Failure::Usage(format!("`{pattern}` is no pattern for names of hosts: {error}")))
    });
    made.collect::<Result<_, _>>().map(Some)
}

/// `imported` where `-f` finds it: in the folder that is the state, or beside the file.
fn output(flags: &ImportFlags) -> PathBuf {
    if let Some(folder) = &flags.output {
        return folder.clone();
    }
    let paths = flags.files.paths();
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let folder = if first.is_dir() { first } else { first.parent().unwrap_or(Path::new("")) };
    folder.join("imported")
}

/// One server, read whole.
struct WasRead {
    listed: HostList,
    observed: Observed,
    selected: BTreeSet<SensorId>,
}

#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct NotRead {
    why: String,
    is_unreachable: bool,
}

impl From<CallError> for NotRead {
    fn from(error: CallError) -> Self {
        Self { why: error.to_string(), is_unreachable: true }
    }
}

async fn read_all(
    ui: &Ui,
    servers: &[Connected],
    patterns: Option<&[NamePattern]>,
) -> BTreeMap<ServerName, Result<WasRead, NotRead>> {
    let bar = ReadingBar::new(ui);
    let reads = servers.iter().map(|server| {
        let bar = &bar;
        async move { (server.name.clone(), read(server, patterns, bar, ui.clock()).await) }
    });
    join_all(reads).await.into_iter().collect()
}

async fn read(
    server: &Connected,
    patterns: Option<&[NamePattern]>,
    bar: &ReadingBar,
    clock: &dyn Clock,
) -> Result<WasRead, NotRead> {
    let listed = server.client.hosts(clock).await?.hosts;
    resolve::believe(&listed, None, false)
        .map_err(|why| NotRead { why: why.to_string(), is_unreachable: false })?;
    let is_meant =
        |name: &str| patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.is_match(name)));
    let selected: BTreeSet<SensorId> = listed
        .sensors
        .values()
        .filter(|sensor| is_meant(sensor.name.as_ref().map_or("", |name| name.raw())))
        .map(|sensor| sensor.id)
        .collect();
    if selected.is_empty() {
        let why = "no host that it lists has a name that matches".to_owned();
        return Err(NotRead { why, is_unreachable: false });
    }
    let aspects = [Aspect::Isolation, Aspect::Prevention];
    let mut subjects = vec![Subject { target: Target::AllHosts, aspect: Aspect::Prevention }];
    subjects.extend(
        selected
            .iter()
            .flat_map(|sensor| aspects.map(|aspect| Subject { target: Target::Sensor(*sensor), aspect })),
    );
    bar.take(Progress::ToRead(subjects.len()));
    let observed =
        observe::observe(&server.client, subjects, server.concurrency, || bar.take(Progress::Read)).await?;
    Ok(WasRead { listed, observed, selected })
}

fn describe(
    declared: &Declared,
    folder: &Path,
    servers: &[Connected],
    read: &BTreeMap<ServerName, Result<WasRead, NotRead>>,
    now: Timestamp,
) -> Imported {
    let whole = |server: &ServerName| match read.get(server) {
        Some(Ok(read)) => Some(read),
        Some(Err(_)) | None => None,
    };
    let mut fleets = Vec::new();
    for server in servers {
        let Some(read) = whole(&server.name) else { continue };
        let listed_elsewhere = servers
            .iter()
            .filter(|other| other.name != server.name)
            .filter_map(|other| whole(&other.name))
            .flat_map(|other| other.listed.sensors.keys().copied())
            .collect();
        fleets.push(Fleet {
            server: &server.name,
            address: &server.address,
            listed: &read.listed,
            observed: &read.observed,
            selected: read.selected.clone(),
            declared: declared_sensors(declared, &server.name, &read.listed),
            listed_elsewhere,
        });
    }
    let surroundings = Surroundings {
        entries: taken_keys(declared),
        prefix: prefix(folder, &declared.shared_names),
        names_servers: declared.servers.len() > 1,
    };
    import::import(&fleets, &surroundings, now)
}

/// A host may be called like a group, or `all`; its key must not be.
fn taken_keys(declared: &Declared) -> BTreeSet<String> {
    let hosts = declared.hosts.iter().map(|host| &host.entry);
    let groups = declared.groups.iter().map(|group| &group.name);
    hosts.chain(groups).map(|name| name.to_string()).chain(["all".to_owned()]).collect()
}

/// Another folder has another name, so that two imports get along in one state; where the first one's folder was
/// renamed, a number tells them apart.
fn prefix(folder: &Path, taken: &BTreeSet<Arc<str>>) -> String {
    let base = folder_prefix(folder);
    let is_free = |prefix: &str| {
        !taken.iter().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-')))
    };
    let mut prefix = base.clone();
    let mut number = 2_u64;
    while !is_free(&prefix) {
        prefix = format!("{base}{number}");
        number += 1;
    }
    prefix
}

fn folder_prefix(folder: &Path) -> String {
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let kept: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if kept.starts_with(|c: char| c.is_ascii_alphabetic()) { kept } else { format!("imported{kept}") }
}

/// Who has an entry already, as far as it can be told who is meant.
fn declared_sensors(declared: &Declared, server: &ServerName, listed: &HostList) -> BTreeSet<SensorId> {
    let nothing = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let known = Known {
        listed,
        listed_elsewhere: &nothing.0,
        recorded_entries: &nothing.1,
        accepted_moves: &nothing.2,
        missing: declared.policy.missing,
    };
    resolve::resolve(declared, server, &known).hosts.iter().map(|host| host.sensor.id).collect()
}

/// Everything under another name first, then in place as one: the new folder is whole or not there.
fn write(folder: &Path, imported: &Imported) -> Result<(), (PathBuf, io::Error)> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| (path, cause)
    };
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(parent).map_err(failed(parent))?;
    for (name, text) in &imported.files {
        let path = new.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        let mut file = fs::File::create_new(&path).map_err(failed(&path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(&path))?;
    }
    open_to_others(new.path()).map_err(failed(new.path()))?;
    // Fails over a folder that has something in it, and does not replace a file.
    fs::rename(new.path(), folder).map_err(failed(folder))?;
    // It is in its place under another name: nothing is left to clean up.
    let _moved = new.keep();
    Ok(())
}

/// A temporary folder is private; a state is for whoever may read the checkout.
fn open_to_others(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// However the two are written; both are there.
fn lies_in(folder: &Path, path: &Path) -> bool {
    match (folder.canonicalize(), path.canonicalize()) {
        (Ok(folder), Ok(path)) => folder.starts_with(path),
        (Ok(_) | Err(_), _) => false,
    }
}

fn tell(ui: &Ui, folder: &Path, counts: Counts, flags: &ImportFlags, declared: &Declared) {
    let Counts { hosts, entries, isolated, lists, unknown, declared_already } = counts;
    let mut said = format!(
        "{}: of {hosts} {} {entries} {} a prevention rule and {} declared now, with {lists} shared hash {}",
        folder.display(),
        if hosts == 1 { "host" } else { "hosts" },
        if entries == 1 { "has" } else { "have" },
        if entries == 1 { "is" } else { "are" },
        if lists == 1 { "list" } else { "lists" },
    );
    if declared_already > 0 {
        said.push_str(&format!("; {declared_already} were declared already"));
    }
    ui.note(&said);
    if isolated > 0 {
        ui.note(&format!(
            "isolated: {isolated}; these are comments with two lines to choose from, since nobody can know when their \
             rules end"
        ));
    }
    if unknown > 0 {
        ui.warn(&format!(
            "left out, since they could not be read or told apart: {unknown}; the file says which and why"
        ));
    }
    let mut paths: Vec<PathBuf> = flags.files.paths();
    if !paths.iter().any(|path| path.is_dir() && lies_in(folder, path)) {
        paths.push(folder.to_owned());
    }
    let files: Vec<String> = paths.iter().map(|path| format!("-f {}", path.display())).collect();
    if paths.len() > 1 && !declared.record.is_declared {
        // Of one path it is known where the record is.
        ui.note(
            "several paths make one state then: first add `record: .kedrctl` to a file of the state, the folder that \
             remembers what was done",
        );
    }
    ui.note(&format!("next: read it, then `kedrctl plan {}`: it finds nothing to do", files.join(" ")));
}
