//! The key and the certificate of a new client.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::{Zeroize, Zeroizing};

use super::endpoint::EndpointError;
use super::secret_pem::SecretPem;

/// As long as an administrator is not asked again: a new certificate has to be accepted anew.
const VALID: SignedDuration = SignedDuration::from_hours(24 * 1_095);
/// The server's clock may be behind ours.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// A key with a certificate that it signed itself: a Central Node knows a client by its certificate, not by who
/// vouches for it (response-api.md, "Transport and identity").
pub struct NewClient {
    /// PKCS#8, ECDSA on P-256.
    pub key_pem: Zeroizing<String>,
    /// X.509 with the subject `CN=kedrctl`; no secret, `Debug` shows it.
    pub certificate_pem: String,
}

impl NewClient {
    /// Valid for three years from `now`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn make(now: Timestamp) -> Result<Self, EndpointError> {
        let mut key = KeyPair::generate().map_err(|error| EndpointError::NotMade(error.to_string()))?;
        let certificate_pem = self_signed(&key, now);
        let key_pem = Zeroizing::new(key.serialize_pem());
        key.zeroize();
        Ok(Self { key_pem, certificate_pem: certificate_pem? })
    }
}

impl std::fmt::Debug for NewClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewClient").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

/// A certificate for a key that is there, in the clear.
///
/// # Errors
/// A key that is not PKCS#8, or of a kind that we cannot sign with.
pub fn certificate_for(key: &SecretPem, now: Timestamp) -> Result<String, EndpointError> {
    let unusable = |why: String| EndpointError::NoCertificateFor { source_name: key.source.clone(), why };
    let der = PrivatePkcs8KeyDer::from_pem_slice(key.expose())
        .map_err(|_other_form| unusable("it is no PKCS#8 key".to_owned()))?;
    let mut pair = KeyPair::try_from(&der).map_err(|error| unusable(error.to_string()))?;
    let certificate = self_signed(&pair, now);
    pair.zeroize();
    certificate
}

fn self_signed(key: &KeyPair, now: Timestamp) -> Result<String, EndpointError> {
    let made = || -> Result<_, rcgen::Error> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, "kedrctl");
        let ((year, month, day), (last_year, last_month, last_day)) = (ymd(now - BEFORE), ymd(now + VALID));
        params.not_before = rcgen::date_time_ymd(year, month, day);
        params.not_after = rcgen::date_time_ymd(last_year, last_month, last_day);
        params.self_signed(key)
    };
    match made() {
        Ok(certificate) => Ok(certificate.pem()),
        Err(error) => Err(EndpointError::NotMade(error.to_string())),
    }
}

/// The start of that day.
fn ymd(instant: Timestamp) -> (i32, u8, u8) {
    let date = instant.to_zoned_datetime(TimeZone::UTC).date();
    let narrow = |number: i8| u8::try_from(number).unwrap_or(1);
    (i32::from(date.year()), narrow(date.month()), narrow(date.day()))
}

#[cfg(test)]
mod tests {
    use super::super::presented::read;
    use super::*;
    use rustls_pki_types::CertificateDer;

    #[test]
    fn a_new_client_is_valid_for_three_years() {
        let client = NewClient::make("2026-11-25T13:00:00Z".parse().unwrap()).unwrap();
        let says = read(&CertificateDer::from_pem_slice(client.certificate_pem.as_bytes()).unwrap()).unwrap();
        assert_eq!(says.subject.raw(), "CN=kedrctl");
        assert_eq!(says.valid_from, "2026-11-24T00:00:00Z".parse().unwrap());
        assert_eq!(says.valid_until, "2029-11-24T00:00:00Z".parse().unwrap());
        assert!(!format!("{client:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_key_gets_its_certificate() {
        let now = "2026-11-25T13:00:00Z".parse().unwrap();
        let client = NewClient::make(now).unwrap();
        let key = SecretPem::new("hq.key", client.key_pem.as_bytes().to_vec());
        assert!(certificate_for(&key, now).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        let other = SecretPem::new(
            "hq.key",
            b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n".to_vec(),
        );
        assert!(
            certificate_for(&other, now).unwrap_err().to_string().contains("openssl req -x509 -key hq.key")
        );
    }
}
