use std::fmt;

use jiff::SignedDuration;

use super::Exclusions;

/// A host's isolation as a Central Node holds it: the timeout that was *set* (the server never tells what is
/// left; response-api.md, section 3) and the traffic that goes through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Isolation {
    /// Seconds, as listed. Not a [`Timeout`]: servers have been seen to list values outside the allowed range.
    pub timeout_seconds: u64,
    /// Empty: only what every isolated host still reaches goes through, such as its Central Node.
    pub exclusions: Exclusions,
}

/// A timeout that may be sent: 3,600 to 35,996,400 seconds, which is 1 to 9,999 hours (response-api.md,
/// section 3, `autoTurnoffTimeoutInSec`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timeout(u32);

/// A time that the API does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{seconds} s is outside the range that the server takes: 1 h to 9,999 h")]
pub struct TimeoutError {
    seconds: i64,
}

impl Timeout {
    /// One hour: the least that the API takes (response-api.md, section 3).
    pub const MIN: Self = Self(3_600);
    /// 9,999 hours: the most that the API takes (response-api.md, section 3).
    pub const MAX: Self = Self(35_996_400);

    /// # Errors
    /// Outside 3,600..=35,996,400.
    pub fn from_seconds(seconds: i64) -> Result<Self, TimeoutError> {
        match u32::try_from(seconds) {
            Ok(in_u32) if (Self::MIN.0..=Self::MAX.0).contains(&in_u32) => Ok(Self(in_u32)),
            _ => Err(TimeoutError { seconds }),
        }
    }

    /// The nearest timeout that the server takes: `wanted` rounded up to whole seconds (a rule must not end
    /// before it is meant to), then brought into the allowed range.
    pub fn covering(wanted: SignedDuration) -> Self {
        let up = i64::from(wanted.subsec_nanos() > 0);
        let seconds =
            wanted.as_secs().saturating_add(up).clamp(i64::from(Self::MIN.0), i64::from(Self::MAX.0));
        Self(u32::try_from(seconds).unwrap_or(Self::MAX.0))
    }

    /// As it is sent.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The same, for reckoning with instants.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.0))
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::display_duration(self.duration()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_takes_can_be_sent() {
        assert!(Timeout::from_seconds(3_599).is_err());
        assert!(Timeout::from_seconds(3_600).is_ok());
        assert!(Timeout::from_seconds(35_996_401).is_err());
        assert_eq!(Timeout::covering(SignedDuration::from_millis(7_200_001)).seconds(), 7_201);
        assert_eq!(Timeout::covering(SignedDuration::from_secs(10)), Timeout::MIN);
        assert_eq!(Timeout::covering(SignedDuration::from_hours(20_000)), Timeout::MAX);
    }
}
