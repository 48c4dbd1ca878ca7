//! Servers that are overloaded, silent, broken or not there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{CallErrorKind, HttpsCentralNode, Limits, ReadSettings, Trust, WriteSettings};
use super::certificates::Certified;
use super::server::{Reply, TestServer};
use super::{client_of, endpoint, quick, sensor};
use crate::model::WallClock;

const NOT_FOUND: &str = r#"{"error": "Not Found"}"#;

/// A port where nobody listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn reads_are_repeated_until_they_succeed() {
    let asked = AtomicUsize::new(0);
    let server = TestServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(503, "Retry-After: 1\r\n", String::new()),
        1 => Reply::Half(404, NOT_FOUND),
        _ => Reply::of(404, NOT_FOUND),
    })
    .await;
    assert!(client_of(&server, quick()).isolation(sensor()).await.unwrap().is_none());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn reads_end_with_how_often_was_tried() {
    let server = TestServer::start(|_| Reply::of(500, "internal")).await;
    let error = client_of(&server, quick()).isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::ServerFailed));
    assert!(
        error.to_string().ends_with("the server failed (status 500, \"internal\") (tried 3 times)"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn writes_are_sent_once() {
    for reply in [|| Reply::of(500, ""), || Reply::of(503, ""), || Reply::Break, || Reply::Half(502, "")] {
        let server = TestServer::start(move |_| reply()).await;
        let error = client_of(&server, quick()).delete_isolation(sensor()).await.unwrap_err();
        assert!(error.may_have_had_effect(), "{error}");
        assert_eq!(server.seen().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn silence_is_an_answer_lost() {
    let server = TestServer::start(|_| Reply::Silence).await;
    let limits = Limits { answer: Duration::from_millis(100), ..quick() };
    let client = client_of(&server, limits);
    let error = client.delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::AnswerLost), "{error}");
    assert!(error.may_have_had_effect());
    assert!(error.to_string().ends_with("the answer is lost: no whole answer within 100 ms"), "{error}");
    assert_eq!(server.seen().len(), 1);
    let error = client.isolation(sensor()).await.unwrap_err();
    assert!(error.is_worth_retrying() && !error.may_have_had_effect(), "{error}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn an_answer_without_end_is_not_taken_in() {
    let server = TestServer::start(|_| Reply::of(200, &" ".repeat(2_000))).await;
    let limits = Limits { settings_bytes: 1_000, list_bytes: 1_000, ..quick() };
    let client = client_of(&server, limits);
    for error in [client.hosts(&WallClock).await.unwrap_err(), client.isolation(sensor()).await.unwrap_err()]
    {
        assert!(matches!(error.kind(), CallErrorKind::NotUnderstood), "{error}");
        assert!(error.to_string().contains("longer than 1000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_had_no_effect() {
    let endpoint = endpoint(
        &[("127.0.0.1", closed_port().await)],
        &Certified::self_signed("client"),
        Trust::Pinned([0; 32]),
    );
    let client = HttpsCentralNode::new(&endpoint, quick()).unwrap();
    let error = client.delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::CannotConnect), "{error}");
    assert!(!error.may_have_had_effect() && error.is_worth_retrying() && !error.stops_server());
    let message = client.isolation(sensor()).await.unwrap_err().to_string();
    assert!(message.contains("cannot connect: Connection refused"), "{message}");
    assert!(message.ends_with("(tried 3 times)"), "{message}");
}

#[tokio::test]
async fn what_does_not_speak_tls_is_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut plain = tokio::task::JoinSet::new();
    plain.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 1_024];
            if stream.read(&mut hello).await.is_ok() {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            }
        }
    });
    let endpoint =
        endpoint(&[("127.0.0.1", port)], &Certified::self_signed("client"), Trust::Pinned([0; 32]));
    let client = HttpsCentralNode::new(&endpoint, quick()).unwrap();
    let error = client.delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::CannotConnect), "{error}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_had_no_effect() {
    // The system takes the connection; nobody ever reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint =
        endpoint(&[("127.0.0.1", port)], &Certified::self_signed("client"), Trust::Pinned([0; 32]));
    let limits = Limits { connect: Duration::from_millis(100), ..quick() };
    let client = HttpsCentralNode::new(&endpoint, limits).unwrap();
    let error = client.delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::CannotConnect), "{error}");
    assert!(error.to_string().ends_with("cannot connect: no connection within 100 ms"), "{error}");
}

#[tokio::test]
async fn the_first_address_that_answers_is_kept() {
    let silent = TestServer::start(|_| Reply::Silence).await;
    let certified = Certified::authority("kata");
    let trust = Trust::Pinned(certified.fingerprint().0);
    let server =
        TestServer::start_with(super::server::Handshake::with(certified), |_| Reply::of(404, NOT_FOUND))
            .await;
    let urls = [
        ("127.0.0.1", closed_port().await),
        // Another certificate: not the one that is pinned.
        ("127.0.0.1", silent.port()),
        // A name that has several addresses on most systems; the server is at one of them.
        ("localhost", server.port()),
    ];
    let client =
        HttpsCentralNode::new(&endpoint(&urls, &Certified::self_signed("client"), trust), quick()).unwrap();
    for _ in 0..3 {
        assert!(client.isolation(sensor()).await.unwrap().is_none());
    }
    assert!(silent.seen().is_empty());
    // Asked once, by the first request.
    assert_eq!(silent.connections(), 1);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_named() {
    // No part of a name may be this long, so that it is refused without asking the network.
    let name = "k".repeat(64);
    let endpoint = endpoint(&[(&name, 443)], &Certified::self_signed("client"), Trust::Pinned([0; 32]));
    let error =
        HttpsCentralNode::new(&endpoint, quick()).unwrap().delete_isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::CannotConnect), "{error}");
    assert!(error.to_string().contains(&format!("the name {name} is not found")), "{error}");
}
