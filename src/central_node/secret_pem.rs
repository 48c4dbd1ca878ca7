//! Private keys: PEM text that nobody may see, and its encryption.

use std::fmt;

use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::endpoint::EndpointError;

/// PEM text that nobody may see: wiped when dropped, left out of `Debug`.
#[derive(Clone)]
pub struct SecretPem {
    /// The words by which a message calls the place that it came from.
    pub source: String,
    text: Zeroizing<Vec<u8>>,
}

/// How a key's text is protected, by its PEM labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It has neither label: a key in the clear, or no key at all.
    None,
    /// `ENCRYPTED PRIVATE KEY`: what OpenSSL writes since 1.0.
    Pkcs8,
    /// `Proc-Type: 4,ENCRYPTED`: a single round of MD5 stands between the passphrase and the key.
    Traditional,
}

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

impl SecretPem {
    /// `source`: what messages call it: a path, `the environment variable X`, ``the output of `vault` ``.
    pub fn new(source: impl Into<String>, text: Vec<u8>) -> Self {
        Self { source: source.into(), text: Zeroizing::new(text) }
    }

    /// Whether a passphrase is needed, as far as the text shows.
    pub fn encryption(&self) -> Encryption {
        if self.position(BEGIN, 0).is_some() {
            Encryption::Pkcs8
        } else if self.position("Proc-Type: 4,ENCRYPTED", 0).is_some() {
            Encryption::Traditional
        } else {
            Encryption::None
        }
    }

    /// The key that an [`Encryption::Pkcs8`] text holds.
    ///
    /// # Errors
    /// A wrong passphrase, an encryption that is not supported, a damaged text.
    pub fn unlocked(&self, passphrase: &[u8]) -> Result<Self, EndpointError> {
        let bad = |why: String| EndpointError::BadPem { source_name: self.source.clone(), why };
        let cut = || bad(format!("the section has no `{END}` line"));
        let begin = self.position(BEGIN, 0).ok_or_else(cut)?;
        let end = self.position(END, begin).ok_or_else(cut)? + END.len();
        let section = self.text.get(begin..end).ok_or_else(cut)?;
        let section = str::from_utf8(section).map_err(|_not_text| bad("it is no text".to_owned()))?;
        let (_label, document) = SecretDocument::from_pem(section).map_err(|error| bad(error.to_string()))?;
        let encrypted: EncryptedPrivateKeyInfoRef<'_> =
            document.decode_msg().map_err(|error: pkcs8::der::Error| bad(error.to_string()))?;
        let key = encrypted.decrypt(passphrase).map_err(|error| self.refused(error))?;
        let text = key.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|error| bad(error.to_string()))?;
        Ok(Self { source: self.source.clone(), text: Zeroizing::new(text.as_bytes().to_vec()) })
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.text
    }

    fn refused(&self, error: pkcs8::Error) -> EndpointError {
        let source_name = self.source.clone();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "another crate's enums, open by their own declaration"
        )]
        match error {
            pkcs8::Error::EncryptedPrivateKey(
                error @ (pkcs8::pkcs5::Error::NoPbes1CryptSupport
                | pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
                | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. }),
            ) => EndpointError::UnsupportedEncryption { source_name, why: error.to_string() },
            // With a wrong passphrase the padding is wrong, or what comes out is no key.
            _ => EndpointError::WrongPassphrase { source_name },
        }
    }

    fn position(&self, label: &str, from: usize) -> Option<usize> {
        let text = self.text.get(from..)?;
        text.windows(label.len()).position(|window| window == label.as_bytes()).map(|at| from + at)
    }
}

impl fmt::Debug for SecretPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretPem").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkcs8 -topk8 -passout pass:correct`
    /// (3.0: AES-256-CBC, PBKDF2 with HMAC-SHA256).
    const OPENSSL: &str = include_str!("tests/encrypted.key");

    #[test]
    fn a_key_is_not_shown() {
        let key = SecretPem::new("hq.key", b"-----BEGIN PRIVATE KEY-----".to_vec());
        assert_eq!(format!("{key:?}"), "SecretPem { source: \"hq.key\", .. }");
    }

    #[test]
    fn what_openssl_writes_is_unlocked() {
        // Also where something stands around it, as `openssl pkcs12` does.
        let key = SecretPem::new("hq.key", format!("Bag Attributes\n{OPENSSL}more").into_bytes());
        assert_eq!(key.encryption(), Encryption::Pkcs8);
        let unlocked = key.unlocked(b"correct").unwrap();
        assert_eq!(unlocked.encryption(), Encryption::None);
        assert!(unlocked.expose().starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(
            key.unlocked(b"wrong").unwrap_err(),
            EndpointError::WrongPassphrase { source_name: "hq.key".to_owned() }
        );
    }

    #[test]
    fn what_is_not_whole_is_said() {
        let cut = SecretPem::new("hq.key", OPENSSL.as_bytes()[..100].to_vec());
        assert!(matches!(cut.unlocked(b"correct").unwrap_err(), EndpointError::BadPem { .. }));
        let traditional =
            SecretPem::new("hq.key", b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_vec());
        assert_eq!(traditional.encryption(), Encryption::Traditional);
    }
}
