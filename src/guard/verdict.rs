use crate::model::Cause;
use crate::plan::Objection;

/// What the guard says of a plan. One refusal refuses the whole plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Server by server, of its changes and then of its limits; last what it is held to beside the policy.
    pub refusals: Vec<Refusal>,
    /// Worth knowing before saying yes; safe to print.
    pub warnings: Vec<String>,
}

/// Why a plan, or a change of it, must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule says no.
    pub kind: RefusalKind,
    /// What it is about, safe to print: a host, a whole subject, or for a limit the server.
    pub subject: String,
    /// Why, and what would let exactly this plan pass, if anything may; safe to print.
    pub message: String,
    /// The line that asks for what is refused, or the rule that forbids it.
    pub cause: Option<Cause>,
}

impl Refusal {
    /// What nothing lets pass but another plan.
    pub fn of(kind: RefusalKind, objection: Objection) -> Self {
        let Objection { subject, message, cause } = objection;
        Self { kind, subject, message, cause }
    }
}

/// Which rule refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// A host that `policy.protected` means, or may mean, would be isolated or kept isolated.
    Protected,
    /// A hash would be blocked that `policy.never_block` has, or that nobody looked for there.
    NeverBlock,
    /// A program would be started, and the files do not allow any.
    Tasks,
    /// More would change on a server than `policy.limits` and `--allow` let pass.
    Limit,
    /// Another owner wrote the subject last, and no `--take-over` names it.
    Owner,
    /// It is no part of what was approved.
    NotApproved,
    /// What a saved plan was made on is not so any more.
    Stale,
}

impl RefusalKind {
    /// The stable word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::NeverBlock => "never_block",
            Self::Tasks => "tasks",
            Self::Limit => "limit",
            Self::Owner => "owner",
            Self::NotApproved => "not_approved",
            Self::Stale => "stale",
        }
    }
}
