//! From an HTTP request to its answer: faults, registration, the call, the log.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;

use super::Shared;
use super::cut_body::CutBody;
use super::wire::Breaker;
use crate::faults::{Drop, Fault, Spoiled};
use crate::node::{Node, Outcome};
use crate::wire::{Answer, Call, Method, not_authorized, refused};
use crate::world::{ClientIdentity, LoggedRequest, Refusal};

/// No body is read beyond this, whatever the limit is said to be: bytes.
const READ_AT_MOST: usize = 256 << 20;

/// Whose connection it is, and what it leads to.
#[derive(Clone)]
pub(super) struct Connection {
    /// SHA-256 of the client's certificate.
    pub(super) fingerprint: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) breaker: Breaker,
}

/// The connection breaks off instead of an answer: a mark on the answer first, the server's error then.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection breaks off, as the fault says")]
pub(super) struct Dropped;

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Dropped {
        match never {}
    }
}

/// What was asked, as far as the line and the headers tell.
struct Asked {
    method: Option<Method>,
    external_system_id: Option<String>,
    call: Option<Result<Call, Refusal>>,
    /// For the log.
    method_text: String,
    path_text: String,
}

pub(super) async fn answer(State(connection): State<Connection>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let shared = &connection.shared;
    let (asked, fault) = {
        let mut node = shared.node();
        let asked = Asked::read(&parts, &node);
        let call = if let Some(Ok(call)) = &asked.call { Some(call) } else { None };
        let fault = node.faults.befall(asked.method, call);
        (asked, fault)
    };
    wait(fault.delay).await;
    let Ok(body) = axum::body::to_bytes(body, READ_AT_MOST).await else { return dropped() };

    let (outcome, now) = {
        let mut node = shared.node();
        let outcome = carry_out(&mut node, &asked, &fault, &connection.fingerprint, &body);
        let is_answered = fault.drop.is_none() && fault.connections.is_none();
        let status = is_answered.then_some(outcome.answer.status);
        let now = node.world.now();
        node.world.log.push(LoggedRequest {
            time: now,
            method: asked.method_text,
            path: asked.path_text,
            body: String::from_utf8_lossy(&body).into_owned(),
            status,
            effect: outcome.effect,
        });
        (outcome, now)
    };
    if outcome.effect {
        shared.changed();
    }
    if let Some(connections) = fault.connections {
        shared.port.give(connections);
        // This connection ends with all others.
        return std::future::pending().await;
    }
    wait(fault.delay_answer).await;
    match fault.drop {
        None => written(outcome.answer, &fault, now),
        Some(drop) if drop.is_reset() => {
            connection.breaker.reset();
            std::future::pending().await
        }
        Some(_) => dropped(),
    }
}

impl Asked {
    fn read(parts: &Parts, node: &Node) -> Asked {
        let method = match parts.method {
            axum::http::Method::GET => Some(Method::Get),
            axum::http::Method::POST => Some(Method::Post),
            axum::http::Method::DELETE => Some(Method::Delete),
            _ => None,
        };
        let path = parts.uri.path();
        let (id, rest) = match path.strip_prefix("/kata/response_api/v1/") {
            Some(behind) => match behind.find('/') {
                Some(slash) => (Some(&behind[..slash]), &behind[slash..]),
                None => (Some(behind), "/"),
            },
            None => (None, path),
        };
        let query = || match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(query),
            Err(error) => Err(Refusal::Incorrect(format!("the query: {error}"))),
        };
        let call = method.filter(|_| id.is_some()).and_then(|method| match query() {
            Ok(query) => Call::read(method, rest, query, &node.dialect),
            Err(refusal) => Some(Err(refusal)),
        });
        let query_text = parts.uri.query().map(|query| format!("?{query}"));
        Asked {
            method,
            external_system_id: id.map(String::from),
            call,
            method_text: parts.method.to_string(),
            path_text: format!("{rest}{}", query_text.as_deref().unwrap_or("")),
        }
    }
}

