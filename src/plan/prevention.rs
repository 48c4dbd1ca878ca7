//! What a declared prevention of a host needs. A rule is sent whole, so every hash of it has to be accounted for:
//! declared, kept for others, given up to the rule for all hosts, or taken out with a reason that the plan shows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::entries::{Entries, Sifted};
use super::for_all::ForAll;
use super::isolation::{Evidence, Judgement};
use super::{Action, AddedHash, Change, FindingKind, RemovedBecause, RuleChange, Verdict, Whom};
use crate::declare::DeclaredPrevention;
use crate::model::{
    Aspect, BlockEntry, Difference, HashSet, PreventionRule, ReadFailure, Reading, Side, Subject, Target,
};
use crate::resolve::DesiredHost;

/// What was judged already. Most hosts of a fleet declare the same lists and have the same rule: it is gone through once,
/// and what it comes to is shared, so that time and memory follow what differs.
#[derive(Default)]
pub(super) struct JudgedRules(BTreeMap<Alike, Rule>);

/// Whatever a judgement hangs on that is not the same for all hosts of a server. What is declared and what was read lives
/// for as long as the plan is made, and is shared (`BlockSet`, `Observed::preventions`): its address tells it apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    block: Vec<*const BlockEntry>,
    unblock: Option<*const BlockEntry>,
    exact: bool,
    found: Option<*const PreventionRule>,
    ours: HashSet,
}

/// What a rule needs, whosever it is.
#[derive(Clone)]
struct Rule {
    verdict: Verdict,
    first: Option<Rewritten>,
    then: Option<Rewritten>,
    findings: Vec<(FindingKind, String)>,
}

#[derive(Clone)]
struct Rewritten {
    change: Arc<RuleChange>,
    before: Option<Arc<PreventionRule>>,
    after: Option<Arc<PreventionRule>>,
}

pub(super) fn judge(
    host: &Arc<DesiredHost>,
    declared: &DeclaredPrevention,
    reading: Reading<Arc<PreventionRule>>,
    for_all: &ForAll,
    evidence: &Evidence<'_>,
    known: &mut JudgedRules,
) -> Judgement {
    let found = match reading {
        Reading::Unknown(why) => return Judgement::unknown(why),
        Reading::Absent => None,
        Reading::Present(rule) => Some(rule),
    };
    let target = Target::Sensor(host.sensor.id);
    let alike = Alike {
        block: declared.block.iter().map(|list| list.as_ptr()).collect(),
        unblock: (!declared.unblock.is_empty()).then_some(declared.unblock.as_ptr()),
        exact: declared.exact,
        found: found.as_ref().map(Arc::as_ptr),
        ours: match &found {
            Some(rule) if evidence.recorded.may_have_ours_in(target) => {
                evidence.recorded.ours_in(target, &rule.hashes())
            }
            Some(_) | None => HashSet::new(),
        },
    };
    let rule = match known.0.entry(alike) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(place) => {
            let rule = judge_rule(declared, found, &place.key().ours, for_all, evidence);
            place.insert(rule).clone()
        }
    };
    let change = |Rewritten { change, before, after }: Rewritten| Change {
        subject: Subject { target, aspect: Aspect::Prevention },
        whom: Whom::Host(Arc::clone(host)),
        action: Action::Block(change),
        difference: Difference::Prevention(Side { before, after }),
        cause: declared.cause.clone(),
        reason: None,
        notes: Vec::new(),
    };
    Judgement {
        verdict: rule.verdict,
        first: rule.first.map(change),
        change: rule.then.map(change),
        findings: rule.findings,
    }
}

fn judge_rule(
    declared: &DeclaredPrevention,
    found: Option<Arc<PreventionRule>>,
    ours: &HashSet,
    for_all: &ForAll,
    evidence: &Evidence<'_>,
) -> Rule {
    let entries = Entries::of(declared, evidence);
    let mut rule = judge_found(found, ours, for_all, &entries, evidence);
    rule.findings.extend(entries.notice_of_those_to_come());
    rule.findings.extend(entries.notices_of_those_for_all(for_all.after(), evidence.by_hand));
    rule
}

