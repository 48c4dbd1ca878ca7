//! `isolate`, `release`, `block` and `unblock`: now, for hosts that are named, and applies keep off.

use jiff::SignedDuration;
use kedrctl::model::{Clock, WallClock};
use kedrctl_simulator::world::{FileHash, Target};
use kedrctl_simulator::{CallKind, Fault, Method};

use crate::lab::{Ended, Lab, ended, sensor, wait_until};

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const OTHER: &str = "d174ab98d277d9f5a5611c2c9f419d9f";
const FOREIGN: &str = "57edf4a22be3c955ac49da2e2107b67a";

const FLEET: &str = "hosts:
  - { name: WS-1.corp.example, ip: 10.0.0.1 }
  - { name: WS-2, ip: 10.0.0.2, prevention: [{ md5: 57edf4a22be3c955ac49da2e2107b67a, name: theirs.exe }] }
  - { name: dc1 }
  - { name: eager, contact_every: 1s }
  - { name: twin, last_access: 2h ago, contact_every: never }
  - { name: twin, sensor_id: 11111111-0000-4000-8000-000000000001, last_access: 1h ago, contact_every: never }
";
const POLICY: &str = "policy: { protected: [{ name: 'dc*' }], always_allow: [dns] }
exclusions: { dns: [{ protocol: udp, direction: outbound, remote_ports: 53 }], vpn: [{ protocol: tcp }] }
";

fn lab(hosts: &str) -> Lab {
    let lab = Lab::new(FLEET, hosts);
    lab.write("state.yaml", &format!("{}{POLICY}", lab.state(&lab.server(), hosts)));
    lab
}

/// By ana, for INC-417: the arguments of the others have no blanks.
fn hand(lab: &Lab, arguments: &str) -> Ended {
    let mut command = lab.command(arguments);
    command.args(["--reason", "INC-417: c2"]).env("USER", "ana").env("HOSTNAME", "soc-1");
    ended(command.output().unwrap())
}

fn timeout(lab: &Lab, host: &str) -> Option<u64> {
    lab.simulator.world(|world| world.isolation(sensor(host)).map(|rule| rule.timeout_seconds))
}

fn blocked(lab: &Lab, host: &str) -> Vec<String> {
    let target = Target::Sensor(sensor(host));
    let rule = lab.simulator.world(|world| world.prevention(target).cloned());
    let mut hashes: Vec<String> =
        rule.iter().flat_map(|rule| rule.hashes()).map(FileHash::to_string).collect();
    hashes.sort();
    hashes
}

#[test]
fn a_host_is_isolated_at_once_and_applies_keep_off() {
    let lab = lab("{ WS-1.corp.example: { isolation: off } }");
    let isolated = hand(&lab, "isolate WS-1.corp.example --for 4h --yes");
    isolated.expect(
        0,
        &[
            "+ isolate   WS-1.corp.example",
            "the files declare isolation off (state.yaml:4); applies keep off until 2",
            "1 change done",
            "applies keep off their isolation until 2",
            "`kedrctl hold --end --aspect isolation WS-1.corp.example`",
            "hosts:\n  WS-1.corp.example:  # its entry is at state.yaml:4\n    isolation: { until: 2",
            ", reason: \"INC-417: c2\" }",
        ],
    );
    assert!(isolated.stdout.lines().last().unwrap().starts_with("run 2"), "{}", isolated.stdout);
    let set = timeout(&lab, "WS-1.corp.example").unwrap();
    assert!((14_300..=14_400).contains(&set), "{set}");
    let let_through = lab.simulator.world(|world| {
        world.isolation(sensor("WS-1.corp.example")).unwrap().exclusions.clone().map(|rules| rules.len())
    });
    assert_eq!(let_through, Some(1), "what `always_allow` has");

    lab.simulator.clear_requests();
    lab.run("apply --yes").expect(0, &["1 held"]);
    assert!(lab.effects().is_empty());
    lab.run("drift").expect(2, &["ana@soc-1 holds its isolation until", "INC-417: c2"]);
    lab.run("history").expect(0, &["isolate by ana@soc-1", "+ isolate   WS-1.corp.example"]);
    lab.run("why WS-1.corp.example").expect(0, &["isolated by us", "INC-417: c2", "command line"]);
    lab.run("hold --end WS-1.corp.example").expect(0, &["held no more"]);
    lab.run("apply --yes").expect(0, &["1 rule deleted"]);
    assert_eq!(timeout(&lab, "WS-1.corp.example"), None);
}

