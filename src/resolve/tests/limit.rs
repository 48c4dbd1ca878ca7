//! What `--limit` selects, and which servers it needs.

use super::*;

const STATE: &str = "hosts:
  front-desk: { server: hq, identity: { ip: 10.0.0.5 }, isolation: off }
  WS-1: { server: hq, isolation: off }
  LAB-1: { server: lab, isolation: off }
groups:
  pci: { server: hq, hosts: [WS-1, WS-2, WS-3], isolation: off }
  lab-only: { server: lab, hosts: [LAB-1, LAB-2], isolation: off }
";
const BY_PATTERN: &str = "  servers: { server: lab, match: { name: 'SRV-*' }, isolation: off }\n";

fn hq() -> World {
    world(&[
        sensor(1, "WS-1", "10.0.0.1", 1),
        sensor(2, "WS-2", "10.0.0.2", 1),
        sensor(3, "WS-3", "10.0.0.3", 1),
        sensor(5, "DESK-5", "10.0.0.5", 1),
    ])
}

fn lab() -> World {
    world(&[
        sensor(11, "LAB-1", "10.0.0.1", 1),
        sensor(12, "LAB-2", "10.0.0.2", 1),
        sensor(13, "SRV-1", "10.0.0.3", 1),
    ])
}

fn parse(text: &str) -> Result<HostPattern, PatternError> {
    HostPattern::parse(&[text], |_| Err("no files here".to_owned()))
}

/// Who is selected when both servers are read.
fn selected(text: &str) -> Result<Vec<String>, PatternError> {
    let declared = read(&format!("{STATE}{BY_PATTERN}"), &[]);
    let pattern = parse(text)?;
    let mut selection = pattern.selection(&declared)?;
    let mut hosts = Vec::new();
    for (world, server) in [(hq(), "hq"), (lab(), "lab")] {
        let mut desired = world.resolve_all(&declared, server);
        assert!(desired.unresolved.is_empty(), "{:?}", desired.unresolved);
        selection.narrow(&ServerName::new(server), &mut desired);
        hosts.extend(desired.hosts.iter().map(|host| host.entry.to_string()));
    }
    let servers: Vec<ServerName> = declared.servers.keys().cloned().collect();
    let all: BTreeSet<&ServerName> = servers.iter().collect();
    selection.finish(&all, &all)?;
    hosts.sort();
    Ok(hosts)
}

#[test]
fn patterns_are_those_of_ansible() {
    let of = |text: &str| selected(text).unwrap_or_else(|error| vec![error.to_string()]).join(" ");
    assert_eq!(of("all"), "LAB-1 LAB-2 SRV-1 WS-1 WS-2 WS-3 front-desk");
    assert_eq!(of("*"), of("all"));
    assert_eq!(of("pci"), "WS-1 WS-2 WS-3");
    assert_eq!(of("pci:!WS-1"), "WS-2 WS-3");
    assert_eq!(of("!WS-1:pci"), of("pci:!WS-1"), "in one order, wherever each part stands");
    assert_eq!(of("!pci"), "LAB-1 LAB-2 SRV-1 front-desk", "without a part that adds, all are meant");
    assert_eq!(of("WS-*,LAB-*:&*-1"), "LAB-1 WS-1");
    assert_eq!(of("servers"), "SRV-1");
    assert_eq!(of("*s"), "SRV-1", "a glob names groups too");
    assert_eq!(of("front-desk,SRV-1"), "SRV-1 front-desk");
}

#[test]
fn each_part_must_match_something() {
    let refused = |text: &str| selected(text).unwrap_err().to_string();
    assert!(refused("ws-*").starts_with("`--limit ws-*` matches no declared host"));
    assert!(
        refused("pci:!WS-9").starts_with("`--limit !WS-9` matches no declared host"),
        "a typing mistake takes nobody away"
    );
    assert!(refused("pci:&lab-only").contains("selects nothing"));
    assert!(refused("WS-1:!all").contains("selects nothing"));
    assert!(
        refused("SRV-2").starts_with("`--limit SRV-2` matches no declared host"),
        "known once the list is"
    );
    // Only hosts in groups are known by the name that the server lists.
    assert!(refused("DESK-5").contains("matches no declared host"));
}

#[test]
fn what_was_probably_meant_is_said() {
    let refused = |text: &str| selected(text).unwrap_err().to_string();
    assert!(refused("lab-onyl").contains("did you mean `lab-only`?"), "a group");
    assert!(refused("pci:!ws-3").contains("did you mean `WS-3`?"), "a host in a list");
    assert!(refused("front-dsek").contains("did you mean `front-desk`?"), "an entry");
    assert!(refused("SVR-1").contains("did you mean `SRV-1`?"), "a host that the server lists");
    for other in ["WS-9", "sw-*", "nothing-like-it"] {
        assert!(!refused(other).contains("did you mean"), "{other}");
    }
}

