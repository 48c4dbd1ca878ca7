//! How long an isolation has to be asked for, and until when it lasts.

use jiff::{SignedDuration, Timestamp};

use super::ServerClock;
use crate::declare::Term;
use crate::model::Timeout;
use crate::record::RecordedRule;

/// What is added to a timeout that would equal the listed one, so that reading back proves that it arrived.
const TELLTALE_SECONDS: i64 = 5;

/// The timeout to send at `now` so that the rule lasts as declared.
///
/// `until` is rounded up to seconds and capped to what the server takes; where the clocks are too far apart, the
/// longer of the two remaining times counts (containment goes on). `listed` is the timeout that the server lists
/// now: sending the very same again could not be told from sending nothing.
pub fn timeout_to_send(term: Term, clock: ServerClock, now: Timestamp, listed: Option<u64>) -> Timeout {
    let wanted = match term {
        Term::Until(until) => {
            let ours = until.duration_since(now);
            match clock {
                ServerClock::Apart(ahead) => ours.max(ours.saturating_sub(ahead)),
                ServerClock::Together(_) | ServerClock::NotGiven => ours,
            }
        }
        Term::Lease(lease) => lease.duration(),
    };
    let timeout = Timeout::covering(wanted);
    if listed != Some(u64::from(timeout.seconds())) {
        return timeout;
    }
    // At the upper end there is no room for more; a few seconds less are as good a proof.
    let seconds = i64::from(timeout.seconds());
    Timeout::from_seconds(seconds + TELLTALE_SECONDS)
        .or_else(|_above_the_range| Timeout::from_seconds(seconds - TELLTALE_SECONDS))
        .unwrap_or(timeout)
}

/// Whether nothing may be set for this term any more: its instant has come, by every clock that may count.
pub fn has_ended(term: Term, clock: ServerClock, now: Timestamp) -> bool {
    match is_spent(term, clock, now) {
        Spent::Since(_) => true,
        Spent::No => false,
    }
}

