//! Where the files lie that a state may make us read and quote.
//!
//! Who proposes a change writes paths and links into it, and the job that plans it shows what it read to everybody.
//! So only what lies beside the state is read: what `-f` names is followed wherever it leads, and from there no path,
//! no `..` and no link leads out.

use std::path::{Path, PathBuf};

use super::files::display;
use crate::diagnostic::{Code, Problem};

#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Canonical.
    folders: Vec<PathBuf>,
}

impl Reach {
    /// That of the folders that a user gave, and of those in which the files are that a user gave.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut folders = Vec::new();
        for path in paths {
            if path.is_dir() {
                folders.extend(canonical(path));
            } else {
                // A link that the user names, and the file that it leads to.
                folders.extend(path.parent().and_then(canonical));
                folders.extend(canonical(path).and_then(|file| file.parent().map(Path::to_owned)));
            }
        }
        Self { folders }
    }

    /// Why a file is not read that a state names or that was found; nothing for one that is not there.
    pub(super) fn refuse(&self, path: &Path) -> Option<Problem> {
        // Of what is not there as much as is: nobody is told what else exists.
        let leads_to = path.ancestors().find_map(canonical)?;
        let why = match self.folders.iter().find_map(|folder| within(folder, &leads_to)) {
            None => "it lies outside of the folder of this state",
            // A checkout keeps the credentials that fetched it there.
            Some(within) if within.components().any(|part| part.as_os_str() == ".git") => {
                "it belongs to Git, which keeps credentials there"
            }
            Some(_) => return None,
        };
        let problem = Problem::new(Code::Unreadable, format!("`{}` is not read: {why}", display(path)));
        Some(problem.about(display(path)).help(
            "who may change a state could have any file shown by it: put a copy beside the state, or give the folder that \
             holds both with `-f`",
        ))
    }
}

/// The rest of a path that leads into the folder.
#[expect(clippy::disallowed_methods, reason = "what does not begin with the folder lies elsewhere")]
fn within<'p>(folder: &Path, path: &'p Path) -> Option<&'p Path> {
    path.strip_prefix(folder).ok()
}

#[expect(clippy::disallowed_methods, reason = "what is not there leads nowhere")]
fn canonical(path: &Path) -> Option<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().ok()
}
