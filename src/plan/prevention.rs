//! What a declared prevention needs. A rule is sent whole, so every hash of it has to be accounted for: declared,
//! kept for others, or taken out with a reason that the plan shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::isolation::{Evidence, Judgement, clocks_apart};
use super::{
    Action, AddedHash, Change, FindingKind, RemovedBecause, RemovedHash, RuleChange, ServerClock, Verdict,
    Whom,
};
use crate::declare::DeclaredPrevention;
use crate::model::{
    Aspect, BlockEntry, Difference, FileHash, KeptObject, PreventionRule, ReadFailure, Reading, Side,
    Subject, Target,
};
use crate::resolve::DesiredHost;

pub(super) fn judge(
    host: &Arc<DesiredHost>,
    declared: &DeclaredPrevention,
    reading: Reading<Arc<PreventionRule>>,
    for_all: &Reading<Arc<PreventionRule>>,
    evidence: &Evidence<'_>,
) -> Judgement {
    let before = match reading {
        Reading::Unknown(why) => return Judgement::unknown(why),
        Reading::Absent => None,
        Reading::Present(rule) => Some(rule),
    };
    let entries = Entries::of(declared, evidence);
    let mut judgement = judge_found(host, declared, before, for_all, &entries, evidence);
    judgement.findings.extend(entries.notice_of_those_to_come());
    if evidence.by_hand {
        judgement.findings.extend(entries.notice_of_those_for_all(for_all));
    }
    judgement
}

fn judge_found(
    host: &Arc<DesiredHost>,
    declared: &DeclaredPrevention,
    before: Option<Arc<PreventionRule>>,
    for_all: &Reading<Arc<PreventionRule>>,
    entries: &Entries<'_>,
    evidence: &Evidence<'_>,
) -> Judgement {
    let target = Target::Sensor(host.sensor.id);
    let empty = PreventionRule::default();
    let found = before.as_deref().unwrap_or(&empty);
    let ours = evidence.recorded.ours_in(target, &found.hashes());

    let mut change = RuleChange::default();
    let mut after = PreventionRule::default();
    for (hash, object) in &found.objects {
        // What a person names says nothing of the other hashes, whosever they are.
        let is_dropped = ours.contains(hash) && !evidence.by_hand;
        match entries.why_removed(*hash, declared.exact, is_dropped) {
            Some(because) => change.removed.push(RemovedHash { hash: *hash, because }),
            None => {
                change.kept += 1;
                change.kept_foreign += usize::from(!ours.contains(hash));
                change.loses_fields += usize::from(object.has_other_fields);
                after
                    .objects
                    .insert(*hash, KeptObject { name: object.name.clone(), has_other_fields: false });
            }
        }
    }
    let missing = entries.blocked.iter().filter(|(hash, _)| !found.objects.contains_key(*hash));
    match for_all {
        Reading::Unknown(why) => {
            if missing.count() > 0 {
                return Judgement::unknown(ReadFailure::new(format!(
                    "the rule for all hosts could not be read, and a hash may not be in both: {why}"
                )));
            }
        }
        Reading::Absent => add(&mut change, &mut after, missing, None),
        Reading::Present(rule) => add(&mut change, &mut after, missing, Some(rule)),
    }
    if change.added.is_empty() && change.removed.is_empty() {
        return if entries.left_as_is.is_empty() {
            Judgement::plain(Verdict::InSync)
        } else {
            Judgement::unknown(clocks_apart(LISTED_END))
        };
    }
    // The rest is written all the same: it hangs on no instant.
    Judgement {
        verdict: Verdict::Differs,
        change: Some(Change {
            subject: Subject { target, aspect: Aspect::Prevention },
            whom: Whom::Host(Arc::clone(host)),
            action: Action::Block(change),
            difference: Difference::Prevention(Side {
                before,
                after: (!after.objects.is_empty()).then(|| Arc::new(after)),
            }),
            cause: declared.cause.clone(),
            reason: None,
            notes: Vec::new(),
        }),
        findings: if entries.left_as_is.is_empty() {
            Vec::new()
        } else {
            vec![(FindingKind::Unknown, format!("{}; it stays as it is", clocks_apart(LISTED_END)))]
        },
    }
}

const LISTED_END: &str = "whether the time of a listed hash has ended";

/// Puts in what is declared and not there, except what the rule for all hosts holds: the server refuses a hash in
/// both (response-api.md, section 4, "Clash").
fn add<'a>(
    change: &mut RuleChange,
    after: &mut PreventionRule,
    missing: impl Iterator<Item = (&'a FileHash, &'a &'a BlockEntry)>,
    for_all: Option<&PreventionRule>,
) {
    for (hash, entry) in missing {
        if for_all.is_some_and(|rule| rule.objects.contains_key(hash)) {
            change.covered_by_all += 1;
            continue;
        }
        change.added.push(AddedHash { hash: *hash, list: entry.list.clone(), origin: entry.origin.clone() });
        // Nothing beside the hash: the documented form has no `name`, and a strict server refuses it.
        after.objects.insert(*hash, KeptObject::default());
    }
}

