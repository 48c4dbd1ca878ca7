//! `--limit`: which declared hosts a run is about.

use globset::{Glob, GlobMatcher};

/// Globs over the keys of host entries, separated by commas or given several times; any of them may match.
#[derive(Debug, Clone)]
pub struct HostPattern {
    globs: Vec<GlobMatcher>,
    text: String,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum PatternError {
    #[error("`--limit` with nothing in it selects nothing; leave it out to mean every declared host")]
    Empty,
    #[error("`{pattern}` is no pattern for hosts: {why}")]
    Glob { pattern: String, why: String },
    #[error(
        "`--limit {0}` matches no declared host; it is matched, with its case, against the keys under `hosts`"
    )]
    MatchesNothing(String),
}

impl HostPattern {
    /// # Errors
    /// An empty pattern, or one that is no glob.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        let parts: Vec<&str> = patterns
            .iter()
            .flat_map(|text| text.as_ref().split(','))
            .map(str::trim)
            .filter(|p| !p.is_empty())
            .collect();
        if parts.is_empty() {
            return Err(PatternError::Empty);
        }
        let globs = parts
            .iter()
            .map(|part| match Glob::new(part) {
                Ok(glob) => Ok(glob.compile_matcher()),
                Err(error) => {
                    Err(PatternError::Glob { pattern: (*part).to_owned(), why: error.kind().to_string() })
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { globs, text: parts.join(",") })
    }

    pub fn matches(&self, entry: &str) -> bool {
        self.globs.iter().any(|glob| glob.is_match(entry))
    }

    /// # Errors
    /// An empty selection is always an error: it would do nothing and look like success.
    pub fn select<'a, T>(
        &self,
        hosts: &'a [T],
        entry: impl Fn(&T) -> &str,
    ) -> Result<Vec<&'a T>, PatternError> {
        let selected: Vec<&T> = hosts.iter().filter(|host| self.matches(entry(host))).collect();
        if selected.is_empty() { Err(PatternError::MatchesNothing(self.text.clone())) } else { Ok(selected) }
    }
}
