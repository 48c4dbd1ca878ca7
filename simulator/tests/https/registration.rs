use kedrctl_simulator::world::ClientIdentity;
use kedrctl_simulator::{Credentials, Simulator};
use reqwest::Method;

use crate::client::{Client, Lab};

/// A self-signed client certificate as `openssl req -x509` makes it: CA:TRUE.
fn openssl_client(id: &str) -> Credentials {
    let mut params = rcgen::CertificateParams::new([]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    Credentials {
        external_system_id: id.into(),
        certificate_pem: params.self_signed(&key).unwrap().pem(),
        key_pem: key.serialize_pem(),
    }
}

fn client(simulator: &Simulator, credentials: &Credentials) -> Client {
    Client::new(simulator, credentials, true)
}

#[tokio::test]
async fn an_unknown_client_waits_for_approval() {
    let lab = Lab::new("hosts: [{ name: WS-1 }]");
    let credentials = openssl_client("0123456789ab");
    let other = client(&lab.simulator, &credentials);
    let refused = other.send(Method::GET, "sensors", None).await.unwrap();
    assert_eq!((refused.status, refused.body.as_str()), (401, r#"{"error":"Authorization required"}"#));

    let pending = lab.simulator.pending();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].identity.external_system_id, "0123456789ab");
    lab.simulator.approve(&pending[0].identity);
    assert_eq!(other.send(Method::GET, "sensors", None).await.unwrap().status, 200);

    let renewed = client(&lab.simulator, &openssl_client("0123456789ab"));
    let refused = renewed.send(Method::GET, "sensors", None).await.unwrap();
    assert_eq!(refused.status, 401, "a new certificate means registering again");
    let stolen = Credentials { external_system_id: "other".into(), ..lab.simulator.credentials() };
    let stolen = client(&lab.simulator, &stolen);
    assert_eq!(stolen.send(Method::GET, "sensors", None).await.unwrap().status, 401);
}

#[tokio::test]
async fn the_built_in_client_may_have_to_wait_too() {
    let lab = Lab::new("registration: manual");
    assert_eq!(lab.get("sensors").await.status, 401);
    let pending = lab.simulator.world(|world| world.pending());
    lab.simulator.world(|world| world.approve(&pending[0].identity));
    assert_eq!(lab.get("sensors").await.status, 200);
    let revoked = lab.simulator.world(|world| world.revoke(&pending[0].identity));
    assert!(revoked);
    assert_eq!(lab.get("sensors").await.status, 401);
}

#[tokio::test]
async fn the_administrator_may_take_a_while() {
    let lab = Lab::new("{ registration: manual, server: { approve_after: 10m } }");
    assert_eq!(lab.get("sensors").await.status, 401);
    lab.clock.advance(crate::client::minutes(10));
    assert_eq!(lab.get("sensors").await.status, 200);
}

#[tokio::test]
async fn a_client_may_be_approved_before_it_calls() {
    let lab = Lab::new("");
    let credentials = openssl_client("soc");
    let fingerprint = {
        use rustls_pki_types::pem::PemObject;
        use sha2::Digest;
        let der =
            rustls_pki_types::CertificateDer::from_pem_slice(credentials.certificate_pem.as_bytes()).unwrap();
        sha2::Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let identity = ClientIdentity { fingerprint, external_system_id: "soc".into() };
    lab.simulator.world(|world| world.approve(&identity));
    let answer = client(&lab.simulator, &credentials).send(Method::GET, "sensors", None).await.unwrap();
    assert_eq!(answer.status, 200);
}
