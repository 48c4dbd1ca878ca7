//! How numbers, instants and spans are said in a report. Everything is UTC: the same plan reads the same on every
//! machine.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::declare::Term;
use crate::model::display_duration;
use crate::plan::AddedHash;

/// `9,998`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn thousands_of(count: usize) -> String {
    thousands(u64::try_from(count).unwrap_or(u64::MAX))
}

/// `1 rule`, `4 rules`, `1,200 rules`: the plural takes an `s`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(number)) }
}

pub(super) fn count_of(number: usize, noun: &str) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), noun)
}

/// `26 Nov 09:10Z`; the year only where it is not that of `now`.
pub(super) fn instant(at: Timestamp, now: Timestamp) -> String {
    said(at, now, "%-d %b %H:%MZ", "%-d %b %Y %H:%MZ")
}

/// `24 Nov`; the year only where it is not that of `now`.
pub(super) fn day(at: Timestamp, now: Timestamp) -> String {
    said(at, now, "%-d %b", "%-d %b %Y")
}

fn said(at: Timestamp, now: Timestamp, this_year: &str, other_year: &str) -> String {
    let (at, now) = (at.to_zoned_datetime(TimeZone::UTC), now.to_zoned_datetime(TimeZone::UTC));
    let format = if at.year() == now.year() { this_year } else { other_year };
    at.strftime(format).to_string()
}

/// The list that a hash comes from, and what the files say of it, at most so many characters of that; safe to print.
pub(super) fn of_added(added: &AddedHash, longest: usize) -> String {
    let from = match &added.list {
        Some(list) => format!("list {list}"),
        None => "declared by itself".to_owned(),
    };
    let Some(comment) = &added.comment else { return from };
    let comment = comment.printable().to_string();
    match comment.char_indices().nth(longest) {
        None => format!("{from}: {comment}"),
        Some((end, _)) => format!("{from}: {}…", &comment[..end]),
    }
}

/// `6 h ago`, in one unit, rounded down.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(at);
    if age.is_negative() {
        return format!("{} from now", display_duration(age));
    }
    let seconds = age.as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", thousands((seconds / 86_400).unsigned_abs())),
    }
}

/// `until 1 Dec 15:00Z (6 d 2 h)`, `lease 24 h`.
pub(super) fn term(term: Term, now: Timestamp) -> String {
    match term {
        Term::Until(until) if until > now => {
            format!("until {} ({})", instant(until, now), display_duration(until.duration_since(now)))
        }
        Term::Until(until) => format!("until {} (passed)", instant(until, now)),
        Term::Lease(lease) => format!("lease {}", whole(lease.duration())),
    }
}

/// A span as it is written in a state file: in hours, from two days on in days where these are whole.
pub(super) fn whole(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    if seconds.is_multiple_of(86_400) && seconds > 86_400 {
        format!("{} d", thousands(seconds / 86_400))
    } else if seconds.is_multiple_of(3_600) {
        format!("{} h", thousands(seconds / 3_600))
    } else {
        display_duration(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timeout;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(998), "998");
        assert_eq!(thousands(9_998), "9,998");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(count(1, "rule"), "1 rule");
        assert_eq!(count(1_200, "rule"), "1,200 rules");
    }

    #[test]
    fn the_year_is_said_only_where_it_is_another() {
        let now = at("2026-11-25T13:00:00Z");
        assert_eq!(instant(at("2026-12-01T18:00:00+03:00"), now), "1 Dec 15:00Z");
        assert_eq!(instant(at("2027-01-02T03:04:05Z"), now), "2 Jan 2027 03:04Z");
        assert_eq!(day(at("2025-11-24T00:00:00Z"), now), "24 Nov 2025");
    }

    #[test]
    fn spans_are_said_as_they_were_declared() {
        let now = at("2026-11-25T13:00:00Z");
        assert_eq!(term(Term::Until(at("2026-12-01T15:00:00Z")), now), "until 1 Dec 15:00Z (6 d 2 h)");
        let lease = |hours: i64| term(Term::Lease(Timeout::covering(SignedDuration::from_hours(hours))), now);
        assert_eq!(lease(24), "lease 24 h");
        assert_eq!(lease(72), "lease 3 d");
        assert_eq!(lease(9_999), "lease 9,999 h");
    }

    #[test]
    fn ages_have_one_unit() {
        let now = at("2026-11-25T13:00:00Z");
        assert_eq!(ago(at("2026-11-25T12:59:30Z"), now), "just now");
        assert_eq!(ago(at("2026-11-25T06:50:00Z"), now), "6 h ago");
        assert_eq!(ago(at("2026-11-23T06:50:00Z"), now), "2 d ago");
        assert_eq!(ago(at("2026-11-25T13:10:00Z"), now), "10 min from now");
    }
}
