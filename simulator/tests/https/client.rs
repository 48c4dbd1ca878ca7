//! A client as an integrator would write it, pinning the server's certificate.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl_simulator::{Clock, Credentials, Fleet, Options, Simulator};
use reqwest::{Method, Response, StatusCode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::Value;
use uuid::Uuid;

/// A simulator on a clock that stands still, and its own client.
pub(crate) struct Lab {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Clock,
    pub(crate) client: Client,
}

pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) version: reqwest::Version,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-11-24T09:00:00Z".parse().unwrap()
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn sensor(name: &str) -> Uuid {
    kedrctl_simulator::world::sensor_id_of(name)
}

pub(crate) fn setting(sensor: impl ToString, kind: &str) -> String {
    format!("settings?sensor_id={}&settings_type={kind}", sensor.to_string())
}

impl Lab {
    pub(crate) fn new(fleet: &str) -> Lab {
        let clock = Clock::manual(start());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let simulator = Simulator::start_with(Fleet::from_yaml(fleet).unwrap(), options).unwrap();
        let client = Client::new(&simulator, &simulator.credentials(), true);
        Lab { simulator, clock, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.send(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.send(Method::POST, path, Some(body.to_string())).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.client.send(Method::DELETE, path, None).await.unwrap()
    }
}

impl Client {
    pub(crate) fn new(simulator: &Simulator, credentials: &Credentials, http2: bool) -> Client {
        let pinned = CertificateDer::from_pem_slice(simulator.certificate_pem().as_bytes()).unwrap();
        let http = http(Some(credentials), pinned, http2);
        let id = &credentials.external_system_id;
        Client { http, base: format!("{}/kata/response_api/v1/{id}/", simulator.url()) }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers, version) = (response.status(), response.headers().clone(), response.version());
        let body = Response::bytes(response).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: StatusCode::as_u16(&status), body, headers, version })
    }
}

pub(crate) fn http(
    credentials: Option<&Credentials>,
    pinned: CertificateDer<'static>,
    http2: bool,
) -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Pinned { provider: Arc::clone(&provider), certificate: pinned });
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match credentials {
        Some(credentials) => {
            let chain = vec![CertificateDer::from_pem_slice(credentials.certificate_pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes()).unwrap();
            tls.with_client_auth_cert(chain, key).unwrap()
        }
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

#[derive(Debug)]
struct Pinned {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *certificate == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another certificate".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
