//! People who act by hand at once, or while a plan waits: what no plan has shown is left as it is.

use jiff::SignedDuration;
use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Ended, Lab, ended, sensor, wait_until};

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const OTHER: &str = "d174ab98d277d9f5a5611c2c9f419d9f";
const FREE: &str = "hosts: [{ name: WS-1 }]";
const ISOLATED: &str = "hosts: [{ name: WS-1, isolation: { timeout: 4h } }]";
const BLOCKED: &str = "hosts: [{ name: WS-1, prevention: [900150983cd24fb0d6963f7d28e17f72] }]";

/// The timeout in hours, and how many exclusions.
fn isolation(lab: &Lab) -> Option<(u64, usize)> {
    lab.simulator.world(|world| {
        let rule = world.isolation(sensor("WS-1"))?;
        Some((rule.timeout_seconds.div_ceil(3_600), rule.exclusions.as_ref().map_or(0, Vec::len)))
    })
}

fn by_hand(lab: &Lab, arguments: &str) -> Ended {
    let mut command = lab.command(arguments);
    command.args(["--reason", "INC-417", "--yes"]);
    ended(command.output().unwrap())
}

/// So late that somebody else is done long before.
fn late() -> Option<SignedDuration> {
    Some(SignedDuration::from_secs(5))
}

/// How often the host's own rule was read.
fn looks(lab: &Lab) -> usize {
    let id = sensor("WS-1").to_string();
    let requests = lab.simulator.requests();
    requests.iter().filter(|request| request.method == "GET" && request.path.contains(&id)).count()
}

/// The first looks, and what is done while the question waits.
fn meanwhile(lab: &Lab, call: CallKind, first: &str, second: &str) -> Ended {
    let slow = Fault::on(call).method(Method::Get).sensor(Target::Sensor(sensor("WS-1"))).first(1);
    lab.simulator.set_faults(vec![Fault { delay_answer: late(), ..slow }]);
    let first = lab.start(&format!("{first} --reason INC-417 --yes"));
    wait_until("it has looked", || looks(lab) >= 1);
    by_hand(lab, second).expect(0, &[]);
    first.end()
}

#[test]
fn a_release_that_no_plan_has_shown_is_not_made() {
    for fleet in [FREE, ISOLATED] {
        let lab = Lab::new(fleet, "{}");
        let released = meanwhile(&lab, CallKind::Isolation, "release WS-1", "isolate WS-1 --for 12h");
        released.expect(4, &["changed since the plan"]);
        assert_eq!(isolation(&lab), Some((12, 0)), "{released:?}");
        // And the hold is that of who isolated it.
        lab.run("hold").expect(0, &["isolate"]);
    }
}

#[test]
fn a_hash_that_somebody_took_out_meanwhile_is_not_put_back_unseen() {
    let lab = Lab::new(BLOCKED, "{}");
    let (block, unblock) = (format!("block {MD5} --on WS-1"), format!("unblock {MD5} --on WS-1"));
    meanwhile(&lab, CallKind::Prevention, &block, &unblock).expect(4, &["changed since the plan"]);
    assert!(lab.blocked("WS-1").is_empty());
}

#[test]
fn an_isolation_by_hand_outlasts_one_of_a_job_that_ends_sooner() {
    let exclusions = "[{ direction: outbound, protocol: udp, remote_address: 10.0.0.53, remote_ports: 53 }]";
    let hosts = format!("{{ WS-1: {{ isolation: {{ lease: 2h, exclusions: {exclusions} }} }} }}");
    let lab = Lab::new(FREE, &hosts);
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).first(1);
    lab.simulator.set_faults(vec![Fault { delay: late(), ..slow }]);
    let job = lab.start("apply --yes");
    wait_until("it is about to write", || looks(&lab) >= 2);
    let isolated = by_hand(&lab, "isolate WS-1 --for 12h");
    job.end();
    isolated.expect(0, &["1 change done"]);
    assert_eq!(isolation(&lab), Some((12, 0)), "{isolated:?}");
}

#[test]
fn of_two_who_block_at_once_both_are_done() {
    let lab = Lab::new(FREE, "{}");
    let slow = Fault::on(CallKind::Prevention).method(Method::Post).first(1);
    lab.simulator.set_faults(vec![Fault { delay: late(), ..slow }]);
    let first = lab.start(&format!("block {MD5} --on WS-1 --reason x --yes"));
    wait_until("it is about to write", || looks(&lab) >= 2);
    let second = by_hand(&lab, &format!("block {OTHER} --on WS-1"));
    first.end().expect(0, &["1 change done"]);
    second.expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-1"), [MD5, OTHER]);
}

#[test]
fn a_release_that_is_refused_ends_no_hold_of_somebody_else() {
    let lab = Lab::new(ISOLATED, "{ WS-1: { isolation: off } }");
    let refusing = Fault::on(CallKind::Isolation).method(Method::Delete).status(400);
    lab.simulator.set_faults(vec![Fault { delay: late(), ..refusing }]);
    let released = lab.start("release WS-1 --reason x --yes");
    wait_until("it is about to write", || looks(&lab) >= 2);
    by_hand(&lab, "isolate WS-1 --for 12h").expect(0, &[]);
    released.end().expect(4, &["refused by the server"]);
    lab.simulator.set_faults(Vec::new());
    lab.run("apply --yes").expect(0, &["1 held"]);
    assert_eq!(isolation(&lab), Some((12, 0)));
}
