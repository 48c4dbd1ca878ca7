use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use crate::model::Untrusted;

/// Why a call did not give what it is for. Its `Display` is one line: server, call, what happened, what to do.
#[derive(Debug, Clone)]
pub struct CallError {
    failure: Arc<Failure>,
    /// Its whole text, where it is that of an error of long ago.
    told: Option<Arc<str>>,
}

/// What a failed call means for whoever made it. Which status stands for what is in response-api.md, "Errors".
#[derive(Debug, Clone)]
pub enum CallErrorKind {
    /// No connection: name not found, refused, timed out or no TLS before anything was sent.
    CannotConnect,
    /// We do not trust the server's certificate.
    UntrustedServer,
    /// The server refused our certificate in the handshake.
    ClientCertificateRefused,
    /// Not registered, not yet accepted, or withdrawn.
    NotAuthorised,
    /// Refused as incorrect; the beginning of the server's text.
    Incorrect(Untrusted),
    /// A prevention rule clashes with the rules of these hosts (as the server names them; none where we could not
    /// make them out of its text).
    Clash {
        /// Each once.
        hosts: Vec<Untrusted>,
        /// The beginning of the server's text; empty where it has none.
        text: Untrusted,
    },
    /// 413. Nothing was changed.
    TooLarge {
        /// Hashes of the rule that was sent.
        hashes: usize,
        /// Bytes of the body that was sent.
        bytes: usize,
    },
    /// A write to a host (or a rule, or a task) that the server does not know: 404 with the documented body.
    NoSuchHost,
    /// 409: the server has a task of this id. Nothing was started by this call.
    AlreadyThere,
    /// 429 or 503.
    Overloaded {
        /// How long it asks to wait, however long; `None`: it does not say, or not in a form that we understand.
        retry_after: Option<Duration>,
    },
    /// 500, 502, 504 and the like.
    ServerFailed,
    /// The request may have been carried out; its answer never came, or not whole.
    AnswerLost,
    /// Not an answer of a Central Node that we understand.
    NotUnderstood,
}

/// What is known of one failed call.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) call: Call,
    /// `https://kata.example.org`.
    pub(super) server: Arc<str>,
    pub(super) kind: CallErrorKind,
    /// What the kind alone does not say; may be empty. Safe to print.
    pub(super) detail: String,
    pub(super) status: Option<u16>,
    /// The beginning of the answer's body.
    pub(super) body: Option<Untrusted>,
    /// How many times was tried.
    pub(super) attempts: u32,
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self { failure: Arc::new(failure), told: None }
    }
}

impl CallError {
    /// What another implementation of [`ReadSettings`](super::ReadSettings) fails with; one try, no answer.
    pub fn new(call: Call, server: impl Into<Arc<str>>, kind: CallErrorKind) -> Self {
        let detail = String::new();
        Failure { call, server: server.into(), kind, detail, status: None, body: None, attempts: 1 }.into()
    }

    /// An error that somebody else had: its text as it was (safe to print), and a kind from which the same follows.
    pub fn told(call: Call, kind: CallErrorKind, text: &str) -> Self {
        Self { told: Some(text.into()), ..Self::new(call, "", kind) }
    }

    /// What it means.
    pub fn kind(&self) -> &CallErrorKind {
        &self.failure.kind
    }

    /// What was asked of the server.
    pub fn call(&self) -> Call {
        self.failure.call
    }

    /// The address that was asked, as `https://kata.example.org`.
    pub fn server(&self) -> &str {
        &self.failure.server
    }

    /// What happened and what to do, without server and call. Safe to print.
    pub fn reason(&self) -> String {
        self.failure.to_string()
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.failure.status
    }

    /// The beginning of the answer's body, at most 200 characters.
    pub fn body(&self) -> Option<&Untrusted> {
        self.failure.body.as_ref()
    }

    /// Whether the same call may succeed a little later: no connection, time-outs, 429, 5xx. The client has done so
    /// with reads; a write may be repeated only after a new look.
    pub fn is_worth_retrying(&self) -> bool {
        match self.failure.kind {
            CallErrorKind::CannotConnect
            | CallErrorKind::Overloaded { .. }
            | CallErrorKind::ServerFailed
            | CallErrorKind::AnswerLost => true,
            CallErrorKind::UntrustedServer
            | CallErrorKind::ClientCertificateRefused
            | CallErrorKind::NotAuthorised
            | CallErrorKind::Incorrect(_)
            | CallErrorKind::Clash { .. }
            | CallErrorKind::TooLarge { .. }
            | CallErrorKind::NoSuchHost
            | CallErrorKind::AlreadyThere
            | CallErrorKind::NotUnderstood => false,
        }
    }

    /// Whether the request left: what failed before that is no word of the server.
    pub fn was_sent(&self) -> bool {
        match self.failure.kind {
            CallErrorKind::CannotConnect
            | CallErrorKind::UntrustedServer
            | CallErrorKind::ClientCertificateRefused => false,
            // Without an answer it was this client that waits.
            CallErrorKind::Overloaded { .. } => self.failure.status.is_some(),
            CallErrorKind::NotAuthorised
            | CallErrorKind::Incorrect(_)
            | CallErrorKind::Clash { .. }
            | CallErrorKind::TooLarge { .. }
            | CallErrorKind::NoSuchHost
            | CallErrorKind::AlreadyThere
            | CallErrorKind::ServerFailed
            | CallErrorKind::AnswerLost
            | CallErrorKind::NotUnderstood => true,
        }
    }

