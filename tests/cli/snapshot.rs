//! Snapshots: taken by who has the key, planned from by who has not.

use std::io::Write as _;

use kedrctl_simulator::{CallKind, Fault, Spoiled};

use crate::lab::Lab;

const HOSTS: &str = "{ WS-1: { isolation: { lease: 24h } }, WS-2: { prevention: { block: \
                     [900150983cd24fb0d6963f7d28e17f72] } } }";

fn lab() -> Lab {
    Lab::new("hosts: [{ name: WS-1 }, { name: WS-2 }, { name: WS-3 }]", HOSTS)
}

/// Everything that a plan from outside must not need is gone.
fn without_anything(lab: &Lab) {
    for file in ["client.crt", "client.key"] {
        std::fs::remove_file(lab.path(file)).expect("the lab has written it");
    }
    if lab.path(".kedrctl").exists() {
        std::fs::remove_dir_all(lab.path(".kedrctl")).expect("nobody uses it now");
    }
    lab.simulator.clear_requests();
}

/// By the machine's clock a moment has passed.
fn without_age(plan: &str) -> String {
    plan.replace(", as observed just now", "")
}

#[test]
fn a_plan_from_a_snapshot_needs_no_key_no_network_and_no_record() {
    let lab = lab();
    lab.run("apply --yes --limit WS-1").expect(0, &[]);
    lab.run("snapshot -o observed.json").expect(0, &["3 hosts listed, 3 settings read"]);
    let written = std::fs::read_to_string(lab.path("observed.json")).unwrap();
    assert!(!written.contains("PRIVATE KEY"));
    let reads = lab.run("plan --full").stdout;
    without_anything(&lab);
    let observed = lab.run("plan --full --observed observed.json");
    observed.expect(0, &["planned from observed.json, taken", "no server was asked"]);
    assert_eq!(without_age(&observed.stdout), reads);
    assert!(lab.simulator.requests().is_empty());
    assert!(!lab.path(".kedrctl").exists(), "not even a record");
}

#[test]
fn a_change_from_outside_is_planned_where_all_hosts_were_read() {
    let lab = lab();
    lab.run("snapshot -o declared.json").expect(0, &[]);
    lab.run("snapshot -o all.json --all-hosts").expect(0, &["7 settings read"]);
    without_anything(&lab);
    lab.declare("{ WS-3: { isolation: { lease: 24h } } }");
    lab.run("plan --observed declared.json")
        .expect(4, &["the snapshot did not read it", "--all-hosts", "1 unknown"]);
    lab.run("plan --observed all.json").expect(0, &["+ isolate", "WS-3", "1 to isolate"]);
    lab.run("plan --observed all.json --server lab --limit WS-3 --detailed-exitcode").expect(2, &[]);
}

/// Whoever wrote the change may have written anything into the state.
#[test]
fn nothing_of_a_hostile_state_is_run_read_or_asked() {
    let lab = lab();
    lab.run("snapshot -o observed.json").expect(0, &[]);
    without_anything(&lab);
    let hostile = format!(
        "{{ url: '{}', external_system_id: x, client_certificate: {{ command: [touch, owned] }}, client_key: \
         {{ command: [touch, owned] }}, trust: {{ ca: {{ command: [touch, owned] }} }} }}",
        lab.simulator.url()
    );
    lab.write("state.yaml", &(lab.state(&hostile, HOSTS) + "record: elsewhere\n"));
    lab.run("plan --observed observed.json").expect(0, &["WS-1"]);
    lab.run("plan --observed observed.json --allow-commands").expect(1, &["cannot be used with"]);
    let elsewhere = lab.server().replace("https://127.0.0.1", "https://127.0.0.2");
    lab.write("state.yaml", &lab.state(&elsewhere, HOSTS));
    lab.run("plan --observed observed.json").expect(4, &["taken without a server of this address"]);
    lab.write("state.yaml", &lab.state("{ simulator: fleet.yaml }", HOSTS));
    lab.write("fleet.yaml", "hosts: [{ name: WS-1 }]");
    lab.run("plan --observed observed.json").expect(4, &["taken without a server of this address"]);
    assert!(lab.simulator.requests().is_empty());
    for trace in ["owned", "elsewhere", ".kedrctl", "fleet.yaml.state", "fleet.yaml.state.json"] {
        assert!(!lab.path(trace).exists(), "{trace}");
    }
}

