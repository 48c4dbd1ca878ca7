//! The ledger as a document: what the record keeps of itself so that old segments need not be read again, and what
//! a plan without the record is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sets::WireSet;
use super::wire::{
    self, SetRef, WireAspect, WireDifference, WireGroup, WireIsolation, WireOrigin, WireSensor, WireTarget,
    WireTime,
};
use super::wire_task::{WireProgram, WireTaskId};
use super::{
    Attribution, Entries, Hold, IntentionNumber, LastRun, OpenIntention, Recorded, RecordedIsolation,
    RecordedPrevention, RecordedRule, RecordedTask,
};
use crate::model::{
    AspectKind, Cause, Difference, HashSet, HoldScope, Isolation, KeptObject, PreventionRule, Subject,
};

/// A [`Recorded`] as it is written down. Sets of hashes stand in it once each, under their digests.
///
/// A field that this version does not know is passed over, so one may be added only where the rest means the same
/// without it; anything else needs another [`RecordedFile::FORMAT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_run: Option<WireLastRun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts_last_seen: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    isolations: Vec<WireRecordedIsolation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    preventions: Vec<WireRecordedPrevention>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<WireRecordedTask>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    entries: BTreeMap<String, BTreeMap<String, WireSensor>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<WireOpen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<WireHold>,
    /// By the SHA-256 that a set has in the record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sets: BTreeMap<String, WireSet>,
}

