use serde_json::Value;

use super::*;
use crate::report::sample;

const NOWHERE: Driver<'_> = Driver { version: "1.2.3", repository: "" };

fn written(driver: Driver<'_>) -> String {
    let (found, sources) = sample::problems();
    let mut out = Vec::new();
    problems(&found, &sources, driver, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_log_is_as_expected() {
    let driver = Driver { version: "1.2.3", repository: "https://git.example.org/kedrctl" };
    snapbox::assert_data_eq!(written(driver), snapbox::file!["problems.sarif": Text].raw());
}

/// What the specification asks for where its schema says nothing.
#[test]
fn the_parts_of_the_log_fit_each_other() {
    let log: Value = serde_json::from_str(&written(NOWHERE)).unwrap();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["E001", "E021", "E045", "W003"], "each rule once");
    assert!(rules.iter().all(|rule| rule.get("helpUri").is_none()), "of no repository");
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert_eq!(result["level"], rules[index]["defaultConfiguration"]["level"]);
    }
    let uri = |result: usize| {
        &run["results"][result]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    };
    assert_eq!(uri(0), "b%1B.yaml", "a path that is not there");
    assert_eq!(run["results"][1]["locations"], serde_json::json!([]));
    assert_eq!(uri(2), "my%20state/a.yaml");
    let region = &run["results"][2]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        region,
        &serde_json::json!({ "startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 21 })
    );
    let related = &run["results"][2]["relatedLocations"];
    assert_eq!((related[0]["id"].as_u64(), related.as_array().unwrap().len()), (Some(0), 1));
}
