//! Exit codes (design, section 4), and which one wins where several apply.

use std::process::ExitCode;

use crate::execute::{Outcome, StoppedBy};
use crate::plan::{Plan, ServerState};
use crate::terminal::INTERRUPTED;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: usage, files, credentials, a bug.
    Error,
    /// 2: there are differences.
    Differences,
    /// 3: refused before the first write.
    Refused,
    /// 4: some hosts could not be read, written or judged; running again continues.
    Incomplete,
    /// 5: no server could be reached or accepts this client; the record cannot be reached.
    Unreachable,
    /// 130
    Interrupted,
}

impl Exit {
    /// The code that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Differences => 2,
            Self::Refused => 3,
            Self::Incomplete => 4,
            Self::Unreachable => 5,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Where several hold, the first of this order that applies.
    pub fn of(causes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Interrupted => 0,
            Self::Error => 1,
            Self::Unreachable => 2,
            Self::Refused => 3,
            Self::Incomplete => 4,
            Self::Differences => 5,
            Self::Done => 6,
        };
        causes.into_iter().min_by_key(rank).unwrap_or(Self::Done)
    }

    /// What became of the writes.
    pub fn of_outcome(outcome: &Outcome) -> Self {
        let stopped = outcome.servers.iter().filter_map(|server| server.stopped.as_ref());
        let is_lost = stopped.into_iter().any(|stopped| stopped.by == StoppedBy::Record);
        let is_whole = outcome.servers.iter().all(|server| {
            server.stopped.is_none() && server.changes.iter().all(|change| change.result.is_done())
        });
        Self::of([
            if outcome.was_interrupted { Self::Interrupted } else { Self::Done },
            if is_lost { Self::Unreachable } else { Self::Done },
            if is_whole { Self::Done } else { Self::Incomplete },
        ])
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a plan tells of how a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Findings {
    /// No server could be read.
    pub all_unreachable: bool,
    /// Something could not be read or not be judged.
    pub is_incomplete: bool,
    /// A rule that looks as declared, but nobody can know whether it is in force.
    pub has_unknown_ends: bool,
    /// Something differs (renewals are no difference).
    pub has_differences: bool,
    /// Something is not known to be carried out.
    pub lacks_contact: bool,
}

impl Findings {
    /// What a look at this plan ends with.
    pub fn of(plan: &Plan) -> Self {
        let sums = plan.sums();
        let is_unreachable = |state: &ServerState| match state {
            // With it, no server works.
            ServerState::Unreachable { .. } | ServerState::Unrecorded { .. } => true,
            ServerState::Read { .. } | ServerState::ListNotBelieved { .. } => false,
        };
        let servers = &plan.servers;
        Self {
            all_unreachable: !servers.is_empty()
                && servers.iter().all(|server| is_unreachable(&server.state)),
            is_incomplete: sums.not_judged() > 0,
            has_unknown_ends: sums.end_unknown > 0,
            has_differences: sums.differences() > 0,
            lacks_contact: sums.without_contact() > 0,
        }
    }

    /// How `plan` ends.
    pub fn plan_exit(self, is_refused: bool, detailed: bool) -> Exit {
        let differences = if detailed && self.has_differences { Exit::Differences } else { Exit::Done };
        Exit::of([self.reading_exit(), if is_refused { Exit::Refused } else { Exit::Done }, differences])
    }

    /// How `drift` ends.
    pub fn drift_exit(self, require_contact: bool) -> Exit {
        let is_unknown = self.has_unknown_ends || (require_contact && self.lacks_contact);
        Exit::of([
            self.reading_exit(),
            if is_unknown { Exit::Incomplete } else { Exit::Done },
            if self.has_differences { Exit::Differences } else { Exit::Done },
        ])
    }

    /// What could not be read or judged.
    pub fn reading_exit(self) -> Exit {
        match (self.all_unreachable, self.is_incomplete) {
            (true, _) => Exit::Unreachable,
            (false, true) => Exit::Incomplete,
            (false, false) => Exit::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_applies_wins() {
        let order = [
            Exit::Interrupted,
            Exit::Error,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Incomplete,
            Exit::Differences,
            Exit::Done,
        ];
        for (i, stronger) in order.iter().enumerate() {
            for weaker in &order[i..] {
                assert_eq!(Exit::of([*weaker, *stronger]), *stronger);
            }
        }
        assert_eq!(Exit::of([]), Exit::Done);
        assert_eq!(order.map(Exit::code), [130, 1, 5, 3, 4, 2, 0]);
    }
}
