//! STIX patterns, as far as they say which files are meant by hashes alone.
//!
//! Understood: `[file:hashes.'SHA-256' = '…']` with `=`, `IN`, `OR`; `AND` where it joins hashes (and the size) of
//! one file. Whatever narrows a pattern further (a file's name, another observation, a time) makes it not
//! understood: the hash alone would block more than the pattern says.

/// The most files of one pattern; `AND` of `OR`s multiplies.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// So many pairs are joined by all `AND` of a pattern: one list of many hashes before a row of `AND file:size = 1`
/// would otherwise be copied for each of them.
const MAX_JOINED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Any of these; at least one.
    AnyOf(Vec<Part>),
    NotUnderstood,
}

/// One alternative of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    File(Hashes),
    /// Another object, or a file by something else than its content.
    Other,
}

/// Hashes of one file, as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) md5: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) sha1: bool,
    /// SHA-512, SSDEEP and the like.
    pub(super) other: bool,
}

pub(super) fn read(pattern: &str) -> Meaning {
    let mut parser = Parser { rest: pattern, depth: 0, joined: 0 };
    match parser.observations() {
        Some(parts) if parser.is_at_end() && !parts.is_empty() => Meaning::AnyOf(parts),
        Some(_) | None => Meaning::NotUnderstood,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'p> {
    /// `[`, `]`, `(`, `)`, `,`
    Sign(char),
    /// `=`, `!=`, `<`, `>=` and so on.
    Comparison(&'p str),
    /// An object path, a keyword, a number.
    Word(&'p str),
    /// Between quotes, as it stands there.
    Text(&'p str),
}

/// A term of a comparison: what must hold of one object at once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Hashes(Hashes),
    /// The content says it too: it narrows nothing.
    Size,
    Other,
}

struct Parser<'p> {
    rest: &'p str,
    depth: usize,
    /// Pairs so far.
    joined: usize,
}

impl<'p> Parser<'p> {
    /// `[…] OR […]`, with parentheses.
    fn observations(&mut self) -> Option<Vec<Part>> {
        let mut parts = self.observation()?;
        while self.takes_word("OR") {
            parts.extend(self.observation()?);
            if parts.len() > MAX_FILES {
                return None;
            }
        }
        Some(parts)
    }

    fn observation(&mut self) -> Option<Vec<Part>> {
        match self.next()? {
            Token::Sign('(') => {
                let parts = self.deeper(Self::observations)?;
                self.expect(')')?;
                Some(parts)
            }
            Token::Sign('[') => {
                let terms = self.alternatives()?;
                self.expect(']')?;
                let parts = terms.into_iter().map(|term| match term {
                    Term::Hashes(hashes) => Part::File(hashes),
                    Term::Size | Term::Other => Part::Other,
                });
                Some(parts.collect())
            }
            Token::Sign(_) | Token::Comparison(_) | Token::Word(_) | Token::Text(_) => None,
        }
    }

    /// Terms joined by `OR`.
    fn alternatives(&mut self) -> Option<Vec<Term>> {
        let mut terms = self.conjunction()?;
        while self.takes_word("OR") {
            terms.extend(self.conjunction()?);
            if terms.len() > MAX_FILES {
                return None;
            }
        }
        Some(terms)
    }

    /// Comparisons joined by `AND`, which binds tighter.
    fn conjunction(&mut self) -> Option<Vec<Term>> {
        let mut terms = self.comparison()?;
        while self.takes_word("AND") {
            let others = self.comparison()?;
            let pairs = terms.len().saturating_mul(others.len());
            self.joined = self.joined.saturating_add(pairs);
            if pairs > MAX_FILES || self.joined > MAX_JOINED {
                return None;
            }
            let mut both = Vec::with_capacity(terms.len() * others.len());
            for term in &terms {
                for other in &others {
                    both.push(joined(term, other)?);
                }
            }
            terms = both;
        }
        Some(terms)
    }

    fn comparison(&mut self) -> Option<Vec<Term>> {
        let path = match self.next()? {
            Token::Sign('(') => {
                let terms = self.deeper(Self::alternatives)?;
                self.expect(')')?;
                return Some(terms);
            }
            Token::Word("NOT" | "EXISTS") => return None,
            Token::Word(path) => path,
            Token::Sign(_) | Token::Comparison(_) | Token::Text(_) => return None,
        };
        let values = match self.next()? {
            Token::Comparison("=") => vec![self.value()?],
            Token::Word("IN") => self.values()?,
            // Of another object nobody needs to know what it is compared with.
            Token::Comparison(_) | Token::Word("LIKE" | "MATCHES" | "ISSUBSET" | "ISSUPERSET")
                if of_file(path).is_none() =>
            {
                self.value()?;
                return Some(vec![Term::Other]);
            }
            Token::Comparison(_) | Token::Word(_) | Token::Sign(_) | Token::Text(_) => return None,
        };
        let Some(property) = of_file(path) else { return Some(vec![Term::Other]) };
        let term = |value: &str| {
            let mut hashes = Hashes::default();
            match property {
                Property::Md5 => hashes.md5 = Some(value.to_owned()),
                Property::Sha256 => hashes.sha256 = Some(value.to_owned()),
                Property::Sha1 => hashes.sha1 = true,
                Property::OtherHash => hashes.other = true,
                Property::Size => return Term::Size,
            }
            Term::Hashes(hashes)
        };
        Some(values.into_iter().map(term).collect())
    }

    fn values(&mut self) -> Option<Vec<&'p str>> {
        self.expect('(')?;
        let mut values = vec![self.value()?];
        loop {
            match self.next()? {
                Token::Sign(',') => values.push(self.value()?),
                Token::Sign(')') => return (values.len() <= MAX_FILES).then_some(values),
                Token::Sign(_) | Token::Comparison(_) | Token::Word(_) | Token::Text(_) => return None,
            }
        }
    }

    fn value(&mut self) -> Option<&'p str> {
        match self.next()? {
            Token::Text(value) | Token::Word(value) => Some(value),
            Token::Sign(_) | Token::Comparison(_) => None,
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let read = if self.depth > MAX_DEPTH { None } else { read(self) };
        self.depth -= 1;
        read
    }

    fn expect(&mut self, sign: char) -> Option<()> {
        (self.next()? == Token::Sign(sign)).then_some(())
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let (token, rest) = match self.token() {
            Some(found) => found,
            None => return false,
        };
        let is_it = token == Token::Word(word);
        if is_it {
            self.rest = rest;
        }
        is_it
    }

    fn next(&mut self) -> Option<Token<'p>> {
        let (token, rest) = self.token()?;
        self.rest = rest;
        Some(token)
    }

    /// What is no token is not the end: something follows that narrows the pattern.
    fn is_at_end(&self) -> bool {
        past_blanks(self.rest).is_empty()
    }

    /// The next token, and what follows it; `None` at the end and before what is none.
    fn token(&self) -> Option<(Token<'p>, &'p str)> {
        let text = past_blanks(self.rest);
        let first = text.chars().next()?;
        let length = match first {
            '[' | ']' | '(' | ')' | ',' => return Some((Token::Sign(first), &text[1..])),
            '\'' => {
                let end = quoted(text)?;
                return Some((Token::Text(&text[1..end - 1]), &text[end..]));
            }
            '=' | '!' | '<' | '>' => {
                let length = text.chars().take_while(|c| matches!(c, '=' | '!' | '<' | '>')).count();
                return Some((Token::Comparison(&text[..length]), &text[length..]));
            }
            _ => word(text)?,
        };
        Some((Token::Word(&text[..length]), &text[length..]))
    }
}

