//! What every format is given: a plan with what is known around it, or why there is none.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::View;
use super::since::Since;
use crate::diagnostic::{Problem, Sources};
use crate::guard::Judgement;
use crate::model::ServerName;
use crate::plan::Plan;
use crate::record::Recorded;

/// A plan with all that a report tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What was found, and what would be done.
    pub plan: &'a Plan,
    /// What the guard says of it.
    pub judgement: &'a Judgement,
    /// Its id, 64 hexadecimal digits: what an approval names.
    pub plan_id: &'a str,
    /// For which question it is shown.
    pub view: View,
    /// The ledgers, by which a report knows who wrote something last, and when rules of ours end.
    pub recorded: &'a BTreeMap<ServerName, Recorded>,
    /// What became of the differences of an earlier run (`--since`).
    pub since: Option<&'a Since>,
}

/// Why there is no plan. Every format has a way to say so: whoever reads only the report must not take an old one, or
/// none, for a good one.
#[derive(Debug, Clone, Copy)]
pub struct NoPlan<'a> {
    /// For which question there is none.
    pub view: View,
    /// What the reader ran: `plan`, `drift` or `apply`.
    pub command: &'a str,
    /// When that is told, by our clock.
    pub now: Timestamp,
    /// How the command ends.
    pub exit_code: u8,
    /// What is wrong with the files, where that is why.
    pub problems: &'a [Problem],
    /// The texts that the problems are in; empty where there are no problems.
    pub sources: &'a Sources,
    /// Any other reason.
    pub complaint: Option<&'a Complaint>,
}

/// Why a command could not do what it is for, beside what is wrong with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The stable word for machines: `usage`, `files`, `credentials`, `record`, `stale`, `output`; more may come.
    pub kind: &'static str,
    /// What is wrong and what to do, for a person.
    pub message: String,
    /// The server that it is about, where it is about one.
    pub server: Option<ServerName>,
}

impl NoPlan<'_> {
    /// The errors among what is wrong with the files.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    /// Every reason in a line or more, with its place: for formats that have no field of their own for it.
    pub(super) fn said(&self) -> Vec<Reason> {
        let problems = self.errors().map(|problem| Reason {
            kind: problem.code.as_str(),
            message: match &problem.help {
                Some(help) => format!("{}\n{help}", problem.message),
                None => problem.message.clone(),
            },
            place: match problem.place() {
                Some(place) => {
                    let origin = self.sources.origin(place);
                    Some((origin.file.to_string(), Some(origin.line)))
                }
                None => problem.path.as_ref().map(|path| (path.to_string(), None)),
            },
        });
        let complaint = self.complaint.map(|complaint| Reason {
            kind: complaint.kind,
            message: complaint.message.clone(),
            place: None,
        });
        problems.chain(complaint).collect()
    }
}

/// One reason of a [`NoPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// The file, and the line where it is known.
    pub(super) place: Option<(String, Option<u32>)>,
}
