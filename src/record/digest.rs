use sha2::{Digest as _, Sha256};

use crate::model::Hexadecimal;

/// The SHA-256 of `bytes` in lower-case digits: how the record names a segment or a set by its content.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Hexadecimal(&Sha256::digest(bytes)).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_usual_digest() {
        assert_eq!(
            super::sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
