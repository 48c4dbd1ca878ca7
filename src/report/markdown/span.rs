//! Text of others in Markdown: always a code span, in which no link, image, mention, tag or table is anything but its
//! characters. Code hosts look for mentions and references after the Markdown was read, and leave code alone; no
//! backslash keeps them from that.

use crate::report::escape;

/// A name, a path: what has to stay recognisable is written out as `\u{…}`.
pub(super) fn code(text: &str, most: usize) -> String {
    span(text, most, "\\u{60}")
}

/// A message, in which backticks only quote.
pub(super) fn message(text: &str, most: usize) -> String {
    span(text, most, "'")
}

/// `most`: characters; a longer text is cut.
fn span(text: &str, most: usize, backtick: &str) -> String {
    let line = escape::line(text);
    let mut content = String::with_capacity(line.len().min(most) + 2);
    let mut characters = line.chars();
    for c in characters.by_ref().take(most) {
        match c {
            '`' => content.push_str(backtick),
            // In a table it would end the cell, and how readers take `\|` within code differs.
            '|' => content.push_str("\\u{7c}"),
            c => content.push(c),
        }
    }
    if characters.next().is_some() {
        content.push('…');
    }
    if content.trim().is_empty() { "–".to_owned() } else { format!("`{content}`") }
}
