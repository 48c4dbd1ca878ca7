//! Hash lists: in the state, or in a file of one of four formats.

mod account;
mod csv;
mod file;
mod json;
mod lines;
mod misp;
mod pattern;
#[cfg(test)]
mod properties;
mod report;
mod stix;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(super) use account::{Account, End, Named, Sink};
pub(super) use file::{Format, ListFile, Stamp, read};
pub(super) use report::report;

use super::decode::{Context, Item, one_of};
use super::tree::{Entry, Value};
use super::{files, hash};
use crate::diagnostic::{Code, Problem};
use crate::model::{BlockEntry, BlockSet, FileHash, Origin, Untrusted};

/// The most hashes of a list that is blocked: far beyond what a Central Node takes in one rule, so that a mistaken
/// file does not fill the memory.
const MAX_HASHES: usize = 2_000_000;

/// Of a comment, so many characters are kept.
const MAX_COMMENT: usize = 200;

/// A list that was read.
pub(super) struct List {
    pub(super) entries: BlockSet,
    /// Its file, where it has one.
    pub(super) file: Option<ListFile>,
    /// Indices of entries, in the order of their hashes.
    by_hash: Vec<u32>,
}

impl List {
    fn new(entries: Vec<BlockEntry>, file: Option<ListFile>) -> Self {
        let mut by_hash: Vec<u32> = (0..).take(entries.len()).collect();
        by_hash.sort_by_key(|index| (entries[*index as usize].hash, *index));
        Self { entries: entries.into(), file, by_hash }
    }

    /// The first entry of a hash.
    pub(super) fn find(&self, hash: &FileHash) -> Option<&BlockEntry> {
        let at = self.by_hash.partition_point(|index| self.entries[*index as usize].hash < *hash);
        let entry = &self.entries[*self.by_hash.get(at)? as usize];
        (entry.hash == *hash).then_some(entry)
    }
}

/// `[hash, …]` or `{ file: lists/ransomware.txt }`. A file is read only where the list `is_blocked`: what is never to
/// be blocked is looked through when it is known what for.
pub(super) fn list(cx: &mut Context<'_>, entry: &Entry<'_>, is_blocked: bool) -> Option<List> {
    let item = Item::of(entry);
    let name: Arc<str> = (*entry.key.text).into();
    if item.is_map() {
        let file = list_file(cx, item, name)?;
        return if is_blocked { blocked(cx, file) } else { Some(List::new(Vec::new(), Some(file))) };
    }
    if let Value::Text(text) = &item.node.value {
        let (what, text) = (item.what(), text.to_string());
        let message = format!("{what} takes a list of hashes or a file, not a text");
        let help = if hash::is_meant(&text) {
            format!("write `[{text}]`")
        } else {
            format!("write `{{ file: {text} }}`")
        };
        return item.wrong(cx, Code::WrongType, message, help);
    }
    let mut entries = Vec::new();
    let mut is_right = true;
    for item in item.list(cx, "a list of hashes or `{ file: … }`")? {
        match hash::declared(cx, item) {
            Some(declared) => entries.push(BlockEntry {
                hash: declared.hash,
                comment: declared.comment,
                from: None,
                until: declared.until,
                list: Some(Arc::clone(&name)),
                origin: cx.origin(item.place()),
            }),
            None => is_right = false,
        }
    }
    is_right.then(|| List::new(entries, None))
}

/// `{ file: lists/feed.json, format: stix }`.
fn list_file(cx: &mut Context<'_>, item: Item<'_, '_>, name: Arc<str>) -> Option<ListFile> {
    let mut table = item.table(cx, format!("the hash list `{name}`"), "a list of hashes")?;
    let format = table.optional(cx, "format", |cx, item| {
        let written = item.text(cx, "the name of a format")?;
        let known = Format::ALL.into_iter().find(|(name, _)| *name == written);
        if known.is_none() {
            let names = Format::ALL.map(|(name, _)| name);
            let message = format!("`{written}` is no format of hash lists");
            return item.wrong(cx, Code::BadValue, message, format!("write {}", one_of(&names)));
        }
        known.map(|(_, format)| format)
    });
    let file = table.required(cx, "file", "file: lists/hashes.txt", |cx, file| {
        let written = file.text(cx, "the path of a file with hashes")?;
        Some((file, written))
    });
    table.finish(cx);
    let (file, written) = file?;
    let format = match format.or_none()? {
        Some(format) => format,
        None => match Format::of(written) {
            Some(format) => format,
            None => {
                return file.wrong(
                    cx,
                    Code::MissingKey,
                    format!("`{written}` may be a STIX bundle or a MISP event: its name does not tell"),
                    "add `format: stix` or `format: misp`, or let its name end in `.stix.json` or `.misp.json`",
                );
            }
        },
    };
    let path = cx.path_within(file.node.place, written)?;
    Some(ListFile { name, path, format, declared_at: file.place() })
}

/// All entries of a file.
fn blocked(cx: &mut Context<'_>, file: ListFile) -> Option<List> {
    let mut entries = Entries {
        entries: Vec::new(),
        room: MAX_HASHES,
        list: Arc::clone(&file.name),
        display: files::display(&file.path),
    };
    let mut account = Account::to_block(&mut entries);
    let read = read(&file.path, file.format, &mut account, &AtomicBool::new(false));
    report(cx, &file, &account, read)?;
    Some(List::new(entries.entries, Some(file)))
}

/// Keeps what is to be blocked.
struct Entries {
    entries: Vec<BlockEntry>,
    /// The most of them.
    room: usize,
    list: Arc<str>,
    display: Arc<str>,
}

impl Sink for Entries {
    fn take(&mut self, file: &Named<'_>) -> Result<(), End> {
        // Of a file with both hashes, the one that nobody can forge.
        let Some(hash) = file.sha256.or(file.md5) else { return Ok(()) };
        if self.entries.len() >= self.room {
            let message = format!("the hash list `{}` has over {} hashes", self.list, self.room);
            let help = "no Central Node takes so many in a rule; a list that only `never_block` names may have any number";
            return Err(Problem::new(Code::TooLarge, message).help(help).into());
        }
        let comment = file.comment.map(|text| match text.char_indices().nth(MAX_COMMENT) {
            Some((end, _)) => Untrusted::new(&text[..end]),
            None => Untrusted::new(text),
        });
        self.entries.push(BlockEntry {
            hash,
            comment,
            from: file.from,
            until: file.until,
            list: Some(Arc::clone(&self.list)),
            origin: Origin { file: Arc::clone(&self.display), line: file.line },
        });
        Ok(())
    }
}
