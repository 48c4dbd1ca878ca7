//! Who we are and whom we trust, as a rustls configuration.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::endpoint::{Endpoint, EndpointError, Pem, Trust};
use super::fingerprint::Fingerprint;
use super::secret_pem::{Encryption, SecretPem};
use super::verifier::{Rule, ServerVerifier};

/// # Errors
/// Certificate, key or authority that cannot be read, or do not belong together.
pub(super) fn configuration(endpoint: &Endpoint) -> Result<(ClientConfig, Fingerprint), EndpointError> {
    // Given explicitly: a default of the process would be a global that someone else may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = identity(endpoint, &provider)?;
    let fingerprint = Fingerprint::of(identity.cert.first().map_or(&[], |certificate| certificate.as_ref()));
    let verifier = ServerVerifier::new(rule(&endpoint.trust, &provider)?, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| EndpointError::Client(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        // Shown to any server that asks, whatever authorities it names: a Central Node knows our certificate by
        // itself, not by who signed it (response-api.md, "Transport and identity").
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // reqwest sets none on a configuration that it is given, and HTTP/2 then never happens.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, fingerprint))
}

fn identity(endpoint: &Endpoint, provider: &CryptoProvider) -> Result<CertifiedKey, EndpointError> {
    let certificates = certificates(&endpoint.certificate)?;
    let key = private_key(&endpoint.key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| EndpointError::UnusableKey {
        source_name: endpoint.key.source.clone(),
        why: error.to_string(),
    })?;
    let identity = CertifiedKey::new(certificates, key);
    match identity.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(EndpointError::KeyDoesNotFit {
            certificate: endpoint.certificate.source.clone(),
            key: endpoint.key.source.clone(),
        }),
        // A certificate that webpki cannot read (version 1, as `openssl x509 -req` made for years) may well be the
        // one that the Central Node accepted: then the server judges.
        Ok(()) | Err(_) => Ok(identity),
    }
}

fn rule(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Rule, EndpointError> {
    let by_roots = |roots: RootCertStore, unusable: &dyn Fn(String) -> EndpointError| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| unusable(error.to_string()))
    };
    match trust {
        Trust::Pinned(sha256) => Ok(Rule::Pinned(Fingerprint(*sha256))),
        Trust::Ca(pem) => {
            let unusable = |why| EndpointError::UnusableCa { source_name: pem.source.clone(), why };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
            Ok(Rule::Authorities {
                verifier: by_roots(roots, &unusable)?,
                named: format!("the authority in {}", pem.source),
            })
        }
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            // Systems carry authorities that rustls cannot parse; one of them must not take all others away.
            let (usable, _) = roots.add_parsable_certificates(found.certs);
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            let unusable = |_| EndpointError::NoSystemAuthorities { why: why.clone() };
            if usable == 0 {
                return Err(unusable(String::new()));
            }
            Ok(Rule::Authorities {
                verifier: by_roots(roots, &unusable)?,
                named: "an authority that this system trusts".to_owned(),
            })
        }
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, EndpointError> {
    let certificates = CertificateDer::pem_slice_iter(&pem.text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad_pem(&pem.source, &error))?;
    if certificates.is_empty() {
        return Err(EndpointError::NoCertificate { source_name: pem.source.clone() });
    }
    Ok(certificates)
}

fn private_key(pem: &SecretPem) -> Result<PrivateKeyDer<'static>, EndpointError> {
    let text = pem.expose();
    // On an encrypted key rustls says "no items found", or takes the encrypted bytes for a key.
    let source_name = || pem.source.clone();
    match pem.encryption() {
        Encryption::None => {}
        Encryption::Pkcs8 => return Err(EndpointError::EncryptedKey { source_name: source_name() }),
        Encryption::Traditional => return Err(EndpointError::TraditionalKey { source_name: source_name() }),
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            EndpointError::NoKey { source_name: pem.source.clone() }
        } else {
            bad_pem(&pem.source, &error)
        }
    })
}

fn bad_pem(source: &str, error: &pem::Error) -> EndpointError {
    // These two quote lines of the text, which may be a secret; as numbers, on top of it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "another crate's enum, open by its own declaration")]
    let why = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no `-----END …-----` line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN …-----` line is malformed".to_owned(),
        other => other.to_string(),
    };
    EndpointError::BadPem { source_name: source.to_owned(), why }
}
