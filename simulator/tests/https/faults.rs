use jiff::SignedDuration;
use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Connections, Drop, Fault, Method, Spoiled};
use serde_json::json;

use crate::client::{Client, Lab, sensor, setting};

const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2 }]";

fn url() -> String {
    setting(sensor("WS-1"), "network_isolation")
}

fn body() -> String {
    json!({"settings": {"autoTurnoffTimeoutInSec": 3600}}).to_string()
}

fn isolated(lab: &Lab) -> bool {
    lab.simulator.world(|world| world.isolation(sensor("WS-1")).is_some())
}

#[tokio::test]
async fn a_server_may_be_busy_for_a_while() {
    let lab = Lab::new(FLEET);
    let busy = Fault { retry_after: Some(2), ..Fault::on(CallKind::Sensors).first(1).status(503) };
    lab.simulator.set_faults(vec![busy]);
    let answer = lab.get("sensors").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"2".parse().unwrap()));
    assert_eq!(lab.get("sensors").await.status, 200);
}

#[tokio::test]
async fn a_status_may_come_with_or_without_the_effect() {
    let lab = Lab::new(FLEET);
    for after_effect in [false, true] {
        let fault = Fault {
            after_effect,
            body: Some("<html>bad gateway</html>".into()),
            ..Fault::on(CallKind::Isolation).method(Method::Post).status(502)
        };
        lab.simulator.set_faults(vec![fault]);
        let answer = lab.client.send(reqwest::Method::POST, &url(), Some(body())).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (502, "<html>bad gateway</html>"));
        assert_eq!(isolated(&lab), after_effect);
        let logged = lab.simulator.requests().pop().unwrap();
        assert_eq!((logged.status, logged.effect), (Some(502), after_effect));
    }
}

#[tokio::test]
async fn a_connection_may_break_before_or_after_the_effect() {
    for http2 in [false, true] {
        let lab = Lab::new(FLEET);
        let client = Client::new(&lab.simulator, &lab.simulator.credentials(), http2);
        for (drop, effect) in
            [(Drop::Before, false), (Drop::After, true), (Drop::ResetBefore, false), (Drop::ResetAfter, true)]
        {
            lab.simulator.world(|world| world.put_isolation(sensor("WS-1"), None)).unwrap();
            lab.simulator.set_faults(vec![Fault::on(CallKind::Isolation).first(1).dropping(drop)]);
            let lost = client.send(reqwest::Method::POST, &url(), Some(body())).await;
            assert!(lost.is_err(), "{drop:?}");
            assert_eq!(isolated(&lab), effect, "{drop:?}");
            let requests = lab.simulator.requests();
            let logged = requests.last().unwrap();
            assert_eq!((logged.status, logged.effect), (None, effect));
            let read = client.send(reqwest::Method::GET, &url(), None).await.unwrap();
            assert_eq!(read.status, if effect { 200 } else { 404 }, "the next request gets through");
            lab.simulator.clear_requests();
        }
    }
}

#[tokio::test]
async fn a_body_may_be_spoiled() {
    let lab = Lab::new(FLEET);
    let spoil = |answer| lab.simulator.set_faults(vec![Fault::on(CallKind::Sensors).spoiling(answer)]);
    let whole = lab.get("sensors").await.body;

    spoil(Spoiled::BrokenJson);
    let broken = lab.get("sensors").await;
    assert!(broken.status == 200 && whole.starts_with(&broken.body) && broken.body.len() < whole.len());
    spoil(Spoiled::Html);
    assert!(lab.get("sensors").await.body.starts_with("<html>"));
    spoil(Spoiled::Empty);
    assert_eq!(lab.get("sensors").await.body, "");
    spoil(Spoiled::Oversized(100_000));
    let oversized = lab.get("sensors").await;
    assert_eq!(oversized.body.len(), 100_000);
    assert_eq!(oversized.json(), serde_json::from_str::<serde_json::Value>(&whole).unwrap());
    spoil(Spoiled::Truncated);
    for http2 in [false, true] {
        let client = Client::new(&lab.simulator, &lab.simulator.credentials(), http2);
        assert!(client.send(reqwest::Method::GET, "sensors", None).await.is_err());
    }
}

#[tokio::test]
async fn a_body_may_be_of_another_kind() {
    let lab = Lab::new(FLEET);
    let spoil = |answer| lab.simulator.set_faults(vec![Fault::on(CallKind::Sensors).spoiling(answer)]);
    spoil(Spoiled::WrongTypes);
    assert_eq!(lab.get("sensors").await.body, r#"{"sensors":7,"server":7}"#);
    spoil(Spoiled::Utf16);
    assert!(lab.get("sensors").await.body.starts_with("{\0\"\0s\0e\0"));
}

#[tokio::test]
async fn a_body_may_stall() {
    let lab = Lab::new(FLEET);
    lab.simulator.set_faults(vec![Fault::on(CallKind::Sensors).spoiling(Spoiled::Stalled)]);
    let asked = lab.client.send(reqwest::Method::GET, "sensors", None);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), asked).await;
    assert!(waited.is_err(), "it neither ends nor breaks off");
    assert_eq!(lab.simulator.requests().len(), 1);
}

