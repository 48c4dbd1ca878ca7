use std::collections::BTreeSet;

use clap::Args;

use super::Exit;
use super::chains::{RecordedServer, all_hosts_of, chains, similar};
use super::flags::{FileFlags, Format};
use super::start::{Failure, declared, record, runtime};
use crate::model::{FileHash, HashError, Target, Untrusted};
use crate::record::{AnyStore, HashStory, History, Record, RecordError, Recorded, RuleCounts, SubjectStory};
use crate::report::history::HistoryOptions;
use crate::report::why::{Asked, ServerWhy, Told, write_json, write_text};
use crate::terminal::{Printed, Ui};

const EXAMPLES: &str = "\
Examples:
  kedrctl why WS-017.corp.example          who isolated it, when and why, and until when
  kedrctl why 900150983cd24fb0d6963f7d28e17f72
  kedrctl why all@hq                       the prevention rule for all hosts of a server";

/// What `why` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WhyFlags {
    /// A host by its name, entry or sensor id, `all@SERVER`, or the hash of a file
    #[arg(value_name = "HOST|HASH")]
    what: String,

    #[command(flatten)]
    files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Tells who set something, when and why. Asks the record only.
pub(super) fn run(ui: &Ui, flags: &WhyFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let servers = chains(&declared, &flags.server)?;
    let asked = match flags.what.parse::<FileHash>() {
        Ok(hash) => Asked::Hash(hash),
        Err(_) => Asked::Host(flags.what.clone()),
    };
    let now = ui.clock().now();
    runtime()?.block_on(async {
        let mut known = Vec::new();
        for server in servers {
            let read =
                async { Ok((record.history(&server.key, None).await?, record.read(&server.key).await?)) };
            let (history, recorded) = read.await.map_err(Failure::Record)?;
            known.push(Known { server, history, recorded });
        }
        let mut told = Vec::new();
        for known in &known {
            let answer = match &asked {
                Asked::Host(host) => {
                    let targets = targets(known, host);
                    Told::Host(known.history.stories_of(&targets, &known.recorded, now))
                }
                Asked::Hash(hash) => {
                    let holding = record.rules_holding(&known.history, *hash).await;
                    Told::Hash(known.history.stories_of_hash(&holding.map_err(Failure::Record)?))
                }
            };
            if !is_empty(&answer) {
                let counts = counts(&record, &answer).await.map_err(Failure::Record)?;
                told.push((known, answer, counts));
            }
        }
        if told.is_empty() {
            return Err(unknown(&asked, &record, &known));
        }
        let answers: Vec<ServerWhy<'_>> = told
            .iter()
            .map(|(known, answer, counts)| ServerWhy {
                server: &known.server.name,
                key: &known.server.key,
                told: answer.clone(),
                counts,
            })
            .collect();
        let options = HistoryOptions { now, full: true, palette: ui.out_palette() };
        match ui.print(|out| match flags.format {
            Format::Text => write_text(&answers, &options, out),
            Format::Json => write_json(&asked, &answers, now, out),
        })? {
            Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
        }
    })
}

/// All that the record of one server has.
struct Known {
    server: RecordedServer,
    history: History,
    recorded: Recorded,
}

fn targets(known: &Known, host: &str) -> BTreeSet<Target> {
    let sensors = known.history.sensors_called(&known.recorded, host).into_iter().map(Target::Sensor);
    sensors.chain(all_hosts_of(host, &known.server.name)).collect()
}

fn is_empty(told: &Told<'_>) -> bool {
    match told {
        Told::Host(stories) => stories.is_empty(),
        Told::Hash(stories) => stories.is_empty(),
    }
}

/// What the acts that are shown changed.
async fn counts(record: &Record<AnyStore>, told: &Told<'_>) -> Result<RuleCounts, RecordError> {
    let deeds = match told {
        Told::Host(stories) => stories.iter().flat_map(SubjectStory::deeds).collect::<Vec<_>>(),
        Told::Hash(stories) => stories.iter().flat_map(HashStory::deeds).collect(),
    };
    record.count(deeds.into_iter().map(|deed| deed.act)).await
}

/// The record knows nothing of it: what is meant, and where else to look.
fn unknown(asked: &Asked, record: &Record<AnyStore>, known: &[Known]) -> Failure {
    if known.iter().all(|known| known.history.runs.is_empty()) {
        let places: Vec<String> = known.iter().map(|known| record.chain_place(&known.server.key)).collect();
        return Failure::Usage(format!(
            "there is no record yet at {}: it tells nothing; the first apply begins it",
            places.join(", ")
        ));
    }
    Failure::Usage(match asked {
        Asked::Hash(hash) => format!(
            "the record shows {hash} in no rule that a run wrote: whoever blocks it did so without this record; \
             `kedrctl plan` reads what stands on the server"
        ),
        Asked::Host(host) => {
            let sha1 = match host.parse::<FileHash>() {
                Err(error @ HashError::Sha1) => format!("; as a hash: {error}"),
                Err(HashError::NotHex | HashError::Length(_)) | Ok(_) => String::new(),
            };
            let names: BTreeSet<_> =
                known.iter().flat_map(|known| known.history.similar_names(&known.recorded, host)).collect();
            format!(
                "the record tells nothing of a host `{}`{}{sha1}",
                Untrusted::new(host.as_str()).printable(),
                similar(names)
            )
        }
    })
}
