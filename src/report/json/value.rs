use schemars::JsonSchema;
use serde::Serialize;

/// Where something was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// The path as the user would write it; `command line` for what was said by hand.
    pub file: String,
    /// Counted from 1; 0 for what was said by hand.
    pub line: u32,
    /// The hash list that names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The groups that it came through, in the order of their names; `file` and `line` are those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupLine>,
}

/// A group, and where it declares something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GroupLine {
    /// As the files call it.
    pub name: String,
    /// The path as the user would write it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
}

/// One write that the plan wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// `<server>/<host>/<aspect>`, for people: a host's name may hold any character. `sensor_id` is its identity.
    pub subject: String,
    /// As the files call it.
    pub server: String,
    /// The name that the server lists, or the sensor id where it lists none; `null`: the rule for all hosts.
    pub host: Option<String>,
    /// The key of the declared entry; `null`, as `sensor_id`: the rule for all hosts.
    pub entry: Option<String>,
    /// The host's identity: a UUID.
    pub sensor_id: Option<String>,
    /// What of the host is changed.
    pub aspect: Aspect,
    /// `isolate`, `change_exclusions`, `renew`, `release`, `end_spent`, `block`, `start_task`, `delete_task`; more may
    /// come.
    pub action: String,
    /// Whether it only sets another end, mostly a later one: no difference for `--detailed-exitcode`.
    pub renewal: bool,
    /// In which step it stands: changes of one step are made side by side.
    pub step: Step,
    /// How long an isolation is meant to last.
    pub term: Option<Term>,
    /// What is known of the end of the rule that is renewed.
    pub end: Option<End>,
    /// A rule of ours for this entry has run out: isolating again is no growth, and not counted in the limit.
    pub lapsed: bool,
    /// What is set; `null`: no rule.
    pub before: Option<Setting>,
    /// What would be set; `null`: no rule.
    pub after: Option<Setting>,
    /// What changes within a prevention rule.
    pub hashes: Option<Hashes>,
    /// Which task is started or deleted; its program stands in `after` or `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The line that asks for it.
    pub cause: Cause,
    /// The `reason` of that line.
    pub reason: Option<String>,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
}

/// What of a host is managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Whether the host is cut off from the network.
    Isolation,
    /// Which files may not start on it.
    Prevention,
    /// A program that runs once.
    Task,
}

/// A task by all that tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Task {
    /// The UUID that it has on its server.
    pub id: String,
    /// The key of its entry; `null`: a person started it.
    pub name: Option<String>,
    /// A higher one is another task: the program is started once more.
    pub generation: u64,
    /// From when on it is not started: RFC 3339, UTC. `null`: it is not to be started, or a person starts it now.
    #[schemars(extend("format" = "date-time"))]
    pub not_after: Option<String>,
}

/// Steps are made one after the other, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hosts are isolated; isolations are changed and renewed.
    Contain,
    /// Hosts give up the hashes that the rule for all hosts will gain.
    GiveUp,
    /// The rule for all hosts.
    ForAll,
    /// Prevention rules of hosts.
    Prevent,
    /// Programs are started, and tasks deleted.
    Run,
    /// Hosts are released.
    Release,
}

/// How long a host is to be isolated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// RFC 3339, UTC.
    Until(#[schemars(extend("format" = "date-time"))] String),
    /// In force for as long as the file says so, this long at a time.
    LeaseSeconds(u32),
}

/// When an isolation ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The soonest instant at which it may end: RFC 3339, UTC.
    Known(#[schemars(extend("format" = "date-time"))] String),
    /// Nobody can know.
    Unknown(WhyUnknown),
}

/// Why nobody can know when an isolation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnknown {
    /// The record does not show that we set this rule.
    NotRecorded,
    /// We set a rule here, but what is listed now is another one.
    ChangedByOthers,
    /// When it was set, the server's clock and ours were too far apart.
    ClocksApart,
}

/// A rule as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Setting {
    /// An isolation rule.
    Isolation {
        /// As it is set; the server never tells what is left of it.
        timeout_seconds: u64,
        /// The traffic that it lets through; empty: none.
        exclusions: Vec<Exclusion>,
    },
    /// A prevention rule.
    Prevention {
        /// How many hashes the rule holds.
        hash_count: usize,
    },
    /// A task's program.
    Task {
        /// The path of the program.
        command: String,
        /// What it is given; `null`: nothing.
        arguments: Option<String>,
        /// The folder that it is started in; `null`: none is named.
        working_directory: Option<String>,
    },
}

/// One kind of traffic that isolation lets through. `null`: any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exclusion {
    /// Which connections it lets through.
    pub direction: Direction,
    /// The IANA protocol number.
    pub protocol: Option<u8>,
    /// The other side's address, IPv4 or IPv6.
    pub remote_address: Option<String>,
    /// The other side's ports.
    pub remote_ports: Option<Ports>,
    /// The host's own ports.
    pub local_ports: Option<Ports>,
}

