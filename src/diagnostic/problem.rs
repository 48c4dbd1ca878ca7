use std::sync::Arc;

use super::{Code, Place};

/// Something wrong or doubtful in a file: what, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind, from which its severity and its explanation follow.
    pub code: Code,
    /// What is wrong, in lower case without a full stop.
    pub message: String,
    /// Primary places first. Empty where the problem is not inside a file (a path that does not exist).
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The file or folder that it is about, as the user would write it, where it is not inside one.
    pub path: Option<Arc<str>>,
}

/// Whether a problem keeps the state from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does; its code begins with `E`.
    Error,
    /// It does not: it may be meant so. Its code begins with `W`.
    Warning,
}

/// A place with a few words about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The piece of a file that is marked; may be empty, such as the end of a file.
    pub place: Place,
    /// May be empty where the message says it all.
    pub text: String,
    /// Whether this is where the problem is; other labels show what it has to do with.
    pub is_primary: bool,
}

impl Problem {
    /// A problem that is nowhere yet: [`Problem::at`] says where.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), labels: Vec::new(), help: None, path: None }
    }

    /// Adds a place where the problem is.
    #[must_use]
    pub fn at(self, place: Place, text: impl Into<String>) -> Self {
        self.label(place, text, true)
    }

    /// Adds a place that has to do with it.
    #[must_use]
    pub fn and(self, place: Place, text: impl Into<String>) -> Self {
        self.label(place, text, false)
    }

    /// What to do about it; the last one counts.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says which file or folder it is about, where no place can.
    #[must_use]
    pub fn about(mut self, path: Arc<str>) -> Self {
        self.path = Some(path);
        self
    }

    /// That of its code.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether it keeps the state from being used.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// Where the problem is; `None` where it is not inside a file.
    pub fn place(&self) -> Option<Place> {
        self.labels.first().map(|label| label.place)
    }

    fn label(mut self, place: Place, text: impl Into<String>, is_primary: bool) -> Self {
        self.labels.push(Label { place, text: text.into(), is_primary });
        self
    }
}

/// In the order of files and of places in them, those outside of files first; each once, although an alias may
/// have led to it several times.
pub fn in_source_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    let key = |problem: &Problem| (problem.place(), problem.code);
    problems.sort_by_key(key);
    // Sorted by place, equal problems stand in one short run, but not always side by side.
    let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        let run = kept.iter().rev().take_while(|earlier| key(earlier) == key(&problem));
        if !run.into_iter().any(|earlier| *earlier == problem) {
            kept.push(problem);
        }
    }
    kept
}
