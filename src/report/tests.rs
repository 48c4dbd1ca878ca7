//! The same plans in every format: of thirty changes and of ten thousand to the byte, and those and hostile ones for
//! readers that nobody here wrote (`.ci/formats`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use sha2::{Digest, Sha256};

use super::html::Page;
use super::sarif::Driver;
use super::{Told, View, csv, html, json, junit, markdown, prometheus, sample, sarif, text};
use crate::guard::Judgement;
use crate::plan::Plan;
use crate::report::TextOptions;
use crate::terminal::Palette;

const DRIFT: View = View::Drift { require_contact: false };
const DRIVER: Driver<'_> = Driver { version: "1.2.3", repository: "https://git.example.org/kedrctl" };

/// What is written, by the ending of its files.
fn every(plan: &Plan, judgement: &Judgement, view: View) -> BTreeMap<&'static str, Vec<u8>> {
    sample::told(plan, judgement, view, |told: &Told<'_>| {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out
        };
        let options = TextOptions { view, full: true, summary: false, palette: Palette::OFF };
        let page = Page {
            plan,
            judgement,
            plan_id: told.plan_id,
            view,
            listed: None,
            recorded: told.recorded,
            runs: &[],
            outcome: None,
            full: false,
        };
        BTreeMap::from([
            ("txt", written(&|out| text::plan(plan, judgement, told.plan_id, &options, out).unwrap())),
            ("json", written(&|out| json::write(&json::document(told), out).unwrap())),
            ("md", written(&|out| markdown::write(told, out).unwrap())),
            ("xml", written(&|out| junit::write(told, out).unwrap())),
            ("sarif", written(&|out| sarif::write(told, DRIVER, out).unwrap())),
            ("prom", written(&|out| prometheus::write(told, out).unwrap())),
            ("csv", written(&|out| csv::write(told, out).unwrap())),
            ("html", written(&|out| html::write(&page, out).unwrap())),
        ])
    })
}

fn failed(view: View) -> BTreeMap<&'static str, Vec<u8>> {
    sample::no_plan(view, |no_plan| {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out
        };
        BTreeMap::from([
            ("json", written(&|out| json::write_failed(no_plan, out).unwrap())),
            ("md", written(&|out| markdown::write_failed(no_plan, out).unwrap())),
            ("xml", written(&|out| junit::write_failed(no_plan, out).unwrap())),
            ("sarif", written(&|out| sarif::write_failed(no_plan, DRIVER, out).unwrap())),
            ("prom", written(&|out| prometheus::write_failed(no_plan, out).unwrap())),
            ("csv", written(&|out| csv::write_failed(no_plan, out).unwrap())),
            ("html", written(&|out| html::write_failed(no_plan, out).unwrap())),
        ])
    })
}

/// Two lines of this differ where a format of the ten thousand does; what differs, that of thirty shows.
#[test]
fn plans_of_thirty_and_of_ten_thousand_changes_are_the_bytes_that_they_were() {
    let mut told = String::new();
    let thirty = sample::many(30);
    for (name, plan) in [("thirty", &thirty), ("ten thousand", sample::ten_thousand())] {
        for view in [View::Plan, DRIFT] {
            for (format, bytes) in every(plan, &Judgement::default(), view) {
                let digest: String =
                    Sha256::digest(&bytes).iter().take(8).fold(String::new(), |mut text, byte| {
                        write!(text, "{byte:02x}").unwrap();
                        text
                    });
                let size = bytes.len();
                writeln!(told, "{name:12}  {:5}  {format:5}  {size:>8} bytes  {digest}", view.as_str())
                    .unwrap();
            }
        }
    }
    snapbox::assert_data_eq!(told, snapbox::file!["golden/every-format.txt": Text].raw());
    let text = every(&thirty, &Judgement::default(), View::Plan);
    let golden = |format| String::from_utf8(text[format].clone()).unwrap();
    snapbox::assert_data_eq!(golden("txt"), snapbox::file!["golden/plan.txt": Text].raw());
    snapbox::assert_data_eq!(golden("json"), snapbox::file!["golden/plan.json": Text].raw());
}

/// Code hosts refuse a whole log for one result without a place.
#[test]
fn every_result_for_a_code_host_has_a_place() {
    let (hostile, refused) = sample::hostile();
    let judgement = Judgement::default();
    let thirty = sample::many(30);
    let logs = [
        every(&thirty, &judgement, View::Plan),
        every(&thirty, &judgement, DRIFT),
        every(&hostile, &refused, View::Plan),
        failed(DRIFT),
    ];
    for log in logs {
        let log: serde_json::Value = serde_json::from_slice(&log["sarif"]).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert!(!results.is_empty());
        for result in results {
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            assert!(uri.is_string(), "{result:#}");
        }
    }
}

#[test]
#[ignore = "writes samples for other readers into the folder that KEDRCTL_SAMPLES names"]
fn samples_for_other_readers() {
    let folder = std::path::PathBuf::from(std::env::var_os("KEDRCTL_SAMPLES").expect("a folder"));
    let (hostile, refused) = sample::hostile();
    let judgement = Judgement::default();
    for view in [View::Plan, DRIFT] {
        let samples = [
            ("thirty", every(&sample::many(30), &judgement, view)),
            ("ten-thousand", every(sample::ten_thousand(), &judgement, view)),
            ("hostile", every(&hostile, &refused, view)),
            ("failed", failed(view)),
        ];
        for (name, formats) in samples {
            for (format, bytes) in formats {
                let file = format!("{name}-{}.{format}", view.as_str());
                std::fs::File::create(folder.join(file)).unwrap().write_all(&bytes).unwrap();
            }
        }
    }
}
