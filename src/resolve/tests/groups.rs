//! Who is in a group, and what comes of it.

use super::*;
use crate::declare::{Term, WantedIsolation};

const HASHES: &str =
    "hash_lists:\n  a: [900150983cd24fb0d6963f7d28e17f71]\n  b: [900150983cd24fb0d6963f7d28e17f72]\n";

/// `WS-1` and `WS-2` (desks, Windows), `SRV-1` (Linux), one without a name, an address and a system.
fn fleet() -> World {
    let with_os = |sensor: Arc<Sensor>, os: &str| {
        Arc::new(Sensor { os_family: Some(Untrusted::new(os)), ..Sensor::clone(&sensor) })
    };
    let nameless =
        Sensor { name: None, addresses: Vec::new(), ..Sensor::clone(&sensor(9, "", "10.0.0.9", 1)) };
    world(&[
        with_os(sensor(1, "WS-1", "10.1.0.1", 100), "Windows"),
        with_os(sensor(2, "WS-2", "10.1.0.2", 100), "WINDOWS"),
        with_os(sensor(3, "SRV-1", "10.2.0.1", 100), "Linux"),
        Arc::new(nameless),
    ])
}

/// `entry isolation-cause prevention-hashes`, in the order of the plan.
fn shown(desired: &Desired) -> Vec<String> {
    desired
        .hosts
        .iter()
        .map(|host| {
            let isolation = match &host.isolation {
                None => "-".to_owned(),
                Some(DeclaredIsolation { want: WantedIsolation::Off, cause }) => {
                    format!("off by {}", cause.group_names())
                }
                Some(DeclaredIsolation { cause, .. }) => format!("on by {}", cause.group_names()),
            };
            let hashes: Vec<String> = host
                .prevention
                .iter()
                .flat_map(|prevention| prevention.block.iter().flat_map(|set| set.iter()))
                .map(|entry| entry.hash.short())
                .collect();
            format!("{} {isolation} {}", host.entry, hashes.len())
        })
        .collect()
}

fn members(world: &World, group: &str) -> Vec<String> {
    let declared =
        read(&format!("groups:\n  g: {{ {group}, isolation: off }}\n"), &[("hosts.txt", "WS-2\n")]);
    world.resolve_all(&declared, "hq").hosts.iter().map(|host| host.entry.to_string()).collect()
}

#[test]
fn a_group_is_who_is_so() {
    let world = fleet();
    let nameless = SensorId::new(Uuid::from_u128(9)).to_string();
    let all = |group| members(&world, group);
    assert_eq!(all("match: { name: '*' }"), ["SRV-1", "WS-1", "WS-2"], "no name matches no pattern");
    assert_eq!(all("match: { name: 'ws-*' }"), Vec::<String>::new(), "case-sensitive, as the server");
    assert_eq!(all("match: { name: [WS-1, 'SRV-*'] }"), ["SRV-1", "WS-1"]);
    assert_eq!(all("match: { cidr: 10.1.0.0/24 }"), ["WS-1", "WS-2"]);
    assert_eq!(all("match: { cidr: '::ffff:10.1.0.0/120' }"), ["WS-1", "WS-2"], "IPv4 after all");
    assert_eq!(all("match: { cidr: '::ffff:10.1.0.2' }"), ["WS-2"]);
    assert_eq!(all("match: { cidr: [10.1.0.1, 10.2.0.0/16] }"), ["SRV-1", "WS-1"]);
    assert_eq!(all("match: { os: windows }"), ["WS-1", "WS-2"], "whatever the case");
    assert_eq!(all("match: { os: Windows, name: '*-1' }"), ["WS-1"], "all that is given must hold");
    assert_eq!(all("match: { os: [linux, windows], cidr: 10.1.0.2 }"), ["WS-2"]);
    assert_eq!(all("match: { name: '*' }, except: ['WS-?']"), ["SRV-1"]);
    assert_eq!(all("server: hq, hosts: [WS-1, SRV-1], except: WS-1"), ["SRV-1"]);
    assert_eq!(all("server: hq, hosts_file: hosts.txt"), ["WS-2"]);
    assert_eq!(all("server: lab, match: { name: '*' }"), Vec::<String>::new(), "of another server");
    assert!(!all("match: { cidr: 0.0.0.0/0 }").contains(&nameless));
}

