//! Names that one part of a state gives and another uses.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{Context, Item, listed};
use super::hash;
use super::tree::{Entry, NodeAt, Value};
use crate::diagnostic::{Code, Place, Problem, nearest};

/// So many names are compared, and of each so many bytes, to ask "did you mean".
const MAX_LIKENESSES: usize = 100_000;
const MAX_LIKE: usize = 64;

/// The names of one kind: defined, used, or neither.
pub(super) struct Names<'t> {
    /// "hash list"
    kind: &'static str,
    /// The section that defines them: `hash_lists`.
    section: &'static str,
    defined: BTreeMap<&'t str, Place>,
    used: BTreeSet<&'t str>,
    /// Whether all definitions could be read; otherwise nobody can say what is undefined.
    is_whole: bool,
    /// How many names were compared.
    compared: usize,
}

impl<'t> Names<'t> {
    pub(super) fn new(
        kind: &'static str,
        section: &'static str,
        defined: impl IntoIterator<Item = (&'t str, Place)>,
        is_whole: bool,
    ) -> Self {
        Self {
            kind,
            section,
            defined: defined.into_iter().collect(),
            used: BTreeSet::new(),
            is_whole,
            compared: 0,
        }
    }

    /// The name that stands in an item, when it is defined.
    pub(super) fn take(&mut self, cx: &mut Context<'_>, item: Item<'t, '_>) -> Option<&'t str> {
        let name = item.text(cx, &format!("the name of a {}", self.kind))?;
        self.take_text(cx, name, item.place())
    }

    /// As [`Names::take`], for a name that stands as a key.
    pub(super) fn take_text(&mut self, cx: &mut Context<'_>, name: &'t str, place: Place) -> Option<&'t str> {
        if self.defined.contains_key(name) {
            self.used.insert(name);
            return Some(name);
        }
        if self.is_whole {
            // Who has so many names does not find one by its likeness to another, and looking takes its time.
            self.compared = self.compared.saturating_add(self.defined.len());
            let is_short = |name: &str| name.len() <= MAX_LIKE;
            let near = if is_short(name) && self.compared <= MAX_LIKENESSES {
                nearest(name, self.defined.keys().copied().filter(|name| is_short(name)))
            } else {
                None
            };
            // What was probably meant is not called unused.
            self.used.extend(near);
            let label =
                near.map_or_else(|| "not defined".to_owned(), |near| format!("did you mean `{near}`?"));
            let help = if self.defined.is_empty() {
                format!("the state defines no {}: add it under `{}`", self.kind, self.section)
            } else if self.defined.len() <= 10 {
                let known = self.defined.keys().copied().collect::<Vec<_>>();
                format!("`{}` defines {}", self.section, listed(&known))
            } else {
                format!("define it under `{}`", self.section)
            };
            cx.report(
                Problem::new(Code::Undefined, format!("there is no {} `{name}`", self.kind))
                    .at(place, label)
                    .help(help),
            );
        }
        None
    }

    /// The only name, where there is exactly one; it counts as used.
    pub(super) fn only(&mut self) -> Option<&'t str> {
        let mut names = self.defined.keys();
        let first = *names.next()?;
        if names.next().is_some() {
            return None;
        }
        self.used.insert(first);
        Some(first)
    }

    /// Whether a definition has a name that it can have; otherwise that is reported.
    pub(super) fn check(&mut self, cx: &mut Context<'_>, entry: &'t Entry<'_>) -> bool {
        let name = &*entry.key.text;
        let is_name_character = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        let problem = if name.is_empty() || !name.chars().all(is_name_character) {
            Problem::new(Code::BadName, format!("`{name}` cannot be the name of a {}", self.kind))
                .help("a name is made of letters, digits, `.`, `_` and `-`")
        } else if hash::is_meant(name) {
            Problem::new(Code::BadName, format!("the name of this {} looks like a hash", self.kind))
                .help("where it is used, it would be read as that hash: choose another name")
        } else {
            return true;
        };
        cx.report(problem.at(entry.key.place, ""));
        // Nobody could have used it.
        self.used.insert(name);
        false
    }

    /// Takes all names for used.
    pub(super) fn excuse_all(&mut self) {
        self.used.extend(self.defined.keys());
    }

    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn all(&self) -> Vec<&'t str> {
        self.defined.keys().copied().collect()
    }

    /// Warns of names that nothing uses. `mentioned` has the texts of a state with errors: what is used in a
    /// part that could not be read is not called unused.
    pub(super) fn report_unused(&self, cx: &mut Context<'_>, mentioned: &BTreeSet<&str>) {
        for (name, place) in &self.defined {
            if !self.used.contains(name) && !mentioned.contains(name) {
                cx.report(
                    Problem::new(Code::Unused, format!("the {} `{name}` is not used", self.kind))
                        .at(*place, "")
                        .help("use it or take it out"),
                );
            }
        }
    }
}

/// Every text in a tree that could be a name.
pub(super) fn mentioned<'t>(node: &'t NodeAt<'_>, into: &mut BTreeSet<&'t str>) {
    match &node.value {
        Value::Text(text) => {
            into.insert(text);
        }
        Value::List(items) => items.iter().for_each(|item| mentioned(item, into)),
        Value::Map(map) => map.entries.iter().for_each(|entry| mentioned(&entry.value, into)),
        Value::Null | Value::Poisoned => {}
    }
}
