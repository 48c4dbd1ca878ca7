//! Hash lists: in the state, or in a text file with one hash a line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::decode::{Context, Item};
use super::tree::{Entry, Value};
use super::{files, hash};
use crate::diagnostic::{Code, Place, Problem};
use crate::model::{BlockEntry, BlockSet, FileHash, Origin, Untrusted};

/// The most bytes of a hash list file: over three million SHA-256.
const MAX_LIST_BYTES: u64 = 256 * 1024 * 1024;

/// Of the lines of one file that are no hashes, so many are shown: a file of another format has only such lines.
const MAX_SHOWN_LINES: usize = 5;

/// A list that was read.
pub(super) struct List {
    pub(super) entries: BlockSet,
    /// The first entry of each hash.
    pub(super) by_hash: BTreeMap<FileHash, usize>,
}

impl List {
    fn new(entries: Vec<BlockEntry>) -> Self {
        let mut by_hash = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            by_hash.entry(entry.hash).or_insert(index);
        }
        Self { entries: entries.into(), by_hash }
    }
}

/// `[hash, …]` or `{ file: lists/ransomware.txt }`.
pub(super) fn list(cx: &mut Context<'_>, entry: &Entry<'_>) -> Option<List> {
    let item = Item::of(entry);
    let name: Arc<str> = (*entry.key.text).into();
    if item.is_map() {
        return from_file(cx, item, &name);
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
                until: declared.until,
                list: Some(Arc::clone(&name)),
                origin: cx.origin(item.place()),
            }),
            None => is_right = false,
        }
    }
    is_right.then(|| List::new(entries))
}

fn from_file(cx: &mut Context<'_>, item: Item<'_, '_>, name: &Arc<str>) -> Option<List> {
    let mut table = item.table(cx, format!("the hash list `{name}`"), "a list of hashes")?;
    let format = table.item("format");
    let mut is_text = true;
    if let Some(format) = format {
        match format.text(cx, "the name of a format") {
            Some("text") => {}
            Some(other @ ("csv" | "stix" | "misp")) => {
                is_text = false;
                let message = format!(
                    "hash lists in the format `{other}` are not supported by this version of kedrctl"
                );
                let _reported: Option<()> =
                    format.wrong(cx, Code::NotSupported, message, "write a text file with one hash a line");
            }
            Some(other) => {
                is_text = false;
                let message = format!("`{other}` is no format of hash lists");
                let _reported: Option<()> =
                    format.wrong(cx, Code::BadValue, message, "write `text`: one hash a line");
            }
            None => is_text = false,
        }
    }
    let file = table.required(cx, "file", "file: lists/hashes.txt", |cx, file| {
        let written = file.text(cx, "the path of a text file")?;
        let ending = Path::new(written).extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some(other @ ("csv" | "json")) if format.is_none() => file.wrong(
                cx,
                Code::NotSupported,
                format!("hash lists in `.{other}` files are not supported by this version of kedrctl"),
                "write a text file with one hash a line; `format: text` reads this file as one",
            ),
            Some(_) | None => Some((file, cx.path(file.node.place, written))),
        }
    });
    table.finish(cx);
    let (item, path) = file.filter(|_| is_text)?;
    read(cx, &path, item.place(), name)
}

