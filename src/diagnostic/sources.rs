use std::sync::Arc;

use crate::model::Origin;

/// The files that were read, by id.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Debug, Clone)]
struct Source {
    /// As the user would write it, relative to the current folder.
    display: Arc<str>,
    text: Arc<str>,
    /// The same, but for what was masked.
    shown: Arc<str>,
    /// The byte at which each line begins.
    line_starts: Vec<u32>,
    /// Where in its file the text begins: lines before it, and characters before it in its first line.
    before: (usize, usize),
}

/// A file of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// Bytes from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// From 0, where the text begins that was kept: in an excerpt not where its file begins.
    pub start: u32,
    /// Counted from the same beginning; never before `start`.
    pub end: u32,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// An id of the [`Sources`] that the place was made with; it means nothing to others.
    pub file: FileId,
    /// In the text of that file, as far as it was kept.
    pub span: Span,
}

/// A point in a file, as people and other programs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// From 0, in bytes from the beginning of the file; `None` where only a piece of the file was kept.
    pub offset: Option<usize>,
}

impl Place {
    /// Offsets beyond 4 GiB do not occur: files are refused long before.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let start = narrow(start);
        Self { file, span: Span { start, end: narrow(end).max(start) } }
    }
}

/// A text whose letters and digits are `x`. It has as many bytes as before, so that places in it hold.
pub fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if !c.is_alphanumeric() => c.to_string(),
        c => "x".repeat(c.len_utf8()),
    };
    text.chars().map(mask).collect()
}

impl Sources {
    /// `display` is the path as the user would write it.
    pub fn add(&mut self, display: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        self.add_excerpt(display, text, (0, 0))
    }

    /// A piece of a file that is too large to be kept; `before` says how many lines stand before it, and how many
    /// characters before it in its first line.
    pub fn add_excerpt(
        &mut self,
        display: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
        before: (usize, usize),
    ) -> FileId {
        let text: Arc<str> = text.into();
        let after_breaks = text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let shown = Arc::clone(&text);
        self.files.push(Source { display: display.into(), text, shown, line_starts, before });
        id
    }

    /// From now on only the shape of what stands at this place is shown.
    pub fn mask(&mut self, place: Place) {
        let shown = &mut self.files[place.file.0 as usize].shown;
        let (start, end) = (place.span.start as usize, place.span.end as usize);
        if let (Some(before), Some(secret), Some(after)) =
            (shown.get(..start), shown.get(start..end), shown.get(end..))
        {
            *shown = format!("{before}{}{after}", masked(secret)).into();
        }
    }

    /// The path of the first file that was read.
    pub fn first(&self) -> Option<Arc<str>> {
        self.files.first().map(|source| Arc::clone(&source.display))
    }

    /// The whole text of a file, as it was read.
    pub fn text(&self, file: FileId) -> Arc<str> {
        Arc::clone(&self.source(file).text)
    }

    /// As much of it as may be shown: the same, with secrets masked.
    pub(super) fn shown(&self, file: FileId) -> Arc<str> {
        Arc::clone(&self.source(file).shown)
    }

    /// The path as the user would write it.
    pub fn display(&self, file: FileId) -> Arc<str> {
        Arc::clone(&self.source(file).display)
    }

    /// The text that stands at a place.
    pub fn slice(&self, place: Place) -> &str {
        self.source(place.file).text.get(place.span.start as usize..place.span.end as usize).unwrap_or("")
    }

    /// File and line, as a plan or a record quotes them.
    pub fn origin(&self, place: Place) -> Origin {
        let source = self.source(place.file);
        let line = source.before.0 + source.line_index(place.span.start) + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Origin { file: Arc::clone(&source.display), line }
    }

    /// Line and column, both counted from 1, the column in characters.
    pub(super) fn line_and_column(&self, place: Place) -> (usize, usize) {
        let start = self.position(place.file, place.span.start);
        (start.line, start.column)
    }

    /// Where a place begins, and the point after its last character.
    pub fn extent(&self, place: Place) -> (Position, Position) {
        (self.position(place.file, place.span.start), self.position(place.file, place.span.end))
    }

    fn position(&self, file: FileId, offset: u32) -> Position {
        let source = self.source(file);
        let line = source.line_index(offset);
        let offset = offset as usize;
        let before = source.text.get(source.line_starts[line] as usize..offset).unwrap_or("");
        let (lines, characters) = source.before;
        let characters = if line == 0 { characters } else { 0 };
        Position {
            line: lines + line + 1,
            column: characters + before.chars().count() + 1,
            offset: (source.before == (0, 0)).then_some(offset),
        }
    }

    /// The number of a line in its whole file, counted from 1.
    pub(super) fn line_number(&self, file: FileId, line: usize) -> usize {
        self.source(file).before.0 + line + 1
    }

    /// The line in which a place begins, counted from 0 and from where the text begins.
    pub(super) fn line_index(&self, place: Place) -> usize {
        self.source(place.file).line_index(place.span.start)
    }

    /// First byte of a line and the byte after its last, its line break left out.
    pub(super) fn line_span(&self, file: FileId, line: usize) -> (usize, usize) {
        let source = self.source(file);
        let start = source.line_starts[line] as usize;
        let end = source.line_starts.get(line + 1).map_or(source.text.len(), |next| *next as usize);
        let end = start + source.text[start..end].trim_end_matches(['\n', '\r']).len();
        (start, end)
    }

    /// Ids are made by [`Sources::add`] alone and files are never taken out.
    fn source(&self, file: FileId) -> &Source {
        &self.files[file.0 as usize]
    }
}

impl Source {
    fn line_index(&self, offset: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "first\r\nвторой x\n");
        let x = Place::new(file, 20, 21);
        assert_eq!(sources.slice(x), "x");
        assert_eq!(sources.line_and_column(x), (2, 8));
        assert_eq!(sources.origin(x).to_string(), "a.yaml:2");
        assert_eq!(sources.line_span(file, 0), (0, 5));
        let (start, end) = sources.extent(Place::new(file, 7, 21));
        assert_eq!(start, Position { line: 2, column: 1, offset: Some(7) });
        assert_eq!(end, Position { line: 2, column: 9, offset: Some(21) });
        let end = Place::new(file, 22, 22);
        assert_eq!(sources.line_and_column(end), (3, 1));
        let excerpt = sources.add_excerpt("big.txt", "x\ny", (6, 40));
        assert_eq!(sources.line_and_column(Place::new(excerpt, 0, 1)), (7, 41));
        assert_eq!(sources.line_and_column(Place::new(excerpt, 2, 3)), (8, 1));
        assert_eq!(sources.origin(Place::new(excerpt, 2, 3)).to_string(), "big.txt:8");
    }
}
