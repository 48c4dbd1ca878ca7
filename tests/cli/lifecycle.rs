//! Plan, apply, drift, and what they answer the second time.

use kedrctl_simulator::world::Target;

use crate::lab::{Lab, sensor};

const HOSTS: &str = "{ WS-1: { isolation: { lease: 24h } }, WS-2: { prevention: { block: \
                     [900150983cd24fb0d6963f7d28e17f72] } } }";

fn lab() -> Lab {
    Lab::new("hosts: [{ name: WS-1 }, { name: WS-2 }, { name: WS-3 }]", HOSTS)
}

#[test]
fn a_plan_writes_nothing() {
    let lab = lab();
    lab.run("plan").expect(0, &["+ isolate   WS-1", "~ block     WS-2", "1 to isolate"]);
    lab.run("plan --detailed-exitcode").expect(2, &[]);
    lab.run("apply --check").expect(0, &["1 to isolate"]);
    assert!(lab.effects().is_empty());
    assert!(!lab.path(".kedrctl").exists(), "not even a record");
}

#[test]
fn without_a_terminal_nobody_says_yes() {
    let lab = lab();
    lab.run("apply").expect(3, &["there is no terminal to ask at", "`--yes`", "nothing was written"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn the_second_apply_has_nothing_to_do() {
    let lab = lab();
    lab.run("apply --yes").expect(0, &["all 2 changes done", "run 2"]);
    lab.simulator.clear_requests();
    lab.run("apply").expect(0, &["nothing to do"]);
    assert!(lab.simulator.requests().iter().all(|request| request.method == "GET"));
    lab.run("plan --detailed-exitcode").expect(0, &[]);
}

#[test]
fn drift_tells_in_sync_from_different_from_unknown() {
    let lab = lab();
    lab.run("apply --yes").expect(0, &[]);
    lab.run("drift").expect(0, &["no difference"]);
    let md5 = kedrctl_simulator::world::FileHash::parse("5d41402abc4b2a76b9719d911017c592").unwrap();
    let object = kedrctl_simulator::world::FileObject::new(md5);
    lab.simulator.world(|world| world.set_prevention(Target::Sensor(sensor("WS-2")), vec![object])).unwrap();
    lab.run("drift").expect(2, &["~ prevention", "WS-2", "1 hash missing"]);
    std::fs::remove_dir_all(lab.path(".kedrctl")).unwrap();
    lab.run("drift --limit WS-1").expect(
        4,
        &["the record does not show that we set it", "it may have ended long ago", "1 with an unknown end"],
    );
}

#[test]
fn what_was_refused_is_not_written() {
    let lab = lab();
    let state = lab.state(&lab.server(), HOSTS) + "policy: { protected: [{ name: 'ws-*' }] }\n";
    lab.write("state.yaml", &state);
    lab.run("plan").expect(3, &["refused: nothing of this plan will be written", "policy.protected"]);
    lab.run("apply --yes").expect(3, &["policy.protected"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn a_run_on_a_machine_that_is_gone_soon_is_warned() {
    let lab = lab();
    let output = lab.command("apply --yes").env("CI", "true").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("no `record:` in the files"));
}
