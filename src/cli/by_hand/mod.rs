//! The responder's commands: `isolate`, `release`, `block`, `unblock`, `run` and `tasks delete`, now and for what is named.
//! Each is a small plan of its own, by the same policy and with the same record and verification as an apply. Those that
//! change a rule leave a hold.

mod flags;
mod permanent;
mod programs;
mod told;
mod walk;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Exit;
use super::introduce::let_pass;
use super::start::{Failure, declared, record, runtime};
use crate::declare::{Declared, DeclaredIsolation, DeclaredPrevention, ExclusionSets, Term, WantedIsolation};
use crate::model::{Aspect, BlockEntry, Cause, FileHash, Origin, Program, ServerName, Timeout, Untrusted};
use crate::resolve::DesiredTask;
use crate::session::ByHand;
use crate::terminal::Ui;

pub(super) use flags::{BlockFlags, DeleteFlags, IsolateFlags, ReleaseFlags, RunFlags, UnblockFlags};
use flags::{HandFlags, LastingFlags, PickFlags};
pub(super) use programs::{delete, run};

pub(super) fn isolate(ui: &Ui, flags: &IsolateFlags) -> Result<Exit, Failure> {
    let now = ui.clock().now();
    let until = match (flags.span, flags.until) {
        (Some(span), _) => now.saturating_add(span).unwrap_or(Timestamp::MAX),
        (None, Some(until)) if until <= now => {
            return Err(Failure::Usage(format!("`--until {until}` has passed already")));
        }
        (None, Some(until)) if until.duration_since(now) > Timeout::MAX.duration() => {
            return Err(Failure::Usage(format!("`--until {until}`: a server isolates for at most 9999 h")));
        }
        (None, Some(until)) => until,
        (None, None) => {
            return Err(Failure::Usage("say how long with `--for TIME` or `--until INSTANT`".to_owned()));
        }
    };
    let sets = flags.exclusions.clone();
    act(ui, Words::Hosts(&flags.hosts), flags.act.parts(), &[], Deed::Isolate { until, sets })
}

pub(super) fn release(ui: &Ui, flags: &ReleaseFlags) -> Result<Exit, Failure> {
    act(ui, Words::Hosts(&flags.hosts), flags.act.parts(), &flags.owner.take_over, Deed::Release)
}

pub(super) fn block(ui: &Ui, flags: &BlockFlags) -> Result<Exit, Failure> {
    let hashes = flags.hashes.iter().copied().collect();
    act(ui, flags.on.words(), flags.act.parts(), &flags.owner.take_over, Deed::Block(hashes))
}

pub(super) fn unblock(ui: &Ui, flags: &UnblockFlags) -> Result<Exit, Failure> {
    let hashes = flags.hashes.iter().copied().collect();
    act(ui, flags.on.words(), flags.act.parts(), &flags.owner.take_over, Deed::Unblock(hashes))
}

/// Whom it is done to.
#[derive(Debug, Clone, Copy)]
enum Words<'a> {
    /// Hosts, as typed.
    Hosts(&'a [String]),
    /// All of a server, by the rule for all hosts.
    All,
    /// Whose tasks these are stands in the record.
    Recorded,
}

impl flags::OnFlags {
    fn words(&self) -> Words<'_> {
        if self.all { Words::All } else { Words::Hosts(&self.hosts) }
    }
}

/// What a person wants done at once.
struct Act<'a> {
    words: Words<'a>,
    hand: &'a HandFlags,
    pick: &'a PickFlags,
    lasting: &'a LastingFlags,
    take_over: BTreeSet<String>,
    deed: Deed,
    reason: Arc<str>,
}

enum Deed {
    Isolate {
        until: Timestamp,
        sets: Vec<String>,
    },
    Release,
    Block(BTreeSet<FileHash>),
    Unblock(BTreeSet<FileHash>),
    /// `wait`: until it is over, for at most so long.
    Run {
        program: Program,
        wait: Option<Duration>,
    },
    /// By server.
    Delete(BTreeMap<ServerName, Vec<Arc<DesiredTask>>>),
}

fn act(
    ui: &Ui,
    words: Words<'_>,
    (hand, pick, lasting): (&HandFlags, &PickFlags, &LastingFlags),
    take_over: &[String],
    deed: Deed,
) -> Result<Exit, Failure> {
    let reason = reason(hand)?;
    let act =
        Act { words, hand, pick, lasting, take_over: take_over.iter().cloned().collect(), deed, reason };
    let declared = declared(ui, &hand.files)?;
    let wanted = act.wanted(&declared.exclusions)?;
    let record = record(&declared)?;
    runtime()?.block_on(walk::walk(ui, &act, &declared, &wanted, &record))
}

fn reason(hand: &HandFlags) -> Result<Arc<str>, Failure> {
    match hand.reason.trim() {
        "" => Err(Failure::Usage("say why with `--reason TEXT`: whoever asks later reads it".to_owned())),
        reason => Ok(reason.into()),
    }
}

/// What is wanted of each of the hosts.
#[derive(Clone)]
struct Wanted {
    isolation: Option<DeclaredIsolation>,
    prevention: Option<Arc<DeclaredPrevention>>,
}

