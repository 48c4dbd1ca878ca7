//! `show HOST`: everything that is known of it, from the server, the files and the record.

use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Fault, Spoiled};
use serde_json::Value;

use crate::lab::{Lab, sensor};

const FLEET: &str = "
hosts:
  - { name: WS-1.corp.example, ip: 10.1.2.1, os: { family: Windows, name: Windows 11 } }
  - { name: WS-2.corp.example, ip: 10.1.2.2, isolation: { timeout: 8h }, prevention: [900150983cd24fb0d6963f7d28e17f72] }
  - { name: dc1.corp.example, ip: 10.9.0.1 }
";

const DECLARED: &str = "
  WS-1.corp.example:
    isolation: { lease: 24h, reason: INC-417 }
    prevention: { block: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08] }
policy: { protected: [{ name: 'dc*' }] }";

#[test]
fn a_host_is_shown_with_what_stands_there_what_is_declared_and_who_set_it() {
    let lab = Lab::new(FLEET, DECLARED);
    lab.run("show WS-1.corp.example").expect(
        0,
        &[
            "address       10.1.2.1",
            "no isolation rule",
            "declared      lease 24 h   INC-417   state.yaml:6",
            "stands        no rule in force, declared lease 24 h",
            "block 1 hash   state.yaml:7",
            "stands        1 hash missing",
        ],
    );
    lab.run("apply --yes").expect(0, &[]);
    lab.run("show 10.1.2.1").expect(
        0,
        &[
            "isolated: timeout 24 h",
            "at the soonest, by the record",
            "agent         was not in contact since it was set, and has yet to fetch it",
            "stands        as declared",
            "blocks 1 file, 1 of them by us",
            "isolate (",
            "why: INC-417",
            "from state.yaml:6",
        ],
    );
    lab.run("release WS-1.corp.example --yes --reason false").expect(0, &[]);
    lab.run("show WS-1.corp.example")
        .expect(0, &["differs, and a hold keeps apply off it", "held by", "false"]);
}

#[test]
fn what_nobody_declared_or_recorded_is_said_to_be_so() {
    let lab = Lab::new(FLEET, DECLARED);
    lab.run("show WS-2.corp.example").expect(
        0,
        &[
            "isolated: timeout 8 h, as it was set, not what is left",
            "not known: the record does not show who set this rule, and when",
            "by no file",
            "blocks 1 file, 0 of them by us",
        ],
    );
    lab.run("show dc1.corp.example").expect(0, &["it may never be isolated, by the rule in state.yaml:8"]);
    assert!(lab.effects().is_empty(), "it has no way to write");
}

#[test]
fn who_is_meant_is_never_guessed() {
    let lab = Lab::new(FLEET, DECLARED);
    lab.run("show ws-1").expect(1, &["WS-1.corp.example", "10.1.2.1"]);
    lab.run("show LAPTOP").expect(1, &["no server lists such a host", "kedrctl hosts"]);
    lab.run("show all@lab").expect(1, &["is no host", "kedrctl why all@lab"]);
    lab.run("show").expect(1, &["HOST"]);
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_shown() {
    let lab = Lab::new(FLEET, DECLARED);
    let broken = Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-1.corp.example")));
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    lab.run("show WS-1.corp.example").expect(4, &["could not be read:", "no prevention rule of its own"]);
    lab.simulator.set_faults(Vec::new());
    lab.write(".kedrctl", "not a folder");
    let ended = lab.run("show WS-1.corp.example");
    assert!(matches!(ended.code, Some(1 | 5)), "{ended:?}");
    assert!(ended.stdout.contains("no isolation rule"), "{ended:?}");
    assert!(ended.stdout.contains("the record could not be read, so who set what is not known"), "{ended:?}");
}

#[test]
fn machines_get_the_same() {
    let lab = Lab::new(FLEET, DECLARED);
    lab.run("apply --yes").expect(0, &[]);
    let ended = lab.run("show WS-1.corp.example --format json");
    ended.expect(0, &[]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../schemas/show-v1.schema.json")).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(document["isolation"]["rule"]["timeout_seconds"], 86_400);
    assert_eq!(document["hashes_ours"], 1);
    assert_eq!(document["plan"]["judged"].as_array().unwrap().len(), 2);
    assert_eq!(document["record"].as_array().unwrap().len(), 2);
}

#[test]
fn a_task_of_the_host_is_read_and_shown() {
    let tasks = "
  WS-1.corp.example: { isolation: { lease: 24h } }
policy: { tasks: true }
tasks:
  collect: { hosts: [WS-1.corp.example], run: { command: 'C:\\x.exe' }, not_after: 2100-01-01T00:00:00Z }
  other: { hosts: [WS-2.corp.example], run: { command: 'C:\\y.exe' }, not_after: 2100-01-01T00:00:00Z }";
    let lab = Lab::new(FLEET, tasks);
    let shown = lab.run("show WS-1.corp.example");
    shown
        .expect(0, &["task collect", "on server     no such task", "declared      C:\\x.exe   state.yaml:8"]);
    assert!(!shown.stdout.contains("C:\\y.exe") && !shown.stdout.contains("could not be read"), "{shown:?}");
    lab.run("apply --yes").expect(0, &[]);
    let shown = lab.run("show WS-1.corp.example");
    shown.expect(0, &["waiting, no start known", "created once", "was not in contact"]);
    let document = lab.run("show WS-1.corp.example --format json");
    let document: Value = serde_json::from_str(&document.stdout).unwrap();
    assert_eq!(document["plan"]["complete"], true);
    let broken = Fault::on(CallKind::Tasks);
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    lab.run("show WS-1.corp.example").expect(4, &["could not be read: "]);
}

#[test]
fn what_is_not_certain_is_not_said_to_be_in_no_file() {
    let groups = "
  WS-1.corp.example: { isolation: off }
  front: { identity: { ip: 10.1.2.1 }, isolation: off }
groups:
  a: { hosts: [WS-2.corp.example], isolation: off }
  b: { hosts: [WS-2.corp.example], isolation: { until: 2100-01-01T00:00:00Z } }";
    let lab = Lab::new(FLEET, groups);
    for (host, no_file) in [("WS-1.corp.example", 1), ("WS-2.corp.example", 1)] {
        let shown = lab.run(&format!("show {host}"));
        shown.expect(0, &["declared      not certain, see below"]);
        // Of its prevention rule that is so.
        assert_eq!(shown.stdout.matches("declared      by no file").count(), no_file, "{shown:?}");
    }
}
