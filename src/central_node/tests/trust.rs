//! Which side refuses which certificate, and what the message says then.

use super::super::{
    CallError, CallErrorKind, EndpointError, HttpsCentralNode, Pem, ReadSettings, SecretPem, Trust,
    server_certificates,
};
use super::certificates::Certified;
use super::server::{Handshake, Reply, TestServer};
use super::{endpoint, quick, sensor};

const NOT_FOUND: &str = r#"{"error": "Not Found"}"#;

async fn serving(handshake: Handshake) -> TestServer {
    TestServer::start_with(handshake, |_| Reply::of(404, NOT_FOUND)).await
}

async fn read(server: &TestServer, host: &str, trust: Trust) -> Result<(), CallError> {
    let endpoint = endpoint(&[(host, server.port())], &Certified::authority("client"), trust);
    HttpsCentralNode::new(&endpoint, quick()).unwrap().isolation(sensor()).await.map(|_| ())
}

fn ca(authority: &Certified) -> Trust {
    Trust::Ca(Pem { source: "ca.pem".to_owned(), text: authority.certificate_pem().into_bytes() })
}

/// The message of a server that is not trusted and was asked nothing.
async fn distrusted(certified: Certified, host: &str, trust: Trust) -> String {
    let server = serving(Handshake::with(certified)).await;
    let error = read(&server, host, trust).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::UntrustedServer), "{error}");
    assert!(error.stops_server() && !error.is_worth_retrying() && !error.may_have_had_effect());
    assert!(server.seen().is_empty());
    error.to_string()
}

#[tokio::test]
async fn a_pinned_certificate_is_enough_whatever_it_says() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let expired_authority_of_another_name = Certified::of("elsewhere.example", |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        });
        let pin = Trust::Pinned(expired_authority_of_another_name.fingerprint().0);
        let server = serving(Handshake {
            versions: vec![version],
            ..Handshake::with(expired_authority_of_another_name)
        })
        .await;
        read(&server, "127.0.0.1", pin).await.unwrap();
    }
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_shown_beside_it() {
    let certified = Certified::authority("localhost");
    let (presented, pinned) = (certified.fingerprint(), "00".repeat(32));
    let message = distrusted(certified, "127.0.0.1", Trust::Pinned([0; 32])).await;
    assert!(message.contains(&format!("it has SHA-256 {presented}, but {pinned} is pinned")), "{message}");
    assert!(message.contains(&format!("`trust: {{ sha256: \"{presented}\" }}`")), "{message}");
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_not_trusted() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certified = Certified::authority("localhost");
        let pin = Trust::Pinned(certified.fingerprint().0);
        let thief = Handshake {
            other_key: Some(Certified::self_signed("thief")),
            versions: vec![version],
            ..Handshake::with(certified)
        };
        let server = serving(thief).await;
        let error = read(&server, "127.0.0.1", pin).await.unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::UntrustedServer), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn an_authority_vouches_for_names_and_addresses() {
    let authority = Certified::authority("our authority");
    let server = serving(Handshake::with(authority.issue("localhost", |_| {}))).await;
    read(&server, "localhost", ca(&authority)).await.unwrap();
    let server = serving(Handshake::with(authority.issue("127.0.0.1", |_| {}))).await;
    read(&server, "127.0.0.1", ca(&authority)).await.unwrap();
}

