//! Looking at JSON values whose exact form the help leaves open.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::NotUnderstood;
use crate::model::Untrusted;

pub(super) type Object = Map<String, Value>;

/// The field's value, where it [says something](says).
pub(super) fn given<'a>(object: &'a Object, field: &str) -> Option<&'a Value> {
    object.get(field).and_then(says)
}

/// `null` and empty text count as absent, as some servers print every field they know.
pub(super) fn says(value: &Value) -> Option<&Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.trim().is_empty()).then_some(value),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value),
    }
}

/// A whole number that is not negative, also when it is written as text or as `3600.0`.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole_float)),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<u64>() {
                Ok(number) => Some(number),
                Err(_not_an_integer) => parsed_float(text).and_then(whole_float),
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number, also when it is written as text.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => parsed_float(text.trim()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The help gives no type of any instant: RFC 3339, or seconds or milliseconds since 1970, as number or text. `None`:
/// something else, or zero, which is how programs write "never".
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    /// As seconds this would be the year 5138, as milliseconds it is 1973.
    const LEAST_MILLISECONDS: f64 = 1e11;
    if let Some(number) = number(value) {
        if number <= 0.0 {
            return None;
        }
        let milliseconds = if number < LEAST_MILLISECONDS { number * 1e3 } else { number };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float too large becomes the largest i64, no instant"
        )]
        let instant = Timestamp::from_millisecond(milliseconds.round() as i64);
        let Ok(instant) = instant else { return None };
        return Some(instant);
    }
    let instant = value.as_str().map(|text| text.trim().parse::<Timestamp>());
    match instant {
        Some(Ok(instant)) => Some(instant),
        Some(Err(_)) | None => None,
    }
}

/// Text, also when it is written as a number (a host may be called `417`).
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value as a message quotes it: its beginning, without what could drive a terminal.
pub(super) fn quoted(value: &Value) -> String {
    let beginning: String = value.to_string().chars().take(60).collect();
    format!("`{}`", Untrusted::new(beginning).printable())
}

/// # Errors
/// No JSON.
pub(super) fn parse(body: &[u8]) -> Result<Value, NotUnderstood> {
    serde_json::from_slice(without_bom(body)).map_err(|error| not_json(&error))
}

pub(super) fn not_json(error: &serde_json::Error) -> NotUnderstood {
    // serde_json quotes what it met, and what it met is the server's text.
    NotUnderstood(format!("no JSON of the expected form: {}", Untrusted::new(error.to_string()).printable()))
}

/// Some servers begin JSON with a byte order mark (response-api.md, section 2).
pub(in crate::central_node) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn parsed_float(text: &str) -> Option<f64> {
    // `inf` and `nan` parse, but are no numbers of JSON.
    text.parse::<f64>().map_or(None, |number| number.is_finite().then_some(number))
}

fn whole_float(number: f64) -> Option<u64> {
    /// Up to here a float is exact about whole numbers (2^53).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !(0.0..=EXACT).contains(&number) || number.fract() != 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and under 2^53"
    )]
    Some(number as u64)
}
