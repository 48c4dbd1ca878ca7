//! Judging the certificate that a server presents, and saying what to do when it is not trusted.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::fingerprint::Fingerprint;
use crate::model::Untrusted;

/// Which certificates are trusted.
#[derive(Debug)]
pub(super) enum Rule {
    /// This one, whatever it says about itself: self-signed ones are often marked as an authority, are for other
    /// names and have expired, and still are the server's.
    Pinned(Fingerprint),
    Authorities {
        verifier: Arc<WebPkiServerVerifier>,
        /// What a message calls them.
        named: String,
    },
}

#[derive(Debug)]
pub(super) struct ServerVerifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a server's certificate is not trusted, and what to do; carried through rustls to the message.
#[derive(Debug)]
pub(super) struct Distrust(String);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Distrust {}

impl ServerVerifier {
    pub(super) fn new(rule: Rule, provider: &CryptoProvider) -> Self {
        Self { rule, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = Fingerprint::of(end_entity);
        let why = match &self.rule {
            Rule::Pinned(pinned) if *pinned == presented => return Ok(ServerCertVerified::assertion()),
            Rule::Pinned(pinned) => format!(
                "it has SHA-256 {presented}, but {pinned} is pinned; if the server has a new certificate, compare it \
                 there and write `trust: {{ sha256: \"{presented}\" }}`"
            ),
            Rule::Authorities { verifier, named } => {
                match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                {
                    Ok(verified) => return Ok(verified),
                    Err(Error::InvalidCertificate(error)) => reason(&error, named, server_name, presented),
                    Err(other) => return Err(other),
                }
            }
        };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Distrust(why))))))
    }

    // A certificate is public: only the signature proves that the server has its key, so pinning checks it too.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn reason(
    error: &CertificateError,
    named: &str,
    server_name: &ServerName<'_>,
    presented: Fingerprint,
) -> String {
    let pin = format!(
        "pin it with `trust: {{ sha256: \"{presented}\" }}` after comparing that value on the server"
    );
    let instant = |time: &UnixTime| match i64::try_from(time.as_secs()).map(Timestamp::from_second) {
        Ok(Ok(instant)) => instant.to_string(),
        Ok(Err(_)) | Err(_) => "an instant beyond reckoning".to_owned(),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls's enum, open by its own declaration")]
    match error {
        // An authority of the same name with another key is another authority.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!(
                "it is not signed by {named}; give the authority that signed it as `trust: {{ ca: … }}`, or {pin}"
            )
        }
        CertificateError::NotValidForNameContext { presented: names, .. } => {
            let names = match names.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "no name at all".to_owned(),
                names => names,
            };
            format!(
                "it is not for {} but for {names}; use that name as `url`, or {pin}",
                server_name.to_str()
            )
        }
        CertificateError::NotValidForName => {
            format!("it is not for {}; use its name as `url`, or {pin}", server_name.to_str())
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it expired at {}; renew it on the server, or {pin}", instant(not_after))
        }
        CertificateError::Expired => format!("it has expired; renew it on the server, or {pin}"),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is valid from {} only; check the clocks of server and client", instant(not_before))
        }
        CertificateError::NotValidYet => {
            "it is not valid yet; check the clocks of server and client".to_owned()
        }
        // What `openssl req -x509` makes; webpki's own type is not in reach, so its name tells.
        CertificateError::Other(other) if other.0.to_string().contains("CaUsedAsEndEntity") => {
            format!(
                "it is self-signed and marked as an authority (CaUsedAsEndEntity), so no `ca` can vouch for it; {pin}"
            )
        }
        other => format!("{other}; replace it on the server, or {pin}"),
    }
}

/// `kata.example` of webpki's `DnsName("kata.example")`. The name is the server's text until it is trusted.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    Untrusted::new(inner.trim_matches('"')).printable().to_string()
}
