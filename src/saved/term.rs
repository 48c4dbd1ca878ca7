//! How long an isolation is meant to last, and what is known of its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::instant;
use crate::declare;
use crate::model::Timeout;
use crate::plan;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Term {
    /// RFC 3339, UTC.
    Until(String),
    LeaseSeconds(u32),
}

/// What was known of the end of the rule that is renewed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Known(String),
    Unknown(WhyUnknown),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhyUnknown {
    NotRecorded,
    ChangedByOthers,
    ClocksApart,
}

impl From<declare::Term> for Term {
    fn from(term: declare::Term) -> Self {
        match term {
            declare::Term::Until(until) => Self::Until(until.to_string()),
            declare::Term::Lease(lease) => Self::LeaseSeconds(lease.seconds()),
        }
    }
}

impl TryFrom<Term> for declare::Term {
    type Error = String;

    fn try_from(term: Term) -> Result<Self, String> {
        Ok(match term {
            Term::Until(until) => Self::Until(instant(&until)?),
            Term::LeaseSeconds(seconds) => {
                Self::Lease(Timeout::from_seconds(i64::from(seconds)).map_err(|error| error.to_string())?)
            }
        })
    }
}

impl From<plan::End> for End {
    fn from(end: plan::End) -> Self {
        match end {
            plan::End::Known(at) => Self::Known(at.to_string()),
            plan::End::Unknown(why) => Self::Unknown(match why {
                plan::WhyUnknown::NotRecorded => WhyUnknown::NotRecorded,
                plan::WhyUnknown::ChangedByOthers => WhyUnknown::ChangedByOthers,
                plan::WhyUnknown::ClocksApart => WhyUnknown::ClocksApart,
            }),
        }
    }
}

impl TryFrom<End> for plan::End {
    type Error = String;

    fn try_from(end: End) -> Result<Self, String> {
        Ok(match end {
            End::Known(at) => Self::Known(instant(&at)?),
            End::Unknown(why) => Self::Unknown(match why {
                WhyUnknown::NotRecorded => plan::WhyUnknown::NotRecorded,
                WhyUnknown::ChangedByOthers => plan::WhyUnknown::ChangedByOthers,
                WhyUnknown::ClocksApart => plan::WhyUnknown::ClocksApart,
            }),
        })
    }
}
