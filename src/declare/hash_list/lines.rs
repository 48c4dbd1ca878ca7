//! Lines of a file of any size, one at a time and each of a bounded length.

use std::io::{self, BufRead, Read};

use super::account::{End, Spot, Wrong};
use crate::diagnostic::Code;

/// The most bytes of a line, and of a record of several lines.
const MAX_LINE: usize = 1024 * 1024;

pub(super) struct Lines<'i> {
    input: &'i mut dyn BufRead,
    buffer: Vec<u8>,
    /// Of the first line in the buffer; counted from 1.
    number: u32,
    /// Of its first byte in the file.
    offset: u64,
    /// Lines in the buffer.
    lines: u32,
}

impl<'i> Lines<'i> {
    /// `offset` is how much of the file was read before.
    pub(super) fn new(input: &'i mut dyn BufRead, offset: u64) -> Self {
        Self { input, buffer: Vec::new(), number: 1, offset, lines: 0 }
    }

    /// Goes on to the next line; `false` at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, End> {
        self.offset += self.buffer.len() as u64;
        self.number = self.number.saturating_add(self.lines);
        self.buffer.clear();
        self.lines = 0;
        self.extend()
    }

    /// Takes the next line to the one that is there.
    pub(super) fn extend(&mut self) -> Result<bool, End> {
        let before = self.buffer.len();
        let room = (MAX_LINE + 1 - before) as u64;
        Read::take(&mut *self.input, room).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() > MAX_LINE {
            let what = if self.lines > 0 { "this record" } else { "this line" };
            let message = format!("{what} is longer than {} KiB", MAX_LINE / 1024);
            let spot = Spot { line: self.number, offset: self.offset, start: 0, end: 40 };
            return Err(Wrong::new(
                spot,
                Code::TooLarge,
                message,
                "is this the right file, in the right format?",
            )
            .into());
        }
        self.lines += 1;
        Ok(self.buffer.len() > before)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// What was read, with its line breaks.
    pub(super) fn text(&self) -> Result<&str, End> {
        std::str::from_utf8(&self.buffer).map_err(|error| {
            let at = error.valid_up_to();
            let wrong = Wrong::new(
                self.spot(at, at + error.error_len().unwrap_or(1)),
                Code::NotUtf8,
                "this line is not UTF-8",
                "save the file as UTF-8",
            );
            wrong.into()
        })
    }

    /// The number of the line that was read last; counted from 1.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The place of some bytes of what was read.
    pub(super) fn spot(&self, start: usize, end: usize) -> Spot {
        let before = &self.buffer[..start];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        Spot {
            line: self.number.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
            offset: self.offset + line_start as u64,
            start: start - line_start,
            end: end - line_start,
        }
    }
}

/// What stands before the first line: editors on Windows put a byte order mark there. Its length in bytes.
pub(super) fn skip_byte_order_mark(input: &mut dyn BufRead) -> io::Result<Mark> {
    let beginning = input.fill_buf()?;
    if beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]) {
        return Ok(Mark::Utf16);
    }
    if beginning.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
        return Ok(Mark::Utf8(3));
    }
    Ok(Mark::Utf8(0))
}

pub(super) enum Mark {
    Utf8(u64),
    Utf16,
}
