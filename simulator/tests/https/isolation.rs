use serde_json::json;

use crate::client::{Lab, minutes, sensor, setting, start};

const FLEET: &str = "hosts: [{ name: WS-1, last_access: 1m ago, contact_every: 5m }]";

fn url() -> String {
    setting(sensor("WS-1"), "network_isolation")
}

#[tokio::test]
async fn isolation_is_set_read_replaced_and_removed() {
    let lab = Lab::new(FLEET);
    assert_eq!(lab.get(&url()).await.status, 404);
    assert_eq!(lab.get(&url()).await.body, r#"{"error":"Not Found"}"#);

    let rule = json!({"settings": {"autoTurnoffTimeoutInSec": 28800, "excludedRules": [
        {"direction": "outbound", "protocol": 17, "remoteIpv4Address": "10.0.0.53",
         "remotePortRange": {"fromPort": 53, "toPort": 53}},
        {"remoteIpv6Address": "fd00::1"},
    ]}});
    assert_eq!(lab.post(&url(), &rule).await.status, 200);
    assert_eq!(lab.get(&url()).await.json(), rule);

    lab.clock.advance(minutes(30));
    let shorter = json!({"settings": {"autoTurnoffTimeoutInSec": 3600}});
    assert_eq!(lab.post(&url(), &shorter).await.status, 200);
    assert_eq!(lab.get(&url()).await.json(), shorter, "replaced as a whole, and never what is left");
    let set_at = lab.simulator.world(|world| world.isolation(sensor("WS-1")).unwrap().set_at);
    assert_eq!(set_at, start() + minutes(30));

    assert_eq!(lab.delete(&url()).await.status, 200);
    assert_eq!(lab.get(&url()).await.status, 404);
    assert_eq!(lab.delete(&url()).await.status, 404);
    let effects: Vec<bool> = lab.simulator.requests().iter().map(|request| request.effect).collect();
    assert_eq!(effects, [false, false, true, false, true, false, true, false, false]);
}

#[tokio::test]
async fn wrong_rules_are_refused_with_the_reason() {
    let lab = Lab::new(FLEET);
    let refused = [
        (json!({"settings": {"autoTurnoffTimeoutInSec": 3599}}), "3600"),
        (json!({"settings": {"autoTurnoffTimeoutInSec": 35_996_401}}), "35996400"),
        (json!({"settings": {"autoTurnoffTimeoutInSec": "28800"}}), "settings"),
        (json!({"settings": {"excludedRules": []}}), "autoTurnoffTimeoutInSec"),
        (json!({"autoTurnoffTimeoutInSec": 28800}), "settings"),
        (rule(json!({"localPortRange": {"fromPort": 1, "toPort": 2}})), "both"),
        (rule(json!({"direction": "inbound", "localPortRange": {"fromPort": 2, "toPort": 1}})), "fromPort"),
        (rule(json!({"direction": "in"})), "unknown variant"),
        (rule(json!({"remoteAddress": "10.0.0.1"})), "unknown field"),
        (rule(json!({"protocol": 256})), "256"),
    ];
    for (body, reason) in refused {
        let answer = lab.post(&url(), &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(reason), "{body}: {}", answer.body);
    }
    assert_eq!(lab.post(&setting("all", "network_isolation"), &rule(json!({}))).await.status, 400);
    let nobody = setting("e6aa2842-fb29-fa7c-84f2-fc2009bfc2d3", "network_isolation");
    assert_eq!(lab.post(&nobody, &rule(json!({}))).await.status, 404);
    assert_eq!(lab.get(&setting(sensor("WS-1"), "network_izolation")).await.status, 400);
    assert!(lab.simulator.requests().iter().all(|request| !request.effect));
}

fn rule(exclusion: serde_json::Value) -> serde_json::Value {
    json!({"settings": {"autoTurnoffTimeoutInSec": 28800, "excludedRules": [exclusion]}})
}

#[tokio::test]
async fn the_array_form_of_the_guide_is_accepted_too() {
    let lab = Lab::new(FLEET);
    let body = json!({"settings": [{"autoTurnoffTimeoutInSec": 3600, "excludedRules": []}]});
    assert_eq!(lab.post(&url(), &body).await.status, 200);
    let read = json!({"settings": {"autoTurnoffTimeoutInSec": 3600, "excludedRules": []}});
    assert_eq!(lab.get(&url()).await.json(), read);
}

#[tokio::test]
async fn a_host_is_isolated_from_contact_to_end_by_its_own_clock() {
    let lab = Lab::new(FLEET);
    let isolated = || lab.simulator.effective(sensor("WS-1")).isolated;
    lab.post(&url(), &json!({"settings": {"autoTurnoffTimeoutInSec": 3600}})).await;
    assert!(!isolated(), "a rule is not yet an isolated host");
    lab.clock.advance(minutes(4));
    assert!(isolated());
    lab.clock.advance(minutes(56));
    assert!(!isolated());
    assert_eq!(lab.get(&url()).await.status, 200, "the rule itself is not deleted");

    lab.post(&url(), &json!({"settings": {"autoTurnoffTimeoutInSec": 7200}})).await;
    lab.clock.advance(minutes(5));
    assert!(isolated());
    lab.simulator.world(|world| world.set_clock_offset(sensor("WS-1"), minutes(120)).unwrap());
    assert!(!isolated(), "by its clock the end has passed");
}

#[tokio::test]
async fn a_silent_or_restarted_host_drops_isolation_by_itself() {
    let lab = Lab::new(
        "hosts: [{ name: WS-1, restart_drops_isolation: true, isolation: { timeout: 48h, set: 1h ago } }]",
    );
    let isolated = || lab.simulator.effective(sensor("WS-1")).isolated;
    assert!(isolated());
    lab.simulator.world(|world| world.restart(sensor("WS-1")).unwrap());
    assert!(!isolated());
    lab.clock.advance(minutes(5));
    assert!(isolated());
    lab.simulator.world(|world| world.set_contact_every(sensor("WS-1"), None).unwrap());
    lab.clock.advance(minutes(60 * 5 + 5));
    assert!(!isolated());
    assert_eq!(lab.get(&url()).await.status, 200, "none of this shows in the API");
    lab.simulator.world(|world| world.contact(sensor("WS-1")).unwrap());
    assert!(isolated());
}
