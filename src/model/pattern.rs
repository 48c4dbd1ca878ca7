use globset::{ErrorKind, Glob, GlobBuilder, GlobSetBuilder};

/// Bytes of a pattern. Names of hosts have at most 253.
const MAX_PATTERN: usize = 1_000;

/// Whether `A` and `a` are one letter to a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They are two, as to a server that matches names.
    Counts,
    /// They are one.
    Ignored,
}

/// A pattern that can be matched. It means the same on every system, whatever its own paths look like.
///
/// # Errors
/// What is wrong with it. A pattern that is well formed and too large or too deep would only be found out by the
/// matcher that is made of it, which panics.
pub fn pattern(text: &str, case: Case) -> Result<Glob, ErrorKind> {
    let mut builder = GlobBuilder::new(text);
    builder.backslash_escape(true).case_insensitive(case == Case::Ignored);
    let glob = builder.build().map_err(|error| error.kind().clone())?;
    if glob.glob().len() > MAX_PATTERN {
        return Err(ErrorKind::Regex(format!("it is longer than {MAX_PATTERN} bytes")));
    }
    match GlobSetBuilder::new().add(glob.clone()).build() {
        Ok(_can_be_matched) => Ok(glob),
        Err(error) => Err(error.kind().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pattern_is_too_large_for_its_matcher() {
        for (text, is_right) in [
            ("dc*".to_owned(), true),
            ("?".repeat(1_000), true),
            ("[!a]".repeat(250), true),
            ("{a,b}".repeat(200), true),
            ("*a".repeat(500), true),
            ("?".repeat(3_000_000), false),
            ("[!a]".repeat(300_000), false),
            ("{a,b}".repeat(600_000), false),
            ("[".to_owned(), false),
        ] {
            let made = pattern(&text, Case::Ignored);
            assert_eq!(made.is_ok(), is_right, "{}", &text[..text.len().min(9)]);
            // Does not panic.
            made.iter().for_each(|glob| drop(glob.compile_matcher()));
        }
        for depth in [10, 100, 240, 300, 330] {
            let nested = "{a,".repeat(depth) + &"}".repeat(depth);
            pattern(&nested, Case::Counts).iter().for_each(|glob| drop(glob.compile_matcher()));
        }
    }
}
