//! Which known name was probably meant: for messages only, nobody is selected by it.

use crate::diagnostic::nearest;

/// The known name that was probably meant by one that is not known.
///
/// Names whose digits differ are different hosts: `WS-018` is no typing mistake for `WS-017`.
pub fn alike<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let of_written = digits(written);
    nearest(written, known.into_iter().filter(|name| *name != written && digits(name) == of_written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_is_another_host() {
        let hosts = ["WS-017.corp.example", "WS-018.corp.example", "front-desk"];
        assert_eq!(alike("WS-017.crop.example", hosts), Some("WS-017.corp.example"));
        assert_eq!(alike("ws-018.corp.example", hosts), Some("WS-018.corp.example"));
        assert_eq!(alike("WS-019.corp.example", hosts), None);
        assert_eq!(alike("front-dsk", hosts), Some("front-desk"));
        assert_eq!(alike("front-desk", hosts), None, "what was written is not meant instead of itself");
    }
}
