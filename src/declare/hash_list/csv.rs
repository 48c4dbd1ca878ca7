//! CSV with a header: the columns `sha256`, `md5` and `comment`; one row is one file.

use std::borrow::Cow;
use std::io::BufRead;

use super::account::{Account, End, Named, Skipped, Wrong};
use super::lines::Lines;
use crate::diagnostic::Code;
use crate::model::Untrusted;

pub(super) fn read(input: &mut dyn BufRead, offset: u64, account: &mut Account<'_>) -> Result<(), End> {
    let mut records = Records { lines: Lines::new(input, offset), fields: Vec::new() };
    let Some(columns) = header(&mut records)? else { return Ok(()) };
    while records.advance(account)? {
        let text = records.lines.text()?;
        if records.fields.len() != columns.count {
            let (found, count) = (records.fields.len(), columns.count);
            let columns = if found == 1 { "1 column".to_owned() } else { format!("{found} columns") };
            let message = format!("this row has {columns}, and the header has {count}");
            let spot = records.lines.spot(0, text.lines().next().map_or(0, str::len));
            account.wrong(|| {
                Wrong::new(spot, Code::BadValue, message, "put a value that has a comma in it between quotes")
            });
            continue;
        }
        let hash = |column: Option<usize>, algorithm, account: &mut Account<'_>| {
            let field = records.fields[column?];
            let value = field.value(text);
            if value.is_empty() {
                return None;
            }
            account.hash(&value, Some(algorithm), || records.lines.spot(field.start, field.end))
        };
        let wrong = account.wrong_count;
        let sha256 = hash(columns.sha256, "sha256", account);
        let md5 = hash(columns.md5, "md5", account);
        if account.wrong_count > wrong {
            continue;
        }
        if sha256.is_none() && md5.is_none() {
            account.skip(Skipped::NoHash, records.lines.spot(0, text.trim_end().len().min(80)));
            continue;
        }
        let comment = columns.comment.map(|column| records.fields[column].value(text));
        let comment = comment.as_deref().filter(|text| !text.is_empty());
        account.file(&Named {
            md5,
            sha256,
            comment,
            line: records.lines.number(),
            from: None,
            until: None,
        })?;
    }
    Ok(())
}

struct Columns {
    sha256: Option<usize>,
    md5: Option<usize>,
    comment: Option<usize>,
    count: usize,
}

/// `None`: nothing stands in the file.
fn header(records: &mut Records<'_>) -> Result<Option<Columns>, End> {
    if !records.next()? {
        return Ok(None);
    }
    let text = records.lines.text()?;
    let names: Vec<String> = records.fields.iter().map(|field| plain_name(&field.value(text))).collect();
    let spot = records.lines.spot(0, text.trim_end().len());
    let find = |wanted: &str| -> Result<Option<usize>, End> {
        let mut found = names.iter().enumerate().filter(|(_, name)| **name == wanted).map(|(at, _)| at);
        let first = found.next();
        if found.next().is_some() {
            let message = format!("the header has the column `{wanted}` twice");
            return Err(Wrong::new(spot, Code::BadValue, message, "take one of them out").into());
        }
        Ok(first)
    };
    let columns =
        Columns { sha256: find("sha256")?, md5: find("md5")?, comment: find("comment")?, count: names.len() };
    if columns.sha256.is_some() || columns.md5.is_some() {
        return Ok(Some(columns));
    }
    let separator =
        [(';', "`;`"), ('\t', "tabs")].into_iter().find(|(separator, _)| text.contains(*separator));
    let (message, help) = match separator {
        Some((_, name)) if names.len() == 1 => {
            (format!("the columns of this file are separated by {name}"), "separate them by commas")
        }
        Some(_) | None => {
            let shown: Vec<String> = records
                .fields
                .iter()
                .take(10)
                .map(|field| {
                    let name: String = field.value(text).chars().take(40).collect();
                    format!("`{}`", Untrusted::new(name).printable())
                })
                .collect();
            let more = if names.len() > 10 { ", …" } else { "" };
            // A file of another kind has something else there, which is nobody's business.
            let is_name = |field: &Field| {
                let name = field.value(text);
                name.len() <= 24 && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
            };
            let is_of_hashes = |name: &String| ["hash", "sha", "md5"].iter().any(|word| name.contains(word));
            let is_header = names.iter().any(is_of_hashes) && records.fields.iter().all(is_name);
            let found = if records.fields.len() > 1 && is_header {
                format!(": its columns are {}{more}", shown.join(", "))
            } else {
                String::new()
            };
            (
                format!("the header names neither `sha256` nor `md5`{found}"),
                "the first line names the columns; call those with hashes `sha256` and `md5`",
            )
        }
    };
    Err(Wrong::new(spot, Code::BadValue, message, help).into())
}

