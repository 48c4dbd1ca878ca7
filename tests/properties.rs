//! What must hold whatever happens: over random fleets, declarations, faults and times.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "properties/bench.rs"]
mod bench;
#[path = "properties/facts.rs"]
mod facts;
#[path = "properties/fuse.rs"]
mod fuse;
#[path = "properties/grouping.rs"]
mod grouping;
#[path = "properties/https.rs"]
mod https;
#[path = "properties/interrupted.rs"]
mod interrupted;
#[path = "properties/judging.rs"]
mod judging;
#[path = "properties/lab.rs"]
mod lab;
#[path = "properties/law.rs"]
mod law;
#[path = "properties/model_check/mod.rs"]
mod model_check;
#[path = "properties/moving.rs"]
mod moving;
#[path = "properties/moving_troubles.rs"]
mod moving_troubles;
#[path = "properties/node.rs"]
mod node;
#[path = "properties/observing.rs"]
mod observing;
#[path = "properties/over_https.rs"]
mod over_https;
#[path = "properties/owners.rs"]
mod owners;
#[path = "properties/planning.rs"]
mod planning;
#[path = "properties/renewing.rs"]
mod renewing;
#[path = "properties/saving.rs"]
mod saving;
#[path = "properties/sequences.rs"]
mod sequences;
#[path = "properties/shown.rs"]
mod shown;
#[path = "properties/steps.rs"]
mod steps;
#[path = "properties/translate.rs"]
mod translate;
#[path = "properties/values.rs"]
mod values;
#[path = "properties/witness.rs"]
mod witness;
