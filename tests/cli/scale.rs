//! Many changes and several servers: batches, lost servers, servers that are overloaded, agents that are waited for.

use jiff::SignedDuration;
use kedrctl::model::{Clock, WallClock};
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Ended, Lab, wait_until, write};

const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2 }, { name: WS-3 }, { name: WS-4 }]";
const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: { lease: 8h } }, \
                     WS-3: { isolation: { lease: 8h } }, WS-4: { isolation: { lease: 8h } } }";

/// Two servers in one state: `lab` with WS-1, and `other` with PC-1.
struct Two {
    lab: Lab,
    other: Lab,
}

impl Two {
    fn new() -> Self {
        let two = Self {
            lab: Lab::new("hosts: [{ name: WS-1 }]", "{}"),
            other: Lab::new("hosts: [{ name: PC-1 }]", "{}"),
        };
        two.declare("{ lease: 8h }");
        two
    }

    /// Both hosts with this isolation.
    fn declare(&self, isolation: &str) {
        let Self { lab, other } = self;
        let path = |name: &str| other.path(name).display().to_string();
        let pin = other.simulator.certificate_sha256();
        let server = other.server_with(&pin, &path("client.crt"), &path("client.key"));
        let hosts = format!(
            "{{ WS-1: {{ server: lab, isolation: {isolation} }}, PC-1: {{ server: other, isolation: {isolation} }} }}"
        );
        lab.write("state.yaml", &lab.state(&format!("{}\n  other: {server}", lab.server()), &hosts));
    }

    fn run(&self, arguments: &str) -> Ended {
        self.lab.run(arguments)
    }
}

/// Answers to isolations take an hour.
fn stuck(lab: &Lab, skip: u32) {
    let fault = Fault::on(CallKind::Isolation).method(Method::Post).skip(skip);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..fault }]);
}

#[test]
fn a_server_whose_lock_is_held_is_left_out_and_the_other_is_written() {
    let two = Two::new();
    stuck(&two.lab, 0);
    let _holder = two.lab.start("apply --yes --server lab");
    wait_until("the first has written", || !two.lab.effects().is_empty());
    two.run("apply --yes --lock-timeout 0s")
        .expect(4, &["was not asked", "the lock", "+ isolate   1 rule set"]);
    assert_eq!(two.other.effects().len(), 1);
    assert_eq!(two.lab.effects().len(), 1);
    two.run("apply --yes --lock-timeout 0s --server lab").expect(4, &["error: server `lab`", "the lock"]);
    // Looking needs no lock.
    two.run("plan").expect(0, &[]);
}

#[test]
fn a_server_whose_record_is_damaged_is_left_out_and_the_other_is_written() {
    let two = Two::new();
    two.run("apply --yes --server lab").expect(0, &[]);
    let chain = std::fs::read_dir(two.lab.path(".kedrctl/journal")).unwrap().next().unwrap().unwrap().path();
    let segment = std::fs::read_dir(&chain).unwrap().next().unwrap().unwrap().path();
    write(&segment, "{}\n");
    let name = segment.file_name().unwrap().to_string_lossy().into_owned();
    two.run("plan").expect(4, &["was not asked", &name, "+ isolate   PC-1"]);
    two.run("plan --format json").expect(4, &["\"state\": \"unrecorded\""]);
    two.run("apply --yes").expect(4, &["was not asked", &name, "+ isolate   1 rule set"]);
    two.run("drift").expect(4, &[&name]);
    two.run("apply --yes --server lab").expect(1, &["error: server `lab`", &name]);
    assert_eq!(two.other.effects().len(), 1);
    // A snapshot goes without it too, and says so to whoever plans from it.
    let requests = two.lab.simulator.requests().len();
    two.run("snapshot -o observed.json").expect(4, &["warning: server `lab`: the record is damaged", &name]);
    assert_eq!(two.lab.simulator.requests().len(), requests);
    two.run("plan --observed observed.json").expect(4, &["was not asked", &name, "1 unknown, 1 waiting"]);
    two.run("plan --observed observed.json --format json").expect(4, &["\"state\": \"unrecorded\""]);
    two.run("snapshot -o observed.json --server lab").expect(1, &["error: server `lab`", &name]);
}

/// The other server's lock is held for as long as the first one's renewal takes, and longer.
#[test]
fn a_renewal_does_not_wait_for_the_lock_of_another_server() {
    let two = Two::new();
    let until = |hours| {
        let until = WallClock.now() + SignedDuration::from_hours(hours);
        format!("{{ until: {until} }}")
    };
    two.declare(&until(2));
    two.run("apply --yes").expect(0, &[]);
    two.declare(&until(20));
    stuck(&two.lab, 0);
    let mut holder = two.lab.start("apply --yes --server lab");
    wait_until("the lock is held", || two.lab.effects().len() == 2);
    let renewing = two.lab.start("apply --renew-only --yes --lock-timeout 60s");
    wait_until("the other is renewed", || two.other.effects().len() == 2);
    two.lab.simulator.set_faults(Vec::new());
    holder.child().kill().unwrap();
    assert_eq!(holder.end().code, None);
    // Then it is the turn of the one whose lock was held.
    renewing.end().expect(0, &["↻ renew     1 isolation", "nothing is due"]);
    two.run("apply --renew-only --yes").expect(0, &["nothing is due"]);
}

