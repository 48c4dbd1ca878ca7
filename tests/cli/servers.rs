//! Servers that are gone, are none, or go by another clock; and a record that cannot be written.

use kedrctl_simulator::{CallKind, Fault, Spoiled};

use crate::lab::{Lab, write};

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } } }";
const FLEET: &str = "hosts: [{ name: WS-1 }]";

#[test]
fn a_server_that_is_gone() {
    let lab = Lab::new(FLEET, HOSTS);
    // A port that was just free: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = lab.server().replace(&lab.simulator.address().port().to_string(), &free.to_string());
    lab.write("state.yaml", &lab.state(&server, HOSTS));
    lab.run("drift").expect(5, &["1 server not reached"]);
}

/// Under `--limit` a server that no selected host can be on is not even connected to.
#[test]
fn a_server_that_the_limit_leaves_out_does_not_matter() {
    let hosts = "{ WS-1: { server: lab, isolation: { lease: 8h } }, WS-2: { server: gone, isolation: { lease: 8h } } }";
    let lab = Lab::new(FLEET, hosts);
    let gone = "\n  gone: { url: https://127.0.0.1:1, external_system_id: x, client_certificate: no.crt, client_key: no.key, \
                trust: system }";
    lab.write("state.yaml", &lab.state(&format!("{}{gone}", lab.server()), hosts));
    lab.run("apply --yes").expect(1, &["no.crt", "cannot be read"]);
    lab.run("apply --yes --limit WS-2").expect(1, &["no.crt", "cannot be read"]);
    lab.run("plan --limit WS-1:&WS-2").expect(1, &["selects nothing"]);
    lab.run("plan --limit all@gone").expect(1, &["means the rule for all hosts of `gone`"]);
    assert!(lab.effects().is_empty());
    lab.run("apply --yes --limit WS-1").expect(0, &["+ isolate   1 rule set"]);
    lab.run("drift --limit WS-*:!WS-2").expect(0, &["no difference"]);
}

#[test]
fn a_page_instead_of_json() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.simulator.set_faults(vec![Fault::on(CallKind::Sensors).spoiling(Spoiled::Html)]);
    lab.run("apply --yes").expect(4, &["not understood", "status 200"]);
    lab.simulator.set_faults(vec![Fault::on(CallKind::Isolation).spoiling(Spoiled::Html)]);
    lab.run("apply --yes").expect(4, &["not understood", "nothing will be written"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn clocks_an_hour_apart() {
    let lab = Lab::new(
        "hosts: [{ name: WS-1 }, { name: WS-2, isolation: { timeout: 8h } }]",
        "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: { lease: 8h } } }",
    );
    let skew = jiff::SignedDuration::from_hours(1);
    lab.simulator.set_faults(vec![Fault { clock_skew: Some(skew), ..Fault::default() }]);
    lab.run("apply --yes").expect(4, &["ahead of ours", "too far apart to tell", "+ isolate   1 rule set"]);
    assert_eq!(lab.effects().len(), 1, "containment goes on, nothing else");
}

#[test]
fn an_empty_host_list_is_not_believed() {
    let lab = Lab::new(&format!("{FLEET}\nserver: {{ dialect: {{ list_at_most: 0 }} }}"), HOSTS);
    lab.run("plan").expect(4, &["lists no hosts at all"]);
    lab.run("apply --yes").expect(4, &["lists no hosts at all"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn without_its_record_nothing_is_written() {
    let lab = Lab::new(FLEET, HOSTS);
    // Works for every user, root too: no folder can be made where a file is.
    write(&lab.path(".kedrctl"), "a file");
    for command in ["apply --yes", "plan", "drift"] {
        lab.run(command).expect(5, &[".kedrctl", "`record:`"]);
    }
    assert!(lab.effects().is_empty());
}

#[test]
fn a_damaged_record_is_no_empty_record() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("apply --yes").expect(0, &[]);
    let chain = std::fs::read_dir(lab.path(".kedrctl/journal")).unwrap().next().unwrap().unwrap().path();
    let segment = std::fs::read_dir(&chain).unwrap().next().unwrap().unwrap().path();
    write(&segment, "{}\n");
    for command in ["plan", "drift", "apply --yes"] {
        lab.run(command).expect(1, &[&segment.file_name().unwrap().to_string_lossy()]);
    }
}
