use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ColorChoice;

/// How much is said on stderr and in which form, besides colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voice {
    /// `--color`, which is decided for each stream.
    pub color: ColorChoice,
    /// How often `-v` was given.
    pub detail: Detail,
    /// `--log-format`
    pub log: LogFormat,
}

/// What is said of the work itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// What a person has to know.
    #[default]
    Results,
    /// Each call as well.
    Calls,
    /// Each call with the headers of its answer.
    Headers,
}

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

impl Detail {
    /// As many as `-v` was given.
    pub fn of_count(count: u8) -> Self {
        match count {
            0 => Self::Results,
            1 => Self::Calls,
            2.. => Self::Headers,
        }
    }
}

/// One line of a JSON log, without its line break.
pub(super) fn json_line(
    time: Timestamp,
    level: &str,
    message: &str,
    more: impl IntoIterator<Item = (String, Value)>,
) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), json!(format!("{time:.3}")));
    line.insert("level".to_owned(), json!(level));
    line.insert("message".to_owned(), json!(message));
    line.extend(more);
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object() {
        let time = "2026-11-25T13:00:00Z".parse().unwrap();
        let line = json_line(time, "warning", "two\nlines", [("status".to_owned(), json!(200))]);
        assert_eq!(
            line,
            r#"{"level":"warning","message":"two\nlines","status":200,"time":"2026-11-25T13:00:00.000Z"}"#
        );
    }
}
