//! Texts of others as YAML that says exactly the same.

use std::fmt::Write as _;

use super::Untrusted;

/// A scalar that is read back as this very text: plain where nobody can misread it, else in double quotes.
pub fn yaml_scalar(text: &str) -> String {
    let begins_plain = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    // Other readers take these for truth values and nothing.
    let is_a_word = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if begins_plain && is_plain && !is_a_word { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Whatever could move a cursor or hide, as `Untrusted` sees it, is spelled out.
            c if Untrusted::new(c.to_string()).printable().to_string() != c.to_string() => {
                let _infallible = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Text of others behind a `#`: on one line, and harmless on a terminal.
pub fn yaml_comment(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        assert_eq!(yaml_scalar("WS-017.corp.example"), "WS-017.corp.example");
        for text in ["", "off", "NO", "12:30", "1e10", "a b", "a: b", "#a", "a#b", "-a", "é", "*a"] {
            assert!(yaml_scalar(text).starts_with('"'), "{text}");
        }
        assert_eq!(yaml_scalar("a\"b\\c\u{1b}\u{202e}"), r#""a\"b\\c\U0000001B\U0000202E""#);
        assert_eq!(yaml_comment("a\nb\u{85}c"), "a\\u{a}b\\u{85}c");
    }
}
