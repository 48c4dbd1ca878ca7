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
