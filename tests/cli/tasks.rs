//! Programs on hosts: `run`, `tasks`, `tasks delete`, and what waits for them.

use jiff::{SignedDuration, Timestamp};
use kedrctl_simulator::world::Task;
use kedrctl_simulator::{CallKind, Clock, Fault, Method};

use crate::lab::{Ended, Lab, ended, sensor, wait_until};

const FLEET: &str = "hosts:
  - { name: WS-1.corp.example, ip: 10.0.0.1 }
  - { name: WS-2, ip: 10.0.0.2 }
  - { name: silent, last_access: 9h ago, contact_every: never }
";
const ALLOWED: &str = "policy: { tasks: true, limits: { hosts_changed: 2 } }\n";
const COLLECT: &str = "tasks:
  collect: { hosts: [WS-1.corp.example], run: { command: 'C:\\x.exe', arguments: /q }, not_after: 2100-01-01T00:00:00Z }
";

#[expect(clippy::disallowed_methods, reason = "the program under test reads the clock of this machine")]
fn clock() -> Clock {
    Clock::manual(Timestamp::now())
}

fn lab(more: &str) -> Lab {
    let lab = Lab::on(clock(), FLEET, "{}");
    lab.write("state.yaml", &format!("{}{more}", lab.state(&lab.server(), "{}")));
    lab
}

/// `run` by ana, for INC-417, of a program with an argument that has a blank.
fn run(lab: &Lab, arguments: &str) -> Ended {
    let mut command = lab.command(&format!("run {arguments}"));
    command.args(["--reason", "INC-417: c2", "--", r"C:\Tools\collect.exe", "/c", "a b"]);
    command.env("USER", "ana").env("HOSTNAME", "soc-1");
    ended(command.output().unwrap())
}

fn tasks(lab: &Lab) -> Vec<Task> {
    lab.simulator.world(|world| world.tasks())
}

/// The hosts that are on take what there is, and then tell that it is over.
fn carried_out(lab: &Lab) {
    contact(lab);
    lab.simulator.clock().advance(SignedDuration::from_secs(31));
    contact(lab);
}

fn contact(lab: &Lab) {
    for host in ["WS-1.corp.example", "WS-2"] {
        lab.simulator.world(|world| world.contact(sensor(host))).unwrap();
    }
}

