use super::secret_pem::SecretPem;

/// A Central Node and how we show it who we are: all that a client needs to be told.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host (a DNS name or an IP address, IPv6 without brackets) and port; at least one.
    pub urls: Vec<(String, u16)>,
    /// Usually a UUID; any text of `[A-Za-z0-9-]`.
    pub external_system_id: String,
    pub certificate: Pem,
    pub key: SecretPem,
    pub trust: Trust,
    /// Most requests in flight at once; at least 1.
    pub concurrency: usize,
}

/// PEM text with the words by which a message calls the place that it came from.
#[derive(Debug, Clone)]
pub struct Pem {
    /// `secrets/hq.crt`, `the environment variable KEDRCTL_HQ_CERT`, …
    pub source: String,
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
    #[error("no address is given: a server needs at least one `url`")]
    NoAddress,
    #[error("`{0}` is no address of a server")]
    BadAddress(String),
    #[error("the external system id `{0}` may have letters, digits and hyphens only")]
    BadExternalSystemId(String),
    #[error(
        "{source_name} has no certificate in PEM form (`-----BEGIN CERTIFICATE-----`); convert DER with \
         `openssl x509 -inform der`, PKCS#12 with `openssl pkcs12 -nokeys`"
    )]
    NoCertificate { source_name: String },
    #[error(
        "{source_name} has no private key in PEM form (`-----BEGIN PRIVATE KEY-----`); convert DER with \
         `openssl pkey -inform der`, PKCS#12 with `openssl pkcs12 -nocerts -nodes`"
    )]
    NoKey { source_name: String },
    #[error("the private key in {source_name} is encrypted, and no passphrase was given for it")]
    EncryptedKey { source_name: String },
    #[error(
        "the private key in {source_name} is encrypted in the traditional way, which is weak and not supported; \
         convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`"
    )]
    TraditionalKey { source_name: String },
    #[error("the passphrase does not open the private key in {source_name}")]
    WrongPassphrase { source_name: String },
    #[error(
        "the encryption of the private key in {source_name} is not supported ({why}); convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    UnsupportedEncryption { source_name: String, why: String },
    #[error("{source_name} is no correct PEM: {why}")]
    BadPem { source_name: String, why: String },
    #[error("the private key in {source_name} can not be used: {why}; RSA, ECDSA and Ed25519 keys can")]
    UnusableKey { source_name: String, why: String },
    #[error(
        "the private key in {key} does not fit the certificate in {certificate}: they must have been made together"
    )]
    KeyDoesNotFit { certificate: String, key: String },
    #[error("the certificate authority in {source_name} can not be used: {why}")]
    UnusableCa { source_name: String, why: String },
    #[error(
        "the operating system has no certificate authorities{why}: install them, set SSL_CERT_FILE, or say \
         `trust: {{ca: …}}` or `trust: {{sha256: …}}`"
    )]
    NoSystemAuthorities { why: String },
    #[error("no client key and certificate could be made: {0}")]
    NotMade(String),
    #[error(
        "no certificate could be made for the private key in {source_name} ({why}); make it with \
         `openssl req -x509 -key {source_name} -days 1095 -subj /CN=kedrctl`"
    )]
    NoCertificateFor { source_name: String, why: String },
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
