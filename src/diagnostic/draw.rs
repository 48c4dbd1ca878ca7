use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{FileId, Label, Place, Problem, Severity, Sources};
use crate::model::Untrusted;

/// How a problem is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// With the escape sequences of a terminal.
    pub color: bool,
    /// Columns; long lines are cut around what matters.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { color: false, width: 120 }
    }
}

/// A message with the lines that it is about. It ends without a line break.
///
/// What came from files can neither move the cursor nor pretend to be other text.
pub fn draw(problem: &Problem, sources: &Sources, look: Look) -> String {
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&problem.message)).id(problem.code.as_str());
    let mut group = Group::with_title(title);
    for window in windows(&problem.labels, sources) {
        group = window.draw(group, sources);
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let renderer = if look.color { Renderer::styled() } else { Renderer::plain() };
    let drawn = renderer.term_width(look.width).render(&[group]);
    // The renderer fills up some lines with spaces.
    drawn.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn printable(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}

/// Labels further apart than this are drawn apart, so that nothing between them is looked at: drawing takes
/// time in proportion to the text that it is given.
const NEAR_LINES: usize = 20;

/// A line longer than this is cut before it is drawn, for the same reason.
const LONG_LINE: usize = 4_000;
const KEPT_OF_LONG_LINE: usize = 200;

/// Lines of one file that are drawn together.
struct Window<'a> {
    file: FileId,
    first_line: usize,
    last_line: usize,
    labels: Vec<&'a Label>,
}

/// In the order of the labels: the primary place leads.
fn windows<'a>(labels: &'a [Label], sources: &Sources) -> Vec<Window<'a>> {
    let mut windows: Vec<Window<'a>> = Vec::new();
    for label in labels {
        let line = sources.line_index(label.place);
        let near = windows.iter_mut().find(|window| {
            window.file == label.place.file
                && line + NEAR_LINES >= window.first_line
                && line <= window.last_line + NEAR_LINES
        });
        match near {
            Some(window) => {
                window.first_line = window.first_line.min(line);
                window.last_line = window.last_line.max(line);
                window.labels.push(label);
            }
            None => windows.push(Window {
                file: label.place.file,
                first_line: line,
                last_line: line,
                labels: vec![label],
            }),
        }
    }
    windows
}

impl Window<'_> {
    fn draw<'g>(&self, group: Group<'g>, sources: &Sources) -> Group<'g> {
        let path = printable(&sources.display(self.file));
        let (start, end) =
            (sources.line_span(self.file, self.first_line).0, sources.line_span(self.file, self.last_line).1);
        let text = sources.shown(self.file);
        if end - start <= LONG_LINE {
            let annotations = self.labels.iter().map(|label| {
                let (from, to) = clipped(label.place, sources);
                annotation(label, visible(&text[start..from]).len(), visible(&text[start..to]).len())
            });
            return group.element(
                Snippet::source(visible(&text[start..end]))
                    .line_start(sources.line_number(self.file, self.first_line))
                    .path(path)
                    .annotations(annotations.collect::<Vec<_>>()),
            );
        }
        self.labels.iter().fold(group, |group, label| {
            let (from, to) = clipped(label.place, sources);
            let (line, column) = sources.line_and_column(label.place);
            let (line_start, line_end) = sources.line_span(self.file, sources.line_index(label.place));
            let cut_start = boundary(&text, from.saturating_sub(KEPT_OF_LONG_LINE).max(line_start));
            let to = boundary(&text, to.min(from + KEPT_OF_LONG_LINE));
            let cut_end = boundary(&text, (to + KEPT_OF_LONG_LINE).min(line_end));
            let (from, to) = (visible(&text[cut_start..from]).len(), visible(&text[cut_start..to]).len());
            group.element(Origin::path(path.clone()).line(line).char_column(column)).element(
                Snippet::source(visible(&text[cut_start..cut_end]))
                    .line_start(line)
                    .annotation(annotation(label, from, to)),
            )
        })
    }
}

fn annotation<'g>(label: &Label, from: usize, to: usize) -> annotate_snippets::Annotation<'g> {
    let kind = if label.is_primary { AnnotationKind::Primary } else { AnnotationKind::Context };
    let annotation = kind.span(from..to);
    if label.text.is_empty() { annotation } else { annotation.label(printable(&label.text)) }
}

/// A place within its first line: what is wrong with a mapping of a hundred lines is told at its beginning.
fn clipped(place: Place, sources: &Sources) -> (usize, usize) {
    let (line_start, line_end) = sources.line_span(place.file, sources.line_index(place));
    let from = (place.span.start as usize).clamp(line_start, line_end);
    (from, (place.span.end as usize).clamp(from, line_end))
}

/// The nearest boundary of a character at or before an offset.
fn boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Source text with one visible character for each that could drive a terminal or hide, so that columns hold.
/// Line breaks and tabs stay: the renderer knows them.
fn visible(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        c if c.is_ascii() => c,
        c if printable(c.encode_utf8(&mut [0; 4])).len() != c.len_utf8() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    fn drawn(text: &str, wrong: &str, look: Look) -> String {
        let mut sources = Sources::default();
        let file = sources.add("state/a\u{1b}.yaml", text);
        let start = text.find(wrong).unwrap();
        let place = Place::new(file, start, start + wrong.len());
        let problem =
            Problem::new(Code::UnknownKey, "unknown key `\u{202e}x`").at(place, "here").help("write `y`");
        draw(&problem, &sources, look)
    }

    #[test]
    fn control_characters_and_bidirectional_marks_are_harmless() {
        let text = "a: 1\r\n  \u{1b}[2J\u{202e} wrong: 2\r\n";
        let plain = drawn(text, "wrong", Look::default());
        assert_eq!(
            plain,
            "error[E021]: unknown key `\\u{202e}x`\n \
             --> state/a\\u{1b}.yaml:2:9\n  \
             |\n\
             2 |   ␛[2J� wrong: 2\n  \
             |         ^^^^^ here\n  \
             |\n  \
             = help: write `y`"
        );
        let colored = drawn(text, "wrong", Look { color: true, ..Look::default() });
        assert!(
            colored.contains("\u{1b}[") && !colored.contains("\u{1b}[2J") && !colored.contains('\u{202e}')
        );
    }

    #[test]
    fn a_long_line_is_cut_and_keeps_its_column() {
        let text = format!("a: [{} wrong, {}]", "1, ".repeat(100_000), "2, ".repeat(100_000));
        let shown = drawn(&text, "wrong", Look::default());
        assert!(
            shown.contains(".yaml:1:300006") && shown.contains("wrong") && shown.len() < 2_000,
            "{shown}"
        );
    }

    #[test]
    fn a_place_at_the_very_end_can_be_drawn() {
        for text in ["", "a: 1\n", "a:"] {
            let mut sources = Sources::default();
            let file = sources.add("a.yaml", text);
            let problem =
                Problem::new(Code::EmptyFile, "ends here").at(Place::new(file, text.len(), text.len()), "");
            assert!(draw(&problem, &sources, Look::default()).contains("a.yaml:"));
        }
    }
}
