use crate::execute::WriteResult;
use crate::plan::{Contact, FindingKind, Judged, Verdict};

/// How a host, or an aspect of it, stands: the worst first, which is the order in which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Error,
    Unknown,
    Differs,
    LeftAlone,
    Held,
    LeftBehind,
    Undeclared,
    EndUnknown,
    Silent,
    Waiting,
    Unsupported,
    Renew,
    /// This run wrote it.
    Written,
    InSync,
    /// The server lists it, and nothing is to be said of it.
    Listed,
}

/// What states have in common: a colour, and the pattern by which it is told without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Doubt,
    Kept,
    Foreign,
    Pending,
    Fine,
    None,
}

impl State {
    pub(super) const ALL: [Self; 15] = [
        Self::Error,
        Self::Unknown,
        Self::Differs,
        Self::LeftAlone,
        Self::Held,
        Self::LeftBehind,
        Self::Undeclared,
        Self::EndUnknown,
        Self::Silent,
        Self::Waiting,
        Self::Unsupported,
        Self::Renew,
        Self::Written,
        Self::InSync,
        Self::Listed,
    ];

    pub(super) fn of(judged: &Judged) -> Self {
        match (&judged.verdict, judged.contact) {
            (Verdict::InSync | Verdict::Renew, Contact::Waiting) => Self::Waiting,
            (Verdict::InSync | Verdict::Renew, Contact::Silent) => Self::Silent,
            (Verdict::InSync | Verdict::Renew, Contact::Unsupported) => Self::Unsupported,
            (Verdict::InSync, Contact::Seen) => Self::InSync,
            (Verdict::Renew, Contact::Seen) => Self::Renew,
            (Verdict::Differs, _) => Self::Differs,
            (Verdict::LeftAlone, _) => Self::LeftAlone,
            (Verdict::Held, _) => Self::Held,
            (Verdict::EndUnknown, _) => Self::EndUnknown,
            (Verdict::Unknown(_), _) => Self::Unknown,
        }
    }

    /// What a finding makes of a host, where no judgement says it already.
    pub(super) fn of_finding(kind: FindingKind) -> Option<Self> {
        match kind {
            FindingKind::HostError => Some(Self::Error),
            FindingKind::Unknown => Some(Self::Unknown),
            FindingKind::LeftBehind => Some(Self::LeftBehind),
            FindingKind::Undeclared => Some(Self::Undeclared),
            FindingKind::SilentHost => Some(Self::Silent),
            FindingKind::SpentNotOurs
            | FindingKind::GroupCheck
            | FindingKind::TaskGone
            | FindingKind::Held
            | FindingKind::Spent
            | FindingKind::NeverBlockPresent
            | FindingKind::Hold
            | FindingKind::Notice => None,
        }
    }

    /// What became of a change of an aspect that stood like this.
    pub(super) fn after(self, result: &WriteResult) -> Self {
        match result {
            WriteResult::Done { .. } | WriteResult::AlreadyAsDesired => Self::Written,
            WriteResult::Unknown { .. } => Self::Unknown,
            WriteResult::Held { .. } => Self::Held,
            WriteResult::ChangedSincePlan { .. }
            | WriteResult::NotRead { .. }
            | WriteResult::Refused { .. }
            | WriteResult::NotTried { .. } => self,
        }
    }

    /// The stable word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Differs => "differs",
            Self::LeftAlone => "left_alone",
            Self::Held => "held",
            Self::LeftBehind => "left_behind",
            Self::Undeclared => "undeclared",
            Self::EndUnknown => "end_unknown",
            Self::Silent => "silent",
            Self::Waiting => "waiting",
            Self::Unsupported => "unsupported",
            Self::Renew => "renew",
            Self::Written => "written",
            Self::InSync => "in_sync",
            Self::Listed => "listed",
        }
    }

    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Error => "not clear who is meant",
            Self::Unknown => "unknown",
            Self::Differs => "differs",
            Self::LeftAlone => "differs, left alone",
            Self::Held => "held by hand",
            Self::LeftBehind => "left behind",
            Self::Undeclared => "not declared",
            Self::EndUnknown => "end not known",
            Self::Silent => "silent",
            Self::Waiting => "waiting for contact",
            Self::Unsupported => "not supported",
            Self::Renew => "to renew",
            Self::Written => "written now",
            Self::InSync => "in sync",
            Self::Listed => "nothing declared",
        }
    }

    /// One sign, so that colour is never the only one.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Error => "!",
            Self::Unknown => "?",
            Self::Differs => "≠",
            Self::LeftAlone => "−",
            Self::Held => "=",
            Self::LeftBehind => "«",
            Self::Undeclared => "+",
            Self::EndUnknown => "~",
            Self::Silent => "○",
            Self::Waiting => "…",
            Self::Unsupported => "×",
            Self::Renew => "↻",
            Self::Written => "✓",
            Self::InSync => "·",
            Self::Listed => "",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Error | Self::Differs => Tone::Bad,
            Self::Unknown | Self::EndUnknown => Tone::Doubt,
            Self::LeftAlone | Self::Held => Tone::Kept,
            Self::LeftBehind | Self::Undeclared => Tone::Foreign,
            Self::Silent | Self::Waiting | Self::Unsupported => Tone::Pending,
            Self::Renew | Self::Written | Self::InSync => Tone::Fine,
            Self::Listed => Tone::None,
        }
    }
}

impl Tone {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Doubt => "doubt",
            Self::Kept => "kept",
            Self::Foreign => "foreign",
            Self::Pending => "pending",
            Self::Fine => "fine",
            Self::None => "none",
        }
    }
}
