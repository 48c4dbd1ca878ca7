//! Every example that people copy is right: states in examples/, docs/ and the README.

use std::fs;
use std::path::{Path, PathBuf};

use kedrctl::diagnostic::Code;
use serde_json::Value;

use crate::schema::refusals;
use crate::{root, yaml};

#[test]
fn every_state_that_people_copy_fits_the_schema() {
    let mut found = Vec::new();
    for file in files(root(), &["yaml", "yml"], &["examples"]) {
        found.push((file.clone(), fs::read_to_string(&file).unwrap()));
    }
    for page in files(root(), &["md"], &["docs", "examples"]).into_iter().chain([root().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        found.extend(snippets(&text).into_iter().map(|snippet| (page.clone(), snippet)));
    }
    // What docs/diagnostics.md calls wrong is tried in explained.rs.
    found.retain(|(file, _)| !file.ends_with("docs/diagnostics.md"));
    let mut states = 0;
    for (file, text) in found {
        let Some(text) = as_state(&text) else { continue };
        states += 1;
        // A page may speak of what is to come.
        let read = crate::generated::read(&text);
        if read.problems.iter().any(|problem| problem.code == Code::NotSupported) {
            continue;
        }
        assert_eq!(refusals(&text), Some(Vec::new()), "{}:\n{text}", file.display());
    }
    assert!(states >= 5, "only {states} states were found");
}

/// The blocks of YAML in a page, and the states that its commands write (`<<END`).
fn snippets(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut end = None;
    for line in page.lines() {
        let bare = line.trim();
        match end {
            Some(mark) if bare == mark => end = None,
            Some(_) => {
                if let Some(snippet) = found.last_mut() {
                    snippet.push_str(line);
                    snippet.push('\n');
                }
            }
            None if bare.starts_with("```yaml") => {
                found.push(String::new());
                end = Some("```");
            }
            None if bare.ends_with("<<END") => {
                found.push(String::new());
                end = Some("END");
            }
            None => {}
        }
    }
    let filled = |text: String| {
        text.replace("$ID", "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11").replace("$PIN", &"9f86d081".repeat(8))
    };
    found.into_iter().map(filled).collect()
}

/// A state, or a piece of one with the version that it lacks; fleets and other files are none.
fn as_state(text: &str) -> Option<String> {
    let document = yaml::Document::parse(text)?;
    let Value::Object(map) = &document.value else { return None };
    let known = kedrctl::declare::schema()["properties"].as_object()?.clone();
    let is_fleet = map.get("hosts").is_some_and(Value::is_array) || map.contains_key("generate");
    if is_fleet || map.is_empty() || !map.keys().all(|key| known.contains_key(key)) {
        // A whole state is never left out by a key that is wrong.
        let is_state = !is_fleet && map.contains_key("version") && map.contains_key("servers");
        return is_state.then(|| text.to_owned());
    }
    Some(if map.contains_key("version") { text.to_owned() } else { indented_like(text) })
}

fn indented_like(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let indent = &first[..first.len() - first.trim_start().len()];
    format!("{indent}version: 1\n{text}")
}

fn files(root: &Path, endings: &[&str], folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = open.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true => open.push(path),
                false if endings.contains(&ending.as_str()) => found.push(path),
                false => {}
            }
        }
    }
    found
}
