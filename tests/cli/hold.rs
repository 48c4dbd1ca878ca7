//! `hold`: applies keep off, by the record alone.

use crate::lab::{Lab, sensor};

const FLEET: &str = "hosts: [{ name: WS-1.corp.example }, { name: WS-2 }, { name: twin }, { name: twin, sensor_id: 11111111-0000-4000-8000-000000000001 }]";
const HOSTS: &str = "{ WS-1.corp.example: { isolation: { lease: 24h } }, desk: { identity: { name: WS-2 }, isolation: off } }";

fn lab() -> Lab {
    Lab::new(FLEET, HOSTS)
}

/// `--reason` takes several words: the arguments of the others have none.
fn hold(lab: &Lab, arguments: &str) -> crate::lab::Ended {
    let mut command = lab.command(&format!("hold {arguments}"));
    command.args(["--reason", "INC-417: imaging"]).env("USER", "ana").env("HOSTNAME", "soc-1");
    crate::lab::ended(command.output().expect("the program starts"))
}

#[test]
fn an_apply_leaves_alone_what_is_held_until_the_hold_is_ended() {
    let lab = lab();
    let held = hold(&lab, "WS-1.corp.example --for 2h --aspect isolation");
    held.expect(0, &["lab/WS-1.corp.example/isolation   held until 2", "run 2"]);
    held.expect(0, &["`kedrctl hold --end --aspect isolation WS-1.corp.example`"]);
    assert!(
        lab.simulator
            .requests()
            .iter()
            .all(|request| request.method == "GET" && request.path.contains("sensors"))
    );
    lab.run("plan --detailed-exitcode")
        .expect(2, &["ana@soc-1 holds its isolation until", "INC-417: imaging", "1 held"]);
    lab.run("apply --yes").expect(0, &["1 held"]);
    assert!(lab.effects().is_empty());
    lab.run("drift").expect(2, &["1 held"]);
    lab.run("hold").expect(
        0,
        &["1 hold in force", "WS-1.corp.example   isolation", "by ana@soc-1, hold", "INC-417: imaging"],
    );
    lab.run("history").expect(0, &["hold by ana@soc-1", "· hold", "WS-1.corp.example isolation"]);
    lab.run("why WS-1.corp.example").expect(0, &["held by ana@soc-1 until"]);
    lab.run("hold --end WS-1.corp.example")
        .expect(0, &["isolation   held no more", "prevention   nothing holds it"]);
    lab.run("hold").expect(0, &["nothing is held"]);
    lab.run("hold --end WS-1.corp.example").expect(0, &["nothing holds it"]);
    lab.run("apply --yes").expect(0, &["1 change done"]);
}

#[test]
fn a_host_is_named_as_strictly_as_in_a_file() {
    let lab = lab();
    hold(&lab, "desk").expect(0, &["lab/WS-2/isolation   held", "lab/WS-2/prevention   held", "--end desk"]);
    hold(&lab, &sensor("WS-1.corp.example").to_string())
        .expect(0, &["lab/WS-1.corp.example/isolation   held"]);
    hold(&lab, "all@lab").expect(0, &["lab/all/prevention   held"]);
    lab.run("hold").expect(0, &["5 holds in force", "all hosts"]);
    for (host, texts) in [
        ("ws-1", &["no entry and no host's exact name", "WS-1.corp.example (", "sensor_id"][..]),
        ("nobody", &["no server lists such a host", "kedrctl hosts"]),
        ("twin", &["it could be twin (", "11111111-0000-4000-8000-000000000001"]),
        ("WS-*", &["it is a pattern for", "name them"]),
        ("WS-2 desk", &["`desk` is named twice"]),
        ("all@lab --aspect isolation", &["no isolation of all hosts"]),
    ] {
        hold(&lab, host).expect(1, texts);
    }
    lab.run("hold").expect(0, &["5 holds in force"]);
    hold(&lab, "WS-2 --aspect tasks").expect(0, &["lab/WS-2/tasks   held"]);
    lab.run("why WS-2").expect(0, &["WS-2 tasks", "none was ever created by us", "held by ana@soc-1 until"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let lab = lab();
    for (arguments, text) in [
        ("hold WS-2", "say why with `--reason TEXT`"),
        ("hold WS-2 --for 24 --reason x", "is no time"),
        ("hold WS-2 --for 0h --reason x", "holds nothing"),
        ("hold WS-2 --until 2020-01-01T00:00:00Z --reason x", "has passed already"),
        ("hold WS-2 --until tomorrow --reason x", "--until"),
        ("hold WS-2 --for 1h --until 2099-01-01T00:00:00Z --reason x", "cannot be used with"),
        ("hold --end", "name the hosts"),
        ("hold --for 1h", "name the hosts"),
        ("hold WS-2 --end --reason x", "cannot be used with"),
        ("hold WS-2 --server hq --reason x", "no server has this name"),
    ] {
        lab.run(arguments).expect(1, &[text]);
    }
    assert!(lab.simulator.requests().is_empty());
    assert!(!lab.path(".kedrctl").exists());
}

#[test]
fn a_hold_can_be_ended_while_the_server_is_gone() {
    let lab = lab();
    hold(&lab, "WS-2 --for 2h").expect(0, &[]);
    hold(&lab, "WS-2 --for 3h").expect(0, &["(was held by ana@soc-1 until", "INC-417: imaging)"]);
    let gone = lab.server_with(&"ab".repeat(32), "client.crt", "client.key");
    lab.write("state.yaml", &lab.state(&gone, HOSTS));
    lab.simulator.clear_requests();
    hold(&lab, "WS-1.corp.example").expect(5, &["server `lab`", "nothing was written"]);
    lab.run("hold").expect(0, &["2 holds in force", "WS-2"]);
    lab.run("hold --end WS-2").expect(0, &["held no more"]);
    lab.run("hold").expect(0, &["nothing is held"]);
    assert!(lab.simulator.requests().is_empty());
}
