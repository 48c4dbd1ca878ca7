//! What went wrong with an object store, for the person who reads it. The crate's own errors carry URLs (with a
//! token, for some credentials) and whatever the store answered: neither goes out as it is.

use std::error::Error;

use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};

use super::BucketStore;
use crate::model::{ObjectService, Untrusted};
use crate::record::RecordError;

/// What a store answered that is no success.
struct Answer<'a> {
    status: u16,
    body: &'a str,
}

/// A condition was not met: somebody else's object is there.
pub(super) fn is_condition(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } | StoreError::NotModified { .. }
    )
}

/// There is no such object, in a bucket that exists.
pub(super) fn is_no_object(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. }) && !says_no_bucket(&whole(error))
}

/// An answer began and did not end.
pub(super) fn is_broken_off(error: &StoreError) -> bool {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        if let Some(http) = inner.downcast_ref::<HttpError>() {
            return matches!(
                http.kind(),
                HttpErrorKind::Decode
                    | HttpErrorKind::Interrupted
                    | HttpErrorKind::Request
                    | HttpErrorKind::Unknown
            );
        }
        cause = inner;
    }
    false
}

/// Trying again cannot help: the store has understood and does not let us.
pub(super) fn is_refusal(error: &RecordError) -> bool {
    matches!(error, RecordError::Refused { .. })
}

pub(super) fn too_slow() -> StoreError {
    StoreError::Generic { store: "object store", source: Box::new(TooSlow) }
}

#[derive(Debug, thiserror::Error)]
#[error("it did not answer in time")]
struct TooSlow;

pub(super) fn record_error(
    store: &BucketStore,
    attempted: &'static str,
    place: String,
    error: &StoreError,
) -> RecordError {
    let whole = whole(error);
    let answer = answer(&whole);
    // A list of nothing is an answer, and a put makes its object: only the bucket can be what is not there.
    if matches!(error, StoreError::NotFound { .. }) || says_no_bucket(&whole) {
        return RecordError::Refused {
            attempted,
            place,
            why: format!("there is no such {}", bucket_word(store.service)),
            remedy: format!(
                "make it, or correct `record:` and the endpoint ({}); it is never made by kedrctl",
                endpoint_variables(store.service)
            ),
        };
    }
    let refused =
        |why: String, remedy: String| RecordError::Refused { attempted, place: place.clone(), why, remedy };
    if whole.contains("169.254.") || whole.contains("metadata.google.internal") {
        let why = "there are no credentials for it: none in the environment, and none of this machine";
        return refused(why.to_owned(), format!("set {}", credentials(store.service)));
    }
    if whole.contains("URL scheme is not allowed") {
        let why = "its address begins with http://, which is not encrypted";
        let allow = match store.service {
            ObjectService::S3 => "AWS_ALLOW_HTTP",
            ObjectService::Azure => "AZURE_ALLOW_HTTP",
            ObjectService::Google => "GOOGLE_ALLOW_HTTP",
        };
        return refused(why.to_owned(), format!("use https://, or set {allow}=true where that is meant"));
    }
    match answer.as_ref().map(|answer| answer.status) {
        Some(403) if attempted == "written" || attempted == "locked" => refused(
            format!("these credentials may not write there ({})", said(answer)),
            format!("{} needs the rights to read, list and write objects", credentials(store.service)),
        ),
        Some(401 | 403) => refused(
            format!("these credentials are not accepted ({})", said(answer)),
            format!(
                "check {}; they need the rights to read, list and write objects, and a clock that is right",
                credentials(store.service)
            ),
        ),
        Some(413) => refused(
            format!("it takes no object of this size ({})", said(answer)),
            "raise the limit of the store or of the proxy before it".to_owned(),
        ),
        Some(400 | 405 | 411 | 501) => refused(
            format!("it does not understand the request ({})", said(answer)),
            format!("check {} and the region", endpoint_variables(store.service)),
        ),
        Some(507) => unreachable(attempted, place, "make room in the store, and run again", said(answer)),
        Some(429) => unreachable(attempted, place, "it is asked too much: run again later", said(answer)),
        Some(_) => unreachable(attempted, place, "run again later", said(answer)),
        None => unreachable(attempted, place, no_answer(store.service), network(error)),
    }
}

fn unreachable(attempted: &'static str, place: String, remedy: &'static str, cause: String) -> RecordError {
    RecordError::Unreachable { attempted, place, remedy, cause: cause.into() }
}

fn no_answer(service: ObjectService) -> &'static str {
    match service {
        ObjectService::S3 => "check AWS_ENDPOINT_URL, AWS_REGION, proxies and the network, and run again",
        ObjectService::Azure => {
            "check AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT, proxies and the network, and run again"
        }
        ObjectService::Google => "check proxies and the network, and run again",
    }
}

fn endpoint_variables(service: ObjectService) -> &'static str {
    match service {
        ObjectService::S3 => "AWS_ENDPOINT_URL, AWS_REGION",
        ObjectService::Azure => "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT",
        ObjectService::Google => "GOOGLE_SERVICE_ACCOUNT",
    }
}

pub(super) fn variables(service: ObjectService) -> &'static str {
    match service {
        ObjectService::S3 => "AWS_*",
        ObjectService::Azure => "AZURE_*",
        ObjectService::Google => "GOOGLE_*",
    }
}

fn credentials(service: ObjectService) -> &'static str {
    match service {
        ObjectService::S3 => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where they are temporary)"
        }
        ObjectService::Azure => {
            "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_KEY, AZURE_CLIENT_ID and its secret)"
        }
        ObjectService::Google => {
            "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS (the path of a key file)"
        }
    }
}

fn bucket_word(service: ObjectService) -> &'static str {
    match service {
        ObjectService::S3 | ObjectService::Google => "bucket",
        ObjectService::Azure => "container",
    }
}

fn says_no_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]
        .iter()
        .any(|said| text.contains(said))
}

/// The error and its causes, as the crate says them: to look into, not to show.
fn whole(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push('\n');
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The crate keeps status and body to itself, but for their text.
fn answer(whole: &str) -> Option<Answer<'_>> {
    let (_, said) = whole.split_once("non-2xx status code: ")?;
    let (status, rest) = said.split_at_checked(3)?;
    let status = match status.parse() {
        Ok(status) => status,
        Err(_no_number) => return None,
    };
    Some(Answer { status, body: rest.split_once(": ").map_or("", |(_, body)| body) })
}

/// `503 SlowDown`: the status, and what the store calls it.
fn said(answer: Option<Answer<'_>>) -> String {
    const SHOWN: usize = 120;
    let Some(Answer { status, body }) = answer else { return "no answer".to_owned() };
    let body = body.lines().next().unwrap_or("").trim();
    let code = within(body, "<Code>", "</Code>").unwrap_or(body);
    let code: String = code.chars().take(SHOWN).collect();
    if code.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status} {}", Untrusted::new(code).printable())
    }
}

fn within<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

/// Why there was no answer: the innermost cause, which knows no URL.
fn network(error: &StoreError) -> String {
    let mut http: Option<&HttpError> = None;
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
        http = http.or_else(|| cause.downcast_ref());
    }
    let why = Untrusted::new(innermost.to_string()).printable().to_string();
    match http.map(HttpError::kind) {
        Some(HttpErrorKind::Timeout) => "it did not answer in time".to_owned(),
        Some(HttpErrorKind::Connect) => format!("no connection: {why}"),
        Some(_) | None => why,
    }
}
