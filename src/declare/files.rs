//! From the paths that a user gives to the texts of state files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bounded;
use super::reach::Reach;
use crate::diagnostic::{Code, FileId, Place, Problem, Sources};

/// The most bytes of one state file. Far beyond what people write (100,000 hosts are 21 MB), so that a mistaken
/// path (a disk image, a log) is refused before it fills the memory.
pub(super) const MAX_STATE_BYTES: u64 = 64 * 1024 * 1024;

/// The most bytes of all files of a state together: the tree of a file takes ten times its size.
const MAX_ALL_BYTES: u64 = 2 * MAX_STATE_BYTES;

/// A file that was read.
pub(super) struct Loaded {
    pub(super) file: FileId,
    pub(super) path: PathBuf,
    /// The one path that leads to it whatever links there are.
    pub(super) canonical: PathBuf,
    /// Found in a folder, not named by the user: it may be something that the state refers to.
    pub(super) is_found: bool,
}

/// A file that is to be read.
struct Found {
    path: PathBuf,
    canonical: PathBuf,
    is_found: bool,
    bytes: u64,
}

/// All state files under the given paths, each once, in the order of the paths and by name in folders.
pub(super) fn load(
    paths: &[PathBuf],
    reach: &Reach,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Vec<Loaded> {
    let mut walk = Walk { problems, reach, seen: BTreeSet::new(), met: 0, found: Vec::new() };
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let (met, reported) = (walk.met, walk.problems.len());
                let is_new = walk.folder(path);
                if is_new && walk.met == met && walk.problems.len() == reported {
                    let message = format!("the folder `{}` has no state files", display(path));
                    walk.problems.push(Problem::new(Code::NoStateFiles, message).about(display(path)).help(
                        "state files end in `.yaml` or `.yml`; names that begin with a dot are not looked at",
                    ));
                }
            }
            Ok(_) => walk.file(path, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("there is no file or folder `{}`", display(path));
                walk.problems.push(
                    Problem::new(Code::NoSuchPath, message)
                        .about(display(path))
                        .help("give the path of a state file, or of a folder with state files"),
                );
            }
            Err(error) => walk.unreadable(path, &error),
        }
    }
    let found = walk.found;
    if found.iter().map(|found| found.bytes).sum::<u64>() > MAX_ALL_BYTES {
        let message =
            format!("the files of this state have over {} MiB together", MAX_ALL_BYTES / 1024 / 1024);
        let help = "is this the right folder? a state can be kept in several, each with its own record";
        problems.push(Problem::new(Code::TooLarge, message).help(help));
        return Vec::new();
    }
    let mut loaded = Vec::new();
    for Found { path, canonical, is_found, bytes: _ } in found {
        match read_text(&path, MAX_STATE_BYTES, sources) {
            Ok(text) => {
                loaded.push(Loaded { file: sources.add(display(&path), text), path, canonical, is_found })
            }
            Err(problem) => problems.push(problem),
        }
    }
    loaded
}

/// The text of a file, or what is wrong with it.
pub(super) fn read_text(path: &Path, max_bytes: u64, sources: &mut Sources) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    if file.metadata().map_err(|error| unreadable(path, &error))?.len() > max_bytes {
        return Err(too_large(path, max_bytes));
    }
    // It may grow while it is read.
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(path, max_bytes));
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(path, error.as_bytes(), sources))
}

/// Shown at the first byte that is wrong; UTF-16 is wrong from the first to the last.
fn not_utf8(path: &Path, bytes: &[u8], sources: &mut Sources) -> Problem {
    let display = display(path);
    let problem =
        Problem::new(Code::NotUtf8, format!("`{display}` is not UTF-8")).about(Arc::clone(&display));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return problem.help("it looks like UTF-16: save it as UTF-8");
    }
    let text = String::from_utf8_lossy(bytes);
    // Up to there nothing was replaced, so offsets in both are the same.
    let at = text.find(char::REPLACEMENT_CHARACTER).unwrap_or(0);
    let place = Place::new(sources.add(display, &*text), at, at + char::REPLACEMENT_CHARACTER.len_utf8());
    problem
        .at(place, "this byte is no part of a character")
        .help("save it as UTF-8: editors call that the encoding of the file")
}

