use std::time::Duration;

use crate::model::Untrusted;

/// Why a call did not give what it is for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("placeholder")]
pub struct CallError {
    pub kind: CallErrorKind,
}

#[derive(Debug, Clone)]
pub enum CallErrorKind {
    /// No connection: name not found, refused, timed out before anything was sent.
    CannotConnect,
    /// We do not trust the server's certificate.
    UntrustedServer,
    /// The server refused our certificate in the handshake.
    ClientCertificateRefused,
    /// Not registered, not yet accepted, or withdrawn.
    NotAuthorised,
    /// Refused as incorrect; the server's text.
    Incorrect(Untrusted),
    /// A prevention rule clashes with the rules of these hosts (as the server names them).
    Clash {
        hosts: Vec<Untrusted>,
        text: Untrusted,
    },
    TooLarge {
        hashes: usize,
        bytes: usize,
    },
    NoSuchHost,
    /// 429 or 503.
    Overloaded {
        retry_after: Option<Duration>,
    },
    /// 500, 502, 504.
    ServerFailed,
    /// The request may have been carried out; its answer never came, or not whole.
    AnswerLost,
    NotUnderstood,
}

impl CallError {
    /// Whether nothing more can be had from this server in this run.
    pub fn stops_server(&self) -> bool {
        matches!(
            self.kind,
            CallErrorKind::UntrustedServer
                | CallErrorKind::ClientCertificateRefused
                | CallErrorKind::NotAuthorised
        )
    }

    /// Whether a write that failed so may have been carried out.
    pub fn may_have_had_effect(&self) -> bool {
        matches!(self.kind, CallErrorKind::ServerFailed | CallErrorKind::AnswerLost)
    }
}

impl CallError {
    /// Whether it is worth another look and try: nothing was decided.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(
            self.kind,
            CallErrorKind::CannotConnect
                | CallErrorKind::Overloaded { .. }
                | CallErrorKind::ServerFailed
                | CallErrorKind::AnswerLost
        )
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            CallErrorKind::Overloaded { retry_after } => retry_after,
            _ => None,
        }
    }
}
