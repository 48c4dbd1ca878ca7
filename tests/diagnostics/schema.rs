//! The JSON Schema refuses what the decoder refuses, place by place, wherever JSON Schema can say it.

use std::sync::LazyLock;

use jsonschema::Validator;
use kedrctl::declare::{self, Read};
use kedrctl::diagnostic::{Code, Problem};

use crate::yaml::{Document, is_within};
use crate::{cases, read};

/// What no schema of one file can say.
const BEYOND_ONE_VALUE: &[Code] = &[
    // It is no YAML document, or none that is read.
    Code::NoSuchPath,
    Code::Unreadable,
    Code::NotUtf8,
    Code::TooLarge,
    Code::NoStateFiles,
    Code::EmptyFile,
    Code::Syntax,
    // A YAML reader has dissolved it before a schema sees it.
    Code::DuplicateKey,
    Code::Alias,
    Code::YamlFeature,
    Code::TooDeep,
    // It depends on another place, or on another file.
    Code::OnlyOnce,
    Code::Undefined,
    Code::NoServer,
    Code::SameIdentity,
    Code::SameServer,
    Code::BlockAndUnblock,
    Code::NoRecord,
    Code::TasksNotAllowed,
];

/// Of the other codes, the messages about what a pattern cannot say.
const BEYOND_A_PATTERN: &[(Code, &str)] = &[
    (Code::BadTime, "is no time that exists"),        // 30 February
    (Code::BadPorts, "ends before it begins"),        // 2000-1000
    (Code::BadValue, "is no pattern"),                // dc[
    (Code::BadAddress, "has bits beyond its prefix"), // 10.0.0.5/8
    (Code::BadValue, "its lists multiplied"),         // a product
    (Code::BadName, "of a group and of a host"),
    // What stands in another file.
    (Code::BadValue, "names no host"),
    (Code::BadValue, "more lines of"),
];

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&declare::schema()).unwrap());

#[test]
fn the_schema_judges_every_case_as_the_decoder_does() {
    let wrong: Vec<String> = cases()
        .iter()
        .flat_map(|case| disagreements(read(case)).into_iter().map(move |one| format!("{case}: {one}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An exception that nothing needs is taken back.
#[test]
fn no_exception_stands_in_vain() {
    let problems: Vec<&Problem> = cases().iter().flat_map(|case| &read(case).problems).collect();
    for (code, message) in BEYOND_A_PATTERN {
        let is_met = |problem: &&Problem| problem.code == *code && problem.message.contains(message);
        assert!(problems.iter().copied().any(|problem| is_met(&problem)), "{code} {message}");
    }
}

/// Where the schema says another thing than the decoder, for each state file by itself.
pub(crate) fn disagreements(read: &Read) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in &read.states {
        let text = read.sources.text(*file);
        let Some(document) = Document::parse(&text) else { continue };
        // Each place that a problem shows in this file, where its first one is here.
        let here = || {
            read.problems
                .iter()
                .filter(|problem| problem.place().is_some_and(|place| place.file == *file))
                .map(|problem| {
                    let labels = problem.labels.iter().filter(|label| label.place.file == *file);
                    let pointers = labels.map(|label| document.pointer_at(label.place.span.start as usize));
                    (problem, pointers.collect::<Vec<&str>>())
                })
        };
        let refused: Vec<(String, String)> = VALIDATOR
            .iter_errors(&document.value)
            .map(|error| (document.behind_aliases(error.instance_path().as_str()), error.to_string()))
            .collect();
        for (problem, at) in here().filter(|(problem, _)| can_be_said(problem)) {
            if !refused.iter().any(|(refused, _)| at.iter().any(|at| are_one(refused, at))) {
                wrong.push(format!("the schema takes {}: {} at {at:?}", problem.code, problem.message));
            }
        }
        for (refused, error) in &refused {
            if !here().any(|(problem, at)| is_wrong(problem) && at.iter().any(|at| are_one(refused, at))) {
                wrong.push(format!("the decoder takes what the schema refuses at `{refused}`: {error}"));
            }
        }
    }
    wrong
}

/// Whether the decoder does not understand it; what is not written is understood.
pub(crate) fn is_wrong(problem: &Problem) -> bool {
    problem.is_error()
}

pub(crate) fn can_be_said(problem: &Problem) -> bool {
    problem.is_error()
        && !BEYOND_ONE_VALUE.contains(&problem.code)
        && !BEYOND_A_PATTERN
            .iter()
            .any(|(code, message)| *code == problem.code && problem.message.contains(message))
}

/// Whether two pointers speak of one mistake. A schema says what is wrong with a key at the mapping that has it, and
/// of a value that can have several shapes only that it has none of them.
fn are_one(refused: &str, reported: &str) -> bool {
    let parent = reported.rsplit_once('/').map_or("", |(parent, _)| parent);
    is_within(refused, reported) || refused == parent || (!refused.is_empty() && is_within(reported, refused))
}

/// What the schema refuses in a text, whatever else it needs.
pub(crate) fn refusals(text: &str) -> Option<Vec<String>> {
    let document = Document::parse(text)?;
    Some(VALIDATOR.iter_errors(&document.value).map(|error| error.to_string()).collect())
}
