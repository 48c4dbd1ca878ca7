//! Many patterns against many names.

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};

/// Patterns that are looked up together: their number hardly matters.
pub(super) enum Patterns {
    Set(GlobSet),
    /// Too large for one set.
    Each(Vec<GlobMatcher>),
}

impl Patterns {
    pub(super) fn new<'a>(globs: impl IntoIterator<Item = &'a Glob>) -> Self {
        let globs: Vec<&Glob> = globs.into_iter().collect();
        let mut builder = GlobSetBuilder::new();
        for glob in &globs {
            builder.add((*glob).clone());
        }
        match builder.build() {
            Ok(set) => Self::Set(set),
            Err(_too_large) => Self::Each(globs.into_iter().map(Glob::compile_matcher).collect()),
        }
    }

    /// Which of them match, by their number.
    pub(super) fn matching(&self, text: &str, into: &mut Vec<usize>) {
        match self {
            Self::Set(set) => set.matches_into(text, into),
            Self::Each(matchers) => {
                into.clear();
                into.extend((0..matchers.len()).filter(|n| matchers[*n].is_match(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_set_and_one_by_one_they_match_the_same() {
        let globs = ["WS-*", "ws-?", "*.corp.example", "{a,b}*"].map(|glob| Glob::new(glob).unwrap());
        let set = Patterns::new(&globs);
        assert!(matches!(set, Patterns::Set(_)));
        let each = Patterns::Each(globs.iter().map(Glob::compile_matcher).collect());
        for name in ["WS-1.corp.example", "ws-1", "b", "", "srv"] {
            let (mut one, mut other) = (vec![7], vec![7]);
            set.matching(name, &mut one);
            each.matching(name, &mut other);
            assert_eq!(one, other, "{name}");
        }
    }
}
