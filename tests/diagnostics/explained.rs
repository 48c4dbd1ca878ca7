//! The examples of `kedrctl explain`: each wrong one gives its code, each right one is a valid state.

use std::fs;
use std::path::{Path, PathBuf};

use kedrctl::declare::{self, Read};
use kedrctl::diagnostic::{Code, Example, explain};

use crate::schema;

#[test]
fn every_wrong_example_gives_its_code() {
    for code in Code::ALL {
        let (_folder, read) = played(*code, false);
        let codes: Vec<Code> = read.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [*code], "{:#?}", read.problems);
    }
}

#[test]
fn every_right_example_is_valid() {
    for code in Code::ALL {
        let (_folder, read) = played(*code, true);
        assert!(read.problems.is_empty() && read.declared.is_some(), "{code}: {:#?}", read.problems);
    }
}

#[test]
fn the_schema_judges_the_examples_as_the_decoder_does() {
    for code in Code::ALL {
        for is_right in [false, true] {
            let (_folder, read) = played(*code, is_right);
            let wrong = schema::disagreements(&read);
            assert!(wrong.is_empty(), "{code}: {wrong:#?}");
        }
    }
}

fn played(code: Code, is_right: bool) -> (tempfile::TempDir, Read) {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![folder.path().to_owned()];
    for example in explain(code).examples.iter().filter(|example| example.is_right == is_right) {
        match example.language {
            "sh" => paths = run(example.text, folder.path()),
            _ => write(example, folder.path()),
        }
    }
    let read = declare::read(&paths);
    (folder, read)
}

fn write(example: &Example, folder: &Path) {
    let path = folder.join(example.file.unwrap_or("state.yaml"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes: Vec<u8> = match example.is_latin1 {
        true => example.text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        false => example.text.into(),
    };
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    fs::write(path, bytes).unwrap();
}

/// The few commands that examples have; the paths that `kedrctl validate` is given.
fn run(script: &str, folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for line in script.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["truncate", "-s", size, file] => {
                let mib: u64 = size.strip_suffix('M').unwrap().parse().unwrap();
                fs::File::create(folder.join(file)).unwrap().set_len(mib * 1024 * 1024).unwrap();
            }
            ["mkdir", name] => fs::create_dir(folder.join(name)).unwrap(),
            ["kedrctl", "validate", files @ ..] => {
                paths = files.iter().filter(|word| **word != "-f").map(|file| folder.join(file)).collect();
            }
            _ => panic!("no example may run `{line}`"),
        }
    }
    paths
}
