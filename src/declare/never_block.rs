//! `policy.never_block`: files that must never be blocked.
//!
//! Such lists hold millions of hashes, and a plan asks for a few. So a large one is not kept: it is streamed past
//! the hashes that matter, once when the state is read (for all that it declares, and to find what is wrong with the
//! list), and again when a server turns out to hold others. Between the two it must stay as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::decode::{Context, Item};
use super::files;
use super::hash_list::{self, Account, End, Format, List, ListFile, Named, Sink, Stamp};
use super::tree::{Node, NodeAt, Value};
use super::wanted::Wanted;
use crate::diagnostic::{Code, Place, Problem};
use crate::model::{FileHash, HashSet};

/// Lists of up to so many hashes are kept: asking them again costs nothing. Tests make do with smaller ones.
const MAX_KEPT: usize = if cfg!(test) { 1_000 } else { 100_000 };

/// Files that must never be blocked; the union of the named lists.
#[derive(Debug, Clone, Default)]
pub struct NeverBlock {
    /// By what was kept and by what was looked up so far.
    known: Forbidden,
    large: Arc<[Large]>,
}

/// Which hashes no rule may get, as far as they were looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden {
    hashes: Arc<HashSet>,
    /// `None`: `hashes` are all that there are.
    looked_up: Option<Arc<Wanted>>,
    /// Files that are known by their MD5 only, and by their SHA-256 only.
    only_md5: u64,
    only_sha256: u64,
}

/// What is known of one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayBlock {
    /// A list has it.
    Never,
    /// No list has it.
    Yes,
    /// No list has it; but there are files that the lists know by the other algorithm only, and it may be of one of
    /// them.
    CannotTell,
    /// Nobody looked.
    NotLookedUp,
}

/// Why large lists could not be looked through again.
#[derive(Debug, thiserror::Error)]
pub enum NeverBlockError {
    /// This file, as its path is shown, is not the one that was read with the state.
    #[error("`{0}` of `policy.never_block` has changed since the state was read: run this again")]
    Changed(Arc<str>),
    /// Why, in words for a person.
    #[error("the lists of `policy.never_block` could not be looked through: {0}")]
    Unreadable(String),
}

impl Forbidden {
    /// These hashes and no others.
    pub fn of(hashes: impl IntoIterator<Item = FileHash>) -> Self {
        let hashes: HashSet = hashes.into_iter().collect();
        let only_md5 = hashes.iter().filter(|hash| matches!(hash, FileHash::Md5(_))).count() as u64;
        let only_sha256 = hashes.len() as u64 - only_md5;
        Self { hashes: Arc::new(hashes), looked_up: None, only_md5, only_sha256 }
    }

    /// These, of hashes that were looked up.
    #[cfg(test)]
    pub(crate) fn among(looked_up: Vec<FileHash>, found: impl IntoIterator<Item = FileHash>) -> Self {
        Self { looked_up: Some(Arc::new(Wanted::new(looked_up))), ..Self::of(found) }
    }

    /// What an earlier judgement left: these hashes were looked up and may be blocked, and of no other is anything
    /// known. `only_md5`, `only_sha256`: as [`Forbidden::known_by_one`].
    pub fn judged_before(allowed: Vec<FileHash>, (only_md5, only_sha256): (u64, u64)) -> Self {
        let looked_up = Some(Arc::new(Wanted::new(allowed)));
        Self { hashes: Arc::default(), looked_up, only_md5, only_sha256 }
    }

    /// How many files the lists know by their MD5 only, and how many by their SHA-256 only.
    pub fn known_by_one(&self) -> (u64, u64) {
        (self.only_md5, self.only_sha256)
    }

    /// Whether this file may be blocked, as far as it was looked up.
    pub fn judge(&self, hash: &FileHash) -> MayBlock {
        if self.hashes.contains(hash) {
            return MayBlock::Never;
        }
        if self.looked_up.as_ref().is_some_and(|looked_up| !looked_up.contains(hash)) {
            return MayBlock::NotLookedUp;
        }
        let known_otherwise = match hash {
            FileHash::Md5(_) => self.only_sha256,
            FileHash::Sha256(_) => self.only_md5,
        };
        if known_otherwise == 0 { MayBlock::Yes } else { MayBlock::CannotTell }
    }

    /// The hashes that are known to be forbidden: all, or those that were looked up.
    pub fn hashes(&self) -> &HashSet {
        &self.hashes
    }
}

