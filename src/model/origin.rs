use std::fmt;
use std::sync::Arc;

/// Where something was declared: `state/incidents.yaml:12`. What a plan, a record and `why` quote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The path as the user would write it (relative to where the tool was called).
    pub file: Arc<str>,
    /// Counted from 1; 0 where it is no line of a file.
    pub line: u32,
}

impl Origin {
    /// What a person typed, and no file declares.
    pub fn command_line() -> Self {
        Self { file: "command line".into(), line: 0 }
    }

    /// Whether a person named it in the command, and no file.
    pub fn is_command_line(&self) -> bool {
        *self == Self::command_line()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}