#[tokio::test]
async fn each_distrust_has_its_reason_and_remedy() {
    let authority = Certified::authority("our authority");
    let message = distrusted(authority.issue("elsewhere", |_| {}), "localhost", ca(&authority)).await;
    assert!(message.contains("it is not for localhost but for elsewhere; use that name"), "{message}");

    let expired = authority.issue("localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let message = distrusted(expired, "localhost", ca(&authority)).await;
    assert!(message.contains("it expired at 2020-01-01T00:00:00Z"), "{message}");

    let other = Certified::authority("other authority");
    let message = distrusted(other.issue("localhost", |_| {}), "localhost", ca(&authority)).await;
    assert!(message.contains("it is not signed by the authority in ca.pem"), "{message}");

    let self_signed = Certified::authority("localhost");
    let (itself, presented) = (ca(&self_signed), self_signed.fingerprint());
    let message = distrusted(self_signed, "localhost", itself).await;
    assert!(message.contains("CaUsedAsEndEntity"), "{message}");
    assert!(message.contains(&format!("pin it with `trust: {{ sha256: \"{presented}\" }}`")), "{message}");
}

#[tokio::test]
async fn a_server_may_refuse_our_certificate() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certified = Certified::authority("localhost");
        let pin = Trust::Pinned(certified.fingerprint().0);
        let server = serving(Handshake {
            accepts_clients: false,
            versions: vec![version],
            ..Handshake::with(certified)
        })
        .await;
        let error = read(&server, "127.0.0.1", pin).await.unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::ClientCertificateRefused), "{error}");
        assert!(error.stops_server());
        assert!(error.to_string().contains("UnknownCA"), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[test]
fn what_can_not_work_is_said_before_any_request() {
    let (client, other) = (Certified::self_signed("client"), Certified::self_signed("other"));
    let good = endpoint(&[("kata.example.org", 443)], &client, Trust::Pinned([0; 32]));
    let problem = |change: &dyn Fn(&mut super::Endpoint)| {
        let mut endpoint = good.clone();
        change(&mut endpoint);
        HttpsCentralNode::new(&endpoint, quick()).map(|_| ()).unwrap_err()
    };
    let key = |text: &str| SecretPem::new("hq.key", text.as_bytes().to_vec());

    assert!(HttpsCentralNode::new(&good, quick()).is_ok());
    assert_eq!(problem(&|e| e.urls.clear()), EndpointError::NoAddress);
    assert!(matches!(
        problem(&|e| e.external_system_id = "../x".to_owned()),
        EndpointError::BadExternalSystemId(_)
    ));
    for host in ["", "a/b", "a@b", "a b", "a?b"] {
        assert!(
            matches!(problem(&|e| e.urls[0].0 = host.to_owned()), EndpointError::BadAddress(_)),
            "{host}"
        );
    }
    assert_eq!(
        problem(&|e| e.key = key(&other.key_pem())).to_string(),
        "the private key in hq.key does not fit the certificate in hq.crt: they must have been made together"
    );
    let error = problem(&|e| e.key = key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"));
    assert!(matches!(error, EndpointError::EncryptedKey { .. }), "{error}");
    let error = problem(&|e| e.key = key("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
    assert!(matches!(error, EndpointError::TraditionalKey { .. }), "{error}");
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
    assert!(matches!(problem(&|e| e.key = key(&client.certificate_pem())), EndpointError::NoKey { .. }));
    assert!(matches!(
        problem(&|e| e.certificate.text = client.key_pem().into_bytes()),
        EndpointError::NoCertificate { .. }
    ));
    let cut = client.key_pem().replace("-----END", "");
    let error = problem(&|e| e.key = key(&cut));
    assert!(matches!(error, EndpointError::BadPem { .. }), "{error}");
    assert!(matches!(
        problem(&|e| e.trust = Trust::Ca(Pem { source: "ca.pem".to_owned(), text: Vec::new() })),
        EndpointError::NoCertificate { source_name } if source_name == "ca.pem"
    ));
}

#[tokio::test]
async fn a_certificate_is_looked_at_without_telling_who_we_are() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certified = Certified::authority("kata.example");
        let presented = certified.fingerprint();
        let server = serving(Handshake { versions: vec![version], ..Handshake::with(certified) }).await;
        let urls = [("127.0.0.1".to_owned(), server.port()), ("localhost".to_owned(), server.port())];
        let certificates = server_certificates(&urls, quick()).await.unwrap();
        let [certificate] = certificates.as_slice() else { panic!("{certificates:?}") };
        assert_eq!(certificate.fingerprint, presented);
        let says = certificate.says.as_ref().unwrap();
        assert_eq!(says.subject.raw(), "CN=kata.example");
        assert_eq!(says.names[0].raw(), "kata.example");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn where_no_certificate_is_there_is_none_to_look_at() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = server_certificates(&[("127.0.0.1".to_owned(), port)], quick()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::CannotConnect), "{error}");
}
