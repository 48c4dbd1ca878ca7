//! Exit codes where several causes hold at once: 130, 1, 5, 3, 4, 2, the first that applies.

use jiff::SignedDuration;
use kedrctl_simulator::world::Target;
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Lab, sensor, wait_until};

const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2 }, { name: dc1 }]";
const DIFFERING: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: { lease: 8h } } }";
/// Refused as a whole.
const PROTECTED: &str = "policy: { protected: [{ name: WS-1 }] }\n";

/// WS-2 can not be read.
fn unreadable() -> Fault {
    Fault::on(CallKind::Isolation).method(Method::Get).sensor(Target::Sensor(sensor("WS-2"))).status(500)
}

fn lab(more: &str, faults: Vec<Fault>) -> Lab {
    let lab = Lab::new(FLEET, DIFFERING);
    lab.write("state.yaml", &format!("{}{more}", lab.state(&lab.server(), DIFFERING)));
    lab.simulator.set_faults(faults);
    lab
}

#[test]
fn not_knowing_comes_before_a_difference() {
    lab("", Vec::new()).run("drift").expect(2, &[]);
    lab("", vec![unreadable()]).run("drift").expect(4, &["WS-2", "the server failed"]);
    lab("", vec![unreadable()]).run("plan --detailed-exitcode").expect(4, &["the server failed"]);
}

#[test]
fn a_refusal_comes_before_both() {
    lab(PROTECTED, Vec::new()).run("plan --detailed-exitcode").expect(3, &["WS-1"]);
    lab(PROTECTED, vec![unreadable()]).run("plan").expect(3, &["WS-1", "the server failed"]);
    lab(PROTECTED, vec![unreadable()]).run("apply --yes").expect(3, &["refused; nothing was written"]);
}

#[test]
fn what_can_not_be_reached_comes_before_a_refusal() {
    let lab = lab(PROTECTED, vec![Fault::default().status(401)]);
    lab.run("plan").expect(5, &["not authorised"]);
    // Without the record it is not even asked whether it would be refused.
    lab.simulator.set_faults(Vec::new());
    let record = lab.path(".kedrctl");
    drop(std::fs::remove_dir_all(&record));
    lab.write(".kedrctl", "no folder\n");
    lab.run("apply --yes").expect(5, &["record"]);
}

#[test]
fn a_mistake_in_the_files_comes_before_everything_else() {
    let lab = lab(&format!("{PROTECTED}owners: soc\n"), vec![Fault::default().status(401)]);
    for command in ["plan --detailed-exitcode", "drift", "apply --yes"] {
        lab.run(command).expect(1, &["a state has no key `owners`"]);
    }
    assert!(lab.simulator.requests().is_empty());
}

#[test]
fn an_interruption_comes_before_what_is_incomplete() {
    let slow = Fault::on(CallKind::Isolation).method(Method::Post);
    let slow = Fault { delay_answer: Some(SignedDuration::from_millis(500)), ..slow };
    let lab = lab("", vec![unreadable(), slow]);
    let mut run = lab.start("apply --yes");
    wait_until("it has begun to write", || !lab.effects().is_empty());
    run.signal("INT");
    run.end().expect(130, &["the server failed"]);
}