#[test]
fn block_lists_of_groups_are_joined() {
    let declared = read(
        &format!(
            "{HASHES}groups:\n  \
             desks: {{ match: {{ name: 'WS-*' }}, prevention: {{ block: [a], unblock: [900150983cd24fb0d6963f7d28e17f79] }} }}\n  \
             everyone: {{ match: {{ name: '*' }}, prevention: {{ block: [b, a] }} }}\n"
        ),
        &[],
    );
    let desired = fleet().resolve_all(&declared, "hq");
    assert_eq!(shown(&desired), ["SRV-1 - 2", "WS-1 - 2", "WS-2 - 2"]);
    let of = |n: usize| desired.hosts[n].prevention.clone().unwrap();
    assert!(Arc::ptr_eq(&of(1), &of(2)), "hosts of the same groups share one value");
    assert_eq!((of(0).unblock.len(), of(1).unblock.len()), (0, 1));
    assert!(of(1).cause.to_string().ends_with("(groups desks, everyone)"), "{}", of(1).cause);
}

#[test]
fn exactly_is_said_by_one_group_for_all_lists() {
    let declared = read(
        &format!(
            "{HASHES}groups:\n  \
             desks: {{ match: {{ name: 'WS-1' }}, prevention: {{ block: [a], exact: true }} }}\n  \
             everyone: {{ match: {{ name: '*' }}, prevention: {{ block: [b] }} }}\n"
        ),
        &[],
    );
    let desired = fleet().resolve_all(&declared, "hq");
    let exact: Vec<(usize, bool)> = desired
        .hosts
        .iter()
        .map(|host| host.prevention.as_ref().unwrap())
        .map(|prevention| (prevention.block.len(), prevention.exact))
        .collect();
    assert_eq!(exact, [(1, false), (2, true), (1, false)]);
}

#[test]
fn groups_that_differ_are_an_error_that_an_entry_settles() {
    let text = format!(
        "{HASHES}groups:\n  \
         desks: {{ match: {{ name: 'WS-*' }}, isolation: {{ until: 2026-12-01T00:00:00Z }}, prevention: {{ block: [a] }} }}\n  \
         everyone: {{ match: {{ name: '*' }}, isolation: off }}\n"
    );
    let entry = "hosts:\n  WS-2: { server: hq, isolation: off }\n";
    let desired = fleet().resolve_all(&read(&format!("{text}{entry}"), &[]), "hq");
    assert_eq!(shown(&desired), ["WS-2 off by its own entry 1", "SRV-1 off by group everyone 0", "WS-1 - 1"]);
    let lost = &desired.unresolved[0];
    assert_eq!((desired.unresolved.len(), lost.why), (1, WhyUnresolved::GroupsDiffer));
    assert_eq!((&*lost.entry, lost.aspects.as_slice()), ("WS-1", &[Aspect::Isolation][..]));
    assert!(
        lost.message.contains("state.yaml:7") && lost.message.contains("state.yaml:8"),
        "{}",
        lost.message
    );
    assert!(lost.message.contains("`desks`") && lost.message.contains("`everyone`"), "{}", lost.message);
}

#[test]
fn groups_differ_where_one_blocks_what_the_other_unblocks() {
    let declared = read(
        &format!(
            "{HASHES}groups:\n  \
             desks: {{ match: {{ name: 'WS-1' }}, prevention: {{ unblock: [900150983cd24fb0d6963f7d28e17f71] }} }}\n  \
             everyone: {{ match: {{ name: '*' }}, prevention: {{ block: [a, b] }} }}\n"
        ),
        &[],
    );
    let desired = fleet().resolve_all(&declared, "hq");
    assert_eq!(shown(&desired), ["SRV-1 - 2", "WS-2 - 2"]);
    assert_eq!(desired.unresolved[0].aspects, [Aspect::Prevention]);
}

#[test]
fn reasons_alone_do_not_differ() {
    let isolated = |more: &str| format!("isolation: {{ until: 2026-12-01T00:00:00Z{more} }}");
    let declared = read(
        &format!(
            "groups:\n  a: {{ match: {{ name: 'WS-1' }}, {} }}\n  b: {{ match: {{ name: '*' }}, {} }}\n",
            isolated(""),
            isolated(", reason: INC-1")
        ),
        &[],
    );
    let desired = fleet().resolve_all(&declared, "hq");
    assert!(desired.unresolved.is_empty());
    let WantedIsolation::On { term: Term::Until(_), reason, .. } =
        &desired.hosts[1].isolation.as_ref().unwrap().want
    else {
        panic!("isolated")
    };
    assert_eq!(reason.as_deref(), Some("INC-1"));
}

#[test]
fn an_entry_of_another_name_is_the_same_host_as_the_groups() {
    let declared = read(
        &format!(
            "{HASHES}hosts:\n  desk: {{ server: hq, identity: {{ sensor_id: {} }}, isolation: off }}\n\
             groups:\n  a: {{ server: hq, hosts: [WS-1], isolation: {{ until: 2026-12-01T00:00:00Z }} }}\n  \
             b: {{ server: hq, hosts: [desk], prevention: {{ block: [b] }} }}\n  \
             c: {{ match: {{ name: 'WS-*' }}, prevention: {{ block: [a] }} }}\n",
            SensorId::new(Uuid::from_u128(1))
        ),
        &[],
    );
    let desired = fleet().resolve_all(&declared, "hq");
    assert!(desired.unresolved.is_empty(), "{:?}", desired.unresolved);
    assert_eq!(shown(&desired), ["desk off by its own entry 2", "WS-2 - 1"]);
    let groups: Vec<&str> = desired.hosts[0].groups.iter().map(|group| &**group).collect();
    assert_eq!(groups, ["a", "b", "c"]);
}

