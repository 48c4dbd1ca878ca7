//! A prevention rule: the files that may not be started on a host, or on all hosts.

use std::fmt;

use serde_json::{Map, Value};

/// A whole rule; a host has at most one, and it is always replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreventionRule {
    objects: Vec<FileObject>,
    /// Sorted, without repetition: what clashes are looked up in.
    hashes: Vec<FileHash>,
}

/// One file of a rule: its hash and what else was sent beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileObject {
    /// `None` for an object that was put there by other ways than the API and has no hash that it knows.
    pub hash: Option<FileHash>,
    /// The other fields of `file`: `name`, and whatever a lenient server keeps.
    pub fields: Map<String, Value>,
}

/// A file's hash, compared by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileHash {
    /// 32 hexadecimal digits.
    Md5([u8; 16]),
    /// 64 hexadecimal digits.
    Sha256([u8; 32]),
}

impl PreventionRule {
    /// A rule of these files, in this order.
    #[must_use]
    pub fn new(objects: Vec<FileObject>) -> PreventionRule {
        let mut hashes: Vec<FileHash> = objects.iter().filter_map(|object| object.hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        PreventionRule { objects, hashes }
    }

    /// The files as they were sent.
    #[must_use]
    pub fn objects(&self) -> &[FileObject] {
        &self.objects
    }

    /// The hashes, sorted, each once.
    #[must_use]
    pub fn hashes(&self) -> &[FileHash] {
        &self.hashes
    }

    /// Whether a file with this hash may not be started.
    #[must_use]
    pub fn blocks(&self, hash: FileHash) -> bool {
        self.hashes.binary_search(&hash).is_ok()
    }

    /// The first file, in this rule's order, that the other rule has too.
    #[must_use]
    pub fn first_shared_with(&self, other: &PreventionRule) -> Option<FileHash> {
        self.objects.iter().filter_map(|object| object.hash).find(|hash| other.blocks(*hash))
    }
}

impl FileObject {
    /// A file that is known by its hash alone.
    #[must_use]
    pub fn new(hash: FileHash) -> FileObject {
        FileObject { hash: Some(hash), fields: Map::new() }
    }

    /// The same with a name beside the hash.
    #[must_use]
    pub fn named(mut self, name: &str) -> FileObject {
        self.fields.insert("name".into(), Value::from(name));
        self
    }
}

impl FileHash {
    /// Reads 32 (MD5) or 64 (SHA-256) hexadecimal digits in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<FileHash> {
        match text.len() {
            32 => bytes(text).map(FileHash::Md5),
            64 => bytes(text).map(FileHash::Sha256),
            _ => None,
        }
    }

    /// The field's name in the API: `md5` or `sha256`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            FileHash::Md5(_) => "md5",
            FileHash::Sha256(_) => "sha256",
        }
    }
}

/// Lower-case hexadecimal digits.
impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            FileHash::Md5(bytes) => bytes,
            FileHash::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_md5_from_sha256() {
        let md5 = FileHash::parse("900150983CD24FB0D6963F7D28E17F72").unwrap();
        assert_eq!((md5.field(), md5.to_string().as_str()), ("md5", "900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(FileHash::parse(&"ab".repeat(32)).unwrap().field(), "sha256");
        assert_eq!(FileHash::parse(&"ag".repeat(32)), None);
        assert_eq!(FileHash::parse(&"ab".repeat(20)), None);
    }

    #[test]
    fn the_first_shared_file_is_the_first_by_the_order_sent() {
        let [a, b] = ["aa", "bb"].map(|byte| FileHash::parse(&byte.repeat(16)).unwrap());
        let sent = PreventionRule::new(vec![FileObject::new(b), FileObject::new(a)]);
        let other = PreventionRule::new(vec![FileObject::new(a), FileObject::new(b)]);
        assert_eq!(sent.first_shared_with(&other), Some(b));
    }
}
