use jiff::{SignedDuration, Timestamp};

/// Where "now" comes from. Only the rim of the program asks; everything below is given an instant.
pub trait Clock: Send + Sync {
    /// The instant of this moment. It may go back, as clocks are set.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// This machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A duration for people, in its two largest units: `6 d 2 h`, `3 h 20 min`, `45 s`.
pub fn display_duration(duration: SignedDuration) -> String {
    let total = duration.as_secs().unsigned_abs();
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    parts[first..]
        .iter()
        .take(2)
        .enumerate()
        .filter(|(i, (count, _))| *i == 0 || *count > 0)
        .map(|(_, (count, unit))| format!("{count} {unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units() {
        let shown = |s| display_duration(SignedDuration::from_secs(s));
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(45), "45 s");
        assert_eq!(shown(3_600), "1 h");
        assert_eq!(shown(86_400 * 6 + 7_200 + 59), "6 d 2 h");
        assert_eq!(shown(86_400 + 59), "1 d");
    }
}