/// What stands in front first: a broken connection, the limit of the web server, a status that a fault wants;
/// then registration, and then the call.
fn carry_out(node: &mut Node, asked: &Asked, fault: &Fault, fingerprint: &str, body: &[u8]) -> Outcome {
    let without_effect = |answer| Outcome { answer, effect: false };
    if fault.connections.is_some() || fault.drop.is_some_and(Drop::is_before_effect) {
        return without_effect(Answer::text(500, "text/plain", ""));
    }
    if body.len() > fault.body_limit.unwrap_or(node.body_limit) {
        return without_effect(Answer::html(413, "Request Entity Too Large"));
    }
    if !fault.after_effect
        && let Some(status) = fault.status
    {
        return without_effect(wanted(status, fault, node));
    }
    let Some(id) = &asked.external_system_id else {
        return without_effect(Answer::html(404, "Not Found"));
    };
    let identity = ClientIdentity { fingerprint: fingerprint.into(), external_system_id: id.clone() };
    let now = node.world.now();
    if !node.world.registration.admit(&identity, now) {
        return without_effect(not_authorized(&node.dialect));
    }
    let mut outcome = match (&asked.call, asked.method) {
        (Some(Ok(_)), Some(Method::Post | Method::Delete)) if fault.ignore_write => {
            without_effect(Answer::done(&node.dialect))
        }
        (Some(Ok(call)), _) => node.carry_out(call, body),
        (Some(Err(refusal)), _) => without_effect(refused(refusal, &node.dialect)),
        (None, Some(_)) => without_effect(Answer::html(404, "Not Found")),
        (None, None) => without_effect(Answer::html(405, "Not Allowed")),
    };
    if let Some(status) = fault.status {
        outcome.answer = wanted(status, fault, node);
    }
    outcome
}

/// The status that a fault wants.
fn wanted(status: u16, fault: &Fault, node: &Node) -> Answer {
    match &fault.body {
        Some(body) => {
            let kind = if body.trim_start().starts_with('<') { "text/html" } else { "application/json" };
            Answer::text(status, kind, body)
        }
        None => {
            Answer::json(status, &serde_json::json!({"error": "the fault that was asked for"}), &node.dialect)
        }
    }
}

fn written(mut answer: Answer, fault: &Fault, now: Timestamp) -> Response {
    let mut cut = None;
    match fault.answer {
        None => {}
        Some(Spoiled::Truncated) => cut = Some(CutBody::half_of(&answer.body)),
        Some(Spoiled::Stalled) => cut = Some(CutBody::stalling_in(&answer.body)),
        Some(Spoiled::BrokenJson) => answer.body.truncate(answer.body.len() / 2),
        Some(Spoiled::Html) => answer = Answer::html(200, "Welcome"),
        Some(Spoiled::Oversized(length)) => answer.body.resize(length.max(answer.body.len()), b' '),
        Some(Spoiled::Empty) => answer.body.clear(),
        Some(Spoiled::WrongTypes) => answer.body = of_wrong_types(&answer.body),
        Some(Spoiled::Utf16) => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            answer.body = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        }
    }
    let body = cut.map_or_else(|| Body::from(Bytes::from(answer.body)), Body::new);
    let mut response = Response::new(body);
    // A fault may ask for any number; what is no status at all is an internal error.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(Ok(kind)) = answer.content_type.map(|kind| HeaderValue::from_str(&kind)) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(seconds) = fault.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let skew = fault.clock_skew.unwrap_or(SignedDuration::ZERO);
    if !fault.no_date
        && let Ok(date) = now.checked_add(skew)
        && let Ok(date) = HeaderValue::from_str(&date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    {
        headers.insert(header::DATE, date);
    }
    response
}

/// Numbers in the place of all values.
fn of_wrong_types(body: &[u8]) -> Vec<u8> {
    let names: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(body).unwrap_or_else(|_no_object| BTreeMap::new());
    let wrong: BTreeMap<&String, i32> = names.keys().map(|name| (name, 7)).collect();
    serde_json::to_vec(&wrong).unwrap_or_else(|_never| Vec::new())
}

fn dropped() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Dropped);
    response
}

async fn wait(delay: Option<SignedDuration>) {
    // A negative delay is none.
    if let Some(Ok(delay)) = delay.map(std::time::Duration::try_from) {
        tokio::time::sleep(delay).await;
    }
}
