//! `drift --all-hosts`: what stands on the fleet and no file declares.

use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{CallKind, Fault, Spoiled};
use serde_json::Value;

use crate::lab::{Lab, sensor};

const FLEET: &str = "
prevention_all: [0cc175b9c0f1b6a831c399e269772661]
hosts:
  - { name: WS-1.corp.example, ip: 10.1.2.1 }
  - { name: WS-2.corp.example, ip: 10.1.2.2, isolation: { timeout: 8h }, prevention: [900150983cd24fb0d6963f7d28e17f72] }
  - { name: dc1.corp.example, ip: 10.9.0.1, last_access: 3d ago, contact_every: never }
";

fn kinds(lab: &Lab, code: i32) -> Vec<(String, String)> {
    let ended = lab.run("drift --all-hosts --format json");
    ended.expect(code, &[]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["kind"]), text(&finding["label"]))).collect()
}

#[test]
fn what_no_file_declares_is_told_with_what_would_adopt_and_what_would_end_it() {
    let lab = Lab::new(FLEET, "{ WS-1.corp.example: { isolation: off } }");
    lab.run("drift").expect(0, &["no difference"]);
    lab.run("drift --all-hosts --full").expect(
        2,
        &[
            "who set it, and when it ends, the record does not tell",
            "`hosts: { WS-2.corp.example: { isolation: { lease: 24h } } }`",
            "`kedrctl release WS-2.corp.example`",
            "`hosts: { WS-2.corp.example: { prevention: { block: [\"900150983cd24fb0d6963f7d28e17f72\"] } } }`",
            "`kedrctl unblock 900150983cd24fb0d6963f7d28e17f72 --on WS-2.corp.example`",
            "no contact for 3 d",
            "3 undeclared, 1 without contact for long",
        ],
    );
    let found = kinds(&lab, 2);
    let of = |kind: &str| {
        found.iter().filter(|(one, _)| one == kind).map(|(_, label)| &**label).collect::<Vec<_>>()
    };
    assert_eq!(of("undeclared"), ["all hosts", "WS-2.corp.example", "WS-2.corp.example"]);
    assert_eq!(of("silent_host"), ["dc1.corp.example"]);
    assert!(lab.effects().is_empty(), "it has no way to write");
    lab.run("drift --all-hosts --silent 4d").expect(2, &["3 undeclared"]);
    lab.run("drift --silent 4d").expect(1, &["--all-hosts"]);
    lab.run("drift --all-hosts --limit WS-1.corp.example").expect(1, &["--limit"]);
}

#[test]
fn what_is_declared_or_ended_is_not_undeclared() {
    let lab = Lab::new(
        "hosts: [{ name: WS-1.corp.example }]",
        "{ WS-1.corp.example: { isolation: { lease: 24h }, prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }",
    );
    lab.run("apply --yes").expect(0, &[]);
    assert_eq!(kinds(&lab, 0), []);
    lab.run("drift --all-hosts --require-contact").expect(4, &["waiting"]);
    // Declared no more: left behind, which is said once.
    lab.declare("{}");
    let found = kinds(&lab, 0);
    assert!(found.iter().all(|(kind, _)| kind == "left_behind") && found.len() == 2, "{found:?}");
}

#[test]
fn what_others_made_of_a_host_that_was_ours_is_told() {
    const OURS: &str = "900150983cd24fb0d6963f7d28e17f72";
    const FOREIGN: &str = "d174ab98d277d9f5a5611c2c9f419d9f";
    let entry = format!("{{ isolation: {{ lease: 24h }}, prevention: {{ block: ['{OURS}'] }} }}");
    let lab = Lab::new(
        "hosts: [{ name: WS-1.corp.example }, { name: WS-2.corp.example }]",
        &format!("{{ WS-1.corp.example: {entry}, WS-2.corp.example: {entry} }}"),
    );
    lab.run("apply --yes").expect(0, &[]);
    lab.declare("{}");
    let block = |host: &str, hashes: &[&str]| {
        let objects = hashes.iter().map(|md5| FileObject::new(FileHash::parse(md5).unwrap())).collect();
        lab.simulator.world(|world| world.set_prevention(Target::Sensor(sensor(host)), objects).unwrap());
    };
    let isolate = |host: &str| {
        lab.simulator.world(|world| world.set_isolation(sensor(host), 172_800, Vec::new()).unwrap());
    };
    // Nothing of ours is left on one of them; on the other stands one file of ours, and one of somebody else.
    isolate("WS-1.corp.example");
    block("WS-1.corp.example", &[FOREIGN]);
    block("WS-2.corp.example", &[OURS, FOREIGN]);
    let mut found = kinds(&lab, 2);
    found.sort();
    let told = |kind: &str, host: &str| (kind.to_owned(), format!("{host}.corp.example"));
    let left = ["WS-2", "WS-2"].map(|host| told("left_behind", host));
    assert_eq!(found, [&left[..], &["WS-1", "WS-1", "WS-2"].map(|host| told("undeclared", host))].concat());
    lab.run("drift --all-hosts --full").expect(
        2,
        &[
            "WS-1.corp.example   is isolated, and no file declares it (who set it, and when it ends, the record",
            "WS-2.corp.example   blocks 1 file beside ours, and no file declares that (who put them there",
            &format!("`kedrctl unblock {FOREIGN} --on WS-2.corp.example`"),
        ],
    );
}

#[test]
fn a_host_that_cannot_be_read_is_unknown_and_a_silent_one_counts_where_contact_is_required() {
    let lab = Lab::new(FLEET, "{}");
    let broken = Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-1.corp.example")));
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    lab.run("drift --all-hosts").expect(4, &["? WS-1.corp.example", "could not be read"]);
    let lab = Lab::new("hosts: [{ name: dc1, last_access: 3d ago, contact_every: never }]", "{}");
    lab.run("drift --all-hosts").expect(0, &["1 without contact for long"]);
    lab.run("drift --all-hosts --require-contact").expect(4, &[]);
}
