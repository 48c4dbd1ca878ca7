//! Keys and certificates that are wrong or missing.

use crate::lab::Lab;

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } } }";
const FLEET: &str = "hosts: [{ name: WS-1 }]";

#[test]
fn a_missing_key_is_named() {
    let lab = Lab::new(FLEET, HOSTS);
    std::fs::remove_file(lab.path("client.key")).unwrap();
    lab.run("plan").expect(1, &["the client key", "client.key", "server `lab`"]);
    let server = lab.server().replace("client_key: client.key", "client_key: { env: KEDRCTL_NO_SUCH_KEY }");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("plan").expect(1, &["KEDRCTL_NO_SUCH_KEY", "not set"]);
    let server = lab.server().replace("client_key: client.key", "client_key: { command: [printf, key] }");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("plan").expect(1, &["`printf`", "--allow-commands"]);
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn a_key_from_the_environment_or_a_program_is_as_good() {
    let lab = Lab::new(FLEET, HOSTS);
    let server = lab.server().replace("client_key: client.key", "client_key: { env: KEDRCTL_KEY }");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    let key = lab.simulator.credentials().key_pem;
    let output = lab.command("plan").env("KEDRCTL_KEY", key).output().unwrap();
    assert!(output.status.success());
    let server = lab.server().replace("client_key: client.key", "client_key: { command: [cat, client.key] }");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("plan --allow-commands").expect(0, &["1 to isolate"]);
}

#[test]
fn a_key_that_does_not_fit_is_named() {
    let lab = Lab::new(FLEET, HOSTS);
    let other = Lab::new(FLEET, HOSTS);
    lab.write("client.key", &other.simulator.credentials().key_pem);
    lab.run("plan").expect(1, &["does not fit the certificate", "client.key", "client.crt"]);
    lab.write("client.key", "not a key");
    lab.run("plan").expect(1, &["no private key in PEM form"]);
}

#[test]
fn a_server_with_another_certificate_is_not_talked_to() {
    let lab = Lab::new(FLEET, HOSTS);
    let server = lab.server_with(&"ab".repeat(32), "client.crt", "client.key");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("plan").expect(5, &["certificate", &lab.simulator.certificate_sha256()]);
    lab.run("apply --yes").expect(5, &[]);
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn a_client_has_to_be_accepted_first() {
    let lab = Lab::new(&format!("registration: manual\n{FLEET}"), HOSTS);
    let ended = lab.run("plan");
    ended.expect(5, &["not authorised", "an administrator must accept"]);
    ended.expect(5, &[&lab.simulator.credentials().external_system_id]);
    let pending = lab.simulator.pending();
    lab.simulator.approve(&pending[0].identity);
    lab.run("plan").expect(0, &["1 to isolate"]);
}
