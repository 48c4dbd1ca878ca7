use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::Exit;
use super::chains::{RecordedServer, all_hosts_of, chains};
use super::flags::{FileFlags, ServerFlags, whole_span};
use super::introduce::introduce;
use super::start::{Failure, connected, declared, record, record_exit, runtime};
use super::whom::{Hosts, Meant};
use crate::declare::Declared;
use crate::model::{AspectKind, HoldScope, ServerName, Target, Untrusted, shell_word};
use crate::record::{AnyStore, Hold, Kept, NewHold, Record, Recorded, RunEnd};
use crate::report::holds::{HeldServer, HeldSubject, write_text};
use crate::session::{ByHand, Run, chain};
use crate::terminal::{Printed, Ui};

const EXAMPLES: &str = "\
Examples:
  kedrctl hold                                                    what is held, by whom and until when
  kedrctl hold WS-017.corp.example --for 24h --reason 'INC-417: imaging'
  kedrctl hold all@hq --until 2026-12-01T18:00:00+03:00 --reason 'vendor tests their update'
  kedrctl hold --end WS-017.corp.example";

/// What `hold` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HoldFlags {
    /// Hosts by their entry, or by name, address or sensor id as the server lists them, or `all@SERVER`; without any,
    /// what is held is listed
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,

    /// How long, such as `90m`, `24h` or `3d` [default: 24h]
    #[arg(long = "for", value_name = "TIME", value_parser = span, conflicts_with = "until")]
    span: Option<SignedDuration>,

    /// Until when, such as `2026-12-01T18:00:00+03:00`
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,

    /// Why, for those who meet the hold
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Only this of a host; without it, all: tasks where `policy.tasks` allows any
    #[arg(long, value_enum, value_name = "ASPECT")]
    aspect: Option<AspectFlag>,

    /// End what holds these hosts
    #[arg(long, conflicts_with_all = ["span", "until", "reason"])]
    end: bool,

    #[command(flatten)]
    files: FileFlags,

    #[command(flatten)]
    servers: ServerFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AspectFlag {
    Isolation,
    Prevention,
    Tasks,
}

/// Keeps apply off hosts, ends that, or lists what is held. Writes to the record only.
pub(super) fn run(ui: &Ui, flags: &HoldFlags) -> Result<Exit, Failure> {
    let wanted = Wanted::of(flags, ui.clock().now())?;
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    runtime()?.block_on(async {
        let servers = known(&declared, &record, flags).await?;
        match wanted {
            Wanted::List => list(ui, &record, &servers).await,
            Wanted::New { until, reason } => {
                let meant = match whom(ui, &declared, &record, &servers, flags).await? {
                    Ok(meant) => meant,
                    Err(exit) => return Ok(exit),
                };
                hold(ui, flags, &declared, &record, &servers, &meant, (until, &reason)).await
            }
            Wanted::End => {
                let meant = match whom(ui, &declared, &record, &servers, flags).await? {
                    Ok(meant) => meant,
                    Err(exit) => return Ok(exit),
                };
                end(ui, flags, &declared, &record, &servers, &meant).await
            }
        }
    })
}

/// What the flags mean together.
enum Wanted {
    List,
    New { until: Timestamp, reason: Arc<str> },
    End,
}

const DEFAULT_SPAN: SignedDuration = SignedDuration::from_hours(24);

impl Wanted {
    fn of(flags: &HoldFlags, now: Timestamp) -> Result<Self, Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        if flags.hosts.is_empty() {
            let is_about_hosts = flags.end
                || flags.span.is_some()
                || flags.until.is_some()
                || flags.reason.is_some()
                || flags.aspect.is_some();
            return if is_about_hosts {
                Err(usage("name the hosts that this is about; `kedrctl hold` alone lists what is held"))
            } else {
                Ok(Self::List)
            };
        }
        if flags.end {
            return Ok(Self::End);
        }
        let reason = flags.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let Some(reason) = reason else {
            return Err(usage("say why with `--reason TEXT`: whoever meets the hold reads it"));
        };
        let until = match flags.until {
            Some(until) if until <= now => {
                return Err(Failure::Usage(format!("`--until {until}` has passed already")));
            }
            Some(until) => until,
            None => now.saturating_add(flags.span.unwrap_or(DEFAULT_SPAN)).unwrap_or(Timestamp::MAX),
        };
        Ok(Self::New { until, reason: reason.into() })
    }
}

