//! `--limit`: which declared hosts a run is about.

use globset::{Glob, GlobMatcher};

/// Globs over the keys of host entries, separated by commas or given several times; any of them may match.
#[derive(Debug, Clone)]
pub struct HostPattern {
    globs: Vec<GlobMatcher>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum PatternError {
    #[error("`--limit` with nothing in it selects nothing; leave it out to mean every declared host")]
    Empty,
    #[error("`{pattern}` is no pattern for hosts: {why}")]
    Glob { pattern: String, why: String },
    #[error(
        "`--limit {0}`: this version takes globs separated by commas; `!`, `&`, `:` and `@file` are not supported yet"
    )]
    NotSupported(String),
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
        // To take them for globs would select hosts that were meant to be left out.
        let is_ansible = |part: &&&str| part.starts_with(['!', '&', '@']) || part.contains(':');
        if let Some(part) = parts.iter().find(is_ansible) {
            return Err(PatternError::NotSupported((*part).to_owned()));
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
        Ok(Self { globs })
    }

    /// # Errors
    /// A pattern that matches nothing is always an error: a typing mistake would do nothing and look like success.
    pub fn select<'a, T>(
        &self,
        hosts: impl IntoIterator<Item = &'a T>,
        entry: impl Fn(&T) -> &str,
    ) -> Result<Vec<&'a T>, PatternError> {
        let mut is_used = vec![false; self.globs.len()];
        let mut selected = Vec::new();
        for host in hosts {
            let mut is_selected = false;
            for (glob, used) in self.globs.iter().zip(&mut is_used) {
                let matches = glob.is_match(entry(host));
                *used |= matches;
                is_selected |= matches;
            }
            if is_selected {
                selected.push(host);
            }
        }
        match self.globs.iter().zip(is_used).find(|(_, used)| !used) {
            Some((unused, _)) => Err(PatternError::MatchesNothing(unused.glob().to_string())),
            None => Ok(selected),
        }
    }
}
