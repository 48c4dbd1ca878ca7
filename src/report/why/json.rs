//! What `why --format json` writes (docs/json-output.md, schemas/why-v1.schema.json).

use std::io::{self, Write};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Asked, ServerWhy, Told};
use crate::model::Target;
use crate::record::{self, Deed, RuleCounts};
use crate::report::escape;
use crate::report::history::{ActDocument, RunHeader, act, header};
use crate::report::json::{Algorithm, Aspect, Hold, aspect_kind, hold, instant, write_schema_of};

/// The version of the document. It grows by new fields only; anything else makes it another version.
pub const FORMAT_VERSION: u32 = 1;

/// Who set something, when and why, as far as the record tells; what stands on the server now only a plan tells.
/// Readers must ignore fields that they do not know: new ones may come within a format version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "kedrctl why")]
pub struct Document {
    /// Always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// What the document is.
    pub kind: Kind,
    /// RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// What was asked for.
    pub asked: Question,
    /// Those whose record tells anything of it, in the order of their names.
    pub servers: Vec<Server>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Why,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// A host, as the user named it.
    Host(String),
    /// A hash.
    Hash {
        algorithm: Algorithm,
        /// Lower-case hexadecimal digits.
        hash: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Server {
    /// As the files call it.
    pub name: String,
    /// What names it in the record.
    pub key: String,
    /// For a host: its aspects.
    pub subjects: Vec<Subject>,
    /// For a hash: the rules that it is or was in.
    pub rules: Vec<Rule>,
}

/// One aspect of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subject {
    /// What people called it when it was last written.
    pub host: String,
    /// `null`: the rule for all hosts.
    pub sensor_id: Option<String>,
    /// What of the host it is about.
    pub aspect: Aspect,
    /// The task's UUID, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// How it stands by the record alone.
    pub standing: Standing,
    /// When our isolation ends, or ended, at the soonest: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<String>,
    /// How many hashes of the rule are ours.
    pub ours: Option<usize>,
    /// What made it as it is; a renewal is none.
    pub set: Option<Done>,
    /// How often that was renewed since.
    pub renewals: usize,
    /// The last of these renewals; `null`: there was none.
    pub last_renewal: Option<Done>,
    /// Later acts of which nobody knows whether they were done.
    pub open: Vec<Done>,
    /// What keeps apply off it now.
    pub hold: Option<Hold>,
}

/// How it stands by the record alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// We never wrote it.
    NotOurs,
    Isolated,
    /// When our rule was set, the clocks were too far apart.
    IsolatedEndUnknown,
    IsolationEnded,
    Released,
    /// `ours` hashes of the rule are ours.
    Blocks,
    /// The task was created, and not deleted by us.
    TaskCreated,
    TaskDeleted,
}

/// An act with the run that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Done {
    pub run: RunHeader,
    pub act: ActDocument,
}

/// A rule that the hash is or was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rule {
    /// What people called the host when it was last written; `null`: the rule for all hosts.
    pub host: Option<String>,
    /// `null`: the rule for all hosts.
    pub sensor_id: Option<String>,
    pub state: State,
    /// The act that `state` follows from.
    pub by: Option<Done>,
    /// A later act of which nobody knows whether it was done.
    pub open: Option<Done>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Added by us.
    Ours,
    /// It was there before we declared it; the record cannot tell who put it there.
    Foreign,
    TakenOut,
    /// It was gone when we wrote next: somebody else took it out.
    Gone,
    NotKnown,
}

/// What the record tells, as a document of its own.
pub fn document(asked: &Asked, servers: &[ServerWhy<'_>], now: Timestamp) -> Document {
    Document {
        format_version: FORMAT_VERSION,
        kind: Kind::Why,
        now: instant(now),
        asked: match asked {
            Asked::Host(host) => Question::Host(host.clone()),
            Asked::Hash(hash) => Question::Hash {
                algorithm: match hash {
                    crate::model::FileHash::Md5(_) => Algorithm::Md5,
                    crate::model::FileHash::Sha256(_) => Algorithm::Sha256,
                },
                hash: hash.to_string(),
            },
        },
        servers: servers.iter().map(server).collect(),
    }
}

/// Writes the document; what could drive a terminal or hide text is written as `\uXXXX`.
///
/// # Errors
/// Those of `out`.
pub fn write_json(
    asked: &Asked,
    servers: &[ServerWhy<'_>],
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    escape::write_json(&document(asked, servers, now), out)
}

/// The JSON Schema of [`Document`], as schemas/why-v1.schema.json has it.
///
/// # Errors
/// Those of `out`.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    write_schema_of::<Document>(out)
}

fn server(server: &ServerWhy<'_>) -> Server {
    let (subjects, rules) = match &server.told {
        Told::Host(stories) => {
            (stories.iter().map(|story| subject(story, server.counts)).collect(), Vec::new())
        }
        Told::Hash(stories) => (Vec::new(), stories.iter().map(|story| rule(story, server.counts)).collect()),
    };
    Server { name: server.server.to_string(), key: server.key.to_string(), subjects, rules }
}

pub(in crate::report) fn subject(story: &record::SubjectStory<'_>, counts: &RuleCounts) -> Subject {
    let (standing, until, ours) = match story.standing {
        record::Standing::NotOurs => (Standing::NotOurs, None, None),
        record::Standing::IsolatedUntil(end) => (Standing::Isolated, Some(end), None),
        record::Standing::IsolatedEndUnknown => (Standing::IsolatedEndUnknown, None, None),
        record::Standing::IsolationEnded(end) => (Standing::IsolationEnded, Some(end), None),
        record::Standing::Released => (Standing::Released, None, None),
        record::Standing::Blocks(ours) => (Standing::Blocks, None, Some(ours)),
        record::Standing::TaskCreated => (Standing::TaskCreated, None, None),
        record::Standing::TaskDeleted => (Standing::TaskDeleted, None, None),
    };
    Subject {
        host: story.label.clone(),
        sensor_id: sensor_id(story.scope.target),
        aspect: aspect_kind(story.scope.aspect),
        task_id: story.task.map(|id| id.to_string()),
        standing,
        until: until.map(instant),
        ours,
        set: story.set.map(|deed| done(deed, counts)),
        renewals: story.renewals,
        last_renewal: story.last_renewal.map(|deed| done(deed, counts)),
        open: story.open.iter().map(|deed| done(*deed, counts)).collect(),
        hold: story.hold.as_ref().map(hold),
    }
}

fn rule(story: &record::HashStory<'_>, counts: &RuleCounts) -> Rule {
    let (state, by) = match story.state {
        record::HashState::Ours(deed) => (State::Ours, Some(deed)),
        record::HashState::Foreign(deed) | record::HashState::PutBack(deed) => (State::Foreign, Some(deed)),
        record::HashState::TakenOut(deed) => (State::TakenOut, Some(deed)),
        record::HashState::Gone(deed) => (State::Gone, Some(deed)),
        record::HashState::NotKnown => (State::NotKnown, None),
    };
    Rule {
        host: match story.target {
            Target::AllHosts => None,
            Target::Sensor(_) => Some(story.label.clone()),
        },
        sensor_id: sensor_id(story.target),
        state,
        by: by.map(|deed| done(deed, counts)),
        open: story.open.map(|deed| done(deed, counts)),
    }
}

fn done(deed: Deed<'_>, counts: &RuleCounts) -> Done {
    Done { run: header(deed.run), act: act(deed.act, counts) }
}

fn sensor_id(target: Target) -> Option<String> {
    match target {
        Target::AllHosts => None,
        Target::Sensor(id) => Some(id.to_string()),
    }
}
