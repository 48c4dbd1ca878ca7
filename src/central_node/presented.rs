//! Looking at a server's certificate before anybody has said that it is the server's.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::call::Call;
use super::endpoint::EndpointError;
use super::error::{CallError, CallErrorKind};
use super::fingerprint::Fingerprint;
use super::limits::Limits;
use super::route::{Request, Routes, failure};
use crate::model::Untrusted;

/// A certificate as a server presented it. That it has the key is not proven: whoever pins it finds that out with
/// the first call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// What `trust: { sha256: … }` would pin.
    pub fingerprint: Fingerprint,
    /// What it says of itself; `None` where it is written in a way that we cannot read.
    pub says: Option<CertificateText>,
}

/// What a certificate says of itself: anybody can write anything into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateText {
    /// RFC 4514: `CN=kata.example.org,O=Example`.
    pub subject: Untrusted,
    /// Who it says has signed it, in the form of the subject; the same where it signed itself.
    pub issuer: Untrusted,
    /// Names and addresses that it is for.
    pub names: Vec<Untrusted>,
    /// `notBefore`, in whole seconds.
    pub valid_from: Timestamp,
    /// `notAfter`, in whole seconds.
    pub valid_until: Timestamp,
}

/// The certificates that these addresses present, each once. The handshake is broken off before anything is sent
/// that tells who we are.
///
/// # Errors
/// No address could be reached, or what answers there speaks no TLS.
pub async fn server_certificates(
    urls: &[(String, u16)],
    limits: Limits,
) -> Result<Vec<ServerCertificate>, CallError> {
    let unusable =
        |error: &EndpointError| failure(Call::Hosts, "", CallErrorKind::CannotConnect, error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let looker = Arc::new(Looker {
        schemes: provider.signature_verification_algorithms.supported_schemes(),
        seen: Mutex::new(Vec::new()),
    });
    let tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(&EndpointError::Client(error.to_string())))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&looker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let routes = Routes::new(urls, "-", 1, tls, limits).map_err(|error| unusable(&error))?;
    let request = Request { call: Call::Hosts, body: None, timeout: limits.answer, clock: None };
    // It never succeeds: the looker trusts nobody, so every address is tried.
    let sent = routes.send(&request).await;
    let mut certificates: Vec<ServerCertificate> = Vec::new();
    for der in looker.seen.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let fingerprint = Fingerprint::of(&der);
        if certificates.iter().all(|known| known.fingerprint != fingerprint) {
            certificates.push(ServerCertificate { fingerprint, says: read(&der) });
        }
    }
    match sent {
        Err(error) if certificates.is_empty() => Err(error),
        Ok(_) | Err(_) => Ok(certificates),
    }
}

/// Remembers what it sees and trusts none of it.
#[derive(Debug)]
struct Looker {
    schemes: Vec<SignatureScheme>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(end_entity.clone().into_owned());
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a certificate that cannot be read is shown by its fingerprint alone"
)]
pub(super) fn read(der: &[u8]) -> Option<CertificateText> {
    let certificate = Certificate::from_der(der).ok()?;
    let body = certificate.tbs_certificate();
    let instant = |time: &x509_cert::time::Time| {
        Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
    };
    let names = match body.get_extension::<SubjectAltName>() {
        Ok(Some((_critical, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
        Ok(None) | Err(_) => Vec::new(),
    };
    Some(CertificateText {
        subject: Untrusted::new(body.subject().to_string()),
        issuer: Untrusted::new(body.issuer().to_string()),
        names,
        valid_from: instant(&body.validity().not_before)?,
        valid_until: instant(&body.validity().not_after)?,
    })
}

fn name(name: &GeneralName) -> Option<Untrusted> {
    match name {
        GeneralName::DnsName(name) => Some(Untrusted::new(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let address = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
                (Ok(four), _) => std::net::IpAddr::from(four),
                (_, Ok(sixteen)) => std::net::IpAddr::from(sixteen),
                (Err(_), Err(_)) => return None,
            };
            Some(Untrusted::new(address.to_string()))
        }
        GeneralName::OtherName(_)
        | GeneralName::Rfc822Name(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    }
}
