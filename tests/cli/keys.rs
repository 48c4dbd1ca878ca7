//! Keys that are encrypted, or that others can read.

use std::process::Command;

use crate::lab::{Lab, write};

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } } }";
const FLEET: &str = "hosts: [{ name: WS-1 }]";

/// A lab whose key is encrypted as OpenSSL does it by itself; `None` where there is no OpenSSL.
fn encrypted(passphrase: &str) -> Option<Lab> {
    let lab = Lab::new(FLEET, HOSTS);
    write(&lab.path("plain.key"), &lab.simulator.credentials().key_pem);
    let done = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-in", "plain.key", "-out", "client.key", "-passout", "pass:correct horse"])
        .current_dir(lab.path("."))
        .output();
    if !done.is_ok_and(|done| done.status.success()) {
        return None;
    }
    #[cfg(unix)]
    crate::lab::set_mode(&lab.path("client.key"), 0o600);
    declare(&lab, passphrase);
    Some(lab)
}

fn declare(lab: &Lab, passphrase: &str) {
    let with = format!("client_key: client.key, client_key_passphrase: {passphrase}");
    let server = lab.server().replace("client_key: client.key", &with);
    lab.write("state.yaml", &lab.state(&server, HOSTS));
}

#[test]
fn an_encrypted_key_is_unlocked() {
    let Some(lab) = encrypted("{ env: KEDRCTL_PASSPHRASE }") else { return };
    let plan = |passphrase: &str| {
        crate::lab::ended(lab.command("plan").env("KEDRCTL_PASSPHRASE", passphrase).output().unwrap())
    };
    plan("correct horse").expect(0, &["1 to isolate"]);
    let wrong = plan("wrong horse");
    wrong.expect(1, &["the passphrase does not open", "client.key"]);
    assert!(!wrong.stderr.contains("wrong horse"));
    lab.run("plan").expect(1, &["KEDRCTL_PASSPHRASE", "not set"]);
    declare(&lab, "{ command: [echo, correct horse] }");
    lab.run("plan").expect(1, &["`echo`", "--allow-commands"]);
    lab.run("plan --allow-commands").expect(0, &["1 to isolate"]);
    declare(&lab, r#"{ command: [printf, 'correct horse\r\n'] }"#);
    lab.run("plan --allow-commands").expect(0, &["1 to isolate"]);
    declare(&lab, "{ command: [sh, -c, exit 3] }");
    lab.run("plan --allow-commands").expect(1, &["the passphrase of the client key", "exit status: 3"]);
    lab.declare(HOSTS);
    lab.run("plan").expect(1, &["encrypted", "no terminal", "client_key_passphrase"]);
}

#[test]
fn a_passphrase_for_a_plain_key_is_not_passed_over() {
    let lab = Lab::new(FLEET, HOSTS);
    declare(&lab, "{ env: KEDRCTL_PASSPHRASE }");
    lab.run("plan").expect(1, &["is not encrypted", "client_key_passphrase"]);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    let lab = Lab::new(FLEET, HOSTS);
    for mode in [0o640, 0o604, 0o620, 0o666] {
        crate::lab::set_mode(&lab.path("client.key"), mode);
        lab.run("plan").expect(1, &[&format!("mode {mode:o}"), "chmod 600", "client.key"]);
    }
    for mode in [0o600, 0o400] {
        crate::lab::set_mode(&lab.path("client.key"), mode);
        lab.run("plan").expect(0, &["1 to isolate"]);
    }
}

#[test]
fn a_server_without_trust_is_sent_nothing() {
    let lab = Lab::new(FLEET, HOSTS);
    let pin = format!(", trust: {{ sha256: '{}' }}", lab.simulator.certificate_sha256());
    let server = lab.server().replace(&pin, "");
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("validate").expect(0, &["has no `trust`", "1 warning"]);
    for command in ["plan", "drift", "apply --yes", "hosts"] {
        lab.run(command).expect(1, &["no `trust`", "kedrctl register lab"]);
    }
    assert!(lab.simulator.requests().is_empty());
}