/// Since when an entry is spent, by every clock that may count.
pub(super) fn is_spent(term: Term, clock: ServerClock, now: Timestamp) -> Spent {
    let Term::Until(until) = term else { return Spent::No };
    let by_ours = until <= now;
    let by_theirs = match clock {
        ServerClock::Apart(ahead) => until <= now.saturating_add(ahead).unwrap_or(now),
        ServerClock::Together(_) | ServerClock::NotGiven => by_ours,
    };
    match (by_ours, by_theirs) {
        (true, true) => Spent::Since(until),
        (true, false) | (false, true) | (false, false) => Spent::No,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    No,
    Since(Timestamp),
}

/// Whether a rule that we sent, and that will end when its record tells, has to be sent again.
pub(super) fn is_due(term: Term, rule: &RecordedRule, now: Timestamp) -> bool {
    let end = rule.end();
    let left = end.duration_since(now);
    match term {
        Term::Lease(lease) => left < lease.duration() / 2,
        Term::Until(until) if end >= until => false,
        Term::Until(until) if is_limited(rule, until) => left < seconds(rule.listed.timeout_seconds) / 2,
        Term::Until(_) => true,
    }
}

/// When a rule of ours that is not due yet will be: the same decision as [`is_due`], or the instant from which its
/// entry is spent.
pub(super) fn next_due(term: Term, rule: &RecordedRule) -> Timestamp {
    let before = |end: Timestamp, span: SignedDuration| end.saturating_sub(span).unwrap_or(Timestamp::MIN);
    match term {
        Term::Lease(lease) => before(rule.end(), lease.duration() / 2),
        Term::Until(until) if rule.end() >= until => until,
        Term::Until(until) if is_limited(rule, until) => {
            before(rule.end(), seconds(rule.listed.timeout_seconds) / 2)
        }
        Term::Until(_) => rule.sent_at,
    }
}

/// Whether the server could not take the whole time up to `until`: its cap of 9,999 h, or it rounded down what
/// would have reached it. Then waiting for the end to reach `until` would renew at every run, so half of the rule's
/// own time counts, as with a lease. Of one that was sent for a sooner instant nobody can tell: this one was not
/// asked for yet.
fn is_limited(rule: &RecordedRule, until: Timestamp) -> bool {
    let sent = seconds(rule.sent_timeout_seconds);
    let asked_for = rule.sent_at.saturating_add(sent).unwrap_or(Timestamp::MAX);
    asked_for >= until || sent >= Timeout::MAX.duration() - SignedDuration::from_secs(TELLTALE_SECONDS)
}

fn seconds(of_timeout: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(of_timeout).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exclusions, Isolation};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    const TOGETHER: ServerClock = ServerClock::NotGiven;

    #[test]
    fn until_is_sent_as_what_remains() {
        let sent = |until, clock| timeout_to_send(Term::Until(at(until)), clock, at(0), None).seconds();
        assert_eq!(sent(7_300, TOGETHER), 7_300);
        assert_eq!(sent(10, TOGETHER), 3_600, "the server can not do less than an hour");
        assert_eq!(sent(99_999_999, TOGETHER), Timeout::MAX.seconds());
        let behind = ServerClock::Apart(SignedDuration::from_hours(-1));
        assert_eq!(sent(7_200, behind), 10_800, "the longer of the two remaining times");
        let ahead = ServerClock::Apart(SignedDuration::from_hours(1));
        assert_eq!(sent(7_200, ahead), 7_200, "the longer of the two remaining times");
    }

    #[test]
    fn an_entry_is_spent_when_it_is_by_every_clock() {
        let spent =
            |until, clock| matches!(is_spent(Term::Until(at(until)), clock, at(10_000)), Spent::Since(_));
        assert!(spent(10_000, TOGETHER) && !spent(10_001, TOGETHER));
        let behind = ServerClock::Apart(SignedDuration::from_hours(-1));
        assert!(!spent(9_000, behind), "by the server's clock it is not");
        assert!(spent(6_400, behind) && !spent(6_401, behind));
        let ahead = ServerClock::Apart(SignedDuration::from_hours(1));
        assert!(!spent(12_000, ahead), "by ours it is not");
        assert!(spent(10_000, ahead));
    }

    #[test]
    fn the_listed_timeout_is_never_sent_again() {
        let day = Term::Lease(Timeout::from_seconds(86_400).unwrap());
        assert_eq!(timeout_to_send(day, TOGETHER, at(0), Some(86_400)).seconds(), 86_405);
        assert_eq!(timeout_to_send(day, TOGETHER, at(0), Some(86_405)).seconds(), 86_400);
        let longest = Term::Lease(Timeout::MAX);
        let again = timeout_to_send(longest, TOGETHER, at(0), Some(u64::from(Timeout::MAX.seconds())));
        assert_eq!(again.seconds(), Timeout::MAX.seconds() - 5);
    }

    /// Sent at the beginning for so many seconds, and listed with so many.
    fn set(sent: u64, listed: u64) -> RecordedRule {
        RecordedRule {
            listed: Isolation { timeout_seconds: listed, exclusions: Exclusions::default() },
            sent_timeout_seconds: sent,
            sent_at: at(0),
            verified_at: None,
            clocks_apart: false,
        }
    }

    #[test]
    fn a_rule_is_due_when_it_would_end_too_soon() {
        let until = Term::Until(at(10_000));
        assert!(!is_due(until, &set(10_000, 10_000), at(0)));
        assert!(is_due(until, &set(9_999, 9_999), at(0)));
        let rounded = set(10_000, 7_200);
        assert!(!is_due(until, &rounded, at(3_600)), "half of it is left");
        assert!(is_due(until, &rounded, at(3_601)));
        assert_eq!(next_due(until, &rounded), at(3_600));
        let lease = Term::Lease(Timeout::from_seconds(7_200).unwrap());
        assert!(!is_due(lease, &set(7_200, 7_200), at(3_600)));
        assert!(is_due(lease, &set(7_200, 7_200), at(3_601)));
    }

    #[test]
    fn what_was_sent_for_a_sooner_instant_is_due_at_once() {
        let later = Term::Until(at(20_000));
        let rounded = set(10_000, 7_200);
        assert!(is_due(later, &rounded, at(0)), "nobody has asked for this one yet");
        assert_eq!(next_due(later, &rounded), at(0));
        let longest = u64::from(Timeout::MAX.seconds());
        for sent in [longest, longest - 5] {
            let never = Term::Until(at(99_999_999));
            assert!(!is_due(never, &set(sent, sent), at(0)), "the server takes no more");
            assert!(is_due(never, &set(sent, sent), at(20_000_000)), "less than half is left");
        }
    }
}
