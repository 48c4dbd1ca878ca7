use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use super::{FileHash, Untrusted};

/// A set of hashes.
pub type HashSet = BTreeSet<FileHash>;

/// The prevention rule of one host, or of all hosts, as a Central Node holds it. It is never empty: 200 with no
/// objects means that there is no rule (response-api.md, section 2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct PreventionRule {
    /// What it blocks, each hash once, however often and in whatever case the server lists it.
    pub objects: BTreeMap<FileHash, KeptObject>,
}

/// What stands beside a hash in a rule and what becomes of it when the rule is sent again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct KeptObject {
    /// Sent back with the hash: the web interface shows it, and integrations write it.
    pub name: Option<Untrusted>,
    /// Whether the object has further fields. They are dropped when the rule is sent again, since a strict
    /// server may refuse what it printed itself; the plan says how many objects that concerns.
    pub has_other_fields: bool,
}

impl PreventionRule {
    /// What it blocks, without what stands beside the hashes.
    pub fn hashes(&self) -> HashSet {
        self.objects.keys().copied().collect()
    }

    /// Whether both hold the same hashes. Names are descriptions, not identity.
    pub fn blocks_the_same(&self, other: &Self) -> bool {
        // Hosts that have the same rule share it.
        ptr::eq(self, other) || self.objects.keys().eq(other.objects.keys())
    }
}

/// Whether there is no rule on either side, or both block the same.
pub fn same_hashes(one: Option<&PreventionRule>, other: Option<&PreventionRule>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.blocks_the_same(other),
        (Some(_), None) | (None, Some(_)) => false,
    }
}
