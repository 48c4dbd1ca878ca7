//! A look at a snapshot instead of at servers and record: without key, network, or any file but the state's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::flags::{FileFlags, ScopeFlags, seconds};
use super::start::{Failure, check_names, declared, nothing_selected, runtime, survey_options};
use crate::declare::Declared;
use crate::model::{ServerName, Untrusted, display_duration};
use crate::observe::{self, Snapshot};
use crate::session::{Survey, seen_by, survey, unrecorded};
use crate::terminal::Ui;

/// Whether a snapshot is looked at instead of the servers.
#[derive(Debug, Clone, Args)]
pub(super) struct ObservedFlags {
    /// Plan from this file, which `kedrctl snapshot` wrote: no key, no network, no record and no program is used, so
    /// that the files may come from somebody who is not trusted. Exit 4 where it is too old
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_commands", "parallel"])]
    pub(super) observed: Option<PathBuf>,

    /// How old the snapshot may be, such as `90m` or `24h`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds, requires = "observed")]
    pub(super) max_age: Duration,
}

/// Clocks of two machines are not the same to the second.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// Plans from `snapshot`, which may be `max_age` old.
pub(super) fn look(
    ui: &Ui,
    files: &FileFlags,
    scope: &ScopeFlags,
    renew_only: bool,
    (path, max_age): (&Path, Duration),
) -> Result<(Declared, Survey), Failure> {
    let declared = declared(ui, files)?;
    let mut options = survey_options(scope, renew_only)?;
    check_names(&declared, &scope.servers.only)?;
    let snapshot = read(path)?;
    let now = ui.clock().now();
    let age = age(&snapshot, path, now, max_age)?;
    ui.note(&format!(
        "planned from {}, taken {} ago; no server was asked",
        path.display(),
        display_duration(age)
    ));
    options.observed_at = Some(snapshot.taken_at);
    let (mut servers, mut recorded) = seen_by(snapshot, &declared);
    options.left_out = unrecorded(&servers);
    let limit = options.limit.as_ref().map(|pattern| pattern.servers(&declared)).transpose()?;
    let is_selected = |name: &ServerName| {
        (scope.servers.only.is_empty() || scope.servers.only.iter().any(|only| only == name.as_str()))
            && limit.as_ref().is_none_or(|limit| limit.contains(name))
    };
    servers.retain(|server| is_selected(&server.name));
    recorded.retain(|name, _| is_selected(name));
    let names: Vec<&ServerName> = servers.iter().map(|server| &server.name).collect();
    let what = if limit.is_some() { "no host that `--limit` selects" } else { "no host" };
    nothing_selected(&scope.servers.only, what, |name| names.contains(&name))?;
    let survey =
        runtime()?.block_on(survey(&declared, &servers, recorded, &options, &ui.clock(), &|_| {}))?;
    Ok((declared, survey))
}

fn read(path: &Path) -> Result<Snapshot, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
    // It may quote the file, which may come from anybody.
    let safe = |error: observe::SnapshotError| Untrusted::new(error.to_string()).printable().to_string();
    observe::decode(&bytes).map_err(|error| Failure::Usage(format!("{}: {}", path.display(), safe(error))))
}

/// What was read long ago says little of now; what was read in the future was read by a wrong clock.
fn age(
    snapshot: &Snapshot,
    path: &Path,
    now: Timestamp,
    max_age: Duration,
) -> Result<SignedDuration, Failure> {
    let age = now.duration_since(snapshot.taken_at);
    if age < -TOLERANCE {
        return Err(Failure::Stale(format!(
            "{} was taken {} from now, by this machine's clock: set both clocks by NTP",
            path.display(),
            display_duration(age)
        )));
    }
    let max_age = SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX);
    if age > max_age {
        return Err(Failure::Stale(format!(
            "{} was taken {} ago, and may be {} old (`--max-age`): take a new one with `kedrctl snapshot`",
            path.display(),
            display_duration(age),
            display_duration(max_age)
        )));
    }
    Ok(age.max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_neither_too_old_nor_from_the_future() {
        let hour = SignedDuration::from_hours(1);
        let now = Timestamp::UNIX_EPOCH + hour * 1_000;
        let judged = |taken_at| {
            let snapshot = Snapshot { taken_at, has_all_hosts: false, servers: Vec::new() };
            match age(&snapshot, Path::new("observed.json"), now, Duration::from_secs(86_400)) {
                Ok(age) => Ok(age.as_secs()),
                Err(failure) => Err((failure.exit().code(), failure.to_string())),
            }
        };
        assert_eq!(judged(now), Ok(0));
        assert_eq!(judged(now - hour * 24), Ok(86_400));
        let (code, text) = judged(now - hour * 25).unwrap_err();
        assert!(code == 4 && text.contains("taken 1 d 1 h ago, and may be 1 d old"), "{code}: {text}");
        assert_eq!(judged(now + TOLERANCE), Ok(0));
        let (code, text) = judged(now + hour).unwrap_err();
        assert!(code == 4 && text.contains("1 h from now"), "{code}: {text}");
    }
}
