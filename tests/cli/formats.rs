//! Answers for machines: whatever happens, stdout and files have the format that was asked for, and the exit code is the
//! same.

use std::collections::BTreeSet;

use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Fault, Spoiled};
use serde_json::Value;

use crate::lab::{Lab, sensor};

const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2, isolation: { timeout: 8h } }, { name: WS-3 }]";
const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: off } }";

fn lab() -> Lab {
    Lab::new(FLEET, HOSTS)
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// The one document on stdout.
fn document(stdout: &str) -> Value {
    let document = serde_json::from_str(stdout).unwrap();
    assert!(schema("plan-v1.schema.json").is_valid(&document), "{document:#}");
    document
}

/// Each line of stdout.
fn events(stdout: &str) -> Vec<Value> {
    let schema = schema("apply-v1.schema.json");
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert!(schema.is_valid(event), "{event:#}");
    }
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn without_a_plan_the_document_says_why() {
    let lab = lab();
    lab.declare("{ WS-1: { isolatoin: off }, WS-2: { isolation: { lease: 1m } } }");
    for command in ["plan", "drift", "apply --check"] {
        let ended = lab.run(&format!("{command} --format json"));
        let document = document(&ended.stdout);
        assert_eq!(ended.code, Some(1));
        assert_eq!((document["exit_code"].as_u64(), document["complete"].as_bool()), (Some(1), Some(false)));
        let errors = document["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 2, "all mistakes: {errors:#?}");
        let label = &errors[0]["problem"]["labels"][0];
        assert!(label["file"].as_str().unwrap().ends_with("state.yaml"));
        assert_eq!(label["line"], 4);
    }
    lab.declare(HOSTS);
    let other = lab.run("plan --server nobody --format json");
    assert_eq!((other.code, &document(&other.stdout)["errors"][0]["kind"]), (Some(1), &Value::from("usage")));
    let since = lab.run("drift --since nothing.json --format json");
    assert!(document(&since.stdout)["errors"][0]["message"].as_str().unwrap().contains("nothing.json"));
    lab.write(
        "state.yaml",
        &lab.state(&lab.server_with(&lab.simulator.certificate_sha256(), "no.crt", "no.key"), HOSTS),
    );
    let keyless = document(&lab.run("plan --format json").stdout);
    assert_eq!(keyless["errors"][0]["kind"], "credentials");
    assert_eq!(keyless["errors"][0]["server"], "lab");
}

#[test]
fn a_server_that_is_gone_is_in_every_format() {
    let lab = lab();
    let gone = lab.server().replace(&lab.simulator.url(), "https://127.0.0.1:1");
    lab.write("state.yaml", &lab.state(&gone, HOSTS));
    let says = [
        ("markdown", "nothing is known of its hosts"),
        ("junit", "errors=\"1\""),
        ("sarif", "\"server-not-read\""),
        ("prometheus", "kedrctl_server_up{server=\"lab\"} 0"),
        ("csv", ",unreachable,"),
        ("text", "nothing is known of its hosts"),
    ];
    let reports: Vec<String> =
        says.iter().map(|(format, _)| format!("--report {format}=report.{format}")).collect();
    let ended = lab.run(&format!("drift --format json {}", reports.join(" ")));
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert_eq!(document(&ended.stdout)["servers"][0]["state"], "unreachable");
    for (format, says) in says {
        let report = std::fs::read_to_string(lab.path(&format!("report.{format}"))).unwrap();
        assert!(report.contains(says), "{report}");
    }
}

#[test]
fn one_run_writes_reports_in_several_formats() {
    let lab = lab();
    let reports = "--report junit=report.xml --report sarif=drift.sarif --report prometheus=kedr.prom --report \
                   csv=drift.csv --report markdown=comment.md --report json=drift.json --report text=drift.txt";
    let names =
        ["report.xml", "drift.sarif", "kedr.prom", "drift.csv", "comment.md", "drift.json", "drift.txt"];
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap();
    let ended = lab.run(&format!("drift {reports}"));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stdout, read("drift.txt"));
    assert_eq!(document(&read("drift.json"))["sums"]["isolate"], 1);
    assert!(read("report.xml").contains("tests=\"2\" failures=\"2\" errors=\"0\""));
    assert!(read("kedr.prom").contains("kedrctl_drifted{server=\"lab\",aspect=\"isolation\"} 2"));
    assert_eq!(read("drift.csv").lines().count(), 3);
    assert!(read("comment.md").starts_with("<!-- kedrctl drift default -->"));
    let before: Vec<String> = names.iter().map(|name| read(name)).collect();

    // A run that fails leaves no report behind that says that all is well.
    lab.declare("{ WS-1: { isolatoin: off } }");
    assert_eq!(lab.run(&format!("drift {reports}")).code, Some(1));
    for (name, before) in names.iter().zip(before) {
        assert_ne!(read(name), before, "{name}");
    }
    assert!(read("report.xml").contains("errors=\"1\""));
    assert!(read("kedr.prom").contains("kedrctl_check_success 0"));
    assert!(read("drift.sarif").contains("\"startLine\": 4"));
    assert!(read("comment.md").contains("failed with exit code 1"));
    let files: BTreeSet<_> =
        std::fs::read_dir(lab.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{files:?}");

    for wrong in
        ["--report junit", "--report xml=a.xml", "--report csv=a --report json=a", "--report csv=no/a.csv"]
    {
        lab.declare(HOSTS);
        let ended = lab.run(&format!("drift {wrong}"));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{wrong}");
    }
    assert_eq!(lab.effects().len(), 0);
}

/// An old report would be taken for a good one.
#[cfg(target_os = "linux")]
#[test]
fn what_can_not_be_written_is_named_and_takes_no_other_report_away() {
    let lab = lab();
    let reports = ["old.json", "old.prom", "old.jsonl", "old.md"];
    reports.iter().for_each(|name| lab.write(name, "old"));
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = |command: &str| {
        let output = lab.command(command).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && stderr.contains("could not be written: stdout: "),
            "{stderr}"
        );
    };
    ended("drift --report json=old.json --report prometheus=old.prom");
    ended("apply --check --report json=old.jsonl --report markdown=old.md");
    for name in reports {
        let report = std::fs::read_to_string(lab.path(name)).unwrap();
        assert!(!report.is_empty() && report != "old", "{name}: {report}");
    }
    lab.write("old.prom", "old");
    lab.run("drift --report json=/dev/full --report prometheus=old.prom")
        .expect(1, &["could not be written: /dev/full: "]);
    assert!(std::fs::read_to_string(lab.path("old.prom")).unwrap().contains("kedrctl_drifted"));
}

#[test]
fn an_apply_is_told_in_lines() {
    let lab = lab();
    let ended = lab.run("apply --yes --format json --report json=apply.jsonl --report markdown=apply.md");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = events(&ended.stdout);
    assert_eq!(kinds(&told), ["plan", "write_ended", "write_ended", "outcome"]);
    assert_eq!(told[0]["plan"]["changes"].as_array().unwrap().len(), 2);
    assert!(told[1..3].iter().all(|event| event["result"] == "done" && event["sent_at"].is_string()));
    let last = &told[3];
    assert_eq!((last["exit_code"].as_u64(), last["done"].as_u64()), (Some(0), Some(2)));
    let history: Value = serde_json::from_str(&lab.run("history --format json").stdout).unwrap();
    assert_eq!(last["run_id"], history["servers"][0]["runs"][0]["id"]);
    assert_eq!(std::fs::read_to_string(lab.path("apply.jsonl")).unwrap(), ended.stdout);
    let comment = std::fs::read_to_string(lab.path("apply.md")).unwrap();
    assert!(comment.contains("all 2 changes done") && comment.contains("WS-2"), "{comment}");

    let again = lab.run("apply --yes --format json");
    let told = events(&again.stdout);
    assert_eq!((kinds(&told), again.code), (vec!["plan", "outcome"], Some(0)));
    assert!(told[1]["run_id"].is_null());
}

/// One host is isolated; of the others one cannot be read, one is not listed, one is a check.
#[test]
fn a_comment_on_an_apply_has_what_it_could_not_judge() {
    let fleet = "hosts: [{ name: WS-1 }, { name: WS-2 }, { name: DC-1, isolation: { timeout: 8h } }]";
    let lab = Lab::new(fleet, "{}");
    let on = "isolation: { lease: 8h }";
    let hosts = format!("{{ WS-1: {{ {on} }}, WS-2: {{ {on} }}, NOPE: {{ {on} }} }}");
    let state = lab.state(&lab.server(), &hosts);
    lab.write("state.yaml", &format!("{state}groups: {{ dcs: {{ hosts: [DC-1], isolation: off }} }}\n"));
    let broken = Fault::on(CallKind::Isolation).sensor(Target::Sensor(sensor("WS-2")));
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    let comment = lab.run("apply --yes --format markdown");
    comment.expect(
        4,
        &[
            "**all 1 change done; 1 left alone, 1 error, 1 unknown",
            "❓ `WS-2`",
            "❗ `NOPE`",
            "❗ `DC-1` `is isolated, declared off by group dcs",
            "exit code 4",
        ],
    );
}

#[test]
fn an_apply_that_fails_ends_with_its_outcome_too() {
    let lab = lab();
    let ended = |arguments: &str, code: i32, kinds_of: &[&str]| -> Vec<Value> {
        let ended = lab.run(arguments);
        let told = events(&ended.stdout);
        assert_eq!((ended.code, kinds(&told).as_slice()), (Some(code), kinds_of), "{}", ended.stderr);
        assert_eq!(told.last().unwrap()["exit_code"], code);
        told
    };
    // Nobody can be asked where a program reads.
    let told = ended(
        "apply --format json --report markdown=apply.md --report html=apply.html",
        1,
        &["error", "outcome"],
    );
    assert!(told[0]["message"].as_str().unwrap().contains("--yes"));
    // A comment of its own, and not the one of the plan.
    let comment = std::fs::read_to_string(lab.path("apply.md")).unwrap();
    assert!(comment.starts_with("<!-- kedrctl apply -->\n\n### kedrctl apply\n"), "{comment}");
    let page = std::fs::read_to_string(lab.path("apply.html")).unwrap();
    assert!(page.contains("<h1>kedrctl apply</h1>"), "{page}");
    let refused = format!(
        "version: 1\npolicy: {{ limits: {{ isolations: 0 }} }}\nservers: {{ lab: {} }}\nhosts: {HOSTS}\n",
        lab.server()
    );
    lab.write("state.yaml", &refused);
    let told = ended("apply --yes --format json", 3, &["plan", "error", "outcome"]);
    assert_eq!(told[0]["plan"]["refused"], true);
    let comment = lab.run("apply --yes --format markdown");
    assert_eq!(comment.code, Some(3));
    assert!(
        comment.stdout.contains("**Refused: nothing of this plan will be written.**"),
        "{}",
        comment.stdout
    );
    assert!(
        comment.stdout.starts_with("<!-- kedrctl apply default -->\n\n### kedrctl apply\n"),
        "{}",
        comment.stdout
    );
    lab.declare("{ WS-1: { isolatoin: off } }");
    let told = ended("apply --yes --format json", 1, &["error", "outcome"]);
    assert_eq!(told[0]["problem"]["labels"][0]["line"], 4);
    assert_eq!(lab.effects().len(), 0);
}

#[test]
fn a_reader_that_goes_away_stops_no_apply() {
    let lab = lab();
    let mut command = lab.command("apply --yes --format json");
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(lab.effects().len(), 2);
}

#[test]
fn drift_tells_what_is_new_since_an_earlier_result() {
    let lab = lab();
    lab.run("drift --report json=first.json").expect(2, &["WS-1", "WS-2"]);
    let same = lab.run("drift --since first.json --fail-on new");
    same.expect(0, &["0 new, 2 still there", "still there"]);
    lab.run("drift --since first.json").expect(2, &["0 new"]);
    lab.run("apply --yes").expect(0, &[]);
    lab.run("drift --since first.json").expect(0, &["0 new, 2 gone", "lab/WS-1/isolation"]);
    lab.run("drift --report json=second.json").expect(0, &[]);
    // Somebody releases it by other means.
    let sensor = kedrctl_simulator::world::sensor_id_of("WS-1");
    lab.simulator.world(|world| world.remove_isolation(sensor)).unwrap();
    let told = lab.run("drift --since second.json --fail-on new");
    told.expect(2, &["1 new", "lab/WS-1/isolation", "changed since then, not by us"]);
    let json = document(&lab.run("drift --since second.json --format json").stdout);
    assert_eq!(json["since"]["new"], 1);
    let judged = &json["judged"][0];
    assert_eq!(
        (&judged["changed_by_others"], judged["last_write"]["owner"].as_str()),
        (&true.into(), Some("default"))
    );
    lab.run("drift --fail-on new").expect(1, &["--since"]);
    lab.run("drift --since state.yaml").expect(1, &["no result of `kedrctl drift --format json`"]);
}

#[test]
fn a_summary_is_short() {
    let lab = lab();
    let ended = lab.run("plan --summary");
    ended.expect(0, &["+ isolate", "1 to isolate, 1 to release"]);
    assert!(!ended.stdout.contains("WS-1"), "{}", ended.stdout);
    lab.run("apply --check --summary").expect(0, &["1 to isolate, 1 to release"]);
    lab.run("plan --summary --full").expect(1, &["cannot be used with"]);
}