#[test]
fn who_is_isolated_already_gets_the_new_end() {
    let lab = lab("{}");
    hand(&lab, "isolate WS-2 --for 8h --yes --hold 12h").expect(0, &["1 change done"]);
    let longer = hand(&lab, "isolate WS-2 --for 3d --yes --exclusions vpn");
    longer.expect(0, &["~ isolate   WS-2", "ana@soc-1 holds it until", "this takes its place", "[vpn]"]);
    assert!(timeout(&lab, "WS-2").unwrap() > 259_000);
    let shorter = hand(&lab, "isolate 10.0.0.2 --for 2h --yes --exclusions vpn");
    shorter.expect(0, &["renew", "ends earlier than what is set now", "1 rule set again"]);
    assert!(timeout(&lab, "WS-2").unwrap() <= 7_200);
    lab.run("plan").expect(0, &[]);
}

#[test]
fn nobody_is_guessed() {
    let lab = lab("{ desk: { identity: { ip: 10.0.0.1 } } }");
    let near = hand(&lab, "isolate ws-1 --for 4h --yes");
    near.expect(1, &["no host is called exactly so", "1  WS-1.corp.example   10.0.0.1", "`--newest`"]);
    hand(&lab, "isolate twin --for 4h --yes").expect(
        1,
        &[
            "several hosts are called so",
            "1  twin",
            "sensor_id 11111111-0000-4000-8000-000000000001",
            "2  twin",
        ],
    );
    hand(&lab, "isolate ws-3 --for 4h --yes")
        .expect(1, &["no server lists such a host", "it may be WS-1.corp.example ("]);
    assert!(lab.effects().is_empty() && !lab.path(".kedrctl").exists());

    let newest = hand(&lab, "isolate twin --newest --for 4h --yes");
    newest.expect(0, &["identity: { sensor_id: 11111111-0000-4000-8000-000000000001 }"]);
    assert_eq!(timeout(&lab, "twin"), None);
    hand(&lab, "isolate twin --all-matching --for 4h --yes").expect(0, &["1 rule set"]);
    assert!(timeout(&lab, "twin").is_some());
    hand(&lab, "isolate desk --for 4h --yes")
        .expect(0, &["+ isolate   desk (WS-1.corp.example)", "\n  desk:  # its entry"]);
}

#[test]
fn a_word_that_means_one_host_by_an_entry_and_another_by_its_name_is_not_guessed() {
    let entry = "{ identity: { sensor_id: 11111111-0000-4000-8000-000000000001 } }";
    let lab = Lab::new(
        "hosts: [{ name: WS-9, sensor_id: 11111111-0000-4000-8000-000000000001 }, { name: WS-1 }]",
        &format!("{{ WS-1: {entry} }}"),
    );
    for command in ["isolate WS-1 --for 4h --yes", "hold WS-1"] {
        hand(&lab, command).expect(
            1,
            &["`WS-1`: several hosts are called so: an entry of the files means WS-9", "sensor id"],
        );
    }
    assert!(lab.effects().is_empty());
    hand(&lab, "isolate 11111111-0000-4000-8000-000000000001 --for 4h --yes").expect(0, &["WS-9"]);
    // An entry for one of two of this name settles which.
    let lab = Lab::new(
        "hosts: [{ name: WS-1, sensor_id: 11111111-0000-4000-8000-000000000001 }, { name: WS-1 }]",
        &format!("{{ WS-1: {entry} }}"),
    );
    hand(&lab, "isolate WS-1 --for 4h --yes").expect(0, &["1 rule set"]);
}

