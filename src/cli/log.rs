//! `-v`: every call as a line on stderr, with nothing secret in it.

use serde_json::{Value, json};

use crate::central_node::{Exchange, Watch};
use crate::terminal::{Detail, Ui};

/// Says each call as it ends.
#[derive(Debug)]
pub(super) struct CallLog(Ui);

impl CallLog {
    /// `None` where nobody wants to see calls.
    pub(super) fn new(ui: &Ui) -> Option<Self> {
        (ui.detail() >= Detail::Calls).then(|| Self(ui.clone()))
    }
}

impl Watch for CallLog {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let with_headers = self.0.detail() >= Detail::Headers;
        self.0.detailed("debug", &text(exchange, with_headers), &fields(exchange, with_headers));
    }
}

/// `GET https://kata.example.org/kata/response_api/v1/5b0d2c1e…/sensors: 200, 51,012 bytes, 31 ms`.
fn text(exchange: &Exchange<'_>, with_headers: bool) -> String {
    let mut line = format!("{} {}{}: ", exchange.method(), exchange.server, exchange.path);
    match &exchange.outcome {
        Ok(answered) => {
            line.push_str(&format!("{}, {} bytes", answered.status, answered.body.len()));
        }
        Err(error) => line.push_str(&error.reason()),
    }
    line.push_str(&format!(", {} ms", exchange.took.as_millis()));
    if exchange.sent_bytes > 0 {
        line.push_str(&format!(", {} bytes sent", exchange.sent_bytes));
    }
    if exchange.attempt > 1 {
        line.push_str(&format!(", attempt {}", exchange.attempt));
    }
    if let (true, Ok(answered)) = (with_headers, &exchange.outcome) {
        for (name, value) in &answered.headers {
            line.push_str(&format!("\n    {name}: {}", value.printable()));
        }
    }
    line
}

fn fields(exchange: &Exchange<'_>, with_headers: bool) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("event", json!("call")),
        ("method", json!(exchange.method())),
        ("server", json!(exchange.server)),
        ("path", json!(exchange.path)),
        ("attempt", json!(exchange.attempt)),
        ("took_ms", json!(u64::try_from(exchange.took.as_millis()).unwrap_or(u64::MAX))),
        ("bytes_sent", json!(exchange.sent_bytes)),
    ];
    match &exchange.outcome {
        Ok(answered) => {
            fields.push(("status", json!(answered.status)));
            fields.push(("bytes_received", json!(answered.body.len())));
            if with_headers {
                let lines: Vec<String> = answered
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.printable()))
                    .collect();
                fields.push(("headers", json!(lines)));
            }
        }
        Err(error) => fields.push(("error", json!(error.reason()))),
    }
    fields
}
