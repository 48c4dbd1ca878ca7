//! What the bodies of answers say, for who has them without a server: tests that read anything.

pub use super::clash::{listed_hosts, speaks_of_clash};
pub use super::wire::{
    NotUnderstood, is_documented_not_found, read_hosts, read_isolation, read_prevention, read_task,
};
