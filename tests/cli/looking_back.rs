//! `history` and `why`: the record answers, whatever the servers do.

use crate::lab::Lab;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const FLEET: &str =
    "hosts: [{ name: WS-1.corp.example }, { name: WS-2, prevention: [5d41402abc4b2a76b9719d911017c592] }]";

fn hosts() -> String {
    format!(
        "{{ WS-1.corp.example: {{ isolation: {{ lease: 24h, reason: INC-417 }} }}, WS-2: {{ prevention: {{ block: [{MD5}] }} }} }}"
    )
}

fn applied() -> Lab {
    let lab = Lab::new(FLEET, &hosts());
    let output = lab
        .command("apply --yes --allow isolations=7")
        .env("GITLAB_CI", "true")
        .env("CI_JOB_URL", "https://bot:secret@ci.example/job/7")
        .env("CI_COMMIT_SHA", "3f2a3f2a3f2a3f2a3f2a3f2a3f2a3f2a3f2a3f2a")
        .env("USER", "ana")
        .env("HOSTNAME", "soc-1")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    lab.simulator.clear_requests();
    lab
}

#[test]
fn history_tells_who_did_what_and_from_where() {
    let lab = applied();
    let ended = lab.run("history");
    ended.expect(
        0,
        &["1 run", "apply by ana@soc-1, owner default", "finished", "let pass: --allow isolations=7"],
    );
    ended.expect(0, &["commit 3f2a3f2a3f2a, job https://ci.example/job/7"]);
    ended.expect(0, &["+ isolate   WS-1.corp.example   no rule → 24 h   INC-417   state.yaml:4"]);
    ended.expect(0, &["~ block     WS-2                +1, 1 kept"]);
    assert!(!ended.stdout.contains("secret"));
    lab.run("history --run last --host WS-2").expect(0, &["WS-2"]);
    let of_one = lab.run("history --host WS-2").stdout;
    assert!(of_one.contains("WS-2") && !of_one.contains("WS-1"), "{of_one}");
    let json: serde_json::Value = serde_json::from_str(&lab.run("history --format json").stdout).unwrap();
    let run = &json["servers"][0]["runs"][0];
    assert_eq!((run["by"].as_str(), run["acts"].as_array().unwrap().len()), (Some("ana@soc-1"), 2));
    assert!(lab.simulator.requests().is_empty(), "the record alone answers");
}

#[test]
fn the_newest_runs_come_first_and_few_are_said_to_be_few() {
    let lab = applied();
    lab.declare("{ WS-1.corp.example: { isolation: off } }");
    lab.run("apply --yes").expect(0, &["1 rule deleted"]);
    let both = lab.run("history").stdout;
    assert!(both.find("release").unwrap() < both.find("isolate").unwrap(), "{both}");
    let one = lab.run("history --limit 1");
    one.expect(0, &["the last run", "release", "older ones"]);
    assert!(!one.stdout.contains("+ isolate"));
    lab.run("history --limit 1 --full").expect(0, &["+ isolate"]);
    lab.run("history --limit 0").expect(1, &["--limit"]);
}

#[test]
fn why_answers_with_the_server_gone() {
    let lab = applied();
    let gone = lab.server_with(&"ab".repeat(32), "no.crt", "no.key");
    lab.write("state.yaml", &lab.state(&gone, "{}"));
    let host = lab.run("why WS-1.corp.example");
    host.expect(
        0,
        &["isolated by us; by the record in force until", "isolate (no rule → 24 h)", "why: INC-417"],
    );
    host.expect(0, &["from state.yaml:4", "by ana@soc-1, owner default", "job https://ci.example/job/7"]);
    let sensor = crate::lab::sensor("WS-1.corp.example").to_string();
    lab.run(&format!("why {sensor}")).expect(0, &["WS-1.corp.example isolation"]);
    lab.run(&format!("why {}", MD5.to_uppercase())).expect(0, &["WS-2", "ours since", "from state.yaml:4"]);
    lab.run("why 5d41402abc4b2a76b9719d911017c592")
        .expect(0, &["not ours: it was there before run", "does not tell"]);
    let json: serde_json::Value =
        serde_json::from_str(&lab.run(&format!("why {MD5} --format json")).stdout).unwrap();
    assert_eq!(json["servers"][0]["rules"][0]["state"], "ours");
    assert!(lab.simulator.requests().is_empty(), "the record alone answers");
}

