//! Text for XML 1.0. What its grammar forbids, `escape` writes out, so that two different names stay different.

use crate::report::escape;

/// For an attribute in double quotes; one line.
pub(super) fn attribute(text: &str) -> String {
    escaped(&escape::line(text))
}

/// For the text of an element; its line breaks stay.
pub(super) fn content(text: &str) -> String {
    escape::lines(text).map(|line| escaped(&line)).collect::<Vec<_>>().join("\n")
}

/// Of a text without control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}
