use std::fmt;
use std::str::FromStr;

/// What a plan that was approved is known by: the whole digest of what it means. A part of it would let somebody who
/// may save plans make another one that begins alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlanId(Box<str>);

/// A text that is no id of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of a plan has 64 digits of 0-9 and a-f: `kedrctl plan --save` prints it")]
pub struct PlanIdError;

impl PlanId {
    /// Its 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlanId {
    type Err = PlanIdError;

    fn from_str(text: &str) -> Result<Self, PlanIdError> {
        let is_id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(PlanIdError) }
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole() {
        let whole = "7c1E44d0".repeat(8);
        assert_eq!(whole.parse::<PlanId>().unwrap().as_str(), "7c1e44d0".repeat(8));
        for other in ["", "7c1e44d0", "plan.json", &"g".repeat(64), &"../a".repeat(16)] {
            assert!(other.parse::<PlanId>().is_err(), "{other}");
        }
    }
}