#[test]
fn a_named_host_is_as_narrow_as_an_entry() {
    let mut world = world(&[
        sensor(1, "WS-1", "10.0.0.1", 100),
        sensor(2, "WS-2", "10.0.0.2", 100),
        sensor(3, "WS-2", "10.0.0.3", 200),
        sensor(4, "WS-4", "10.0.0.4", 100),
    ]);
    world.recorded.insert("WS-4".into(), SensorId::new(Uuid::from_u128(44)));
    let declared = read(
        "groups:\n  a: { server: hq, hosts: [ws-1, WS-2, WS-4], isolation: off }\n  b: { server: hq, hosts: [WS-2], isolation: off }\n",
        &[],
    );
    let desired = world.resolve_all(&declared, "hq");
    assert!(desired.hosts.is_empty());
    let why: Vec<(&str, WhyUnresolved, String)> = desired
        .unresolved
        .iter()
        .map(|lost| (&*lost.entry, lost.why, lost.cause.group_names().to_string()))
        .collect();
    assert_eq!(
        why,
        [
            ("WS-2", WhyUnresolved::Ambiguous, "groups a, b".to_owned()),
            ("WS-4", WhyUnresolved::Moved, "group a".to_owned()),
            ("ws-1", WhyUnresolved::Missing, "group a".to_owned()),
        ]
    );
    assert!(desired.unresolved[1].message.contains("--accept-moved WS-4"));
    assert_eq!(desired.groups[0].hosts, 3, "whoever is named and not found is no sign of an empty group");
}

#[test]
fn a_pattern_writes_nobody_whom_a_refused_entry_may_mean() {
    let world = world(&[
        sensor(1, "WS-1", "10.0.0.1", 100),
        sensor(2, "WS-1", "10.0.0.2", 200),
        sensor(3, "WS-3", "10.0.0.3", 200),
    ]);
    let group =
        "groups:\n  all-of-it: { match: { name: '*' }, isolation: { until: 2026-12-01T00:00:00Z } }\n";
    // Nobody can tell which of the two is not to be isolated.
    let declared = read(&format!("{group}hosts:\n  WS-1: {{ server: hq, isolation: off }}\n"), &[]);
    let desired = world.resolve_all(&declared, "hq");
    assert_eq!(shown(&desired), ["WS-3 on by group all-of-it 0"]);
    assert_eq!(desired.unresolved.len(), 3, "the entry, and each of the two that the group does not reach");
    assert!(desired.unresolved[0].message.contains("the entry `WS-1`"), "{}", desired.unresolved[0].message);
    // Without an entry a pattern means each of them, under a name that is only its own.
    let desired = world.resolve_all(&read(group, &[]), "hq");
    let id = |n| SensorId::new(Uuid::from_u128(n)).to_string();
    let entries: Vec<String> = desired.hosts.iter().map(|host| host.entry.to_string()).collect();
    assert_eq!(entries, [id(1), id(2), "WS-3".to_owned()]);
    assert!(desired.hosts.iter().all(|host| !host.is_named), "no later run compares who matches");
}

#[test]
fn a_sensor_of_two_servers_gets_nothing_from_a_group() {
    let mut world = fleet();
    world.elsewhere.insert(SensorId::new(Uuid::from_u128(1)), ServerName::new("lab"));
    let declared = read("groups:\n  g: { match: { name: 'WS-*' }, isolation: off }\n", &[]);
    let desired = world.resolve_all(&declared, "hq");
    assert_eq!(shown(&desired), ["WS-2 off by group g 0"]);
    assert_eq!(desired.unresolved[0].why, WhyUnresolved::Contested);
}

#[test]
fn it_is_known_which_groups_and_exceptions_are_of_use() {
    let declared = read(
        "groups:\n  a: { match: { name: 'ws-*' }, isolation: off }\n  b: { match: { name: '*' }, except: [WS-1, dc01], isolation: off }\n",
        &[],
    );
    let uses = fleet().resolve_all(&declared, "hq").groups;
    assert_eq!(uses[0], GroupUse { hosts: 0, excepts: Vec::new() });
    assert_eq!(uses[1], GroupUse { hosts: 2, excepts: vec![true, false] });
}

