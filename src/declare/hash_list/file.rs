//! A list file as a stream: memory does not follow its size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::account::{Account, End, Spot, Wrong};
use super::lines::{Mark, skip_byte_order_mark};
use super::{csv, misp, stix, text};
use crate::declare::files;
use crate::diagnostic::{Code, Place, Problem};

/// A file of hundreds of millions of hashes is read in minutes; beyond that it is a mistaken path.
const MAX_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// A list file, as a state names it.
#[derive(Debug, Clone)]
pub(in crate::declare) struct ListFile {
    /// The list's.
    pub(in crate::declare) name: Arc<str>,
    pub(in crate::declare) path: PathBuf,
    pub(in crate::declare) format: Format,
    pub(in crate::declare) declared_at: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::declare) enum Format {
    Text,
    Csv,
    Stix,
    Misp,
}

impl Format {
    pub(in crate::declare) const ALL: [(&'static str, Self); 4] =
        [("text", Self::Text), ("csv", Self::Csv), ("stix", Self::Stix), ("misp", Self::Misp)];

    /// What a file's name says; `None` for JSON, which may be either.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.to_lowercase();
        if path.ends_with(".stix.json") {
            Some(Self::Stix)
        } else if path.ends_with(".misp.json") {
            Some(Self::Misp)
        } else if path.ends_with(".json") {
            None
        } else if path.ends_with(".csv") {
            Some(Self::Csv)
        } else {
            Some(Self::Text)
        }
    }
}

/// By what a file is known to be the same that was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::declare) struct Stamp {
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Some systems do not tell; then the length and what was read have to do.
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self { length: metadata.len(), modified })
    }
}

/// Reads a list file to its end.
///
/// # Errors
/// Where reading had to end before; what is wrong with single entries is in the account.
pub(in crate::declare) fn read(
    path: &Path,
    format: Format,
    account: &mut Account<'_>,
    stop: &AtomicBool,
) -> Result<Stamp, End> {
    let file = files::open(path)?;
    let stamp = Stamp::of(&file)?;
    if stamp.length > MAX_BYTES {
        return Err(files::too_large(path, MAX_BYTES).into());
    }
    let mut input = BufReader::with_capacity(256 * 1024, Stoppable { file: &file, stop });
    parse(&mut input, format, account)?;
    if Stamp::of(&file)? != stamp {
        let message = format!("`{}` was written to while it was read", files::display(path));
        let help = "let whoever writes it put it there whole: write another file and rename it";
        return Err(Problem::new(Code::Unreadable, message).help(help).into());
    }
    Ok(stamp)
}

/// Reads the text of a list to its end.
pub(super) fn parse(input: &mut dyn BufRead, format: Format, account: &mut Account<'_>) -> Result<(), End> {
    let offset = match skip_byte_order_mark(input)? {
        Mark::Utf8(offset) => offset,
        Mark::Utf16 => {
            let spot = Spot { line: 1, offset: 0, start: 0, end: 1 };
            let help = "it looks like UTF-16: save it as UTF-8";
            return Err(Wrong::new(spot, Code::NotUtf8, "this file is not UTF-8", help).into());
        }
    };
    match format {
        Format::Text => text::read(input, offset, account),
        Format::Csv => csv::read(input, offset, account),
        Format::Stix => stix::read(input, offset, account),
        Format::Misp => misp::read(input, offset, account),
    }
}

struct Stoppable<'a> {
    file: &'a File,
    stop: &'a AtomicBool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(into)
    }
}
