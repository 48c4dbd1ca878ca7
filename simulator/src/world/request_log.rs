//! What was asked, in the order of its effect.

use std::collections::VecDeque;

use jiff::Timestamp;

/// More than any test sends; a server that runs for weeks forgets the oldest.
const KEPT: usize = 200_000;

/// One request and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// By the world's clock.
    pub time: Timestamp,
    /// In upper case.
    pub method: String,
    /// Path and query, without `/kata/response_api/v1/<external_system_id>`; whole when it does not begin so.
    pub path: String,
    /// As text; empty when there was none.
    pub body: String,
    /// The status that was answered; `None` when the connection was dropped instead.
    pub status: Option<u16>,
    /// Whether it changed something.
    pub effect: bool,
}

/// The latest requests.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(VecDeque<LoggedRequest>);

impl RequestLog {
    /// Adds a request.
    pub fn push(&mut self, request: LoggedRequest) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(request);
    }

    /// The requests, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<LoggedRequest> {
        self.0.iter().cloned().collect()
    }

    /// The same where they are, for who looks again and again.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &LoggedRequest> {
        self.0.iter()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