#[test]
fn the_policy_is_that_of_the_files() {
    let lab = lab("{}");
    hand(&lab, "isolate dc1 --for 4h --yes").expect(3, &["policy.protected", "refused; nothing was written"]);
    lab.write(
        "state.yaml",
        &format!(
            "{}policy: {{ limits: {{ isolations: 1 }}, never_block: [good] }}\nhash_lists: {{ good: [{MD5}] }}\n",
            lab.state(&lab.server(), "{}")
        ),
    );
    hand(&lab, "isolate WS-2 dc1 --for 4h --yes").expect(3, &["`--allow isolations=2`"]);
    hand(&lab, &format!("block {MD5} --on WS-2 --yes")).expect(3, &["policy.never_block"]);
    assert!(lab.effects().is_empty() && !lab.path(".kedrctl").exists());
    hand(&lab, "isolate WS-2 dc1 --for 4h --yes --allow isolations=2").expect(0, &["all 2 changes done"]);
    lab.run("history").expect(0, &["--allow isolations=2"]);
}

#[test]
fn without_a_yes_nothing_is_written() {
    let lab = lab("{}");
    let refused = hand(&lab, "isolate WS-2 --for 4h");
    refused.expect(3, &["+ isolate   WS-2", "with `--yes` isolate does not ask; nothing was written"]);
    lab.simulator.world(|world| world.set_isolation(sensor("WS-2"), 36_000, Vec::new())).unwrap();
    hand(&lab, "release WS-* --yes").expect(3, &["nobody named WS-1.corp.example, WS-2", "without `--yes`"]);
    hand(&lab, "release ws-2 --all-matching --yes").expect(3, &["nobody named WS-2"]);
    assert!(timeout(&lab, "WS-2").is_some() && !lab.path(".kedrctl").exists());
}

#[test]
fn a_declared_host_is_released_and_stays_free_for_a_day() {
    let lab = lab("{ WS-1.corp.example: { isolation: { lease: 24h } } }");
    lab.run("apply --yes").expect(0, &[]);
    let released = hand(&lab, "release WS-1.corp.example --yes");
    released.expect(
        0,
        &[
            "the files declare an isolation lease of 1 d (state.yaml:4)",
            "1 rule deleted",
            "    isolation: off",
        ],
    );
    assert_eq!(timeout(&lab, "WS-1.corp.example"), None);
    lab.run("apply --yes").expect(0, &["1 held"]);
    lab.run("drift").expect(2, &["is declared isolated, and no rule is in force"]);
    lab.run("why WS-1.corp.example").expect(0, &["INC-417: c2"]);
    // Nothing to delete, and the hold is renewed all the same.
    hand(&lab, "release WS-1.corp.example --hold 3d --yes").expect(0, &["nothing was written", "run 2"]);
}

#[test]
fn hashes_come_and_go_and_those_of_others_and_of_the_files_stay() {
    let lab = lab(&format!("{{ WS-2: {{ prevention: {{ block: [{OTHER}] }} }} }}"));
    lab.run("apply --yes").expect(0, &[]);
    let blocking = hand(&lab, &format!("block {MD5} --on WS-2 --yes"));
    blocking
        .expect(0, &["~ block     WS-2", "+1", "2 kept", &format!("prevention: {{ block: [\"{MD5}\"] }}")]);
    assert_eq!(blocked(&lab, "WS-2"), [FOREIGN, MD5, OTHER]);
    lab.run("apply --yes").expect(0, &["1 held"]);
    hand(&lab, &format!("unblock {MD5} {FOREIGN} --on WS-2 --yes")).expect(0, &["−2", "1 kept"]);
    assert_eq!(blocked(&lab, "WS-2"), [OTHER]);
    hand(&lab, &format!("block {MD5} --on all@lab --yes")).expect(1, &["no server lists such a host"]);
}

#[test]
fn without_the_record_only_containment_goes_ahead() {
    let lab = lab("{ WS-1.corp.example: { isolation: off } }");
    lab.write(".kedrctl", "no folder");
    hand(&lab, "release WS-1.corp.example --yes").expect(5, &["server `lab`"]);
    hand(&lab, &format!("block {MD5} --on WS-2 --yes")).expect(5, &["server `lab`"]);
    assert!(lab.effects().is_empty());
    let isolated = hand(&lab, "isolate WS-1.corp.example --for 4h --yes");
    isolated.expect(0, &["recorded on this machine only", "1 change done", "is kept at", "run 2"]);
    assert!(timeout(&lab, "WS-1.corp.example").is_some());
    std::fs::remove_file(lab.path(".kedrctl")).unwrap();
    lab.run("apply --yes").expect(0, &["1 held"]);
    lab.run("history").expect(0, &["isolate by ana@soc-1"]);
    assert!(timeout(&lab, "WS-1.corp.example").is_some());
}

