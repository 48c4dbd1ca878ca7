mod groups;
mod limit;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::declare::{
    DeclaredHost, ExclusionSets, Identity, Policy, RecordLocation, RecordPlace, WantedIsolation,
};
use crate::model::{LastAccess, Untrusted};

fn sensor(number: u128, name: &str, address: &str, seen: i64) -> Arc<Sensor> {
    Arc::new(Sensor {
        id: SensorId::new(Uuid::from_u128(number)),
        name: Some(Untrusted::new(name)),
        addresses: vec![address.parse().unwrap()],
        last_access: LastAccess::At(Timestamp::from_second(seen).unwrap()),
        agent_version: None,
        os_family: None,
        os_name: None,
        capabilities: Vec::new(),
    })
}

fn entry(key: &str, line: u32, identity: Identity) -> DeclaredHost {
    let origin = Origin { file: "state.yaml".into(), line };
    DeclaredHost {
        entry: key.into(),
        origin: origin.clone(),
        server: ServerName::new("hq"),
        identity,
        isolation: Some(DeclaredIsolation { cause: origin.into(), want: WantedIsolation::Off }),
        prevention: None,
    }
}

fn by_name(key: &str) -> DeclaredHost {
    entry(key, 1, Identity::Name(key.into()))
}

fn state(hosts: &[DeclaredHost]) -> Declared {
    Declared {
        record: RecordLocation { place: RecordPlace::Folder("record".into()), is_declared: true },
        owner: "default".into(),
        servers: BTreeMap::new(),
        policy: Policy::default(),
        hosts: hosts.to_vec(),
        groups: Vec::new(),
        all_hosts: BTreeMap::new(),
        tasks: Vec::new(),
        exclusions: ExclusionSets::default(),
        shared_names: BTreeSet::new(),
    }
}

/// A state with two servers, `hq` and `lab`; what stands in `files` beside it.
fn read(yaml: &str, files: &[(&str, &str)]) -> Declared {
    let folder = tempfile::tempdir().unwrap();
    let servers = "version: 1\nservers: { hq: { simulator: hq.yaml }, lab: { simulator: lab.yaml } }\n";
    let state = format!("{servers}{yaml}");
    for (name, text) in [("state.yaml", &*state)].iter().chain(files) {
        #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let read = crate::declare::read(&[folder.path().join("state.yaml")]);
    let problems: Vec<&str> = read.problems.iter().map(|problem| &*problem.message).collect();
    read.declared.unwrap_or_else(|| panic!("{problems:?}"))
}

struct World {
    listed: HostList,
    elsewhere: BTreeMap<SensorId, ServerName>,
    recorded: BTreeMap<Arc<str>, SensorId>,
    accepted: BTreeSet<String>,
    missing: Missing,
}

fn world(sensors: &[Arc<Sensor>]) -> World {
    World {
        listed: HostList {
            sensors: sensors.iter().map(|sensor| (sensor.id, Arc::clone(sensor))).collect(),
            has_more: false,
            server_version: None,
        },
        elsewhere: BTreeMap::new(),
        recorded: BTreeMap::new(),
        accepted: BTreeSet::new(),
        missing: Missing::Error,
    }
}

impl World {
    fn resolve(&self, hosts: &[DeclaredHost]) -> Desired {
        self.resolve_all(&state(hosts), "hq")
    }

    fn resolve_all(&self, declared: &Declared, server: &str) -> Desired {
        resolve(declared, &ServerName::new(server), &self.known())
    }

    fn known(&self) -> Known<'_> {
        Known {
            listed: &self.listed,
            listed_elsewhere: &self.elsewhere,
            recorded_entries: &self.recorded,
            accepted_moves: &self.accepted,
            missing: self.missing,
        }
    }

    /// Why the only host given is not resolved.
    fn refusal(&self, host: DeclaredHost) -> (WhyUnresolved, String) {
        let desired = self.resolve(&[host]);
        assert!(desired.hosts.is_empty());
        (desired.unresolved[0].why, desired.unresolved[0].message.clone())
    }
}

#[test]
fn a_name_in_the_wrong_case_is_an_error_that_says_so() {
    let world =
        world(&[sensor(1, "WS-1.corp.example", "10.0.0.1", 100), sensor(2, "АРМ-2.пример", "10.0.0.2", 100)]);
    let (why, message) = world.refusal(by_name("ws-1.corp.example"));
    assert_eq!(why, WhyUnresolved::Missing);
    assert!(message.contains("only the case differs"), "{message}");
    let (_, message) = world.refusal(by_name("WS-1"));
    assert!(message.contains("only the domain part differs"), "{message}");
    let (_, message) = world.refusal(by_name("арм-2.пример"));
    assert!(message.contains("only the case differs"), "{message}");
    assert_eq!(world.resolve(&[by_name("WS-1.corp.example")]).hosts.len(), 1);
}

