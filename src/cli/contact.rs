//! Waiting until the agents have asked for what was written: a rule on a server is not yet an isolated host.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::central_node::ReadSettings as _;
use crate::execute::{Outcome, Stop, WriteResult};
use crate::model::{LastAccess, SensorId, ServerName, Target, WallClock};
use crate::session::Connected;
use crate::terminal::Ui;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who was seen since what was written for them.
pub(super) struct Seen {
    pub(super) of: usize,
    /// Names, safe to print.
    pub(super) not_seen: Vec<String>,
}

/// Asks for the host lists again and again, for at most `patience`.
pub(super) async fn wait(
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
        for server in servers {
            if !waiting.keys().any(|(name, _)| *name == server.name) {
                continue;
            }
            match server.client.hosts(&WallClock).await {
                Ok(listing) => waiting.retain(|(name, sensor), (sent_at, _)| {
                    let listed = listing.hosts.sensors.get(sensor).filter(|_| *name == server.name);
                    let was_seen = listed.is_some_and(|listed| match listed.last_access {
                        LastAccess::At(seen) => seen >= *sent_at,
                        LastAccess::Unknown => false,
                    });
                    if was_seen {
                        bar.advance();
                    }
                    !was_seen
                }),
                Err(error) => bar.say(&format!("{}: {error}", server.name)),
            }
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
    Seen { of, not_seen: waiting.into_values().map(|(_, label)| label).collect() }
}

/// What was written, by us: when, and for whom.
fn written(outcome: &Outcome) -> BTreeMap<(ServerName, SensorId), (Timestamp, String)> {
    let mut written = BTreeMap::new();
    for server in &outcome.servers {
        for ended in &server.changes {
            if let (WriteResult::Done { sent_at }, Target::Sensor(sensor)) =
                (&ended.result, ended.change.subject.target)
            {
                let label = ended.change.whom.label();
                written.insert((server.server.clone(), sensor), (*sent_at, label));
            }
        }
    }
    written
}
