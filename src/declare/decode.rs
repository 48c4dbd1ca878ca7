//! Reading a tree without stopping at the first mistake: each wrong value, missing and unknown key is reported,
//! and what is wrong becomes nothing, so that it causes no second report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bounded;
use super::reach::Reach;
use super::table::Table;
use super::tree::{Entry, Key, Map, NodeAt, Value};
use crate::diagnostic::{Code, FileId, Place, Problem, Sources};
use crate::model::{Cause, FileHash, Origin, Untrusted};

/// What every part of the decoder needs.
pub(super) struct Context<'c> {
    pub(super) sources: &'c mut Sources,
    pub(super) problems: Vec<Problem>,
    /// The folder of each state file: relative paths in it begin there.
    pub(super) folders: BTreeMap<FileId, PathBuf>,
    /// Where the files that a state names may lie.
    pub(super) reach: Reach,
    /// Every hash that stands in the state itself, whatever for.
    pub(super) hashes: Vec<FileHash>,
    /// How many exclusion rules were read, with all that their lists stand for.
    pub(super) exclusion_rules: usize,
}

/// Who declares an aspect.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    /// Whom it is about: the entry of a host, or of `all_hosts`.
    Its,
    /// A group of this name.
    Group(&'a Arc<str>),
}

impl Whose<'_> {
    pub(super) fn cause(self, cx: &Context<'_>, place: Place) -> Cause {
        let origin = cx.origin(place);
        match self {
            Self::Its => Cause::Own(origin),
            Self::Group(name) => Cause::group(Arc::clone(name), origin),
        }
    }
}

impl Context<'_> {
    pub(super) fn report(&mut self, problem: Problem) {
        bounded::add(&mut self.problems, problem);
    }

    pub(super) fn origin(&self, place: Place) -> Origin {
        self.sources.origin(place)
    }

    /// The path of a file whose lines may be shown, as it is written at a place. `None`: it may not be read; reported.
    pub(super) fn path_within(&mut self, place: Place, written: &str) -> Option<PathBuf> {
        let path = self.path(place, written);
        match self.reach.refuse(&path) {
            None => Some(path),
            Some(problem) => {
                self.report(problem.at(place, ""));
                None
            }
        }
    }

    /// A path as it is written at a place.
    pub(super) fn path(&self, place: Place, written: &str) -> PathBuf {
        self.folders.get(&place.file).map_or_else(|| PathBuf::from(written), |folder| beside(folder, written))
    }
}

/// A path that is relative to a folder; the folder `.` adds nothing to it.
pub(super) fn beside(folder: &Path, written: &str) -> PathBuf {
    let folder = folder.strip_prefix(".").unwrap_or(folder);
    folder.join(written.strip_prefix("./").unwrap_or(written))
}

/// A field that may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field<T> {
    Absent,
    /// Reported.
    Wrong,
    Given(T),
}

