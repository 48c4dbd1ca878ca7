//! `rollback`: what a run changed is put back, and nothing else.

use jiff::SignedDuration;
use kedrctl::model::{Clock, WallClock};
use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{CallKind, Fault, Method, Spoiled};

use crate::lab::{Ended, Lab, ended, sensor, wait_until, write};

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const OTHER: &str = "d174ab98d277d9f5a5611c2c9f419d9f";
const FOREIGN: &str = "57edf4a22be3c955ac49da2e2107b67a";

const FLEET: &str = "hosts:
  - { name: WS-1 }
  - { name: WS-2, prevention: [{ md5: 57edf4a22be3c955ac49da2e2107b67a }] }
  - { name: WS-3 }
";
const HOSTS: &str = "{ WS-1: { isolation: { lease: 8h } }, \
                      WS-2: { prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }";

fn is_isolated(lab: &Lab, host: &str) -> bool {
    lab.simulator.world(|world| world.isolation(sensor(host)).is_some())
}

fn by_hand(lab: &Lab, arguments: &str) -> Ended {
    let mut command = lab.command(arguments);
    command.args(["--reason", "INC-417"]);
    ended(command.output().unwrap())
}

/// The last line of what an apply printed.
fn run_of(ended: &Ended) -> String {
    ended.stdout.lines().last().unwrap().strip_prefix("run ").unwrap().to_owned()
}

#[test]
fn what_a_run_changed_is_put_back_and_applies_keep_off() {
    let lab = Lab::new(FLEET, HOSTS);
    let applied = lab.run("apply --yes");
    applied.expect(0, &["all 2 changes done"]);
    let effects = lab.effects().len();
    lab.run("rollback last --check").expect(0, &["- release", "WS-1", "~ block", "WS-2", &run_of(&applied)]);
    lab.run("rollback last").expect(3, &["not confirmed"]);
    assert_eq!(lab.effects().len(), effects);
    lab.run(&format!("rollback {} --yes", run_of(&applied))).expect(
        0,
        &[
            "all 2 changes done",
            "applies keep off what was put back until",
            "the files count again",
            "WS-1 isolation  state.yaml:",
            "WS-2 prevention  state.yaml:",
        ],
    );
    assert!(!is_isolated(&lab, "WS-1"));
    assert_eq!(lab.blocked("WS-2"), [FOREIGN], "others' hashes stay");
    // The files still say otherwise, and do nothing for a day.
    lab.run("apply --yes").expect(0, &["holds its isolation until", "rollback of 2", "2 held"]);
    assert!(!is_isolated(&lab, "WS-1"));
    lab.run("drift").expect(2, &[]);
    lab.run("history --run last").expect(0, &["rollback"]);
    lab.run("record verify").expect(0, &[]);
    // What put it back is a run like any other.
    lab.run("rollback last --yes --hold 1h").expect(0, &["all 2 changes done"]);
    assert!(is_isolated(&lab, "WS-1"));
    assert_eq!(lab.blocked("WS-2"), [FOREIGN, MD5]);
}

#[test]
fn what_others_had_put_there_comes_back_as_theirs() {
    let unblocking = "{ WS-2: { prevention: { block: [900150983cd24fb0d6963f7d28e17f72], \
                      unblock: [57edf4a22be3c955ac49da2e2107b67a] } } }";
    let lab = Lab::new(FLEET, unblocking);
    lab.run("apply --yes").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [MD5]);
    lab.run("rollback last --yes").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [FOREIGN]);
    lab.run(&format!("why {FOREIGN}")).expect(0, &["WS-2", "not ours: run 2", "put it back for others"]);
    // The files do not name it any more, and applies count again.
    lab.declare("{ WS-2: { prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }");
    lab.run("hold --end WS-2").expect(0, &[]);
    lab.run("apply --yes").expect(0, &["1 change done", "(1 not ours)"]);
    assert_eq!(lab.blocked("WS-2"), [FOREIGN, MD5], "it was there before we declared anything");
    lab.run("record verify").expect(0, &[]);
}

