//! What stderr tells of the work, and in which form.

use serde_json::Value;

use crate::lab::Lab;

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } } }";

#[test]
fn calls_are_shown_without_secrets() {
    let lab = Lab::new("hosts: [{ name: WS-1 }]", HOSTS);
    let id = lab.simulator.credentials().external_system_id;
    let quiet = lab.run("plan");
    assert_eq!(quiet.stderr, "");
    let calls = lab.run("plan -v");
    assert_eq!(calls.stdout, quiet.stdout);
    let path = format!("{}/kata/response_api/v1/{}…/", lab.simulator.url(), &id[..8]);
    calls.expect(
        0,
        &[&format!("GET {path}sensors: 200, "), &format!("GET {path}settings?sensor_id="), ": 404, "],
    );
    assert!(!calls.stderr.contains("content-type"));
    let headers = lab.run("-vv plan");
    headers.expect(0, &["\n    content-type: application/json\n", "\n    date: "]);
    let written = lab.run("apply --yes -v");
    written.expect(0, &["POST ", " bytes sent"]);
    for ended in [calls, headers, written] {
        assert!(!ended.stderr.contains(&id), "{}", ended.stderr);
    }
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let lab = Lab::new("hosts: [{ name: WS-1 }]", HOSTS);
    let ended = lab.run("apply --yes -vv --log-format json");
    ended.expect(0, &[]);
    lab.declare("{ WS-1: { isolatoin: off } }");
    let failed = lab.run("plan --log-format json");
    failed.expect(1, &[]);
    let lines = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    };
    let calls = lines(&ended.stderr);
    assert!(calls.iter().all(|line| line["level"] == "debug" && line["event"] == "call"));
    let post = calls.iter().find(|line| line["method"] == "POST").expect("one write");
    assert_eq!(post["status"], 200);
    assert_eq!(post["attempt"], 1);
    assert!(post["bytes_sent"].as_u64().is_some_and(|bytes| bytes > 0));
    assert!(post["headers"].as_array().is_some_and(|headers| !headers.is_empty()));
    let errors = lines(&failed.stderr);
    assert_eq!(errors.last().map(|line| &line["level"]), Some(&"error".into()));
    assert!(errors[0]["message"].as_str().is_some_and(|text| text.contains("isolatoin")));
}
