//! Undoing what a run did to a prevention rule: exactly the hashes that it added go, those that it took out come back,
//! and whatever others changed since stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Action, Acts, Change, Kept, KeptRules, Undo, told};
use crate::model::{BlockEntry, BlockSet, FileHash, HashSet, Origin, PreventionRule, Side, Target};
use crate::record::{Act, ActOutcome, ActValues, KeptRule, Recorded};

/// What has to be read for it to be safe.
#[derive(Debug)]
pub(super) struct Expected {
    /// Nobody knows whether the run did it: what was there before, and what it meant to be there after.
    open: Option<(BTreeSet<FileHash>, BTreeSet<FileHash>)>,
    /// What of it the run had taken from others: put back, it stays theirs.
    pub(super) for_others: HashSet,
}

/// What is blocked again, and what no more.
type Wanted = (Vec<BlockSet>, Vec<BlockEntry>);

pub(super) fn undo(
    acts: &Acts<'_>,
    rules: &KeptRules,
    (recorded, before_it): (&Recorded, &Recorded),
    target: Target,
) -> Undo<Wanted, Expected> {
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    let mut returned: HashSet = HashSet::new();
    let mut ends = None;
    for deed in &acts.its {
        let Some((before, after)) = hashes(deed.act, rules) else {
            return Undo::Cannot("its rules are not in the record any more".to_owned());
        };
        for hash in after.difference(&before) {
            if !removed.remove(hash) {
                added.insert(*hash);
            }
        }
        for hash in before.difference(&after) {
            if !added.remove(hash) {
                removed.insert(*hash);
            }
        }
        if let Some(foreign) = &deed.act.foreign {
            let Some(foreign) = rules.get(foreign) else {
                return Undo::Cannot("its rules are not in the record any more".to_owned());
            };
            returned.extend(foreign.objects.keys());
        }
        ends = Some((ends.map_or(before, |(first, _)| first), after));
    }
    for deed in &acts.later {
        if let ActOutcome::Open { .. } = deed.act.outcome {
            return Undo::Cannot(format!(
                "{} was about to change it since, and nobody knows whether it did: `kedrctl apply` finds out",
                told(*deed)
            ));
        }
        let Some((before, after)) = hashes(deed.act, rules) else {
            return Undo::Cannot("its rules are not in the record any more".to_owned());
        };
        // What was undone since, by us or before our eyes, is no more the run's.
        added.retain(|hash| before.contains(hash) && after.contains(hash));
        removed.retain(|hash| !before.contains(hash) && !after.contains(hash));
    }
    let met = ends.iter().flat_map(|(before, _)| before).copied().collect();
    let were_ours = before_it.ours_in(target, &met);
    let for_others = removed.iter().filter(|hash| !were_ours.contains(hash)).copied().collect();
    let open = ends.filter(|_| acts.is_open());
    if open.is_none() {
        let ours = recorded.preventions.get(&target).map(|known| &known.ours);
        // What it put back for others is not ours, and yet its doing.
        added.retain(|hash| ours.is_some_and(|ours| ours.contains(hash)) || returned.contains(hash));
    }
    if added.is_empty() && removed.is_empty() {
        return Undo::Leave("what that run changed was changed back since".to_owned());
    }
    let block = removed.iter().map(entry).collect::<Vec<_>>();
    let block = if block.is_empty() { Vec::new() } else { vec![block.into()] };
    Undo::By((block, added.iter().map(entry).collect()), Expected { open, for_others })
}

fn entry(hash: &FileHash) -> BlockEntry {
    let origin = Origin::command_line();
    BlockEntry { hash: *hash, comment: None, from: None, until: None, list: None, origin }
}

/// The hashes before and after; `None`: a rule that was not read.
fn hashes(act: &Act, rules: &KeptRules) -> Option<(BTreeSet<FileHash>, BTreeSet<FileHash>)> {
    let ActValues::Prevention(Side { before, after }) = &act.values else { return None };
    let of = |rule: &Option<KeptRule>| match rule {
        None => Some(BTreeSet::new()),
        Some(kept) => rules.get(kept).map(|rule| rule.objects.keys().copied().collect()),
    };
    Some((of(before)?, of(after)?))
}

pub(super) fn named_by(act: &Act) -> impl Iterator<Item = &KeptRule> {
    let side = match &act.values {
        ActValues::Isolation(_) | ActValues::Task(_) => None,
        ActValues::Prevention(side) => Some(side),
    };
    side.into_iter().flat_map(|side| side.before.iter().chain(&side.after)).chain(&act.foreign)
}

impl Expected {
    /// Notes in a change what of it comes back for others.
    pub(super) fn note(&self, change: &mut Arc<Change>) {
        let Some(rule) = change.action.rule_change() else { return };
        let added = rule.added.iter().map(|added| added.hash);
        let for_others: HashSet = added.filter(|hash| self.for_others.contains(hash)).collect();
        if !for_others.is_empty()
            && let Action::Block(rule) = &mut Arc::make_mut(change).action
        {
            Arc::make_mut(rule).for_others = for_others;
        }
    }

    pub(super) fn judge(&self, found: Option<&PreventionRule>) -> Kept {
        let Some((before, after)) = &self.open else { return Kept::Yes };
        let is = |hashes: &BTreeSet<FileHash>| match found {
            None => hashes.is_empty(),
            Some(rule) => rule.objects.keys().eq(hashes),
        };
        if is(after) {
            Kept::Yes
        } else if is(before) {
            Kept::AsBefore
        } else {
            Kept::No(
                "nobody knows whether that run changed it, and it is neither as before nor as it was meant to be: it is \
                 left as it is"
                    .to_owned(),
            )
        }
    }
}