#[test]
fn a_rollback_that_gave_something_back_to_others_is_put_back_too() {
    let lab = Lab::new(
        FLEET,
        "{ WS-2: { prevention: { block: [], unblock: [57edf4a22be3c955ac49da2e2107b67a] } } }",
    );
    lab.run("apply --yes").expect(0, &["1 change done"]);
    lab.run("rollback last --yes").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [FOREIGN]);
    lab.run("rollback last --yes --hold 1h").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [] as [String; 0]);
}

#[test]
fn a_release_is_put_back_for_the_time_that_was_left() {
    let lab = Lab::new(FLEET, "{ WS-1: { isolation: { lease: 8h } } }");
    lab.run("apply --yes").expect(0, &[]);
    lab.declare("{ WS-1: { isolation: off } }");
    lab.run("apply --yes").expect(0, &["1 rule deleted"]);
    lab.run("rollback last --yes").expect(0, &["+ isolate", "1 change done"]);
    let left = lab.simulator.world(|world| world.isolation(sensor("WS-1")).unwrap().timeout_seconds);
    assert!((28_000..=28_800).contains(&left), "{left}");
}

#[test]
fn a_release_of_what_others_set_needs_a_person() {
    let lab = Lab::new("hosts: [{ name: WS-1, isolation: { timeout: 8h } }]", "{ WS-1: { isolation: off } }");
    lab.run("apply --yes").expect(0, &[]);
    lab.run("rollback last --yes").expect(4, &["was released, and when", "kedrctl isolate WS-1 --for TIME"]);
    assert!(!is_isolated(&lab, "WS-1"));
}

#[test]
fn what_others_changed_since_is_left_alone_and_the_rest_is_put_back() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("apply --yes").expect(0, &[]);
    lab.simulator.world(|world| {
        world.set_isolation(sensor("WS-1"), 7_200, Vec::new()).unwrap();
        let hashes = [MD5, FOREIGN, OTHER].map(|md5| FileObject::new(FileHash::parse(md5).unwrap()));
        world.set_prevention(Target::Sensor(sensor("WS-2")), hashes.into()).unwrap();
    });
    lab.run("rollback last --yes").expect(4, &["WS-1", "somebody else set it", "1 change done"]);
    assert!(is_isolated(&lab, "WS-1"));
    let mut rest = [FOREIGN, OTHER];
    rest.sort_unstable();
    assert_eq!(lab.blocked("WS-2"), rest, "what others added since stays");
}

#[test]
fn a_hold_that_came_later_keeps_its_host() {
    let lab = Lab::new(FLEET, HOSTS);
    let run = run_of(&lab.run("apply --yes"));
    by_hand(&lab, "hold WS-1 --aspect isolation").expect(0, &[]);
    lab.run(&format!("rollback {run} --yes"))
        .expect(4, &["is held by", "kedrctl hold --end", "1 change done"]);
    assert!(is_isolated(&lab, "WS-1"));
}

#[test]
fn a_hold_that_comes_while_it_asks_keeps_its_host_and_stays_whose_it_is() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("apply --yes").expect(0, &[]);
    let slow = Fault::on(CallKind::Isolation).method(Method::Get).first(1);
    let late = Some(SignedDuration::from_secs(5));
    lab.simulator.set_faults(vec![Fault { delay_answer: late, ..slow }]);
    let before = lab.simulator.requests().len();
    let rolling = lab.start("rollback last --yes");
    wait_until("it has looked", || lab.simulator.requests().len() >= before + 2);
    by_hand(&lab, "hold WS-1 --aspect isolation").expect(0, &[]);
    let rolled = rolling.end();
    rolled.expect(4, &["1 of 2 changes done", "left alone, nothing sent: held by"]);
    assert!(is_isolated(&lab, "WS-1"), "{rolled:?}");
    assert_eq!(lab.blocked("WS-2"), [FOREIGN]);
    let held = lab.run("hold").stdout;
    let line = held.lines().find(|line| line.contains("WS-1")).unwrap();
    assert!(line.contains(", hold") && !line.contains("rollback"), "{held}");
    // What it writes stands under the lock that it holds.
    let written = std::fs::read_dir(lab.path(".kedrctl/journal")).unwrap().next().unwrap().unwrap().path();
    let segments =
        std::fs::read_dir(written).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let is_rollbacks = |text: &String| text.contains("\"command\":\"rollback");
    let rollback = segments.map(Result::unwrap).find(is_rollbacks).unwrap();
    assert!(!rollback.contains("\"fence\":null"), "{rollback}");
}

