use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::wire::without_bom;
use crate::model::Untrusted;

/// One answer, with as much of its body as was wanted.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) server: Arc<str>,
    pub(super) status: StatusCode,
    /// When it was asked for and when its head had come, by our clock; only where that was asked for.
    pub(super) between: Option<(Timestamp, Timestamp)>,
    pub(super) retry_after: Option<Duration>,
    /// Where a redirect, which is never followed, points to.
    pub(super) location: Option<Untrusted>,
    pub(super) body: Bytes,
    /// All of them.
    pub(super) headers: HeaderMap,
}

impl Answer {
    pub(super) fn new(server: Arc<str>, status: StatusCode, headers: HeaderMap) -> Self {
        Self {
            server,
            status,
            between: None,
            retry_after: headers
                .get(header::RETRY_AFTER)
                .and_then(|value| retry_after(value.as_bytes(), || date(&headers))),
            location: headers
                .get(header::LOCATION)
                .map(|value| Untrusted::new(beginning(value.as_bytes()).into_owned())),
            body: Bytes::new(),
            headers,
        }
    }

    /// The server's clock.
    pub(super) fn date(&self) -> Option<Timestamp> {
        date(&self.headers)
    }

    /// At most 200 characters of the body; `None` where it has no text.
    pub(super) fn beginning(&self) -> Option<Untrusted> {
        let text = beginning(&self.body);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            return None;
        }
        let mut shown: String = words.chars().take(200).collect();
        if shown.len() < words.len() || self.body.len() > READ_FOR_BEGINNING {
            shown.push('…');
        }
        Some(Untrusted::new(shown))
    }
}

/// Bytes that hold 200 characters of text, unless they are nearly all white space.
const READ_FOR_BEGINNING: usize = 4_096;

fn beginning(body: &[u8]) -> std::borrow::Cow<'_, str> {
    let body = without_bom(body);
    String::from_utf8_lossy(body.get(..READ_FOR_BEGINNING).unwrap_or(body))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.as_bytes())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; a date in another form counts as none.
#[expect(clippy::disallowed_methods, reason = "a header in another form counts as none")]
fn http_date(value: &[u8]) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(value).ok()
}

/// Seconds, or a date, which is compared with the server's own clock and never with ours.
fn retry_after(value: &[u8], date: impl Fn() -> Option<Timestamp>) -> Option<Duration> {
    match String::from_utf8_lossy(value).trim().parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_no_number) => {
            let wait = http_date(value)?.duration_since(date()?);
            Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let mut answer = Answer::new("https://kata".into(), StatusCode::OK, map);
        answer.body = Bytes::copy_from_slice(body);
        answer
    }

    #[test]
    fn the_servers_clock_is_read() {
        let date = answer(&[("date", "Tue, 24 Nov 2026 10:00:00 GMT")], b"").date();
        assert_eq!(date, Some("2026-11-24T10:00:00Z".parse().unwrap()));
        assert_eq!(answer(&[("date", "now")], b"").date(), None);
        assert_eq!(answer(&[], b"").date(), None);
    }

    #[test]
    fn how_long_to_wait_comes_in_seconds_or_as_a_date() {
        let date = ("date", "Tue, 24 Nov 2026 10:00:00 GMT");
        for (headers, seconds) in [
            (vec![("retry-after", "7")], Some(7)),
            (vec![date, ("retry-after", "Tue, 24 Nov 2026 10:00:30 GMT")], Some(30)),
            (vec![date, ("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT")], Some(0)),
            (vec![("retry-after", "Tue, 24 Nov 2026 10:00:30 GMT")], None),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(answer(&headers, b"").retry_after, seconds.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_body_is_shown() {
        let shown = |body: &[u8]| answer(&[], body).beginning().map(|text| text.printable().to_string());
        assert_eq!(shown(b" \n"), None);
        assert_eq!(shown(b"\xef\xbb\xbfa\n\x1b[2J b").as_deref(), Some("a \\u{1b}[2J b"));
        assert_eq!(shown(&[b'a'; 100_000]).unwrap().chars().count(), 201);
    }
}
