//! The address of a Central Node.

use std::net::{IpAddr, Ipv6Addr};

use super::declared::ServerUrl;

/// What is wrong with an address and what to write instead.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

const EXAMPLE: &str = "write `https://`, the name or IP address of the server and, where it is not 443, its port: \
                       `https://kata.example.org`";

/// `https://kata.example.org`, `https://10.0.0.5:8443`, `https://[2001:db8::1]`. Scheme and path are fixed by the
/// API, so only host and port can be said.
pub(super) fn parse(text: &str) -> Result<ServerUrl, Wrong> {
    let wrong = |message: String, help: &str| Err(Wrong { message, help: help.to_owned() });
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            return wrong(
                format!("`{text}` is not encrypted"),
                &format!("the Response API is HTTPS only: write `https://{rest}`"),
            );
        }
        Some((scheme, _)) => return wrong(format!("`{scheme}://` is not HTTPS"), EXAMPLE),
        None => return wrong(format!("`{text}` is no URL"), EXAMPLE),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return wrong(
            format!("`{text}` has more than a host and a port"),
            "leave the path out: kedrctl adds `/kata/response_api/v1/…` and the external system's id itself",
        );
    }
    if rest.contains('@') {
        return wrong(
            "a URL of a server takes no user or password".to_owned(),
            "leave out what stands before `@`: the client certificate says who we are",
        );
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
            Some(_) | None => {
                return wrong(format!("`{text}` has no valid IPv6 address in its brackets"), EXAMPLE);
            }
        },
        None => {
            if rest.matches(':').count() > 1 {
                return wrong(
                    format!("`{text}` is ambiguous"),
                    "write an IPv6 address in brackets: `https://[2001:db8::1]`",
                );
            }
            let colon = rest.find(':').unwrap_or(rest.len());
            rest.split_at(colon)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 443,
        Some(digits)
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && !matches!(digits.parse::<u16>(), Err(_) | Ok(0)) =>
        {
            // Checked by the guard.
            digits.parse::<u16>().unwrap_or(443)
        }
        None | Some(_) => {
            return wrong(format!("`{text}` has no valid port"), "a port is a number from 1 to 65535");
        }
    };
    if !is_host(host) {
        let help = if host.is_ascii() { EXAMPLE } else { "write the name in its ASCII form (`xn--…`)" };
        return wrong(format!("`{host}` is no name of a host and no IP address"), help);
    }
    Ok(ServerUrl { host: host.to_ascii_lowercase(), port })
}

fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    // What looks like an IPv4 address and is none (`10.0.0.256`) is no name either.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or("");
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a text that should be an address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ServerUrlError {
    message: String,
    help: String,
}

impl std::str::FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        parse(text).map_err(|Wrong { message, help }| ServerUrlError { message, help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let shown = |text| parse(text).map(|url| (url.host, url.port)).map_err(|wrong| wrong.message);
        assert_eq!(shown("https://KATA.example.org"), Ok(("kata.example.org".to_owned(), 443)));
        assert_eq!(shown("https://kata.example.org/"), Ok(("kata.example.org".to_owned(), 443)));
        assert_eq!(shown("HTTPS://10.0.0.5:8443"), Ok(("10.0.0.5".to_owned(), 8443)));
        assert_eq!(shown("https://[2001:db8::1]:8443"), Ok(("2001:db8::1".to_owned(), 8443)));
        for bad in [
            "kata.example.org",
            "http://kata",
            "ftp://kata",
            "https://",
            "https://a b",
            "https://u:p@kata",
            "https://kata/kata/response_api/v1",
            "https://kata?x=1",
            "https://kata:0",
            "https://kata:99999",
            "https://kata:",
            "https://kata:+1",
            "https://10.0.0.256",
            "https://[::1",
            "https://::1",
            "https://[kata]",
            "https://-kata",
            "https://kata..org",
            "https://ката",
        ] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
