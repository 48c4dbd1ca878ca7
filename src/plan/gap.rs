//! What hosts go without while a file is on its way between the rule for all hosts and their own.

use std::collections::BTreeSet;

use super::{Purpose, RuleChange, ServerPlan};
use crate::model::{FileHash, HashSet};

/// Between two steps some hosts do not block what they blocked before and will block after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// From this step's writes on, …
    pub from: Purpose,
    /// … until those of this one.
    pub until: Purpose,
    /// How many hosts lack some of the hashes.
    pub hosts: u64,
    /// What any of them lacks.
    pub hashes: HashSet,
}

impl ServerPlan {
    /// In the order in which they open.
    pub fn gaps(&self) -> Vec<Gap> {
        let given_up =
            self.gap(Purpose::GiveUp, Purpose::ForAll, Purpose::GiveUp, |rule| rule.given_up().collect());
        let lost: HashSet = self
            .rules_of(Purpose::ForAll)
            .flat_map(|rule| rule.removed.iter().map(|removed| removed.hash))
            .collect();
        let handed_on = self.gap(Purpose::ForAll, Purpose::Prevent, Purpose::Prevent, |rule| {
            rule.added.iter().map(|added| added.hash).filter(|hash| lost.contains(hash)).collect()
        });
        given_up.into_iter().chain(handed_on).collect()
    }

    /// `step`: whose hosts lack something.
    fn gap(
        &self,
        from: Purpose,
        until: Purpose,
        step: Purpose,
        lacking: impl Fn(&RuleChange) -> Vec<FileHash>,
    ) -> Option<Gap> {
        let mut gap = Gap { from, until, hosts: 0, hashes: BTreeSet::new() };
        for rule in self.rules_of(step) {
            let lacking = lacking(rule);
            gap.hosts += u64::from(!lacking.is_empty());
            gap.hashes.extend(lacking);
        }
        (gap.hosts > 0).then_some(gap)
    }

    fn rules_of(&self, purpose: Purpose) -> impl Iterator<Item = &RuleChange> {
        let steps = self.steps.iter().filter(move |step| step.purpose == purpose);
        steps.flat_map(|step| &step.changes).filter_map(|change| change.action.rule_change())
    }
}

impl RuleChange {
    /// The hashes that the rule for all hosts takes over.
    pub fn given_up(&self) -> impl Iterator<Item = FileHash> {
        let moved = self.removed.iter().filter(|removed| removed.because.is_moved_to_all());
        moved.map(|removed| removed.hash)
    }
}
