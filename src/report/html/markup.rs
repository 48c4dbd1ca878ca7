//! How texts come into the page: the only ways.

use std::fmt::Write as _;
use std::io;

use serde_json::ser::Formatter;

use crate::report::escape;
use crate::report::words::thousands_of;

/// No host is called by more characters than this, and no page has room for them.
const LONGEST: usize = 256;
/// The same for messages.
const LONGEST_MESSAGE: usize = 2_000;

/// A text of others as one line that is safe to show, cut where it is longer than any name.
pub(super) fn shown(raw: &str) -> String {
    cut(escape::line(raw).into_owned(), LONGEST)
}

/// A message, which may have several lines.
pub(super) fn shown_message(raw: &str) -> String {
    cut(escape::lines(raw).collect::<Vec<_>>().join("\n"), LONGEST_MESSAGE)
}

fn cut(text: String, longest: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(longest) else { return text };
    let whole = text.chars().count();
    format!("{}… ({} characters)", &text[..end], thousands_of(whole))
}

/// A text between tags or within a quoted attribute. `bdi`: whichever way it is written, it turns nothing around it.
pub(super) fn text(raw: &str) -> String {
    let safe = shown(raw);
    if safe.is_empty() { safe } else { format!("<bdi>{}</bdi>", escaped(&safe)) }
}

/// The same with its line breaks.
pub(super) fn message(raw: &str) -> String {
    let safe = shown_message(raw);
    let lines: Vec<String> = safe.split('\n').map(|line| format!("<bdi>{}</bdi>", escaped(line))).collect();
    lines.join("<br>")
}

/// For an attribute, or where no element may stand.
pub(super) fn attribute(raw: &str) -> String {
    escaped(&shown(raw))
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// JSON for a script element: nothing in it can end the element or begin another, and it has no characters that are
/// line breaks to JavaScript alone.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut impl io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, ScriptJson);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

struct ScriptJson;

impl Formatter for ScriptJson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let is_escaped =
            |c: char| matches!(c, '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_escaped(*c)) {
            write!(writer, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// `sha256-…`, as a content security policy names what it lets run.
pub(super) fn policy_hash(content: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256-{}", base64(&Sha256::digest(content.as_bytes())))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            if digit > chunk.len() {
                text.push('=');
            } else {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 0x3f) as usize]));
            }
        }
    }
    text
}

/// `, …` pieces of a sentence that are not empty.
pub(super) fn joined(parts: impl IntoIterator<Item = String>, between: &str) -> String {
    let mut text = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push_str(between);
        }
        // Writing into a String does not fail.
        let _written = write!(text, "{part}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        assert_eq!(
            text("</td><img src=x onerror=\"a('b')\">&"),
            "<bdi>&lt;/td&gt;&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;</bdi>"
        );
        assert_eq!(text("ws\u{1b}[2J\u{202e}1"), r"<bdi>ws\u{1b}[2J\u{202e}1</bdi>");
        assert_eq!(message("a\nb<"), "<bdi>a</bdi><br><bdi>b&lt;</bdi>");
        let long = shown(&"x".repeat(10_000));
        assert!(long.len() < 300 && long.ends_with("x… (10,000 characters)"), "{long}");
    }

    #[test]
    fn a_block_of_json_ends_where_it_ends() {
        let hostile = "</script><!--&\u{2028}\u{2029}\u{85}\"\\\n";
        let mut out = Vec::new();
        write_json(&[hostile], &mut out).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert_eq!(json, r#"["\u003c/script\u003e\u003c!--\u0026\u2028\u2029\u0085\"\\\n"]"#);
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [hostile]);
    }

    #[test]
    fn digests_are_written_as_a_policy_wants_them() {
        assert_eq!(policy_hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!([&b"f"[..], b"fo", b"foo"].map(base64), ["Zg==", "Zm8=", "Zm9v"]);
    }
}