/// `declared_at` is where the state names the file.
fn read(cx: &mut Context<'_>, path: &Path, declared_at: Place, name: &Arc<str>) -> Option<List> {
    let text = match files::read_text(path, MAX_LIST_BYTES, cx.sources) {
        Ok(text) => text,
        Err(problem) => {
            let is_inside = !problem.labels.is_empty();
            cx.report(match is_inside {
                true => problem.and(declared_at, "named here"),
                false => problem.at(declared_at, ""),
            });
            return None;
        }
    };
    let lines = Lines::read(&text, &files::display(path), name);
    if lines.wrong.is_empty() && lines.sha1.is_empty() {
        if lines.entries.is_empty() {
            cx.report(
                Problem::new(
                    Code::NoHashes,
                    format!("the hash list `{name}` is empty: its file has no hashes"),
                )
                .at(declared_at, "")
                .help("was it written whole?"),
            );
        }
        return Some(List::new(lines.entries));
    }
    // Only a file with something to show is kept.
    let file = cx.sources.add(files::display(path), text);
    let at = |(start, end): (usize, usize)| Place::new(file, start, end);
    if let (Some((first, _)), true, true) =
        (lines.wrong.get(1), lines.entries.is_empty(), lines.sha1.is_empty())
    {
        let message =
            format!("the file of the hash list `{name}` is of another format: no line of it is a hash");
        cx.report(
            Problem::new(Code::BadHash, message)
                .at(at(*first), "this, for one")
                .and(declared_at, "named here")
                .help("a hash list is a text file with one MD5 or SHA-256 a line and comments after `#`"),
        );
        return None;
    }
    for (span, (code, message, help)) in lines.wrong.iter().take(MAX_SHOWN_LINES) {
        let mut problem = Problem::new(*code, message.clone()).at(at(*span), "");
        problem.help = help.map(str::to_owned);
        cx.report(problem);
    }
    if let Some((span, _)) = lines.wrong.get(MAX_SHOWN_LINES) {
        let more = lines.wrong.len() - MAX_SHOWN_LINES;
        cx.report(
            Problem::new(Code::BadHash, format!("{more} more lines of this file are wrong"))
                .at(at(*span), "the next one")
                .help("a hash list is a text file with one MD5 or SHA-256 a line and comments after `#`"),
        );
    }
    if let Some(first) = lines.sha1.first() {
        let count = match lines.sha1.len() {
            1 => "1 SHA-1 is skipped".to_owned(),
            many => format!("{many} SHA-1 are skipped"),
        };
        cx.report(
            Problem::new(Code::SkippedHashes, format!("{count}: files are blocked by MD5 or SHA-256 only"))
                .at(at(*first), "the first one")
                .help("where only the SHA-1 is known, the file cannot be blocked"),
        );
    }
    lines.wrong.is_empty().then(|| List::new(lines.entries))
}

type Wrong = (Code, String, Option<&'static str>);

/// What the lines of a text file say; places are (start, end) in its text.
#[derive(Default)]
struct Lines {
    entries: Vec<BlockEntry>,
    wrong: Vec<((usize, usize), Wrong)>,
    sha1: Vec<(usize, usize)>,
}

impl Lines {
    fn read(text: &str, display: &Arc<str>, list: &Arc<str>) -> Self {
        let mut lines = Self::default();
        let mut start = 0;
        for (line, number) in text.split('\n').zip(1_u32..) {
            // Editors on Windows put a byte order mark before the first line.
            let content = line.strip_prefix('\u{feff}').filter(|_| start == 0).unwrap_or(line);
            let (before, comment) = match content.split_once('#') {
                Some((before, comment)) => (before, Some(comment.trim())),
                None => (content, None),
            };
            let hash = before.trim();
            if !hash.is_empty() {
                let at = start + (hash.as_ptr() as usize - line.as_ptr() as usize);
                let span = (at, at + hash.len());
                if hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    lines.sha1.push(span);
                } else {
                    match hash::check(hash) {
                        Ok(hash) => lines.entries.push(BlockEntry {
                            hash,
                            comment: comment.filter(|text| !text.is_empty()).map(Untrusted::new),
                            until: None,
                            list: Some(Arc::clone(list)),
                            origin: Origin { file: Arc::clone(display), line: number },
                        }),
                        Err((code, message, help)) => {
                            // As sha256sum prints it.
                            let first = hash.split_whitespace().next().unwrap_or(hash);
                            let is_before = first.len() < hash.len() && first.parse::<FileHash>().is_ok();
                            let after = "put what follows the hash behind a `#`";
                            lines
                                .wrong
                                .push((span, (code, message, if is_before { Some(after) } else { help })));
                        }
                    }
                }
            }
            start += line.len() + 1;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_file_has_one_hash_a_line() {
        let text = "\u{feff}# feed\r\n\r\n900150983CD24FB0D6963F7D28E17F72  # dropper.exe\r\n\
                    \ta9993e364706816aba3e25717850c26c9cd0d89d\nnot a hash\n900150983cd24fb0d6963f7d28e17f72";
        let lines = Lines::read(text, &"l.txt".into(), &"l".into());
        assert_eq!(lines.entries.len(), 2);
        assert_eq!(lines.entries[0].comment.as_ref().map(Untrusted::raw), Some("dropper.exe"));
        assert_eq!(lines.entries[0].origin.to_string(), "l.txt:3");
        assert_eq!(lines.entries[1].origin.to_string(), "l.txt:6");
        let slice = |(start, end): (usize, usize)| &text[start..end];
        assert_eq!(slice(lines.sha1[0]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(slice(lines.wrong[0].0), "not a hash");
    }
}
