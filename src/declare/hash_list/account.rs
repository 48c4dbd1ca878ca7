//! What the readers of all formats tell: the files that a list means, what is wrong, what was passed over.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;

use crate::declare::hash;
use crate::diagnostic::{Code, Problem};
use crate::model::{FileHash, HashError};

/// Of the mistakes of one file, so many are shown: a file of another format has nothing else.
pub(super) const MAX_SHOWN: usize = 5;

/// One file that a list means: known by one hash or by both.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::declare) struct Named<'a> {
    pub(in crate::declare) md5: Option<FileHash>,
    pub(in crate::declare) sha256: Option<FileHash>,
    pub(in crate::declare) comment: Option<&'a str>,
    pub(in crate::declare) from: Option<Timestamp>,
    pub(in crate::declare) until: Option<Timestamp>,
    /// Counted from 1.
    pub(in crate::declare) line: u32,
}

impl Named<'_> {
    pub(super) fn of(hash: FileHash) -> Self {
        match hash {
            FileHash::Md5(_) => Self { md5: Some(hash), ..Self::default() },
            FileHash::Sha256(_) => Self { sha256: Some(hash), ..Self::default() },
        }
    }
}

/// Who wants to know of the files.
pub(in crate::declare) trait Sink {
    /// # Errors
    /// Why no more can be taken; it ends the reading.
    fn take(&mut self, file: &Named<'_>) -> Result<(), End>;
}

/// Why reading ended before the end of the file.
#[derive(Debug)]
pub(in crate::declare) enum End {
    Unreadable(io::Error),
    /// With the whole file.
    Problem(Box<Problem>),
    /// At a place in it.
    Wrong(Box<Wrong>),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Wrong> for End {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(Box::new(wrong))
    }
}

/// A place in a file that is not kept in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::declare) struct Spot {
    /// Counted from 1.
    pub(super) line: u32,
    /// Of the line's first byte in the file.
    pub(super) offset: u64,
    /// Bytes of that line.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug)]
pub(in crate::declare) struct Wrong {
    pub(super) spot: Spot,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(spot: Spot, code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { spot, code, message: message.into(), help: Some(help.into()) }
    }
}

/// What is passed over with a warning, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skipped {
    Sha1,
    OtherHash,
    /// A row with neither MD5 nor SHA-256.
    NoHash,
    /// An indicator of something else.
    NotAFile,
    /// An indicator of a file that is known to be good.
    Benign,
    /// A pattern that says more than which file is meant.
    Pattern,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first: Spot,
}

/// All that one file told.
pub(in crate::declare) struct Account<'s> {
    sink: &'s mut dyn Sink,
    /// Whether the files are to be blocked; otherwise they are never to be.
    is_to_block: bool,
    pub(super) files: u64,
    /// The first ones.
    pub(super) wrong: Vec<Wrong>,
    pub(super) wrong_count: u64,
    pub(super) skipped: BTreeMap<Skipped, Tally>,
}

impl<'s> Account<'s> {
    /// Of files that are to be blocked.
    pub(in crate::declare) fn to_block(sink: &'s mut dyn Sink) -> Self {
        Self {
            sink,
            is_to_block: true,
            files: 0,
            wrong: Vec::new(),
            wrong_count: 0,
            skipped: BTreeMap::new(),
        }
    }

    /// Of files that are never to be blocked: the empty file is rightly among them.
    pub(in crate::declare) fn never_to_block(sink: &'s mut dyn Sink) -> Self {
        Self { is_to_block: false, ..Self::to_block(sink) }
    }

    pub(super) fn is_to_block(&self) -> bool {
        self.is_to_block
    }

    pub(super) fn file(&mut self, file: &Named<'_>) -> Result<(), End> {
        self.files += 1;
        self.sink.take(file)
    }

    pub(super) fn skip(&mut self, why: Skipped, spot: Spot) {
        self.skipped.entry(why).or_insert(Tally { count: 0, first: spot }).count += 1;
    }

    pub(super) fn wrong(&mut self, wrong: impl FnOnce() -> Wrong) {
        self.wrong_count += 1;
        // One more, for saying where the rest begins.
        if self.wrong.len() <= MAX_SHOWN {
            self.wrong.push(wrong());
        }
    }

    pub(super) fn is_right(&self) -> bool {
        self.wrong_count == 0
    }

    /// The hash that a text is; where it is none, that is noted. `algorithm` is the one that it must be of.
    pub(super) fn hash(
        &mut self,
        text: &str,
        algorithm: Option<&'static str>,
        spot: impl FnOnce() -> Spot,
    ) -> Option<FileHash> {
        match text.parse::<FileHash>() {
            Ok(hash) if algorithm.is_none_or(|wanted| wanted == hash.algorithm()) => {
                if !hash.is_of_empty_file() || !self.is_to_block {
                    return Some(hash);
                }
            }
            Ok(hash) => {
                let wanted = hash::title(algorithm.unwrap_or_default());
                let message =
                    format!("this is no {wanted}: it has the length of {}", hash::title(hash.algorithm()));
                self.wrong(|| Wrong::new(spot(), Code::BadHash, message, "is it in the right place?"));
                return None;
            }
            Err(HashError::Sha1) if algorithm.is_none() => {
                self.skip(Skipped::Sha1, spot());
                return None;
            }
            Err(_) => {}
        }
        if let Err((code, message, help)) = hash::check(text) {
            self.wrong(|| Wrong { spot: spot(), code, message, help: help.map(str::to_owned) });
        }
        None
    }
}
