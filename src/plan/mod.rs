//! Desired, observed and recorded to a plan. Pure: no I/O, no clock; the same input gives the same plan.

mod action;
mod judged;
mod server_plan;

pub use action::{Action, AddedHash, Change, End, RemovedBecause, RemovedHash, RuleChange, WhyUnknown};
pub use judged::{Contact, Finding, FindingKind, Judged, Mark, Verdict};
pub use server_plan::{Plan, Purpose, ServerClock, ServerPlan, ServerState, Step, Sums};
