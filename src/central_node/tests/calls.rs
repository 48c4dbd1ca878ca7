//! What is sent, and what its answers become.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::{CallErrorKind, ReadSettings, WriteSettings};
use super::server::{Reply, Seen, TestServer};
use super::{client_of, quick, sensor};
use crate::model::{Clock, Direction, ExclusionRule, KeptObject, PreventionRule, Target, Timeout, WallClock};

const SETTINGS: &str = "/settings?sensor_id=5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11&settings_type=";
const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const NOT_FOUND: &str = r#"{"error": "Not Found"}"#;

#[tokio::test]
async fn the_host_list_comes_with_the_servers_clock() {
    let server = TestServer::start(|_| {
        let body = format!(r#"{{"sensors": [{{"sensorId": "{}", "host": "ws-1"}}]}}"#, sensor());
        Reply::Answer(200, "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n", body)
    })
    .await;
    let listing = client_of(&server, quick()).hosts(&WallClock).await.unwrap();
    assert_eq!(listing.hosts.sensors[&sensor()].label(), "ws-1");
    assert_eq!(listing.date, Some("2026-11-24T10:00:00Z".parse().unwrap()));
    let seen = server.seen();
    assert_eq!(seen[0].what, "GET /sensors");
    let head = seen[0].head.to_lowercase();
    assert!(head.contains("user-agent: kedrctl/"), "{head}");
    assert!(!head.contains("accept-encoding"), "{head}");
}

/// One hour passes at every look.
struct HourByHour(AtomicUsize);

impl Clock for HourByHour {
    fn now(&self) -> jiff::Timestamp {
        let hours = self.0.fetch_add(1, Ordering::Relaxed);
        jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hours.try_into().unwrap())
    }
}

#[tokio::test]
async fn the_servers_clock_is_compared_with_the_attempt_that_was_answered() {
    let tries = AtomicUsize::new(0);
    let server = TestServer::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::of(503, ""),
        1 => Reply::Break,
        _ => Reply::of(200, r#"{"sensors": []}"#),
    })
    .await;
    let clock = HourByHour(AtomicUsize::new(0));
    let listing = client_of(&server, quick()).hosts(&clock).await.unwrap();
    // The 503 took the looks 0 and 1, the broken one the look 2.
    assert_eq!((listing.asked.as_second() / 3_600, listing.answered.as_second() / 3_600), (3, 4));
}

#[tokio::test]
async fn settings_are_present_or_known_to_be_absent() {
    let server = TestServer::start(|seen: &Seen| match seen.what.as_str() {
        "GET /settings?sensor_id=all&settings_type=prevention" => {
            Reply::of(200, &format!(r#"{{"settings": {{"objects": [{{"file": {{"md5": "{MD5}"}}}}]}}}}"#))
        }
        what if what.ends_with("network_isolation") => {
            Reply::of(200, r#"{"settings": {"autoTurnoffTimeoutInSec": 7200}}"#)
        }
        _ => Reply::of(404, NOT_FOUND),
    })
    .await;
    let client = client_of(&server, quick());
    assert_eq!(client.isolation(sensor()).await.unwrap().unwrap().timeout_seconds, 7_200);
    assert!(client.prevention(Target::Sensor(sensor())).await.unwrap().is_none());
    assert_eq!(client.prevention(Target::AllHosts).await.unwrap().unwrap().objects.len(), 1);
}

#[tokio::test]
async fn writes_send_the_documented_form() {
    let server = TestServer::start(|seen: &Seen| {
        // 204 is what some calls of the older family answer; a body that breaks off does not undo a 200.
        if seen.what.starts_with("DELETE") { Reply::of(204, "") } else { Reply::Half(200, "<") }
    })
    .await;
    let client = client_of(&server, quick());
    let both = ExclusionRule::new(Direction::Both, None, None, None, None).unwrap();
    client.set_isolation(sensor(), Timeout::MIN, &Arc::new([both].into())).await.unwrap();
    client.delete_isolation(sensor()).await.unwrap();
    let mut rule = PreventionRule::default();
    rule.objects.insert(MD5.parse().unwrap(), KeptObject::default());
    client.set_prevention(Target::AllHosts, &Arc::new(rule)).await.unwrap();
    client.delete_prevention(Target::AllHosts).await.unwrap();
    let sent =
        server.seen().into_iter().map(|seen| format!("{} {}", seen.what, seen.body)).collect::<Vec<_>>();
    assert_eq!(
        sent,
        [
            format!(
                "POST {SETTINGS}network_isolation {{\"settings\":{{\"autoTurnoffTimeoutInSec\":3600,\
                 \"excludedRules\":[{{\"direction\":\"both\"}}]}}}}"
            ),
            format!("DELETE {SETTINGS}network_isolation "),
            format!(
                "POST /settings?sensor_id=all&settings_type=prevention \
                 {{\"settings\":{{\"objects\":[{{\"file\":{{\"md5\":\"{MD5}\"}}}}]}}}}"
            ),
            "DELETE /settings?sensor_id=all&settings_type=prevention ".to_owned(),
        ]
    );
    assert!(server.seen()[0].head.to_lowercase().contains("content-type: application/json"));
}

#[tokio::test]
async fn a_rule_without_objects_is_never_sent() {
    let server = TestServer::start(|_| Reply::of(200, "")).await;
    let error =
        client_of(&server, quick()).set_prevention(Target::AllHosts, &Arc::default()).await.unwrap_err();
    assert!(!error.may_have_had_effect());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_page_of_a_proxy_is_no_answer() {
    let server = TestServer::start(|seen: &Seen| match seen.what.as_str() {
        "GET /sensors" => Reply::Answer(302, "Location: https://login.example.org/\r\n", String::new()),
        what if what.ends_with("prevention") => Reply::of(200, "<html>sign in</html>"),
        _ => Reply::of(404, "<html>Not Found</html>"),
    })
    .await;
    let client = client_of(&server, quick());
    for error in [
        client.hosts(&WallClock).await.unwrap_err(),
        client.isolation(sensor()).await.unwrap_err(),
        client.prevention(Target::AllHosts).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), CallErrorKind::NotUnderstood), "{error}");
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn no_more_requests_than_agreed_are_in_flight() {
    let asked = AtomicUsize::new(0);
    let server = TestServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        1..=4 => Reply::Silence,
        _ => Reply::of(404, NOT_FOUND),
    })
    .await;
    let client = Arc::new(client_of(&server, quick()));
    assert!(client.isolation(sensor()).await.unwrap().is_none());
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = Arc::clone(&client);
        reads.spawn(async move { client.isolation(sensor()).await });
    }
    while server.seen().len() < 5 {
        tokio::task::yield_now().await;
    }
    // A fifth in flight would come now, and would be answered.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.seen().len(), 5);
    // Calls that are dropped give back what they held.
    reads.shutdown().await;
    assert!(client.isolation(sensor()).await.unwrap().is_none());
}