#[test]
fn a_program_is_run_at_once_and_the_record_knows_it() {
    let lab = lab(ALLOWED);
    let ran = run(&lab, r"WS-1.corp.example 10.0.0.2 --working-directory C:\Tools --yes");
    ran.expect(
        0,
        &[
            "▶ run       WS-1.corp.example",
            r#"C:\Tools\collect.exe /c "a b"  (in C:\Tools)   INC-417: c2"#,
            "2 programs to run",
            "2 tasks created",
        ],
    );
    assert!(ran.stdout.lines().last().unwrap().starts_with("run 2"), "{}", ran.stdout);
    let made = tasks(&lab);
    assert_eq!(made.len(), 2);
    for task in &made {
        assert_eq!(task.command, r"C:\Tools\collect.exe");
        assert_eq!(task.arguments.as_deref(), Some(r#"/c "a b""#));
        assert_eq!(task.working_directory.as_deref(), Some(r"C:\Tools"));
        assert_eq!(task.id.get_version_num(), 4);
    }
    lab.run("tasks").expect(
        0,
        &[
            "2 tasks",
            "by hand",
            "waiting, no start known",
            r#"collect.exe /c "a b""#,
            "by ana@soc-1",
            "INC-417: c2",
        ],
    );
    carried_out(&lab);
    let first = made.iter().find(|task| task.sensor == sensor("WS-2")).unwrap().id;
    let listed = lab.run(&format!("tasks {first} --format json"));
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["tasks"].as_array().unwrap().len(), 1);
    let task = &listed["tasks"][0];
    assert_eq!(
        (&task["host"], &task["state"], &task["standing"]),
        (&"WS-2".into(), &"done".into(), &"listed".into())
    );
    assert!(task["name"].is_null() && task["started_at"].is_string(), "{task}");
    lab.run("history").expect(0, &["run by ana@soc-1", "▶ start task   WS-2", "command line"]);
    lab.run("why WS-2").expect(0, &["created once", "INC-417: c2"]);
    // Nobody declared it: no plan speaks of it.
    let plan = lab.run("plan");
    assert!(!plan.stdout.contains("left behind"), "{}", plan.stdout);
    // Another run is another start.
    run(&lab, "WS-2 --yes").expect(0, &["1 task created"]);
    assert_eq!(tasks(&lab).len(), 3);
}

#[test]
fn what_the_files_do_not_allow_is_not_run() {
    let lab = lab("");
    run(&lab, "WS-2 --yes")
        .expect(3, &["no file has `policy: { tasks: true }`", "refused; nothing was written"]);
    let lab = self::lab(ALLOWED);
    let refused = run(&lab, "WS-1.corp.example WS-2 silent --yes");
    refused.expect(3, &["3 hosts would be changed", "--allow hosts_changed=3"]);
    run(&lab, "WS-2").expect(3, &["there is no terminal to ask at"]);
    run(&lab, "WS-9 --yes").expect(1, &["no server lists such a host"]);
    run(&lab, "WS-2 --yes --arguments x").expect(1, &["not both"]);
    run(&lab, "WS-2 --yes --timeout 5m").expect(1, &["--wait"]);
    assert!(tasks(&lab).is_empty() && lab.effects().is_empty());
}

#[test]
fn arguments_can_be_given_as_they_are_sent() {
    let lab = lab(ALLOWED);
    let mut command = lab.command("run WS-2 --yes --reason x");
    command.args(["--arguments", "/c \"a  b\" > c", "--", "cmd.exe"]);
    ended(command.output().unwrap()).expect(0, &["cmd.exe /c \"a  b\" > c"]);
    assert_eq!(tasks(&lab)[0].arguments.as_deref(), Some("/c \"a  b\" > c"));
}

#[test]
fn no_argument_drives_the_terminal() {
    let lab = lab(ALLOWED);
    let mut command = lab.command("run WS-2 --yes --reason x");
    command.args(["--", "cmd.exe", "\u{1b}[2J\u{202e}\nforged"]);
    let ran = ended(command.output().unwrap());
    ran.expect(0, &[r"\u{1b}[2J\u{202e}\u{a}forged"]);
    let listed = lab.run("tasks");
    listed.expect(0, &[r"\u{1b}[2J\u{202e}\u{a}forged"]);
    for text in [&ran.stdout, &listed.stdout] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\nforged"));
    }
}

#[test]
fn a_program_is_waited_for() {
    let lab = lab(ALLOWED);
    let waiting = |whom: &str| {
        let mut command = lab.command(&format!("run {whom} --yes --reason x --wait --timeout 40s"));
        command.args(["--", "x.exe"]);
        crate::lab::Running::start(command)
    };
    let running = waiting("WS-1.corp.example WS-2");
    wait_until("both are there", || tasks(&lab).len() == 2);
    carried_out(&lab);
    running.end().expect(0, &["2 of 2 over by the servers' words, 0 deferred"]);
    // Whom nobody has seen for hours nobody waits for.
    waiting("silent")
        .end()
        .expect(0, &["note: it was not in contact", "0 of 1 over", "silent", "deferred (silent)"]);
    let mut late = lab.command("run WS-2 --yes --reason x --wait --timeout 1s");
    late.args(["--", "x.exe"]);
    // Its host has not taken it.
    ended(late.output().unwrap()).expect(0, &["deferred (waiting)"]);
    contact(&lab);
    let declared = format!("{}{ALLOWED}{COLLECT}", lab.state(&lab.server(), "{}"));
    lab.write("state.yaml", &declared);
    lab.run("apply --yes").expect(0, &["1 task created"]);
    contact(&lab);
    lab.run("apply --yes --wait --timeout 1s")
        .expect(4, &["not over in time: the server says `in_progress`"]);
    lab.simulator.clock().advance(SignedDuration::from_secs(31));
    contact(&lab);
    lab.run("apply --yes --wait").expect(0, &["nothing to do", "1 of 1 over by the servers' words"]);
    lab.run("apply --check --wait").expect(1, &["cannot be used with"]);
    lab.run("apply --renew-only --wait").expect(1, &["starts no program"]);
}