fn judge_found(
    before: Option<Arc<PreventionRule>>,
    ours: &HashSet,
    for_all: &ForAll,
    entries: &Entries<'_>,
    evidence: &Evidence<'_>,
) -> Rule {
    let empty = PreventionRule::default();
    let found = before.as_deref().unwrap_or(&empty);
    let mut sifted = entries.sift(found, ours, evidence.by_hand, |hash| for_all.makes_of(hash));
    if let Some(why) = for_all.hides(sifted.missing.iter().map(|(hash, _)| hash)) {
        return Judgement::unknown(why).into();
    }
    // The server refuses a hash in both (response-api.md, section 4, "Clash").
    let mut late = HashSet::new();
    for (hash, entry) in std::mem::take(&mut sifted.missing) {
        if for_all.covers(&hash) {
            sifted.change.covered_by_all += 1;
            continue;
        }
        if for_all.loses(&hash) {
            late.insert(hash);
        }
        sifted.add(hash, entry);
    }
    let findings = left_undecided(entries)
        .into_iter()
        .chain(awaiting(&sifted, ["the rule for all hosts has it", "the rule for all hosts has them"]));
    let findings: Vec<_> = findings.collect();
    if sifted.change.added.is_empty() && sifted.change.removed.is_empty() {
        return nothing_to_write(&sifted, entries, findings).into();
    }
    let rewritten = |change, before, after| Some(Rewritten { change: Arc::new(change), before, after });
    let gives_up = sifted.change.removed.iter().any(|removed| removed.because.is_moved_to_all());
    let after = (!sifted.after.objects.is_empty()).then(|| Arc::new(sifted.after));
    let (first, then) = if !gives_up {
        (None, rewritten(sifted.change, before, after))
    } else if late.is_empty() {
        (rewritten(sifted.change, before, after), None)
    } else {
        let (first, between, then) = in_two(sifted.change, after.as_deref(), &late);
        (rewritten(first, before, between.clone()), rewritten(then, between, after))
    };
    Rule { verdict: Verdict::Differs, first, then, findings }
}

/// Of one that needs no write.
impl From<Judgement> for Rule {
    fn from(Judgement { verdict, findings, .. }: Judgement) -> Self {
        Self { verdict, first: None, then: None, findings }
    }
}

/// How a rule stands that needs no write.
pub(super) fn nothing_to_write(
    sifted: &Sifted<'_>,
    entries: &Entries<'_>,
    findings: Vec<(FindingKind, String)>,
) -> Judgement {
    match entries.undecided() {
        Some(why) => Judgement::unknown(why),
        None if sifted.awaiting.is_empty() => Judgement::plain(Verdict::InSync),
        None => Judgement { findings, ..Judgement::plain(Verdict::LeftAlone) },
    }
}

/// What is to leave this rule and stays until another has it: nobody is to go without it. `until`: of one hash, of
/// several.
pub(super) fn awaiting(sifted: &Sifted<'_>, until: [&str; 2]) -> Option<(FindingKind, String)> {
    let first = sifted.awaiting.first()?;
    let [until_it, until_them] = until;
    let message = match sifted.awaiting.len() {
        1 => format!("a hash stays ({}…) until {until_it}", first.short()),
        many => format!("{many} hashes stay ({}… first) until {until_them}", first.short()),
    };
    Some((FindingKind::Notice, message))
}

/// The rest is written all the same: it hangs on no instant.
pub(super) fn left_undecided(entries: &Entries<'_>) -> Vec<(FindingKind, String)> {
    let undecided = entries.undecided();
    undecided.map(|why| (FindingKind::Unknown, format!("{why}; it stays as it is"))).into_iter().collect()
}

/// A change that gives hashes up to the rule for all hosts and gets others from it: everything but the latter comes
/// before that rule is written, since a hash may not be in both.
fn in_two(
    whole: RuleChange,
    after: Option<&PreventionRule>,
    late: &HashSet,
) -> (RuleChange, Option<Arc<PreventionRule>>, RuleChange) {
    let mut between = after.cloned().unwrap_or_default();
    between.objects.retain(|hash, _| !late.contains(hash));
    let (last, early): (Vec<AddedHash>, Vec<AddedHash>) =
        whole.added.into_iter().partition(|added| late.contains(&added.hash));
    let then = RuleChange {
        added: last,
        kept: between.objects.len(),
        kept_foreign: whole.kept_foreign,
        ..RuleChange::default()
    };
    let between = (!between.objects.is_empty()).then(|| Arc::new(between));
    (RuleChange { added: early, ..whole }, between, then)
}

impl RemovedBecause {
    /// Whether somebody names this very hash to be taken out.
    pub(super) fn is_named(&self) -> bool {
        match self {
            Self::Unblocked(_) => true,
            Self::Expired { .. } | Self::NoLongerDeclared | Self::Exact | Self::MovedToAll { .. } => false,
        }
    }

    /// It goes on being blocked, by the rule for all hosts.
    pub fn is_moved_to_all(&self) -> bool {
        match self {
            Self::MovedToAll { .. } => true,
            Self::Unblocked(_) | Self::Expired { .. } | Self::NoLongerDeclared | Self::Exact => false,
        }
    }
}

/// Why hosts that would share hashes with a rule that is not known get no write.
pub(super) fn not_known(why: &ReadFailure) -> ReadFailure {
    ReadFailure::new(format!(
        "the rule for all hosts could not be read, and a hash may not be in both: {why}"
    ))
}
