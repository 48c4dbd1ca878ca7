use kedrctl_simulator::world::Target;
use serde_json::{Value, json};

use crate::client::{Lab, minutes, sensor, setting};

const FLEET: &str = "hosts:
  - { name: WS-1, contact_every: 5m, last_access: 1m ago }
  - { name: WS-2, contact_every: 5m, last_access: 2m ago }
";

fn url(name: &str) -> String {
    setting(sensor(name), "prevention")
}

fn sha256(byte: &str) -> Value {
    json!({"file": {"sha256": byte.repeat(32)}})
}

fn rule(objects: &[Value]) -> Value {
    json!({"settings": {"objects": objects}})
}

#[tokio::test]
async fn a_rule_is_replaced_as_a_whole() {
    let lab = Lab::new(FLEET);
    let md5 = json!({"file": {"md5": "900150983CD24FB0D6963F7D28E17F72", "name": "dropper.exe"}});
    assert_eq!(lab.post(&url("WS-1"), &rule(&[sha256("aa"), md5])).await.status, 200);
    let read = lab.get(&url("WS-1")).await.json();
    let md5 = json!({"file": {"md5": "900150983cd24fb0d6963f7d28e17f72", "name": "dropper.exe"}});
    assert_eq!(read, rule(&[sha256("aa"), md5]));
    lab.post(&url("WS-1"), &rule(&[sha256("bb")])).await;
    assert_eq!(lab.get(&url("WS-1")).await.json(), rule(&[sha256("bb")]));
    assert_eq!(lab.get(&url("WS-2")).await.status, 404);
}

#[tokio::test]
async fn a_rule_is_removed_by_delete_or_by_nothing() {
    let lab = Lab::new(FLEET);
    lab.post(&url("WS-1"), &rule(&[sha256("aa")])).await;
    assert_eq!(lab.delete(&url("WS-1")).await.status, 200);
    assert_eq!(lab.get(&url("WS-1")).await.status, 404);
    lab.post(&url("WS-1"), &rule(&[sha256("aa")])).await;
    assert_eq!(lab.post(&url("WS-1"), &rule(&[])).await.status, 200);
    assert_eq!(lab.get(&url("WS-1")).await.body, r#"{"error":"Not Found"}"#);
}

#[tokio::test]
async fn files_must_carry_one_known_hash() {
    let lab = Lab::new(FLEET);
    for file in [
        json!({}),
        json!({"sha1": "aa".repeat(20)}),
        json!({"sha256": "aa".repeat(16)}),
        json!({"md5": "zz".repeat(16)}),
        json!({"md5": "aa".repeat(16), "sha256": "aa".repeat(32)}),
        json!({"md5": "aa".repeat(16), "name": 1}),
    ] {
        let answer = lab.post(&url("WS-1"), &rule(&[json!({"file": file})])).await;
        assert_eq!(answer.status, 400, "{file}");
        assert!(answer.body.contains("objects[0]"), "{}", answer.body);
    }
    let beside = json!({"settings": {"objects": [{"hash": "aa"}]}});
    assert_eq!(lab.post(&url("WS-1"), &beside).await.status, 400);
}

#[tokio::test]
async fn one_file_is_not_for_all_and_for_one_host_at_once() {
    let lab = Lab::new(FLEET);
    lab.post(&url("WS-1"), &rule(&[sha256("aa"), sha256("bb")])).await;
    lab.post(&url("WS-2"), &rule(&[sha256("bb")])).await;
    let all = setting("all", "prevention");
    let clash = lab.post(&all, &rule(&[sha256("cc"), sha256("bb"), sha256("aa")])).await;
    assert_eq!(clash.status, 400);
    let clash = clash.json();
    assert_eq!(clash["file"]["sha256"], "bb".repeat(32), "only the first clashing file is named");
    assert_eq!(
        clash["hosts"],
        json!([
            {"sensorId": sensor("WS-1"), "host": "WS-1"},
            {"sensorId": sensor("WS-2"), "host": "WS-2"},
        ])
    );
    assert_eq!(lab.get(&all).await.status, 404, "nothing of it was set");

    assert_eq!(lab.post(&all, &rule(&[sha256("cc")])).await.status, 200);
    let clash = lab.post(&url("WS-1"), &rule(&[sha256("aa"), sha256("cc")])).await;
    assert_eq!((clash.status, clash.json()["hosts"].clone()), (400, json!([{"sensorId": "all"}])));
    let kept = lab.get(&url("WS-1")).await.json();
    assert_eq!(kept, rule(&[sha256("aa"), sha256("bb")]), "a refused rule leaves the old one");
}

#[tokio::test]
async fn files_are_blocked_from_the_next_contact_on() {
    let lab = Lab::new(FLEET);
    let blocked = |name| Vec::from_iter(lab.simulator.effective(sensor(name)).blocked);
    lab.post(&setting("all", "prevention"), &rule(&[sha256("aa")])).await;
    lab.post(&url("WS-1"), &rule(&[sha256("bb")])).await;
    assert_eq!(blocked("WS-1"), [""; 0]);
    lab.clock.advance(minutes(3));
    assert_eq!(blocked("WS-1"), [""; 0], "its contact is a minute ahead");
    assert_eq!(blocked("WS-2"), ["aa".repeat(32)]);
    lab.clock.advance(minutes(1));
    assert_eq!(blocked("WS-1"), ["aa".repeat(32), "bb".repeat(32)]);
    lab.delete(&setting("all", "prevention")).await;
    assert_eq!(blocked("WS-2"), ["aa".repeat(32)], "until then the old rules go on");
    lab.simulator.world(|world| world.contact_all());
    assert_eq!(blocked("WS-2"), [""; 0]);
}

#[tokio::test]
async fn linux_agents_do_not_block_files() {
    let lab = Lab::new("hosts: [{ name: TUX, os: { family: Linux } }]");
    assert_eq!(lab.post(&url("TUX"), &rule(&[sha256("aa")])).await.status, 200);
    lab.clock.advance(minutes(10));
    assert!(lab.simulator.effective(sensor("TUX")).blocked.is_empty());
}

#[tokio::test]
async fn the_fleet_and_others_may_put_there_what_the_api_would_refuse() {
    let lab = Lab::new(
        "hosts: [{ name: WS-1, prevention: [{ sha1: 'abc', note: by hand }, 900150983cd24fb0d6963f7d28e17f72] }]
prevention_all: ['900150983cd24fb0d6963f7d28e17f72']",
    );
    let read = lab.get(&url("WS-1")).await.json();
    assert_eq!(read["settings"]["objects"][0]["file"], json!({"sha1": "abc", "note": "by hand"}));
    assert_eq!(lab.get(&setting("all", "prevention")).await.status, 200);
    lab.simulator.world(|world| world.remove_prevention(Target::All).unwrap());
    assert_eq!(lab.get(&setting("all", "prevention")).await.status, 404);
}
