//! Plans that wait for approval: saved, carried out as they were, or held against what is planned now.

use kedrctl::model::{Clock, WallClock};
use kedrctl_simulator::world::{FileHash, FileObject, IsolationRule, Target};
use kedrctl_simulator::{CallKind, Fault, Spoiled};

use crate::lab::{Ended, Lab, sensor};

const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2 }, { name: WS-3, isolation: { timeout: 7200 } }]";
const ISOLATE_TWO: &str =
    "{ WS-1: { isolation: { lease: 24h, reason: INC-417 } }, WS-2: { isolation: { lease: 24h } } }";
const A: &str = "900150983cd24fb0d6963f7d28e17f72";
const B: &str = "e80b5017098950fc58aad83c8c14978e";
const C: &str = "0cc175b9c0f1b6a831c399e269772661";

/// What `plan -o plan.json` of these hosts gives.
fn planned(hosts: &str) -> Lab {
    let lab = Lab::new(FLEET, hosts);
    lab.run("plan -o plan.json").expect(0, &["saved in plan.json: plan "]);
    lab.simulator.clear_requests();
    lab
}

fn text(lab: &Lab, file: &str) -> String {
    std::fs::read_to_string(lab.path(file)).expect("it was written")
}

fn json(lab: &Lab, file: &str) -> serde_json::Value {
    serde_json::from_str(&text(lab, file)).expect("it is JSON")
}

/// `forged.json`: the plan with a change and a digest that fits it, which only somebody makes who means it.
fn forged(lab: &Lab, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = json(lab, "plan.json");
    change(&mut value);
    value.as_object_mut().expect("a document").remove("sha256");
    let digest = lab_digest(&value);
    value["sha256"] = digest.into();
    lab.write("forged.json", &value.to_string());
}

