//! Waiting until the agents have asked for what was written: a rule on a server is not yet an isolated host.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Exit;
use super::carry_out::print;
use super::flags::seconds;
use super::start::Failure;
use crate::central_node::ReadSettings as _;
use crate::execute::{Outcome, Stop, WriteResult};
use crate::model::{SensorId, ServerName, Target};
use crate::plan::{ServerClock, was_there_since};
use crate::session::Connected;
use crate::terminal::{Interrupts, Ui};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether agents are waited for.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct ContactFlags {
    /// Then wait until the agents were in contact, for at most so long, such as `90s`; without TIME for 15m. Exit 4 where
    /// they were not
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "15m", value_parser = seconds)]
    pub(super) wait_contact: Option<Duration>,
}

/// Waits for whom this outcome wrote, as long as the flag says, and tells who was not seen.
pub(super) async fn wait_for(
    ui: &Ui,
    servers: &[Connected],
    outcome: &Outcome,
    flags: ContactFlags,
    interrupts: &Interrupts,
) -> Result<Exit, Failure> {
    let Some(patience) = flags.wait_contact.filter(|_| !outcome.was_interrupted) else {
        return Ok(Exit::Done);
    };
    let Seen { of, not_seen } = wait(ui, servers, outcome, patience, interrupts.stop()).await;
    if of == 0 {
        return Ok(Exit::Done);
    }
    let mut line = format!("{} of {of} in contact since then", of - not_seen.len());
    if !not_seen.is_empty() {
        line.push_str(&format!("; not yet {}", not_seen.join(", ")));
    }
    print(ui, &[line])?;
    let was_interrupted = *interrupts.stop().borrow() != Stop::No;
    Ok(match (not_seen.is_empty(), was_interrupted) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Interrupted,
        (false, false) => Exit::Incomplete,
    })
}

/// Who was seen since what was written for them.
struct Seen {
    of: usize,
    /// Names, safe to print.
    not_seen: Vec<String>,
}

/// Asks for the host lists again and again, for at most `patience`.
async fn wait(
    ui: &Ui,
    servers: &[Connected],
    outcome: &Outcome,
    patience: Duration,
    mut stop: watch::Receiver<Stop>,
) -> Seen {
    let mut waiting = written(outcome);
    let of = waiting.len();
    let bar = ui.progress("waiting for contact", of as u64);
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !waiting.is_empty() {
        let asked = servers.iter().filter(|server| waiting.keys().any(|(name, _)| *name == server.name));
        let listings =
            join_all(asked.map(async |server| (&server.name, server.client.hosts(ui.clock()).await)));
        // The first look is whole, however short the patience.
        let left = patience.saturating_sub(begun.elapsed()).max(FIRST_PAUSE);
        let listings = tokio::select! {
            listings = timeout(left, listings) => listings,
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
        };
        // A server that does not answer in time has shown nobody.
        for (name, listing) in listings.into_iter().flatten() {
            let listing = match listing {
                Ok(listing) => listing,
                Err(error) => {
                    bar.say(&format!("{name}: {error}"));
                    continue;
                }
            };
            waiting.retain(|(server, sensor), written| {
                let listed = listing.hosts.sensors.get(sensor).filter(|_| server == name);
                let was_seen = listed.is_some_and(|listed| {
                    was_there_since(listed.last_access, written.clock, written.sent_at)
                });
                if was_seen {
                    bar.advance();
                }
                !was_seen
            });
        }
        let left = patience.saturating_sub(begun.elapsed());
        if waiting.is_empty() || left.is_zero() {
            break;
        }
        tokio::select! {
            () = sleep(pause.min(left)) => {}
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Seen { of, not_seen: waiting.into_values().map(|written| written.label).collect() }
}

/// What was written for one host, by us.
struct Written {
    sent_at: Timestamp,
    /// That of its server.
    clock: ServerClock,
    /// Safe to print.
    label: String,
}

/// What was written, and for whom.
fn written(outcome: &Outcome) -> BTreeMap<(ServerName, SensorId), Written> {
    let mut written = BTreeMap::new();
    for server in &outcome.servers {
        for ended in &server.changes {
            if let (WriteResult::Done { sent_at }, Target::Sensor(sensor)) =
                (&ended.result, ended.change.subject.target)
            {
                let label = ended.change.whom.label();
                let one = Written { sent_at: *sent_at, clock: server.clock, label };
                written.insert((server.server.clone(), sensor), one);
            }
        }
    }
    written
}