impl Act<'_> {
    fn wanted(&self, sets: &ExclusionSets) -> Result<Wanted, Failure> {
        let cause = || Cause::Own(Origin::command_line());
        let isolation =
            |want| Wanted { isolation: Some(DeclaredIsolation { cause: cause(), want }), prevention: None };
        let entries = |hashes: &BTreeSet<FileHash>| -> Vec<BlockEntry> {
            let entry = |hash: &FileHash| BlockEntry {
                hash: *hash,
                comment: None,
                from: None,
                until: None,
                list: None,
                origin: Origin::command_line(),
            };
            hashes.iter().map(entry).collect()
        };
        let prevention = |block: Vec<BlockEntry>, unblock| Wanted {
            isolation: None,
            prevention: Some(Arc::new(DeclaredPrevention {
                cause: cause(),
                block: vec![block.into()],
                unblock,
                exact: false,
            })),
        };
        Ok(match &self.deed {
            Deed::Isolate { until, sets: names } => {
                let exclusions = sets.of(names.iter().map(String::as_str)).map_err(|unknown| {
                    let known: Vec<&str> = sets.named.keys().map(|name| &**name).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    Failure::Usage(format!(
                        "`--exclusions {}`: no set has this name; the files name {known}",
                        Untrusted::new(unknown).printable()
                    ))
                })?;
                let (term, reason) = (Term::Until(*until), Some(Arc::clone(&self.reason)));
                isolation(WantedIsolation::On { term, exclusions, reason })
            }
            Deed::Release => isolation(WantedIsolation::Off),
            Deed::Block(hashes) => prevention(entries(hashes), Vec::new()),
            Deed::Unblock(hashes) => prevention(Vec::new(), entries(hashes)),
            Deed::Run { .. } | Deed::Delete(_) => Wanted { isolation: None, prevention: None },
        })
    }

    fn command(&self) -> &'static str {
        match &self.deed {
            Deed::Isolate { .. } => "isolate",
            Deed::Release => "release",
            Deed::Block(_) => "block",
            Deed::Unblock(_) => "unblock",
            Deed::Run { .. } => "run",
            Deed::Delete(_) => "tasks delete",
        }
    }

    fn what(&self) -> ByHand {
        match &self.deed {
            Deed::Isolate { .. } => ByHand::Contains,
            Deed::Release | Deed::Block(_) | Deed::Unblock(_) | Deed::Run { .. } | Deed::Delete(_) => {
                ByHand::Changes
            }
        }
    }

    /// Of which a hold is left; `None`: of none, since no apply would undo it.
    fn aspect(&self) -> Option<Aspect> {
        match &self.deed {
            Deed::Isolate { .. } | Deed::Release => Some(Aspect::Isolation),
            Deed::Block(_) | Deed::Unblock(_) => Some(Aspect::Prevention),
            Deed::Run { .. } | Deed::Delete(_) => None,
        }
    }

    fn is_containment(&self) -> bool {
        self.what() == ByHand::Contains
    }

    fn is_release(&self) -> bool {
        match &self.deed {
            Deed::Release => true,
            Deed::Isolate { .. } | Deed::Block(_) | Deed::Unblock(_) | Deed::Run { .. } | Deed::Delete(_) => {
                false
            }
        }
    }

    /// Until when applies keep off what is done at `now`; `timeout`: that of the isolation that is set.
    fn hold_until(&self, now: Timestamp, timeout: Option<SignedDuration>) -> Timestamp {
        const DAY: SignedDuration = SignedDuration::from_hours(24);
        let after = |span| now.saturating_add(span).unwrap_or(Timestamp::MAX);
        match (self.lasting.hold, &self.deed) {
            (Some(span), _) => after(span),
            (None, Deed::Isolate { until, .. }) => {
                let end = after(timeout.unwrap_or(SignedDuration::ZERO));
                // The seconds that tell a timeout from the listed one are nobody's wish.
                if end.duration_since(*until) > SignedDuration::from_mins(1) { end } else { *until }
            }
            (
                None,
                Deed::Release | Deed::Block(_) | Deed::Unblock(_) | Deed::Run { .. } | Deed::Delete(_),
            ) => after(DAY),
        }
    }

    /// What this run's flags let pass.
    fn allowed(&self) -> Vec<Arc<str>> {
        let_pass(&self.hand.limits.allow, &self.take_over, [], false)
    }
}

/// What the walk works on: the files' servers and policy, and of rules those that were named.
fn named(declared: &Declared, meant: &who::Meant, wanted: &Wanted) -> Declared {
    use crate::declare::{DeclaredAllHosts, DeclaredHost, Identity};
    let entry = |host: &who::Host| DeclaredHost {
        entry: host.entry(),
        origin: Origin::command_line(),
        server: host.server.clone(),
        identity: Identity::Sensor(host.sensor.id),
        isolation: wanted.isolation.clone(),
        prevention: wanted.prevention.clone(),
    };
    let of_all = meant.all_of.iter().zip(&wanted.prevention).map(|(server, prevention)| {
        let prevention = Arc::clone(prevention);
        (server.clone(), DeclaredAllHosts { origin: Origin::command_line(), prevention })
    });
    Declared {
        hosts: meant.hosts.iter().map(entry).collect(),
        groups: Vec::new(),
        all_hosts: of_all.collect(),
        tasks: Vec::new(),
        ..declared.clone()
    }
}
