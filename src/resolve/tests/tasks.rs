//! What is understood and not yet written: tasks and the rule for all hosts.

use super::*;
use crate::declare::TaskPresence;

const STATE: &str = "policy: { tasks: true }
hash_lists: { a: [900150983cd24fb0d6963f7d28e17f71] }
all_hosts: { hq: { prevention: { block: [a] } } }
groups:
  desks: { match: { name: 'WS-*' } }
hosts:
  desk: { server: hq, identity: { ip: 10.0.0.1 } }
tasks:
  collect:
    hosts: [desk, SRV-1, SRV-9]
    server: hq
    groups: [desks]
    run: { command: 'C:\\Windows\\System32\\cmd.exe', arguments: '/c collect.bat' }
    not_after: 2026-12-01T00:00:00Z
  old: { server: hq, hosts: [SRV-1], run: { command: x }, not_after: 2026-12-01T00:00:00Z, generation: 2, state: absent }
";

#[test]
fn a_task_is_for_each_host_once() {
    let declared = read(STATE, &[]);
    let world = world(&[
        sensor(1, "WS-1", "10.0.0.1", 1),
        sensor(2, "WS-2", "10.0.0.2", 1),
        sensor(3, "SRV-1", "10.0.0.3", 1),
    ]);
    let desired = world.resolve_all(&declared, "hq");
    let tasks: Vec<String> = desired
        .tasks
        .iter()
        .map(|task| format!("{} {} {}", task.task.name, task.sensor.label(), task.cause.group_names()))
        .collect();
    assert_eq!(
        tasks,
        [
            "collect WS-1 its own entry",
            "collect WS-2 group desks",
            "collect SRV-1 its own entry",
            "old SRV-1 its own entry"
        ]
    );
    let collect = &desired.tasks[0];
    assert_eq!(collect.id, TaskId::new(collect.sensor.id, "collect", &collect.task.program, 1));
    assert_eq!((desired.tasks[3].task.generation, desired.tasks[3].task.presence), (2, TaskPresence::Absent));
    let lost: Vec<&str> = desired.unresolved.iter().map(|lost| &*lost.entry).collect();
    assert_eq!(lost, ["SRV-9"]);
    assert_eq!(desired.all_hosts.unwrap().block.len(), 1);
    // On the other server none of them is meant.
    let lab = world.resolve_all(&declared, "lab");
    assert_eq!(
        (lab.tasks.len(), lab.all_hosts.is_some()),
        (2, false),
        "only the group by pattern has no server"
    );
}

/// The tasks that are wanted, and who is in error with those that may be meant.
fn shown(desired: &Desired) -> (Vec<String>, Vec<(WhyUnresolved, String, usize)>) {
    let tasks = desired.tasks.iter().map(|task| task.sensor.label()).collect();
    let lost = desired.unresolved.iter();
    (tasks, lost.map(|lost| (lost.why, lost.entry.to_string(), lost.sensors.len())).collect())
}

#[test]
fn who_gets_no_task_is_said() {
    let state = |aspect: &str, entry: &str| {
        format!(
            "policy: {{ tasks: true }}
groups:
  desks: {{ match: {{ name: 'WS-*' }}{aspect} }}
{entry}tasks:
  a: {{ groups: [desks], run: {{ command: x }}, not_after: 2026-12-01T00:00:00Z }}
  b: {{ groups: [desks], run: {{ command: y }}, not_after: 2026-12-01T00:00:00Z }}
"
        )
    };
    let mut world = world(&[sensor(1, "WS-1", "10.0.0.1", 1), sensor(2, "WS-2", "10.0.0.2", 1)]);
    world.elsewhere.insert(SensorId::new(Uuid::from_u128(1)), ServerName::new("lab"));
    for aspect in ["", ", isolation: off"] {
        let desired = world.resolve_all(&read(&state(aspect, ""), &[]), "hq");
        let (tasks, lost) = shown(&desired);
        assert_eq!(tasks, ["WS-2", "WS-2"], "{aspect}");
        assert_eq!(lost, [(WhyUnresolved::Contested, "WS-1".to_owned(), 1)], "once: {aspect}");
        assert!(desired.unresolved[0].message.contains("server `lab` too"));
        assert_eq!(*desired.unresolved[0].groups, ["desks".into()]);
    }
    // A refused entry may mean it: that error is not of the group, and `--limit` may leave it out.
    world.elsewhere.clear();
    world.recorded.insert("WS-1".into(), SensorId::new(Uuid::from_u128(9)));
    let moved = "hosts: { WS-1: { server: hq, isolation: off } }\n";
    let desired = world.resolve_all(&read(&state("", moved), &[]), "hq");
    let (tasks, lost) = shown(&desired);
    assert_eq!(tasks, ["WS-2", "WS-2"]);
    let id = Uuid::from_u128(1).to_string();
    assert_eq!(lost, [(WhyUnresolved::Moved, "WS-1".into(), 2), (WhyUnresolved::Contested, id, 1)]);
    assert!(desired.unresolved[1].message.contains("it gets no task"), "{}", desired.unresolved[1].message);
}