impl NeverBlock {
    /// These hashes and no others.
    pub fn of(hashes: impl IntoIterator<Item = FileHash>) -> Self {
        Self { known: Forbidden::of(hashes), large: Arc::default() }
    }

    /// Nothing but what an earlier judgement left.
    pub fn judged_before(known: Forbidden) -> Self {
        Self { known, large: Arc::default() }
    }

    /// All that there is to know, where no list is too large to be kept.
    pub fn whole(&self) -> Option<&Forbidden> {
        self.large.is_empty().then_some(&self.known)
    }

    /// Looks hashes up. Files are read only where one was not looked up before: that takes seconds, and ends soon
    /// after `stop` is set.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it was when the state was read.
    pub fn look_up(
        &self,
        hashes: impl IntoIterator<Item = FileHash>,
        stop: &AtomicBool,
    ) -> Result<Forbidden, NeverBlockError> {
        let Some(before) = &self.known.looked_up else { return Ok(self.known.clone()) };
        let new: Vec<FileHash> = hashes.into_iter().filter(|hash| !before.contains(hash)).collect();
        if new.is_empty() {
            return Ok(self.known.clone());
        }
        let new = Wanted::new(new);
        let mut known = self.known.clone();
        for large in self.large.iter() {
            let found = large.look_up(&new, stop)?;
            if !found.is_empty() {
                Arc::make_mut(&mut known.hashes).extend(found);
            }
        }
        known.looked_up = Some(Arc::new(Wanted::new(before.iter().chain(new.iter()).collect())));
        Ok(known)
    }
}

/// A list file that is not kept.
#[derive(Debug)]
struct Large {
    path: PathBuf,
    format: Format,
    stamp: Stamp,
    sum: Sum,
}

impl Large {
    fn look_up(&self, wanted: &Wanted, stop: &AtomicBool) -> Result<HashSet, NeverBlockError> {
        let mut passing = Passing::new(wanted, false);
        let mut account = Account::never_to_block(&mut passing);
        let read = hash_list::read(&self.path, self.format, &mut account, stop);
        match read {
            Ok(stamp) if stamp == self.stamp && passing.sum == self.sum => Ok(passing.found),
            Err(End::Unreadable(error)) => {
                Err(NeverBlockError::Unreadable(files::unreadable(&self.path, &error).message))
            }
            Err(End::Problem(problem)) => Err(NeverBlockError::Unreadable(problem.message)),
            // It was right when it was read first.
            Ok(_) | Err(End::Wrong(_)) => Err(NeverBlockError::Changed(files::display(&self.path))),
        }
    }
}

/// Of all hashes of a file, in their order: tells files apart that have the same length and time. Nobody is kept
/// from forging it, who could change the file before it was read first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, hash: &FileHash) {
        let [a, b, c, d, e, f, g, h, ..] = match hash {
            FileHash::Md5(digest) => *digest,
            FileHash::Sha256(digest) => *digest.first_chunk::<16>().unwrap_or(&[0; 16]),
        };
        let beginning = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        self.0 = (self.0.rotate_left(5) ^ beginning).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// Lets a list pass by, and takes from it what is wanted.
struct Passing<'w> {
    wanted: &'w Wanted,
    found: HashSet,
    sum: Sum,
    only_md5: u64,
    only_sha256: u64,
    /// All hashes, as long as they are few.
    all: Option<Vec<FileHash>>,
}

impl<'w> Passing<'w> {
    fn new(wanted: &'w Wanted, keeps_few: bool) -> Self {
        let all = keeps_few.then(Vec::new);
        Self { wanted, found: HashSet::new(), sum: Sum::default(), only_md5: 0, only_sha256: 0, all }
    }
}

impl Sink for Passing<'_> {
    fn take(&mut self, file: &Named<'_>) -> Result<(), End> {
        self.only_md5 += u64::from(file.sha256.is_none());
        self.only_sha256 += u64::from(file.md5.is_none());
        // Both: a file that must not be blocked must not be blocked by its other hash either.
        for hash in file.md5.iter().chain(&file.sha256) {
            self.sum.add(hash);
            if self.wanted.contains(hash) {
                self.found.insert(*hash);
            }
            if let Some(all) = &mut self.all {
                if all.len() < MAX_KEPT {
                    all.push(*hash);
                } else {
                    self.all = None;
                }
            }
        }
        Ok(())
    }
}

