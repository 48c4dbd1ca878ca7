//! Durations and instants as fleet files write them.

use jiff::{SignedDuration, Timestamp};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// An instant: so long ago, or an absolute one. Relative ones keep examples from going stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `5m ago`, counted from the first start with the host in the fleet.
    Ago(SignedDuration),
    /// RFC 3339.
    At(Timestamp),
}

impl Moment {
    /// The instant, seen from `now`.
    #[must_use]
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Moment::At(at) => at,
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(from)?;
        let moment = match text.strip_suffix("ago") {
            Some(ago) => parse(ago.trim()).filter(|ago| !ago.is_negative()).map(Moment::Ago),
            None => text.parse().map_or_else(|_: jiff::Error| None, |at| Some(Moment::At(at))),
        };
        moment.ok_or_else(|| {
            let expected = "an instant such as `5m ago` or 2026-11-24T09:00:00Z";
            Error::invalid_value(Unexpected::Str(&text), &expected)
        })
    }
}

/// `90s`, `5m`, `1h 30m`, `2d`, `-10m`; bare numbers are not accepted, since nobody knows their unit.
pub(crate) fn parse(text: &str) -> Option<SignedDuration> {
    if let Some(days) = text.strip_suffix('d') {
        let Ok(days) = days.trim().parse::<i64>() else { return None };
        return days.checked_mul(24).and_then(SignedDuration::try_from_hours);
    }
    #[expect(clippy::disallowed_methods, reason = "callers tell what they expected instead")]
    text.parse().ok()
}

/// A duration.
pub(crate) fn required<'de, D: Deserializer<'de>>(from: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| invalid(&text))
}

/// A duration; for fields with a default.
pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SignedDuration>, D::Error> {
    required(from).map(Some)
}

/// A duration, or `never`.
pub(crate) fn or_never<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SignedDuration>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "never" {
        return Ok(None);
    }
    let span = parse(&text).filter(|span| *span >= SignedDuration::from_secs(1));
    span.map(Some).ok_or_else(|| {
        Error::invalid_value(Unexpected::Str(&text), &"`never`, or a duration of a second or more such as 5m")
    })
}

/// A duration in seconds: a whole number of them, or a text such as `8h`. Any value goes: servers have been
/// seen to list timeouts that they would refuse.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Seconds;
    impl Visitor<'_> for Seconds {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number of seconds, or a duration such as 8h")
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<u64, E> {
            Ok(seconds)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            let span = parse(text).ok_or_else(|| invalid(text))?;
            if span.is_negative() { Err(invalid(text)) } else { Ok(span.as_secs().unsigned_abs()) }
        }
    }
    from.deserialize_any(Seconds)
}

fn invalid<E: Error>(text: &str) -> E {
    E::invalid_value(Unexpected::Str(text), &"a duration such as 90s, 5m, 1h 30m or 2d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h 30m", 5_400), ("2d", 172_800), ("-10m", -600)]
        {
            assert_eq!(parse(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["5", "", "d", "soon"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
