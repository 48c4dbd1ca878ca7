//! The hashes that one `prevention` declares, sorted by what they ask for at this instant: the same for a host's rule
//! and for the rule for all hosts.

use std::collections::BTreeMap;

use super::isolation::{Evidence, clocks_apart};
use super::{AddedHash, FindingKind, RemovedBecause, RemovedHash, RuleChange, ServerClock};
use crate::declare::DeclaredPrevention;
use crate::model::{BlockEntry, FileHash, HashSet, KeptObject, PreventionRule, ReadFailure};

const LISTED_END: &str = "whether the time of a listed hash has ended";

/// Declared hashes, each in one of these.
pub(super) struct Entries<'a> {
    pub(super) blocked: BTreeMap<FileHash, &'a BlockEntry>,
    expired: BTreeMap<FileHash, &'a BlockEntry>,
    unblocked: BTreeMap<FileHash, &'a BlockEntry>,
    /// Entries whose end can not be judged, the clocks being apart: left in the rule as they are, or as absent.
    left_as_is: BTreeMap<FileHash, &'a BlockEntry>,
    /// Whether nothing else may be in the rule.
    exact: bool,
    /// Entries that are to be blocked only later.
    to_come: BTreeMap<FileHash, &'a BlockEntry>,
}

impl<'a> Entries<'a> {
    pub(super) fn of(declared: &'a DeclaredPrevention, evidence: &Evidence<'_>) -> Self {
        let mut entries = Self {
            blocked: BTreeMap::new(),
            expired: BTreeMap::new(),
            unblocked: declared.unblock.iter().map(|entry| (entry.hash, entry)).collect(),
            left_as_is: BTreeMap::new(),
            exact: declared.exact,
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

    pub(super) fn notice_of_those_to_come(&self) -> Option<(FindingKind, String)> {
        let first = self.to_come.values().filter_map(|entry| entry.from).min()?;
        let hashes = match self.to_come.len() {
            1 => "1 listed hash is".to_owned(),
            many => format!("{many} listed hashes are"),
        };
        Some((FindingKind::Notice, format!("{hashes} not to be blocked yet, the first from {first} on")))
    }

    /// What the rule for all hosts makes of what is named here: nothing of the host's own rule changes that. That it
    /// covers a declared hash needs no word of its own; that a hash named by a person is there already does.
    pub(super) fn notices_of_those_for_all(
        &self,
        for_all: Option<&PreventionRule>,
        by_hand: bool,
    ) -> Vec<(FindingKind, String)> {
        let Some(rule) = for_all else { return Vec::new() };
        let of = |named: &BTreeMap<FileHash, &BlockEntry>, what: &str| {
            let count = named.keys().filter(|hash| rule.objects.contains_key(hash)).count();
            let hashes = if count == 1 { "1 hash is".to_owned() } else { format!("{count} hashes are") };
            let text = format!("{hashes} in the rule for all hosts, which {what}");
            (count > 0).then_some((FindingKind::Notice, text))
        };
        let blocked = of(&self.blocked, "blocks here too: nothing is added for that").filter(|_| by_hand);
        blocked.into_iter().chain(of(&self.unblocked, "goes on blocking here")).collect()
    }

    /// What of the rule stays as it is since nobody can judge it; whatever else there is to write is written.
    pub(super) fn undecided(&self) -> Option<ReadFailure> {
        (!self.left_as_is.is_empty()).then(|| clocks_apart(LISTED_END))
    }

    /// Goes through a rule hash by hash. `ours`: those of its hashes that we added; `elsewhere`: what becomes of a hash
    /// in another rule.
    pub(super) fn sift(
        &self,
        found: &PreventionRule,
        ours: &HashSet,
        by_hand: bool,
        elsewhere: impl Fn(&FileHash) -> Elsewhere,
    ) -> Sifted<'a> {
        let mut sifted = Sifted::default();
        for (hash, object) in &found.objects {
            let is_ours = ours.contains(hash);
            // What a person names says nothing of the other hashes, whosever they are.
            let because = self.why_removed(*hash, is_ours && !by_hand);
            let because = match (elsewhere(hash), because) {
                (Elsewhere::Takes, _) => Some(RemovedBecause::MovedToAll { was_ours: is_ours }),
                (Elsewhere::IsToHave, Some(because)) if !because.is_named() => {
                    sifted.awaiting.push(*hash);
                    None
                }
                (Elsewhere::IsToHave | Elsewhere::Nothing, because) => because,
            };
            let Some(because) = because else {
                sifted.change.kept += 1;
                sifted.change.kept_foreign += usize::from(!is_ours);
                sifted.change.loses_fields += usize::from(object.has_other_fields);
                let kept = KeptObject { name: object.name.clone(), has_other_fields: false };
                sifted.after.objects.insert(*hash, kept);
                continue;
            };
            sifted.change.removed.push(RemovedHash { hash: *hash, because });
        }
        let missing = self.blocked.iter().filter(|(hash, _)| !found.objects.contains_key(*hash));
        sifted.missing = missing.map(|(hash, entry)| (*hash, *entry)).collect();
        sifted
    }

    /// Why a hash that is in the rule has to go; `None`: it stays.
    fn why_removed(&self, hash: FileHash, is_dropped: bool) -> Option<RemovedBecause> {
        if self.blocked.contains_key(&hash) || self.left_as_is.contains_key(&hash) {
            return None;
        }
        if let Some(entry) = self.unblocked.get(&hash) {
            return Some(RemovedBecause::Unblocked(entry.origin.clone()));
        }
        if let Some((entry, at)) = self.expired.get(&hash).and_then(|entry| Some((entry, entry.until?))) {
            return Some(RemovedBecause::Expired { at, origin: entry.origin.clone() });
        }
        if is_dropped {
            return Some(RemovedBecause::NoLongerDeclared);
        }
        self.exact.then_some(RemovedBecause::Exact)
    }
}

/// What becomes of a hash of one rule in another one: a file may not be in both, and is to be in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Nothing,
    /// It comes into the other by this plan.
    Takes,
    /// It is to come into the other, and can not now: whoever would only drop it here keeps it until then.
    IsToHave,
}

/// A rule after it was gone through: what goes and what stays, and what is declared and not there.
#[derive(Default)]
pub(super) struct Sifted<'a> {
    /// What would have to go, and stays until another rule has it.
    pub(super) awaiting: Vec<FileHash>,
    pub(super) change: RuleChange,
    pub(super) after: PreventionRule,
    pub(super) missing: Vec<(FileHash, &'a BlockEntry)>,
}

impl Sifted<'_> {
    pub(super) fn add(&mut self, hash: FileHash, entry: &BlockEntry) {
        self.change.added.push(AddedHash::of(hash, entry));
        // Nothing beside the hash: the documented form has no `name`, and a strict server refuses it.
        self.after.objects.insert(hash, KeptObject::default());
    }
}