/// `SHA-256` is `sha256`.
fn plain_name(name: &str) -> String {
    name.trim().chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect::<String>().to_ascii_lowercase()
}

/// Bytes of a record; within the quotes, where it is quoted.
#[derive(Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    has_quotes: bool,
}

impl Field {
    fn value<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let raw = text.get(self.start..self.end).unwrap_or_default();
        if self.has_quotes { raw.replace("\"\"", "\"").into() } else { raw.into() }
    }
}

/// Records of one line, or of several where a quoted field has line breaks.
struct Records<'i> {
    lines: Lines<'i>,
    fields: Vec<Field>,
}

enum Cut {
    Whole,
    /// A quote is open.
    Open(usize),
    /// Something stands beside a quoted field.
    Beside(usize),
}

impl Records<'_> {
    /// The next record that is well formed; the others are noted.
    fn advance(&mut self, account: &mut Account<'_>) -> Result<bool, End> {
        loop {
            match self.next() {
                Err(End::Wrong(wrong)) if wrong.code == Code::BadValue => account.wrong(|| *wrong),
                other => return other,
            }
        }
    }

    fn next(&mut self) -> Result<bool, End> {
        loop {
            if !self.lines.advance()? {
                return Ok(false);
            }
            if self.lines.text()?.trim().is_empty() {
                continue;
            }
            let mut cut = cut(self.lines.text()?, &mut self.fields);
            if let Cut::Open(at) = cut {
                // Only when there are so many quotes that each is closed, it is worth looking at the whole again.
                let (mut quotes, mut seen) = (0, 0);
                loop {
                    let bytes = self.lines.bytes();
                    quotes += bytes[seen..].iter().filter(|byte| **byte == b'"').count();
                    seen = bytes.len();
                    if quotes % 2 == 0 {
                        break;
                    }
                    if !self.lines.extend()? {
                        return Err(never_closed(&self.lines, at));
                    }
                }
                cut = self::cut(self.lines.text()?, &mut self.fields);
            }
            return match cut {
                Cut::Whole => Ok(true),
                Cut::Open(at) => Err(never_closed(&self.lines, at)),
                Cut::Beside(at) => {
                    let help = "put the whole value between quotes, and double a quote within it";
                    let message = "something stands beside a quoted value";
                    Err(Wrong::new(self.lines.spot(at, at + 1), Code::BadValue, message, help).into())
                }
            };
        }
    }
}

fn never_closed(lines: &Lines<'_>, at: usize) -> End {
    let help = "close it, or double a quote within a value";
    Wrong::new(lines.spot(at, at + 1), Code::BadValue, "this quote is never closed", help).into()
}

/// Cuts a record into its fields.
fn cut(record: &str, fields: &mut Vec<Field>) -> Cut {
    fields.clear();
    let bytes = record.trim_end_matches(['\n', '\r']).as_bytes();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|byte| is_space(byte)).count();
        if bytes.get(at) == Some(&b'"') {
            let start = at + 1;
            let mut end = start;
            let mut has_quotes = false;
            loop {
                match (bytes.get(end), bytes.get(end + 1)) {
                    (None, _) => return Cut::Open(at),
                    (Some(b'"'), Some(b'"')) => {
                        has_quotes = true;
                        end += 2;
                    }
                    (Some(b'"'), _) => break,
                    (Some(_), _) => end += 1,
                }
            }
            fields.push(Field { start, end, has_quotes });
            at = end + 1;
            at += bytes[at..].iter().take_while(|byte| is_space(byte)).count();
            match bytes.get(at) {
                None => return Cut::Whole,
                Some(b',') => at += 1,
                Some(_) => return Cut::Beside(at),
            }
        } else {
            let length = bytes[at..].iter().take_while(|byte| **byte != b',').count();
            let spaces = bytes[at..at + length].iter().rev().take_while(|byte| is_space(byte)).count();
            fields.push(Field { start: at, end: at + length - spaces, has_quotes: false });
            at += length;
            if at == bytes.len() {
                return Cut::Whole;
            }
            at += 1;
        }
    }
}