/// How long a hold lasts: `90m`, `24h`, `3d`.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    const LONGEST: i64 = 10 * 366 * 86_400;
    match whole_span(text)?.as_secs() {
        0 => Err("a hold of no time holds nothing; `--end` ends one".to_owned()),
        seconds if seconds > LONGEST => Err(format!(
            "`{text}` is longer than ten years: what is never to be managed, take out of the files"
        )),
        seconds => Ok(SignedDuration::from_secs(seconds)),
    }
}

/// The chains in question, with what the record has of each.
async fn known(
    declared: &Declared,
    record: &Record<AnyStore>,
    flags: &HoldFlags,
) -> Result<Vec<(RecordedServer, Recorded)>, Failure> {
    let mut known = Vec::new();
    for server in chains(declared, &flags.servers.only)? {
        let recorded = record.read(&server.key).await.map_err(Failure::Record)?;
        known.push((server, recorded));
    }
    Ok(known)
}

async fn list(
    ui: &Ui,
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
) -> Result<Exit, Failure> {
    let now = ui.clock().now();
    let mut held = Vec::new();
    for (server, recorded) in servers {
        let labels = labels(record, server, recorded, now).await?;
        let holds = recorded.holds.iter().filter(|(_, hold)| hold.is_in_force(now));
        let mut subjects: Vec<HeldSubject<'_>> = holds
            .map(|(subject, hold)| HeldSubject {
                subject: *subject,
                label: labels.get(&subject.target).cloned().unwrap_or_else(|| subject.target.to_string()),
                hold,
            })
            .collect();
        // What ends next comes first.
        subjects.sort_by_key(|held| (held.hold.until, held.subject));
        held.push(HeldServer { server: &server.name, key: &server.key, subjects });
    }
    match ui.print(|out| write_text(&held, now, ui.out_palette(), out))? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

/// What people call the held hosts. The journal is read only for those that no entry names.
async fn labels(
    record: &Record<AnyStore>,
    server: &RecordedServer,
    recorded: &Recorded,
    now: Timestamp,
) -> Result<BTreeMap<Target, String>, Failure> {
    let of_entries = recorded.entries.values().flatten();
    let mut labels: BTreeMap<Target, String> =
        of_entries.map(|(entry, sensor)| (Target::Sensor(*sensor), entry.to_string())).collect();
    let held = recorded.holds.iter().filter(|(_, hold)| hold.is_in_force(now));
    let is_nameless = |subject: &HoldScope| match subject.target {
        Target::AllHosts => false,
        Target::Sensor(_) => !labels.contains_key(&subject.target),
    };
    if held.into_iter().any(|(subject, _)| is_nameless(subject)) {
        let history = record.history(&server.key, None).await.map_err(Failure::Record)?;
        for (target, label) in history.labels() {
            labels.entry(target).or_insert(label);
        }
    }
    Ok(labels)
}

/// Who is meant by each word: by the record where a hold is to end, else by the servers' host lists. `Err`: it was
/// said why nothing can be done.
async fn whom(
    ui: &Ui,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
    flags: &HoldFlags,
) -> Result<Result<Vec<Meant>, Exit>, Failure> {
    let now = ui.clock().now();
    let mut meant: Vec<Option<Meant>> = Vec::new();
    for word in &flags.hosts {
        let all = servers.iter().find_map(|(server, _)| {
            Some(Meant {
                server: server.name.clone(),
                target: all_hosts_of(word, &server.name)?,
                label: "all".into(),
                word: word.clone(),
            })
        });
        meant.push(match all {
            Some(all) => Some(all),
            None if flags.end => held_by_that_name(record, servers, word, now).await?,
            None => None,
        });
    }
    if meant.iter().any(Option::is_none) {
        let only: Vec<String> = servers.iter().map(|(server, _)| server.name.to_string()).collect();
        let clients = connected(ui, declared, &only, flags.servers.allow_commands, |_| true, |_| false)?;
        let hosts = Hosts::listed_by(declared, &clients, ByHand::Changes, ui.clock()).await;
        for (word, slot) in flags.hosts.iter().zip(&mut meant) {
            if slot.is_none() {
                match hosts.find(word) {
                    Ok(found) => *slot = Some(found),
                    Err(refused) => {
                        ui.error(&format!("{}; nothing was written", refused.why));
                        return Ok(Err(refused.exit));
                    }
                }
            }
        }
    }
    let meant: Vec<Meant> = meant.into_iter().flatten().collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = meant.iter().find(|one| !seen.insert((one.server.clone(), one.target))) {
        return Err(Failure::Usage(format!(
            "`{}` is named twice",
            Untrusted::new(twice.word.as_str()).printable()
        )));
    }
    Ok(Ok(meant))
}

/// A hold that is to end names its host: no server has to be there for that.
async fn held_by_that_name(
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
    word: &str,
    now: Timestamp,
) -> Result<Option<Meant>, Failure> {
    let mut found = Vec::new();
    for (server, recorded) in servers {
        let held: BTreeSet<Target> = recorded
            .holds
            .iter()
            .filter(|(_, hold)| hold.is_in_force(now))
            .map(|(subject, _)| subject.target)
            .collect();
        if held.is_empty() {
            continue;
        }
        let history = record.history(&server.key, None).await.map_err(Failure::Record)?;
        let called = history.sensors_called(recorded, word).into_iter().map(Target::Sensor);
        found.extend(called.filter(|target| held.contains(target)).map(|target| Meant {
            server: server.name.clone(),
            target,
            label: word.into(),
            word: word.to_owned(),
        }));
    }
    // Of several, the servers' lists tell which one is called so now.
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// What a person holds of a host.
fn subjects(meant: &Meant, aspect: Option<AspectFlag>, with_tasks: bool) -> Result<Vec<HoldScope>, Failure> {
    let aspects = match (aspect, meant.target) {
        (Some(AspectFlag::Isolation), Target::AllHosts) => {
            return Err(Failure::Usage(format!(
                "`{}`: there is no isolation of all hosts; only their prevention rule can be held",
                meant.word
            )));
        }
        (Some(AspectFlag::Tasks), Target::AllHosts) => {
            return Err(Failure::Usage(format!(
                "`{}`: a task is for one host; only the prevention rule of all hosts can be held",
                meant.word
            )));
        }
        (Some(AspectFlag::Isolation), Target::Sensor(_)) => vec![AspectKind::Isolation],
        (Some(AspectFlag::Tasks), Target::Sensor(_)) => vec![AspectKind::Tasks],
        (Some(AspectFlag::Prevention), _) | (None, Target::AllHosts) => vec![AspectKind::Prevention],
        (None, Target::Sensor(_)) if with_tasks => {
            vec![AspectKind::Isolation, AspectKind::Prevention, AspectKind::Tasks]
        }
        (None, Target::Sensor(_)) => vec![AspectKind::Isolation, AspectKind::Prevention],
    };
    Ok(aspects.into_iter().map(|aspect| HoldScope { target: meant.target, aspect }).collect())
}

async fn hold(
    ui: &Ui,
    flags: &HoldFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
    meant: &[Meant],
    (until, reason): (Timestamp, &Arc<str>),
) -> Result<Exit, Failure> {
    let now = ui.clock().now();
    let run = introduced(flags, declared, now);
    let mut lines = Vec::new();
    let mut acts: BTreeMap<&ServerName, Vec<HoldAct>> = BTreeMap::new();
    for one in meant {
        let Some((_, recorded)) = servers.iter().find(|(server, _)| server.name == one.server) else {
            continue;
        };
        for subject in subjects(one, flags.aspect, declared.policy.tasks)? {
            let new = NewHold {
                host: host_of(one),
                until,
                command: "hold".into(),
                reason: Some(Arc::clone(reason)),
            };
            let instead = recorded.hold_on(subject, now).map_or_else(String::new, instead_of);
            lines.push(format!(
                "{}/{}/{}   held until {until:.0}{instead}",
                one.server, one.label, subject.aspect
            ));
            acts.entry(&one.server).or_default().push(HoldAct::Hold(subject, new));
        }
    }
    if let Some(exit) = written(ui, record, servers, &run, acts, now).await? {
        return Ok(exit);
    }
    lines
        .push("applies leave that alone until then; what differs is still told by plan and drift".to_owned());
    let words: Vec<String> = meant.iter().map(|one| shell_word(&one.word)).collect();
    let aspect = match flags.aspect {
        None => "",
        Some(AspectFlag::Isolation) => " --aspect isolation",
        Some(AspectFlag::Prevention) => " --aspect prevention",
        Some(AspectFlag::Tasks) => " --aspect tasks",
    };
    lines.push(format!("to end it sooner: `kedrctl hold --end{aspect} {}`", words.join(" ")));
    lines.push(format!("run {}", run.id));
    say(ui, &lines)
}

async fn end(
    ui: &Ui,
    flags: &HoldFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
    meant: &[Meant],
) -> Result<Exit, Failure> {
    let now = ui.clock().now();
    let run = introduced(flags, declared, now);
    let mut lines = Vec::new();
    let mut acts: BTreeMap<&ServerName, Vec<HoldAct>> = BTreeMap::new();
    for one in meant {
        let Some((_, recorded)) = servers.iter().find(|(server, _)| server.name == one.server) else {
            continue;
        };
        let tasks = HoldScope { target: one.target, aspect: AspectKind::Tasks };
        let with_tasks = declared.policy.tasks || recorded.hold_on(tasks, now).is_some();
        for subject in subjects(one, flags.aspect, with_tasks)? {
            let what = format!("{}/{}/{}", one.server, one.label, subject.aspect);
            match recorded.hold_on(subject, now) {
                None => lines.push(format!("{what}   nothing holds it")),
                Some(hold) => {
                    lines.push(format!("{what}   held no more{}", instead_of(hold)));
                    acts.entry(&one.server).or_default().push(HoldAct::End(subject, host_of(one)));
                }
            }
        }
    }
    if acts.is_empty() {
        return say(ui, &lines);
    }
    if let Some(exit) = written(ui, record, servers, &run, acts, now).await? {
        return Ok(exit);
    }
    lines.push("the next apply makes it as declared; `kedrctl plan` shows what that will be".to_owned());
    lines.push(format!("run {}", run.id));
    say(ui, &lines)
}

fn introduced(flags: &HoldFlags, declared: &Declared, now: Timestamp) -> Run {
    introduce("hold", &declared.owner, Vec::new(), &flags.files.paths(), now)
}

fn host_of(meant: &Meant) -> Option<Arc<str>> {
    match meant.target {
        Target::AllHosts => None,
        Target::Sensor(_) => Some(Arc::clone(&meant.label)),
    }
}

/// `, instead of the hold of ana@soc-1 until 2026-11-26T13:00:00Z (by release: false alarm)`.
fn instead_of(hold: &Hold) -> String {
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!(" (was held by {} until {:.0} by `{}`{reason})", hold.by, hold.until, hold.command)
}

enum HoldAct {
    Hold(HoldScope, NewHold),
    End(HoldScope, Option<Arc<str>>),
}

/// One segment for each server; the exit code where one could not be written.
async fn written(
    ui: &Ui,
    record: &Record<AnyStore>,
    servers: &[(RecordedServer, Recorded)],
    run: &Run,
    acts: BTreeMap<&ServerName, Vec<HoldAct>>,
    now: Timestamp,
) -> Result<Option<Exit>, Failure> {
    for (name, acts) in acts {
        let Some((server, _)) = servers.iter().find(|(server, _)| server.name == *name) else { continue };
        let mut journal = record.by_hand(&server.key, &run.header(now)).await.map_err(Failure::Record)?;
        for act in acts {
            match act {
                HoldAct::Hold(subject, new) => journal.hold(now, subject, &new),
                HoldAct::End(subject, host) => journal.end_hold(now, subject, host.as_deref()),
            }
        }
        match journal.end(now, &RunEnd::Finished).await.map_err(Failure::Record)? {
            Kept::InRecord => {}
            // Nobody else would see it: that is no hold.
            Kept::Locally { place, cause } => {
                ui.error(&format!(
                    "server `{name}`: {}; it is kept at {place} on this machine, and no other machine knows of it \
                     before a run from here has reached the record",
                    chain(&cause)
                ));
                return Ok(Some(record_exit(&cause)));
            }
        }
    }
    Ok(None)
}

fn say(ui: &Ui, lines: &[String]) -> Result<Exit, Failure> {
    use std::io::Write as _;
    let printed = ui.print(|out| {
        lines.iter().try_for_each(|line| writeln!(out, "{}", crate::report::escape::line(line)))
    });
    match printed? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_whole_minutes_hours_or_days() {
        let hours = |hours| Ok(SignedDuration::from_hours(hours));
        assert_eq!(span("24h"), hours(24));
        assert_eq!(span("3d"), hours(72));
        assert_eq!(span("120m"), hours(2));
        for wrong in
            ["", "h", "24", "1.5h", "-1h", "24 h", "24H", "0h", "9999999999999999999h", "99999d", "1ч"]
        {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
