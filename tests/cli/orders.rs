//! A job and a responder write the same host at once: whichever request arrives when, what the responder did stands.

use jiff::SignedDuration;
use kedrctl_simulator::world::{FileHash, Target};
use kedrctl_simulator::{CallKind, Fault};

use crate::lab::{Ended, Lab, ended, sensor, wait_until};

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

/// What a job is about to do, what the responder does meanwhile, and what is to stand.
struct Meeting {
    fleet: &'static str,
    declared: &'static str,
    call: CallKind,
    act: &'static str,
    stands: fn(&Lab) -> bool,
}

fn is_isolated(lab: &Lab) -> bool {
    lab.simulator.world(|world| world.isolation(sensor("WS-1")).is_some())
}

fn is_blocked(lab: &Lab) -> bool {
    let rule = lab.simulator.world(|world| world.prevention(Target::Sensor(sensor("WS-1"))).cloned());
    rule.iter().flat_map(|rule| rule.hashes()).any(|hash| FileHash::to_string(hash) == MD5)
}

const MEETINGS: [Meeting; 4] = [
    Meeting {
        fleet: "hosts: [{ name: WS-1 }]",
        declared: "{ WS-1: { isolation: { lease: 8h } } }",
        call: CallKind::Isolation,
        act: "release WS-1 --yes",
        stands: |lab| !is_isolated(lab),
    },
    Meeting {
        fleet: "hosts: [{ name: WS-1, isolation: { timeout: 8h } }]",
        declared: "{ WS-1: { isolation: off } }",
        call: CallKind::Isolation,
        act: "isolate WS-1 --for 4h --yes",
        stands: is_isolated,
    },
    Meeting {
        fleet: "hosts: [{ name: WS-1 }]",
        declared: "{ WS-1: { prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }",
        call: CallKind::Prevention,
        act: "unblock 900150983cd24fb0d6963f7d28e17f72 --on WS-1 --yes",
        stands: |lab| !is_blocked(lab),
    },
    Meeting {
        fleet: "hosts: [{ name: WS-1, prevention: [900150983cd24fb0d6963f7d28e17f72] }]",
        declared: "{ WS-1: { prevention: { block: [], exact: true } } }",
        call: CallKind::Prevention,
        act: "block 900150983cd24fb0d6963f7d28e17f72 --on WS-1 --yes",
        stands: is_blocked,
    },
];

fn by_hand(lab: &Lab, arguments: &str) -> Ended {
    let mut command = lab.command(arguments);
    command.args(["--reason", "INC-417"]);
    ended(command.output().unwrap())
}

/// `nth`: which of the job's requests about the host comes late, before its effect or after it.
fn meet(meeting: &Meeting, nth: u32, before_effect: bool) {
    let lab = Lab::new(meeting.fleet, meeting.declared);
    let late = Some(SignedDuration::from_millis(1_500));
    let fault = Fault::on(meeting.call).skip(nth).first(1);
    let fault =
        if before_effect { Fault { delay: late, ..fault } } else { Fault { delay_answer: late, ..fault } };
    lab.simulator.set_faults(vec![fault]);
    let job = lab.start("apply --yes");
    wait_until("the job is there", || !lab.simulator.requests().is_empty());
    let acted = by_hand(&lab, meeting.act);
    job.end();
    let what = format!("{} meets request {nth}, late {before_effect}: {acted:?}", meeting.act);
    assert_eq!(acted.code, Some(0), "{what}");
    assert!((meeting.stands)(&lab), "{what}");
    lab.simulator.set_faults(Vec::new());
    // And the next job leaves it alone.
    lab.run("apply --yes");
    assert!((meeting.stands)(&lab), "{what}, undone by the next job");
}

#[test]
fn what_a_responder_does_stands_in_every_order() {
    std::thread::scope(|scope| {
        for meeting in &MEETINGS {
            for (nth, before_effect) in [(1, true), (2, true), (2, false)] {
                scope.spawn(move || meet(meeting, nth, before_effect));
            }
        }
    });
}