#[test]
fn what_was_kept_is_brought_in_however_the_folder_is_spelled() {
    let lab = lab("{ WS-1.corp.example: { isolation: off } }");
    std::fs::create_dir(lab.path("sub")).unwrap();
    lab.write(".kedrctl", "no folder");
    hand(&lab, "isolate WS-1.corp.example --for 4h --yes -f sub/..").expect(0, &["is kept at"]);
    std::fs::remove_file(lab.path(".kedrctl")).unwrap();
    lab.run("apply --yes").expect(0, &["1 held"]);
    assert!(timeout(&lab, "WS-1.corp.example").is_some());
}

#[test]
fn an_apply_under_way_is_not_waited_for() {
    let lab = lab("{ WS-2: { isolation: { lease: 8h } } }");
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).sensor(Target::Sensor(sensor("WS-2")));
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..slow }]);
    let _apply = lab.start("apply --yes");
    wait_until("apply has written", || !lab.effects().is_empty());
    lab.run("apply --yes --lock-timeout 0s").expect(4, &["lock"]);
    hand(&lab, "isolate WS-1.corp.example --for 4h --yes").expect(0, &["1 change done"]);
    assert!(timeout(&lab, "WS-1.corp.example").is_some());
}

#[test]
fn an_agent_that_was_not_seen_is_told() {
    let lab = lab("{}");
    hand(&lab, "isolate WS-2 --for 4h --yes --wait-contact 0s")
        .expect(4, &["0 of 1 in contact", "not yet WS-2"]);
    hand(&lab, "isolate eager --for 4h --yes --wait-contact")
        .expect(0, &["1 of 1 in contact since then", "run 2"]);
}

/// A server whose clock is ahead says of an agent that called before the write that it called after it.
#[test]
fn who_was_there_since_is_told_by_our_clock() {
    let called = WallClock.now() + SignedDuration::from_secs(60);
    let fleet = format!("hosts: [{{ name: WS-1, contact_every: never, last_access: '{called:.0}' }}]");
    let lab = Lab::new(&fleet, "{}");
    let ahead = Some(SignedDuration::from_secs(90));
    lab.simulator.set_faults(vec![Fault { clock_skew: ahead, ..Fault::default() }]);
    hand(&lab, "isolate WS-1 --for 4h --yes --wait-contact 0s")
        .expect(4, &["1 waiting for contact", "0 of 1 in contact since then; not yet WS-1"]);
    lab.run("show WS-1").expect(0, &["not in contact since"]);
}

#[test]
fn another_owner_stops_a_release_and_no_isolation() {
    let lab = Lab::new(FLEET, "{}");
    let state = |owner: &str, hosts: &str| {
        format!("{}owner: {owner}\nrecord: shared\n", lab.state(&lab.server(), hosts))
    };
    lab.write("soc.yaml", &state("soc", "{ WS-2: { isolation: { lease: 24h } } }"));
    lab.write("it.yaml", &state("it", "{}"));
    lab.run("apply --yes -f soc.yaml").expect(0, &[]);
    hand(&lab, "release WS-2 --yes -f it.yaml")
        .expect(3, &["by owner `soc`", "`--take-over lab/WS-2/isolation`"]);
    hand(&lab, "isolate WS-2 --for 2h --yes -f it.yaml")
        .expect(0, &["owner `soc` wrote it last", "1 rule set"]);
    hand(&lab, "release WS-2 --yes -f soc.yaml --take-over lab/WS-2/isolation")
        .expect(0, &["1 rule deleted"]);
}

