use crate::model::{ServerKey, sha256_hex};

/// The name under which a server's files lie: the key itself wherever it is plain, and never more than a name.
///
/// Every other character is written as its bytes in `%` and digits (capitals too, since some file systems do not
/// tell them apart), so that two servers never share a chain and none leaves its folder.
pub(super) fn file_name(server: &ServerKey) -> String {
    /// File systems take 255 bytes; `.holder` comes on top.
    const LONGEST: usize = 200;
    let mut name = String::new();
    for (index, byte) in server.as_str().bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST - 65);
        name = format!("{name}%{}", sha256_hex(server.as_str().as_bytes()));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_is_its_own_name() {
        let key = ServerKey::of_address("KATA.example.org", 443);
        assert_eq!(file_name(&key), "kata.example.org_443");
    }

    #[test]
    fn no_key_leaves_its_folder_and_no_two_share_a_name() {
        let names: Vec<String> =
            ["../../etc", "..", "", "A", "a", "a/b", "a%2Fb", &"x".repeat(300), &"x".repeat(301)]
                .map(|id| file_name(&ServerKey::of_address(id, 1)))
                .into();
        let simulators = ["../x", "X", "x", "a\0b"].map(|id| file_name(&ServerKey::of_simulator(id)));
        assert_eq!(simulators[0], "simulator_..%2Fx");
        for name in names.iter().chain(&simulators) {
            assert!(
                name.len() <= 200 && !name.starts_with('.') && !name.contains(['/', '\\', '\0']),
                "{name}"
            );
        }
        let different: std::collections::BTreeSet<_> = simulators.iter().collect();
        assert_eq!(different.len(), simulators.len());
    }
}
