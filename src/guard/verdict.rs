use crate::model::Cause;

/// What the guard says of a plan. One refusal refuses the whole plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    pub refusals: Vec<Refusal>,
    /// Worth knowing before saying yes; safe to print.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// What it is about (a host, a limit), safe to print.
    pub subject: String,
    /// Why, and what would let exactly this plan pass, if anything may; safe to print.
    pub message: String,
    /// The line that asks for what is refused, or the rule that forbids it.
    pub cause: Option<Cause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    Protected,
    NeverBlock,
    /// A program would be started, and the files do not allow any.
    Tasks,
    Limit,
    Owner,
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
        }
    }
}
