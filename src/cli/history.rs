use std::collections::BTreeSet;

use clap::Args;

use super::Exit;
use super::chains::{RecordedServer, all_hosts_of, chains, similar};
use super::flags::{FileFlags, Format};
use super::start::{Failure, declared, record, runtime};
use crate::model::{Target, Untrusted};
use crate::record::{AnyStore, History, Record, RecordedRun, RuleCounts};
use crate::report::history::{HistoryOptions, ServerHistory, write_json, write_text};
use crate::terminal::{Printed, Ui};

const EXAMPLES: &str = "\
Examples:
  kedrctl history                          the last 20 runs of each server, the newest first
  kedrctl history --host WS-017            all that was done to a host, as far as the record tells
  kedrctl history --run last --full        everything that the last run did";

/// What `history` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HistoryFlags {
    #[command(flatten)]
    files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,

    /// Only what was done to this host: its name, entry or sensor id, or `all@SERVER`
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Only this run, or `last`
    #[arg(long, value_name = "ID")]
    run: Option<String>,

    /// How many runs of each server, the newest first
    #[arg(long, value_name = "N", default_value = "20")]
    limit: std::num::NonZeroUsize,

    /// All runs, with all that they did
    #[arg(long)]
    full: bool,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Shows what was done, by whom and why. Asks the record only.
pub(super) fn run(ui: &Ui, flags: &HistoryFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let servers = chains(&declared, &flags.server)?;
    let told = runtime()?.block_on(tell(&record, &servers, flags))?;
    if told.iter().all(|told| told.runs.is_empty()) {
        nothing_told(ui, &record, &servers, &told, flags)?;
    }
    let now = ui.clock().now();
    let histories: Vec<ServerHistory<'_>> = servers
        .iter()
        .zip(&told)
        .map(|(server, told)| ServerHistory {
            server: &server.name,
            key: &server.key,
            runs: told.runs.iter().collect(),
            has_more: told.has_more,
            has_record: told.has_record,
            counts: &told.counts,
        })
        .collect();
    let options = HistoryOptions { now, full: flags.full, palette: ui.out_palette() };
    match ui.print(|out| match flags.format {
        Format::Text => write_text(&histories, &options, out),
        Format::Json => write_json(&histories, now, out),
    })? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

/// What is shown of one server.
struct Told {
    runs: Vec<RecordedRun>,
    has_more: bool,
    counts: RuleCounts,
    /// Names that the asked one is like.
    similar: BTreeSet<std::sync::Arc<str>>,
    has_record: bool,
}

async fn tell(
    record: &Record<AnyStore>,
    servers: &[RecordedServer],
    flags: &HistoryFlags,
) -> Result<Vec<Told>, Failure> {
    let most = if flags.full { None } else { Some(flags.limit.get()) };
    let mut told = Vec::new();
    for server in servers {
        let is_last = flags.run.as_deref() == Some(LAST);
        // What is asked for may be anywhere in the record.
        let newest = match (&flags.host, &flags.run) {
            (None, None) => most,
            (None, Some(_)) if is_last => Some(1),
            (Some(_), _) | (None, Some(_)) => None,
        };
        let History { runs, is_whole } =
            record.history(&server.key, newest).await.map_err(Failure::Record)?;
        let has_record = !runs.is_empty();
        let mut history = History { runs, is_whole };
        let mut similar = BTreeSet::new();
        if let Some(host) = &flags.host {
            let recorded = record.read(&server.key).await.map_err(Failure::Record)?;
            let sensors = history.sensors_called(&recorded, host).into_iter().map(Target::Sensor);
            let targets: BTreeSet<Target> = sensors.chain(all_hosts_of(host, &server.name)).collect();
            similar = history.similar_names(&recorded, host);
            history.keep_only(&targets);
        }
        match &flags.run {
            Some(_) if is_last => history.runs.truncate(1),
            Some(run) => history.runs.retain(|one| *one.id == **run),
            None => {}
        }
        let is_cut = most.is_some_and(|most| history.runs.len() > most);
        history.runs.truncate(most.unwrap_or(usize::MAX));
        let acts = history.runs.iter().flat_map(|run| &run.acts);
        let counts = record.count(acts).await.map_err(Failure::Record)?;
        let has_more = (is_cut || !history.is_whole) && flags.run.is_none();
        told.push(Told { runs: history.runs, has_more, counts, similar, has_record });
    }
    if flags.run.as_deref() == Some(LAST) {
        keep_the_last_run(&mut told);
    }
    Ok(told)
}

/// What `--run` calls the newest run.
const LAST: &str = "last";

/// Several servers have a last run each; the last one is the one that began last, wherever it wrote.
fn keep_the_last_run(told: &mut [Told]) {
    let runs = told.iter().flat_map(|told| &told.runs);
    let Some(last) = runs.max_by_key(|run| run.begun_at).map(|run| run.id.clone()) else { return };
    for told in told {
        told.runs.retain(|run| run.id == last);
    }
}

/// What was asked for and is not there is a mistake; that nothing was done yet is an answer.
fn nothing_told(
    ui: &Ui,
    record: &Record<AnyStore>,
    servers: &[RecordedServer],
    told: &[Told],
    flags: &HistoryFlags,
) -> Result<(), Failure> {
    let printable = |text: &str| Untrusted::new(text).printable().to_string();
    if told.iter().any(|told| told.has_record) {
        if let Some(run) = &flags.run {
            return Err(Failure::Usage(format!(
                "`--run {}`: the record has no such run{}; `kedrctl history` lists them",
                printable(run),
                if flags.host.is_some() { " that did anything to this host" } else { "" }
            )));
        }
        if let Some(host) = &flags.host {
            let names: BTreeSet<_> = told.iter().flat_map(|told| &told.similar).collect();
            return Err(Failure::Usage(format!(
                "`--host {}`: the record knows nothing that was done to a host of this name{}",
                printable(host),
                similar(names)
            )));
        }
    }
    let places: Vec<String> = servers.iter().map(|server| record.chain_place(&server.key)).collect();
    ui.note(&format!("there is no record yet at {}; the first apply begins it", places.join(", ")));
    Ok(())
}
