use serde_json::json;

use crate::client::{Lab, minutes, sensor};

const FLEET: &str = "hosts:
  - { name: WS-1, ip: 10.0.0.1 }
  - { name: ws-1, ip: 10.0.0.2, sensor_id: E6AA2842-FB29-FA7C-84F2-FC2009BFC2D3 }
  - { name: TUX, ip: 10.0.0.1, os: { family: Linux, name: Astra }, contact_every: never, last_access: 6h ago }
";

#[tokio::test]
async fn a_host_is_listed_with_the_fields_of_the_help() {
    let lab = Lab::new(FLEET);
    let list = lab.get("sensors").await.json();
    assert_eq!(list["sensors"].as_array().unwrap().len(), 3);
    assert_eq!(list["server"]["version"], "7.1.0.530");
    assert_eq!(
        list["sensors"][2],
        json!({
            "sensorId": sensor("TUX").to_string(),
            "host": "TUX",
            "hostIp": "10.0.0.1",
            "lastAccessTimestamp": "2026-11-24T03:00:00Z",
            "version": "12.6.0.438",
            "selfDefenseState": true,
            "licenseStatus": "Valid",
            "osFamily": "Linux",
            "osName": "Astra",
            "capabilities": ["network_isolation", "run_process"],
        })
    );
}

#[tokio::test]
async fn filters_are_joined_and_names_are_compared_with_regard_to_case() {
    let lab = Lab::new(FLEET);
    for (query, expected) in [
        ("host=WS-1", 1),
        ("host=Ws-1", 0),
        ("ip=10.0.0.1", 2),
        ("ip=10.0.0.1&host=TUX", 1),
        ("sensor_id=e6aa2842-fb29-fa7c-84f2-fc2009bfc2d3", 1),
        ("sensor_id=E6AA2842-FB29-FA7C-84F2-FC2009BFC2D3&host=ws-1", 1),
        ("sensor_id=E6AA2842-FB29-FA7C-84F2-FC2009BFC2D3&host=WS-1", 0),
    ] {
        let list = lab.get(&format!("sensors?{query}")).await.json();
        assert_eq!(list["sensors"].as_array().unwrap().len(), expected, "{query}");
    }
    assert_eq!(lab.get("sensors?hostname=WS-1").await.status, 400);
}

#[tokio::test]
async fn the_last_access_follows_the_contacts() {
    let lab = Lab::new("hosts: [{ name: WS-1, last_access: 1m ago, contact_every: 5m }]");
    lab.clock.advance(minutes(63));
    let list = lab.get("sensors").await.json();
    assert_eq!(list["sensors"][0]["lastAccessTimestamp"], "2026-11-24T09:59:00Z");
}

#[tokio::test]
async fn requests_are_logged_without_the_prefix() {
    let lab = Lab::new(FLEET);
    lab.get("sensors?host=WS-1").await;
    let requests = lab.simulator.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("GET", "/sensors?host=WS-1"));
    assert_eq!((requests[0].status, requests[0].effect), (Some(200), false));
    lab.simulator.clear_requests();
    assert_eq!(lab.simulator.requests(), []);
}

#[tokio::test]
async fn a_generated_fleet_is_the_same_from_its_seed() {
    let fleet = "generate: { hosts: 20, seed: 4, linux_percent: 30, silent_percent: 30 }";
    let lists = [Lab::new(fleet), Lab::new(fleet)];
    let [first, second] = [lists[0].get("sensors").await.json(), lists[1].get("sensors").await.json()];
    assert_eq!(first, second);
    assert_eq!(first["sensors"][0]["host"], "WS-1");
    let other = Lab::new("generate: { hosts: 20, seed: 5 }").get("sensors").await.json();
    assert_ne!(first["sensors"][0]["sensorId"], other["sensors"][0]["sensorId"]);
}