#[test]
fn tasks_are_deleted_where_they_were_created() {
    let lab = lab(ALLOWED);
    run(&lab, "WS-1.corp.example WS-2 --yes").expect(0, &["2 tasks created"]);
    let ids: Vec<String> = tasks(&lab).iter().map(|task| task.id.to_string()).collect();
    let other = Lab::on(clock(), FLEET, "{}");
    lab.write("other.crt", &other.simulator.credentials().certificate_pem);
    lab.write("other.key", &other.simulator.credentials().key_pem);
    let second = other.server_with(&other.simulator.certificate_sha256(), "other.crt", "other.key");
    let state = lab.state(&format!("{}\n  second: {second}", lab.server()), "{}");
    lab.write("state.yaml", &format!("{state}{ALLOWED}"));
    lab.run(&format!("tasks delete {} --server second --reason x --yes", ids[0])).expect(
        1,
        &["was created on server `lab`, and can be managed only on the Central Node where it was created"],
    );
    lab.run("tasks delete 11111111-0000-4000-8000-000000000001 --reason x --yes")
        .expect(1, &["knows none of this id"]);
    lab.run(&format!("tasks delete {} --reason x", ids[0])).expect(3, &["there is no terminal to ask at"]);
    assert_eq!(tasks(&lab).len(), 2);
    lab.run(&format!("tasks delete {} --reason x --yes", ids[0])).expect(
        0,
        &["- delete", "collect.exe", "deleting it ends nothing that has started", "1 task deleted"],
    );
    let left: Vec<String> = tasks(&lab).iter().map(|task| task.id.to_string()).collect();
    assert_eq!(left, [ids[1].clone()]);
    lab.run("tasks").expect(0, &["deleted"]);
    lab.run(&format!("tasks delete {} --reason x --yes", ids[0]))
        .expect(0, &["nothing was written: the servers do not have these tasks any more"]);
    // A host that is listed no more keeps no task of it from being deleted.
    let gone = tasks(&lab)[0].sensor;
    lab.simulator.world(|world| world.remove_host(gone));
    lab.run("tasks").expect(0, &["gone: the server does not have it"]);
}

#[test]
fn a_lost_answer_starts_nothing_twice_by_hand_either() {
    let lab = lab(ALLOWED);
    let fault = Fault::on(CallKind::Tasks).method(Method::Post);
    lab.simulator.set_faults(vec![Fault {
        drop: Some(kedrctl_simulator::Drop::After),
        first: Some(1),
        ..fault
    }]);
    run(&lab, "WS-2 --yes").expect(0, &["1 task created"]);
    assert_eq!((tasks(&lab).len(), lab.effects().len()), (1, 1));
    // Where it cannot be told whether it was started, nobody is told to start it again unseen.
    let fault = Fault::on(CallKind::Tasks).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { status: Some(503), ..fault }]);
    let unknown = run(&lab, "WS-2 --yes");
    unknown.expect(4, &["look with `kedrctl tasks ", "only where it is not there"]);
    assert!(!unknown.stdout.contains("continues with what is left"), "{}", unknown.stdout);
}

#[test]
fn no_server_that_hangs_is_waited_for_longer_than_was_said() {
    let lab = lab(&format!("{ALLOWED}{COLLECT}"));
    lab.run("apply --yes --wait --timeout 0s").expect(1, &["waits for nothing"]);
    assert!(lab.effects().is_empty());
    lab.run("apply --yes").expect(0, &["1 task created"]);
    // The plan reads it, and then nobody does.
    let hangs = Fault::on(CallKind::Tasks).method(Method::Get).skip(1);
    lab.simulator.set_faults(vec![Fault { delay_answer: Some(SignedDuration::from_hours(1)), ..hangs }]);
    lab.run("apply --yes --wait --timeout 1s").expect(4, &["there was no answer in time"]);
    assert!(lab.simulator.requests().iter().filter(|request| request.path.contains("/task")).count() < 8);
}

