//! A pattern of names as a regular expression.

use std::str::Chars;

use super::{Case, NamePatternError};

/// Braces within braces; the regular expression takes no more levels.
const MAX_DEPTH: usize = 100;

/// An open brace.
struct Braces {
    /// What stands before it, translated.
    before: String,
    /// The alternatives in it that are complete.
    alternatives: Vec<String>,
}

/// A well-formed expression that matches the whole of what the pattern stands for.
pub(super) fn translated(text: &str, case: Case) -> Result<String, NamePatternError> {
    let mut chars = text.chars();
    let mut here = String::new();
    let mut open: Vec<Braces> = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '?' => here.push('.'),
            '*' => here.push_str(".*"),
            '[' => here.push_str(&class(&mut chars)?),
            '{' if open.len() >= MAX_DEPTH => return Err(NamePatternError::TooManyNestedAlternates),
            '{' => open.push(Braces { before: std::mem::take(&mut here), alternatives: Vec::new() }),
            '}' => {
                let mut braces = open.pop().ok_or(NamePatternError::UnopenedAlternates)?;
                braces.alternatives.push(here);
                here = braces.closed();
            }
            '\\' => here.push_str(&literal(chars.next().ok_or(NamePatternError::DanglingEscape)?)),
            ',' => match open.last_mut() {
                Some(braces) => braces.alternatives.push(std::mem::take(&mut here)),
                None => here.push(','),
            },
            c => here.push_str(&literal(c)),
        }
    }
    if !open.is_empty() {
        return Err(NamePatternError::UnclosedAlternates);
    }
    let flags = match case {
        Case::Counts => "s",
        Case::Ignored => "si",
    };
    Ok(format!("(?{flags})^{here}$"))
}

impl Braces {
    /// An alternative with nothing in it stands for the empty text, as in every shell: `dc{,-old}` is two names.
    fn closed(self) -> String {
        format!("{}(?:{})", self.before, self.alternatives.join("|"))
    }
}

fn literal(c: char) -> String {
    regex::escape(c.encode_utf8(&mut [0; 4]))
}

/// What stands behind a `[`, up to its `]`. As in every shell, `]` and `-` that come first mean themselves.
fn class(chars: &mut Chars<'_>) -> Result<String, NamePatternError> {
    let mut translated = "[".to_owned();
    if let Some(rest) = chars.as_str().strip_prefix(['!', '^']) {
        *chars = rest.chars();
        translated.push('^');
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut is_range = false;
    loop {
        let c = chars.next().ok_or(NamePatternError::UnclosedClass)?;
        match (c, ranges.last_mut()) {
            (']', Some(_)) => break,
            ('-', Some(_)) if !is_range => is_range = true,
            (end, Some(range)) if is_range => {
                if end < range.0 {
                    return Err(NamePatternError::InvalidRange(range.0, end));
                }
                range.1 = end;
                is_range = false;
            }
            (c, Some(_) | None) => match named_class(c, chars)? {
                Some(named) => ranges.extend(named),
                None => ranges.push((c, c)),
            },
        }
    }
    for (begin, end) in ranges {
        translated.push_str(&literal(begin));
        if begin != end {
            translated.push('-');
            translated.push_str(&literal(end));
        }
    }
    translated.push_str(if is_range { r"\-]" } else { "]" });
    Ok(translated)
}

/// `[:digit:]`, of which `c` is the first character.
fn named_class(c: char, chars: &mut Chars<'_>) -> Result<Option<&'static [(char, char)]>, NamePatternError> {
    let rest = if c == '[' { chars.as_str().strip_prefix(':') } else { None };
    let Some((name, rest)) = rest.and_then(|rest| rest.split_once(":]")) else { return Ok(None) };
    if !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(None);
    }
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return Err(NamePatternError::UnknownClass(name.to_owned())),
    };
    *chars = rest.chars();
    Ok(Some(ranges))
}
