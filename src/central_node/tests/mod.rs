//! The client against real HTTPS on loopback.

mod authorisation;
mod calls;
mod certificates;
mod faults;
mod hostile;
mod server;
mod trust;

use std::time::Duration;

use self::certificates::Certified;
use self::server::TestServer;
use super::{Endpoint, HttpsCentralNode, Limits, Pem, Retry, SecretPem, Trust};
use crate::model::SensorId;

const SYSTEM_ID: &str = "0123456789ab";

fn sensor() -> SensorId {
    "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap()
}

/// Time enough for a busy machine, and hardly any between attempts.
fn quick() -> Limits {
    Limits {
        retry: Retry {
            attempts: 3,
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(2),
            longest_retry_after: Duration::from_millis(3),
            total: Duration::from_secs(60),
        },
        ..Limits::default()
    }
}

fn endpoint(urls: &[(&str, u16)], client: &Certified, trust: Trust) -> Endpoint {
    Endpoint {
        urls: urls.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect(),
        external_system_id: SYSTEM_ID.to_owned(),
        certificate: Pem { source: "hq.crt".to_owned(), text: client.certificate_pem().into_bytes() },
        key: SecretPem::new("hq.key", client.key_pem().into_bytes()),
        trust,
        concurrency: 4,
    }
}

/// A client that pins the server's certificate and calls it by its IP address.
fn client_of(server: &TestServer, limits: Limits) -> HttpsCentralNode {
    let endpoint = endpoint(
        &[("127.0.0.1", server.port())],
        &Certified::self_signed("client"),
        Trust::Pinned(server.fingerprint().0),
    );
    HttpsCentralNode::new(&endpoint, limits).unwrap()
}
