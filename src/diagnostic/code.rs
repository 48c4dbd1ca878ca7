use std::fmt;

use super::Severity;

/// The kinds of problems. Their numbers are stable: people look them up and silence them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    // Files
    NoSuchPath,
    Unreadable,
    NotUtf8,
    TooLarge,
    NoStateFiles,
    EmptyFile,
    // YAML
    Syntax,
    DuplicateKey,
    Alias,
    YamlFeature,
    TooDeep,
    // Shape
    Version,
    UnknownKey,
    MissingKey,
    WrongType,
    NoValue,
    ExactlyOne,
    NotSupported,
    OnlyOnce,
    // Values
    BadName,
    BadValue,
    BadAddress,
    BadHash,
    EmptyFileHash,
    BadTime,
    BadPorts,
    // The state as a whole
    Undefined,
    NoServer,
    SameIdentity,
    SameServer,
    BlockAndUnblock,
    NoRecord,
    NotWritten,
    TasksNotAllowed,
    // Doubts
    Unused,
    MovingIdentity,
    NothingDeclared,
    SkippedHashes,
    DoubtfulPorts,
    NoHashes,
    NoEffect,
    NoTrust,
}

impl Code {
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchPath => "E001",
            Self::Unreadable => "E002",
            Self::NotUtf8 => "E003",
            Self::TooLarge => "E004",
            Self::NoStateFiles => "E005",
            Self::EmptyFile => "E006",
            Self::Syntax => "E010",
            Self::DuplicateKey => "E011",
            Self::Alias => "E012",
            Self::YamlFeature => "E013",
            Self::TooDeep => "E014",
            Self::Version => "E020",
            Self::UnknownKey => "E021",
            Self::MissingKey => "E022",
            Self::WrongType => "E023",
            Self::NoValue => "E024",
            Self::ExactlyOne => "E025",
            Self::NotSupported => "E026",
            Self::OnlyOnce => "E027",
            Self::BadName => "E030",
            Self::BadValue => "E031",
            Self::BadAddress => "E032",
            Self::BadHash => "E033",
            Self::EmptyFileHash => "E034",
            Self::BadTime => "E035",
            Self::BadPorts => "E036",
            Self::Undefined => "E040",
            Self::NoServer => "E041",
            Self::SameIdentity => "E042",
            Self::SameServer => "E043",
            Self::BlockAndUnblock => "E044",
            Self::NoRecord => "E045",
            Self::NotWritten => "E046",
            Self::TasksNotAllowed => "E047",
            Self::Unused => "W001",
            Self::MovingIdentity => "W002",
            Self::NothingDeclared => "W003",
            Self::SkippedHashes => "W004",
            Self::DoubtfulPorts => "W005",
            Self::NoHashes => "W006",
            Self::NoEffect => "W007",
            Self::NoTrust => "W020",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
