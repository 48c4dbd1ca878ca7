use std::fmt;

use super::SensorId;

/// What is managed on one server, independent of how it was declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    pub target: Target,
    pub aspect: Aspect,
}

/// Whom a setting is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// `sensor_id=all`: the rule for all hosts of a server.
    AllHosts,
    Sensor(SensorId),
}

/// What of a host is managed, in the order in which it is shown and written: contain first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Aspect {
    Isolation,
    Prevention,
}

impl Aspect {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolation => "isolation",
            Self::Prevention => "prevention",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllHosts => f.pad("all"),
            Self::Sensor(id) => f.pad(&id.to_string()),
        }
    }
}

impl fmt::Display for Subject {
    /// `5b0d2c1e-…/isolation`, as the record writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, self.aspect)
    }
}