    /// Whether this was a write that the server may have carried out all the same: only reading settles it.
    pub fn may_have_had_effect(&self) -> bool {
        let server_error = self.failure.status.is_some_and(|status| status >= 500);
        self.failure.call.is_write()
            && match self.failure.kind {
                CallErrorKind::AnswerLost | CallErrorKind::ServerFailed | CallErrorKind::NotUnderstood => {
                    true
                }
                // 429 refuses before anything is done; 503 may come from a server in front that gave up waiting.
                // A clash is a refusal, but under a 5xx its text is all that says so.
                CallErrorKind::Overloaded { .. } | CallErrorKind::Clash { .. } => server_error,
                CallErrorKind::CannotConnect
                | CallErrorKind::UntrustedServer
                | CallErrorKind::ClientCertificateRefused
                | CallErrorKind::NotAuthorised
                | CallErrorKind::Incorrect(_)
                | CallErrorKind::TooLarge { .. }
                | CallErrorKind::NoSuchHost
                | CallErrorKind::AlreadyThere => false,
            }
    }

    /// Whether no other call to this server can do better, until somebody changes something.
    pub fn stops_server(&self) -> bool {
        match self.failure.kind {
            CallErrorKind::UntrustedServer
            | CallErrorKind::ClientCertificateRefused
            | CallErrorKind::NotAuthorised => true,
            CallErrorKind::CannotConnect
            | CallErrorKind::Incorrect(_)
            | CallErrorKind::Clash { .. }
            | CallErrorKind::TooLarge { .. }
            | CallErrorKind::NoSuchHost
            | CallErrorKind::AlreadyThere
            | CallErrorKind::Overloaded { .. }
            | CallErrorKind::ServerFailed
            | CallErrorKind::AnswerLost
            | CallErrorKind::NotUnderstood => false,
        }
    }

    /// How long the server asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.failure.kind {
            CallErrorKind::Overloaded { retry_after } => retry_after,
            CallErrorKind::CannotConnect
            | CallErrorKind::UntrustedServer
            | CallErrorKind::ClientCertificateRefused
            | CallErrorKind::NotAuthorised
            | CallErrorKind::Incorrect(_)
            | CallErrorKind::Clash { .. }
            | CallErrorKind::TooLarge { .. }
            | CallErrorKind::NoSuchHost
            | CallErrorKind::AlreadyThere
            | CallErrorKind::ServerFailed
            | CallErrorKind::AnswerLost
            | CallErrorKind::NotUnderstood => None,
        }
    }

    pub(super) fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The same failure with a change.
    pub(super) fn with(&self, change: impl FnOnce(&mut Failure)) -> Self {
        let mut failure = Failure::clone(&self.failure);
        change(&mut failure);
        failure.into()
    }
}

impl std::error::Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.told {
            return f.write_str(text);
        }
        write!(f, "{}: {}: {}", self.failure.server, self.failure.call, self.failure)?;
        if self.failure.attempts > 1 { write!(f, " (tried {} times)", self.failure.attempts) } else { Ok(()) }
    }
}

impl fmt::Display for Failure {
    /// What happened and what to do, without server and call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = Answered(self);
        match &self.kind {
            CallErrorKind::CannotConnect => f.write_str("cannot connect")?,
            CallErrorKind::UntrustedServer => f.write_str("the server's certificate is not trusted")?,
            CallErrorKind::ClientCertificateRefused => {
                f.write_str("the server refused the client certificate in the TLS handshake")?;
            }
            CallErrorKind::NotAuthorised => write!(f, "this client is not authorised{answer}")?,
            CallErrorKind::Incorrect(_) => write!(f, "the server refused this as incorrect{answer}")?,
            CallErrorKind::Clash { hosts, .. } => {
                write!(f, "the rule clashes with ")?;
                write_hosts(f, hosts)?;
                write!(
                    f,
                    "{answer}: a file may not be in the rule for all hosts and in a host's rule at once; take it out \
                     of one of them first"
                )?;
            }
            CallErrorKind::TooLarge { hashes, bytes } => {
                write!(
                    f,
                    "the request is too large for the server ({hashes} hashes, {bytes} bytes){answer}: nothing was \
                     changed; block fewer hashes, or raise the limit of the web server in front (nginx: \
                     `client_max_body_size`)"
                )?;
            }
            CallErrorKind::NoSuchHost => {
                write!(f, "the server knows no such host, or no such rule of it{answer}")?;
            }
            CallErrorKind::AlreadyThere => write!(f, "the server has a task of this id already{answer}")?,
            CallErrorKind::Overloaded { retry_after: Some(wait) } => {
                write!(f, "the server is overloaded and asks to wait {} s{answer}", wait.as_secs())?;
            }
            CallErrorKind::Overloaded { retry_after: None } => {
                write!(f, "the server is overloaded{answer}")?;
            }
            CallErrorKind::ServerFailed => write!(f, "the server failed{answer}")?,
            CallErrorKind::AnswerLost => f.write_str("the answer is lost")?,
            CallErrorKind::NotUnderstood => write!(f, "the answer is not understood{answer}")?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

fn write_hosts(f: &mut fmt::Formatter<'_>, hosts: &[Untrusted]) -> fmt::Result {
    const SHOWN: usize = 10;
    if hosts.is_empty() {
        return f.write_str("another one");
    }
    f.write_str("that of ")?;
    for (i, host) in hosts.iter().take(SHOWN).enumerate() {
        write!(f, "{}{}", if i == 0 { "" } else { ", " }, host.printable())?;
    }
    match hosts.len().checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

/// ` (status 401, "the server's text")`.
struct Answered<'a>(&'a Failure);

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.status, &self.0.body) {
            (None, _) => Ok(()),
            (Some(status), None) => write!(f, " (status {status}, no text)"),
            (Some(status), Some(body)) => write!(f, " (status {status}, \"{}\")", body.printable()),
        }
    }
}
