//! When an agent is in contact: a fixed interval after its last contact, and so on.

use jiff::{SignedDuration, Timestamp};

/// Contacts that were due: the first, the second where there was one, and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contacts {
    /// The first of them.
    pub first: Timestamp,
    /// The second of them; `None` when there was but one.
    pub second: Option<Timestamp>,
    /// The last of them, which may be the first.
    pub last: Timestamp,
}

/// The contacts in (`since`, `now`] of an agent that is in contact `every` so often.
pub(super) fn due(since: Timestamp, every: SignedDuration, now: Timestamp) -> Option<Contacts> {
    let interval = every.as_nanos();
    if interval <= 0 {
        return None;
    }
    let start = since.as_nanosecond();
    let count = (now.as_nanosecond() - start) / interval;
    if count < 1 {
        return None;
    }
    // All of them lie between two instants that exist.
    let nth = |n: i128| Timestamp::from_nanosecond(start + n * interval).unwrap_or(now);
    Some(Contacts { first: nth(1), second: (count > 1).then(|| nth(2)), last: nth(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_come_at_whole_intervals() {
        let start = Timestamp::UNIX_EPOCH;
        let minute = SignedDuration::from_mins(1);
        assert_eq!(due(start, minute, start), None);
        assert_eq!(due(start, minute, start - minute), None, "a clock that went back");
        let one = due(start, minute, start + minute).unwrap();
        assert_eq!((one.first, one.second, one.last), (start + minute, None, start + minute));
        let many = due(start, minute, start + SignedDuration::from_secs(200)).unwrap();
        assert_eq!((many.second, many.last), (Some(start + minute * 2), start + minute * 3));
    }
}
