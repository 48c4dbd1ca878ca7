//! A prevention rule of an earlier plan beside what is there now.

use std::sync::Arc;

use crate::model::{Difference, KeptObject, PreventionRule, Side, same_hashes};
use crate::plan::Change;

/// What is not as it was is named in full up to so many hashes.
const NAMED: usize = 3;

/// Which of these changes finds the rule as it is.
pub(super) fn place_of(chain: &[&Arc<Change>], found: Option<&PreventionRule>) -> Result<usize, String> {
    let before = |change: &Change| match &change.difference {
        Difference::Prevention(side) => Some(side.before.clone()),
        Difference::Isolation(_) | Difference::Task(..) => None,
    };
    let is_seen =
        |change: &&Arc<Change>| before(change).is_some_and(|before| same_hashes(before.as_deref(), found));
    chain.iter().position(is_seen).ok_or_else(|| {
        let then = chain.first().and_then(|first| before(first)).flatten();
        format!("the rule is not what it was: {}", hashes_between(then.as_deref(), found))
    })
}

/// What is kept goes back with the names that it has now.
pub(super) fn with_names_of(change: &Arc<Change>, found: Option<&PreventionRule>) -> Arc<Change> {
    let (Difference::Prevention(Side { before, after: Some(after) }), Some(found)) =
        (&change.difference, found)
    else {
        return Arc::clone(change);
    };
    let mut after = PreventionRule::clone(after);
    for (hash, object) in &mut after.objects {
        if let Some(found) = found.objects.get(hash) {
            *object = KeptObject { name: found.name.clone(), has_other_fields: false };
        }
    }
    let difference = Difference::Prevention(Side { before: before.clone(), after: Some(Arc::new(after)) });
    Arc::new(Change { difference, ..Change::clone(change) })
}

/// `+9001509…, −e3a1c02…`: what has come and what has gone.
pub(super) fn hashes_between(then: Option<&PreventionRule>, now: Option<&PreventionRule>) -> String {
    let empty = PreventionRule::default();
    let (then, now) = (then.unwrap_or(&empty), now.unwrap_or(&empty));
    let listed = |sign: &str, of: &PreventionRule, without: &PreventionRule| {
        let differ: Vec<String> = of
            .objects
            .keys()
            .filter(|hash| !without.objects.contains_key(*hash))
            .map(|hash| format!("{sign}{hash}"))
            .collect();
        let named = differ[..differ.len().min(NAMED)].join(" ");
        match differ.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    };
    let parts = [listed("+", now, then), listed("−", then, now)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
