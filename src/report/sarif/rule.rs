//! What a plan or a drift check can find, as rules of SARIF.

use super::log::{Configuration, Help, Message, Rule};
use crate::model::Aspect;
use crate::plan::FindingKind;
use crate::report::standing::State;

/// The rules in the order of their ids' importance. Ids are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleOf {
    Refused,
    Server,
    HostError,
    Unknown,
    IsolationDiffers,
    PreventionDiffers,
    TaskDiffers,
    LeftAlone,
    Held,
    EndUnknown,
    LeftBehind,
    Undeclared,
    NeverBlockPresent,
    Waiting,
    Silent,
    Unsupported,
    SilentHost,
    Spent,
}

impl RuleOf {
    pub(super) const ALL: [Self; 18] = [
        Self::Refused,
        Self::Server,
        Self::HostError,
        Self::Unknown,
        Self::IsolationDiffers,
        Self::PreventionDiffers,
        Self::TaskDiffers,
        Self::LeftAlone,
        Self::Held,
        Self::EndUnknown,
        Self::LeftBehind,
        Self::Undeclared,
        Self::NeverBlockPresent,
        Self::Waiting,
        Self::Silent,
        Self::Unsupported,
        Self::SilentHost,
        Self::Spent,
    ];

    /// `None`: all is well, there is no result.
    pub(super) fn of_state(state: State, aspect: Aspect) -> Option<Self> {
        match (state, aspect) {
            (State::InSync | State::Renew, _) => None,
            (State::Waiting, _) => Some(Self::Waiting),
            (State::Silent, _) => Some(Self::Silent),
            (State::Unsupported, _) => Some(Self::Unsupported),
            (State::Differs, Aspect::Isolation) => Some(Self::IsolationDiffers),
            (State::Differs, Aspect::Prevention) => Some(Self::PreventionDiffers),
            (State::Differs, Aspect::Task(_)) => Some(Self::TaskDiffers),
            (State::LeftAlone, _) => Some(Self::LeftAlone),
            (State::Held, _) => Some(Self::Held),
            (State::EndUnknown, _) => Some(Self::EndUnknown),
            (State::Unknown, _) => Some(Self::Unknown),
        }
    }

