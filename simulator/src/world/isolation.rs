//! A rule of network isolation, as the server keeps it.

use jiff::{SignedDuration, Timestamp};

use super::exclusion::ExclusionRule;

/// The timeouts that the server takes, in seconds: 1 to 9,999 hours (response-api.md, section 3).
pub const TIMEOUT_LIMITS: std::ops::RangeInclusive<u64> = 3_600..=35_996_400;

/// A host's isolation rule. The rule outlives its end: the server goes on listing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationRule {
    /// Seconds, as set; the API repeats this number and never says what is left.
    pub timeout_seconds: u64,
    /// What isolation lets through; `None` when the request did not have the field.
    pub exclusions: Option<Vec<ExclusionRule>>,
    /// When the rule was added, by the server's clock: isolation counts from then.
    pub set_at: Timestamp,
}

impl IsolationRule {
    /// When isolation stops by itself.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let seconds = i64::try_from(self.timeout_seconds).unwrap_or(i64::MAX);
        self.set_at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }
}
