//! Which hashes of a rule are ours after a write: worked out once where many hosts have the same, and in memory once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Recorded;
use super::settle::hashes;
use crate::model::{HashSet, PreventionRule, Side};

#[derive(Debug, Clone, Default)]
pub(super) struct SharedOurs {
    known: BTreeSet<Arc<HashSet>>,
    last: Option<Last>,
}

/// What was worked out last. One run gives most of its hosts the same rule in place of the same rule.
#[derive(Debug, Clone)]
struct Last {
    before: Option<Arc<HashSet>>,
    side: Side<Arc<PreventionRule>>,
    after: Arc<HashSet>,
}

impl SharedOurs {
    pub(super) fn of(recorded: &Recorded) -> Self {
        let known = recorded.preventions.values().map(|known| known.ours.clone()).collect();
        Self { known, last: None }
    }

    /// As [`ours_after`]. `most`: how many targets there are, which have no more different sets than that.
    pub(super) fn after(
        &mut self,
        before: Option<&Arc<HashSet>>,
        side: Side<Arc<PreventionRule>>,
        foreign: Option<&PreventionRule>,
        most: usize,
    ) -> Arc<HashSet> {
        if foreign.is_none()
            && let Some(last) = self.last.as_ref().filter(|last| last.is_of(before, &side))
        {
            return last.after.clone();
        }
        let nothing = HashSet::default();
        let after = self.shared(ours_after(before.map_or(&nothing, |before| before), &side, foreign), most);
        if foreign.is_none() {
            self.last = Some(Last { before: before.cloned(), side, after: after.clone() });
        }
        after
    }

    fn shared(&mut self, hashes: HashSet, most: usize) -> Arc<HashSet> {
        if let Some(known) = self.known.get(&hashes) {
            return known.clone();
        }
        if self.known.len() > 2 * most + 16 {
            self.known.retain(|known| Arc::strong_count(known) > 1);
        }
        let hashes = Arc::new(hashes);
        self.known.insert(hashes.clone());
        hashes
    }
}

impl Last {
    /// By where they lie: whoever asks again about the same has the same in memory.
    fn is_of(&self, before: Option<&Arc<HashSet>>, side: &Side<Arc<PreventionRule>>) -> bool {
        is_one(self.before.as_ref(), before)
            && is_one(self.side.before.as_ref(), side.before.as_ref())
            && is_one(self.side.after.as_ref(), side.after.as_ref())
    }
}

fn is_one<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// Ours after a write: of ours what is still there, and what the write added to what it found, but for what it put
/// back for others.
pub(super) fn ours_after(
    ours: &HashSet,
    side: &Side<Arc<PreventionRule>>,
    foreign: Option<&PreventionRule>,
) -> HashSet {
    let holds =
        |rule: Option<&PreventionRule>, hash: &_| rule.is_some_and(|rule| rule.objects.contains_key(hash));
    let is_before = |hash: &_| holds(side.before.as_deref(), hash) || holds(foreign, hash);
    hashes(side.after.as_ref()).filter(|hash| ours.contains(hash) || !is_before(hash)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever was asked before: rules, sets and what was put back for others come in all orders.
    #[test]
    fn what_is_shared_is_what_is_worked_out() {
        let hash = |n: usize| format!("{n:032x}").parse().unwrap();
        let rule = |from: usize, to: usize| {
            let mut rule = PreventionRule::default();
            rule.objects.extend((from..to).map(|n| (hash(n), crate::model::KeptObject::default())));
            Arc::new(rule)
        };
        let rules = [None, Some(rule(0, 3)), Some(rule(2, 5)), Some(rule(0, 5))];
        let sets = [None, Some(Arc::new(HashSet::from([hash(1), hash(3)]))), Some(Arc::default())];
        let mut shared = SharedOurs::default();
        for (before, after) in rules.iter().flat_map(|one| rules.iter().map(move |other| (one, other))) {
            for ours in &sets {
                for foreign in rules.iter().take(2).chain(&rules[..1]) {
                    let side = Side { before: before.clone(), after: after.clone() };
                    let plain =
                        ours_after(ours.as_deref().unwrap_or(&HashSet::default()), &side, foreign.as_deref());
                    let worked_out = shared.after(ours.as_ref(), side, foreign.as_deref(), 1);
                    assert_eq!(*worked_out, plain);
                }
            }
        }
    }
}
