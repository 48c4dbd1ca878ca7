//! Paths of files as URIs.

/// A relative path as a relative reference, so that whoever reads it looks in their own checkout; an absolute one as
/// `file://`. Bytes that a URI does not take are percent-encoded.
pub(super) fn of_path(path: &str) -> String {
    let has_drive = path.len() > 2 && path.as_bytes()[1] == b':' && path.as_bytes()[2] == b'/';
    let before = match (path.starts_with('/'), has_drive) {
        (true, _) => "file://",
        (false, true) => "file:///",
        (false, false) => "",
    };
    path.bytes().fold(before.to_owned(), |mut uri, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
        uri
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(of_path("state/hosts.yaml"), "state/hosts.yaml");
        assert_eq!(of_path("my state/ä:#?.yaml"), "my%20state/%C3%A4%3A%23%3F.yaml");
        assert_eq!(of_path("../other/a.yaml"), "../other/a.yaml");
        assert_eq!(of_path("/srv/state.yaml"), "file:///srv/state.yaml");
        assert_eq!(of_path("C:/srv/state.yaml"), "file:///C%3A/srv/state.yaml");
    }
}
