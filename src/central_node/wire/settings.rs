//! The envelope around settings: an object, an array of one, or an array of one under `settings`
//! (response-api.md, section 2).

use serde_json::Value;

use super::NotUnderstood;
use super::json::{Object, parse, quoted};

/// The one settings object of an answer.
///
/// # Errors
/// No JSON, no `settings`, or an array with no element or several: which of them holds is not ours to guess.
pub(super) fn read_settings(body: &[u8]) -> Result<Object, NotUnderstood> {
    match parse(body)? {
        Value::Object(mut answer) => match answer.remove("settings") {
            Some(settings) => settings_object(settings),
            None => Err(NotUnderstood::new("it has no `settings`")),
        },
        // "An array of such settings" may mean the objects with `settings` in them or the settings themselves.
        Value::Array(elements) => {
            let mut element = the_only_object(elements)?;
            match element.remove("settings") {
                Some(settings) => settings_object(settings),
                None => Ok(element),
            }
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(NotUnderstood(format!("an object with `settings` was expected, not {}", quoted(&other))))
        }
    }
}

/// Whether this is the body `{"error": "Not Found"}` by which a Central Node says that a host has no such rule.
/// Anything else under a 404 (a proxy's page, another program's answer) says nothing about rules.
pub fn is_documented_not_found(body: &[u8]) -> bool {
    let Ok(Value::Object(answer)) = parse(body) else { return false };
    // Frameworks of gateways answer with the same word among fields of their own; the Central Node says nothing else.
    answer.len() == 1
        && answer.iter().all(|(field, value)| {
            field.eq_ignore_ascii_case("error")
                && value.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("not found"))
        })
}

fn settings_object(settings: Value) -> Result<Object, NotUnderstood> {
    match settings {
        Value::Object(settings) => Ok(settings),
        Value::Array(elements) => the_only_object(elements),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(NotUnderstood(format!("`settings` is {}, not an object", quoted(&other))))
        }
    }
}

fn the_only_object(mut elements: Vec<Value>) -> Result<Object, NotUnderstood> {
    let count = elements.len();
    match (elements.pop(), count) {
        (Some(Value::Object(object)), 1) => Ok(object),
        (Some(other), 1) => Err(NotUnderstood(format!("the array of settings holds {}", quoted(&other)))),
        _ => Err(NotUnderstood(format!("the array of settings has {count} elements, not one"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_body_says_that_there_is_no_rule() {
        for body in
            [r#"{"error": "Not Found"}"#, "\u{feff}{\"error\":\"not found\"}", r#"{"Error": " NOT FOUND "}"#]
        {
            assert!(is_documented_not_found(body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "Not Found",
            "<html>404 Not Found</html>",
            r#"{"error": "no route"}"#,
            r#"{"message": "Not Found"}"#,
            r#"{"timestamp": 1, "status": 404, "error": "Not Found", "path": "/kata/response_api/v1/x/settings"}"#,
            r#"["error", "Not Found"]"#,
            r#"{"error": {"text": "Not Found"}}"#,
        ] {
            assert!(!is_documented_not_found(body.as_bytes()), "{body}");
        }
    }
}