/// As docs/plan-file.md says it: the keys in their order, no spaces.
fn lab_digest(value: &serde_json::Value) -> String {
    use sha2::Digest as _;
    // A map of serde_json keeps its keys in order.
    sha2::Sha256::digest(value.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id that a command printed.
fn id_of(ended: &Ended) -> String {
    let (_, id) = ended.stderr.rsplit_once(": plan ").expect("it names the plan");
    id.trim().to_owned()
}

fn isolate(lab: &Lab, host: &str, timeout_seconds: u64) {
    lab.simulator
        .world(|world| {
            let rule = IsolationRule { timeout_seconds, exclusions: None, set_at: world.now() };
            world.put_isolation(sensor(host), Some(rule))
        })
        .expect("the host is there");
}

/// `host` is its first name, of which its sensor's id is made.
fn rename(lab: &Lab, host: &str, name: &str) {
    let renamed = |host: &mut kedrctl_simulator::world::Host| host.name = name.to_owned();
    lab.simulator.world(|world| world.change_host(sensor(host), renamed)).expect("the host is there");
}

fn block(lab: &Lab, host: &str, hashes: &[&str]) {
    let file = |hash: &&str| FileObject::new(FileHash::parse(hash).expect("a hash"));
    let files = hashes.iter().map(file).collect();
    lab.simulator
        .world(|world| world.set_prevention(Target::Sensor(sensor(host)), files))
        .expect("the host is there");
}

#[test]
fn a_saved_plan_is_carried_out_as_it_was_whatever_the_files_say_by_now() {
    let lab = planned(ISOLATE_TWO);
    lab.declare("{ WS-1: { isolation: off } }");
    lab.run("apply plan.json").expect(3, &["not confirmed"]);
    assert!(lab.effects().is_empty());
    let ended = lab.run("apply plan.json --yes");
    ended.expect(0, &["2 to isolate", "WS-1", "INC-417", "state.yaml:4", "run "]);
    assert_eq!(lab.effects().len(), 2);
    lab.run("history").expect(0, &["apply plan.json", "held to plan "]);
    let id = json(&lab, "plan.json")["plan_id"].as_str().unwrap().to_owned();
    let history: serde_json::Value = serde_json::from_str(&lab.run("history --format json").stdout).unwrap();
    assert_eq!(history["servers"][0]["runs"][0]["plan_id"], *id);
    // What is done is not done again.
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(0, &["is as planned already; nothing is sent"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn it_is_carried_out_from_any_folder_and_needs_none_of_the_state() {
    let lab = planned(ISOLATE_TWO);
    std::fs::create_dir(lab.path("elsewhere")).unwrap();
    std::fs::rename(lab.path("plan.json"), lab.path("elsewhere/plan.json")).unwrap();
    std::fs::remove_file(lab.path("state.yaml")).unwrap();
    let mut command = lab.command("apply plan.json --yes");
    command.current_dir(lab.path("elsewhere"));
    crate::lab::ended(command.output().unwrap()).expect(0, &["2 to isolate"]);
    assert_eq!(lab.effects().len(), 2);
    assert!(lab.path(".kedrctl/journal").is_dir(), "in the record that the files named");
}

#[test]
fn of_a_saved_plan_that_is_not_carried_out_the_reports_say_why() {
    let lab = planned("{ WS-1: { isolation: off } }");
    let applied = |plan: &str, code: i32, said: &str| {
        let ended =
            lab.run(&format!("apply {plan} --yes --format json --report markdown=a.md --report html=a.html"));
        ended.expect(code, &[said]);
        let last: serde_json::Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"outcome".into(), &code.into()));
        let (comment, page) = (text(&lab, "a.md"), text(&lab, "a.html"));
        assert!(comment.starts_with("<!-- kedrctl apply "), "{comment}");
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        (comment, page)
    };
    let (comment, page) = applied("plan.json", 0, "the plan has no change");
    assert!(comment.contains("nothing to do") && page.contains("Nothing"), "{comment}\n{page}");
    let two_days = jiff::SignedDuration::from_hours(48);
    forged(&lab, |plan| plan["made_at"] = format!("{:.0}", WallClock.now() - two_days).into());
    let (comment, page) = applied("forged.json", 3, "more than 1 d ago: plan again");
    assert!(comment.contains("plan again") && page.contains("plan again"), "{comment}\n{page}");
    assert!(lab.effects().is_empty());
}

#[test]
fn no_other_flags_go_with_a_saved_plan() {
    let lab = planned(ISOLATE_TWO);
    for flag in [
        "-f state.yaml",
        "--limit WS-1",
        "--server lab",
        "--allow isolations=9",
        "--take-over lab/WS-1/isolation",
        "--accept-moved WS-1",
        "--accept-short-list",
        "--renew-only",
        "--approved plan.json",
    ] {
        lab.run(&format!("apply plan.json {flag}")).expect(1, &["cannot be used with"]);
    }
    lab.run("plan --renew-only -o other.json").expect(1, &["cannot be used with"]);
    lab.run("plan --renew-only --save").expect(1, &["cannot be used with"]);
    lab.run("apply --renew-only --approved plan.json").expect(1, &["cannot be used with"]);
    lab.run("apply state.yaml").expect(1, &["it is no saved plan", "are given with `-f`"]);
    lab.run("apply nothing.json").expect(1, &["nothing.json cannot be read"]);
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn what_is_there_has_to_be_what_the_plan_saw() {
    let lab = planned("{ WS-1: { isolation: { lease: 24h } }, WS-3: { isolation: off } }");
    isolate(&lab, "WS-1", 3_600);
    isolate(&lab, "WS-3", 9_000);
    let ended = lab.run("apply plan.json --yes");
    ended.expect(
        3,
        &[
            "planned on no isolation, and now there is an isolation with a timeout of 3600 s and 0 exclusions",
            "planned on an isolation with a timeout of 7200 s and 0 exclusions, and now there is an isolation with a \
             timeout of 9000 s",
            "refused; nothing was written",
        ],
    );
    assert!(lab.effects().is_empty());
}

#[test]
fn hashes_that_others_changed_make_a_plan_stale() {
    let lab = Lab::new(FLEET, &format!("{{ WS-1: {{ prevention: {{ block: [{A}, {B}] }} }} }}"));
    block(&lab, "WS-1", &[C]);
    lab.run("plan -o plan.json").expect(0, &["+2, 1 kept"]);
    block(&lab, "WS-1", &[A]);
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes")
        .expect(3, &["the rule is not what it was", &format!("+{A}"), &format!("−{C}")]);
    assert!(lab.effects().is_empty());
    // Somebody has done what was planned.
    block(&lab, "WS-1", &[A, B, C]);
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(0, &["its prevention is as planned already"]);
    assert!(lab.effects().is_empty());
    block(&lab, "WS-1", &[C]);
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(0, &["1 rule to change"]);
    assert_eq!(lab.effects().len(), 1);
}

#[test]
fn a_release_stays_one_of_the_rule_that_was_seen() {
    let lab = planned("{ WS-3: { isolation: off } }");
    lab.run("apply plan.json --yes").expect(0, &["1 to release"]);
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(0, &["its isolation is as planned already"]);
    isolate(&lab, "WS-3", 7_205);
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(3, &["planned on an isolation with a timeout of 7200 s"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn what_cannot_be_read_waits_and_the_others_go_on() {
    let lab = planned(ISOLATE_TWO);
    lab.simulator.set_faults(vec![
        Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-1"))).spoiling(Spoiled::Html),
    ]);
    lab.run("apply plan.json --yes").expect(4, &["not understood", "1 to isolate"]);
    assert_eq!(lab.effects().len(), 1);
    lab.simulator.set_faults(Vec::new());
    lab.run("apply plan.json --yes").expect(0, &["1 to isolate", "as planned already"]);
    assert_eq!(lab.effects().len(), 2);
}

#[test]
fn a_host_that_is_gone_or_came_back_as_another_is_not_written() {
    let lab = planned(ISOLATE_TWO);
    lab.simulator.world(|world| world.remove_host(sensor("WS-1")));
    lab.run("apply plan.json --yes").expect(3, &["the server does not list"]);
    assert!(lab.effects().is_empty());
}

/// Instants that come while a plan waits are in tests/cases/saved-plan-deadlines.
#[test]
fn a_plan_of_yesterday_and_one_of_tomorrow_are_refused() {
    let lab = planned(ISOLATE_TWO);
    let made: jiff::Timestamp = json(&lab, "plan.json")["made_at"].as_str().unwrap().parse().unwrap();
    let after = |hours| (made + jiff::SignedDuration::from_hours(hours)).to_string();
    forged(&lab, |plan| plan["made_at"] = after(-25).into());
    lab.run("apply forged.json --yes").expect(3, &["more than 1 d ago: plan again"]);
    forged(&lab, |plan| plan["made_at"] = after(1).into());
    lab.run("apply forged.json --yes").expect(3, &["from now, by this machine's clock"]);
    assert!(lab.effects().is_empty());
    // An approval has no age: what is carried out is planned afresh.
    lab.run("apply --approved forged.json --yes").expect(0, &["2 to isolate"]);
}

#[test]
fn a_change_that_its_id_does_not_tell_of_is_refused_whatever_the_digest_says() {
    let lab = planned(ISOLATE_TWO);
    let term = |plan: &mut serde_json::Value| {
        plan["servers"][0]["steps"][0]["changes"][0]["what"]["isolate"]["term"]["lease_seconds"] =
            7_200.into();
    };
    forged(&lab, term);
    lab.run("apply forged.json --yes").expect(1, &["its changes are not those of its `plan_id`"]);
    forged(&lab, |plan| plan["wait_for"] = "rain".into());
    lab.run("apply forged.json --yes").expect(1, &["unknown field `wait_for`"]);
    forged(&lab, |plan| plan["format_version"] = 7.into());
    lab.run("apply forged.json --yes").expect(1, &["format version 7"]);
    // Spaces and the order of keys say nothing.
    forged(&lab, |_| {});
    lab.run("apply forged.json --yes").expect(0, &["2 to isolate"]);
}

#[test]
fn holds_and_owners_of_now_count() {
    let lab = planned(ISOLATE_TWO);
    lab.run("hold WS-1 --for 2h --reason imaging").expect(0, &[]);
    lab.run("apply plan.json --yes").expect(0, &["held", "imaging", "1 to isolate"]);
    assert_eq!(lab.effects().len(), 1);
    let lab = planned(ISOLATE_TWO);
    let state = text(&lab, "state.yaml");
    lab.write("other.yaml", &(state + "owner: others\nrecord: .kedrctl\n"));
    lab.run("apply -f other.yaml --limit WS-1 --yes").expect(0, &[]);
    lab.simulator.world(|world| world.remove_isolation(sensor("WS-1"))).unwrap();
    lab.simulator.clear_requests();
    lab.run("apply plan.json --yes").expect(3, &["was written last by owner `others`"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn the_policy_of_the_plan_is_judged_on_the_hosts_of_now() {
    let lab = Lab::new(FLEET, ISOLATE_TWO);
    let state =
        text(&lab, "state.yaml") + "policy: { protected: [{ name: 'dc*' }], limits: { isolations: 1 } }\n";
    lab.write("state.yaml", &state);
    lab.run("plan -o plan.json").expect(3, &["--allow isolations=2", "refused; the plan was not saved"]);
    assert!(!lab.path("plan.json").exists());
    lab.run("plan -o plan.json --allow isolations=2").expect(0, &["saved in plan.json"]);
    rename(&lab, "WS-2", "DC-2");
    lab.run("apply plan.json --yes").expect(3, &["may not be isolated", "policy.protected"]);
    rename(&lab, "WS-2", "WS-2");
    lab.run("apply plan.json --yes").expect(0, &["2 to isolate"]);
    lab.run("history").expect(0, &["--allow isolations=2"]);
}

#[test]
fn a_plan_that_is_not_whole_is_saved_and_says_so() {
    let lab = Lab::new(FLEET, ISOLATE_TWO);
    lab.simulator.set_faults(vec![
        Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-1"))).spoiling(Spoiled::Html),
    ]);
    lab.run("plan -o plan.json").expect(4, &["the plan is incomplete", "saved in plan.json"]);
    assert_eq!(json(&lab, "plan.json")["complete"], false);
    lab.simulator.set_faults(Vec::new());
    lab.run("apply plan.json --yes").expect(0, &["was incomplete when it was made", "1 to isolate"]);
    let nobody = lab.server().replace(&lab.simulator.url(), "https://127.0.0.1:1");
    lab.write("state.yaml", &lab.state(&nobody, ISOLATE_TWO));
    lab.run("plan -o none.json --save").expect(5, &["the plan was not saved"]);
    assert!(!lab.path("none.json").exists() && !lab.path(".kedrctl/plans").exists());
}

#[test]
fn only_a_plan_is_written_over_and_nobody_else_may_read_it() {
    let lab = planned(ISOLATE_TWO);
    lab.run("plan -o state.yaml").expect(1, &["is no saved plan; it is not written over"]);
    lab.run("plan -o -").expect(1, &["name a file for the plan"]);
    lab.run("plan -o plan.json").expect(0, &[]);
    lab.write("cut.json", &text(&lab, "plan.json")[..90]);
    lab.run("apply cut.json --yes").expect(1, &["it was altered, or is not whole"]);
    lab.run("plan --out cut.json").expect(0, &[]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(lab.path("plan.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn nothing_secret_is_in_a_plan() {
    let lab = Lab::new(FLEET, ISOLATE_TWO);
    let key = text(&lab, "client.key");
    let server = lab.server().replace("client_key: client.key", "client_key: { env: THE_KEY }");
    lab.write("state.yaml", &lab.state(&server, ISOLATE_TWO));
    let run = |arguments: &str| {
        let mut command = lab.command(arguments);
        command.env("THE_KEY", &key).env("KEDRCTL_TEST_SECRET", "tr0ub4dor");
        crate::lab::ended(command.output().unwrap())
    };
    let ended = run("plan -o plan.json --save");
    ended.expect(0, &[]);
    let id = id_of(&ended);
    for written in [text(&lab, "plan.json"), text(&lab, &format!(".kedrctl/plans/{id}.json"))] {
        for secret in ["PRIVATE KEY", "BEGIN CERTIFICATE", "tr0ub4dor"] {
            assert!(!written.contains(secret), "{secret}");
        }
        let of_key = key.lines().find(|line| !line.starts_with("-----")).unwrap();
        assert!(!written.contains(of_key));
    }
    assert!(text(&lab, "plan.json").contains("\"env\": \"THE_KEY\""));
    run("apply plan.json --yes").expect(0, &["2 to isolate"]);
}

#[test]
fn a_key_of_a_program_is_asked_for_only_where_programs_may_run() {
    let lab = Lab::new(FLEET, ISOLATE_TWO);
    let server = lab.server().replace("client_key: client.key", "client_key: { command: [cat, client.key] }");
    lab.write("state.yaml", &lab.state(&server, ISOLATE_TWO));
    lab.run("plan -o plan.json --allow-commands").expect(0, &[]);
    lab.run("apply plan.json --yes").expect(1, &["only with `--allow-commands`"]);
    lab.run("apply plan.json --yes --allow-commands").expect(0, &["2 to isolate"]);
}

#[test]
fn an_approved_plan_lets_fewer_changes_pass_and_no_other() {
    let lab = Lab::new(FLEET, ISOLATE_TWO);
    let saved = lab.run("plan --save");
    saved.expect(0, &["saved in the record at "]);
    let id = id_of(&saved);
    assert_eq!(id.len(), 64);
    assert_eq!(id_of(&lab.run("plan --save")), id, "the same plan has the same id");
    // Something else was merged in between.
    lab.declare(
        "{ WS-1: { isolation: { lease: 48h } }, WS-2: { isolation: { lease: 24h } }, WS-3: { isolation: off } }",
    );
    let ended = lab.run(&format!("apply --approved {id} --yes"));
    ended.expect(
        3,
        &[
            "was not approved: the approved plan has nothing of it",
            "was approved otherwise",
            "it was to be isolated with lease 1 d, and now isolated with lease 2 d",
            "refused; nothing was written",
        ],
    );
    assert!(lab.effects().is_empty());
    lab.run(&format!("apply --approved {id} --check")).expect(3, &["was not approved"]);
    lab.declare("{ WS-2: { isolation: { lease: 24h } } }");
    lab.run(&format!("apply --approved {id} --yes")).expect(0, &["1 to isolate"]);
    assert_eq!(lab.effects().len(), 1);
    lab.run("history").expect(0, &[&format!("held to plan {id}")]);
    // Renewals need no approval.
    lab.declare("{ WS-2: { isolation: { lease: 9000h } } }");
    lab.run(&format!("apply --approved {id} --yes")).expect(0, &["1 to renew"]);
}

#[test]
fn what_was_there_before_is_a_part_of_what_was_approved() {
    let lab = Lab::new(FLEET, &format!("{{ WS-1: {{ prevention: {{ block: [{A}] }} }} }}"));
    let id = id_of(&lab.run("plan --save"));
    block(&lab, "WS-1", &[C]);
    lab.simulator.clear_requests();
    lab.run(&format!("apply --approved {id} --yes"))
        .expect(3, &["what is there has changed since", &format!("+{C}")]);
    assert!(lab.effects().is_empty());
    block(&lab, "WS-1", &[]);
    lab.simulator.clear_requests();
    lab.run(&format!("apply --approved {id} --yes")).expect(0, &["1 rule to change"]);
}

#[test]
fn an_id_that_nobody_saved_is_said_to_be_none() {
    let lab = planned(ISOLATE_TWO);
    let id = json(&lab, "plan.json")["plan_id"].as_str().unwrap().to_owned();
    lab.run(&format!("apply --approved {id} --yes")).expect(1, &["has no plan", "`kedrctl plan --save`"]);
    lab.run(&format!("apply --approved {} --yes", &id[..8])).expect(1, &["is not the whole id of a plan"]);
    lab.run("plan --save").expect(0, &[]);
    let file = format!(".kedrctl/plans/{id}.json");
    lab.write(&file, &text(&lab, &file).replace("86400", "86401"));
    lab.run(&format!("apply --approved {id} --yes")).expect(1, &["it is not the plan of this id"]);
    lab.run("plan --save").expect(1, &["the record is damaged"]);
    assert!(lab.effects().is_empty());
}

/// Planned by a job that has no key, approved, and carried out by one that has.
#[test]
fn a_plan_from_a_snapshot_is_approved_and_then_carried_out() {
    let lab = Lab::new(FLEET, "{ WS-3: { isolation: { lease: 2h } } }");
    lab.run("snapshot --all-hosts -o observed.json").expect(0, &[]);
    // A checkout of a proposal, elsewhere, without keys and record.
    let outside = tempfile::tempdir().unwrap();
    crate::lab::write(&outside.path().join("state.yaml"), &lab.state(&lab.server(), ISOLATE_TWO));
    let observed = lab.path("observed.json");
    let plan = lab.path("proposed.json");
    let arguments = format!("plan --observed {} -o {}", observed.display(), plan.display());
    let ended = crate::lab::ended(crate::lab::command(outside.path(), &arguments).output().unwrap());
    ended.expect(0, &["2 to isolate", "saved in "]);
    lab.run("plan --observed observed.json --save").expect(1, &["cannot be used with"]);
    // It is merged.
    lab.declare(ISOLATE_TWO);
    lab.simulator.clear_requests();
    lab.run("apply --approved proposed.json -f . --yes").expect(0, &["2 to isolate"]);
    assert_eq!(lab.effects().len(), 2);
    // With another host in between, it is not.
    lab.declare("{ WS-3: { isolation: off } }");
    lab.simulator.clear_requests();
    lab.run("apply --approved proposed.json -f . --yes").expect(3, &["was not approved"]);
    assert!(lab.effects().is_empty());
}
