//! From an exchange that broke to what it means: which side refused, and whether anything was sent.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use super::error::CallErrorKind;
use super::limits::Limits;
use super::verifier::Distrust;
use crate::model::Untrusted;

/// Kind and detail of an exchange that ended without an answer.
pub(super) fn of_transport(
    error: &reqwest::Error,
    limits: &Limits,
    whole: std::time::Duration,
) -> (CallErrorKind, String) {
    if let Some(tls) = find::<rustls::Error>(error)
        && let Some(meaning) = of_tls(tls)
    {
        return meaning;
    }
    // rustls says this with an address of its manual, which helps nobody here.
    let closed = find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
    let cause =
        if closed { "the server closed the connection".to_owned() } else { innermost(error).to_string() };
    let cause = Untrusted::new(cause);
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => {
            (CallErrorKind::CannotConnect, format!("no connection within {}", seconds(limits.connect)))
        }
        (true, false) => (CallErrorKind::CannotConnect, cause.printable().to_string()),
        (false, true) => (CallErrorKind::AnswerLost, format!("no whole answer within {}", seconds(whole))),
        // In TLS 1.3 a refused client certificate shows on the first read only, and a server may close without
        // saying so.
        (false, false) => (
            CallErrorKind::AnswerLost,
            format!(
                "the exchange broke off ({}); if this happens with every call, the server may not accept the client \
                 certificate",
                cause.printable()
            ),
        ),
    }
}

/// `None`: TLS itself broke, in the middle of an exchange or before it.
fn of_tls(error: &rustls::Error) -> Option<(CallErrorKind, String)> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls's enums, open by their own declaration")]
    match error {
        rustls::Error::InvalidCertificate(certificate) => {
            let why = match certificate {
                rustls::CertificateError::Other(other) if other.0.is::<Distrust>() => other.0.to_string(),
                other => other.to_string(),
            };
            Some((CallErrorKind::UntrustedServer, why))
        }
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired => Some((
                CallErrorKind::ClientCertificateRefused,
                format!(
                    "its alert is {alert:?}; check that `client_certificate` is the one that was registered, and that it \
                     has not expired"
                ),
            )),
            _ => None,
        },
        _ => None,
    }
}

/// The first error of the type in the chain. An [`io::Error`] hides what it carries from the chain.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        next = below(current);
    }
    None
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut current = error;
    while let Some(next) = below(current) {
        current = next;
    }
    current
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried as &(dyn Error + 'static)),
        None => error.source(),
    }
}

fn seconds(duration: std::time::Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