#[test]
fn two_sensors_with_one_name_are_listed_with_the_latest_first() {
    let world = world(&[sensor(1, "WS-1", "10.0.0.1", 100), sensor(2, "WS-1", "10.0.0.2", 200)]);
    let (why, message) = world.refusal(by_name("WS-1"));
    assert_eq!(why, WhyUnresolved::Ambiguous);
    assert!(message.find("10.0.0.2").unwrap() < message.find("10.0.0.1").unwrap(), "{message}");
}

#[test]
fn an_entry_by_sensor_id_is_superseded_by_a_later_namesake() {
    let old = sensor(1, "WS-1", "10.0.0.1", 100);
    let world = world(&[Arc::clone(&old), sensor(2, "WS-1", "10.0.0.1", 200)]);
    assert_eq!(world.refusal(entry("ws", 1, Identity::Sensor(old.id))).0, WhyUnresolved::Superseded);
    let newer = entry("ws", 1, Identity::Sensor(SensorId::new(Uuid::from_u128(2))));
    assert_eq!(world.resolve(&[newer]).hosts.len(), 1);
}

#[test]
fn a_moved_entry_is_refused_until_it_is_accepted() {
    let mut world = world(&[sensor(2, "WS-1", "10.0.0.1", 200)]);
    world.recorded.insert("WS-1".into(), SensorId::new(Uuid::from_u128(1)));
    let (why, message) = world.refusal(by_name("WS-1"));
    assert_eq!(why, WhyUnresolved::Moved);
    assert!(message.contains("--accept-moved WS-1"), "{message}");
    world.accepted.insert("WS-1".to_owned());
    assert_eq!(world.resolve(&[by_name("WS-1")]).hosts.len(), 1);
}

#[test]
fn two_entries_for_one_sensor_get_no_write_at_all() {
    let one = sensor(1, "WS-1", "10.0.0.1", 100);
    let hosts = [by_name("WS-1"), entry("desk", 2, Identity::Address("10.0.0.1".parse().unwrap()))];
    let desired = world(&[one]).resolve(&hosts);
    assert!(desired.hosts.is_empty());
    assert_eq!(desired.unresolved.len(), 2);
    assert!(desired.unresolved.iter().all(|host| host.why == WhyUnresolved::Contested));
}

#[test]
fn a_sensor_of_two_servers_is_contested() {
    let one = sensor(1, "WS-1", "10.0.0.1", 100);
    let mut world = world(std::slice::from_ref(&one));
    world.elsewhere.insert(one.id, ServerName::new("dr"));
    assert_eq!(world.refusal(by_name("WS-1")).0, WhyUnresolved::Contested);
}

#[test]
fn who_is_named_by_hand_is_that_sensor_or_nobody() {
    let ids = [1, 2, 3].map(|n| SensorId::new(Uuid::from_u128(n)));
    // A namesake that was seen later, and another sensor that the record knows by this entry.
    let mut world = world(&[sensor(1, "WS-1", "10.0.0.1", 100), sensor(2, "WS-1", "10.0.0.2", 200)]);
    world.recorded.insert("WS-1".into(), ids[1]);
    let named = |world: &World, id| resolve_named(&[entry("WS-1", 1, Identity::Sensor(id))], &world.known());
    assert_eq!(named(&world, ids[0]).hosts[0].sensor.id, ids[0]);
    let refused = |world: &World, id| {
        let desired = named(world, id);
        assert!(desired.hosts.is_empty());
        let lost = &desired.unresolved[0];
        assert_eq!((lost.aspects.as_slice(), lost.sensors.as_slice()), (&[Aspect::Isolation][..], &[id][..]));
        (lost.why, lost.message.clone())
    };
    world.elsewhere.insert(ids[0], ServerName::new("dr"));
    let (why, message) = refused(&world, ids[0]);
    assert_eq!(why, WhyUnresolved::Contested);
    assert!(message.contains("listed by server `dr` too"), "{message}");
    let (why, message) = refused(&world, ids[2]);
    assert_eq!(why, WhyUnresolved::Missing);
    assert!(message.contains("any more"), "{message}");
}

#[test]
fn a_missing_host_is_tolerated_only_without_isolation() {
    let mut world = world(&[sensor(1, "WS-1", "10.0.0.1", 100)]);
    world.missing = Missing::Warn;
    assert_eq!(world.refusal(by_name("WS-2")).0, WhyUnresolved::Missing);
    let mut without_isolation = by_name("WS-2");
    without_isolation.isolation = None;
    assert_eq!(world.refusal(without_isolation).0, WhyUnresolved::MissingTolerated);
}

#[test]
fn a_short_list_is_not_believed() {
    let listed = world(&[sensor(1, "a", "10.0.0.1", 1), sensor(2, "b", "10.0.0.2", 1)]).listed;
    assert_eq!(believe(&listed, Some(5), false), Err(NotBelieved::Short { listed: 2, recorded: 5 }));
    assert_eq!(believe(&listed, Some(5), true), Ok(()));
    assert_eq!(believe(&listed, Some(4), false), Ok(()));
    assert_eq!(believe(&HostList::default(), None, true), Err(NotBelieved::Empty));
    assert_eq!(believe(&HostList { has_more: true, ..listed }, None, true), Err(NotBelieved::Continued));
}
