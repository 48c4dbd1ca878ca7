use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::record::History;
use crate::report::sample;
use crate::report::sample_history as told;

fn options(full: bool) -> HistoryOptions {
    HistoryOptions { now: sample::now(), full, palette: Palette::OFF }
}

/// What both formats write of it.
fn written(history: &History, full: bool) -> (String, String) {
    let (server, key) = (ServerName::new("hq"), ServerKey::of_address("kata.example.org", 443));
    let counts = told::counts();
    let servers = [ServerHistory {
        server: &server,
        key: &key,
        runs: history.runs.iter().collect(),
        has_more: !history.is_whole,
        has_record: true,
        counts: &counts,
    }];
    let (mut text, mut json) = (Vec::new(), Vec::new());
    write_text(&servers, &options(full), &mut text).unwrap();
    write_json(&servers, sample::now(), &mut json).unwrap();
    (String::from_utf8(text).unwrap(), String::from_utf8(json).unwrap())
}

#[test]
fn runs_tell_what_they_did_and_who_they_were() {
    assert_data_eq!(written(&told::history(), false).0, str![[r#"
hq  kata.example.org_443   2 runs

run 20261125-100000-0000   25 Nov 10:00Z (3 h ago)   apply by ana@soc-1, owner soc-gitops   never said that it ended
    commit 77ab77ab77ab was checked out, the files may have been edited
  ↻ renew               WS-017.corp.example             24 h, 1 exclusion → 24 h, 1 exclusion             state/incidents.yaml:12
  ~ block               all hosts                       +17 −1, 212 kept                                  state/incidents.yaml:12
  ! release             front-desk (10.1.2.18)          24 h → no rule                                    state/incidents.yaml:12
      not done: held by bob@soc-2
  ? change exclusions   WS-017.corp.example             24 h → 24 h, 1 exclusion                          state/incidents.yaml:12
      not known whether done: timed out
  · hold                WS-017.corp.example isolation   until 26 Nov 13:00Z                     imaging
  · end hold            WS-017.corp.example isolation

run 20261125-040000-0000   25 Nov 04:00Z (9 h ago)   apply by ana@soc-1, owner soc-gitops   finished
    let pass: --allow isolations=7
    commit 3f2a3f2a3f2a, job https://ci.example.org/job/7
  + isolate   WS-017.corp.example   no rule → 24 h, 1 exclusion   INC-417   state/incidents.yaml:12

"#]].raw());
}

#[test]
fn the_document_is_as_documented() {
    assert_data_eq!(written(&told::history(), false).1, snapbox::file!["history.json": Text].raw());
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_document() {
    let mut schema = Vec::new();
    write_schema(&mut schema).unwrap();
    let schema = String::from_utf8(schema).unwrap();
    let value: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&value).unwrap();
    for history in [told::history(), told::hostile(), History::default()] {
        let instance = serde_json::from_str(&written(&history, false).1).unwrap();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "format_version": 2 })), "it refuses something");
    assert_data_eq!(schema, snapbox::file!["../../../schemas/history-v1.schema.json": Text].raw());
}

#[test]
fn a_long_run_is_cut_with_a_count_and_a_cut_history_says_so() {
    let acts = (0..30)
        .map(|n| told::act(n, told::target(17), "isolate", told::isolated(None, Some(&[])), sample::now()));
    let history = History { runs: vec![told::run(1, acts.collect())], is_whole: false };
    let (cut, _) = written(&history, false);
    assert!(cut.contains("… and 10 more (--full shows all)") && cut.contains("… and older ones"), "{cut}");
    assert!(!written(&history, true).0.contains("… and 10 more"));
}

#[test]
fn no_text_of_the_record_drives_the_terminal() {
    let (text, json) = written(&told::hostile(), true);
    for written in [text, json] {
        assert!(!written.contains(|c: char| c != '\n' && c.is_control()), "{written:?}");
        assert!(!written.contains('\u{202e}'), "{written:?}");
    }
}
