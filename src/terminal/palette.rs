use std::borrow::Cow;

/// Paints words and marks, or leaves them as they are. Colour is never the only sign: what is painted says the
/// same in black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Palette {
    is_on: bool,
}

/// What a piece of text is, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text as any other.
    Plain,
    /// Names of servers, headings.
    Heading,
    /// What comes in: `+`.
    Added,
    /// What goes away: `-`, `−`.
    Removed,
    /// What becomes another: `~`.
    Changed,
    /// What is set again: `↻`.
    Renewed,
    /// Errors and refusals: `!`.
    Alarm,
    /// What is not known: `?`; warnings.
    Doubt,
    /// Causes, counts of what was cut: read last.
    Faint,
}

impl Palette {
    /// Without colours.
    pub const OFF: Self = Self { is_on: false };
    /// With colours.
    pub const ON: Self = Self { is_on: true };

    /// With colours or without.
    pub fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.is_on
    }

    /// `text` between the codes of its colour. `text` must be safe to print already.
    pub fn paint(self, paint: Paint, text: &str) -> Cow<'_, str> {
        match paint.code() {
            Some(code) if self.is_on && !text.is_empty() => {
                Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m"))
            }
            Some(_) | None => Cow::Borrowed(text),
        }
    }
}

impl Paint {
    /// The parameters of the terminal's SGR sequence. Only the eight basic colours: every theme has them readable.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("1"),
            Self::Added => Some("32"),
            Self::Removed => Some("31"),
            Self::Changed => Some("33"),
            Self::Renewed => Some("36"),
            Self::Alarm => Some("1;31"),
            Self::Doubt => Some("1;33"),
            Self::Faint => Some("2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Palette::OFF.paint(Paint::Alarm, "!"), "!");
        assert_eq!(Palette::ON.paint(Paint::Alarm, "!"), "\u{1b}[1;31m!\u{1b}[0m");
        assert_eq!(Palette::ON.paint(Paint::Plain, "x"), "x");
    }
}
