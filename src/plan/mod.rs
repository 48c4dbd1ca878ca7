//! Desired, observed and recorded to a plan. Pure: no I/O, no clock; the same input gives the same plan.

mod action;
mod again;
mod approved;
mod clash;
mod contact;
mod done_again;
mod entries;
mod for_all;
mod gap;
mod hold;
mod inspected;
mod isolation;
mod judged;
mod left_behind;
mod make;
mod meaning;
mod objection;
mod prevention;
mod renewals;
mod rollback;
mod server_plan;
mod steps;
mod task;
mod term;
#[cfg(test)]
mod tests;
mod undeclared;
mod whom;

pub use action::{Action, AddedHash, Change, End, RemovedBecause, RemovedHash, RuleChange, WhyUnknown};
pub use again::end_of_hashes;
pub use approved::Approved;
pub use contact::{judge_isolated, judge_task, was_there_since};
pub use gap::Gap;
pub use inspected::{Inspected, InspectedTask};
pub use judged::{Contact, Finding, FindingKind, Judged, Mark, Verdict};
pub use make::{Facts, needs_every_rule, plan_server};
pub use meaning::{Meaning, Said, id_of};
pub use objection::Objection;
pub use renewals::{Renewals, renewals};
pub use rollback::{KeptRules, Rollback, changed_something, rollback, rules_of, took_hashes_out};
pub use server_plan::{
    ListedTimeouts, Plan, Purpose, Scope, ServerClock, ServerPlan, ServerState, Step, Sums,
};
pub use task::not_after_has_come;
pub use term::{has_ended, timeout_to_send};
pub use undeclared::undeclared;
pub use whom::Whom;
