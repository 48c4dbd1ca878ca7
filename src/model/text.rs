use std::fmt;
use std::sync::Arc;

/// Text that somebody else chose: a host's name, a server's answer, a file's name in a rule.
///
/// It has no `Display` on purpose: whoever writes it must say for where, because what is harmless in JSON
/// moves the cursor on a terminal and runs in HTML.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    /// A text of somebody else, kept as it came.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text as it came. For comparing, and for writers that escape it for their own format.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text for a terminal or an error message: control characters, bidirectional marks and other invisible
    /// characters are written as `\u{…}`, so that it can neither move the cursor nor pretend to be other text.
    pub fn printable(&self) -> Printable<'_> {
        Printable(&self.0)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// See [`Untrusted::printable`].
#[derive(Clone, Copy)]
pub struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Through one String, so that width and alignment of the format string hold.
        let mut shown = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if is_deceptive(c) {
                shown.extend(c.escape_unicode());
            } else {
                shown.push(c);
            }
        }
        f.pad(&shown)
    }
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || is_no_character(c)
}

/// What Unicode sets aside for good: XML 1.0 and HTML forbid it or parts of it.
fn is_no_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// `text` as one word of a command that a person may copy into a shell: quoted where a shell would take it apart.
/// Safe to print; what had to be escaped for that does not name the same any more.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/@:+=,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", Printable(text).to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_a_command() {
        assert_eq!(shell_word("hq/WS-017.corp.example/isolation"), "hq/WS-017.corp.example/isolation");
        assert_eq!(shell_word("Ana's PC"), r"'Ana'\''s PC'");
        assert_eq!(shell_word("$(reboot)"), "'$(reboot)'");
        assert_eq!(shell_word("ws\n1"), r"'ws\u{a}1'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_name_can_not_drive_the_terminal() {
        let name = Untrusted::new("ws\u{1b}[2J\u{202e}1\n");
        assert_eq!(name.printable().to_string(), "ws\\u{1b}[2J\\u{202e}1\\u{a}");
        assert_eq!(format!("{:>6}", Untrusted::new("ab").printable()), "    ab");
    }
}
