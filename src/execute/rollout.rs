//! How many changes are written before the next ones begin, and how many may fail: `--batch` and `--max-failures`.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use super::ChangeOutcome;

/// How far one server's run goes before it looks back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollout {
    /// `None`: a step is not cut, but for what is put down together.
    pub batches: Option<BatchSizes>,
    /// `None`: whatever fails, the others are tried.
    pub max_failures: Option<MaxFailures>,
}

/// Nothing is cut, and no failure ends the run.
pub static AT_ONCE: Rollout = Rollout { batches: None, max_failures: None };

/// `1,10%,100%`: of the changes of one step, so many at first, then so many, …; the last repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSizes(Vec<Amount>);

/// `3`, or `10%` of the changes that the plan has on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxFailures(Amount);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Count(usize),
    Percent(u8),
}

/// Why a size of `--batch` or `--max-failures` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The size as it was typed, safe to print: neither count nor percentage, or too large a count.
    #[error("`{0}` is no number and no percentage: write counts or percentages, such as `1,10%,100%`")]
    NotUnderstood(String),
    /// The percentage as it was typed, safe to print: it is above 100.
    #[error("`{0}`: a percentage is from 0% to 100%")]
    OverAll(String),
    /// `0` or `0%` among the sizes of `--batch`; as `--max-failures` either is right.
    #[error("`{0}`: a batch of nothing would never end; write at least `1` or `1%`")]
    Nothing(String),
}

impl Rollout {
    /// The changes of one step, batch by batch; without `--batch` all at once, or, where failures end the run, so many
    /// as are judged `together`.
    pub(super) fn batches<'a, T>(&self, changes: &'a [T], together: usize) -> Vec<&'a [T]> {
        let Some(sizes) = &self.batches else {
            let size = if self.max_failures.is_some() { together.max(1) } else { usize::MAX };
            return changes.chunks(size).collect();
        };
        let mut rest = changes;
        let mut batches = Vec::new();
        for size in sizes.of(changes.len()) {
            if rest.is_empty() {
                break;
            }
            let (batch, later) = rest.split_at(size.get().min(rest.len()));
            batches.push(batch);
            rest = later;
        }
        batches
    }

    /// Why nothing more is sent to this server after what has ended so far; `total`: of the plan.
    pub(super) fn why_enough(&self, ended: &[ChangeOutcome], total: usize) -> Option<String> {
        let most = self.max_failures?;
        let failed = ended.iter().filter(|one| !one.result.is_done()).count();
        // Where all were tried there is nothing to stop.
        (ended.len() < total && most.is_exceeded(failed, total)).then(|| {
            let changes =
                if failed == 1 { "1 change is".to_owned() } else { format!("{failed} changes are") };
            format!("{changes} not done, and `--max-failures` is {most}")
        })
    }
}

impl BatchSizes {
    /// Without end: the last size repeats.
    fn of(&self, changes: usize) -> impl Iterator<Item = NonZeroUsize> {
        let last = self.0.last().copied();
        let sizes = self.0.iter().copied().chain(last.into_iter().cycle());
        sizes.map(move |size| NonZeroUsize::new(size.of(changes)).unwrap_or(NonZeroUsize::MIN))
    }
}

impl MaxFailures {
    fn is_exceeded(self, failed: usize, total: usize) -> bool {
        match self.0 {
            Amount::Count(most) => failed > most,
            Amount::Percent(percent) => failed as u128 * 100 > u128::from(percent) * total as u128,
        }
    }
}

impl Amount {
    /// Rounded up.
    fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                // In parts: no fleet is too large for it.
                let percent = usize::from(percent);
                all / 100 * percent + (all % 100 * percent).div_ceil(100)
            }
        }
    }
}

impl FromStr for Amount {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let shown = || crate::model::Untrusted::new(text).printable().to_string();
        let number = text.strip_suffix('%');
        let digits = number.unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SizeError::NotUnderstood(shown()));
        }
        match number {
            None => text.parse().map(Self::Count).map_err(|_too_large| SizeError::NotUnderstood(shown())),
            Some(percent) => match percent.parse::<u8>() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                Ok(_) | Err(_) => Err(SizeError::OverAll(shown())),
            },
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for BatchSizes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let sizes: Vec<Amount> = text.split(',').map(|size| size.trim().parse()).collect::<Result<_, _>>()?;
        match sizes.iter().find(|size| matches!(size, Amount::Count(0) | Amount::Percent(0))) {
            Some(nothing) => Err(SizeError::Nothing(nothing.to_string())),
            None => Ok(Self(sizes)),
        }
    }
}

impl FromStr for MaxFailures {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        text.trim().parse().map(Self)
    }
}

impl fmt::Display for MaxFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(batches: &str, changes: usize) -> Vec<usize> {
        let rollout = Rollout { batches: Some(batches.parse().unwrap()), max_failures: None };
        rollout.batches(&vec![(); changes], 100).iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn sizes_are_counts_or_parts_of_the_step_and_the_last_repeats() {
        assert_eq!(cut("1,10%,100%", 100), [1, 10, 89]);
        assert_eq!(cut("1, 10%", 25), [1, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(cut("2", 5), [2, 2, 1]);
        assert_eq!(cut("1%", 3), [1, 1, 1], "rounded up, and never nothing");
        assert_eq!(cut("34%", 3), [2, 1]);
        assert_eq!(cut("1,10%,100%", 0), [0; 0]);
        assert_eq!(cut("5000", 3), [3]);
        assert_eq!(Amount::Percent(100).of(usize::MAX), usize::MAX);
        assert_eq!(Amount::Percent(1).of(101), 2);
    }

    #[test]
    fn without_sizes_all_is_a_batch_or_what_is_judged_together() {
        let sizes = |rollout: &Rollout| -> Vec<usize> {
            rollout.batches(&[(); 250], 100).iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(sizes(&AT_ONCE), [250]);
        let judged = Rollout { batches: None, max_failures: Some("0".parse().unwrap()) };
        assert_eq!(sizes(&judged), [100, 100, 50]);
    }

    #[test]
    fn what_is_no_size_is_refused_with_what_to_write() {
        for (text, why) in [
            ("", "no number"),
            ("1,,2", "no number"),
            ("ten", "`ten` is no number"),
            ("+5", "no number"),
            ("-1", "no number"),
            ("1.5%", "no number"),
            ("%", "no number"),
            ("101%", "from 0% to 100%"),
            ("99999999999999999999999", "no number"),
            ("1,0", "would never end"),
            ("0%", "would never end"),
        ] {
            let error = text.parse::<BatchSizes>().unwrap_err().to_string();
            assert!(error.contains(why), "`{text}`: {error}");
        }
    }

    #[test]
    fn more_than_that_many_is_too_many() {
        let most = |text: &str| text.parse::<MaxFailures>().unwrap();
        assert!(!most("0").is_exceeded(0, 10) && most("0").is_exceeded(1, 10));
        assert!(!most("2").is_exceeded(2, 10) && most("2").is_exceeded(3, 10));
        assert!(!most("10%").is_exceeded(1, 10) && most("10%").is_exceeded(2, 10));
        assert!(!most("100%").is_exceeded(10, 10) && most("0%").is_exceeded(1, 10));
    }
}
