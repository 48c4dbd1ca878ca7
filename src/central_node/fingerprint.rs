use std::fmt;

use sha2::{Digest, Sha256};

use crate::model::Hexadecimal;

/// The SHA-256 of a certificate's DER, by which it is pinned and recognised.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// That of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl Fingerprint {
    /// `9F:86:D0:…`, as `openssl x509 -fingerprint` and browsers write it: for comparing.
    pub fn pairs(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// Why a text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons between pairs")]
pub struct FingerprintError;

impl std::str::FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        match text.replace(':', "").parse() {
            Ok(crate::model::FileHash::Sha256(digest)) => Ok(Self(digest)),
            Ok(crate::model::FileHash::Md5(_)) | Err(_) => Err(FingerprintError),
        }
    }
}

impl fmt::Display for Fingerprint {
    /// 64 digits in lower case: what `trust: { sha256: … }` takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hexadecimal(&self.0).fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
