//! `validate`, `explain` and `schema`: one format on stdout and nothing else, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use serde_json::Value;

use crate::lab::{Ended, Lab};

fn lab() -> Lab {
    Lab::new("hosts: [{ name: WS-1 }]", "{ WS-1: { isolatoin: off }, WS-2: { isolation: { lease: 1h } } }")
}

fn document(ended: &Ended) -> Value {
    assert_eq!(ended.stderr, "");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

fn schema_of(lab: &Lab, what: &str) -> jsonschema::Validator {
    let printed = lab.run(&format!("schema {what}"));
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    jsonschema::validator_for(&serde_json::from_str(&printed.stdout).unwrap()).unwrap()
}

#[test]
fn json_is_the_whole_answer_and_fits_its_schema() {
    let lab = lab();
    let validator = schema_of(&lab, "validate");
    lab.write("empty.yaml", "");
    lab.write("latin.yaml", "version: 1\nowner: \u{1b}[2Jx\n");
    for (arguments, codes) in [
        ("-f state.yaml", &["E021", "E035"][..]),
        ("-f absent.yaml", &["E001"]),
        ("-f empty.yaml", &["E006"]),
        ("-f state.yaml -f absent.yaml", &["E001", "E045", "E021", "E035"]),
    ] {
        let ended = lab.run(&format!("validate --format json {arguments}"));
        assert_eq!(ended.code, Some(1));
        let document = document(&ended);
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let found = document["problems"].as_array().unwrap().iter();
        assert_eq!(found.map(|problem| problem["code"].as_str().unwrap()).collect::<Vec<_>>(), codes);
        assert_eq!((&document["valid"], &document["sums"]["errors"]), (&false.into(), &codes.len().into()));
    }
    let hostile = lab.run("validate --format json -f latin.yaml");
    assert!(!hostile.stdout.contains('\u{1b}'), "{}", hostile.stdout);
}

#[test]
fn sarif_tells_of_the_same_problems() {
    let lab = lab();
    let log = document(&lab.run("validate --format sarif -f state.yaml -f absent.yaml"));
    assert_eq!((&log["version"], log["runs"].as_array().unwrap().len()), (&"2.1.0".into(), 1));
    let results = log["runs"][0]["results"].as_array().unwrap();
    let found = |name: &str| results.iter().map(|result| result[name].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(found("ruleId"), ["E001", "E045", "E021", "E035"]);
    assert_eq!(found("level"), ["error"; 4]);
    let uri = |result: usize| &results[result]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!((uri(0), uri(2)), (&"absent.yaml".into(), &"state.yaml".into()));
}

#[test]
fn warnings_are_denied_in_every_format() {
    let lab = lab();
    lab.declare("{ WS-1: { isolation: off }, WS-2: {} }");
    for format in ["text", "json", "sarif"] {
        assert_eq!(lab.run(&format!("validate --format {format}")).code, Some(0));
        let denied = lab.run(&format!("validate --format {format} --deny warnings"));
        assert_eq!((denied.code, denied.stderr.as_str()), (Some(1), ""));
        assert!(denied.stdout.contains("W003"));
    }
    let valid = document(&lab.run("validate --format json --deny warnings"));
    assert_eq!((&valid["valid"], &valid["sums"]["warnings"]), (&true.into(), &1.into()));
}

#[test]
fn wrong_flags_leave_stdout_empty() {
    let lab = lab();
    for arguments in
        ["validate --format xml", "validate --format json --frmat x", "explain E999", "schema states"]
    {
        let ended = lab.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments}");
        assert!(!ended.stderr.is_empty(), "{arguments}");
    }
}

#[test]
fn codes_are_explained_in_either_case() {
    let lab = lab();
    lab.run("explain e021 W003").expect(0, &["E021  ", "Wrong:", "Right:", "W003  "]);
    let all = lab.run("explain");
    assert_eq!(all.code, Some(0));
    assert!(all.stdout.lines().count() > 35 && all.stdout.contains("E034  The hash of the empty file"));
    lab.run("explain E21").expect(1, &["there is no code `E21`; did you mean `E021`?"]);
    lab.run("explain E021 nonsense").expect(1, &["there is no code `nonsense`", "lists all codes"]);
    lab.run("validate").expect(1, &["`kedrctl explain E021` says more"]);
}

#[test]
fn schemas_are_printed_as_they_stand_in_the_repository() {
    let lab = lab();
    for (what, file) in [
        ("", include_str!("../../schemas/kedrctl.schema.json")),
        ("state", include_str!("../../schemas/kedrctl.schema.json")),
        ("plan", include_str!("../../schemas/plan-v1.schema.json")),
        ("validate", include_str!("../../schemas/validate-v1.schema.json")),
        ("history", include_str!("../../schemas/history-v1.schema.json")),
        ("why", include_str!("../../schemas/why-v1.schema.json")),
        ("show", include_str!("../../schemas/show-v1.schema.json")),
        ("tasks", include_str!("../../schemas/tasks-v1.schema.json")),
    ] {
        assert_eq!(lab.run(&format!("schema {what}")).stdout, file, "{what}");
    }
}

#[test]
fn a_server_that_is_misspelled_is_suggested() {
    let lab = lab();
    lab.declare("{ WS-1: { isolation: off } }");
    for command in ["plan", "drift", "hosts"] {
        lab.run(&format!("{command} --server labb"))
            .expect(1, &["`labb`: no server has this name", "did you mean `lab`?"]);
    }
}
