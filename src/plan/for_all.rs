//! The rule for all hosts: what it needs, and what this plan makes of it, on which the rules of all hosts hang. A hash
//! may not be in it and in a host's rule at once (response-api.md, section 4, "Clash").

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clash::Clashes;
use super::entries::{Elsewhere, Entries};
use super::isolation::{Evidence, Judgement};
use super::make::Facts;
use super::prevention::{awaiting, left_undecided, not_known, nothing_to_write};
use super::{Action, Change, Finding, Verdict, Whom};
use crate::declare::DeclaredPrevention;
use crate::model::{
    Aspect, Difference, FileHash, HashSet, PreventionRule, ReadFailure, Reading, Side, Subject, Target,
};
use crate::resolve::{DesiredHost, Unresolved};

/// The rule for all hosts as this plan finds it and leaves it.
pub(super) struct ForAll {
    found: Reading<Arc<PreventionRule>>,
    /// As found, where this plan does not write it.
    after: Option<Arc<PreventionRule>>,
    /// Hosts have to give up first whatever of it they hold.
    is_gaining: bool,
    /// It is declared to hold these too, and this plan does not write them into it.
    awaited: HashSet,
    /// Why nobody knows whether the server would take those.
    undecided: Option<ReadFailure>,
}

/// What it is and will be.
pub(super) struct Judged {
    pub(super) for_all: ForAll,
    /// Where it is declared, how it stands and what it needs.
    pub(super) judgement: Option<Judgement>,
    /// The hosts that keep it from being written.
    pub(super) clashes: Vec<Finding>,
}

pub(super) fn judge(facts: &Facts<'_>, evidence: &Evidence<'_>) -> Judged {
    let mut for_all = ForAll::as_found(facts.observed.prevention(Target::AllHosts));
    let desired = facts.desired;
    if let Some(declared) = desired.all_hosts.as_ref().or(desired.all_left_out.as_ref()) {
        let to_have = Entries::of(declared, evidence).blocked.into_keys();
        for_all.awaited = to_have.filter(|hash| !for_all.covers(hash)).collect();
    }
    let Some(declared) = &desired.all_hosts else {
        return Judged { for_all, judgement: None, clashes: Vec::new() };
    };
    if let Reading::Unknown(why) = &for_all.found {
        let judgement = Some(Judgement::unknown(why.clone()));
        return Judged { for_all, judgement, clashes: Vec::new() };
    }
    let entries = Entries::of(declared, evidence);
    let mut clashes = Vec::new();
    let (for_all, mut judgement) = judge_found(facts, declared, for_all, &entries, evidence, &mut clashes);
    judgement.findings.extend(entries.notice_of_those_to_come());
    Judged { for_all, judgement: Some(judgement), clashes }
}

/// Whether the rule for all hosts is to get hashes, so that the rules of all hosts have to be known: the server
/// refuses a file that any of them holds.
pub(super) fn gains(
    declared: &DeclaredPrevention,
    found: &Reading<Arc<PreventionRule>>,
    evidence: &Evidence<'_>,
) -> bool {
    let found = match found {
        Reading::Unknown(_) => return false,
        Reading::Absent => None,
        Reading::Present(rule) => Some(rule),
    };
    let entries = Entries::of(declared, evidence);
    let is_held = hold_on(evidence).is_some();
    !is_held && entries.blocked.keys().any(|hash| !found.is_some_and(|rule| rule.objects.contains_key(hash)))
}

fn hold_on<'a>(evidence: &Evidence<'a>) -> Option<&'a crate::record::Hold> {
    let subject = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };
    evidence.recorded.hold_on(subject, evidence.now).filter(|_| !evidence.by_hand)
}