/// Which connections an exclusion lets through, seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the host.
    Inbound,
    /// Out of the host.
    Outbound,
    /// Either way.
    Both,
}

/// From `from` to `to`, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ports {
    /// The first of them.
    pub from: u16,
    /// The last of them.
    pub to: u16,
}

/// What changes within a prevention rule, in the order of the hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hashes {
    /// What comes in.
    pub added: Vec<AddedHash>,
    /// What goes out.
    pub removed: Vec<RemovedHash>,
    /// How many stay.
    pub kept: usize,
    /// Those of the kept ones that others put there.
    pub kept_foreign: usize,
    /// Declared hashes that the rule for all hosts holds, or will hold by this plan.
    pub covered_by_all: usize,
    /// Kept objects that lose fields other than hash and `name`.
    pub loses_fields: usize,
}

/// A hash that comes into a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AddedHash {
    /// Its digest.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal digits.
    pub hash: String,
    /// What the files say of it; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The line that asks for it.
    pub cause: Cause,
}

/// A hash that leaves a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemovedHash {
    /// Its digest.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal digits.
    pub hash: String,
    /// Why it goes.
    pub because: RemovedBecause,
    /// When its time ended, for `expired`: RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expired_at: Option<String>,
    /// The line that takes it out, where there is one.
    pub cause: Option<Cause>,
}

/// Which digest a hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// MD5: 32 digits.
    Md5,
    /// SHA-256: 64 digits.
    Sha256,
}

/// Why a hash leaves a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemovedBecause {
    /// `unblock` names it.
    Unblocked,
    /// Its `until` has passed.
    Expired,
    /// We added it, and no file names it for this host any more.
    NoLongerDeclared,
    /// `exact: true`, and `block` does not have it.
    Exact,
    /// The rule for all hosts takes it over: it goes on being blocked.
    MovedToAll,
}

/// One managed aspect of one host, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Judged {
    /// As in `changes`.
    pub subject: String,
    /// As the files call it.
    pub server: String,
    /// `null`, as `entry` and `sensor_id`: the rule for all hosts.
    pub host: Option<String>,
    /// The key of the declared entry.
    pub entry: Option<String>,
    /// The host's identity: a UUID.
    pub sensor_id: Option<String>,
    /// What of the host was judged.
    pub aspect: Aspect,
    /// How it stands.
    pub verdict: Verdict,
    /// Why it is `unknown`.
    pub why: Option<String>,
    /// Whether its agent can have carried it out.
    pub contact: Contact,
    /// Which task it is, where it is one. With a `contact` other than `seen` it is created and deferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// What keeps apply off it, if anything does: who, until when and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The last write of ours that the record shows; `null`: it shows none.
    pub last_write: Option<LastWrite>,
    /// Whether what is there now is not what we set last, of what differs; `null`: nothing differs, or nobody knows.
    pub changed_by_others: Option<bool>,
    /// What is declared is known to be set on the server *and*, as far as can be told, carried out by the agent.
    pub in_sync: bool,
    /// The line that declares it.
    pub cause: Cause,
}

/// A write of ours, by the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastWrite {
    /// The id of the run.
    pub run: String,
    /// The moment before it was sent: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Who that run worked for, in a shared record.
    pub owner: String,
    /// The commit that the files came from; with a `?` where they may have been edited since.
    pub commit: Option<String>,
    /// The line that asked for it.
    pub cause: Option<Cause>,
    /// The `reason` of that line.
    pub reason: Option<String>,
}

/// An act by hand stands: until then apply leaves this subject alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hold {
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
    /// User and machine.
    pub by: String,
    /// The run that left it.
    pub run: String,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// `isolate`, `release`, `block`, `unblock` or `hold`; more may come.
    pub command: String,
    /// What they gave as the reason.
    pub reason: Option<String>,
}

/// What comes of comparing what is declared with what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As declared.
    InSync,
    /// Not as declared: apply changes it.
    Differs,
    /// It differs, and apply leaves it; with `hold`, because of that.
    LeftAlone,
    /// As declared until a known end that comes too soon.
    Renew,
    /// As declared by its looks, but nobody can know whether it is still in force.
    EndUnknown,
    /// It could not be read or judged: `why` tells.
    Unknown,
}

/// Whether the agent can have carried out what is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// Seen since our write, or nothing of ours has to be carried out.
    Seen,
    /// No contact since our write.
    Waiting,
    /// No contact for over five hours: the host may have dropped its isolation by itself.
    Silent,
    /// By all signs its agent can not carry this out.
    Unsupported,
}
