use super::secret_pem::SecretPem;

/// A Central Node and how we show it who we are: all that a client needs to be told.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host (a DNS name or an IP address, IPv6 without brackets) and port; at least one.
    pub urls: Vec<(String, u16)>,
    /// Usually a UUID; any text of `[A-Za-z0-9-]`.
    pub external_system_id: String,
    /// That of the client comes first; those that follow it are sent along.
    pub certificate: Pem,
    /// The key of the first certificate, in the clear: one that is still encrypted is refused.
    pub key: SecretPem,
    /// How the server is told from others, whichever of the addresses answers.
    pub trust: Trust,
    /// Most requests in flight at once; at least 1.
    pub concurrency: usize,
}

/// PEM text with the words by which a message calls the place that it came from.
#[derive(Debug, Clone)]
pub struct Pem {
    /// `secrets/hq.crt`, `the environment variable KEDRCTL_HQ_CERT`, …
    pub source: String,
    /// As it was read there, not looked at yet.
    pub text: Vec<u8>,
}

/// Why a server's certificate is believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Signed by one of these authorities.
    Ca(Pem),
    /// Exactly this certificate, by the SHA-256 of its DER.
    Pinned([u8; 32]),
    /// Signed by an authority that the operating system trusts.
    System,
}

/// Why no client could be made; found before any request is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The list of addresses is empty.
    #[error("no address is given: a server needs at least one `url`")]
    NoAddress,
    /// `host:port` as it was given: no URL comes of it, or one that means something else.
    #[error("`{0}` is no address of a server")]
    BadAddress(String),
    /// The id as it was given; it may be empty.
    #[error("the external system id `{0}` may have letters, digits and hyphens only")]
    BadExternalSystemId(String),
    /// The text that should hold the client's certificate, or those of the authorities, holds none.
    #[error(
        "{source_name} has no certificate in PEM form (`-----BEGIN CERTIFICATE-----`); convert DER with \
         `openssl x509 -inform der`, PKCS#12 with `openssl pkcs12 -nokeys`"
    )]
    NoCertificate {
        /// The place of the text, as messages call it.
        source_name: String,
    },
    /// The text that should hold the client's key holds none, neither plain nor encrypted.
    #[error(
        "{source_name} has no private key in PEM form (`-----BEGIN PRIVATE KEY-----`); convert DER with \
         `openssl pkey -inform der`, PKCS#12 with `openssl pkcs12 -nocerts -nodes`"
    )]
    NoKey {
        /// The place of the text, as messages call it.
        source_name: String,
    },
    /// The key is encrypted as PKCS#8, and nobody has unlocked it before.
    #[error("the private key in {source_name} is encrypted, and no passphrase was given for it")]
    EncryptedKey {
        /// The place of the key, as messages call it.
        source_name: String,
    },
    /// The key says `Proc-Type: 4,ENCRYPTED`; such a one is never unlocked, whatever the passphrase.
    #[error(
        "the private key in {source_name} is encrypted in the traditional way, which is weak and not supported; \
         convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`"
    )]
    TraditionalKey {
        /// The place of the key, as messages call it.
        source_name: String,
    },
    /// Decrypting failed, or what came out is no key.
    #[error("the passphrase does not open the private key in {source_name}")]
    WrongPassphrase {
        /// The place of the key, as messages call it.
        source_name: String,
    },
    /// The key is encrypted as PKCS#8, by a scheme or with parameters that we can not decrypt.
    #[error(
        "the encryption of the private key in {source_name} is not supported ({why}); convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    UnsupportedEncryption {
        /// The place of the key, as messages call it.
        source_name: String,
        /// What is not supported, in the words of the library that decrypts.
        why: String,
    },
    /// A certificate, a key or an authority of which a section is cut off or malformed.
    #[error("{source_name} is no correct PEM: {why}")]
    BadPem {
        /// The place of the text, as messages call it.
        source_name: String,
        /// What is wrong. It quotes no line of the text, which may be a secret.
        why: String,
    },
    /// The key is there, in the clear, and is of a kind or a form that TLS can not sign with.
    #[error("the private key in {source_name} can not be used: {why}; RSA, ECDSA and Ed25519 keys can")]
    UnusableKey {
        /// The place of the key, as messages call it.
        source_name: String,
        /// In the words of the TLS library.
        why: String,
    },
    /// The certificate is for another key; one that can not be read is left to the server's judgement.
    #[error(
        "the private key in {key} does not fit the certificate in {certificate}: they must have been made together"
    )]
    KeyDoesNotFit {
        /// The place of the certificate, as messages call it.
        certificate: String,
        /// The place of the key, as messages call it.
        key: String,
    },
    /// One of the certificates that should be believed can not serve as an authority.
    #[error("the certificate authority in {source_name} can not be used: {why}")]
    UnusableCa {
        /// The place of the authorities, as messages call it.
        source_name: String,
        /// In the words of the TLS library.
        why: String,
    },
    /// None was found, or none that can be used.
    #[error(
        "the operating system has no certificate authorities{why}: install them, set SSL_CERT_FILE, or say \
         `trust: {{ca: …}}` or `trust: {{sha256: …}}`"
    )]
    NoSystemAuthorities {
        /// The first error of looking for them, as ` (…)` with a space before it; empty: there was none.
        why: String,
    },
    /// Why there is no new key, or no certificate of a key: the library's words.
    #[error("no client key and certificate could be made: {0}")]
    NotMade(String),
    /// A key that is not PKCS#8, or of a kind that no certificate can be signed with here.
    #[error(
        "no certificate could be made for the private key in {source_name} ({why}); make it with \
         `openssl req -x509 -key {source_name} -days 1095 -subj /CN=kedrctl`"
    )]
    NoCertificateFor {
        /// The place of the key, as messages call it; also in the command that they propose.
        source_name: String,
        /// What is wrong with the key; mostly the library's words.
        why: String,
    },
    /// What the HTTP or the TLS library says of a configuration that it does not take.
    #[error("the HTTPS client could not be made: {0}")]
    Client(String),
}

impl Endpoint {
    /// # Errors
    /// What can be seen without reading certificate or key.
    pub(super) fn check(&self) -> Result<(), EndpointError> {
        if self.urls.is_empty() {
            return Err(EndpointError::NoAddress);
        }
        let id = &self.external_system_id;
        // It becomes part of a path.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(EndpointError::BadExternalSystemId(id.clone()));
        }
        Ok(())
    }
}
