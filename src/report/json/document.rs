use schemars::JsonSchema;
use serde::Serialize;

use super::{Cause, Change, Error, Judged, Since, Step};
use crate::report::View;

/// What a plan would change, or what differs, and what could not be judged. Readers must ignore fields that they do
/// not know: new ones may come within a format version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl plan")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What was asked for.
    pub kind: Kind,
    /// A digest of what the plan means, free of times and order.
    pub plan_id: String,
    /// The instant for which it was made: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// When the servers were asked: `now`, or earlier where the plan was made from a snapshot. RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub observed_at: String,
    /// What was looked at.
    pub scope: Scope,
    /// With the scope `renewals`: when the next of those that need nothing now will need something. RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub next_due: Option<String>,
    /// Who we are in a shared record.
    pub owner: String,
    /// Whether all that was asked could be answered: no host error, nothing unknown, every server reached. For
    /// `drift` also no rule with an unknown end and, with `--require-contact`, no host without contact.
    pub complete: bool,
    /// Whether the guard refuses the plan: nothing of it will be written.
    pub refused: bool,
    /// In the order of their names.
    pub servers: Vec<Server>,
    /// In the order in which they are made.
    pub changes: Vec<Change>,
    /// Every managed aspect, in the order of the files.
    pub judged: Vec<Judged>,
    /// What there is to say beside the changes.
    pub findings: Vec<Finding>,
    /// Why the guard refuses the plan; empty: it does not.
    pub refusals: Vec<Refusal>,
    /// What the guard warns of, for people.
    pub warnings: Vec<String>,
    /// How many of what.
    pub sums: Sums,
    /// With `--since`: what became of the differences of the earlier result.
    pub since: Option<Since>,
    /// Always empty here: where there are errors, there is no plan.
    #[schemars(length(max = 0))]
    pub errors: Vec<Error>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What would be done; so it is called in the events of an apply too.
    Plan,
    /// What differs.
    Drift,
}

impl Kind {
    pub(super) fn of(view: View) -> Self {
        match view {
            View::Plan => Self::Plan,
            View::Drift { .. } => Self::Drift,
        }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything that is declared.
    All,
    /// `--renew-only`: only what keeps isolations of ours in force, by the record; nothing else was looked at.
    Renewals,
}

/// One Central Node, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Server {
    /// As the files call it.
    pub name: String,
    /// The first URL, or the simulator's fleet file.
    pub address: String,
    /// Whether it could be read.
    pub state: ServerState,
    /// Why it is not `read`.
    pub why: Option<String>,
    /// What names it in the record. `null` where the server could not be read, as all that follows.
    pub key: Option<String>,
    /// How many hosts its list has.
    pub hosts_listed: Option<u64>,
    /// Different hashes in all rules that were read.
    pub distinct_hashes: Option<u64>,
    /// Its clock against ours.
    pub clock: Option<Clock>,
    /// The last run that the record shows.
    pub last_run: Option<LastRun>,
    /// What hosts go without while hashes move between the rule for all hosts and theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// From the writes of one step on, until those of another, some hosts do not block what they blocked before and will
/// block after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// The step with whose writes it begins.
    pub from: Step,
    /// The step with whose writes it ends.
    pub until: Step,
    /// How many hosts lack some of the hashes.
    pub hosts: u64,
    /// What any of them lacks: lower-case hexadecimal digits.
    pub hashes: Vec<String>,
}

/// Whether a server could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Its host list was read and believed.
    Read,
    /// It answers, but its host list could not be read, or can not be whole.
    ListNotBelieved,
    /// Its part of the record could not be had: another run holds its lock, or its chain cannot be read.
    Unrecorded,
    /// No answer, not trusted, or it does not accept us.
    Unreachable,
}

/// The server's clock against ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Clock {
    /// Whether the two are near enough to decide by.
    pub state: ClockState,
    /// How far it is ahead of ours; negative: behind. Only where it is over two minutes.
    pub ahead_seconds: Option<i64>,
}

/// How far the server's clock is from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// It does not say what time it has.
    NotGiven,
    /// Near enough to decide by.
    Together,
    /// Too far apart: nothing that hangs on an instant is decided.
    Apart,
}

/// The run that wrote last into the server's part of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastRun {
    /// As `history` shows it.
    pub id: String,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// It never said that it ended.
    pub unfinished: bool,
}

/// Something that the plan has to say beside its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// As the files call it.
    pub server: String,
    /// `host_error`, `unknown`, `spent_not_ours`, `group_check`, `task_gone`, `held`, `left_behind`, `undeclared`,
    /// `silent_host`, `spent`, `never_block_present`, `hold`, `notice`; more may come.
    pub kind: String,
    /// The host, or what else it is about.
    pub label: String,
    /// `isolation`, `prevention` or `task/<id>`, where it is about one of them.
    pub aspect: Option<String>,
    /// What there is to say, for people.
    pub message: String,
    /// The line that it comes from, where there is one.
    pub cause: Option<Cause>,
}

/// Why the plan is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refusal {
    /// `protected`, `never_block`, `tasks`, `limit`, `owner`, `not_approved`, `stale`; more may come.
    pub kind: String,
    /// What it is about: a host, a server or the plan, for people.
    pub subject: String,
    /// Why, and what would let exactly this plan pass, if anything may.
    pub message: String,
    /// The line that asks for it, where there is one.
    pub cause: Option<Cause>,
}

/// How many of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sums {
    /// Hosts to isolate.
    pub isolate: u64,
    /// Hosts to release.
    pub release: u64,
    /// Rules to change: other exclusions, other hashes.
    pub change: u64,
    /// Isolations whose end is only set anew.
    pub renew: u64,
    /// Programs to start.
    pub run: u64,
    /// Tasks to take off their servers.
    pub delete_task: u64,
    /// Differences that apply leaves alone.
    pub left_alone: u64,
    /// Those of `left_alone` that a hold keeps apply off.
    pub held: u64,
    /// Ours, in force and declared no more.
    pub left_behind: u64,
    /// What stands on hosts and no file declares: only with `drift --all-hosts`.
    pub undeclared: u64,
    /// Hosts without contact for long: only with `drift --all-hosts`.
    pub silent_hosts: u64,
    /// Entries that could not be resolved, such as that of a host that the server does not list; hosts that keep a
    /// hash from the rule for all hosts; what a rollback can not put back.
    pub errors: u64,
    /// What could not be read or judged; also servers whose host list is not believed, or whose part of the record could
    /// not be had.
    pub unknown: u64,
    /// As declared by its looks, but its end is not known; not counted in `unknown`.
    pub end_unknown: u64,
    /// In sync and, as far as can be told, carried out.
    pub in_sync: u64,
    /// As declared on the server, but without contact of the agent since.
    pub waiting: u64,
    /// Isolated as declared, but without contact for over five hours: it may have dropped its isolation by itself.
    pub silent: u64,
    /// As declared on the server, but by all signs not for this agent.
    pub unsupported: u64,
    /// Tasks that are created and, by all signs, not yet started; not counted in the three before.
    pub deferred: u64,
    /// Servers that did not answer, are not trusted, or do not accept us.
    pub servers_unreachable: u64,
}