/// A run that goes in turns is one run.
#[test]
fn renewals_of_several_turns_are_told_together() {
    let two = Two::new();
    let until = |hours| format!("{{ until: {} }}", WallClock.now() + SignedDuration::from_hours(hours));
    two.declare(&until(2));
    two.run("apply --yes").expect(0, &[]);
    two.declare(&until(20));
    let posted = |lab: &Lab| lab.simulator.requests().iter().any(|request| request.method == "POST");
    [&two.lab, &two.other].iter().for_each(|lab| lab.simulator.clear_requests());
    let post = || Fault::on(CallKind::Isolation).method(Method::Post);
    let unread = Fault::on(CallKind::Isolation).method(Method::Get);
    two.lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_hours(1)), ..unread }]);
    two.other.simulator.set_faults(vec![post().status(400)]);
    let mut holder = two.lab.start("apply --yes --server lab");
    wait_until("the lock is held", || !two.lab.simulator.requests().is_empty());
    let renewing = two.lab.start(
        "apply --renew-only --yes --lock-timeout 60s --report json=a.jsonl --report markdown=a.md \
         --report html=a.html",
    );
    wait_until("the other was asked to renew", || posted(&two.other));
    two.lab.simulator.set_faults(Vec::new());
    holder.child().kill().unwrap();
    assert_eq!(holder.end().code, None);
    renewing.end().expect(4, &["0 of 1 change done", "1 change done"]);
    let read = |name: &str| std::fs::read_to_string(two.lab.path(name)).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(read("a.jsonl").lines().last().unwrap()).unwrap();
    assert_eq!((&outcome["changes"], &outcome["done"]), (&2.into(), &1.into()), "{outcome}");
    assert_eq!(outcome["results"]["refused"], 1);
    for (report, done) in [("a.md", "**1 of 2 changes done; "), ("a.html", "1 of 2 changes done")] {
        let text = read(report);
        assert!([done, "PC-1", "WS-1"].iter().all(|said| text.contains(said)), "{text}");
    }
}

#[test]
fn a_renewal_whose_lock_never_comes_is_said_to_be_missing() {
    let two = Two::new();
    stuck(&two.lab, 0);
    let _holder = two.lab.start("apply --yes --server lab");
    wait_until("the lock is held", || !two.lab.effects().is_empty());
    two.run("apply --renew-only --yes --lock-timeout 0s").expect(4, &["lab", "the lock"]);
    two.run("apply --renew-only --yes --lock-timeout 0s --server lab").expect(4, &["error: server `lab`"]);
}

#[test]
fn a_run_that_was_killed_between_two_batches_is_continued_by_the_next() {
    let lab = Lab::new(FLEET, HOSTS);
    stuck(&lab, 2);
    let mut first = lab.start("apply --yes --batch 1,50%");
    wait_until("the third is on its way", || lab.effects().len() == 3);
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None);
    lab.simulator.set_faults(Vec::new());
    lab.run("apply --yes --batch 1").expect(0, &["+ isolate   WS-4", "1 change done"]);
    assert_eq!(lab.effects().len(), 4, "nothing is sent twice");
    lab.run("drift").expect(0, &[]);
}

#[test]
fn too_many_failures_end_the_run_and_the_next_one_continues() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.simulator.set_faults(vec![Fault::on(CallKind::Isolation).method(Method::Post).first(2).status(400)]);
    lab.run("apply --yes --batch 1 --max-failures 1")
        .expect(4, &["refused by the server", "not tried", "`--max-failures` is 1", "0 of 4 changes done"]);
    assert!(lab.effects().is_empty());
    lab.run("apply --yes --max-failures 0").expect(0, &["all 4 changes done"]);
    lab.run("apply --yes --batch 0").expect(1, &["--batch", "would never end"]);
    lab.run("apply --yes --max-failures many").expect(1, &["--max-failures", "is no number"]);
}

#[test]
fn a_storm_of_refusals_is_outlasted() {
    let names: Vec<String> = (1..=12).map(|n| format!("WS-{n}")).collect();
    let fleet: Vec<String> = names.iter().map(|name| format!("{{ name: {name} }}")).collect();
    let hosts: Vec<String> =
        names.iter().map(|name| format!("{name}: {{ isolation: {{ lease: 8h }} }}")).collect();
    let lab = Lab::new(&format!("hosts: [{}]", fleet.join(", ")), "{}");
    let server = lab.server().replace("concurrency: 1", "concurrency: 8");
    lab.write("state.yaml", &lab.state(&server, &format!("{{ {} }}", hosts.join(", "))));
    let storm = |method, status| Fault {
        retry_after: Some(1),
        ..Fault::on(CallKind::Isolation).method(method).first(8).status(status)
    };
    lab.simulator.set_faults(vec![storm(Method::Get, 503), storm(Method::Post, 429)]);
    lab.run("apply --yes --allow isolations=12 --parallel 8").expect(0, &["all 12 changes done"]);
    assert_eq!(lab.effects().len(), 12);
}

#[test]
fn apply_waits_for_the_agents_of_what_it_wrote() {
    let lab = Lab::new(
        "hosts: [{ name: WS-1 }, { name: eager, contact_every: 1s }]",
        "{ WS-1: { isolation: { lease: 8h } }, eager: { isolation: { lease: 8h } } }",
    );
    lab.run("apply --yes --limit eager --wait-contact 60s")
        .expect(0, &["1 of 1 in contact since then", "run 2"]);
    lab.run("apply --yes --wait-contact 0s")
        .expect(4, &["0 of 1 in contact since then; not yet WS-1", "run 2"]);
    // Nobody is waited for who was not written.
    lab.run("apply --yes --wait-contact 60s").expect(0, &["nothing to do"]);
}

#[test]
fn a_snapshot_knows_no_servers_to_be_spared() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("snapshot -o observed.json --parallel 2").expect(0, &[]);
    lab.run("plan --observed observed.json").expect(0, &[]);
    lab.run("plan --observed observed.json --parallel 2").expect(1, &["--parallel"]);
    lab.run("drift --parallel 0").expect(1, &["--parallel"]);
}
