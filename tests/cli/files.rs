//! Wrong files: found before anything is sent, with exit code 1. tests/diagnostics has what each of them is told.

use crate::lab::Lab;

fn lab() -> Lab {
    Lab::new(
        "hosts: [{ name: WS-1 }, { name: ws-3, sensor_id: 11111111-0000-4000-8000-000000000001 }, { name: ws-3, \
         sensor_id: 11111111-0000-4000-8000-000000000002 }]",
        "{}",
    )
}

/// What each state hears, and that nothing is sent.
fn all_of(cases: &[(&str, &[&str])]) {
    let lab = lab();
    for (hosts, texts) in cases {
        lab.declare(hosts);
        for command in ["validate", "plan", "apply --yes", "drift"] {
            lab.run(command).expect(1, texts);
        }
    }
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn no_file_and_an_empty_file() {
    let lab = lab();
    lab.run("plan -f absent.yaml").expect(1, &["there is no file or folder `absent.yaml`"]);
    lab.write("empty.yaml", "");
    lab.run("plan -f empty.yaml").expect(1, &["`empty.yaml` is empty", "version: 1"]);
    std::fs::create_dir(lab.path("empty")).unwrap();
    lab.run("apply --yes -f empty").expect(1, &["no state file"]);
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn unknown_keys_and_names_get_a_suggestion() {
    all_of(&[
        ("{ WS-1: { isolatoin: off } }", &["isolatoin", "isolation", "state.yaml:4"]),
        ("{ WS-1: { isolation: { lease: 8h, exclusions: [dns] } } }", &["dns"]),
        ("{ WS-1: { server: lba, isolation: off } }", &["lba", "lab"]),
    ]);
}

#[test]
fn wrong_values_are_named_with_their_place() {
    all_of(&[
        ("{ x: { identity: { sensor_id: 123 }, isolation: off } }", &["`123`", "sensor id", "state.yaml:4"]),
        ("{ WS-1: { prevention: { block: [900150983c] } } }", &["900150983c", "state.yaml:4"]),
        (
            "{ WS-1: { prevention: { block: [d41d8cd98f00b204e9800998ecf8427e] } } }",
            &["empty file", "state.yaml:4"],
        ),
        ("{ WS-1: { isolation: { lease: 8h, until: 2030-01-01T00:00:00Z } } }", &["`until`", "`lease`"]),
        ("{ WS-1: { isolation: { lease: 1h } } }", &["2 h", "9,999 h"]),
        ("{ WS-1: { isolation: { lease: 10000h } } }", &["9,999 h"]),
        (
            "{ WS-1: { isolation: { lease: 8h, exclusions: [{ direction: both, protocol: tcp, remote_ports: 443 }] } } }",
            &["both", "remote_ports"],
        ),
    ]);
}

#[test]
fn all_mistakes_are_told_in_one_run() {
    let lab = lab();
    lab.declare(
        "{ WS-1: { isolatoin: off }, WS-2: { isolation: { lease: 1h } }, WS-3: { isolation: maybe } }",
    );
    lab.run("plan").expect(1, &["isolatoin", "lease", "maybe", "3 errors in the state; nothing was sent"]);
}

#[test]
fn hosts_that_cannot_be_told_are_errors_of_their_own() {
    let lab = lab();
    lab.declare("{ WS-9: { isolation: off } }");
    lab.run("plan").expect(4, &["the server does not list `WS-9`", "1 error"]);
    lab.declare("{ ws-1: { isolation: off } }");
    lab.run("plan").expect(4, &["only the case differs"]);
    lab.declare("{ ws-3: { isolation: off } }");
    lab.run("plan").expect(4, &["2 sensors have this name", "sensor_id"]);
}

#[test]
fn wrong_flags_are_usage_errors() {
    let lab = lab();
    lab.declare("{ WS-1: { isolation: off } }");
    lab.run("plan --limt WS-1").expect(1, &["--limit"]);
    lab.run("plan --limit WS-2").expect(1, &["`--limit WS-2` matches no declared host"]);
    lab.run("plan --server hq").expect(1, &["no server has this name", "lab"]);
    lab.run("apply --yes --allow isolation=7").expect(1, &["isolations"]);
    lab.run("").expect(1, &["Usage"]);
    lab.run("--help").expect(0, &["Exit codes"]);
    assert!(lab.simulator.requests().is_empty());
}

/// It is not kept, but streamed past what is declared, and again past what the server turns out to hold.
#[test]
fn a_large_never_block_list_is_looked_through() {
    let hash = |n: u32| format!("{:08x}{:056x}", n.wrapping_mul(0x9e37_79b1), n);
    let lab = Lab::new(&format!("hosts: [{{ name: WS-1, prevention: [{}] }}]", hash(90_000)), "{}");
    let list: String = (0..100_001).map(|n| hash(n) + "\n").collect();
    lab.write("never.txt", &list);
    let declare = |blocked: &str| {
        let hosts = format!(
            "{{ WS-1: {{ prevention: {{ block: [{blocked}] }} }} }}\npolicy: {{ never_block: [never] }}\nhash_lists: {{ never: \
             {{ file: never.txt }} }}"
        );
        lab.declare(&hosts);
    };
    declare(&hash(70_000));
    let present = format!("1 file of `policy.never_block` is blocked already, {} first", hash(90_000));
    let forbidden =
        format!("1 hash is added that `policy.never_block` forbids to block, {} first", hash(70_000));
    lab.run("apply --yes").expect(3, &[&present, &forbidden]);
    assert!(lab.effects().is_empty());
    declare(&hash(100_001));
    lab.run("apply --yes").expect(0, &[&present, "1 change done"]);
}
