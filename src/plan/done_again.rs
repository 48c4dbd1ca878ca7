use std::sync::Arc;

use super::{Action, AddedHash, Change, Judged, RemovedBecause, RemovedHash, RuleChange};
use crate::declare::WantedIsolation;
use crate::model::{Aspect, Difference, Side};

impl Judged {
    /// The change that would make it so again, of something that was as it was to be; `None`: there always is one, or
    /// nobody else writes it. What is there then is not known here: its difference says nothing of before.
    pub fn done_again(&self) -> Option<Change> {
        let host = self.whom.host()?;
        let (action, difference) = match self.aspect {
            Aspect::Isolation => match host.isolation.as_ref()?.want {
                WantedIsolation::Off => {
                    (Action::Release, Difference::Isolation(Side { before: None, after: None }))
                }
                // By hand there always is a change.
                WantedIsolation::On { .. } => return None,
            },
            Aspect::Task(_) => return None,
            Aspect::Prevention => {
                let declared = host.prevention.as_ref()?;
                let added = declared.block.iter().flat_map(|set| set.iter());
                let added = added.map(|entry| AddedHash::of(entry.hash, entry));
                let removed = declared.unblock.iter().map(|entry| RemovedHash {
                    hash: entry.hash,
                    because: RemovedBecause::Unblocked(entry.origin.clone()),
                });
                let rule = RuleChange {
                    added: added.collect(),
                    removed: removed.collect(),
                    ..RuleChange::default()
                };
                (Action::Block(Arc::new(rule)), Difference::Prevention(Side { before: None, after: None }))
            }
        };
        Some(Change {
            subject: self.subject(),
            cause: self.whom.cause(self.aspect),
            whom: self.whom.clone(),
            action,
            difference,
            reason: None,
            notes: Vec::new(),
        })
    }
}
