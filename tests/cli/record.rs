//! `record verify`, and a record that cannot be used.

use crate::lab::{Lab, write};

const HOSTS: &str = "{ WS-1: { isolation: { lease: 24h } }, WS-2: { prevention: { block: \
                     [900150983cd24fb0d6963f7d28e17f72] } } }";

fn lab() -> Lab {
    Lab::new("hosts: [{ name: WS-1 }, { name: WS-2 }]", HOSTS)
}

#[test]
fn a_record_is_verified_without_a_server_and_damage_is_told_with_its_place() {
    let lab = lab();
    lab.run("record verify").expect(0, &["lab  0 segments, 0 prevention rules: all as it was written"]);
    assert!(!lab.path(".kedrctl").exists(), "it only reads");
    lab.run("apply --yes").expect(0, &[]);
    lab.simulator.clear_requests();
    lab.run("record verify").expect(0, &["lab  3 segments, 1 prevention rule: all as it was written"]);
    lab.run("record verify --server nowhere").expect(1, &["no server has this name"]);
    assert!(lab.simulator.requests().is_empty(), "no server is asked");

    let journal = std::fs::read_dir(lab.path(".kedrctl/journal")).unwrap().next().unwrap().unwrap().path();
    let second = journal.join("000000000002.jsonl");
    let text = std::fs::read_to_string(&second).unwrap();
    write(&second, &text.replacen("WS-", "ws-", 1));
    std::fs::remove_file(journal.join("000000000001.jsonl")).unwrap();
    let said = lab.run("record verify");
    said.expect(1, &["lab  2 segments", "2 problems", "segment 1 is missing", "it was edited or is cut off"]);
    assert!(said.stdout.contains("000000000002.jsonl: it was edited"), "{}", said.stdout);
    lab.run("apply --yes").expect(1, &["the record is damaged"]);
}

#[test]
fn nothing_is_sent_that_can_not_be_recorded() {
    let lab = lab();
    std::fs::create_dir(lab.path(".kedrctl")).unwrap();
    write(&lab.path(".kedrctl/journal"), "no folder");
    lab.run("apply --yes").expect(5, &["the record can not be"]);
    lab.run("record verify").expect(5, &["the record can not be"]);
    assert!(lab.effects().is_empty());
    // Reading goes through where there is nothing, and nothing can be put.
    std::fs::remove_file(lab.path(".kedrctl/journal")).unwrap();
    write(&lab.path(".kedrctl/sets"), "no folder");
    lab.run("apply --yes --limit WS-2").expect(5, &["the record could not take it, so it was not sent"]);
    assert!(lab.effects().is_empty());
}
