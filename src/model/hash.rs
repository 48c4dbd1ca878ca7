use std::fmt;
use std::str::FromStr;

use super::Hexadecimal;

/// The hash by which a prevention rule knows a file: MD5 or SHA-256, told apart by its length.
///
/// Two spellings that differ in case are one value. The order (MD5 before SHA-256, then by digits) is that of
/// every list that is shown or sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileHash {
    /// The digest, in the order of its digits.
    Md5([u8; 16]),
    /// The digest, in the order of its digits.
    Sha256([u8; 32]),
}

/// Why a text is no hash that a prevention rule can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It has another character, whatever its length.
    #[error("a hash is written in the digits 0-9 and a-f")]
    NotHex,
    /// So many digits: neither 32 nor 64, nor the 40 of a SHA-1.
    #[error("{0} digits is no length of a hash: MD5 has 32, SHA-256 has 64")]
    Length(usize),
    /// It has 40 digits.
    #[error("40 digits is a SHA-1: the Response API knows MD5 (32 digits) and SHA-256 (64 digits) only")]
    Sha1,
}

impl FileHash {
    const EMPTY_MD5: [u8; 16] =
        [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e];
    const EMPTY_SHA256: [u8; 32] = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ];

    /// Whether this is the hash of the empty file. Feeds carry it by mistake, and blocking it would block every
    /// empty file of a fleet, so it is refused wherever hashes are declared.
    pub fn is_of_empty_file(&self) -> bool {
        match self {
            Self::Md5(digest) => *digest == Self::EMPTY_MD5,
            Self::Sha256(digest) => *digest == Self::EMPTY_SHA256,
        }
    }

    /// `md5` or `sha256`: the API's own field names (response-api.md, section 4).
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Md5(_) => "md5",
            Self::Sha256(_) => "sha256",
        }
    }

    /// The first seven digits, for lists that a person reads.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(7);
        text
    }
}

impl FromStr for FileHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(HashError::NotHex);
        }
        match text.len() {
            32 => Ok(Self::Md5(decode(text)?)),
            64 => Ok(Self::Sha256(decode(text)?)),
            40 => Err(HashError::Sha1),
            other => Err(HashError::Length(other)),
        }
    }
}

/// `N` bytes from `2 N` hexadecimal digits.
fn decode<const N: usize>(text: &str) -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(c: u8) -> Result<u8, HashError> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        b'A'..=b'F' => Ok(c - b'A' + 10),
        _ => Err(HashError::NotHex),
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest: &[u8] = match self {
            Self::Md5(digest) => digest,
            Self::Sha256(digest) => digest,
        };
        Hexadecimal(digest).fmt(f)
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_the_algorithm_and_case_does_not_matter() {
        let lower: FileHash = "900150983cd24fb0d6963f7d28e17f72".parse().unwrap();
        let upper: FileHash = "900150983CD24FB0D6963F7D28E17F72".parse().unwrap();
        assert_eq!(lower, upper);
        assert_eq!(upper.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!("a9993e364706816aba3e25717850c26c9cd0d89d".parse::<FileHash>(), Err(HashError::Sha1));
        assert_eq!("abc".parse::<FileHash>(), Err(HashError::Length(3)));
        assert_eq!("zz".repeat(16).parse::<FileHash>(), Err(HashError::NotHex));
    }

    #[test]
    fn the_empty_file_is_known_by_both_algorithms() {
        for text in [
            "d41d8cd98f00b204e9800998ecf8427e",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(text.parse::<FileHash>().unwrap().is_of_empty_file());
        }
    }
}
