//! Two runs at the same time, and one that was killed.

use jiff::SignedDuration;
use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Lab, sensor, wait_until};

const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, WS-2: { isolation: { lease: 8h } } }";
const FLEET: &str = "hosts: [{ name: WS-1 }, { name: WS-2 }]";

/// A lab in which the answers to writes take an hour.
fn stuck() -> Lab {
    let lab = Lab::new(FLEET, HOSTS);
    let fault = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..fault }]);
    lab
}

#[test]
fn one_apply_at_a_time() {
    let lab = stuck();
    let _first = lab.start("apply --yes");
    wait_until("the first has written", || !lab.effects().is_empty());
    lab.run("apply --yes --lock-timeout 0s").expect(4, &["lock"]);
    assert_eq!(lab.effects().len(), 1);
    // Looking needs no lock.
    lab.run("plan").expect(0, &["+ isolate   WS-2"]);
}

/// A server that asks one write to wait holds up the others too; what they had looked at is old by then.
#[test]
fn a_write_that_was_held_up_looks_again() {
    const OURS: &str = "{ block: [900150983cd24fb0d6963f7d28e17f72] }";
    let hosts = format!("{{ WS-1: {{ prevention: {OURS} }}, WS-2: {{ prevention: {OURS} }} }}");
    let lab = Lab::new(FLEET, &hosts);
    let server = lab.server().replace("concurrency: 1", "concurrency: 2");
    lab.write("state.yaml", &lab.state(&server, &hosts));
    let on = |host, method| Fault {
        sensor: Some(Target::Sensor(sensor(host))),
        ..Fault::on(CallKind::Prevention).method(method)
    };
    let later = |millis| Some(SignedDuration::from_millis(millis));
    let busy = on("WS-1", Method::Post).first(1).status(429);
    let busy = Fault { retry_after: Some(4), delay: later(300), ..busy };
    // The look before the write is the second; its answer comes when the first write was asked to wait.
    let slow = Fault { delay_answer: later(900), ..on("WS-2", Method::Get).skip(1).first(1) };
    lab.simulator.set_faults(vec![busy, slow]);
    let run = lab.start("apply --yes");
    wait_until("both were looked at", || {
        let requests = lab.simulator.requests();
        let of =
            |host: &str| requests.iter().filter(|it| it.path.contains(&sensor(host).to_string())).count();
        of("WS-1") >= 3 && of("WS-2") >= 2
    });
    let theirs = FileHash::parse("5d41402abc4b2a76b9719d911017c592").unwrap();
    let theirs = vec![FileObject::new(theirs)];
    let ws_2 = Target::Sensor(sensor("WS-2"));
    lab.simulator.world(|world| world.set_prevention(ws_2, theirs.clone())).unwrap();
    run.end().expect(4, &["WS-2   changed since the plan, nothing sent", "1 rule changed"]);
    let stands = lab.simulator.world(|world| world.prevention(ws_2).map(|rule| rule.objects().to_vec()));
    assert_eq!(stands, Some(theirs));
}

#[test]
fn a_killed_run_is_settled_and_finished_by_the_next() {
    let lab = stuck();
    let mut first = lab.start("apply --yes");
    wait_until("the first has written", || !lab.effects().is_empty());
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None, "killed by a signal");
    lab.simulator.set_faults(Vec::new());
    // What was sent counts as ours: nothing is sent twice, and its end is known.
    lab.run("drift --limit WS-1").expect(0, &["no difference"]);
    lab.run("apply --yes").expect(0, &["+ isolate   WS-2", "1 change done"]);
    assert_eq!(lab.effects().len(), 2);
    lab.simulator.world(|world| world.contact_all());
    lab.run("apply --yes").expect(0, &["nothing to do"]);
}

#[test]
fn a_run_that_was_killed_before_its_write_took_effect_has_set_nothing() {
    let lab = Lab::new(FLEET, HOSTS);
    let fault = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_hours(1)), ..fault }]);
    let mut first = lab.start("apply --yes");
    let is_put_down = || {
        let journal = std::fs::read_dir(lab.path(".kedrctl/journal")).into_iter().flatten();
        journal.flatten().any(|chain| std::fs::read_dir(chain.path()).into_iter().flatten().count() > 0)
    };
    wait_until("its intention is in the record", is_put_down);
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None, "killed by a signal");
    lab.simulator.set_faults(Vec::new());
    lab.run("drift").expect(2, &["2 declared isolated without a rule"]);
    lab.run("apply --yes").expect(0, &["all 2 changes done"]);
    lab.run("drift").expect(0, &[]);
}

#[test]
fn what_was_done_by_hand_and_no_file_declares_is_ended_by_hand() {
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    let lab = Lab::new("hosts: [{ name: WS-1 }, { name: WS-2 }]", "{ WS-2: { isolation: off } }");
    lab.run("isolate WS-1 --for 4h --reason x --yes").expect(0, &[]);
    lab.run(&format!("block {MD5} --on WS-1 --reason x --yes")).expect(0, &[]);
    let end_it = format!("`kedrctl unblock {MD5} --on WS-1`");
    lab.run("drift").expect(
        0,
        &["was isolated by hand until", "`kedrctl release WS-1`", "1 hash is blocked there by hand", &end_it],
    );
}

#[test]
fn what_a_killed_run_set_is_left_behind_when_no_file_names_it_any_more() {
    let lab = stuck();
    let mut first = lab.start("apply --yes");
    wait_until("the first has written", || !lab.effects().is_empty());
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None, "killed by a signal");
    lab.simulator.set_faults(Vec::new());
    lab.write("state.yaml", &lab.state(&lab.server(), "{}"));
    lab.run("drift").expect(0, &["left behind: is isolated by us until"]);
}
