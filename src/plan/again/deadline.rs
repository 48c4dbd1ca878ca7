//! Instants that come between a plan and its execution.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::declare::{DeclaredPrevention, Term};
use crate::model::{Difference, FileHash, Side};
use crate::plan::{Change, ServerClock, Whom, has_ended, not_after_has_come};

/// Why a change may not be made any more, whatever is there: an instant has come since the plan was made.
pub(super) fn deadline_passed(
    change: &Change,
    clock: ServerClock,
    (made_at, now): (Timestamp, Timestamp),
) -> Option<String> {
    if let Some(Term::Until(until)) = change.action.term()
        && has_ended(Term::Until(until), clock, now)
    {
        return Some(format!("its `until`, {until:.0}, has come since the plan was made"));
    }
    if let Some(not_after) = change.action.not_after()
        && not_after_has_come(not_after, clock, now)
    {
        return Some(format!("its `not_after`, {not_after:.0}, has come since the plan was made"));
    }
    // What had passed by then was left as it was: the clocks were too far apart to tell.
    let ended = end_of_hashes(change, made_at);
    let ended: Vec<(&FileHash, &Timestamp)> =
        ended.iter().filter(|(_, until)| **until > made_at && **until <= now).collect();
    let (hash, until) = ended.first()?;
    let more = match ended.len() {
        1 => String::new(),
        many => format!(", and that of {} more", many - 1),
    };
    Some(format!("the time of {hash} ended on {until:.0}{more}"))
}

/// When declared hashes that a change sets or keeps are to be taken out again, of those that are. `now`: what is to
/// be blocked only later is not in it.
pub fn end_of_hashes(change: &Change, now: Timestamp) -> BTreeMap<FileHash, Timestamp> {
    let (Difference::Prevention(Side { after: Some(after), .. }), Some(declared)) =
        (&change.difference, declared_for(&change.whom))
    else {
        return BTreeMap::new();
    };
    // What one list blocks without an end stays, whatever another says; of several ends the last counts.
    let mut ends: BTreeMap<FileHash, Option<Timestamp>> = BTreeMap::new();
    for entry in declared.block.iter().flat_map(|list| list.iter()) {
        if entry.from.is_none_or(|from| from <= now) && after.objects.contains_key(&entry.hash) {
            let end = ends.entry(entry.hash).or_insert(entry.until);
            *end = end.zip(entry.until).map(|(a, b)| a.max(b));
        }
    }
    ends.into_iter().filter_map(|(hash, end)| Some((hash, end?))).collect()
}

fn declared_for(whom: &Whom) -> Option<&DeclaredPrevention> {
    match whom {
        Whom::Host(host) => host.prevention.as_deref(),
        Whom::AllHosts(prevention) => Some(prevention),
        Whom::Task(_) => None,
    }
}
