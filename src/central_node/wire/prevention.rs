//! The prevention rule of a host or of all hosts (response-api.md, sections 2 and 4).

use std::collections::btree_map::Entry;

use serde_json::Value;

use super::NotUnderstood;
use super::json::{Object, given, quoted};
use super::settings::read_settings;
use crate::model::{FileHash, KeptObject, PreventionRule, Untrusted};

/// `None`: 200 with no objects means that there is no rule.
///
/// # Errors
/// No `objects`, or one without exactly one hash that we understand: setting the rule replaces everything, so an
/// object that we cannot send back would be lost.
pub fn read_prevention(body: &[u8]) -> Result<Option<PreventionRule>, NotUnderstood> {
    let settings = read_settings(body)?;
    let objects = match settings.get("objects") {
        Some(Value::Array(objects)) => objects,
        Some(other) => return Err(NotUnderstood(format!("`objects` is {}", quoted(other)))),
        None => return Err(NotUnderstood::new("it has no `objects`")),
    };
    let mut rule = PreventionRule::default();
    for object in objects {
        let (hash, kept) = read_object(object).map_err(|why| {
            NotUnderstood(format!("an object of the rule is not understood: {why}: {}", quoted(object)))
        })?;
        match rule.objects.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(kept);
            }
            // Twice the same file is one file.
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.has_other_fields |= kept.has_other_fields;
                if known.name.is_none() {
                    known.name = kept.name;
                }
            }
        }
    }
    Ok((!rule.objects.is_empty()).then_some(rule))
}

fn read_object(object: &Value) -> Result<(FileHash, KeptObject), String> {
    let outer = object.as_object().ok_or("no object")?;
    let file = outer.get("file").and_then(Value::as_object).ok_or("no `file`")?;
    let hash = match (given(file, "sha256"), given(file, "md5")) {
        (Some(sha256), None) => read_hash(sha256, "sha256")?,
        (None, Some(md5)) => read_hash(md5, "md5")?,
        // Two hashes may be one file or two; the API knows one a file.
        (Some(_), Some(_)) => return Err("it has both `sha256` and `md5`".to_owned()),
        (None, None) => return Err("it has neither `sha256` nor `md5`".to_owned()),
    };
    // A name that is no text is not sent back, so it counts with the other fields.
    let name = given(file, "name").and_then(Value::as_str).map(Untrusted::new);
    let has_other_fields = has_fields_beside(outer, &["file"])
        || has_fields_beside(file, &["sha256", "md5", "name"])
        || (name.is_none() && given(file, "name").is_some());
    Ok((hash, KeptObject { name, has_other_fields }))
}

fn read_hash(value: &Value, field: &str) -> Result<FileHash, String> {
    let text = value.as_str().ok_or_else(|| format!("`{field}` is no text"))?;
    let hash: FileHash = text.trim().parse().map_err(|error| format!("`{field}`: {error}"))?;
    if hash.algorithm() == field {
        Ok(hash)
    } else {
        Err(format!("`{field}` has the length of another hash"))
    }
}

/// Fields that say nothing are not lost by leaving them out.
fn has_fields_beside(object: &Object, known: &[&str]) -> bool {
    object.keys().any(|field| !known.contains(&field.as_str()) && given(object, field).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    /// `m` and `s` stand for the two hashes, in what is read and in what comes out.
    fn shown(body: &str) -> Result<String, String> {
        let body = body.replace("MM", MD5).replace("SS", SHA256).replace("UU", &SHA256.to_uppercase());
        let Some(rule) = read_prevention(body.as_bytes()).map_err(|error| error.to_string())? else {
            return Ok("none".to_owned());
        };
        let objects = rule.objects.iter().map(|(hash, kept)| {
            let name = kept.name.as_ref().map_or("-", Untrusted::raw);
            format!("{}:{name}{}", hash.algorithm(), if kept.has_other_fields { "+" } else { "" })
        });
        Ok(objects.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_documented_dialect_is_read() {
        for (body, expected) in [
            (r#"{"settings": {"objects": []}}"#, "none"),
            (r#"{"settings": {"objects": [{"file": {"sha256": "SS", "name": "a"}}]}}"#, "sha256:a"),
            (r#"{"settings": [{"objects": [{"file": {"md5": "MM"}}]}]}"#, "md5:-"),
            (r#"[{"settings": {"objects": [{"file": {"md5": "MM"}}]}}]"#, "md5:-"),
            (r#"[{"objects": [{"file": {"md5": "MM"}}]}]"#, "md5:-"),
            (
                r#"{"settings": {"objects": [{"file": {"sha256": "SS"}}, {"file": {"md5": "MM"}}]}}"#,
                "md5:- sha256:-",
            ),
            (
                r#"{"settings": {"objects": [{"file": {"sha256": "SS", "md5": null, "name": ""}}]}}"#,
                "sha256:-",
            ),
            (r#"{"settings": {"objects": [{"file": {"sha256": "SS", "md5": ""}}]}}"#, "sha256:-"),
            (r#"{"settings": {"objects": [{"file": {"md5": "MM", "path": "c"}}]}}"#, "md5:-+"),
            (r#"{"settings": {"objects": [{"file": {"md5": "MM"}, "id": 1}]}}"#, "md5:-+"),
            (r#"{"settings": {"objects": [{"file": {"md5": "MM"}, "id": null}]}}"#, "md5:-"),
            (r#"{"settings": {"objects": [{"file": {"md5": "MM", "name": {"a": 1}}}]}}"#, "md5:-+"),
            (
                r#"{"settings": {"objects": [{"file": {"sha256": "SS"}}, {"file": {"sha256": "UU", "name": "b"}}]}}"#,
                "sha256:b",
            ),
        ] {
            assert_eq!(shown(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn a_rule_that_could_not_be_sent_back_is_not_understood() {
        for body in [
            r#"{"settings": {}}"#,
            r#"{"settings": []}"#,
            r#"{"settings": {"objects": null}}"#,
            r#"{"settings": {"objects": {}}}"#,
            r#"{"settings": {"objects": [{}]}}"#,
            r#"{"settings": {"objects": [{"md5": "MM"}]}}"#,
            r#"{"settings": {"objects": [{"file": {"md5": "MM"}}, {"file": {}}]}}"#,
            r#"{"settings": {"objects": [{"file": {"md5": "MM", "sha256": "SS"}}]}}"#,
            r#"{"settings": {"objects": [{"file": {"md5": "SS"}}]}}"#,
            r#"{"settings": {"objects": [{"file": {"sha256": "MM"}}]}}"#,
            r#"{"settings": {"objects": [{"file": {"sha1": "a9993e364706816aba3e25717850c26c9cd0d89d"}}]}}"#,
            r#"{"settings": {"objects": [{"file": {"md5": 7}}]}}"#,
            r#"{"settings": [{"objects": []}, {"objects": []}]}"#,
        ] {
            assert!(shown(body).is_err(), "{body}");
        }
    }
}