    /// Findings that are results of their own; the others tell how a subject stands.
    pub(super) fn of_finding(kind: FindingKind) -> Option<Self> {
        match kind {
            FindingKind::LeftBehind => Some(Self::LeftBehind),
            FindingKind::NeverBlockPresent => Some(Self::NeverBlockPresent),
            FindingKind::Spent => Some(Self::Spent),
            // These are troubles.
            FindingKind::HostError
            | FindingKind::Unknown
            | FindingKind::Undeclared
            | FindingKind::SilentHost
            | FindingKind::SpentNotOurs
            | FindingKind::GroupCheck
            | FindingKind::TaskGone
            | FindingKind::Held
            | FindingKind::Hold
            | FindingKind::Notice => None,
        }
    }

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Server => "server-not-read",
            Self::HostError => "host-not-known",
            Self::Unknown => "not-known",
            Self::IsolationDiffers => "isolation-differs",
            Self::PreventionDiffers => "prevention-differs",
            Self::TaskDiffers => "task-differs",
            Self::LeftAlone => "left-alone",
            Self::Held => "held",
            Self::EndUnknown => "end-not-known",
            Self::LeftBehind => "left-behind",
            Self::Undeclared => "undeclared",
            Self::NeverBlockPresent => "never-block-present",
            Self::Waiting => "waiting-for-contact",
            Self::Silent => "silent",
            Self::Unsupported => "unsupported",
            Self::SilentHost => "silent-host",
            Self::Spent => "spent",
        }
    }

    /// How grave it is where nothing says otherwise; a plan's own changes are notes, whatever stands here.
    pub(super) fn level(self) -> &'static str {
        match self {
            Self::Refused
            | Self::Server
            | Self::HostError
            | Self::Unknown
            | Self::IsolationDiffers
            | Self::PreventionDiffers
            | Self::TaskDiffers
            | Self::LeftAlone
            | Self::Undeclared
            | Self::EndUnknown => "error",
            Self::Held | Self::LeftBehind | Self::NeverBlockPresent => "warning",
            Self::Waiting | Self::Silent | Self::Unsupported | Self::SilentHost | Self::Spent => "note",
        }
    }

    pub(super) fn rule(self) -> Rule {
        let (title, help) = self.texts();
        Rule {
            id: self.id(),
            // It may not say the same as the id.
            name: Some(format!("{self:?}")).filter(|name| !name.eq_ignore_ascii_case(self.id())),
            short_description: Message::new(title),
            full_description: Message::new(format!("{title}. {help}")),
            help_uri: None,
            help: Help { text: help.to_owned(), markdown: help.to_owned() },
            default_configuration: Configuration { level: self.level() },
        }
    }

    /// What it is, and what to do.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Refused => (
                "The policy refuses the plan",
                "Nothing of the plan is written. The message names what would let exactly this plan pass, if anything may.",
            ),
            Self::Server => (
                "A server could not be read",
                "Nothing is known of its hosts. Run `kedrctl drift -v --server NAME` to see the calls and their answers.",
            ),
            Self::HostError => (
                "Nobody can tell which host an entry means",
                "The host gets no write. Name it as the server lists it, or by its `sensor_id`; `kedrctl hosts` lists them.",
            ),
            Self::Unknown => (
                "Something could not be read or judged",
                "There is no write, and nothing is said to be in sync. Run it again; with `-v` it shows the calls.",
            ),
            Self::IsolationDiffers => (
                "A host's isolation is not as declared",
                "`kedrctl plan` shows the difference, `kedrctl apply` ends it, `kedrctl why HOST` tells who set the rule.",
            ),
            Self::PreventionDiffers => (
                "A prevention rule is not as declared",
                "`kedrctl plan` shows which hashes are missing or too many, `kedrctl apply` changes the rule, and what \
                 others put there stays unless it is declared `exact`.",
            ),
            Self::TaskDiffers => (
                "A task is not as declared",
                "`kedrctl plan` shows which program would be started, or which task would be deleted.",
            ),
            Self::LeftAlone => (
                "It differs, and apply leaves it",
                "A group's `off` is a check, and a spent rule that is not ours is not deleted. The message names the \
                 command that would.",
            ),
            Self::Held => (
                "It differs, and a hold keeps apply off it",
                "Put into the files what was done by hand, or end the hold with `kedrctl hold --end HOST`.",
            ),
            Self::EndUnknown => (
                "Nobody can know whether an isolation is still in force",
                "The server does not tell when a rule ends, only the record does. `kedrctl apply` renews the rule, and its \
                 end is known from then on.",
            ),
            Self::LeftBehind => (
                "Ours, in force and declared no more",
                "It stays until its end. The message has the line that would end it.",
            ),
            Self::Undeclared => (
                "It stands on the fleet, and no file declares it",
                "The message has the lines that would adopt it and the command that would end it.",
            ),
            Self::NeverBlockPresent => (
                "A file is blocked that must never be",
                "A hash of `policy.never_block` stands in a rule. `kedrctl unblock` takes it out.",
            ),
            Self::Waiting => (
                "The agent was not in contact since our write",
                "The rule stands on the server; the agent has yet to fetch it.",
            ),
            Self::Silent => {
                ("No contact for over five hours", "The host may have dropped its isolation by itself.")
            }
            Self::Unsupported => (
                "By all signs the agent can not carry it out",
                "The rule stands on the server, and nothing will come of it on the host.",
            ),
            Self::SilentHost => {
                ("A host was not seen for long", "`kedrctl hosts --silent 24h` lists such hosts.")
            }
            Self::Spent => ("An entry's time has passed", "Remove the entry from the files."),
        }
    }
}
