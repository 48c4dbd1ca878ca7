//! Desired, observed and recorded to a plan. Pure: no I/O, no clock; the same input gives the same plan.

mod action;
mod again;
mod approved;
mod contact;
mod hold;
mod inspected;
mod isolation;
mod judged;
mod make;
mod meaning;
mod objection;
mod prevention;
mod renewals;
mod server_plan;
mod task;
mod term;
#[cfg(test)]
mod tests;
mod undeclared;
mod whom;

pub use action::{Action, AddedHash, Change, End, RemovedBecause, RemovedHash, RuleChange, WhyUnknown};
pub use again::end_of_hashes;
pub use approved::Approved;
pub use inspected::Inspected;
pub use judged::{Contact, Finding, FindingKind, Judged, Mark, Verdict};
pub use make::{Facts, plan_server};
pub use meaning::{Meaning, Said, id_of};
pub use objection::Objection;
pub use renewals::{Renewals, renewals};
pub use server_plan::{
    ListedTimeouts, Plan, Purpose, Scope, ServerClock, ServerPlan, ServerState, Step, Sums,
};
pub use task::not_after_has_come;
pub use term::{has_ended, timeout_to_send};
pub use undeclared::undeclared;
pub use whom::Whom;
