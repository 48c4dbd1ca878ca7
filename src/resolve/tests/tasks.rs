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
