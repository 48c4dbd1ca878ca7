//! From an answer that is no success to what it means (response-api.md, "Errors").

use http::StatusCode;

use super::answer::Answer;
use super::call::Call;
use super::clash::{listed_hosts, speaks_of_clash};
use super::error::{CallError, CallErrorKind, Failure};
use super::wire::is_documented_not_found;
use crate::model::Untrusted;

/// What a request carried, for the message that it was too much.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) hashes: usize,
    pub(super) bytes: usize,
}

/// Whether this status may mean that the client is not authorised. The help swaps 400 and 401, so only
/// `GET /sensors` without parameters tells.
pub(super) fn may_be_unauthorised(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

/// A read of settings that says: there is no such rule.
pub(super) fn says_no_rule(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && is_documented_not_found(&answer.body)
}

pub(super) fn refusal(call: Call, answer: &Answer, load: Load) -> CallError {
    let (kind, detail) = meaning(call, answer, load);
    of_answer(call, answer, kind, detail)
}

pub(super) fn of_answer(call: Call, answer: &Answer, kind: CallErrorKind, detail: String) -> CallError {
    Failure {
        call,
        server: answer.server.clone(),
        kind,
        detail,
        status: Some(answer.status.as_u16()),
        body: answer.beginning(),
        attempts: 1,
    }
    .into()
}

/// A 200 whose text is none that the call gives.
pub(super) fn not_understood(call: Call, answer: &Answer, why: &str) -> CallError {
    let is_page = answer.body.trim_ascii_start().starts_with(b"<");
    let detail = if is_page {
        "this is a page, not the answer of a Central Node, but of a proxy or another program; check `url`"
            .to_owned()
    } else {
        why.to_owned()
    };
    of_answer(call, answer, CallErrorKind::NotUnderstood, detail)
}

fn meaning(call: Call, answer: &Answer, load: Load) -> (CallErrorKind, String) {
    let only = |kind| (kind, String::new());
    let status = answer.status.as_u16();
    let text = || answer.beginning().unwrap_or_else(|| Untrusted::new(""));
    match status {
        404 if call.is_write() && is_documented_not_found(&answer.body) => only(CallErrorKind::NoSuchHost),
        404 => (
            CallErrorKind::NotUnderstood,
            "this 404 is not the one of a Central Node, rather a proxy's or another program's page; check `url` and \
             `external_system_id`"
                .to_owned(),
        ),
        // Of anything else, no number of hashes would be the reason.
        413 if matches!(call, Call::SetPrevention(_)) => {
            only(CallErrorKind::TooLarge { hashes: load.hashes, bytes: load.bytes })
        }
        409 if matches!(call, Call::CreateTask(..)) => only(CallErrorKind::AlreadyThere),
        429 => only(CallErrorKind::Overloaded { retry_after: answer.retry_after }),
        400 | 401 | 403 if call == Call::Hosts => only(CallErrorKind::NotAuthorised),
        400.. => {
            if let Some(clash) = clash(call, answer) {
                return only(clash);
            }
            match status {
                407 => (
                    CallErrorKind::NotUnderstood,
                    "a proxy stands in between and asks for a password".to_owned(),
                ),
                503 => only(CallErrorKind::Overloaded { retry_after: answer.retry_after }),
                408 | 500.. => only(CallErrorKind::ServerFailed),
                _ => only(CallErrorKind::Incorrect(text())),
            }
        }
        300..=399 => {
            let to = answer
                .location
                .as_ref()
                .map_or_else(String::new, |location| format!(" to {}", location.printable()));
            (
                CallErrorKind::NotUnderstood,
                format!("it redirects{to}, which is never followed; write the Central Node's own address as `url`"),
            )
        }
        _ => (CallErrorKind::NotUnderstood, "200 was expected".to_owned()),
    }
}

fn clash(call: Call, answer: &Answer) -> Option<CallErrorKind> {
    match call {
        Call::SetPrevention(_) => {}
        Call::Hosts
        | Call::Isolation(_)
        | Call::Prevention(_)
        | Call::SetIsolation(_)
        | Call::DeleteIsolation(_)
        | Call::DeletePrevention(_)
        | Call::Task(_)
        | Call::CreateTask(..)
        | Call::DeleteTask(_) => return None,
    }
    let hosts = listed_hosts(&answer.body);
    let status = answer.status;
    // What a web server in front says of itself (502, 503, 504) is about no rule, whatever its words.
    let by_words =
        status == StatusCode::CONFLICT || (status.as_u16() <= 500 && speaks_of_clash(&answer.body));
    if hosts.is_empty() && !by_words {
        return None;
    }
    Some(CallErrorKind::Clash { hosts, text: answer.beginning().unwrap_or_else(|| Untrusted::new("")) })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::model::{SensorId, Target};

    fn sensor() -> SensorId {
        "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap()
    }

    fn refused(call: Call, status: u16, body: &str) -> CallError {
        let status = StatusCode::from_u16(status).unwrap();
        let mut answer = Answer::new("https://kata".into(), status, HeaderMap::new());
        answer.body = bytes::Bytes::copy_from_slice(body.as_bytes());
        refusal(call, &answer, Load { hashes: 12_000, bytes: 1_000_000 })
    }

    /// Kind, whether it may be tried again, whether it may have had effect.
    fn shown(error: &CallError) -> String {
        let kind = format!("{:?}", error.kind());
        let kind = kind.split(['(', ' ']).next().unwrap();
        let flag = |holds, word| if holds { word } else { "" };
        format!(
            "{kind}{}{}",
            flag(error.is_worth_retrying(), " retry"),
            flag(error.may_have_had_effect(), " effect")
        )
    }

    #[test]
    fn every_status_has_its_meaning() {
        let set = Call::SetPrevention(Target::AllHosts);
        let isolate = Call::SetIsolation(sensor());
        let read = Call::Isolation(sensor());
        let not_found = r#"{"error": "Not Found"}"#;
        let task = crate::model::TaskId::from_uuid(sensor().uuid());
        let create = Call::CreateTask(task, sensor());
        for (call, status, body, expected) in [
            (Call::Hosts, 400, "", "NotAuthorised"),
            (Call::Hosts, 401, "", "NotAuthorised"),
            (Call::Hosts, 403, "", "NotAuthorised"),
            (Call::Hosts, 404, not_found, "NotUnderstood"),
            (read, 204, "", "NotUnderstood"),
            (read, 302, "", "NotUnderstood"),
            (read, 400, "x", "Incorrect"),
            (read, 404, "<html>", "NotUnderstood"),
            (read, 407, "", "NotUnderstood"),
            (read, 429, "", "Overloaded retry"),
            (read, 500, "", "ServerFailed retry"),
            (read, 500, "already", "ServerFailed retry"),
            (read, 503, "", "Overloaded retry"),
            (isolate, 302, "", "NotUnderstood effect"),
            (isolate, 400, "already", "Incorrect"),
            (isolate, 404, not_found, "NoSuchHost"),
            (isolate, 404, "<html>", "NotUnderstood effect"),
            (isolate, 405, "", "Incorrect"),
            (isolate, 409, "", "Incorrect"),
            (isolate, 413, "", "Incorrect"),
            (read, 413, "", "Incorrect"),
            (isolate, 429, "", "Overloaded retry"),
            (isolate, 500, "", "ServerFailed retry effect"),
            (isolate, 502, "", "ServerFailed retry effect"),
            (isolate, 503, "", "Overloaded retry effect"),
            (isolate, 504, "", "ServerFailed retry effect"),
            (set, 400, "bad hash", "Incorrect"),
            (set, 400, "already there", "Clash"),
            (set, 409, "", "Clash"),
            (set, 422, r#"{"hosts": ["a"]}"#, "Clash"),
            (set, 413, "already", "TooLarge"),
            (set, 500, "x", "ServerFailed retry effect"),
            (set, 500, r#"{"hosts": ["a"]}"#, "Clash effect"),
            (set, 503, "already", "Overloaded retry effect"),
            (create, 409, r#"{"error": "Conflict"}"#, "AlreadyThere"),
            (create, 404, not_found, "NoSuchHost"),
            (create, 502, "", "ServerFailed retry effect"),
            (Call::DeleteTask(task), 409, "", "Incorrect"),
            (Call::DeleteTask(task), 404, not_found, "NoSuchHost"),
            (Call::Task(task), 404, "<html>", "NotUnderstood"),
        ] {
            assert_eq!(shown(&refused(call, status, body)), expected, "{call} {status} {body}");
        }
    }

    #[test]
    fn messages_say_what_to_do() {
        let set = Call::SetPrevention(Target::AllHosts);
        for (error, expected) in [
            (
                refused(set, 413, "<html>\n413"),
                "https://kata: setting the prevention rule for all hosts: the request is too large for the server \
                 (12000 hashes, 1000000 bytes) (status 413, \"<html> 413\"): nothing was changed; block fewer hashes, \
                 or raise the limit of the web server in front (nginx: `client_max_body_size`)",
            ),
            (
                refused(set, 500, r#"{"hosts": ["ws-1", "ws\u001b-2"]}"#),
                "https://kata: setting the prevention rule for all hosts: the rule clashes with that of ws-1, \
                 ws\\u{1b}-2 (status 500, \"{\"hosts\": [\"ws-1\", \"ws\\u001b-2\"]}\"): a file may not be in the \
                 rule for all hosts and in a host's rule at once; take it out of one of them first",
            ),
            (
                refused(Call::Isolation(sensor()), 502, ""),
                "https://kata: reading the isolation of sensor 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11: the server \
                 failed (status 502, no text)",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
