use reqwest::{Method, Version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::client::{self, Client, Lab};

fn certificate(lab: &Lab) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(lab.simulator.certificate_pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn http_1_and_2_are_offered() {
    let lab = Lab::new("");
    assert_eq!(lab.get("sensors").await.version, Version::HTTP_2);
    let old = Client::new(&lab.simulator, &lab.simulator.credentials(), false);
    let answer = old.send(Method::GET, "sensors", None).await.unwrap();
    assert_eq!((answer.version, answer.status), (Version::HTTP_11, 200));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_let_in() {
    let lab = Lab::new("");
    let anonymous = client::http(None, certificate(&lab), true);
    let url = format!("{}/kata/response_api/v1/soc/sensors", lab.simulator.url());
    assert!(anonymous.get(url).send().await.is_err());
    assert_eq!(lab.simulator.requests(), []);
}

#[tokio::test]
async fn the_date_is_that_of_the_worlds_clock() {
    let lab = Lab::new("");
    assert_eq!(lab.get("sensors").await.headers["date"], "Tue, 24 Nov 2026 09:00:00 GMT");
}

#[tokio::test]
async fn other_pages_and_methods_are_those_of_a_web_server() {
    let lab = Lab::new("");
    let missing = lab.get("events").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.starts_with("<html>"));
    let method = lab.client.send(Method::PUT, "sensors", None).await.unwrap();
    assert_eq!(method.status, 405);
}

#[tokio::test]
async fn the_certificate_comes_in_three_kinds() {
    use sha2::Digest;
    for kind in ["self-signed", "self-signed-ca", "ca"] {
        let lab = Lab::new(&format!("server_certificate: {kind}"));
        assert_eq!(lab.get("sensors").await.status, 200, "{kind}");
        let digest = sha2::Sha256::digest(certificate(&lab));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(lab.simulator.certificate_sha256(), digest);

        // With the CA file, as a client without pinning would check it.
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(lab.simulator.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
        let verified = rustls::client::danger::ServerCertVerifier::verify_server_cert(
            verifier.build().unwrap().as_ref(),
            &certificate(&lab),
            &[],
            &"127.0.0.1".try_into().unwrap(),
            &[],
            rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000)),
        );
        assert_eq!(verified.is_ok(), kind != "self-signed-ca", "{kind}: {verified:?}");
    }
}
