//! Looks at every write in the moment in which it arrives: somebody declared it, and the record has the intention
//! with the value before.

use std::sync::Arc;

use kedrctl::central_node::Call;
use kedrctl::model::{Difference, Isolation, PreventionRule, SensorId, Side, Subject, Target};
use kedrctl::record::Record;

use crate::node::{Allowed, MemoryNode, State};

impl MemoryNode {
    pub(crate) async fn witness(&self, call: Call, sent: &Difference) {
        let (subject, before, kept) = {
            let state = self.state();
            state.check_allowed(call);
            match call {
                Call::SetIsolation(id) | Call::DeleteIsolation(id) => {
                    let before = Difference::Isolation(Side {
                        before: state.listed_isolation(id),
                        after: match sent {
                            Difference::Isolation(side) => side.after.clone(),
                            Difference::Prevention(_) | Difference::Task(..) => None,
                        },
                    });
                    let subject = Subject { target: Target::Sensor(id), aspect: before.aspect() };
                    (subject, before, state.kept_isolation(id))
                }
                Call::SetPrevention(target) | Call::DeletePrevention(target) => {
                    let before = Difference::Prevention(Side {
                        before: state.listed_prevention(target).map(Arc::new),
                        after: match sent {
                            Difference::Prevention(side) => side.after.clone(),
                            Difference::Isolation(_) | Difference::Task(..) => None,
                        },
                    });
                    (Subject { target, aspect: before.aspect() }, before, None)
                }
                Call::CreateTask(..) | Call::DeleteTask(_) => unreachable!("no task is declared here"),
                Call::Hosts | Call::Isolation(_) | Call::Prevention(_) | Call::Task(_) => {
                    unreachable!("no write")
                }
            }
        };
        let recorded = Record::new(self.store()).read(&Self::key()).await.unwrap();
        let intended = recorded.open.iter().filter(|open| open.subject == subject).any(|open| {
            match (&open.difference, &before) {
                (Difference::Isolation(intended), Difference::Isolation(now)) => {
                    // What an earlier try of the same write did is no other value before.
                    intended.after == now.after
                        && (intended.before == now.before
                            || is_after(intended, now.before.as_ref())
                            // It ended on the way here.
                            || intended.before == kept)
                }
                (Difference::Prevention(intended), Difference::Prevention(now)) => {
                    let hashes = |rule: &Option<Arc<PreventionRule>>| rule.as_ref().map(|rule| rule.hashes());
                    hashes(&intended.after) == hashes(&now.after)
                        && (hashes(&intended.before) == hashes(&now.before)
                            || hashes(&intended.after) == hashes(&now.before))
                }
                (Difference::Isolation(_) | Difference::Prevention(_) | Difference::Task(..), _) => false,
            }
        });
        assert!(intended, "{call} is sent, and the record has no such intention: {before:?}\n{recorded:#?}");
    }
}

fn is_after(side: &Side<Isolation>, now: Option<&Isolation>) -> bool {
    match (&side.after, now) {
        (Some(sent), Some(listed)) => kedrctl::record::is_listed_as_sent(sent, listed),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl State {
    fn check_allowed(&self, call: Call) {
        let allowed = |id: &SensorId| self.allowed.get(id).copied();
        match call {
            Call::SetIsolation(id) => {
                let may = matches!(allowed(&id), Some(Allowed::Isolate | Allowed::IsolateOrEndOurs));
                assert!(may, "{call}: not declared isolated");
            }
            Call::DeleteIsolation(id) => match allowed(&id) {
                Some(Allowed::Release) => {}
                Some(Allowed::EndOurs | Allowed::IsolateOrEndOurs) => {
                    assert!(self.ours.contains(&id), "{call}: not a rule of ours")
                }
                Some(Allowed::Isolate) | None => panic!("{call}: nobody named this release"),
            },
            Call::SetPrevention(Target::AllHosts) | Call::DeletePrevention(Target::AllHosts) => {
                assert!(self.all_is_declared, "{call}: the rule for all hosts is nobody's business here");
            }
            Call::SetPrevention(Target::Sensor(_)) | Call::DeletePrevention(Target::Sensor(_)) => {}
            Call::CreateTask(..) | Call::DeleteTask(_) => panic!("{call}: no task is declared here"),
            Call::Hosts | Call::Isolation(_) | Call::Prevention(_) | Call::Task(_) => {}
        }
    }
}
