//! What stands in the place of a document where there is no plan.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Document, FORMAT_VERSION, Kind, build};
use crate::report::problems::{self, Problem};
use crate::report::told::{Complaint, NoPlan};

/// What `plan` or `drift` writes with `--format json`. `errors` tells the two apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "kedrctl plan")]
pub enum Answer {
    /// There is one.
    Plan(Box<Document>),
    /// There is none.
    Failed(Failed),
}

/// There is no plan: the files are wrong, or something that it needs could not be had. Readers must ignore fields that
/// they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failed {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What was asked for.
    pub kind: Kind,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// Always false.
    #[schemars(extend("const" = false))]
    pub complete: bool,
    /// The exit code of the command.
    pub exit_code: u8,
    /// Why there is no plan.
    #[schemars(length(min = 1))]
    pub errors: Vec<Error>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Error {
    /// `files` (with `problem`), `usage`, `credentials`, `record`, `stale`, `output`, `run`; more may come.
    pub kind: String,
    /// Why, and what to do, for people.
    pub message: String,
    /// The server that it is about, where it is about one.
    pub server: Option<String>,
    /// What is wrong in which file and line, as `kedrctl validate` tells it.
    pub problem: Option<Problem>,
}

pub(super) fn failed(no_plan: &NoPlan<'_>) -> Failed {
    Failed {
        format_version: FORMAT_VERSION,
        kind: Kind::of(no_plan.view),
        now: build::instant(no_plan.now),
        complete: false,
        exit_code: no_plan.exit_code,
        errors: errors(no_plan),
    }
}

/// The reasons, one by one.
pub fn errors(no_plan: &NoPlan<'_>) -> Vec<Error> {
    let problems = no_plan.errors().map(|problem| Error {
        kind: "files".to_owned(),
        message: problem.message.clone(),
        server: None,
        problem: Some(problems::problem(problem, no_plan.sources)),
    });
    problems.chain(no_plan.complaint.map(Error::from)).collect()
}

impl From<&Complaint> for Error {
    fn from(complaint: &Complaint) -> Self {
        Self {
            kind: complaint.kind.to_owned(),
            message: complaint.message.clone(),
            server: complaint.server.as_ref().map(ToString::to_string),
            problem: None,
        }
    }
}
