//! The order of the writes: contain first, release last; between the rule for all hosts and those of hosts, what
//! leaves before what comes.

use std::sync::Arc;

use super::{Action, Change, Purpose, Step};
use crate::model::Target;

#[derive(Default)]
pub(super) struct Steps {
    contain: Vec<Arc<Change>>,
    give_up: Vec<Arc<Change>>,
    for_all: Vec<Arc<Change>>,
    prevent: Vec<Arc<Change>>,
    run: Vec<Arc<Change>>,
    release: Vec<Arc<Change>>,
}

impl Steps {
    /// What has to be done before the rule for all hosts is written.
    pub(super) fn add_first(&mut self, change: Change) {
        self.give_up.push(Arc::new(change));
    }

    pub(super) fn add(&mut self, change: Change) {
        let step = match (&change.action, change.subject.target) {
            (Action::Isolate { .. } | Action::ChangeExclusions { .. } | Action::Renew { .. }, _) => {
                &mut self.contain
            }
            (Action::Block(_), Target::AllHosts) => &mut self.for_all,
            (Action::Block(_), Target::Sensor(_)) => &mut self.prevent,
            (Action::StartTask { .. } | Action::DeleteTask, _) => &mut self.run,
            (Action::Release | Action::EndSpent { .. }, _) => &mut self.release,
        };
        step.push(Arc::new(change));
    }

    pub(super) fn in_order(mut self) -> Vec<Step> {
        // Who is not contained at all comes before whose containment only has to go on.
        self.contain.sort_by_key(|change| match &change.action {
            Action::Isolate { .. } => 0,
            Action::ChangeExclusions { .. } => 1,
            Action::Renew { .. } => 2,
            Action::Block(_)
            | Action::StartTask { .. }
            | Action::DeleteTask
            | Action::Release
            | Action::EndSpent { .. } => 3,
        });
        [
            (Purpose::Contain, self.contain),
            (Purpose::GiveUp, self.give_up),
            (Purpose::ForAll, self.for_all),
            (Purpose::Prevent, self.prevent),
            (Purpose::Run, self.run),
            (Purpose::Release, self.release),
        ]
        .into_iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(purpose, changes)| Step { purpose, changes })
        .collect()
    }
}
