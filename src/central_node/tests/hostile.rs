//! Servers that are out to harm: whoever runs one, or stands between, decides every byte of an answer.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::super::{CallErrorKind, HttpsCentralNode, Limits, ReadSettings, Trust, WriteSettings};
use super::certificates::Certified;
use super::server::{Handshake, Reply, TestServer};
use super::{client_of, endpoint, quick, sensor};
use crate::model::{Target, WallClock};

const NOT_FOUND: &str = r#"{"error": "Not Found"}"#;

/// No repetition: how often is told elsewhere.
fn once() -> Limits {
    let limits = quick();
    Limits { retry: super::Retry { attempts: 1, ..limits.retry }, ..limits }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let other = TestServer::start(|_| Reply::of(404, NOT_FOUND)).await;
    for status in [301, 302, 303, 307, 308] {
        let location: &'static str =
            Box::leak(format!("Location: https://127.0.0.1:{}/x\r\n", other.port()).into_boxed_str());
        let server = TestServer::start(move |_| Reply::Answer(status, location, String::new())).await;
        let client = client_of(&server, once());
        let error = client.isolation(sensor()).await.unwrap_err();
        assert!(error.to_string().contains("which is never followed"), "{error}");
        client.delete_isolation(sensor()).await.unwrap_err();
    }
    assert_eq!(other.connections(), 0);
}

/// The one-line gzip of a rule: who does not decode can not be made to unpack a bomb.
const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01-\x00\xd2\xff{\x22settings\x22:{\x22autoTurnoffTimeoutInSec\x22:3600}}\x0e\xef\xdei-\x00\x00\x00";

#[tokio::test]
async fn no_compression_is_asked_for_and_none_is_decoded() {
    let server = TestServer::start(|_| Reply::Bytes("Content-Encoding: gzip\r\n", PACKED.to_vec())).await;
    let error = client_of(&server, once()).isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::NotUnderstood), "{error}");
    let head = server.seen()[0].head.to_lowercase();
    assert!(!head.contains("accept-encoding"), "{head}");
}

#[tokio::test]
async fn nested_answers_end_in_an_error() {
    for opening in ["[", "{\"a\":", "{\"settings\":", "{\"sensors\":[{\"x\":", "{\"settings\":{\"objects\":["]
    {
        for status in [200, 400, 404] {
            let body = opening.repeat(200_000);
            let server = TestServer::start(move |_| Reply::of(status, &body)).await;
            let client = client_of(&server, once());
            for error in [
                client.hosts(&WallClock).await.unwrap_err(),
                client.isolation(sensor()).await.unwrap_err(),
                client.prevention(Target::AllHosts).await.unwrap_err(),
            ] {
                assert!(error.to_string().len() < 2_000, "{opening}");
            }
        }
    }
}

#[tokio::test]
async fn an_endless_body_is_not_taken_in() {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let beginning = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = TestServer::start(move |_| Reply::Endless(beginning, chunk.clone(), Duration::ZERO)).await;
    let limits = Limits { settings_bytes: 1 << 20, list_bytes: 1 << 20, ..once() };
    let client = client_of(&server, limits);
    for error in [client.hosts(&WallClock).await.unwrap_err(), client.isolation(sensor()).await.unwrap_err()]
    {
        assert!(error.to_string().contains("longer than 1048576 bytes"), "{error}");
    }
}

#[tokio::test]
async fn endless_headers_are_not_taken_in() {
    let server = TestServer::start(|_| {
        Reply::Endless("HTTP/1.1 200 X\r\n", format!("x-{0}: {0}\r\n", "y".repeat(1_000)), Duration::ZERO)
    })
    .await;
    let error = client_of(&server, once()).isolation(sensor()).await.unwrap_err();
    // Not by waiting: what is read has an end.
    assert!(!error.to_string().contains("no whole answer within"), "{error}");
}

#[tokio::test]
async fn who_drips_is_not_waited_for() {
    for beginning in ["HTTP/1.1 200 X\r\n", "HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n"] {
        let drip = if beginning.ends_with("\r\n\r\n") { " " } else { "x" };
        let server =
            TestServer::start(move |_| Reply::Endless(beginning, drip.to_owned(), Duration::from_millis(5)))
                .await;
        let limits = Limits { answer: Duration::from_millis(200), ..once() };
        let error = client_of(&server, limits).isolation(sensor()).await.unwrap_err();
        assert!(error.to_string().contains("no whole answer within 200 ms"), "{error}");
    }
}

#[tokio::test]
async fn another_certificate_in_the_middle_of_a_run_ends_it() {
    let first = Certified::authority("kata");
    let trust = Trust::Pinned(first.fingerprint().0);
    let handshake = Handshake { then: Some(Certified::authority("kata")), ..Handshake::with(first) };
    let server = TestServer::start_with(handshake, |_| {
        Reply::Answer(404, "Connection: close\r\n", NOT_FOUND.to_owned())
    })
    .await;
    let endpoint = endpoint(&[("127.0.0.1", server.port())], &Certified::self_signed("client"), trust);
    let client = HttpsCentralNode::new(&endpoint, once()).unwrap();
    assert!(client.isolation(sensor()).await.unwrap().is_none());
    let error = client.delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::UntrustedServer), "{error}");
    assert!(error.stops_server() && !error.may_have_had_effect());
    assert_eq!(server.seen().len(), 1, "nothing was sent to whoever that is");
}

/// A server that knows older versions only can not be made with our library; what the client offers can be seen.
#[tokio::test]
async fn tls_1_2_is_the_oldest_version_that_is_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = endpoint(&[("127.0.0.1", port)], &Certified::self_signed("client"), Trust::Pinned([0; 32]));
    let client = HttpsCentralNode::new(&client, once()).unwrap();
    let hello = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4_096];
        let length = stream.read(&mut hello).await.unwrap();
        hello.truncate(length);
        hello
    };
    let (_error, hello) = tokio::join!(client.isolation(sensor()), hello);
    // The extension `supported_versions` (RFC 8446, 4.2.1), with its length and that of its list.
    let at = hello.windows(4).position(|window| window == [0x00, 0x2b, 0x00, 0x05]).unwrap();
    let mut offered: Vec<&[u8]> = hello[at + 5..at + 9].chunks(2).collect();
    offered.sort();
    assert_eq!(offered, [[0x03, 0x03], [0x03, 0x04]]);
}