/// What follows white space and comments. A comment that is never closed is none.
fn past_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, behind)| behind)
        } else {
            let line = rest.strip_prefix("//");
            line.map(|comment| comment.trim_start_matches(|c| !matches!(c, '\n' | '\r')))
        };
        match behind {
            Some(behind) => rest = behind.trim_start(),
            None => return rest,
        }
    }
}

/// The length of a text with its quotes; `None` where it is never closed.
fn quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next()?;
    let mut is_escaped = false;
    for (at, c) in chars {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of a word: a path may have quoted steps, such as `file:hashes.'SHA-256'`, and an index.
fn word(text: &str) -> Option<usize> {
    let mut length = 0;
    while let Some(c) = text[length..].chars().next() {
        match c {
            '\'' | '"' if length > 0 => length += quoted(&text[length..])?,
            // `hashes['SHA-256']`, `list[*]`: within a path, not the end of an observation.
            '[' if length > 0 => length += text[length..].find(']')? + 1,
            _ if c.is_alphanumeric() || matches!(c, ':' | '.' | '_' | '-' | '*' | '+') => {
                length += c.len_utf8()
            }
            _ => break,
        }
    }
    (length > 0).then_some(length)
}

#[derive(Clone, Copy)]
enum Property {
    Md5,
    Sha256,
    Sha1,
    OtherHash,
    Size,
}

/// What a path says of a file's content; `None`: something else.
fn of_file(path: &str) -> Option<Property> {
    let step = path.strip_prefix("file:")?;
    if step == "size" {
        return Some(Property::Size);
    }
    let algorithm = step.strip_prefix("hashes")?;
    let algorithm = algorithm.strip_prefix('.').or_else(|| algorithm.strip_prefix('[')?.strip_suffix(']'))?;
    let plain: String = algorithm.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.to_ascii_lowercase().as_str() {
        "md5" => Property::Md5,
        "sha256" => Property::Sha256,
        "sha1" => Property::Sha1,
        _ => Property::OtherHash,
    })
}

