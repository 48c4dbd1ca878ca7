//! What a case does with the record itself: holds that somebody leaves, and what is told of it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kedrctl::cli::Exit;
use kedrctl::model::{AspectKind, FileHash, HoldScope, SensorId, Target};
use kedrctl::record::{FolderStore, NewHold, Record, RunEnd, RunHeader, run_id};
use kedrctl::report::history::{HistoryOptions, ServerHistory, write_text as write_history};
use kedrctl::report::why::{ServerWhy, Told, write_text as write_why};
use kedrctl::session::Connected;
use kedrctl::terminal::Palette;
use kedrctl_simulator::world::sensor_id_of;
use serde::Deserialize;
use uuid::Uuid;

/// A hold that somebody leaves on a host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseHold {
    /// `24h`
    #[serde(rename = "for")]
    span: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default = "somebody")]
    by: String,
    /// `hold`, or the act by hand that left it.
    #[serde(default = "by_hold")]
    command: String,
    /// Both, where none is given.
    #[serde(default)]
    aspect: Option<String>,
}

fn somebody() -> String {
    "ana@soc-1".to_owned()
}

fn by_hold() -> String {
    "hold".to_owned()
}

impl CaseHold {
    fn aspects(&self) -> Result<Vec<AspectKind>, String> {
        match self.aspect.as_deref() {
            None => Ok(vec![AspectKind::Isolation, AspectKind::Prevention]),
            Some("isolation") => Ok(vec![AspectKind::Isolation]),
            Some("prevention") => Ok(vec![AspectKind::Prevention]),
            Some("tasks") => Ok(vec![AspectKind::Tasks]),
            Some(other) => Err(format!("no aspect `{other}`")),
        }
    }
}

fn scope(host: &str, aspect: AspectKind) -> HoldScope {
    let target =
        if host == "all" { Target::AllHosts } else { Target::Sensor(SensorId::new(sensor_id_of(host))) };
    HoldScope { target, aspect }
}

/// A run without a lock, as acts by hand are.
fn header(by: &str, now: Timestamp) -> RunHeader {
    RunHeader {
        id: run_id(now, [0xab, 0xcd]),
        seed: Uuid::new_v4(),
        at: now,
        owner: "default".into(),
        by: by.into(),
        command: "hold".into(),
        allow: Vec::new(),
        plan: None,
        ci_job: None,
        ci_commit: None,
    }
}

pub(super) async fn hold(
    record: &Record<FolderStore>,
    server: &Connected,
    host: &str,
    hold: &CaseHold,
    now: Timestamp,
) -> Result<String, String> {
    let span: SignedDuration = hold.span.parse().map_err(|error| format!("hold: {error}"))?;
    let new = NewHold {
        host: Some(host.into()),
        until: now + span,
        command: hold.command.as_str().into(),
        reason: hold.reason.as_deref().map(Into::into),
    };
    let by_hand = record.by_hand(&server.key, &header(&hold.by, now)).await;
    let mut journal = by_hand.map_err(|error| error.to_string())?;
    for aspect in hold.aspects()? {
        journal.hold(now, scope(host, aspect), &new);
    }
    journal.end(now, &RunEnd::Finished).await.map_err(|error| error.to_string())?;
    Ok(format!("# {} holds {host} for {}\n\n", hold.by, hold.span))
}

pub(super) async fn end_hold(
    record: &Record<FolderStore>,
    server: &Connected,
    host: &str,
    now: Timestamp,
) -> Result<String, String> {
    let by_hand = record.by_hand(&server.key, &header(&somebody(), now)).await;
    let mut journal = by_hand.map_err(|error| error.to_string())?;
    for aspect in [AspectKind::Isolation, AspectKind::Prevention, AspectKind::Tasks] {
        let is_held = journal.recorded().hold_on(scope(host, aspect), now).is_some();
        if aspect != AspectKind::Tasks || is_held {
            journal.end_hold(now, scope(host, aspect), Some(host));
        }
    }
    journal.end(now, &RunEnd::Finished).await.map_err(|error| error.to_string())?;
    Ok(format!("# {host} is held no more\n\n"))
}

fn options(now: Timestamp) -> HistoryOptions {
    HistoryOptions { now, full: true, palette: Palette::OFF }
}

/// All runs.
pub(super) async fn history(
    record: &Record<FolderStore>,
    server: &Connected,
    now: Timestamp,
) -> Result<(String, Exit), String> {
    let told = record.history(&server.key, None).await.map_err(|error| error.to_string())?;
    let acts = told.runs.iter().flat_map(|run| &run.acts);
    let counts = record.count(acts).await.map_err(|error| error.to_string())?;
    let shown = ServerHistory {
        server: &server.name,
        key: &server.key,
        runs: told.runs.iter().collect(),
        has_more: !told.is_whole,
        has_record: true,
        counts: &counts,
    };
    let mut text = Vec::new();
    write_history(&[shown], &options(now), &mut text).map_err(|error| error.to_string())?;
    Ok((String::from_utf8_lossy(&text).into_owned(), Exit::Done))
}

/// Of a host, `all`, or a hash.
pub(super) async fn why(
    record: &Record<FolderStore>,
    server: &Connected,
    what: &str,
    now: Timestamp,
) -> Result<(String, Exit), String> {
    let history = record.history(&server.key, None).await.map_err(|error| error.to_string())?;
    let recorded = record.read(&server.key).await.map_err(|error| error.to_string())?;
    let (told, deeds) = match what.parse::<FileHash>() {
        Ok(hash) => {
            let holding = record.rules_holding(&history, hash).await.map_err(|error| error.to_string())?;
            let stories = history.stories_of_hash(&holding);
            let deeds: Vec<_> = stories.iter().flat_map(|story| story.deeds()).collect();
            (Told::Hash(stories), deeds)
        }
        Err(_) => {
            let called = history.sensors_called(&recorded, what).into_iter().map(Target::Sensor);
            let all = (what == "all").then_some(Target::AllHosts);
            let targets: BTreeSet<Target> = called.chain(all).collect();
            let stories = history.stories_of(&targets, &recorded, now);
            let deeds: Vec<_> = stories.iter().flat_map(|story| story.deeds()).collect();
            (Told::Host(stories), deeds)
        }
    };
    let acts = deeds.into_iter().map(|deed| deed.act);
    let counts = record.count(acts).await.map_err(|error| error.to_string())?;
    let shown = ServerWhy { server: &server.name, key: &server.key, told, counts: &counts };
    let mut text = Vec::new();
    write_why(&[shown], &options(now), &mut text).map_err(|error| error.to_string())?;
    Ok((String::from_utf8_lossy(&text).into_owned(), Exit::Done))
}
