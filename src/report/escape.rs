//! The gate through which every text of a report goes: whatever its source, it can not drive a terminal.
//!
//! Host names and server answers are [`Untrusted`]; messages of findings are documented as safe to print. Reasons,
//! file names and the keys of entries come from state files, and these may come from somebody's merge request. So
//! the report does not ask which is which: all of them pass here. Escaping twice changes nothing, since what an
//! escape is written in needs none.

use std::borrow::Cow;
use std::io;

use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

use crate::model::Untrusted;

/// `text` as one line: control characters, line breaks, bidirectional marks and other invisible characters are
/// written as `\u{…}`.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_escaped) {
        Cow::Owned(Untrusted::new(text).printable().to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// The lines of a message that may have several; each is safe as [`line()`] makes it.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split('\n').map(|one| line(one.strip_suffix('\r').unwrap_or(one)))
}

/// Whether [`Untrusted::printable`] would write this character as an escape: asked of it, so that there is one
/// list of such characters.
fn is_escaped(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let mut buffer = [0; 4];
    let raw: &str = c.encode_utf8(&mut buffer);
    Untrusted::new(raw).printable().to_string() != raw
}

/// JSON in which nothing moves a cursor or hides: what [`line()`] escapes is written as `\uXXXX`. No character is lost:
/// a reader of the JSON gets the text as it came.
struct SafeJson<F>(F);

impl<F: Formatter> Formatter for SafeJson<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_escaped(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// Writes a value as safe JSON with two spaces of indent and a line break at its end.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut impl io::Write) -> io::Result<()> {
    write_safe(value, PrettyFormatter::new(), out)
}

/// The same in one line.
pub(super) fn write_json_line(value: &impl serde::Serialize, out: &mut impl io::Write) -> io::Result<()> {
    write_safe(value, CompactFormatter, out)
}

fn write_safe<F: Formatter>(
    value: &impl serde::Serialize,
    formatter: F,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, SafeJson(formatter));
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// One row of RFC 4180. What a spreadsheet would take for a formula gets a `'` in front, which it then does not show:
/// a host is called `=HYPERLINK(…)` by whoever runs it.
pub(super) fn write_csv_row<T: AsRef<str>>(cells: &[T], out: &mut impl io::Write) -> io::Result<()> {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        let text = line(cell.as_ref());
        let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        if text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
            write!(out, "\"{guard}{}\"", text.replace('"', "\"\""))?;
        } else {
            write!(out, "{guard}{text}")?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "ws\u{1b}[2J\u{202e}\u{7f}\u{9b}\u{e0001}\u{ffff}1\n";

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(line("Größe — ok"), "Größe — ok");
        assert_eq!(line(HOSTILE), r"ws\u{1b}[2J\u{202e}\u{7f}\u{9b}\u{e0001}\u{ffff}1\u{a}");
        assert_eq!(line(&line(HOSTILE)), line(HOSTILE), "escaping twice changes nothing");
        assert_eq!(lines("a\r\nb\u{1b}").collect::<Vec<_>>(), ["a", r"b\u{1b}"]);
    }

    #[test]
    fn json_hides_nothing_and_loses_nothing() {
        let mut out = Vec::new();
        write_json(&[HOSTILE], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "[\n  \"ws\\u001b[2J\\u202e\\u007f\\u009b\\udb40\\udc01\\uffff1\\n\"\n]\n");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [HOSTILE]);
    }
}
