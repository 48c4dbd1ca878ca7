//! What a plan means, as a digest: the same for everybody who plans the same.

use sha2::{Digest, Sha256};

use super::{Action, Plan, ServerState};
use crate::declare::Term;
use crate::model::{Difference, Exclusions, PreventionRule};

impl Plan {
    /// A digest (64 hexadecimal digits) of servers, addresses, declared values, before and after; free of times, of
    /// order and of renewals, which need no approval. The same text means the same changes.
    pub fn id(&self) -> String {
        let mut meanings: Vec<String> = Vec::new();
        for server in &self.servers {
            let key = match &server.state {
                ServerState::Read { key, .. } => key.as_str(),
                ServerState::ListNotBelieved { .. }
                | ServerState::Unrecorded { .. }
                | ServerState::Unreachable { .. } => "unread",
            };
            for change in server.changes().filter(|change| !change.action.is_renewal()) {
                meanings.push(format!(
                    "{}\t{key}\t{}\t{}\t{}",
                    server.server,
                    change.subject,
                    change.action.as_str(),
                    meaning(&change.action, &change.difference)
                ));
            }
        }
        meanings.sort_unstable();
        let mut digest = Sha256::new();
        for line in &meanings {
            digest.update(line.as_bytes());
            digest.update(b"\n");
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn meaning(action: &Action, difference: &Difference) -> String {
    let term = match action.term() {
        Some(Term::Until(until)) => format!("until {until}"),
        Some(Term::Lease(lease)) => format!("lease {}", lease.seconds()),
        None => String::new(),
    };
    match difference {
        Difference::Isolation(side) => {
            let before = side.before.as_ref().map(|rule| exclusions(&rule.exclusions));
            let after = side.after.as_ref().map(|rule| exclusions(&rule.exclusions));
            format!("{term}\t{before:?}\t{after:?}")
        }
        Difference::Prevention(side) => {
            let before = side.before.as_deref().map(hashes);
            let after = side.after.as_deref().map(hashes);
            format!("{before:?}\t{after:?}")
        }
        // Its id follows from all that it is, where it is declared; the program stands there for those that are not.
        Difference::Task(_, side) => format!("{:?}\t{:?}", side.before, side.after),
    }
}

fn exclusions(exclusions: &Exclusions) -> Vec<String> {
    exclusions.iter().map(ToString::to_string).collect()
}

fn hashes(rule: &PreventionRule) -> Vec<String> {
    rule.objects.keys().map(ToString::to_string).collect()
}
