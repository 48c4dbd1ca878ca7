//! Every exchange, told to whoever wants to see it: `-v`, and `probe`, which measures how a server answers.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::call::Call;
use super::error::CallError;
use crate::model::Untrusted;

/// Is told of every exchange once it has ended; one that is dropped in the middle is not told.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Called after each exchange, also one that failed.
    fn exchanged(&self, exchange: &Exchange<'_>);
}

/// One request and what came of it. Nothing in it is secret, but bodies are the server's matter: who shows one
/// answers for it.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// `https://kata.example.org`.
    pub server: &'a str,
    /// What was asked of the server.
    pub call: Call,
    /// With only the beginning of the external system's id, which is half of what a client is known by.
    pub path: String,
    /// From 1: reads are repeated.
    pub attempt: u32,
    /// Those of the request's body; 0: it had none.
    pub sent_bytes: usize,
    /// From the moment when it was this request's turn to the last byte of the answer.
    pub took: Duration,
    /// An answer, also one that refuses; the error: none came, or not the whole of one that had to be whole.
    pub outcome: Result<Answered<'a>, &'a CallError>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answered<'a> {
    /// That of HTTP.
    pub status: u16,
    /// Those of one name side by side, in the order in which they came; for what could be secret stands `(not shown)`.
    pub headers: Vec<(String, Untrusted)>,
    /// As much of it as was read: only the beginning where nothing hung on the rest.
    pub body: &'a [u8],
}

impl Exchange<'_> {
    /// `GET`, `POST` or `DELETE`.
    pub fn method(&self) -> String {
        self.call.method().to_string()
    }
}

/// `5b0d2c1e…`: enough to recognise one's own, too little to use it.
pub(super) fn shortened(external_system_id: &str) -> String {
    let shown = (external_system_id.len() / 2).min(8);
    format!("{}…", external_system_id.get(..shown).unwrap_or_default())
}

/// Header lines for people. A server may repeat our id in a redirect, and put a session into a cookie.
pub(super) fn shown_headers(headers: &HeaderMap, external_system_id: &str) -> Vec<(String, Untrusted)> {
    const SECRET: [HeaderName; 4] =
        [header::SET_COOKIE, header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];
    headers
        .iter()
        .map(|(name, value)| {
            let text = if SECRET.contains(name) {
                "(not shown)".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes())
                    .replace(external_system_id, &shortened(external_system_id))
            };
            (name.to_string(), Untrusted::new(text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_recognised_and_not_given_away() {
        assert_eq!(shortened("5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11"), "5b0d2c1e…");
        assert_eq!(shortened("0123456789ab"), "012345…");
        assert_eq!(shortened("a"), "…");
    }

    #[test]
    fn headers_hide_cookies_and_the_id() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, "/v1/0123456789ab/x".parse().unwrap());
        headers.insert(header::SET_COOKIE, "session=secret".parse().unwrap());
        let shown: Vec<String> = shown_headers(&headers, "0123456789ab")
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", value.raw()))
            .collect();
        assert_eq!(shown, ["location: /v1/012345…/x", "set-cookie: (not shown)"]);
    }
}
