//! Certificates: the server's, and that of the client which the simulator brings along.

use std::net::IpAddr;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the server's certificate is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// Self-signed, and no CA: it can be pinned, and serves as its own CA file.
    #[default]
    SelfSigned,
    /// Self-signed and CA:TRUE, as `openssl req -x509` makes it: TLS libraries refuse it unless it is pinned.
    SelfSignedCa,
    /// Issued by a CA that is made along with it.
    Ca,
}

/// Why there is no certificate, or none that TLS could use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The stored one is damaged.
    #[error("the stored certificate or key is no PEM")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// TLS does not take it.
    #[error("the certificate cannot be used for TLS")]
    Tls(#[from] rustls::Error),
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPair {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

/// The server's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerCertificate {
    pub(crate) kind: CertificateKind,
    pub(crate) address: IpAddr,
    pub(crate) own: KeyPair,
    /// Of the CA that issued it.
    pub(crate) ca_pem: Option<String>,
}

impl ServerCertificate {
    /// Makes one for this address and for loopback.
    pub(crate) fn make(
        kind: CertificateKind,
        address: IpAddr,
    ) -> Result<ServerCertificate, CertificateError> {
        let names = ["127.0.0.1".into(), "::1".into(), "localhost".into(), address.to_string()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Simulated Central Node");
        let (own, ca_pem) = match kind {
            CertificateKind::SelfSigned => (self_signed(&params)?, None),
            CertificateKind::SelfSignedCa => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                (self_signed(&params)?, None)
            }
            CertificateKind::Ca => {
                let mut ca = CertificateParams::new([])?;
                ca.distinguished_name.push(DnType::CommonName, "CA of the simulated Central Node");
                ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                let ca_key = rcgen::KeyPair::generate()?;
                let ca_pem = ca.self_signed(&ca_key)?.pem();
                let key = rcgen::KeyPair::generate()?;
                let certificate = params.signed_by(&key, &Issuer::from_params(&ca, ca_key))?;
                let own = KeyPair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() };
                (own, Some(ca_pem))
            }
        };
        Ok(ServerCertificate { kind, address, own, ca_pem })
    }

    /// What is sent in the handshake.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let pems = [Some(&self.own.certificate_pem), self.ca_pem.as_ref()];
        pems.into_iter().flatten().map(|pem| Ok(CertificateDer::from_pem_slice(pem.as_bytes())?)).collect()
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, CertificateError> {
        Ok(PrivateKeyDer::from_pem_slice(self.own.key_pem.as_bytes())?)
    }
}

impl KeyPair {
    /// Makes a client's, self-signed as usual.
    pub(crate) fn make_client() -> Result<KeyPair, CertificateError> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, "kedrctl");
        self_signed(&params)
    }

    /// SHA-256 of the certificate's DER, in lower-case hexadecimal.
    pub(crate) fn fingerprint(&self) -> Result<String, CertificateError> {
        Ok(fingerprint(&CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())?))
    }
}

/// SHA-256 of a certificate's DER, in lower-case hexadecimal.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ECDSA on P-256; valid for as long as rcgen's defaults say, which is longer than any simulation.
fn self_signed(params: &CertificateParams) -> Result<KeyPair, CertificateError> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(KeyPair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}
