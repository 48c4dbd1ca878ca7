//! Patterns of names: `WS-*`, `ДК-?`.

mod set;
mod translation;

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

pub use set::NamePatterns;

/// Bytes of a pattern. Names of hosts have at most 253.
const MAX_PATTERN: usize = 1_000;

/// Bytes of what is made of one pattern, or of several that are looked up together; and of what is remembered
/// while it is used.
const MAX_MADE: usize = 10 << 20;

/// Whether `A` and `a` are one letter to a pattern, and `Б` and `б`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They are two, as to a server that matches names.
    Counts,
    /// They are one.
    Ignored,
}

/// A pattern of names in any script: `*` stands for any text, `?` for one character, `[ab]` for one of several,
/// `{a,b}` for either, and `\` takes from the next character what it means. It means the same on every system.
#[derive(Clone)]
pub struct NamePattern {
    text: Arc<str>,
    case: Case,
    /// `None`: it has no sign of a pattern, and its case counts.
    regex: Option<Translated>,
}

/// What a pattern is matched by.
#[derive(Clone)]
struct Translated {
    source: Arc<str>,
    /// Made when it is first matched by itself: it is large, and files may have thousands that never are.
    made: OnceLock<Regex>,
}

/// What is wrong with a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamePatternError {
    /// A `[` without its end.
    #[error("unclosed character class; missing ']'")]
    UnclosedClass,
    /// A range that ends before it begins.
    #[error("invalid range; '{0}' > '{1}'")]
    InvalidRange(char, char),
    /// `[[:name:]]` of which there is none.
    #[error("there is no character class `[:{0}:]`")]
    UnknownClass(String),
    /// A `}` too many.
    #[error("unopened alternate group; missing '{{' (maybe escape '}}' with '[}}]'?)")]
    UnopenedAlternates,
    /// A `{` without its end.
    #[error("unclosed alternate group; missing '}}' (maybe escape '{{' with '[{{]'?)")]
    UnclosedAlternates,
    /// Braces within braces within braces.
    #[error("alternate groups nested too deeply")]
    TooManyNestedAlternates,
    /// A `\` at the end.
    #[error("dangling '\\'")]
    DanglingEscape,
    /// More text than any name has.
    #[error("it is longer than {MAX_PATTERN} bytes")]
    TooLong,
    /// It is short, and what it comes to is not.
    #[error("it stands for too much")]
    TooLarge,
}

impl NamePattern {
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str, case: Case) -> Result<Self, NamePatternError> {
        if text.len() > MAX_PATTERN {
            return Err(NamePatternError::TooLong);
        }
        let is_name = case == Case::Counts && !text.contains(['*', '?', '[', '{', '}', '\\']);
        let regex = match is_name {
            true => None,
            false => Some(Translated::new(&translation::translated(text, case)?)?),
        };
        Ok(Self { text: text.into(), case, regex })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands for the whole of a name.
    pub fn is_match(&self, name: &str) -> bool {
        match &self.regex {
            None => *self.text == *name,
            Some(regex) => regex.made().is_match(name),
        }
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamePattern").field(&self.text).field(&self.case).finish()
    }
}

impl Translated {
    fn new(source: &str) -> Result<Self, NamePatternError> {
        match regex(source) {
            Ok(_can_be_made) => Ok(Self { source: source.into(), made: OnceLock::new() }),
            // A translation is well formed: only its braces can be too deep.
            Err(regex::Error::Syntax(_)) => Err(NamePatternError::TooManyNestedAlternates),
            Err(_too_large) => Err(NamePatternError::TooLarge),
        }
    }

    fn made(&self) -> &Regex {
        // That it can be made was tried when there was a first one.
        self.made.get_or_init(|| regex(&self.source).expect("it could be made before"))
    }
}

fn regex(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).size_limit(MAX_MADE).build()
}

#[cfg(test)]
mod tests;