/// Everything of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn connections_may_be_refused_until_the_faults_are_replaced() {
    for http2 in [false, true] {
        let lab = Lab::new(FLEET);
        let client = Client::new(&lab.simulator, &lab.simulator.credentials(), http2);
        for _ in 0..3 {
            assert_eq!(client.send(reqwest::Method::GET, "sensors", None).await.unwrap().status, 200);
            let fault = Fault::on(CallKind::Isolation).method(Method::Post);
            lab.simulator.set_faults(vec![Fault { connections: Some(Connections::Refused), ..fault }]);
            assert_eq!(client.send(reqwest::Method::GET, "sensors", None).await.unwrap().status, 200);
            assert!(client.send(reqwest::Method::POST, &url(), Some(body())).await.is_err());
            let refused = client.send(reqwest::Method::GET, "sensors", None).await.err().unwrap();
            assert!(refused.is_connect() && chain(&refused).contains("refused"), "{}", chain(&refused));
            assert!(!isolated(&lab));
            lab.simulator.set_faults(Vec::new());
        }
        assert_eq!(client.send(reqwest::Method::GET, "sensors", None).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn another_server_may_take_over_the_address() {
    let lab = Lab::new(FLEET);
    assert_eq!(lab.get("sensors").await.status, 200);
    let fault = Fault::on(CallKind::Sensors);
    lab.simulator.set_faults(vec![Fault { connections: Some(Connections::OtherCertificate), ..fault }]);
    assert!(lab.client.send(reqwest::Method::GET, "sensors", None).await.is_err());
    let distrusted = lab.client.send(reqwest::Method::GET, &url(), None).await.err().unwrap();
    assert!(chain(&distrusted).contains("another certificate"), "{}", chain(&distrusted));
    lab.simulator.set_faults(Vec::new());
    assert_eq!(lab.get("sensors").await.status, 200);
}

#[tokio::test]
async fn a_write_may_be_ignored() {
    let lab = Lab::new(FLEET);
    let fault = Fault { ignore_write: true, ..Fault::on(CallKind::Isolation) };
    lab.simulator.set_faults(vec![fault.sensor(Target::Sensor(sensor("WS-1")))]);
    let answer = lab.client.send(reqwest::Method::POST, &url(), Some(body())).await.unwrap();
    assert_eq!((answer.status, isolated(&lab)), (200, false));
    let other = setting(sensor("WS-2"), "network_isolation");
    lab.client.send(reqwest::Method::POST, &other, Some(body())).await.unwrap();
    assert!(
        lab.simulator.world(|world| world.isolation(sensor("WS-2")).is_some()),
        "the fault is of one host"
    );
}

#[tokio::test]
async fn long_bodies_may_be_refused_by_the_web_server_in_front() {
    let lab = Lab::new(&format!("{FLEET}\nserver: {{ body_limit: 10 }}"));
    let answer = lab.client.send(reqwest::Method::POST, &url(), Some(body())).await.unwrap();
    assert_eq!((answer.status, isolated(&lab)), (413, false));
    assert!(answer.body.starts_with("<html>"));
    lab.simulator.set_faults(vec![Fault { body_limit: Some(1000), ..Fault::default() }]);
    let answer = lab.client.send(reqwest::Method::POST, &url(), Some(body())).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_date_may_be_wrong_or_missing() {
    let lab = Lab::new(FLEET);
    let skewed = Fault { clock_skew: Some(SignedDuration::from_mins(-15)), ..Fault::default() };
    lab.simulator.set_faults(vec![skewed]);
    assert_eq!(lab.get("sensors").await.headers["date"], "Tue, 24 Nov 2026 08:45:00 GMT");
    lab.simulator.set_faults(vec![Fault { no_date: true, ..Fault::default() }]);
    for http2 in [false, true] {
        let client = Client::new(&lab.simulator, &lab.simulator.credentials(), http2);
        let answer = client.send(reqwest::Method::GET, "sensors", None).await.unwrap();
        assert!(!answer.headers.contains_key("date"));
    }
}

#[tokio::test]
async fn an_answer_may_come_too_late() {
    let lab = Lab::new(FLEET);
    let late = |delay, delay_answer| {
        let fault = Fault { delay, delay_answer, ..Fault::on(CallKind::Isolation) };
        lab.simulator.set_faults(vec![fault]);
    };
    let hour = Some(SignedDuration::from_hours(1));
    for (delay, delay_answer, effect) in [(hour, None, false), (None, hour, true)] {
        late(delay, delay_answer);
        let url = url();
        let mut request = Box::pin(lab.client.send(reqwest::Method::POST, &url, Some(body())));
        // Given up as soon as the request has come as far as it will.
        loop {
            let step = tokio::time::timeout(std::time::Duration::from_millis(2), &mut request).await;
            assert!(step.is_err(), "the answer is an hour away");
            if isolated(&lab) == effect {
                break;
            }
        }
        assert_eq!(isolated(&lab), effect);
    }
}