/// The lists that only `policy.never_block` names: they need not be kept for blocking.
pub(super) fn only<'t>(
    policy: Option<Item<'t, '_>>,
    roots: &'t [(&files::Loaded, Node<'_>)],
) -> BTreeSet<&'t str> {
    let mut never = BTreeSet::new();
    if let Some(policy) = policy {
        names_under("never_block", policy.node, &mut never);
    }
    let mut blocked = BTreeSet::new();
    if !never.is_empty() {
        roots.iter().for_each(|(_, root)| names_under("block", root, &mut blocked));
    }
    never.difference(&blocked).copied().collect()
}

/// The texts of all lists under a key, wherever it stands.
fn names_under<'t>(key: &str, node: &'t NodeAt<'_>, into: &mut BTreeSet<&'t str>) {
    match &node.value {
        Value::Map(map) => {
            for entry in &map.entries {
                if let (Value::List(items), true) = (&entry.value.value, entry.key.text == key) {
                    into.extend(items.iter().filter_map(|item| match &item.value {
                        Value::Text(text) => Some(&**text),
                        Value::Null | Value::List(_) | Value::Map(_) | Value::Poisoned => None,
                    }));
                } else {
                    names_under(key, &entry.value, into);
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| names_under(key, item, into)),
        Value::Null | Value::Text(_) | Value::Poisoned => {}
    }
}

/// Looks the lists through for all hashes that the state declares. `None`: something is wrong, and reported.
pub(super) fn read<'t>(
    cx: &mut Context<'_>,
    named: &[(&'t str, Place)],
    lists: &BTreeMap<&'t str, Option<List>>,
    only_never_blocked: &BTreeSet<&str>,
) -> Option<NeverBlock> {
    let mut known = Forbidden::default();
    let mut large = Vec::new();
    let mut hashes = HashSet::new();
    let mut is_right = true;
    let mut wanted = None;
    for (name, place) in named {
        // A list that is wrong is reported where it stands.
        let Some(Some(list)) = lists.get(name) else {
            is_right = false;
            continue;
        };
        let Some(file) = &list.file else {
            refuse_ends(cx, list, name, *place);
            let inline = Forbidden::of(list.entries.iter().map(|entry| entry.hash));
            hashes.extend(inline.hashes.iter().copied());
            known.only_md5 += inline.only_md5;
            known.only_sha256 += inline.only_sha256;
            continue;
        };
        let wanted = wanted.get_or_insert_with(|| declared(cx, lists));
        let mut passing = Passing::new(wanted, true);
        let mut account = Account::never_to_block(&mut passing);
        let read = hash_list::read(&file.path, file.format, &mut account, &AtomicBool::new(false));
        // One that is blocked as well was read before, and what there is to say was said.
        let is_told = !only_never_blocked.contains(name);
        let stamp = match read {
            Ok(stamp) if is_told => Some(stamp),
            read => hash_list::report(cx, file, &account, read),
        };
        let Some(stamp) = stamp else {
            is_right = false;
            continue;
        };
        known.only_md5 += passing.only_md5;
        known.only_sha256 += passing.only_sha256;
        match passing.all {
            Some(all) => hashes.extend(all),
            None => {
                hashes.extend(passing.found);
                let ListFile { path, format, .. } = file.clone();
                large.push(Large { path, format, stamp, sum: passing.sum });
            }
        }
    }
    known.hashes = Arc::new(hashes);
    known.looked_up = wanted.filter(|_| !large.is_empty()).map(Arc::new);
    is_right.then(|| NeverBlock { known, large: large.into() })
}

/// All hashes that the state declares, whatever for.
fn declared(cx: &Context<'_>, lists: &BTreeMap<&str, Option<List>>) -> Wanted {
    let of_files = lists.values().flatten().flat_map(|list| list.entries.iter().map(|entry| entry.hash));
    Wanted::new(cx.hashes.iter().copied().chain(of_files).collect())
}

fn refuse_ends(cx: &mut Context<'_>, list: &List, name: &str, place: Place) {
    if let Some(entry) = list.entries.iter().find(|entry| entry.until.is_some()) {
        let message =
            format!("`until` of the hash list `{name}` ({}) has no effect under `never_block`", entry.origin);
        cx.report(
            Problem::new(Code::NoEffect, message)
                .at(place, "")
                .help("what must never be blocked has no end: take `until` out, or use another list"),
        );
    }
}
