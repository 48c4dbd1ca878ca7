//! Plans, outcomes and problems in every format; one file or folder per format. Nothing here reads or prints: a report is written into
//! the [`std::io::Write`] that it is given, and the same value gives the same bytes on every machine.

pub mod csv;
pub mod escape;
pub mod explain;
pub mod history;
pub mod holds;
pub mod hosts;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod outcome_text;
pub mod probe;
pub mod problems;
pub mod prometheus;
pub mod record_state;
pub mod sarif;
pub mod show;
pub mod since;
pub mod text;
pub mod why;

mod last_write;
mod standing;
mod table;
pub mod tasks;
mod told;
mod uri;
mod words;

pub use told::{Complaint, NoPlan, Told};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod sample_history;
#[cfg(test)]
mod tests;

use crate::plan::{Contact, Plan};
use crate::terminal::Palette;

/// For which question a plan is shown: what would be done, or what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// What would be done, or by `apply` will be.
    Plan,
    /// What differs.
    Drift {
        /// Whether waiting, silent and unsupported hosts count (`--require-contact`); without it the answer speaks
        /// of the rules on the servers only.
        require_contact: bool,
    },
}

/// How a report for people is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// For which question the plan is shown.
    pub view: View,
    /// Nothing is cut or gathered into one line.
    pub full: bool,
    /// Only how many of what, and what asks for most of it.
    pub summary: bool,
    /// With colours or without.
    pub palette: Palette,
}

impl View {
    /// The stable word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Drift { .. } => "drift",
        }
    }

    /// Whether all that was asked could be answered (design, section 4: exit 4 where not).
    pub fn is_complete(self, plan: &Plan) -> bool {
        let sums = plan.sums();
        let all_judged = sums.not_judged() == 0;
        match self {
            // A rule whose end is not known is renewed: the plan has an answer to it.
            Self::Plan => all_judged,
            Self::Drift { require_contact } => {
                let in_contact = !require_contact || sums.without_contact() == 0;
                all_judged && sums.end_unknown == 0 && in_contact
            }
        }
    }
}

/// The word for people and machines alike.
pub fn contact_word(contact: Contact) -> &'static str {
    match contact {
        Contact::Seen => "seen",
        Contact::Waiting => "waiting",
        Contact::Silent => "silent",
        Contact::Unsupported => "unsupported",
    }
}
