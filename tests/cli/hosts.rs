//! `hosts`: which there are, and what stands on them.

use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Fault, Spoiled};
use serde_json::Value;

use crate::lab::{Lab, sensor};

const FLEET: &str = "
hosts:
  - { name: WS-1.corp.example, ip: 10.1.2.1, isolation: { timeout: 8h }, prevention: [900150983cd24fb0d6963f7d28e17f72] }
  - { name: WS-2.corp.example, ip: 10.1.2.2, os: { family: Linux, name: Astra Linux } }
  - { name: dc1.corp.example, ip: 10.9.0.1, last_access: 3d ago, contact_every: never }
";

fn names(lab: &Lab, arguments: &str, code: i32) -> Vec<String> {
    let ended = lab.run(&format!("hosts --format json {arguments}"));
    ended.expect(code, &[]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let hosts = document["servers"][0]["hosts"].as_array().unwrap();
    hosts.iter().map(|host| host["name"].as_str().unwrap().split('.').next().unwrap().to_owned()).collect()
}

#[test]
fn hosts_are_found_by_what_they_are() {
    let lab = Lab::new(FLEET, "{}");
    for (arguments, found) in [
        ("", vec!["WS-1", "WS-2", "dc1"]),
        ("--name ws-*", vec!["WS-1", "WS-2"]),
        ("--name DC1 --name ws-2.corp.example", vec!["WS-2", "dc1"]),
        ("--address 10.1.0.0/16", vec!["WS-1", "WS-2"]),
        ("--address 10.9.0.1", vec!["dc1"]),
        ("--os linux", vec!["WS-2"]),
        ("--os linux --name WS-1", vec![]),
        ("--silent 24h", vec!["dc1"]),
        ("--silent 4d", vec![]),
        ("--isolated", vec!["WS-1"]),
    ] {
        assert_eq!(names(&lab, arguments, 0), found, "{arguments}");
    }
    lab.run("hosts --name ws-[").expect(1, &["--name"]);
    lab.run("hosts --address ten").expect(1, &["no network"]);
    lab.run("hosts --rules").expect(0, &["isolation rule", "timeout 8 h", "1 file"]);
    lab.run("hosts --rules --format csv").expect(0, &[",rule,28800,1\r\n", ",none,,0\r\n"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn what_cannot_be_read_is_unknown_and_stays() {
    let lab = Lab::new(FLEET, "{}");
    let broken = Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-2.corp.example")));
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    assert_eq!(names(&lab, "--isolated", 4), ["WS-1", "WS-2"]);
    lab.run("hosts --isolated")
        .expect(4, &["2 of 3 hosts", "unknown", "? WS-2.corp.example: ", "not understood"]);
    lab.run("hosts --isolated --format csv").expect(
        4,
        &[",unknown,", "warning: server `lab`: WS-2.corp.example could not be read: ", "not understood"],
    );
    lab.run("hosts").expect(0, &[]);
}

#[test]
fn a_list_that_is_not_whole_is_no_answer() {
    for dialect in ["continuation_token: more", "list_at_most: 0"] {
        let lab = Lab::new(&format!("{FLEET}\nserver: {{ dialect: {{ {dialect} }} }}"), "{}");
        lab.run("hosts").expect(4, &["  ? "]);
    }
    let lab = Lab::new(FLEET, "{}");
    lab.simulator.set_faults(vec![Fault::on(CallKind::Sensors).spoiling(Spoiled::Html)]);
    lab.run("hosts").expect(4, &["not understood"]);
    lab.run("hosts --format csv").expect(4, &["error: server `lab`"]);
    let empty = Lab::new("hosts: []", "{}");
    empty.run("hosts --format csv").expect(4, &["warning: server `lab`: the server lists no hosts at all"]);
}
