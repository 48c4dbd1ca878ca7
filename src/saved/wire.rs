//! How a saved plan stands in its file. Types of their own: what is kept does not change with the model. No field is
//! passed over that is not known: what is executed has to be understood whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Step;
use super::connection::Connection;
use super::policy::Policy;
use super::rules::Rules;

/// A plan that waits for approval. Made by `kedrctl plan -o`, carried out by `kedrctl apply FILE`, and what
/// `kedrctl apply --approved FILE` holds a plan to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "kedrctl saved plan")]
pub(super) struct File {
    /// Always `kedrctl-plan`.
    pub(super) format: String,
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub(super) format_version: u32,
    /// Of all the rest, in the order of the keys and without spaces: an altered file is refused. It protects from
    /// mistakes, not from somebody who computes it again.
    pub(super) sha256: String,
    /// Digest of what the plan means; free of times, of order and of renewals that set nothing but a later end.
    pub(super) plan_id: String,
    /// The instant for which it was made: RFC 3339, UTC, as all instants.
    pub(super) made_at: String,
    /// When the servers were asked; earlier than `made_at` where it was made from a snapshot.
    pub(super) observed_at: String,
    /// The version of kedrctl that made it.
    pub(super) made_with: String,
    /// Whether all that was asked could be answered; what could not is not in the plan.
    pub(super) complete: bool,
    /// Who we are in a shared record.
    pub(super) owner: String,
    /// The state files and folders that it was made from; absolute, and not read again.
    pub(super) files: Vec<String>,
    pub(super) record: Record,
    pub(super) policy: Policy,
    pub(super) flags: Flags,
    /// Those that could be read.
    pub(super) servers: Vec<Server>,
}

/// Where the record is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) place: RecordPlace,
    /// Whether a file names it; otherwise it is `.kedrctl` beside the state.
    pub(super) declared: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordPlace {
    /// An absolute path.
    Folder(String),
    /// `s3://…`, `az://…` or `gs://…`.
    Url(String),
}

/// What flags let pass when the plan was made, and lets pass again.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Flags {
    /// Limits that may be exceeded, such as `isolations=7`.
    pub(super) allow: Vec<String>,
    /// Subjects of other owners that may be written.
    pub(super) take_over: Vec<String>,
    /// Entries that may mean another sensor than the record knows.
    pub(super) accept_moved: Vec<String>,
    pub(super) accept_short_list: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    /// As the files call it.
    pub(super) name: String,
    /// What people know it by: the first URL, or `simulator` and its fleet file.
    pub(super) address: String,
    /// What it is in the record: a plan is carried out on this server and no other.
    pub(super) key: String,
    pub(super) hosts_listed: u64,
    /// Different hashes in all rules that were read: what a share of `hashes_removed` is of.
    pub(super) distinct_hashes: u64,
    /// Where it is declared.
    pub(super) origin: Origin,
    pub(super) connection: Connection,
    /// Most requests in flight at once.
    pub(super) concurrency: usize,
    /// How far its clock may be from ours.
    pub(super) clock_tolerance_seconds: i64,
    /// Prevention rules, once each; changes say which by its place, counted from 0.
    pub(super) rules: Rules,
    /// One after the other; the changes of one step side by side.
    pub(super) steps: Vec<Step>,
}

/// Where something was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The path as the user would write it.
    pub(super) file: String,
    /// Counted from 1; 0 where it is no line of a file.
    pub(super) line: u32,
}
