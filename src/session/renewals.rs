use std::collections::BTreeMap;

use crate::guard::{self, Rules};
use crate::plan::{Plan, Scope};

/// The plan of a run that only renews, without what the guard refuses where it clears the rest: a change that is
/// refused, or the deletion of spent rules.
///
/// A rule whose time has ended harms nobody; a lease that is not renewed because of another host frees a contained one.
/// Where nothing would be left to do, the refusal stands.
#[must_use]
pub fn spare_renewals(plan: Plan, rules: &Rules<'_>) -> Plan {
    match plan.scope {
        Scope::All => return plan,
        Scope::Renewals { .. } => {}
    }
    let refused = guard::refused(&plan, rules);
    let reasons: BTreeMap<_, _> =
        refused.iter().map(|(server, subject, why)| ((*server, *subject), &*why.message)).collect();
    let mut spared = if reasons.is_empty() { plan.clone() } else { plan.without_refused(&reasons) };
    if let Some(refusal) = guard::judge(&spared, rules).refusals.first()
        && spared.has_deletions()
    {
        spared = spared.without_deletions(&refusal.message);
    }
    let is_anything_left = refused.is_empty() || spared.changes().next().is_some();
    if is_anything_left && guard::judge(&spared, rules).refusals.is_empty() { spared } else { plan }
}
