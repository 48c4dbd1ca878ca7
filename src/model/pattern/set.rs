//! Many patterns against many names.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};

use super::{MAX_MADE, NamePattern};

/// Patterns that are looked up together: their number hardly matters.
#[derive(Debug)]
pub struct NamePatterns {
    /// Those that are plain names, by their numbers.
    names: BTreeMap<Arc<str>, Vec<usize>>,
    /// The numbers of the others.
    others: Vec<usize>,
    made: Made,
}

#[derive(Debug)]
enum Made {
    Set(RegexSet),
    /// Too large for one set.
    Each(Vec<NamePattern>),
}

impl NamePatterns {
    /// They are numbered in this order.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a NamePattern>) -> Self {
        let mut names: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        let (mut others, mut each, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (number, pattern) in patterns.into_iter().enumerate() {
            match &pattern.regex {
                None => names.entry(Arc::clone(&pattern.text)).or_default().push(number),
                Some(regex) => {
                    others.push(number);
                    each.push(pattern.clone());
                    sources.push(Arc::clone(&regex.source));
                }
            }
        }
        let made = match RegexSetBuilder::new(&sources).size_limit(MAX_MADE).dfa_size_limit(MAX_MADE).build()
        {
            Ok(set) => Made::Set(set),
            Err(_too_large) => Made::Each(each),
        };
        Self { names, others, made }
    }

    /// Which of them match, by their numbers, in order.
    pub fn matching(&self, name: &str, into: &mut Vec<usize>) {
        into.clear();
        into.extend(self.names.get(name).into_iter().flatten());
        let place = |n: usize| self.others.get(n).copied();
        match &self.made {
            Made::Set(set) => into.extend(set.matches(name).iter().filter_map(place)),
            Made::Each(each) => {
                into.extend((0..each.len()).filter(|n| each[*n].is_match(name)).filter_map(place));
            }
        }
        into.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Case;

    #[test]
    fn as_a_set_and_one_by_one_they_match_the_same() {
        let patterns = ["ws-1", "WS-*", "ws-?", "*.corp.example", "{a,b}*", "ws-1", "ДК-?"]
            .map(|text| NamePattern::new(text, Case::Counts).unwrap());
        let set = NamePatterns::new(&patterns);
        assert!(matches!(set.made, Made::Set(_)));
        let (names, others) = (set.names.clone(), set.others.clone());
        let each = others.iter().map(|n| patterns[*n].clone()).collect();
        let each = NamePatterns { names, others, made: Made::Each(each) };
        for name in ["WS-1.corp.example", "ws-1", "b", "", "srv", "ДК-Б"] {
            let one_by_one: Vec<usize> =
                (0..patterns.len()).filter(|n| patterns[*n].is_match(name)).collect();
            let mut matching = vec![7];
            set.matching(name, &mut matching);
            assert_eq!(matching, one_by_one, "{name}");
            each.matching(name, &mut matching);
            assert_eq!(matching, one_by_one, "{name}, one by one");
        }
    }
}