#[test]
fn which_run_was_the_last_is_not_guessed_while_one_waits_on_this_machine() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("apply --yes").expect(0, &[]);
    std::fs::rename(lab.path(".kedrctl"), lab.path("away")).unwrap();
    lab.write(".kedrctl", "no folder");
    by_hand(&lab, "isolate WS-3 --for 4h --yes").expect(0, &["is kept at"]);
    std::fs::remove_file(lab.path(".kedrctl")).unwrap();
    std::fs::rename(lab.path("away"), lab.path(".kedrctl")).unwrap();
    let effects = lab.effects().len();
    lab.run("rollback last --yes").expect(1, &["waits to be brought into it"]);
    assert_eq!(lab.effects().len(), effects);
    lab.run("apply --yes").expect(0, &[]);
    lab.run("rollback last --check").expect(0, &["- release", "WS-3"]);
}

#[test]
fn what_was_done_by_hand_is_put_back_too() {
    let lab = Lab::new(FLEET, "{}");
    by_hand(&lab, "isolate WS-3 --for 4h --yes").expect(0, &[]);
    let rolled = lab.run("rollback last --yes");
    rolled.expect(0, &["- release   WS-3", "1 change done"]);
    assert!(!is_isolated(&lab, "WS-3") && !rolled.stdout.contains("the files count again"));
    by_hand(&lab, &format!("block {MD5} --on WS-2 --yes")).expect(0, &[]);
    lab.run("rollback last --yes").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [FOREIGN]);
    by_hand(&lab, &format!("unblock {FOREIGN} --on WS-2 --yes")).expect(0, &[]);
    assert!(lab.blocked("WS-2").is_empty());
    lab.run("rollback last --yes").expect(0, &["1 change done"]);
    assert_eq!(lab.blocked("WS-2"), [FOREIGN]);
}

#[test]
fn a_run_that_was_killed_is_put_back_as_far_as_it_came() {
    let lab = Lab::new(FLEET, "{ WS-1: { isolation: { lease: 8h } }, WS-3: { isolation: { lease: 8h } } }");
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).skip(1);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..slow }]);
    let mut first = lab.start("apply --yes");
    wait_until("both are on their way", || lab.effects().len() == 2);
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None);
    lab.simulator.set_faults(Vec::new());
    lab.run("rollback last --yes").expect(0, &["all 2 changes done"]);
    assert!(!is_isolated(&lab, "WS-1") && !is_isolated(&lab, "WS-3"));
}

#[test]
fn a_run_that_was_killed_before_its_write_arrived_has_nothing_to_put_back() {
    let lab = Lab::new(FLEET, "{ WS-1: { isolation: { lease: 8h } } }");
    let slow = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_hours(1)), ..slow }]);
    let mut first = lab.start("apply --yes");
    let is_put_down = || {
        let journal = std::fs::read_dir(lab.path(".kedrctl/journal")).into_iter().flatten().flatten();
        let segments = journal.flat_map(|chain| std::fs::read_dir(chain.path()).into_iter().flatten());
        // One that is being written has another name.
        segments.flatten().any(|segment| segment.path().extension().is_some_and(|end| end == "jsonl"))
    };
    wait_until("its intention is in the record", is_put_down);
    first.child().kill().unwrap();
    assert_eq!(first.end().code, None);
    lab.simulator.set_faults(Vec::new());
    lab.run("rollback last --yes").expect(0, &["nothing to do"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn the_same_policy_holds() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("apply --yes").expect(0, &[]);
    let state = lab.state(&lab.server(), HOSTS);
    lab.write("state.yaml", &format!("{state}policy: {{ limits: {{ releases: 0 }} }}\n"));
    lab.run("rollback last --yes").expect(3, &["releases=1", "refused; nothing was written"]);
    assert!(is_isolated(&lab, "WS-1"));
    lab.run("rollback last --yes --allow releases=1").expect(0, &["all 2 changes done"]);
    // Another owner's run is theirs.
    lab.write("state.yaml", &format!("{}owner: it\n", lab.state(&lab.server(), HOSTS)));
    by_hand(&lab, "isolate WS-3 --for 4h --yes").expect(0, &[]);
    lab.write("state.yaml", &lab.state(&lab.server(), HOSTS));
    lab.run("rollback last --yes").expect(3, &["by owner `it`", "--take-over lab/WS-3/isolation"]);
    lab.run("rollback last --yes --take-over lab/WS-3/isolation").expect(0, &["1 change done"]);
}

#[test]
fn an_unknown_run_is_answered_with_those_there_are() {
    let lab = Lab::new(FLEET, HOSTS);
    lab.run("rollback last").expect(1, &["has no run that changed something"]);
    let run = run_of(&lab.run("apply --yes"));
    lab.run("rollback 20000101-000000-0000").expect(1, &["no such run", &run, "apply", "kedrctl history"]);
    lab.run("rollback").expect(1, &["RUN"]);
}

#[test]
fn a_run_under_way_is_not_put_back() {
    let lab = Lab::new(FLEET, HOSTS);
    let slow = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..slow }]);
    let _apply = lab.start("apply --yes");
    wait_until("it has written", || !lab.effects().is_empty());
    lab.run("rollback last --yes --lock-timeout 0s").expect(4, &["the lock"]);
    assert_eq!(lab.effects().len(), 1);
    lab.run("rollback last --check").expect(0, &["- release   WS-1"]);
}