/// Both at once, where that is still nothing but the content of one file.
fn joined(one: &Term, other: &Term) -> Option<Term> {
    Some(match (one, other) {
        (Term::Hashes(one), Term::Hashes(other)) => Term::Hashes(Hashes {
            md5: one_of_both(&one.md5, &other.md5)?,
            sha256: one_of_both(&one.sha256, &other.sha256)?,
            sha1: one.sha1 || other.sha1,
            other: one.other || other.other,
        }),
        (Term::Hashes(hashes), Term::Size) | (Term::Size, Term::Hashes(hashes)) => {
            Term::Hashes(hashes.clone())
        }
        (Term::Size, Term::Size) => Term::Size,
        (Term::Other | Term::Size, Term::Other) | (Term::Other, Term::Size) => Term::Other,
        (Term::Hashes(_), Term::Other) | (Term::Other, Term::Hashes(_)) => return None,
    })
}

/// A file has one hash of a kind.
fn one_of_both(one: &Option<String>, other: &Option<String>) -> Option<Option<String>> {
    match (one, other) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => None,
        (Some(_), _) => Some(one.clone()),
        (None, _) => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(md5: Option<&str>, sha256: Option<&str>) -> Part {
        Part::File(Hashes {
            md5: md5.map(str::to_owned),
            sha256: sha256.map(str::to_owned),
            ..Hashes::default()
        })
    }

    #[test]
    fn hashes_are_found_however_they_are_written() {
        for pattern in [
            "[file:hashes.'SHA-256' = 'aa']",
            "[file:hashes.\"SHA256\"='aa']",
            "[ file:hashes.SHA256 = 'aa' ]",
            "[file:hashes['SHA-256'] = 'aa']",
            "([file:hashes.sha256 IN ('aa')])",
            "[(file:hashes.'SHA-256' = 'aa' AND file:size = 12)]",
            "[file:hashes.'SHA-256' = 'aa' AND file:hashes.'SHA-256' = 'AA']",
            "/* of */ [file:hashes.'SHA-256' /**/ = // one\n 'aa']\t// file",
            "[file:hashes.'SHA-256' = 'aa']\u{a0}/* more */\n",
        ] {
            assert_eq!(read(pattern), Meaning::AnyOf(vec![file(None, Some("aa"))]), "{pattern}");
        }
    }

    #[test]
    fn alternatives_are_several_files_and_a_conjunction_is_one() {
        let of = |pattern| match read(pattern) {
            Meaning::AnyOf(parts) => parts,
            Meaning::NotUnderstood => panic!("{pattern}"),
        };
        assert_eq!(
            of("[file:hashes.MD5 = 'a' OR file:hashes.MD5 IN ('b', 'c')] OR [file:hashes.'SHA-256' = 'd']"),
            [file(Some("a"), None), file(Some("b"), None), file(Some("c"), None), file(None, Some("d"))]
        );
        assert_eq!(of("[file:hashes.MD5 = 'a' AND file:hashes.SHA256 = 'b']"), [file(Some("a"), Some("b"))]);
        // AND binds tighter.
        assert_eq!(
            of("[file:hashes.MD5 = 'a' OR file:hashes.MD5 = 'b' AND file:hashes.SHA256 = 'c']"),
            [file(Some("a"), None), file(Some("b"), Some("c"))]
        );
        assert_eq!(
            of("[ipv4-addr:value = '10.0.0.1'] OR [file:hashes.MD5 = 'a']"),
            [Part::Other, file(Some("a"), None)]
        );
        assert_eq!(
            of("[domain-name:value LIKE '%.example' AND ipv4-addr:value != '10.0.0.1']"),
            [Part::Other]
        );
    }

    #[test]
    fn no_pattern_keeps_the_reader_busy() {
        let many = format!("file:hashes.MD5 IN ({}'a')", "'a', ".repeat(9_000));
        let bomb = format!("[{many}{}]", " AND file:size = 1".repeat(50_000));
        let mut parser = Parser { rest: &bomb, depth: 0, joined: 0 };
        assert_eq!(parser.observations(), None);
        assert!(parser.joined < 2 * MAX_JOINED);
        for nested in ["(", "[", "([", "/*", "[("] {
            let open = nested.repeat(10_000);
            assert_eq!(read(&open), Meaning::NotUnderstood, "{nested}");
            assert_eq!(read(&format!("{open}{many}")), Meaning::NotUnderstood, "{nested}");
        }
    }

    #[test]
    fn what_says_more_than_which_file_is_not_understood() {
        for pattern in [
            "",
            "file:hashes.MD5 = 'a'",
            "[file:hashes.MD5 = 'a'",
            "[file:hashes.MD5 != 'a']",
            "[file:hashes.MD5 NOT = 'a']",
            "[NOT file:hashes.MD5 = 'a']",
            "[file:hashes.MD5 LIKE 'a%']",
            "[file:hashes.MD5 = 'a' AND file:name = 'svchost.exe']",
            "[file:hashes.MD5 = 'a' AND file:hashes.MD5 = 'b']",
            "[file:hashes.MD5 = 'a'] AND [file:hashes.MD5 = 'b']",
            "[file:hashes.MD5 = 'a'] FOLLOWEDBY [file:hashes.MD5 = 'b']",
            "[file:hashes.MD5 = 'a'] REPEATS 5 TIMES",
            "[file:hashes.MD5 = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
            "[file:hashes.MD5 = 'a]",
            "[file:hashes.MD5 = 'a'] /* then */ FOLLOWEDBY [process:name = 'x']",
            "[file:hashes.MD5 = 'a'] // then\nFOLLOWEDBY [process:name = 'x']",
            "[file:hashes.MD5 = 'a'] && [file:name = 'x']",
            "[file:hashes.MD5 = 'a'] /* never closed",
            "[file:hashes.MD5 = 'a'] / [file:name = 'x']",
            "[file:hashes.MD5 = 'a'] \"",
            "[file:hashes.MD5 = 'a'] '",
            "[file:hashes.MD5 = 'a' && file:name = 'x']",
        ] {
            assert_eq!(read(pattern), Meaning::NotUnderstood, "{pattern}");
        }
        assert_eq!(
            read(&format!("{}[file:hashes.MD5 = 'a']{}", "(".repeat(99), ")".repeat(99))),
            Meaning::NotUnderstood
        );
        let many = format!("[file:hashes.MD5 IN ({})]", vec!["'a'"; 20_000].join(","));
        assert_eq!(read(&many), Meaning::NotUnderstood);
    }
}
