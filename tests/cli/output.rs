//! Streams: one format on stdout and nothing else, closed pipes, documents that fit their schema.

use std::process::Stdio;

use serde_json::Value;

use crate::lab::Lab;

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: off }, WS-9: { isolation: off }, WS-3: { \
                     prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }";

fn lab() -> Lab {
    Lab::new("hosts: [{ name: WS-1 }, { name: WS-2, isolation: { timeout: 8h } }, { name: WS-3 }]", HOSTS)
}

#[test]
fn json_fits_its_schema() {
    let lab = lab();
    let schema = include_str!("../../schemas/plan-v1.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let commands = ["plan --format json", "drift --format json", "drift --require-contact --format json"];
    for round in ["before", "after"] {
        for command in commands {
            let ended = lab.run(command);
            assert_eq!(ended.code, Some(4), "one host is not listed: {}", ended.stderr);
            let document: Value = serde_json::from_str(&ended.stdout).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{round} {command}: {errors:#?}");
        }
        lab.run("apply --yes").expect(4, &[]);
    }
}

#[test]
fn a_page_is_all_that_is_on_stdout_and_ends_as_text_does() {
    let lab = lab();
    for command in ["plan --format html", "drift --all-hosts --format html"] {
        let ended = lab.run(command);
        assert_eq!(ended.code, Some(4), "one host is not listed: {}", ended.stderr);
        assert!(ended.stdout.starts_with("<!DOCTYPE html>") && ended.stdout.ends_with("</html>\n"));
        for text in ["WS-9", "WS-3", "The record tells of no run."] {
            assert!(ended.stdout.contains(text), "{command}: {text}");
        }
    }
    lab.run("apply --yes").expect(4, &[]);
    let page = lab.run("drift --format html").stdout;
    assert!(page.contains("isolation ends on the server") && page.contains("1 block, 1 isolate, 1 release"));
    // What the record can not tell any more, the page says.
    lab.run("snapshot -o observed.json").expect(0, &[]);
    let page = lab.run("plan --observed observed.json --format html").stdout;
    assert!(page.contains("The record was not asked."));
}

#[test]
fn the_same_plan_is_the_same_from_run_to_run() {
    let lab = lab();
    // What is measured may differ: the time, and how far apart the clocks are.
    let plan = || {
        let mut document: Value = serde_json::from_str(&lab.run("plan --format json").stdout).unwrap();
        for measured in ["/now", "/observed_at", "/servers/0/clock/ahead_seconds"] {
            *document.pointer_mut(measured).unwrap() = Value::Null;
        }
        document.to_string()
    };
    assert_eq!(plan(), plan());
    assert_eq!(lab.run("plan").stdout, lab.run("plan").stdout);
}

#[test]
fn messages_go_to_stderr() {
    let lab = lab();
    lab.declare("{ WS-1: { isolatoin: off } }");
    let ended = lab.run("plan");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("isolatoin"));
}

#[test]
fn a_closed_stdout_ends_a_plan_quietly_and_stops_no_apply() {
    let lab = Lab::new("hosts: [{ name: WS-1 }]", "{ WS-1: { isolation: { lease: 8h } } }");
    for (command, written) in [("plan", 0), ("apply --yes", 1)] {
        let mut command = lab.command(command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(lab.effects().len(), written);
    }
}
