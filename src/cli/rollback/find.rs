//! Which run is meant, and on which servers it did something.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::chains::RecordedServer;
use crate::cli::managed::none_works;
use crate::cli::start::Failure;
use crate::model::{ServerName, Untrusted};
use crate::plan::changed_something;
use crate::record::{AnyStore, Record, RecordedRun};
use crate::session::chain;
use crate::terminal::Ui;

/// A run of the record.
pub(super) struct Found {
    pub(super) id: Arc<str>,
    pub(super) command: Arc<str>,
    pub(super) by: Arc<str>,
    pub(super) begun_at: Timestamp,
    /// Where it did something.
    pub(super) servers: Vec<ServerName>,
    /// Some chain could not be read: it may have done something there, too.
    pub(super) is_part: bool,
}

const LAST: &str = "last";

/// `wanted`: a run's id, or `last`.
pub(super) async fn find(
    ui: &Ui,
    record: &Record<AnyStore>,
    servers: &[RecordedServer],
    wanted: &str,
) -> Result<Found, Failure> {
    let (mut runs, mut unread): (Vec<(&ServerName, RecordedRun)>, _) = (Vec::new(), BTreeMap::new());
    for server in servers {
        match record.history(&server.key, None).await {
            Ok(history) => runs.extend(history.runs.into_iter().map(|run| (&server.name, run))),
            Err(error) => drop(unread.insert(server.name.clone(), error)),
        }
    }
    if unread.len() == servers.len() && !unread.is_empty() {
        return Err(none_works(ui, unread));
    }
    for (server, error) in &unread {
        ui.error(&format!("server `{server}`: {}; nothing is put back there", chain(error)));
    }
    let changing = || runs.iter().map(|(_, run)| run).filter(|run| changed_something(run));
    let id = if wanted == LAST {
        if !unread.is_empty() {
            return Err(Failure::Usage(
                "which run was the last one cannot be told while a part of the record cannot be read: name the run"
                    .to_owned(),
            ));
        }
        if servers_with_more(record, servers).await? {
            return Err(Failure::Usage(
                "which run was the last one cannot be told: what was done from this machine while the record could \
                 not be reached waits to be brought into it, which the next apply does; or name the run"
                    .to_owned(),
            ));
        }
        match changing().max_by_key(|run| run.begun_at) {
            Some(run) => Arc::clone(&run.id),
            None => {
                let places: Vec<String> =
                    servers.iter().map(|server| record.chain_place(&server.key)).collect();
                return Err(Failure::Usage(format!(
                    "the record at {} has no run that changed something",
                    places.join(", ")
                )));
            }
        }
    } else {
        wanted.into()
    };
    let of_it: Vec<&(&ServerName, RecordedRun)> = runs.iter().filter(|(_, run)| run.id == id).collect();
    let Some((_, first)) = of_it.iter().min_by_key(|(_, run)| run.begun_at) else {
        return Err(unknown(wanted, changing()));
    };
    Ok(Found {
        id: Arc::clone(&first.id),
        command: Arc::clone(&first.command),
        by: Arc::clone(&first.by),
        begun_at: first.begun_at,
        servers: of_it
            .iter()
            .filter(|(_, run)| !run.acts.is_empty())
            .map(|(server, _)| (*server).clone())
            .collect(),
        is_part: !unread.is_empty(),
    })
}

/// Whether some of it is not in the record yet.
async fn servers_with_more(record: &Record<AnyStore>, servers: &[RecordedServer]) -> Result<bool, Failure> {
    for server in servers {
        if record.has_more_to_come(&server.key).await.map_err(Failure::Record)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unknown<'a>(wanted: &str, runs: impl Iterator<Item = &'a RecordedRun>) -> Failure {
    const SHOWN: usize = 5;
    let mut newest: BTreeMap<_, &RecordedRun> = runs.map(|run| ((run.begun_at, &run.id), run)).collect();
    let mut text = format!("`{}`: the record has no such run", printable(wanted));
    if newest.is_empty() {
        text.push_str(", and none that changed something");
    } else {
        text.push_str("; those that changed something, the newest first:");
        for _ in 0..SHOWN {
            let Some((_, run)) = newest.pop_last() else { break };
            text.push_str(&format!(
                "\n  {}  {:.0}  {}  by {}",
                printable(&run.id),
                run.begun_at,
                printable(&run.command),
                printable(&run.by)
            ));
        }
        text.push_str("\n`kedrctl history --full` lists all");
    }
    Failure::Usage(text)
}

pub(super) fn printable(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}