impl<T> Field<T> {
    /// The value, where it is given and right.
    pub(super) fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// `None` where the value is wrong.
    pub(super) fn or(self, default: T) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent => Some(default),
            Self::Wrong => None,
        }
    }

    /// `Some(None)` where the field is left out, `None` where it is wrong.
    pub(super) fn or_none(self) -> Option<Option<T>> {
        match self {
            Self::Given(value) => Some(Some(value)),
            Self::Absent => Some(None),
            Self::Wrong => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A value with what it is called.
#[derive(Clone, Copy)]
pub(super) struct Item<'t, 's> {
    pub(super) node: &'t NodeAt<'s>,
    /// The key that it stands under.
    pub(super) key: &'t Key<'s>,
    /// Whether it is one of a list under that key.
    pub(super) in_list: bool,
}

impl<'t, 's> Item<'t, 's> {
    pub(super) fn of(entry: &'t Entry<'s>) -> Self {
        Self { node: &entry.value, key: &entry.key, in_list: false }
    }

    /// Where to point at: the value, or the key where the value is missing or long.
    pub(super) fn place(&self) -> Place {
        let is_short = matches!(self.node.value, Value::Text(_));
        if is_short || self.in_list { self.node.place } else { self.key.place }
    }

    /// What it is called in a message.
    pub(super) fn what(&self) -> String {
        if self.in_list { format!("an item of `{}`", self.key.text) } else { format!("`{}`", self.key.text) }
    }

    /// The text that stands here. `expected` completes "… takes ⟨a path⟩".
    pub(super) fn text(&self, cx: &mut Context<'_>, expected: &str) -> Option<&'t str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Poisoned => {
                self.not_a(cx, expected, "write one value, without `- ` and without keys below it")
            }
        }
    }

    /// A text that a person will read in a plan: not empty, and without characters that could drive a terminal.
    pub(super) fn plain_text(&self, cx: &mut Context<'_>, expected: &str) -> Option<&'t str> {
        let text = self.text(cx, expected)?;
        if let Some(problem) = refuse_unprintable(text, self.place(), &self.what()) {
            cx.report(problem);
            return None;
        }
        Some(text)
    }

    /// The items of a list.
    pub(super) fn list(&self, cx: &mut Context<'_>, expected: &str) -> Option<Vec<Item<'t, 's>>> {
        match &self.node.value {
            Value::List(nodes) => {
                Some(nodes.iter().map(|node| Item { node, key: self.key, in_list: true }).collect())
            }
            Value::Text(text) => {
                let key = &self.key.text;
                cx.report(
                    Problem::new(Code::WrongType, format!("{} takes {expected}, not a text", self.what()))
                        .at(self.place(), "")
                        .help(format!("write `{key}: [{text}]`")),
                );
                None
            }
            Value::Null | Value::Map(_) | Value::Poisoned => {
                self.not_a(cx, expected, "begin each item with `- `, or write them as `[…, …]`")
            }
        }
    }

    /// The items of a list, or the one that stands here without a list.
    pub(super) fn one_or_list(&self, cx: &mut Context<'_>, expected: &str) -> Option<Vec<Item<'t, 's>>> {
        match &self.node.value {
            Value::List(nodes) if nodes.is_empty() => {
                cx.report(
                    Problem::new(Code::BadValue, format!("the list of {} is empty", self.what()))
                        .at(self.place(), "")
                        .help("write at least one value, or leave the key out"),
                );
                None
            }
            Value::List(_) => self.list(cx, expected),
            Value::Text(_) => Some(vec![*self]),
            Value::Null | Value::Map(_) | Value::Poisoned => {
                self.not_a(cx, expected, "write one value, or a list of them as `[…, …]`")
            }
        }
    }

    /// The entries of a mapping whose keys the user chose.
    pub(super) fn map(&self, cx: &mut Context<'_>, expected: &str) -> Option<&'t Map<'s>> {
        match &self.node.value {
            Value::Map(map) => Some(map),
            Value::Text(_) | Value::Null | Value::List(_) | Value::Poisoned => self.not_a(
                cx,
                expected,
                "write keys below it, indented further and without `- `, or `{ key: value }`",
            ),
        }
    }

    /// A mapping with known keys. `whom` names it: "the host `ws-1`".
    pub(super) fn table(
        &self,
        cx: &mut Context<'_>,
        whom: impl Into<String>,
        expected: &str,
    ) -> Option<Table<'t, 's>> {
        self.map(cx, expected).map(|map| Table::new(map, whom, self.place()))
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Reports that something else is expected here, unless it is already known to be wrong. `help` says how what
    /// is expected is written.
    fn not_a<T>(&self, cx: &mut Context<'_>, expected: &str, help: &str) -> Option<T> {
        let what = self.what();
        let found = match &self.node.value {
            Value::Poisoned => return None,
            Value::Null => {
                let help = match self.in_list {
                    true => "write a value, or take the item out",
                    false => "write a value, indented further than its key, or take the key out",
                };
                cx.report(
                    Problem::new(Code::NoValue, format!("{what} has no value"))
                        .at(self.place(), format!("takes {expected}"))
                        .help(help),
                );
                return None;
            }
            Value::Text(text) => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        };
        let message = format!("{what} takes {expected}, not {found}");
        cx.report(Problem::new(Code::WrongType, message).at(self.place(), "").help(help));
        None
    }

    /// Reports a value that is not one of those that can stand here.
    pub(super) fn wrong<T>(
        &self,
        cx: &mut Context<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        cx.report(Problem::new(code, message).at(self.place(), "").help(help));
        None
    }
}

/// What is wrong with a text that will be shown to people, if anything.
pub(super) fn refuse_unprintable(text: &str, place: Place, what: &str) -> Option<Problem> {
    if text.trim().is_empty() {
        return Some(
            Problem::new(Code::BadValue, format!("{what} is empty"))
                .at(place, "")
                .help("write a text, or take it out"),
        );
    }
    let is_plain = text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control());
    if is_plain || Untrusted::new(text).printable().to_string() == text {
        return None;
    }
    Some(
        Problem::new(
            Code::BadValue,
            format!("{what} has a line break, a control character or an invisible one"),
        )
        .at(place, "")
        .help("write it in one line of visible characters"),
    )
}

/// `a`, `b` and `c`.
pub(super) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    joined(names, "and")
}

/// `a`, `b` or `c`.
pub(super) fn one_of<T: AsRef<str>>(names: &[T]) -> String {
    joined(names, "or")
}

fn joined<T: AsRef<str>>(names: &[T], last: &str) -> String {
    match names {
        [] => String::new(),
        [only] => format!("`{}`", only.as_ref()),
        [first @ .., end] => {
            let first =
                first.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ");
            format!("{first} {last} `{}`", end.as_ref())
        }
    }
}
