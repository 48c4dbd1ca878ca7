//! Text to [`Declared`]: a tree with places, a decoder that gathers every problem, hash lists.

mod address;
mod all_hosts;
mod bounded;
mod declared;
mod declared_group;
mod decode;
mod exclusion;
mod files;
mod group;
mod hash;
mod hash_list;
mod host;
mod isolation;
mod members;
mod names;
mod never_block;
mod number;
mod policy;
mod prevention;
#[cfg(test)]
mod properties;
mod reach;
mod schema;
mod server;
mod state;
mod syntax;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod time;
mod tree;
mod wanted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::ServerUrlError;
pub use declared::*;
pub use declared_group::*;
pub use never_block::{Forbidden, MayBlock, NeverBlock, NeverBlockError};
pub use schema::{schema, write_schema};

use crate::diagnostic::{Code, FileId, Place, Problem, Sources, in_source_order};
use decode::{Context, beside};
use files::Loaded;
use reach::Reach;
use tree::{Document, Node, Value};

/// What reading the files of a state gave.
#[derive(Debug)]
pub struct Read {
    /// The texts that places point into: states, lists of hosts, and of hash lists the lines with problems.
    pub sources: Sources,
    /// The files that make the state, in the order in which they were read.
    pub states: Vec<FileId>,
    /// `None` when there are errors.
    pub declared: Option<Declared>,
    /// Errors and warnings, in source order.
    pub problems: Vec<Problem>,
}

/// Reads all files under the given paths as one state; every problem is found in one run.
///
/// A folder means every `*.yaml` and `*.yml` in it and below, in name order, without names that begin with a dot
/// and without the files that the state itself refers to. Nothing but these files and the lists that they name is
/// read, and of these only what lies in the given folders: no key, no environment variable, no network.
pub fn read(paths: &[PathBuf]) -> Read {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let reach = Reach::of(paths);
    let loaded = files::load(paths, &reach, &mut sources, &mut problems);
    let texts: Vec<Arc<str>> = loaded.iter().map(|file| sources.text(file.file)).collect();
    let mut parsed: Vec<Parsed<'_, '_>> = Vec::with_capacity(loaded.len());
    for (file, text) in loaded.iter().zip(&texts) {
        let mut problems = Vec::new();
        let document = tree::parse(file.file, text, &mut problems);
        parsed.push(Parsed { loaded: file, document, problems });
    }
    let referred: BTreeSet<PathBuf> = parsed.iter().flat_map(Parsed::refers_to).collect();
    parsed.retain(|file| {
        !file.loaded.is_found || !referred.contains(&file.loaded.canonical) || file.is_clearly_a_state()
    });
    if parsed.is_empty() && problems.is_empty() && !paths.is_empty() {
        // What is read is not what was meant: without this a state of nothing would be in sync.
        let message = "no file under these paths is a state: other files refer to each of them";
        problems.push(Problem::new(Code::NoStateFiles, message).help("a state begins with `version: 1`"));
    }

    let mut is_whole = problems.is_empty() && !paths.is_empty();
    if paths.is_empty() {
        problems.push(Problem::new(Code::NoSuchPath, "no state file is given"));
    }
    let states = parsed.iter().map(|file| file.loaded.file).collect();
    let mut roots = Vec::with_capacity(parsed.len());
    let mut folders = std::collections::BTreeMap::new();
    for file in parsed {
        file.problems.into_iter().for_each(|problem| bounded::add(&mut problems, problem));
        folders.insert(file.loaded.file, folder_of(&file.loaded.path));
        match file.document {
            Document::Root(node) => roots.push((file.loaded, node)),
            Document::Broken => is_whole = false,
            Document::Empty => {
                let message = format!("`{}` is empty", sources.display(file.loaded.file));
                let end = Place::new(file.loaded.file, 0, 0);
                problems.push(
                    Problem::new(Code::EmptyFile, message)
                        .at(end, "")
                        .help("a state begins with `version: 1`"),
                );
                is_whole = false;
            }
        }
    }
    let mut cx =
        Context { sources: &mut sources, problems, folders, reach, hashes: Vec::new(), exclusion_rules: 0 };
    let declared = state::state(&mut cx, &roots, is_whole, default_record(paths));
    let mut problems = cx.problems;
    problems.extend(bounded::rest(&problems));
    let problems = in_source_order(problems);
    drop(roots);
    let is_right = !problems.iter().any(Problem::is_error);
    Read { declared: declared.filter(|_| is_right), states, sources, problems }
}

/// A file, read as YAML.
struct Parsed<'s, 'l> {
    loaded: &'l Loaded,
    document: Document<'s>,
    problems: Vec<Problem>,
}

impl Parsed<'_, '_> {
    /// Whether this has what only a state has: it is not left out because another file refers to it by mistake,
    /// for what it declares would silently be managed no more.
    fn is_clearly_a_state(&self) -> bool {
        let Document::Root(root) = &self.document else { return false };
        entries(root).iter().any(|entry| match &*entry.key.text {
            "servers" | "exclusions" | "hash_lists" | "policy" | "record" | "owner" | "groups"
            | "all_hosts" | "tasks" => true,
            // The hosts of a fleet are a list.
            "hosts" => matches!(entry.value.value, Value::Map(_)),
            _ => false,
        })
    }

    /// The files that this one refers to and that could stand among the states.
    fn refers_to(&self) -> Vec<PathBuf> {
        let Document::Root(root) = &self.document else { return Vec::new() };
        let folder = folder_of(&self.loaded.path);
        let mut written = Vec::new();
        for (section, key) in [("servers", "simulator"), ("hash_lists", "file"), ("groups", "hosts_file")] {
            let sections = entries(root).iter().filter(|entry| entry.key.text == section);
            for named in sections.flat_map(|entry| entries(&entry.value)) {
                written.extend(entries(&named.value).iter().filter(|entry| entry.key.text == key));
            }
        }
        let mut paths = Vec::new();
        for entry in written {
            // What does not exist cannot stand among the states either.
            if let Value::Text(text) = &entry.value.value
                && let Ok(path) = beside(&folder, text).canonicalize()
            {
                paths.push(path);
            }
        }
        paths
    }
}

fn entries<'t, 's>(node: &'t Node<'s>) -> &'t [tree::Entry<'s>] {
    match &node.value {
        Value::Map(map) => &map.entries,
        Value::Null | Value::Text(_) | Value::List(_) | Value::Poisoned => &[],
    }
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// `.kedrctl` in the folder, or beside the file, that is the state; `None` where several paths were given.
fn default_record(paths: &[PathBuf]) -> Option<RecordLocation> {
    let [path] = paths else { return None };
    let folder = if path.is_dir() { path.clone() } else { folder_of(path) };
    let place = RecordPlace::Folder(beside(&folder, ".kedrctl"));
    Some(RecordLocation { place, is_declared: false })
}