#[test]
fn the_rule_for_all_hosts_is_named_or_left_alone() {
    assert!(matches!(selected("all@hq"), Err(PatternError::AllHosts(server)) if server == "hq"));
    assert!(parse("pci,!all@hq").unwrap_err().to_string().contains("takes no sign"));
    assert!(matches!(selected("pci,all@nowhere"), Err(PatternError::NoServer { .. })));
}

#[test]
fn only_servers_that_may_have_a_selected_host_are_needed() {
    let servers = |state: &str, text: &str| -> Vec<String> {
        let declared = read(state, &[]);
        let servers = parse(text).unwrap().servers(&declared);
        servers
            .map_or_else(|error| vec![error.to_string()], |all| all.iter().map(ToString::to_string).collect())
    };
    assert_eq!(servers(STATE, "WS-1"), ["hq"]);
    assert_eq!(servers(STATE, "pci"), ["hq"]);
    assert_eq!(servers(STATE, "all:!pci"), ["hq", "lab"], "front-desk");
    assert_eq!(servers(STATE, "*:!front-desk:!pci"), ["lab"]);
    assert_eq!(servers(STATE, "LAB-1,front-desk"), ["hq", "lab"]);
    assert!(servers(STATE, "SRV-1")[0].contains("matches no declared host"), "before anybody is asked");
    // Who matches a pattern is known only once the server has listed its hosts.
    let with_pattern = format!("{STATE}{BY_PATTERN}");
    assert_eq!(servers(&with_pattern, "SRV-1"), ["lab"]);
    assert_eq!(servers(&with_pattern, "WS-*"), ["hq", "lab"]);
    assert_eq!(servers(&with_pattern, "WS-1"), ["hq"], "the key of an entry is just that host");
    assert_eq!(servers(&with_pattern, "pci"), ["hq"]);
    assert_eq!(servers(&with_pattern, "servers"), ["lab"]);
}

#[test]
fn what_cannot_be_known_is_no_mistake() {
    let declared = read(&format!("{STATE}{BY_PATTERN}"), &[]);
    let pattern = parse("SRV-1").unwrap();
    let selection = pattern.selection(&declared).unwrap();
    let lab = ServerName::new("lab");
    // The server could not be read: whether it has such a host, nobody knows.
    assert!(selection.finish(&BTreeSet::new(), &BTreeSet::from([&lab])).is_ok());
}

/// Who is selected of `hq` alone, with those that are in error marked.
fn left(world: &World, state: &str, text: &str) -> Vec<String> {
    let declared = read(state, &[]);
    let pattern = parse(text).unwrap();
    let mut selection = pattern.selection(&declared).unwrap();
    let mut desired = world.resolve_all(&declared, "hq");
    selection.narrow(&ServerName::new("hq"), &mut desired);
    let hosts = desired.hosts.iter().map(|host| host.entry.to_string());
    hosts.chain(desired.unresolved.iter().map(|lost| format!("! {}", lost.entry))).collect()
}

#[test]
fn whoever_is_taken_away_by_a_listed_name_is_spared() {
    let id = |n: u128| SensorId::new(Uuid::from_u128(n));
    let state = format!(
        "hosts: {{ front-desk: {{ server: hq, identity: {{ sensor_id: {} }} }} }}\n\
         groups: {{ pci: {{ server: hq, hosts: [WS-9, WS-8], isolation: {{ until: 2026-12-01T00:00:00Z }} }} }}\n",
        id(9)
    );
    let desks = world(&[sensor(8, "WS-8", "10.0.0.8", 1), sensor(9, "WS-9", "10.0.0.9", 1)]);
    for text in ["all:!WS-9", "pci:!WS-9", "pci:!*-9", "all:!front-desk", "all:&WS-8"] {
        assert_eq!(left(&desks, &state, text), ["WS-8"], "{text}");
    }
    for text in ["WS-9", "front-desk", "front-desk:&WS-9", "front-desk:&pci"] {
        assert_eq!(left(&desks, &state, text), ["front-desk"], "{text}");
        assert!(parse(text).unwrap().servers(&read(&state, &[])).is_ok(), "{text}: before anybody is asked");
    }
    // An entry without groups is called by its key; by its listed name it is only spared.
    let state = "hosts:\n  pdc: { server: hq, identity: { ip: 10.0.0.5 }, isolation: { lease: 8h } }\n  \
                 WS-8: { server: hq, isolation: off }\n";
    let servers = world(&[sensor(5, "DC1", "10.0.0.5", 1), sensor(8, "WS-8", "10.0.0.8", 1)]);
    for text in ["all:!DC*", "all:!DC1", "*:!pdc"] {
        assert_eq!(left(&servers, state, text), ["WS-8"], "{text}");
    }
    assert!(parse("DC1").unwrap().selection(&read(state, &[])).is_err());
}

