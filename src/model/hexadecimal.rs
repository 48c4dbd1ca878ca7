use std::fmt;

use sha2::{Digest as _, Sha256};

/// Bytes as digits, two lower-case ones for each: what digests and fingerprints are written as.
#[derive(Debug, Clone, Copy)]
pub struct Hexadecimal<'a>(pub &'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Piece by piece, since a formatter costs more than all the digits of a digest.
        let mut piece = [0; 64];
        for bytes in self.0.chunks(32) {
            for (pair, byte) in piece.chunks_exact_mut(2).zip(bytes) {
                pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
            }
            // Digits are text.
            f.write_str(str::from_utf8(&piece[..2 * bytes.len()]).map_err(|_no_text| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// The SHA-256 of `bytes`, as it is written.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    Hexadecimal(&Sha256::digest(bytes)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_two_digits() {
        assert_eq!(Hexadecimal(&[]).to_string(), "");
        assert_eq!(Hexadecimal(&[0x00, 0x0f, 0xa0, 0xff]).to_string(), "000fa0ff");
        let bytes: Vec<u8> = (0..100).collect();
        let one_by_one: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Hexadecimal(&bytes).to_string(), one_by_one);
    }

    #[test]
    fn it_is_the_usual_digest() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