#[test]
fn of_two_servers_that_list_a_host_one_is_named() {
    let lab = lab("{}");
    lab.write("a.yaml", "hosts: [{ name: WS-1 }]");
    lab.write("b.yaml", "hosts: [{ name: WS-1 }, { name: other }]");
    lab.write("state.yaml", "version: 1\nservers: { a: { simulator: a.yaml }, b: { simulator: b.yaml } }\n");
    let both = "`WS-1`: `a` and `b` list a host of this name; say which one with `--server`";
    hand(&lab, "isolate WS-1 --for 4h --yes").expect(1, &[both]);
    hand(&lab, "isolate WS-1 --for 4h --yes --server b")
        .expect(0, &["1 rule set", "\n  WS-1:\n    server: b\n    isolation: {"]);
    hand(&lab, "isolate other --for 4h --yes").expect(0, &["b  simulator b.yaml", "1 rule set"]);
}

#[test]
fn a_host_list_that_is_short_or_goes_on_serves_containment_only() {
    let lab = lab("{}");
    let body = format!(
        r#"{{"sensors":[{{"sensorId":"{}","host":"WS-2","hostIp":"10.0.0.2"}}],"continuation_token":"next"}}"#,
        sensor("WS-2")
    );
    lab.run("apply --yes").expect(0, &[]);
    let partly = Fault::on(CallKind::Sensors);
    lab.simulator.set_faults(vec![Fault { status: Some(200), body: Some(body), ..partly }]);
    hand(&lab, "release WS-2 --yes").expect(4, &["nothing was written"]);
    hand(&lab, "isolate WS-1.corp.example --for 4h --yes").expect(1, &["no server lists such a host"]);
    hand(&lab, "isolate WS-2 --for 4h --yes").expect(0, &["says that its host list goes on", "1 rule set"]);
    assert!(timeout(&lab, "WS-2").is_some());
}

#[test]
fn a_refused_write_leaves_no_hold() {
    let lab = lab("{}");
    let refusing = Fault::on(CallKind::Isolation).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { status: Some(400), ..refusing }]);
    let refused = hand(&lab, "isolate WS-2 --for 4h --yes");
    refused.expect(4, &["refused by the server", "run isolate again"]);
    assert!(!refused.stdout.contains("applies keep off"), "{}", refused.stdout);
    lab.run("hold").expect(0, &["nothing is held"]);
    // One that was there before is there again, with its own end and words.
    hand(&lab, "hold WS-2 --aspect isolation --for 72h").expect(0, &[]);
    let before = lab.run("hold").stdout;
    let held = |text: &str| {
        let line = text.lines().find(|line| line.contains("WS-2"));
        // The run that put it down is another one.
        let (line, _run) =
            line.and_then(|line| line.rsplit_once("   run ")).unwrap_or_else(|| panic!("{text}"));
        line.to_owned()
    };
    assert!(held(&before).contains(", hold"), "{before}");
    hand(&lab, "isolate WS-2 --for 4h --yes").expect(4, &["refused by the server"]);
    assert_eq!(held(&lab.run("hold").stdout), held(&before));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let lab = lab("{}");
    for (arguments, text) in [
        ("isolate WS-2", "--for"),
        ("isolate --for 4h", "<HOST>"),
        ("isolate WS-2 --for 30m", "1h to 9999h"),
        ("isolate WS-2 --for 4", "is no time"),
        ("isolate WS-2 --until 2020-01-01T00:00:00Z", "has passed already"),
        ("isolate WS-2 --until 2099-01-01T00:00:00Z", "at most 9999 h"),
        ("isolate WS-2 --for 4h --exclusions dsn", "the files name dns, vpn"),
        ("isolate WS-2 --for 4h --take-over x", "--take-over"),
        ("isolate WS-2 --for 4h --newest --all-matching", "cannot be used with"),
        ("release WS-2 --for 4h", "--for"),
        ("block 12 --on WS-2", "no length of a hash"),
        ("block d41d8cd98f00b204e9800998ecf8427e --on WS-2", "the empty file"),
        ("block 900150983cd24fb0d6963f7d28e17f72", "--on"),
        ("unblock --on WS-2", "<HASH>"),
        ("release WS-2 --server hq", "no server has this name"),
    ] {
        hand(&lab, arguments).expect(1, &[text]);
    }
    lab.run("release WS-2").expect(1, &["--reason"]);
    let mut blank = lab.command("release WS-2 --reason");
    ended(blank.arg(" ").output().unwrap()).expect(1, &["say why"]);
    assert!(lab.simulator.requests().is_empty());
}