/// Opens a regular file: a pipe that nobody writes to or a device would be read for ever.
pub(super) fn open(path: &Path) -> Result<fs::File, Problem> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(unreadable(path, &io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        let message = format!("`{}` is no regular file", display(path));
        return Err(Problem::new(Code::Unreadable, message)
            .about(display(path))
            .help("pipes and devices are not read: write what they give to a file"));
    }
    fs::File::open(path).map_err(|error| unreadable(path, &error))
}

pub(super) fn too_large(path: &Path, max_bytes: u64) -> Problem {
    let message = format!("`{}` is larger than {} MiB", display(path), max_bytes / 1024 / 1024);
    Problem::new(Code::TooLarge, message).about(display(path)).help("is this the right file?")
}

/// A path as the user would write it: relative to the current folder, with `/`.
pub(super) fn display(path: &Path) -> Arc<str> {
    // Where the current folder is not known, the path is shown as it is.
    let relative = match std::env::current_dir() {
        Ok(current) => path.strip_prefix(&current).unwrap_or(path).to_owned(),
        // The current folder was removed: the path is shown as it is.
        Err(_) => path.to_owned(),
    };
    let relative = relative.strip_prefix(".").unwrap_or(&relative);
    let text = if relative.as_os_str().is_empty() { ".".to_owned() } else { relative.display().to_string() };
    if cfg!(windows) { text.replace('\\', "/").into() } else { text.into() }
}

struct Walk<'a> {
    problems: &'a mut Vec<Problem>,
    reach: &'a Reach,
    /// By canonical path: a file or folder that is reached twice is read once, and links in a circle end.
    seen: BTreeSet<PathBuf>,
    /// State files that were met, those of them too that were read before.
    met: usize,
    found: Vec<Found>,
}

impl Walk<'_> {
    /// Whether this folder was not walked before.
    fn folder(&mut self, path: &Path) -> bool {
        match path.canonicalize() {
            Ok(canonical) => {
                if !self.seen.insert(canonical) {
                    return false;
                }
            }
            Err(error) => {
                self.unreadable(path, &error);
                return true;
            }
        }
        let entries = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.unreadable(path, &error);
                return true;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match fs::metadata(&path) {
                // A link may lead anywhere: what else lies there is nobody's business, not even by its name.
                Ok(metadata) if metadata.is_dir() => match self.reach.refuse(&path) {
                    Some(problem) => self.report(problem),
                    None => {
                        self.folder(&path);
                    }
                },
                Ok(_) if is_yaml(&path) => self.file(&path, true),
                Ok(_) => {}
                // Only a file that could be a state matters; a dangling link to something else does not.
                Err(error) if is_yaml(&path) => self.unreadable(&path, &error),
                Err(_) => {}
            }
        }
        true
    }

    fn file(&mut self, path: &Path, is_found: bool) {
        self.met += 1;
        let canonical = match path.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) => return self.unreadable(path, &error),
        };
        if let Some(problem) = self.reach.refuse(path).filter(|_| is_found) {
            return self.report(problem);
        }
        if !self.seen.insert(canonical.clone()) {
            // Named by the user after all: then it is a state, whatever refers to it.
            if let Some(known) = self.found.iter_mut().find(|found| found.canonical == canonical) {
                known.is_found &= is_found;
            }
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) => {
                // What is too large alone is refused alone.
                let bytes = Some(metadata.len()).filter(|bytes| *bytes <= MAX_STATE_BYTES).unwrap_or(0);
                self.found.push(Found { path: path.to_owned(), canonical, is_found, bytes });
            }
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.report(unreadable(path, error));
    }

    fn report(&mut self, problem: Problem) {
        bounded::add(self.problems, problem);
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the standard library's own enum, whose words serve the rest"
    )]
    let (reason, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "it does not exist".to_owned(),
            "check the path, and that the file was fetched; paths in a state are relative to the file that they stand in",
        ),
        io::ErrorKind::PermissionDenied => {
            ("permission denied".to_owned(), "let the user that runs kedrctl read it")
        }
        io::ErrorKind::IsADirectory => ("it is a folder".to_owned(), "write the path of a file in it"),
        other => (other.to_string(), "check the disk or share that it is on"),
    };
    Problem::new(Code::Unreadable, format!("`{}` cannot be read: {reason}", display(path)))
        .about(display(path))
        .help(help)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}