#[test]
fn renewals_keep_their_end_and_are_not_the_last_run() {
    let until = |hours| WallClock.now() + SignedDuration::from_hours(hours);
    let lab = Lab::new(FLEET, &format!("{{ WS-1: {{ isolation: {{ until: {} }} }} }}", until(2)));
    let first = run_of(&lab.run("apply --yes"));
    lab.declare(&format!("{{ WS-1: {{ isolation: {{ until: {} }} }} }}", until(20)));
    let renewed = run_of(&lab.run("apply --yes"));
    lab.run(&format!("rollback {renewed} --yes")).expect(0, &["was renewed by that run, and keeps its end"]);
    assert!(is_isolated(&lab, "WS-1"));
    lab.run("rollback last --yes").expect(0, &[&first, "- release   WS-1"]);
    assert!(!is_isolated(&lab, "WS-1"));
}

/// A state that blocks one file on WS-1, or on all hosts.
fn declare_blocked(lab: &Lab, on_all: bool) {
    let hosts = format!("{{ WS-1: {{ prevention: {{ block: [{}] }} }} }}", if on_all { "" } else { MD5 });
    let all = if on_all { MD5 } else { "" };
    let state = lab.state(&lab.server(), &hosts);
    let all_hosts = format!("all_hosts: {{ lab: {{ prevention: {{ block: [{all}] }} }} }}\n");
    let policy = "policy: { limits: { hosts_changed: 100%, hashes_removed: 100% } }\n";
    lab.write("state.yaml", &format!("{state}{all_hosts}{policy}"));
}

fn blocked_on_all(lab: &Lab) -> Vec<String> {
    let rule = lab.simulator.world(|world| world.prevention(Target::All).cloned());
    rule.iter().flat_map(|rule| rule.hashes()).map(FileHash::to_string).collect()
}

/// A run that moved a file from the rule of WS-1 to that for all hosts.
fn moved_to_all() -> (Lab, String) {
    let lab = Lab::new("hosts: [{ name: WS-1 }, { name: WS-3 }]", "{}");
    declare_blocked(&lab, false);
    lab.run("apply --yes").expect(0, &[]);
    declare_blocked(&lab, true);
    let moved = run_of(&lab.run("apply --yes"));
    (lab, moved)
}

#[test]
fn what_moved_between_the_rule_for_all_hosts_and_a_hosts_moves_back() {
    let (lab, _) = moved_to_all();
    assert_eq!((lab.blocked("WS-1"), blocked_on_all(&lab)), (vec![], vec![MD5.to_owned()]));
    lab.run("rollback last --check")
        .expect(0, &["~ block", "all hosts", "WS-1", "1 host goes without 1 hash"]);
    lab.run("rollback last --yes").expect(0, &["all 2 changes done"]);
    assert_eq!((lab.blocked("WS-1"), blocked_on_all(&lab)), (vec![MD5.to_owned()], vec![]));
    // What put it back is a run like any other, and this is the other way round.
    lab.run("rollback last --yes").expect(0, &["all 2 changes done"]);
    assert_eq!((lab.blocked("WS-1"), blocked_on_all(&lab)), (vec![], vec![MD5.to_owned()]));
}

