use std::fmt;
use std::sync::Arc;

/// What one read of one aspect told us. `Unknown` is never treated as `Absent`: who does so releases hosts and
/// loses hashes whenever a server hiccups.
#[derive(Clone, Debug)]
pub enum Reading<T> {
    /// The server has it, and its answer was understood whole.
    Present(T),
    /// The server said that there is none.
    Absent,
    /// The read failed, or the answer was not understood.
    Unknown(ReadFailure),
}

/// Why a reading is unknown, in words for a person (already safe to print).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadFailure(Arc<str>);

impl ReadFailure {
    /// `why`: for a person.
    pub fn new(why: impl Into<Arc<str>>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<T> Reading<T> {
    /// The same with another value; not knowing stays not knowing.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Present(value) => Reading::Present(f(value)),
            Self::Absent => Reading::Absent,
            Self::Unknown(why) => Reading::Unknown(why),
        }
    }
}
