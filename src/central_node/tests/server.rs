//! A small HTTPS server whose every answer a test decides. It is not the simulator: it can be silent, break off in
//! the middle and lie.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::super::Fingerprint;
use super::certificates::Certified;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `GET /sensors`: method and what follows the external system's id.
    pub(super) what: String,
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) enum Reply {
    /// Status, header lines, body.
    Answer(u16, &'static str, String),
    /// Announces a longer body than it sends, and closes.
    Half(u16, &'static str),
    /// Reads the request and never answers.
    Silence,
    /// Reads the request and closes.
    Break,
    /// Header lines and a body that is no text.
    Bytes(&'static str, Vec<u8>),
    /// The beginning of an answer, and then the same piece for ever, so often.
    Endless(&'static str, String, Duration),
}

impl Reply {
    pub(super) fn of(status: u16, body: &str) -> Self {
        Self::Answer(status, "", body.to_owned())
    }
}

/// What a server does in the handshake.
pub(super) struct Handshake {
    pub(super) certified: Certified,
    /// The key that signs, where it is not that of the certificate.
    pub(super) other_key: Option<Certified>,
    pub(super) accepts_clients: bool,
    pub(super) versions: Vec<&'static rustls::SupportedProtocolVersion>,
    /// What is presented from the second connection on.
    pub(super) then: Option<Certified>,
}

impl Handshake {
    pub(super) fn with(certified: Certified) -> Self {
        Self {
            certified,
            other_key: None,
            accepts_clients: true,
            versions: rustls::ALL_VERSIONS.to_vec(),
            then: None,
        }
    }
}

/// Stops when dropped.
pub(super) struct TestServer {
    port: u16,
    fingerprint: Fingerprint,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

impl TestServer {
    /// With a self-signed certificate that is marked as an authority, as most Central Nodes have.
    pub(super) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Handshake::with(Certified::authority("kata")), script).await
    }

    pub(super) async fn start_with(
        handshake: Handshake,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fingerprint = handshake.certified.fingerprint();
        let acceptor = TlsAcceptor::from(Arc::new(configuration(&handshake)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        serving.spawn(accept(
            listener,
            acceptor,
            Arc::new(script),
            Arc::clone(&seen),
            Arc::clone(&connections),
        ));
        Self { port, fingerprint, seen, connections, _serving: serving }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `GET /sensors` and the like, in the order in which they came.
    pub(super) fn calls(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.what).collect()
    }

    /// How many connections were ever opened.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    opened: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, script, seen) = (acceptor.clone(), Arc::clone(&script), Arc::clone(&seen));
        opened.fetch_add(1, Ordering::SeqCst);
        connections.spawn(async move {
            // A client that does not trust us ends the handshake: nothing to do for a server.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                while serve_one(&mut stream, &script, &seen).await == Some(true) {}
            }
        });
    }
}

/// Whether the connection may carry another request; `None` where the client closed it.
async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    script: &Arc<Script>,
    seen: &Mutex<Vec<Seen>>,
) -> Option<bool> {
    let request = read_request(stream).await?;
    let reply = script(&request);
    seen.lock().unwrap().push(request);
    let (answer, goes_on) = match reply {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            (format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}"), true)
        }
        Reply::Bytes(headers, body) => {
            let head = format!("HTTP/1.1 200 X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await.ok_or_closed()?;
            (String::new(), true)
        }
        Reply::Endless(beginning, again, every) => {
            stream.write_all(beginning.as_bytes()).await.ok_or_closed()?;
            loop {
                stream.write_all(again.as_bytes()).await.ok_or_closed()?;
                stream.flush().await.ok_or_closed()?;
                tokio::time::sleep(every).await;
            }
        }
        Reply::Half(status, body) => {
            let length = body.len() + 10;
            (format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"), false)
        }
        Reply::Silence => std::future::pending().await,
        Reply::Break => (String::new(), false),
    };
    let sent = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await
    };
    sent.await.is_ok().then_some(goes_on)
}

trait OrClosed<T> {
    fn ok_or_closed(self) -> Option<T>;
}

impl<T> OrClosed<T> for std::io::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "the client has closed the connection, as it may")]
    fn ok_or_closed(self) -> Option<T> {
        self.ok()
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + length {
        read_more(stream, &mut bytes).await?;
    }
    let body = String::from_utf8(bytes[head_end..].to_vec()).unwrap();
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = path.strip_prefix("/kata/response_api/v1/").unwrap().strip_prefix(super::SYSTEM_ID).unwrap();
    Some(Seen { what: format!("{method} {path}"), head: head.clone(), body })
}

async fn read_more<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4_096];
    match stream.read(&mut chunk).await {
        Ok(0) | Err(_) => None,
        Ok(count) => {
            bytes.extend_from_slice(&chunk[..count]);
            Some(())
        }
    }
}

fn configuration(handshake: &Handshake) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let signing = handshake.other_key.as_ref().unwrap_or(&handshake.certified);
    let key = provider.key_provider.load_private_key(signing.key()).unwrap();
    let identity = CertifiedKey::new(vec![handshake.certified.certificate()], key);
    let clients = AnyClient { accepts: handshake.accepts_clients, provider: Arc::clone(&provider) };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&handshake.versions)
        .unwrap()
        .with_client_cert_verifier(Arc::new(clients))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    if let Some(then) = &handshake.then {
        let key = rustls::crypto::ring::sign::any_supported_type(&then.key()).unwrap();
        let then = Arc::new(CertifiedKey::new(vec![then.certificate()], key));
        let key = rustls::crypto::ring::sign::any_supported_type(&handshake.certified.key()).unwrap();
        let first = Arc::new(CertifiedKey::new(vec![handshake.certified.certificate()], key));
        config.cert_resolver = Arc::new(Changing { first, then, shaken: AtomicUsize::new(0) });
        // A session that goes on needs no certificate.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// One certificate for the first connection, another for those after it.
#[derive(Debug)]
struct Changing {
    first: Arc<CertifiedKey>,
    then: Arc<CertifiedKey>,
    shaken: AtomicUsize,
}

impl rustls::server::ResolvesServerCert for Changing {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_first = self.shaken.fetch_add(1, Ordering::SeqCst) == 0;
        Some(Arc::clone(if is_first { &self.first } else { &self.then }))
    }
}

/// Takes any client certificate, as a Central Node does, or none.
#[derive(Debug)]
struct AnyClient {
    accepts: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.accepts {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
