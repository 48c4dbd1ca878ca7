use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::super::Fingerprint;

/// A certificate with its key.
pub(super) struct Certified {
    certificate: rcgen::Certificate,
    params: CertificateParams,
    key: KeyPair,
}

impl Certified {
    /// As `openssl req -x509` makes it, apart from saying CA:TRUE.
    pub(super) fn self_signed(name: &str) -> Self {
        Self::of(name, |_| {})
    }

    /// As `openssl req -x509` makes it: marked as an authority.
    pub(super) fn authority(name: &str) -> Self {
        Self::of(name, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
    }

    pub(super) fn of(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = named(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), params, key }
    }

    /// Signed by this authority.
    pub(super) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = named(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        Self { certificate: params.signed_by(&key, &issuer).unwrap(), params, key }
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.certificate.der())
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