#[test]
fn a_host_in_a_list_that_was_misspelled_is_found_by_its_likeness() {
    let declared = read(
        "hosts: { front-desk: { server: hq, identity: { name: WS-2 } } }\n\
         groups: { g: { server: hq, hosts: [SVR-1, front-dsk, WS-3], isolation: off } }\n",
        &[],
    );
    let lost = fleet().resolve_all(&declared, "hq").unresolved;
    let said = |name: &str| {
        let of_it = lost.iter().find(|lost| *lost.entry == *name).unwrap();
        of_it.message.split_once("did you mean ").map(|(_, rest)| rest.split('?').next().unwrap().to_owned())
    };
    assert_eq!(said("SVR-1").as_deref(), Some("`SRV-1`"));
    assert_eq!(said("front-dsk").as_deref(), Some("`front-desk`"), "an entry, whatever its server calls it");
    assert_eq!(said("WS-3"), None, "another number is another host");
}

#[test]
fn no_group_writes_whom_a_refused_name_of_a_list_may_mean() {
    let on = "isolation: { until: 2026-12-01T00:00:00Z }";
    let text = format!(
        "groups:\n  every: {{ match: {{ name: '[tT]win' }}, {on} }}\n  \
         safe: {{ server: hq, hosts: [twin], isolation: off }}\n"
    );
    let twins = world(&[sensor(1, "twin", "10.0.0.1", 1), sensor(2, "twin", "10.0.0.2", 2)]);
    let desired = twins.resolve_all(&read(&text, &[]), "hq");
    assert_eq!(shown(&desired), Vec::<String>::new());
    assert_eq!(desired.unresolved.len(), 3, "each of them, and the name");
    assert!(desired.unresolved[0].message.contains("the name `twin` in a list"));
    assert_eq!(&*desired.unresolved[0].groups[0], "every");
    assert_eq!(desired.groups[0].hosts, 2, "the pattern is no mistake");
    // The sensor of a recorded name has changed: neither the old nor the new one, whatever the order of the groups.
    let mut moved = world(&[sensor(1, "WS-1-old", "10.0.0.1", 1), sensor(2, "WS-1", "10.0.0.2", 2)]);
    moved.recorded.insert("WS-1".into(), SensorId::new(Uuid::from_u128(1)));
    let text = format!(
        "groups:\n  a: {{ server: hq, hosts: [WS-1], isolation: off }}\n  \
         b: {{ match: {{ name: '*' }}, {on} }}\n  c: {{ server: hq, hosts: [WS-1-old], {on} }}\n"
    );
    let desired = moved.resolve_all(&read(&text, &[]), "hq");
    assert_eq!(shown(&desired), Vec::<String>::new());
    moved.accepted.insert("WS-1".to_owned());
    assert_eq!(shown(&moved.resolve_all(&read(&text, &[]), "hq")).len(), 1, "WS-1 is in groups that differ");
}

#[test]
fn an_entry_whom_a_refused_name_may_mean_keeps_what_is_its_own() {
    let text = format!(
        "{HASHES}hosts:\n  desk: {{ server: hq, identity: {{ sensor_id: {} }}, prevention: {{ block: [a] }} }}\n\
         groups:\n  every: {{ match: {{ name: '*' }}, isolation: {{ until: 2026-12-01T00:00:00Z }}, prevention: {{ block: [b] }} }}\n  \
         safe: {{ server: hq, hosts: [twin], isolation: off }}\n",
        SensorId::new(Uuid::from_u128(2))
    );
    let twins = world(&[sensor(1, "twin", "10.0.0.1", 1), sensor(2, "twin", "10.0.0.2", 2)]);
    let desired = twins.resolve_all(&read(&text, &[]), "hq");
    assert_eq!(shown(&desired), ["desk - 1"]);
    let desk = desired.unresolved.iter().find(|lost| &*lost.entry == "desk").unwrap();
    assert_eq!(desk.aspects, [Aspect::Isolation]);
    assert_eq!(&*desired.hosts[0].groups[0], "every", "`--limit every` means it");
}

#[test]
fn a_missing_host_is_not_tolerated_where_a_group_isolates_it() {
    let mut world = world(&[sensor(1, "WS-1", "10.0.0.1", 1)]);
    world.missing = Missing::Warn;
    for (isolation, expected) in [
        (", isolation: { until: 2026-12-01T00:00:00Z }", WhyUnresolved::Missing),
        ("", WhyUnresolved::MissingTolerated),
    ] {
        for entry in ["hosts: { WS-9: { server: hq } }\n", ""] {
            let groups = format!("groups: {{ infected: {{ server: hq, hosts: [WS-9]{isolation} }} }}\n");
            let desired = world.resolve_all(&read(&format!("{entry}{groups}"), &[]), "hq");
            let why: Vec<WhyUnresolved> = desired.unresolved.iter().map(|lost| lost.why).collect();
            assert_eq!(why, [expected], "{entry}{isolation}");
        }
    }
}
