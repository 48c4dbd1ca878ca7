//! JSON as a stream: what is read is never more than one value of a bounded size, and its place is known.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use serde::de::{DeserializeSeed, Error};
use serde_json::error::Category;

use super::account::{End, Spot, Wrong};
use crate::diagnostic::Code;

/// The most bytes of one text or number.
const MAX_TOKEN: usize = 1024 * 1024;

/// Values within values; the deserializer's own limit does not hold for what is passed over.
const MAX_DEPTH: usize = 100;

/// How far the reader is. The deserializer takes bytes one at a time, so this is exact.
pub(super) struct Position {
    line: Cell<u32>,
    /// Of the line's first byte.
    line_offset: Cell<u64>,
    offset: Cell<u64>,
    refused: Cell<Option<&'static str>>,
}

impl Position {
    /// `offset` is how much of the file was read before.
    pub(super) fn new(offset: u64) -> Self {
        Self {
            line: Cell::new(1),
            line_offset: Cell::new(offset),
            offset: Cell::new(offset),
            refused: Cell::new(None),
        }
    }

    /// The last `length` bytes before a text's closing quote.
    pub(super) fn of_text(&self, length: usize) -> Spot {
        let end = self.column().saturating_sub(1);
        self.spot(end.saturating_sub(length), end)
    }

    /// The byte that was read last.
    pub(super) fn here(&self) -> Spot {
        let end = self.column();
        self.spot(end.saturating_sub(1), end)
    }

    fn column(&self) -> usize {
        usize::try_from(self.offset.get() - self.line_offset.get()).unwrap_or(usize::MAX)
    }

    fn spot(&self, start: usize, end: usize) -> Spot {
        Spot { line: self.line.get(), offset: self.line_offset.get(), start, end }
    }
}

/// Reads one value. `ended` has what it ended for, where that was not the JSON.
pub(super) fn read<S>(
    input: &mut dyn BufRead,
    at: &Position,
    seed: S,
    ended: impl FnOnce() -> Option<End>,
) -> Result<(), End>
where
    S: for<'de> DeserializeSeed<'de, Value = ()>,
{
    let bounded = Bounded { input, at, is_text: false, is_escaped: false, token: 0, depth: 0 };
    let mut deserializer = serde_json::Deserializer::from_reader(bounded);
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let Err(error) = read else { return Ok(()) };
    if let Some(end) = ended() {
        return Err(end);
    }
    let wrong = |message: String, help: &str| Wrong::new(at.here(), Code::Syntax, message, help);
    if let Some(refused) = at.refused.get() {
        return Err(Wrong {
            code: Code::TooLarge,
            ..wrong(refused.to_owned(), "is this the right file, in the right format?")
        }
        .into());
    }
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Err(match error.classify() {
        Category::Io => io::Error::other(said).into(),
        Category::Syntax => {
            wrong(format!("this is no valid JSON: {said}"), "is it of the format that is declared?").into()
        }
        Category::Eof => {
            wrong("the JSON ends before it is complete".to_owned(), "was it written whole?").into()
        }
        Category::Data => wrong(without_value(&said), "is it of the format that is declared?").into(),
    })
}

/// `invalid type: string "…", expected …` without the text, which may be a secret of a file of another kind.
fn without_value(said: &str) -> String {
    let parts = said.split_once(": ").zip(said.rsplit_once(", expected "));
    match parts {
        Some(((what, found), (_, expected)))
            if what.starts_with("invalid ") && found.starts_with("string ") =>
        {
            format!("{what}: a text, expected {expected}")
        }
        Some(_) | None => said.to_owned(),
    }
}

/// Ends the deserializing; why is known elsewhere.
pub(super) fn stop<E: Error>() -> E {
    E::custom("stopped")
}

struct Bounded<'i> {
    input: &'i mut dyn BufRead,
    at: &'i Position,
    is_text: bool,
    is_escaped: bool,
    /// Bytes of the text or number so far.
    token: usize,
    depth: usize,
}

impl Bounded<'_> {
    fn check(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.is_text {
            self.token += 1;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => (self.is_text, self.token) = (false, 0),
                _ => {}
            }
        } else {
            match byte {
                b'"' => (self.is_text, self.token) = (true, 0),
                b'{' | b'[' => (self.depth, self.token) = (self.depth + 1, 0),
                b'}' | b']' => (self.depth, self.token) = (self.depth.saturating_sub(1), 0),
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => self.token = 0,
                _ => self.token += 1,
            }
        }
        if self.token > MAX_TOKEN {
            return Err("a value is longer than 1024 KiB");
        }
        if self.depth > MAX_DEPTH {
            return Err("values are more than 100 levels deep");
        }
        Ok(())
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(slot) = out.first_mut() else { return Ok(0) };
        let Some(byte) = self.input.fill_buf()?.first().copied() else { return Ok(0) };
        self.input.consume(1);
        let offset = self.at.offset.get() + 1;
        self.at.offset.set(offset);
        if let Err(refused) = self.check(byte) {
            self.at.refused.set(Some(refused));
            return Err(io::Error::other(refused));
        }
        if byte == b'\n' {
            self.at.line.set(self.at.line.get().saturating_add(1));
            self.at.line_offset.set(offset);
        }
        *slot = byte;
        Ok(1)
    }
}
