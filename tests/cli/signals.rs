//! Ctrl-C and SIGTERM.

use jiff::SignedDuration;
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Lab, wait_until};

/// So many writes that a signal always comes before the last of them.
const HOSTS: usize = 20;

fn lab(answer_after: SignedDuration) -> Lab {
    let hosts: Vec<String> =
        (1..=HOSTS).map(|n| format!("WS-{n}: {{ isolation: {{ lease: 8h }} }}")).collect();
    let lab = Lab::new(&format!("generate: {{ hosts: {HOSTS} }}"), &format!("{{ {} }}", hosts.join(", ")));
    let slow = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(answer_after), ..slow }]);
    lab
}

const APPLY: &str = "apply --yes --allow isolations=20 --allow hosts_changed=20";

#[test]
fn the_first_signal_finishes_what_is_in_flight() {
    for signal in ["TERM", "INT"] {
        let lab = lab(SignedDuration::from_millis(300));
        let mut run = lab.start(APPLY);
        wait_until("it has begun to write", || !lab.effects().is_empty());
        run.signal(signal);
        let ended = run.end();
        let written = lab.effects().len();
        assert!((1..HOSTS).contains(&written), "{written}");
        ended.expect(
            130,
            &[
                "interrupted: finishing what is in flight",
                &format!("{written} of {HOSTS} changes done; {} not tried", HOSTS - written),
                "run apply again",
            ],
        );
        lab.simulator.set_faults(Vec::new());
        lab.run(APPLY).expect(0, &[&format!("all {} change", HOSTS - written)]);
        assert_eq!(lab.effects().len(), HOSTS);
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let lab = lab(SignedDuration::from_hours(1));
    let mut run = lab.start(APPLY);
    wait_until("it has begun to write", || !lab.effects().is_empty());
    run.signal("INT");
    run.wait_for_stderr("a second Ctrl-C ends at once");
    run.signal("INT");
    assert_eq!(run.end().code, Some(130));
    assert_eq!(lab.effects().len(), 1);
}

#[test]
fn after_the_second_signal_too_it_is_told_what_was_done() {
    let lab = lab(SignedDuration::ZERO);
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).skip(3);
    let stuck = Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..slow };
    lab.simulator.set_faults(vec![stuck]);
    let mut run =
        lab.start(&format!("{APPLY} --report json=a.jsonl --report markdown=a.md --report html=a.html"));
    wait_until("the fourth is on its way", || lab.effects().len() == 4);
    run.signal("INT");
    run.wait_for_stderr("a second Ctrl-C ends at once");
    run.signal("INT");
    let ended = run.end();
    ended.expect(130, &["3 of 20 changes done", "17 unknown", "the run was ended at once", "run 2"]);
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(read("a.jsonl").lines().last().unwrap()).unwrap();
    assert_eq!((&outcome["exit_code"], &outcome["interrupted"]), (&130.into(), &true.into()));
    assert_eq!((&outcome["changes"], &outcome["done"]), (&20.into(), &3.into()));
    let run = outcome["run_id"].as_str().unwrap();
    assert!(ended.stdout.contains(run) && outcome["stopped"][0]["server"] == "lab", "{outcome}");
    for (report, done) in [("a.md", "**3 of 20 changes done**"), ("a.html", "3 of 20 changes done")] {
        let text = read(report);
        assert!(text.contains(done) && text.contains("the run was ended at once"), "{text}");
    }
    lab.simulator.set_faults(Vec::new());
    lab.run(&format!("rollback {run} --check")).expect(0, &["4 to release"]);
}

#[test]
fn before_the_first_write_one_signal_is_enough() {
    let lab = lab(SignedDuration::ZERO);
    let slow = Fault::on(CallKind::Isolation).method(Method::Get);
    lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_hours(1)), ..slow }]);
    let mut run =
        lab.start(&format!("{APPLY} --report json=a.jsonl --report markdown=a.md --report html=a.html"));
    wait_until("it has begun to read", || !lab.simulator.requests().is_empty());
    run.signal("TERM");
    run.end().expect(130, &["interrupted; nothing was written"]);
    assert!(lab.effects().is_empty());
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(read("a.jsonl").lines().last().unwrap()).unwrap();
    assert_eq!((&outcome["interrupted"], &outcome["run_id"]), (&true.into(), &serde_json::Value::Null));
    for report in ["a.md", "a.html"] {
        assert!(read(report).contains("interrupted; nothing was written"), "{report}");
    }
}

/// A state whose plan is longer than a pipe takes that nobody reads.
fn long_plan() -> Lab {
    let lab = Lab::new("generate: { hosts: 1 }", "{ WS-1: { prevention: { block: [long] } } }");
    let hashes: String = (0..2_000).map(|n| format!("{n:064x}\n")).collect();
    lab.write("long.txt", &hashes);
    let state = lab.state(&lab.server(), "{ WS-1: { prevention: { block: [long] } } }");
    lab.write("state.yaml", &format!("{state}hash_lists: {{ long: {{ file: long.txt }} }}\n"));
    lab
}

#[test]
fn a_plan_that_nobody_reads_holds_the_lock_no_longer_than_a_signal() {
    for signals in [["INT"].as_slice(), &["TERM", "INT"]] {
        let lab = long_plan();
        let mut run = lab.start("apply --yes --full");
        run.wait_for_stdout("lab");
        let unread = run.child().stdout.take();
        for signal in signals {
            run.signal(signal);
            if *signal == "TERM" {
                run.wait_for_stderr("a second Ctrl-C ends at once");
            }
        }
        run.end().expect(130, &["nobody reads stdout: ended at once"]);
        drop(unread);
        assert!(lab.effects().is_empty());
        lab.run("apply --yes").expect(0, &["1 change done"]);
    }
}

#[test]
fn events_that_nobody_reads_hold_up_no_write_and_no_end() {
    let lab = long_plan();
    let mut run = lab.start("apply --yes --format json");
    let unread = run.child().stdout.take();
    wait_until("it is written", || !lab.effects().is_empty());
    run.signal("TERM");
    assert_eq!(run.end().code, Some(130));
    drop(unread);
    lab.run("drift").expect(0, &["no difference"]);
}