fn judge_found(
    facts: &Facts<'_>,
    declared: &Arc<DeclaredPrevention>,
    for_all: ForAll,
    entries: &Entries<'_>,
    evidence: &Evidence<'_>,
    in_the_way: &mut Vec<Finding>,
) -> (ForAll, Judgement) {
    let before = for_all.after.clone();
    let empty = PreventionRule::default();
    let found = before.as_deref().unwrap_or(&empty);
    let ours = evidence.recorded.ours_in(Target::AllHosts, &found.hashes());
    let waiting = waiting(facts, found, evidence);
    let mut sifted = entries.sift(found, &ours, evidence.by_hand, |hash| match waiting.contains(hash) {
        true => Elsewhere::IsToHave,
        false => Elsewhere::Nothing,
    });
    let findings = left_undecided(entries).into_iter();
    let findings: Vec<_> = findings
        .chain(awaiting(
            &sifted,
            ["every host that declares it can get it", "every host that declares them can get them"],
        ))
        .collect();
    for (hash, entry) in std::mem::take(&mut sifted.missing) {
        sifted.add(hash, entry);
    }
    if sifted.change.added.is_empty() && sifted.change.removed.is_empty() {
        return (for_all, nothing_to_write(&sifted, entries, findings));
    }
    let is_gaining = !sifted.change.added.is_empty();
    let after = (!sifted.after.objects.is_empty()).then(|| Arc::new(sifted.after));
    let change = Change {
        subject: Subject { target: Target::AllHosts, aspect: Aspect::Prevention },
        whom: Whom::AllHosts(Arc::clone(declared)),
        action: Action::Block(Arc::new(sifted.change)),
        difference: Difference::Prevention(Side { before, after: after.clone() }),
        cause: declared.cause.clone(),
        reason: None,
        notes: Vec::new(),
    };
    let mut judgement = Judgement { verdict: Verdict::Differs, first: None, change: Some(change), findings };
    if hold_on(evidence).is_some() {
        // Nothing of it is written, and so it stays what it is to the hosts.
        return (for_all, judgement);
    }
    if !is_gaining {
        return (ForAll { after, ..for_all }, judgement);
    }
    let clashes = Clashes::find(facts, after.as_deref().unwrap_or(&empty));
    in_the_way.extend(clashes.findings());
    if let Some(why) = clashes.not_known() {
        judgement.change = None;
        judgement.verdict = Verdict::Unknown(why.clone());
        return (ForAll { undecided: Some(why), ..for_all }, judgement);
    }
    if clashes.is_any() {
        judgement.change = None;
        judgement.verdict = Verdict::LeftAlone;
        return (for_all, judgement);
    }
    (ForAll { after, is_gaining, awaited: HashSet::new(), ..for_all }, judgement)
}

/// The hashes of the rule that a host declares which can not get them now: not read, held, left out by `--limit`,
/// or one of those that a refused entry may mean.
fn waiting(facts: &Facts<'_>, found: &PreventionRule, evidence: &Evidence<'_>) -> HashSet {
    let is_stuck = |host: &&Arc<DesiredHost>| {
        let target = Target::Sensor(host.sensor.id);
        let subject = Subject { target, aspect: Aspect::Prevention };
        let is_held = !evidence.by_hand && facts.recorded.hold_on(subject, facts.now).is_some();
        is_held || matches!(facts.observed.prevention(target), Reading::Unknown(_))
    };
    let stuck = facts.desired.hosts.iter().filter(is_stuck).chain(&facts.desired.left_out);
    let is_there = |host: &&Unresolved| host.sensors.iter().any(|id| facts.listed.sensors.contains_key(id));
    let refused = facts.desired.all_unresolved().filter(is_there);
    let declared =
        stuck.filter_map(|host| host.prevention.as_ref()).chain(refused.flat_map(|host| &host.preventions));
    // Many hosts share what a group declares.
    let declared: BTreeMap<*const DeclaredPrevention, &DeclaredPrevention> =
        declared.map(|it| (Arc::as_ptr(it), &**it)).collect();
    let wanted = declared.values().flat_map(|declared| Entries::of(declared, evidence).blocked.into_keys());
    wanted.filter(|hash| found.objects.contains_key(hash)).collect()
}

impl ForAll {
    pub(super) fn as_found(found: Reading<Arc<PreventionRule>>) -> Self {
        let after = match &found {
            Reading::Present(rule) => Some(Arc::clone(rule)),
            Reading::Absent | Reading::Unknown(_) => None,
        };
        Self { found, after, is_gaining: false, awaited: HashSet::new(), undecided: None }
    }

    /// As it will be, as far as it is known.
    pub(super) fn after(&self) -> Option<&PreventionRule> {
        self.after.as_deref()
    }

    /// What it makes of a hash that a host has.
    pub(super) fn makes_of(&self, hash: &FileHash) -> Elsewhere {
        if self.is_gaining && self.covers(hash) {
            Elsewhere::Takes
        } else if self.awaited.contains(hash) {
            Elsewhere::IsToHave
        } else {
            Elsewhere::Nothing
        }
    }

    /// Whether it holds a hash and keeps it, or will hold it by this very plan.
    pub(super) fn covers(&self, hash: &FileHash) -> bool {
        self.after.as_ref().is_some_and(|rule| rule.objects.contains_key(hash))
    }

    /// Whether it holds a hash and gives it up: before that no host can have it.
    pub(super) fn loses(&self, hash: &FileHash) -> bool {
        let is_found = match &self.found {
            Reading::Present(rule) => rule.objects.contains_key(hash),
            Reading::Absent | Reading::Unknown(_) => false,
        };
        is_found && !self.covers(hash)
    }

    /// Why nobody can tell whether a host should get these hashes.
    pub(super) fn hides<'a>(&self, missing: impl Iterator<Item = &'a FileHash>) -> Option<ReadFailure> {
        let mut missing = missing.peekable();
        missing.peek()?;
        if let Reading::Unknown(why) = &self.found {
            return Some(not_known(why));
        }
        let why = self.undecided.as_ref()?;
        missing.any(|hash| self.awaited.contains(hash)).then(|| {
            ReadFailure::new(format!(
                "the rule for all hosts is to hold hashes that are declared here too, and is not written now: {why}"
            ))
        })
    }
}
