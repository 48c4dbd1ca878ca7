//! The few values that random cases are made of: few, so that they meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kedrctl::declare::{
    Declared, DeclaredHost, DeclaredIsolation, DeclaredPrevention, ExclusionSets, Identity, Policy,
    RecordLocation, RecordPlace, Term, WantedIsolation,
};
use kedrctl::model::{
    BlockEntry, Direction, ExclusionRule, Exclusions, FileHash, Origin, PortRange, Protocol, SensorId,
    ServerName,
};
use kedrctl_simulator::world::sensor_id_of;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::FileFailurePersistence;

pub(crate) const HOSTS: [&str; 3] = ["WS-1", "WS-2", "WS-3"];

/// So many cases, or `PROPTEST_CASES`; those that failed once stand in `regressions/`, and are tried first.
pub(crate) fn config(cases: u32, name: &str) -> ProptestConfig {
    let file = format!("{}/tests/properties/regressions/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let persistence = FileFailurePersistence::Direct(String::leak(file));
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: Some(Box::new(persistence)), ..default }
}

pub(crate) fn server() -> ServerName {
    ServerName::new("hq")
}

pub(crate) fn sensor(name: &str) -> SensorId {
    SensorId::new(sensor_id_of(name))
}

pub(crate) fn origin(line: u32) -> Origin {
    Origin { file: "state.yaml".into(), line }
}

/// 0: no exclusions; else one or two rules.
pub(crate) fn exclusions(which: u8) -> Exclusions {
    let dns = |last: u8| {
        ExclusionRule::new(
            Direction::Outbound,
            Some(Protocol(17)),
            Some(std::net::IpAddr::from([10, 0, 0, last])),
            PortRange::new(53, 53),
            None,
        )
        .unwrap()
    };
    Arc::new((0..which % 3).map(|n| dns(53 + n)).collect::<BTreeSet<_>>())
}

/// One of a few hashes, of either kind.
pub(crate) fn hash(which: u8) -> FileHash {
    if which.is_multiple_of(4) { FileHash::Md5([which; 16]) } else { FileHash::Sha256([which; 32]) }
}

pub(crate) fn block_entry(which: u8) -> BlockEntry {
    BlockEntry { hash: hash(which), comment: None, from: None, until: None, list: None, origin: origin(100) }
}

pub(crate) fn prevention(block: &[u8], unblock: &[u8], exact: bool) -> DeclaredPrevention {
    DeclaredPrevention {
        cause: origin(90).into(),
        block: vec![block.iter().copied().map(block_entry).collect::<Vec<_>>().into()],
        unblock: unblock.iter().copied().map(block_entry).collect(),
        exact,
    }
}

pub(crate) fn isolation(term: Term, which: u8) -> WantedIsolation {
    WantedIsolation::On { term, exclusions: exclusions(which), reason: None }
}

pub(crate) fn declared_host(
    name: &str,
    isolation: Option<WantedIsolation>,
    prevention: Option<DeclaredPrevention>,
) -> DeclaredHost {
    let line = 10 + u32::from(*name.as_bytes().last().unwrap());
    DeclaredHost {
        entry: name.into(),
        origin: origin(line),
        server: server(),
        identity: Identity::Name(name.into()),
        isolation: isolation.map(|want| DeclaredIsolation { cause: origin(line + 1).into(), want }),
        prevention: prevention.map(Arc::new),
    }
}

pub(crate) fn declared(hosts: Vec<DeclaredHost>, policy: Policy) -> Declared {
    Declared {
        record: RecordLocation { place: RecordPlace::Folder("record".into()), is_declared: true },
        owner: "default".into(),
        servers: BTreeMap::new(),
        policy,
        hosts,
        groups: Vec::new(),
        all_hosts: BTreeMap::new(),
        tasks: Vec::new(),
        exclusions: ExclusionSets::default(),
        shared_names: BTreeSet::new(),
    }
}