#[test]
fn namesakes_are_spared_together() {
    let twins = [sensor(1, "twin", "10.0.0.1", 1), sensor(2, "twin", "10.0.0.2", 2)];
    let twins = world(&[&twins[..], &[sensor(3, "WS-3", "10.0.0.3", 1)]].concat());
    let every = "every: { match: { name: '*' }, isolation: { until: 2026-12-01T00:00:00Z } }";
    let listed = format!("groups:\n  safe: {{ server: hq, hosts: [twin, WS-3] }}\n  {every}\n");
    assert_eq!(left(&twins, &listed, "all:!twin"), ["WS-3"]);
    assert_eq!(left(&twins, &format!("groups:\n  {every}\n"), "all:!twin"), ["WS-3"]);
}

#[test]
fn a_group_is_not_in_sync_where_a_host_of_it_was_not_judged() {
    let shared =
        world(&[sensor(1, "A", "10.0.0.5", 1), sensor(2, "B", "10.0.0.5", 1), sensor(3, "C", "10.0.0.3", 1)]);
    let state = "hosts: { pdc: { server: hq, identity: { ip: 10.0.0.5 } } }\n\
                 groups:\n  x: { server: hq, hosts: [A, C], isolation: off }\n  y: { match: { name: '*' }, isolation: off }\n";
    assert_eq!(left(&shared, state, "x"), ["C", "! A"]);
    assert_eq!(left(&shared, state, "y"), ["C", "! A", "! B"]);
    assert_eq!(left(&shared, state, "B"), ["! B"]);
    assert_eq!(left(&shared, state, "pdc"), ["! pdc"]);
}

#[test]
fn no_task_starts_on_whom_a_group_takes_away() {
    let entry = format!(
        "hosts: {{ desk: {{ server: hq, identity: {{ sensor_id: {} }}, isolation: off }} }}\n",
        Uuid::from_u128(7)
    );
    let groups = "policy: { tasks: true }
groups:
  desks: { server: hq, match: { name: 'WS-*' }, isolation: off }
  tools: { server: hq, match: { name: 'WS-*' } }
  vip: { server: hq, hosts: [WS-8, SRV-1] }
  odd: { server: hq, match: { name: '*-9' }, isolation: { until: 2026-12-01T00:00:00Z } }
tasks:
  collect: { server: hq, groups: [tools], hosts: [SRV-1], run: { command: x }, not_after: 2026-12-01T00:00:00Z }
";
    let declared = read(&format!("{entry}{groups}"), &[]);
    // Of the last, two groups differ on the isolation: the task is not about that.
    let mut desks = world(&[
        sensor(6, "SRV-1", "10.0.0.6", 1),
        sensor(7, "WS-7", "10.0.0.7", 1),
        sensor(8, "WS-8", "10.0.0.8", 1),
        sensor(9, "WS-9", "10.0.0.9", 1),
    ]);
    let of = |world: &World, declared: &Declared, text: &str| -> String {
        let pattern = parse(text).unwrap();
        let mut selection = pattern.selection(declared).unwrap();
        let mut desired = world.resolve_all(declared, "hq");
        selection.narrow(&ServerName::new("hq"), &mut desired);
        desired.tasks.iter().map(|task| task.sensor.label()).collect::<Vec<_>>().join(" ")
    };
    let mut without_aspects = declared.clone();
    for group in &mut without_aspects.groups {
        group.isolation = None;
    }
    for declared in [&declared, &without_aspects] {
        for (text, expected) in [
            ("tools", "WS-7 WS-8 WS-9"),
            ("desks", "WS-7 WS-8 WS-9"),
            ("tools:!vip", "WS-7 WS-9"),
            ("all:!vip", "WS-7 WS-9"),
            ("tools:!odd", "WS-7 WS-8"),
            ("all:!odd", "SRV-1 WS-7 WS-8"),
            ("tools:&vip", "WS-8"),
            ("vip,odd", "SRV-1 WS-8 WS-9"),
            ("vip:!WS-8", "SRV-1"),
            ("desk", "WS-7"),
            ("tools:!desk", "WS-8 WS-9"),
        ] {
            assert_eq!(of(&desks, declared, text), expected, "{text}");
        }
    }
    // Nor is it lost in silence where the host is in doubt.
    desks.elsewhere.insert(SensorId::new(Uuid::from_u128(8)), ServerName::new("lab"));
    assert_eq!(of(&desks, &without_aspects, "tools"), "WS-7 WS-9");
}
