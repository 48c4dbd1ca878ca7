//! Tests of the record as a whole; what one file does alone is tested beside it.

mod by_hand;
mod chain;
mod fold;
mod folder;
mod history;
mod journal;
mod recorded_file;
mod simulated;
mod snapshot;
mod spool;
mod support;
mod tasks;
