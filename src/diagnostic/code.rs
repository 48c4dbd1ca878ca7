use std::fmt;

use super::{Severity, nearest};

/// Each kind of problem with its number; its explanation is `explain/NUMBER.md`.
macro_rules! codes {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// The kinds of problems. Their numbers are stable: people look them up and silence them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(
                #[doc = concat!("`", $number, "`: `explain/", $number, ".md` says what it means.")]
                $name
            ),*
        }

        impl Code {
            /// Every code, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `E021`
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $number),* }
            }

            /// The text of its explanation, as it is written.
            pub(super) fn explained(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("explain/", $number, ".md"))),* }
            }
        }
    };
}

codes! {
    // Files
    NoSuchPath = "E001",
    Unreadable = "E002",
    NotUtf8 = "E003",
    TooLarge = "E004",
    NoStateFiles = "E005",
    EmptyFile = "E006",
    Fleet = "E007",
    // YAML
    Syntax = "E010",
    DuplicateKey = "E011",
    Alias = "E012",
    YamlFeature = "E013",
    TooDeep = "E014",
    // Shape
    Version = "E020",
    UnknownKey = "E021",
    MissingKey = "E022",
    WrongType = "E023",
    NoValue = "E024",
    ExactlyOne = "E025",
    NotSupported = "E026",
    OnlyOnce = "E027",
    // Values
    BadName = "E030",
    BadValue = "E031",
    BadAddress = "E032",
    BadHash = "E033",
    EmptyFileHash = "E034",
    BadTime = "E035",
    BadPorts = "E036",
    // The state as a whole
    Undefined = "E040",
    NoServer = "E041",
    SameIdentity = "E042",
    SameServer = "E043",
    BlockAndUnblock = "E044",
    NoRecord = "E045",
    TasksNotAllowed = "E047",
    // Doubts
    Unused = "W001",
    MovingIdentity = "W002",
    NothingDeclared = "W003",
    SkippedHashes = "W004",
    DoubtfulPorts = "W005",
    NoHashes = "W006",
    NoEffect = "W007",
    NoTrust = "W020",
}

impl Code {
    /// Whether it keeps the state from being used.
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// The code that is meant by `e021`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text))
    }

    /// The code that was probably meant by a text that is none.
    pub fn nearest(text: &str) -> Option<Self> {
        nearest(text, Self::ALL.iter().map(|code| code.as_str())).and_then(Self::parse)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_either_case_and_stand_once() {
        assert_eq!(Code::parse("e021"), Some(Code::UnknownKey));
        assert_eq!(Code::parse("W001"), Some(Code::Unused));
        assert_eq!(Code::parse("E21"), None);
        assert_eq!(Code::nearest("E21"), Some(Code::UnknownKey));
        assert_eq!(Code::nearest("hosts"), None);
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].as_str() < pair[1].as_str(), "{} stands before {}", pair[0], pair[1]);
        }
    }
}