const FOR_ALL: &str = "all_hosts: { lab: { prevention: { block: [d174ab98d277d9f5a5611c2c9f419d9f] } } }\n";

fn blocked_for_all(lab: &Lab) -> Vec<String> {
    let rule = lab.simulator.world(|world| world.prevention(Target::All).cloned());
    let mut hashes: Vec<String> =
        rule.iter().flat_map(|rule| rule.hashes()).map(FileHash::to_string).collect();
    hashes.sort();
    hashes
}

#[test]
fn a_file_is_blocked_on_all_hosts_and_applies_keep_off_that_rule() {
    let lab = lab("{}");
    let state = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
    lab.write("state.yaml", &format!("{state}{FOR_ALL}"));
    lab.run("apply --yes").expect(0, &["1 rule changed"]);
    let blocked = hand(&lab, &format!("block {MD5} --all --yes"));
    blocked.expect(
        0,
        &[
            "~ block     all hosts   +1, 1 kept",
            "lab/all_hosts/prevention: the files declare prevention (state.yaml:",
            "applies keep off their prevention until 2",
            "`kedrctl hold --end --aspect prevention all@lab`",
            "all_hosts:\n  lab:  # its entry is at state.yaml:",
            "    prevention: { block: [",
        ],
    );
    assert_eq!(blocked_for_all(&lab), [MD5, OTHER]);
    lab.run("plan").expect(0, &["ana@soc-1 holds its prevention until 2"]);
    lab.run("why all@lab").expect(0, &["INC-417: c2"]);
    hand(&lab, &format!("unblock {OTHER} --all --yes")).expect(0, &["−1, 1 kept", "this takes its place"]);
    assert_eq!(blocked_for_all(&lab), [MD5]);
    lab.run("hold --end all@lab").expect(0, &["held no more"]);
    lab.run("apply --yes").expect(0, &["+1 −1"]);
    assert_eq!(blocked_for_all(&lab), [OTHER]);
}

#[test]
fn by_hand_nobodys_own_rule_is_touched_for_the_one_for_all() {
    let lab = lab(&format!("{{ WS-2: {{ prevention: {{ block: ['{FOREIGN}'] }} }} }}"));
    let refused = hand(&lab, &format!("block {FOREIGN} {MD5} --all --yes"));
    let command = format!("`kedrctl unblock {FOREIGN} --on WS-2 --reason …`");
    let move_it = "this command leaves its rule as it is, so the rule for all hosts stays as it is; to move it \
                   write it under `all_hosts` in the files, and `kedrctl apply`; to take it out, where no file \
                   declares it:";
    refused.expect(4, &["! WS-2", "holds a hash that the rule for all hosts is to gain", move_it, &command]);
    assert!(lab.effects().is_empty() && blocked_for_all(&lab).is_empty());
    lab.run("hold").expect(0, &["nothing is held"]);

    for (arguments, why) in [
        (format!("block {MD5} --yes"), "--on <HOST>...|--all"),
        (format!("block {MD5} --all --on WS-2 --yes"), "cannot be used with"),
        (format!("block {MD5} --all --wait-contact --yes"), "cannot be used with"),
    ] {
        hand(&lab, &arguments).expect(1, &[why]);
    }
    let state = lab.state(&lab.server(), "{}");
    let other = lab.server().replace(lab.simulator.url().as_str(), "https://127.0.0.1:1");
    lab.write("state.yaml", &state.replace("\nhosts:", &format!("\n  other: {other}\nhosts:")));
    hand(&lab, &format!("block {MD5} --all --yes")).expect(1, &["`lab`, `other`: say which with `--server`"]);
    hand(&lab, &format!("block {MD5} --all --yes --server lab")).expect(0, &["1 change done"]);
    assert_eq!(blocked_for_all(&lab), [MD5]);
}
