//! `kedrctl` keeps the network isolation and the prevention rules of the hosts behind KATA/KEDR Central Nodes as
//! YAML files say.
//!
//! Data walks through the rooms once, downwards:
//!
//! ```text
//! files ─ declare ─▶ Declared ─ resolve (with the host list) ─▶ Desired ─┐
//!                                                   record ─ Recorded ──┤
//! server ─ central_node, observe ─▶ Observed ───────────────────────────┴─ plan (pure) ─▶ Plan ─ guard ─▶ Cleared
//!                                                    Plan ─ report ─▶ text | json    Cleared ─ execute ─▶ Outcome
//! ```

#![warn(missing_docs, reason = "what a name does not say is said where it is defined")]

pub mod central_node;
pub mod cli;
pub mod declare;
pub mod diagnostic;
pub mod execute;
pub mod guard;
pub mod import;
pub mod model;
pub mod observe;
pub mod plan;
pub mod probe;
pub mod record;
pub mod report;
pub mod resolve;
pub mod saved;
pub mod session;
pub mod terminal;