#[test]
fn the_rule_for_all_hosts_stays_where_a_host_can_not_follow() {
    let (lab, moved) = moved_to_all();
    by_hand(&lab, "hold WS-1 --aspect prevention").expect(0, &[]);
    let effects = lab.effects().len();
    lab.run(&format!("rollback {moved} --yes"))
        .expect(4, &["all hosts", "a file moved between it and the rule of WS-1", "nothing to do"]);
    assert_eq!(lab.effects().len(), effects);
}

#[test]
fn the_rule_for_all_hosts_keeps_what_a_host_can_not_get_back_now() {
    let (lab, moved) = moved_to_all();
    let effects = lab.effects().len();
    let broken = Fault::on(CallKind::Prevention).sensor(Target::Sensor(sensor("WS-1")));
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    lab.run(&format!("rollback {moved} --yes"))
        .expect(4, &["all hosts", "a file moved between it and the rule of WS-1", "nothing to do"]);
    assert_eq!(lab.effects().len(), effects);
    // A host that is gone holds up nobody.
    lab.simulator.set_faults(Vec::new());
    lab.simulator.world(|world| world.remove_host(sensor("WS-1")));
    lab.run(&format!("rollback {moved} --yes")).expect(4, &["~ block", "all hosts", "1 change done"]);
    assert!(blocked_on_all(&lab).is_empty());
}

#[test]
fn no_host_gets_back_what_a_held_rule_for_all_hosts_keeps() {
    let (lab, moved) = moved_to_all();
    by_hand(&lab, "hold all@lab").expect(0, &[]);
    let effects = lab.effects().len();
    lab.run(&format!("rollback {moved} --yes"))
        .expect(4, &["all hosts", "is held by", "`kedrctl hold --end --aspect prevention all@lab`"]);
    assert_eq!(lab.effects().len(), effects);
}

#[test]
fn what_moved_stays_where_the_rule_for_all_hosts_can_not_be_read() {
    let (lab, moved) = moved_to_all();
    let effects = lab.effects().len();
    let broken = Fault::on(CallKind::Prevention).sensor(Target::All);
    lab.simulator.set_faults(vec![broken.spoiling(Spoiled::Html)]);
    lab.run(&format!("rollback {moved} --yes")).expect(4, &["all hosts", "it is not put back: "]);
    assert_eq!(lab.effects().len(), effects);
}

#[test]
fn the_rule_for_all_hosts_gets_nothing_back_that_a_host_has_by_now() {
    let lab = Lab::new("hosts: [{ name: WS-1 }, { name: WS-3 }]", "{}");
    declare_blocked(&lab, true);
    lab.run("apply --yes").expect(0, &[]);
    by_hand(&lab, &format!("unblock {MD5} --all --yes")).expect(0, &[]);
    lab.simulator.world(|world| {
        let object = FileObject::new(FileHash::parse(MD5).unwrap());
        world.set_prevention(Target::Sensor(sensor("WS-3")), vec![object]).unwrap();
    });
    lab.run("rollback last --yes").expect(4, &["all hosts", "it is not put back", "WS-3"]);
    assert!(blocked_on_all(&lab).is_empty());
    lab.simulator.world(|world| world.remove_prevention(Target::Sensor(sensor("WS-3"))).unwrap());
    lab.run("rollback last --yes").expect(0, &["1 change done", "applies keep off"]);
    assert_eq!(blocked_on_all(&lab), [MD5]);
}

#[test]
fn a_damaged_record_puts_nothing_back() {
    let lab = Lab::new(FLEET, HOSTS);
    let run = run_of(&lab.run("apply --yes"));
    let chain = std::fs::read_dir(lab.path(".kedrctl/journal")).unwrap().next().unwrap().unwrap().path();
    let segment = std::fs::read_dir(&chain).unwrap().next().unwrap().unwrap().path();
    write(&segment, "{}\n");
    lab.run(&format!("rollback {run} --yes")).expect(1, &[&segment.file_name().unwrap().to_string_lossy()]);
    assert!(is_isolated(&lab, "WS-1"));
}
