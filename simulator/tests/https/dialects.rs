use kedrctl_simulator::world::Target;
use serde_json::{Value, json};

use crate::client::{Answer, Lab, minutes, sensor, setting};

const RULE: &str =
    "hosts: [{ name: WS-1, ip: 10.0.0.1, isolation: { timeout: 8h, exclusions: [{ protocol: 6 }] },
  prevention: [{ md5: 900150983cd24fb0d6963f7d28e17f72 }, { sha256: 'ab', x: 1 }] }]";

fn lab(dialect: &str) -> Lab {
    Lab::new(&format!("{RULE}\nserver: {{ dialect: {{ {dialect} }} }}"))
}

async fn isolation(lab: &Lab) -> Answer {
    lab.get(&setting(sensor("WS-1"), "network_isolation")).await
}

async fn prevention(lab: &Lab) -> Value {
    lab.get(&setting(sensor("WS-1"), "prevention")).await.json()
}

async fn set_timeout(lab: &Lab, seconds: u64) -> Answer {
    let body = json!({"settings": {"autoTurnoffTimeoutInSec": seconds, "excludedRules": []}});
    lab.post(&setting(sensor("WS-1"), "network_isolation"), &body).await
}

#[tokio::test]
async fn settings_come_in_four_shapes() {
    let settings = json!({"autoTurnoffTimeoutInSec": 28800, "excludedRules": [{"protocol": 6}]});
    for (shape, expected) in [
        ("object", json!({"settings": settings})),
        ("array", json!([{"settings": settings}])),
        ("bare-array", json!([settings])),
        ("array-under-settings", json!({"settings": [settings]})),
    ] {
        assert_eq!(isolation(&lab(&format!("settings: {shape}"))).await.json(), expected, "{shape}");
    }
}

#[tokio::test]
async fn the_host_list_has_its_dialects() {
    for (dialect, field, expected) in [
        ("host_name_field: hostName", "hostName", json!("WS-1")),
        ("host_name_field: hostname", "hostname", json!("WS-1")),
        ("host_name_field: name", "name", json!("WS-1")),
        ("last_access: epoch-seconds", "lastAccessTimestamp", json!(1_795_510_740)),
        ("last_access: epoch-millis", "lastAccessTimestamp", json!(1_795_510_740_000_i64)),
        ("last_access: epoch-seconds, numbers_as_text: true", "lastAccessTimestamp", json!("1795510740")),
        ("last_access: missing", "lastAccessTimestamp", Value::Null),
        ("uuid_case: upper", "sensorId", json!(sensor("WS-1").to_string().to_uppercase())),
        ("extra_fields: true", "tenant", json!({"id": 1, "name": "default"})),
    ] {
        let list = lab(dialect).get("sensors").await.json();
        assert_eq!(list["sensors"][0][field], expected, "{dialect}");
    }
    let list = lab("continuation_token: more, list_at_most: 0").get("sensors").await.json();
    assert_eq!((&list["continuation_token"], &list["sensors"]), (&json!("more"), &json!([])));
}

#[tokio::test]
async fn bytes_and_headers_have_their_dialects() {
    let marked = isolation(&lab("bom: true, content_type: text/plain")).await;
    assert!(marked.body.starts_with("\u{feff}{"));
    assert_eq!(marked.headers["content-type"], "text/plain");
    let untyped = isolation(&lab("content_type: ''")).await;
    assert!(!untyped.headers.contains_key("content-type"));
    let no_content = lab("write_status: 204");
    let answer = set_timeout(&no_content, 3600).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let swapped = lab("swap_400_and_401: true");
    assert_eq!(set_timeout(&swapped, 1).await.status, 401);
    let page = lab("not_found: html");
    assert!(page.get("tasks/0d2c1e5b-6f2e-4f4c-8a55-0b5b0c8f7a11").await.body.starts_with("<html>"));
}

#[tokio::test]
async fn unauthorized_has_its_dialects() {
    let manual =
        |dialect: &str| format!("{{ registration: manual, server: {{ dialect: {{ {dialect} }} }} }}");
    assert_eq!(Lab::new(&manual("swap_400_and_401: true")).get("sensors").await.status, 400);
    assert_eq!(Lab::new(&manual("not_authorized: 403")).get("sensors").await.status, 403);
}