/// Why a document is no ledger for this version. For a person, without a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordedFileError {
    /// It has a format that this version does not read.
    #[error(
        "what it says of the record has the format {found}, and this version reads {}",
        RecordedFile::FORMAT
    )]
    Format {
        /// What it gives as its `format`.
        found: u32,
    },
    /// It says what can not be, such as a set that is not there; what that is, for a person.
    #[error("what it says of the record makes no sense: {0}")]
    Wrong(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireLastRun {
    id: String,
    at: WireTime,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireAttribution {
    owner: String,
    run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<WireOrigin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<WireGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    at: WireTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireRecordedIsolation {
    sensor: WireSensor,
    by: WireAttribution,
    /// `null`: we deleted the rule.
    rule: Option<WireRecordedRule>,
    verified_at: WireTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireRecordedRule {
    listed: WireIsolation,
    sent_timeout_seconds: u64,
    sent_at: WireTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_at: Option<WireTime>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clocks_apart: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireRecordedPrevention {
    target: WireTarget,
    by: WireAttribution,
    ours: SetRef,
    verified_at: WireTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireRecordedTask {
    id: WireTaskId,
    by: WireAttribution,
    sensor: WireSensor,
    program: WireProgram,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    verified_at: WireTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireOpen {
    intention: u64,
    target: WireTarget,
    by: WireAttribution,
    difference: WireDifference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign: Option<SetRef>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clocks_apart: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_hand: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_contested: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireHold {
    target: WireTarget,
    aspect: WireAspect,
    until: WireTime,
    by: String,
    run: String,
    at: WireTime,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl RecordedFile {
    /// The newest that this version reads. To be raised also where the same events fold into something else.
    pub const FORMAT: u32 = 2;

    /// What a document without tasks is written as, so that older versions read it. One with tasks they must refuse:
    /// without them they would start programs again.
    const WITHOUT_TASKS: u32 = 1;
}

impl From<&Recorded> for RecordedFile {
    fn from(recorded: &Recorded) -> Self {
        let mut sets = SetsOut::default();
        let Recorded { last_run, hosts_last_seen, isolations, preventions, tasks, entries, open, holds } =
            recorded;
        let preventions = preventions.iter().map(|(target, known)| WireRecordedPrevention {
            target: WireTarget(*target),
            by: (&known.by).into(),
            ours: sets.hashes(&known.ours),
            verified_at: WireTime(known.verified_at),
        });
        let preventions = preventions.collect();
        let open = open.iter().map(|open| sets.open(open)).collect();
        Self {
            format: if tasks.is_empty() { Self::WITHOUT_TASKS } else { Self::FORMAT },
            last_run: last_run.as_ref().map(|run| WireLastRun {
                id: run.id.to_string(),
                at: WireTime(run.at),
                unfinished: run.is_unfinished,
            }),
            hosts_last_seen: *hosts_last_seen,
            isolations: isolations
                .iter()
                .map(|(sensor, known)| WireRecordedIsolation {
                    sensor: WireSensor(*sensor),
                    by: (&known.by).into(),
                    rule: known.rule.as_ref().map(Into::into),
                    verified_at: WireTime(known.verified_at),
                })
                .collect(),
            preventions,
            tasks: tasks
                .iter()
                .map(|(id, known)| WireRecordedTask {
                    id: WireTaskId(*id),
                    by: (&known.by).into(),
                    sensor: WireSensor(known.sensor),
                    program: (&*known.program).into(),
                    deleted: known.is_deleted,
                    verified_at: WireTime(known.verified_at),
                })
                .collect(),
            entries: entries
                .iter()
                .map(|(owner, entries)| (owner.to_string(), wire_entries(entries)))
                .collect(),
            open,
            holds: holds.iter().map(|(subject, hold)| WireHold::new(*subject, hold)).collect(),
            sets: sets.sets,
        }
    }
}

impl TryFrom<RecordedFile> for Recorded {
    type Error = RecordedFileError;

    fn try_from(file: RecordedFile) -> Result<Self, RecordedFileError> {
        if !(RecordedFile::WITHOUT_TASKS..=RecordedFile::FORMAT).contains(&file.format) {
            return Err(RecordedFileError::Format { found: file.format });
        }
        let sets = SetsIn::new(file.sets).map_err(RecordedFileError::Wrong)?;
        let wrong = RecordedFileError::Wrong;
        let mut recorded = Self {
            last_run: file.last_run.map(|run| LastRun {
                id: run.id.into(),
                at: run.at.0,
                is_unfinished: run.unfinished,
            }),
            hosts_last_seen: file.hosts_last_seen,
            entries: file.entries.into_iter().map(|(owner, wire)| (owner.into(), entries(wire))).collect(),
            holds: file.holds.into_iter().map(WireHold::hold).collect(),
            ..Self::default()
        };
        for known in file.isolations {
            let rule = known.rule.map(RecordedRule::try_from).transpose().map_err(wrong)?;
            let isolation = RecordedIsolation { by: known.by.into(), rule, verified_at: known.verified_at.0 };
            recorded.isolations.insert(known.sensor.0, isolation);
        }
        for known in file.preventions {
            let ours = sets.hashes(&known.ours).map_err(wrong)?;
            let prevention =
                RecordedPrevention { by: known.by.into(), ours, verified_at: known.verified_at.0 };
            recorded.preventions.insert(known.target.0, prevention);
        }
        for known in file.tasks {
            let task = RecordedTask {
                by: known.by.into(),
                sensor: known.sensor.0,
                program: Arc::new(known.program.into()),
                is_deleted: known.deleted,
                verified_at: known.verified_at.0,
            };
            recorded.tasks.insert(known.id.0, task);
        }
        for open in file.open {
            recorded.open.push(sets.open(open).map_err(wrong)?);
        }
        Ok(recorded)
    }
}

impl From<&Attribution> for WireAttribution {
    fn from(by: &Attribution) -> Self {
        Self {
            owner: by.owner.to_string(),
            run: by.run.to_string(),
            entry: by.entry.as_deref().map(str::to_owned),
            origin: by.cause.as_ref().map(|cause| cause.origin().into()),
            groups: by.cause.iter().flat_map(Cause::groups).map(Into::into).collect(),
            reason: by.reason.as_deref().map(str::to_owned),
            commit: by.commit.as_deref().map(str::to_owned),
            at: WireTime(by.at),
        }
    }
}

impl From<WireAttribution> for Attribution {
    fn from(by: WireAttribution) -> Self {
        Self {
            cause: wire::cause(by.origin.as_ref(), &by.groups),
            owner: by.owner.into(),
            run: by.run.into(),
            entry: by.entry.map(Into::into),
            reason: by.reason.map(Into::into),
            commit: by.commit.map(Into::into),
            at: by.at.0,
        }
    }
}

impl From<&RecordedRule> for WireRecordedRule {
    fn from(rule: &RecordedRule) -> Self {
        Self {
            listed: (&rule.listed).into(),
            sent_timeout_seconds: rule.sent_timeout_seconds,
            sent_at: WireTime(rule.sent_at),
            verified_at: rule.verified_at.map(WireTime),
            clocks_apart: rule.clocks_apart,
        }
    }
}

impl TryFrom<WireRecordedRule> for RecordedRule {
    type Error = String;

    fn try_from(wire: WireRecordedRule) -> Result<Self, String> {
        Ok(Self {
            listed: Isolation::try_from(&wire.listed)?,
            sent_timeout_seconds: wire.sent_timeout_seconds,
            sent_at: wire.sent_at.0,
            verified_at: wire.verified_at.map(|at| at.0),
            clocks_apart: wire.clocks_apart,
        })
    }
}

impl WireHold {
    fn new(subject: HoldScope, hold: &Hold) -> Self {
        Self {
            target: WireTarget(subject.target),
            aspect: subject.aspect.into(),
            until: WireTime(hold.until),
            by: hold.by.to_string(),
            run: hold.run.to_string(),
            at: WireTime(hold.at),
            command: hold.command.to_string(),
            reason: hold.reason.as_deref().map(str::to_owned),
        }
    }

    fn hold(self) -> (HoldScope, Hold) {
        let subject = HoldScope { target: self.target.0, aspect: AspectKind::from(self.aspect) };
        let hold = Hold {
            until: self.until.0,
            by: self.by.into(),
            run: self.run.into(),
            at: self.at.0,
            command: self.command.into(),
            reason: self.reason.map(Into::into),
        };
        (subject, hold)
    }
}

/// Sets as they are written down: each once.
#[derive(Default)]
pub(super) struct SetsOut {
    pub(super) sets: BTreeMap<String, WireSet>,
    /// Where a shared set lies in memory: digesting a fleet's one list for each of its hosts would take seconds.
    known: BTreeMap<usize, SetRef>,
}

impl SetsOut {
    fn hashes(&mut self, hashes: &Arc<HashSet>) -> SetRef {
        self.once(Arc::as_ptr(hashes).addr(), || {
            let objects = hashes.iter().map(|hash| (*hash, KeptObject::default()));
            WireSet::new(&PreventionRule { objects: objects.collect() })
        })
    }

    fn rule(&mut self, rule: &Arc<PreventionRule>) -> SetRef {
        self.once(Arc::as_ptr(rule).addr(), || WireSet::new(rule))
    }

    fn once(&mut self, address: usize, set: impl FnOnce() -> WireSet) -> SetRef {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let set = set();
        let named = set.named();
        self.sets.insert(named.sha256.clone(), set);
        self.known.insert(address, named.clone());
        named
    }

    pub(super) fn open(&mut self, open: &OpenIntention) -> WireOpen {
        let mut kept = Vec::new();
        if let Difference::Prevention(side) = &open.difference {
            kept.extend(side.before.iter().chain(&side.after).map(|rule| self.rule(rule)));
        }
        WireOpen {
            intention: open.number.0,
            target: WireTarget(open.subject.target),
            by: (&open.by).into(),
            difference: WireDifference::new(&open.difference, kept.into_iter()),
            foreign: open.foreign.as_ref().map(|rule| self.rule(rule)),
            clocks_apart: open.clocks_apart,
            by_hand: open.by_hand,
            is_contested: open.is_contested,
        }
    }
}

/// Sets as they were read: each is what its digest says, and all who name one share it.
pub(super) struct SetsIn {
    rules: BTreeMap<String, Arc<PreventionRule>>,
    hashes: BTreeMap<String, Arc<HashSet>>,
}

impl SetsIn {
    pub(super) fn new(sets: BTreeMap<String, WireSet>) -> Result<Self, String> {
        let mut read = Self { rules: BTreeMap::new(), hashes: BTreeMap::new() };
        for (sha256, set) in sets {
            if set.named().sha256 != sha256 {
                return Err(format!("set {sha256} is not what its name, a digest, says"));
            }
            let rule = set.rule()?;
            read.hashes.insert(sha256.clone(), Arc::new(rule.hashes()));
            read.rules.insert(sha256, Arc::new(rule));
        }
        Ok(read)
    }

    fn hashes(&self, set: &SetRef) -> Result<Arc<HashSet>, String> {
        self.hashes.get(&set.sha256).cloned().ok_or_else(|| format!("no set {}", set.sha256))
    }

    pub(super) fn open(&self, wire: WireOpen) -> Result<OpenIntention, String> {
        let sets = |sha256: &str| self.rules.get(sha256).cloned();
        let difference = wire.difference.difference(&sets)?;
        let foreign = wire::rule(wire.foreign.as_ref(), &sets)?;
        Ok(OpenIntention {
            number: IntentionNumber(wire.intention),
            subject: Subject { target: wire.target.0, aspect: difference.aspect() },
            by: wire.by.into(),
            difference,
            foreign,
            clocks_apart: wire.clocks_apart,
            by_hand: wire.by_hand,
            is_contested: wire.is_contested,
        })
    }
}
fn wire_entries(entries: &Entries) -> BTreeMap<String, WireSensor> {
    entries.iter().map(|(entry, sensor)| (entry.to_string(), WireSensor(*sensor))).collect()
}

fn entries(wire: BTreeMap<String, WireSensor>) -> Entries {
    wire.into_iter().map(|(entry, sensor)| (entry.into(), sensor.0)).collect()
}
