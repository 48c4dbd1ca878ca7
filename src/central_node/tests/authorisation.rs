//! 400, 401 and 403: the help swaps them, so the plain host list decides.

use std::sync::Arc;

use super::super::{CallErrorKind, ReadSettings, WriteSettings};
use super::server::{Reply, Seen, TestServer};
use super::{SYSTEM_ID, client_of, quick, sensor};
use crate::model::{KeptObject, PreventionRule, Target, WallClock};

/// Refuses settings with `status`, and answers the host list as told.
async fn refusing(status: u16, body: &'static str, sensors: (u16, &'static str)) -> TestServer {
    TestServer::start(move |seen: &Seen| {
        if seen.what == "GET /sensors" { Reply::of(sensors.0, sensors.1) } else { Reply::of(status, body) }
    })
    .await
}

#[tokio::test]
async fn who_may_not_list_hosts_is_not_authorised() {
    for status in [400, 401, 403] {
        let server = refusing(status, "no", (401, "authorization required")).await;
        let client = client_of(&server, quick());
        let error = client.delete_isolation(sensor()).await.unwrap_err();
        assert!(matches!(error.kind(), CallErrorKind::NotAuthorised), "{error}");
        assert!(error.stops_server() && !error.may_have_had_effect());
        let message = error.to_string();
        assert!(message.contains(&client.client_certificate().to_string()), "{message}");
        assert!(message.contains(SYSTEM_ID), "{message}");
        assert!(message.contains(&format!("status {status}, \"no\"")), "{message}");
        assert_eq!(server.calls()[1..], ["GET /sensors"]);
    }
}

#[tokio::test]
async fn the_list_itself_needs_no_second_opinion() {
    let server = refusing(200, "", (400, "authorization required")).await;
    let client = client_of(&server, quick());
    let error = client.hosts(&WallClock).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::NotAuthorised), "{error}");
    assert!(error.to_string().contains(&client.client_certificate().to_string()), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn who_may_list_hosts_sent_something_incorrect() {
    let server = refusing(401, "incorrect parameters", (200, r#"{"sensors": []}"#)).await;
    let client = client_of(&server, quick());
    let error = client.isolation(sensor()).await.unwrap_err();
    let CallErrorKind::Incorrect(text) = error.kind() else { panic!("{error}") };
    assert_eq!(text.raw(), "incorrect parameters");
    assert!(!error.stops_server());
    // Refusals are never repeated.
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_clash_is_told_from_missing_rights() {
    let server = refusing(
        400,
        r#"{"error": "rule is set", "hosts": [{"host": "ws-1"}]}"#,
        (200, r#"{"sensors": []}"#),
    )
    .await;
    let mut rule = PreventionRule::default();
    rule.objects.insert("900150983cd24fb0d6963f7d28e17f72".parse().unwrap(), KeptObject::default());
    let error =
        client_of(&server, quick()).set_prevention(Target::AllHosts, &Arc::new(rule)).await.unwrap_err();
    let CallErrorKind::Clash { hosts, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(hosts[0].raw(), "ws-1");
}

#[tokio::test]
async fn a_list_that_fails_leaves_the_question_open() {
    let server = refusing(401, "no", (502, "bad gateway")).await;
    let error = client_of(&server, quick()).isolation(sensor()).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Incorrect(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("could not be found out"), "{message}");
    assert!(message.contains("bad gateway"), "{message}");
}