#[tokio::test]
async fn isolation_has_its_dialects() {
    let text = isolation(&lab("numbers_as_text: true")).await.json();
    let expected = json!({"autoTurnoffTimeoutInSec": "28800", "excludedRules": [{"protocol": "6"}]});
    assert_eq!(text["settings"], expected);

    let missing = lab("no_empty_excluded_rules: true");
    set_timeout(&missing, 3600).await;
    assert_eq!(isolation(&missing).await.json(), json!({"settings": {"autoTurnoffTimeoutInSec": 3600}}));

    for (rounding, kept) in [("exact", 5400), ("down", 3600), ("up", 7200), ("nearest", 7200)] {
        let lab = lab(&format!("timeouts: {rounding}"));
        set_timeout(&lab, 5400).await;
        assert_eq!(isolation(&lab).await.json()["settings"]["autoTurnoffTimeoutInSec"], kept, "{rounding}");
    }

    let help = lab("ports: help, izolation: true");
    let ports = json!({"direction": "inbound", "remotePortRange": {"fromPort": 1, "toPort": 2}});
    let body = json!({"settings": {"autoTurnoffTimeoutInSec": 3600, "excludedRules": [ports]}});
    let answer = help.post(&setting(sensor("WS-1"), "network_izolation"), &body).await;
    assert!(answer.status == 400 && answer.body.contains("remotePortRange"), "{}", answer.body);
}

#[tokio::test]
async fn a_rule_past_its_end_may_be_gone() {
    for (dialect, status, deleted) in [
        ("expired: listed", 200, 200),
        ("expired: gone", 404, 404),
        ("expired: gone, delete_without_rule: done", 404, 200),
    ] {
        let lab = lab(dialect);
        lab.clock.advance(minutes(8 * 60 - 10));
        assert_eq!(isolation(&lab).await.status, status, "{dialect}");
        let answer = lab.delete(&setting(sensor("WS-1"), "network_isolation")).await;
        assert_eq!(answer.status, deleted, "{dialect}");
    }
}

#[tokio::test]
async fn sending_again_may_not_restart_the_time() {
    for (resend, end) in [("restarts", minutes(120)), ("keeps", minutes(60))] {
        let lab = lab(&format!("resend: {resend}"));
        set_timeout(&lab, 3600).await;
        lab.clock.advance(minutes(60));
        set_timeout(&lab, 3600).await;
        let ends = lab.simulator.world(|world| world.isolation(sensor("WS-1")).unwrap().end());
        assert_eq!(ends, crate::client::start() + end, "{resend}");
    }
}

#[tokio::test]
async fn prevention_has_its_dialects() {
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    let as_sent = prevention(&lab("")).await;
    let odd = json!({"file": {"sha256": "ab", "x": 1}});
    assert_eq!(as_sent["settings"]["objects"], json!([{"file": {"md5": md5}}, odd]));
    let upper = prevention(&lab("hash_case: upper, order: reversed")).await;
    assert_eq!(upper["settings"]["objects"], json!([odd, {"file": {"md5": md5.to_uppercase()}}]));
    let named = prevention(&lab("names: always")).await;
    assert_eq!(named["settings"]["objects"][0]["file"], json!({"md5": md5, "name": md5}));

    let empty = lab("all_without_rule: empty-objects").get(&setting("all", "prevention")).await;
    assert_eq!(empty.json(), json!({"settings": {"objects": []}}));

    let strict = lab("strict_objects: true, extra_fields: true");
    let printed = prevention(&strict).await;
    let back = json!({"settings": {"objects": [{"file": printed["settings"]["objects"][0]["file"]}]}});
    let refused = strict.post(&setting(sensor("WS-1"), "prevention"), &back).await;
    assert!(
        refused.status == 400 && refused.body.contains("unknown field type"),
        "it refuses what it printed"
    );
}

#[tokio::test]
async fn a_clash_has_its_dialects() {
    let message = "the file 900150983cd24fb0d6963f7d28e17f72 is in the rule of other hosts already";
    let md5 = json!({"md5": "900150983cd24fb0d6963f7d28e17f72"});
    for (dialect, status, body) in [
        (
            "clash_status: 409, clash: sensor-ids",
            409,
            json!({"error": message, "sensorIds": [sensor("WS-1").to_string()]}),
        ),
        (
            "clash_status: 500, clash: nested",
            500,
            json!({"error": {"code": 1409, "message": message, "details": {"file": md5, "hosts": ["WS-1"]}}}),
        ),
        ("clash: text", 400, json!({"error": format!("{message}: WS-1")})),
    ] {
        let rule = json!({"settings": {"objects": [{"file": md5}]}});
        let answer = lab(dialect).post(&setting("all", "prevention"), &rule).await;
        assert_eq!((answer.status, answer.json()), (status, body), "{dialect}");
    }
}

#[tokio::test]
async fn the_dialect_can_change_while_it_runs() {
    let lab = lab("");
    let dialect = kedrctl_simulator::Dialect { bom: true, ..Default::default() };
    lab.simulator.set_dialect(dialect);
    assert!(isolation(&lab).await.body.starts_with('\u{feff}'));
    let none = lab.simulator.world(|world| world.prevention(Target::All).is_none());
    assert!(none);
}