/// The declared hashes of one host, sorted by what they ask for.
struct Entries<'a> {
    blocked: BTreeMap<FileHash, &'a BlockEntry>,
    expired: BTreeMap<FileHash, &'a BlockEntry>,
    unblocked: BTreeMap<FileHash, &'a BlockEntry>,
    /// Entries whose end can not be judged, the clocks being apart: left in the rule as they are, or as absent.
    left_as_is: BTreeMap<FileHash, &'a BlockEntry>,
    /// Entries that are to be blocked only later.
    to_come: BTreeMap<FileHash, &'a BlockEntry>,
}

impl<'a> Entries<'a> {
    fn of(declared: &'a DeclaredPrevention, evidence: &Evidence<'_>) -> Self {
        let mut entries = Self {
            blocked: BTreeMap::new(),
            expired: BTreeMap::new(),
            unblocked: declared.unblock.iter().map(|entry| (entry.hash, entry)).collect(),
            left_as_is: BTreeMap::new(),
            to_come: BTreeMap::new(),
        };
        for entry in declared.block.iter().flat_map(|list| list.iter()) {
            let is_to_come = |by| entry.from.is_some_and(|from| from > by);
            let has_passed = |by| entry.until.is_some_and(|until| until <= by);
            let by_ours = has_passed(evidence.now);
            let is_outside = |by| is_to_come(by) || has_passed(by);
            match evidence.clock {
                ServerClock::Apart(ahead) => {
                    let theirs = evidence.now.saturating_add(ahead).unwrap_or(evidence.now);
                    if is_outside(evidence.now) || is_outside(theirs) {
                        entries.left_as_is.insert(entry.hash, entry);
                    } else {
                        entries.blocked.entry(entry.hash).or_insert(entry);
                    }
                }
                ServerClock::Together(_) | ServerClock::NotGiven if by_ours => {
                    entries.expired.entry(entry.hash).or_insert(entry);
                }
                ServerClock::Together(_) | ServerClock::NotGiven if is_to_come(evidence.now) => {
                    entries.to_come.entry(entry.hash).or_insert(entry);
                }
                ServerClock::Together(_) | ServerClock::NotGiven => {
                    entries.blocked.entry(entry.hash).or_insert(entry);
                }
            }
        }
        // What one list still blocks is blocked, whatever another list says of its own entry's end.
        entries.expired.retain(|hash, _| !entries.blocked.contains_key(hash));
        entries.left_as_is.retain(|hash, _| !entries.blocked.contains_key(hash));
        entries.to_come.retain(|hash, _| !entries.blocked.contains_key(hash));
        entries
    }

    fn notice_of_those_to_come(&self) -> Option<(FindingKind, String)> {
        let first = self.to_come.values().filter_map(|entry| entry.from).min()?;
        let hashes = match self.to_come.len() {
            1 => "1 listed hash is".to_owned(),
            many => format!("{many} listed hashes are"),
        };
        Some((FindingKind::Notice, format!("{hashes} not to be blocked yet, the first from {first} on")))
    }

    /// What the rule for all hosts makes of hashes that a person names: nothing of the host's own rule changes it.
    fn notice_of_those_for_all(&self, for_all: &Reading<Arc<PreventionRule>>) -> Vec<(FindingKind, String)> {
        let Reading::Present(rule) = for_all else { return Vec::new() };
        let of = |named: &BTreeMap<FileHash, &BlockEntry>, what: &str| {
            let count = named.keys().filter(|hash| rule.objects.contains_key(hash)).count();
            let hashes = if count == 1 { "1 hash is".to_owned() } else { format!("{count} hashes are") };
            let text = format!("{hashes} in the rule for all hosts, which {what}");
            (count > 0).then_some((FindingKind::Notice, text))
        };
        let blocked = of(&self.blocked, "blocks here too: nothing is added for that");
        blocked.into_iter().chain(of(&self.unblocked, "goes on blocking here")).collect()
    }

    fn why_removed(&self, hash: FileHash, exact: bool, is_ours: bool) -> Option<RemovedBecause> {
        if self.blocked.contains_key(&hash) || self.left_as_is.contains_key(&hash) {
            return None;
        }
        if let Some(entry) = self.unblocked.get(&hash) {
            return Some(RemovedBecause::Unblocked(entry.origin.clone()));
        }
        if let Some((entry, at)) = self.expired.get(&hash).and_then(|entry| Some((entry, entry.until?))) {
            return Some(RemovedBecause::Expired { at, origin: entry.origin.clone() });
        }
        if is_ours {
            return Some(RemovedBecause::NoLongerDeclared);
        }
        exact.then_some(RemovedBecause::Exact)
    }
}