#[test]
fn what_the_record_does_not_know_is_an_error_that_says_what_it_knows() {
    let lab = applied();
    lab.run("why ws-1").expect(1, &["tells nothing of a host `ws-1`", "it knows `WS-1.corp.example`"]);
    lab.run(&format!("why {}", "ab".repeat(16))).expect(1, &["in no rule that a run wrote", "kedrctl plan"]);
    lab.run(&format!("why {}", "ab".repeat(20))).expect(1, &["SHA-1"]);
    lab.run("history --host ws-1").expect(1, &["nothing that was done to a host", "`WS-1.corp.example`"]);
    lab.run("history --run 20200101-000000-0000").expect(1, &["no such run", "kedrctl history"]);
    lab.run("history --server hq").expect(1, &["no server has this name", "lab"]);
}

#[test]
fn a_server_that_had_no_part_in_what_is_asked_for_is_not_said_to_have_no_run() {
    let lab = Lab::new(FLEET, "{}");
    lab.write("a.yaml", "hosts: [{ name: WS-1 }]");
    lab.write("b.yaml", "hosts: [{ name: LAB-1 }]");
    let servers = "{ simulator: a.yaml }\n  other: { simulator: b.yaml }\n  idle: { simulator: c.yaml }";
    lab.write("c.yaml", "hosts: [{ name: C-1 }]");
    let host =
        |name: &str, server: &str| format!("{name}: {{ server: {server}, isolation: {{ lease: 8h }} }}");
    let hosts = format!("{{ {}, {} }}", host("WS-1", "lab"), host("LAB-1", "other"));
    lab.write("state.yaml", &lab.state(servers, &hosts));
    lab.run("apply --yes").expect(0, &[]);
    let told = lab.run("history --host LAB-1");
    told.expect(0, &["no such run", "LAB-1"]);
    // Only of the server that has none.
    assert_eq!(told.stdout.matches("no run in the record").count(), 1, "{}", told.stdout);
}

#[test]
fn without_a_record_nothing_is_told() {
    let lab = Lab::new(FLEET, &hosts());
    lab.run("history")
        .expect(0, &["no run in the record", "there is no record yet at", "the first apply begins it"]);
    lab.run("why WS-1.corp.example").expect(1, &["there is no record yet at"]);
    lab.run(&format!("why {MD5}")).expect(1, &["there is no record yet at"]);
    assert!(!lab.path(".kedrctl").exists(), "looking makes none");
}

#[test]
fn a_simulator_in_the_state_has_a_history_too() {
    let lab = Lab::new(FLEET, "{}");
    lab.write("fleet.yaml", "hosts: [{ name: WS-1 }]");
    lab.write(
        "state.yaml",
        &lab.state("{ simulator: fleet.yaml }", "{ WS-1: { isolation: { lease: 24h } } }"),
    );
    lab.run("apply --yes").expect(0, &[]);
    lab.run("history").expect(0, &["simulator_", "+ isolate   WS-1"]);
    lab.run("why WS-1").expect(0, &["isolated by us"]);
}

#[test]
fn two_states_with_one_record_tell_each_who_the_other_is() {
    let lab = Lab::new(FLEET, "{}");
    let state = |owner: &str, hosts: &str| {
        format!("{}owner: {owner}\nrecord: shared\n", lab.state(&lab.server(), hosts))
    };
    lab.write("soc.yaml", &state("soc", "{ WS-1.corp.example: { isolation: { lease: 24h } } }"));
    lab.write("it.yaml", &state("it", "{ WS-1.corp.example: { isolation: off } }"));
    lab.run("apply --yes -f soc.yaml").expect(0, &[]);
    let refused = lab.run("apply --yes -f it.yaml");
    refused.expect(3, &["was written last by owner `soc` (run 2", "soc.yaml:4", "and you are `it`"]);
    refused.expect(3, &["`--take-over lab/WS-1.corp.example/isolation`"]);
    lab.run("apply --yes -f it.yaml --take-over lab/WS-1.corp.example/isolation")
        .expect(0, &["1 rule deleted"]);
    lab.run("why WS-1.corp.example -f soc.yaml").expect(
        0,
        &[
            "not isolated: we deleted the rule",
            "owner it",
            "let pass: --take-over lab/WS-1.corp.example/isolation",
        ],
    );
    lab.run("apply --yes -f soc.yaml").expect(3, &["by owner `it`", "it.yaml:4"]);
}