#[test]
fn a_snapshot_that_is_damaged_old_or_none_is_refused() {
    let lab = lab();
    lab.run("snapshot -o observed.json").expect(0, &[]);
    lab.run("plan --observed observed.json --max-age 0s").expect(4, &["may be 0 s old (`--max-age`)"]);
    lab.run("plan --max-age 1h").expect(1, &["--observed"]);
    lab.run("plan --observed state.yaml").expect(1, &["state.yaml: it is no snapshot"]);
    lab.run("plan --observed nothing.json").expect(1, &["nothing.json cannot be read"]);
    let text = std::fs::read_to_string(lab.path("observed.json")).unwrap();
    lab.write("edited.json", &text.replace("WS-1", "WS-9"));
    lab.run("plan --observed edited.json")
        .expect(1, &["it is damaged: its content is not what its digest says"]);
    lab.write("half.json", &text[..text.len() / 2]);
    lab.run("plan --observed half.json").expect(1, &["it is damaged"]);
    lab.write("newer.json", &text.replace("\"format_version\":1", "\"format_version\":7"));
    lab.run("plan --observed newer.json").expect(1, &["format version 7"]);
}

/// Whoever may hand in a file can make its digest right.
#[test]
fn no_text_of_a_snapshot_drives_the_terminal() {
    let lab = lab();
    lab.run("snapshot -o observed.json").expect(0, &[]);
    let text = std::fs::read_to_string(lab.path("observed.json")).unwrap();
    let (_, content) = text.split_once(",\"content\":").unwrap();
    let content = content.trim_end().strip_suffix('}').unwrap();
    let unread = "\"unread\":{\"kind\":\"\\u001b[2J\\u202e\",\"why\":\"x\"},\"list\":";
    let content = content.replacen("\"list\":", unread, 1);
    let digest = kedrctl::model::sha256_hex(&content);
    lab.write(
        "crafted.json",
        &format!(
            "{{\"format\":\"kedrctl snapshot\",\"format_version\":1,\"sha256\":\"{digest}\",\"content\":{content}}}\n"
        ),
    );
    let refused = lab.run("plan --observed crafted.json");
    refused.expect(1, &["it is damaged: unknown variant `\\u{1b}[2J\\u{202e}`"]);
    assert!(!refused.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", refused.stderr);
}

#[test]
fn only_a_snapshot_is_written_over_and_only_by_a_better_one() {
    let lab = lab();
    let state = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
    lab.run("snapshot -o state.yaml").expect(1, &["is no snapshot; it is not written over"]);
    assert_eq!(std::fs::read_to_string(lab.path("state.yaml")).unwrap(), state);
    lab.run("snapshot -o observed.json").expect(0, &[]);
    lab.run("snapshot -o observed.json").expect(0, &[]);
    let before = std::fs::read_to_string(lab.path("observed.json")).unwrap();
    let nobody = lab.server().replace(&lab.simulator.url(), "https://127.0.0.1:1");
    lab.write("state.yaml", &lab.state(&nobody, HOSTS));
    lab.run("snapshot -o observed.json").expect(5, &["cannot connect", "no snapshot was written"]);
    assert_eq!(std::fs::read_to_string(lab.path("observed.json")).unwrap(), before);
    lab.write("empty.json", "");
    lab.declare(HOSTS);
    lab.run("snapshot -o empty.json").expect(0, &[]);
    let to_stdout = lab.run("snapshot -o -");
    to_stdout.expect(0, &["settings read"]);
    let mut piped = std::fs::File::create(lab.path("piped.json")).unwrap();
    piped.write_all(to_stdout.stdout.as_bytes()).unwrap();
    lab.run("plan --observed piped.json").expect(0, &["1 to isolate"]);
}

#[test]
fn what_could_not_be_read_is_unknown_in_the_plan_too() {
    let lab = lab();
    lab.simulator.set_faults(vec![Fault::on(CallKind::Isolation).spoiling(Spoiled::Html)]);
    lab.run("snapshot -o observed.json").expect(4, &["1 could not be read"]);
    let reads = lab.run("plan");
    without_anything(&lab);
    let observed = lab.run("plan --observed observed.json");
    observed.expect(4, &["not understood (status 200", "nothing will be written"]);
    assert_eq!(without_age(&observed.stdout), reads.stdout, "the same words");
}

#[test]
fn renewals_only_take_no_flags_that_they_do_not_obey() {
    let lab = lab();
    lab.run("apply --yes").expect(0, &[]);
    lab.simulator.clear_requests();
    lab.run("apply --yes --renew-only").expect(0, &["nothing is due; 1 isolation in force by the record"]);
    assert_eq!(lab.simulator.requests().len(), 1);
    lab.run("apply --check --renew-only --limit WS-1 --server lab").expect(0, &["nothing is due"]);
    for flag in ["--take-over lab/WS-1/isolation", "--accept-moved WS-1"] {
        lab.run(&format!("apply --yes --renew-only {flag}")).expect(1, &["cannot be used with"]);
    }
}