/// One declared task, applied on two machines at the same time.
fn applied_twice(records: [&str; 2]) -> Lab {
    let lab = lab("");
    let state = format!("{}{ALLOWED}{COLLECT}", lab.state(&lab.server(), "{}"));
    for (n, record) in records.iter().enumerate() {
        lab.write(&format!("{n}.yaml"), &format!("{state}{record}"));
    }
    // Both have looked before either has written.
    let fault = Fault::on(CallKind::Tasks).method(Method::Post);
    lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_millis(700)), ..fault }]);
    let machines = [0, 1].map(|n| lab.start(&format!("apply --yes -f {n}.yaml")));
    for machine in machines {
        machine.end().expect(0, &[]);
    }
    lab
}

#[test]
fn two_applies_at_once_start_a_declared_program_once() {
    let one = ["record: one\n", "record: one\n"];
    let two = ["record: one\n", "record: two\n"];
    for records in [one, two] {
        let lab = applied_twice(records);
        assert_eq!(tasks(&lab).len(), 1);
        let started = lab.effects().into_iter().filter(|request| request.method == "POST").count();
        assert_eq!(started, 1, "{records:?}");
        contact(&lab);
        assert_eq!(lab.simulator.effective(sensor("WS-1.corp.example")).started.len(), 1);
        // Whoever was second knows it as well, and starts it no more when it is gone.
        let id = tasks(&lab)[0].id;
        lab.simulator.world(|world| world.delete_task(id)).unwrap();
        for n in 0..2 {
            lab.run(&format!("apply --yes -f {n}.yaml")).expect(0, &["is gone", "1 left alone"]);
        }
        assert!(tasks(&lab).is_empty());
        // Without any record it cannot be known; the same id is what keeps it at one at a time.
        for record in ["one", "two"] {
            drop(std::fs::remove_dir_all(lab.path(record)));
        }
        lab.run("apply --yes -f 0.yaml").expect(0, &["1 task created"]);
        drop(std::fs::remove_dir_all(lab.path("one")));
        lab.run("apply --yes -f 1.yaml").expect(0, &["nothing to do"]);
        assert_eq!(tasks(&lab).len(), 1);
    }
}

/// A run with these arguments, killed when the record has what it will do and the server has not done it.
fn killed_at(lab: &Lab, method: Method, arguments: &str) {
    let slow = Fault::on(CallKind::Tasks).method(method);
    lab.simulator.set_faults(vec![Fault { delay: Some(SignedDuration::from_hours(1)), ..slow }]);
    let mut running = lab.start(arguments);
    wait_until("it is put down", || lab.run("history").stdout.contains("not known whether done"));
    running.child().kill().unwrap();
    running.end();
    lab.simulator.set_faults(Vec::new());
}

#[test]
fn what_a_killed_run_may_have_created_or_deleted_is_not_called_gone() {
    let lab = lab(&format!("{ALLOWED}{COLLECT}"));
    let listed = || -> serde_json::Value {
        let ended = lab.run("tasks --format json");
        ended.expect(0, &[]);
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["tasks"][0].clone()
    };
    killed_at(&lab, Method::Post, "apply --yes");
    assert!(tasks(&lab).is_empty());
    lab.run("tasks").expect(
        0,
        &["the server does not have it, and whether it was ever created is not known", "put down "],
    );
    assert_eq!(listed()["standing"], "not_known");
    lab.run("apply --yes").expect(0, &["1 task created"]);
    lab.run("tasks").expect(0, &["waiting, no start known", "created "]);
    let id = tasks(&lab)[0].id;
    killed_at(&lab, Method::Delete, &format!("tasks delete {id} --reason x --yes"));
    assert_eq!(listed()["standing"], "listed");
    lab.simulator.world(|world| world.delete_task(id)).unwrap();
    lab.run("tasks")
        .expect(0, &["the server does not have it, and whether run ", " deleted it is not known"]);
    assert!(listed()["why"].as_str().unwrap().contains("deleted it is not known"));
}
