use crate::guard::{self, Rules};
use crate::plan::{Plan, Scope};

/// The plan of a run that only renews, without the deletion of spent rules where the guard refuses it with them and
/// clears it without them.
///
/// A rule whose time has ended harms nobody; a lease that is not renewed because of it frees a contained host.
#[must_use]
pub fn spare_renewals(plan: Plan, rules: &Rules<'_>) -> Plan {
    let is_spared = match plan.scope {
        Scope::All => false,
        Scope::Renewals { .. } => plan.has_deletions(),
    };
    let judgement = guard::judge(&plan, rules);
    let Some(refusal) = judgement.refusals.first().filter(|_| is_spared) else { return plan };
    let spared = plan.without_deletions(&refusal.message);
    if guard::judge(&spared, rules).refusals.is_empty() { spared } else { plan }
}
