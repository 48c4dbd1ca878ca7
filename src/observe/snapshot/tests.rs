//! A snapshot's file, and what is made of one that is not as it was written.

use super::*;
use crate::model::{
    HostList, KeptObject, LastAccess, PreventionRule, Reading, Sensor, SensorId, Target, Untrusted,
};
use crate::observe::ReadFailure;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::report::sample;

const HOSTILE: &str = "ws\u{1b}[2J\u{202e}\u{7f}1 \",\"content\":{}";

fn id(n: u128) -> SensorId {
    SensorId::new(uuid::Uuid::from_u128(n))
}

fn snapshot() -> Snapshot {
    let sensor = Sensor {
        id: id(1),
        name: Some(Untrusted::new(HOSTILE)),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        last_access: LastAccess::At(sample::now()),
        agent_version: None,
        os_family: Some(Untrusted::new("Windows")),
        os_name: None,
        capabilities: vec![Untrusted::new("isolation")],
    };
    let named = KeptObject { name: Some(Untrusted::new("dropper\u{202e}.exe")), has_other_fields: true };
    let rule = Arc::new(PreventionRule {
        objects: [(sample::hash(1), named), (sample::hash(2), KeptObject::default())].into(),
    });
    let isolations = BTreeMap::from([
        (id(1), Reading::Present(sample::isolation(&[53]))),
        (id(2), Reading::Absent),
        (id(3), Reading::Unknown(ReadFailure::new("timed out 3 times"))),
    ]);
    let preventions = BTreeMap::from([
        (Target::AllHosts, Reading::Present(Arc::clone(&rule))),
        (Target::Sensor(id(1)), Reading::Present(rule)),
        (Target::Sensor(id(2)), Reading::Absent),
    ]);
    let observed = Observed { isolations, preventions, ..Observed::default() };
    let listing = Listing {
        hosts: HostList {
            sensors: [(id(1), Arc::new(sensor))].into(),
            has_more: false,
            server_version: None,
        },
        date: Some(sample::now()),
        asked: sample::now(),
        answered: sample::now(),
    };
    let server = |name, readings| ServerSnapshot {
        name: ServerName::new(name),
        address: format!("https://{name}.example"),
        key: format!("{name}.example_443"),
        recorded: Recorded::default(),
        readings,
    };
    let lost = Failure { kind: FailureKind::Lost, text: "cannot connect".to_owned() };
    let readings = Readings { listing, observed, stopped: None };
    Snapshot {
        taken_at: sample::now(),
        has_all_hosts: false,
        servers: vec![server("hq", Ok(readings)), server("branch", Err(lost))],
    }
}

#[test]
fn a_snapshot_is_read_as_it_was_written() {
    let bytes = encode(&snapshot()).unwrap();
    assert!(bytes.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\n'), "plain ASCII");
    let read = decode(&bytes).unwrap();
    assert_eq!(format!("{read:#?}"), format!("{:#?}", snapshot()));
    assert_eq!(encode(&read).unwrap(), bytes);
    // Equal rules stand in it once, and are one in memory.
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches(&sample::hash(1).to_string()).count(), 1);
    assert_eq!(read.unknown_and_read(), (1, 5));
    assert!(read.is_incomplete() && !read.is_empty());
}

#[test]
fn what_is_not_as_it_was_written_is_refused() {
    let bytes = encode(&snapshot()).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    for end in (0..bytes.len() - 1).step_by(7) {
        decode(&bytes[..end]).unwrap_err();
    }
    let mut edited = 0;
    for at in (0..bytes.len()).step_by(3) {
        let mut bytes = bytes.clone();
        bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        edited += u32::from(decode(&bytes).is_err());
    }
    assert_eq!(edited as usize, bytes.len().div_ceil(3), "every edit shows");
    let refused = |text: &str| decode(text.as_bytes()).unwrap_err();
    assert_eq!(refused("hosts: {}"), SnapshotError::NotASnapshot);
    assert_eq!(refused("{}"), SnapshotError::NotASnapshot);
    assert_eq!(refused(r#"{"format_version":1,"kind":"plan"}"#), SnapshotError::NotASnapshot);
    let newer = text.replace(r#""format_version":1"#, r#""format_version":2"#);
    assert_eq!(refused(&newer), SnapshotError::Version { found: 2 });
    let cut_off = refused(&text.replace("cannot connect", "can connect"));
    assert!(matches!(&cut_off, SnapshotError::Damaged(why) if why.contains("digest")), "{cut_off}");
}

/// `SNAPSHOTS=overwrite cargo test --lib schema` writes the file.
#[test]
fn the_schema_in_the_repository_is_that_of_the_snapshot() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/snapshot-v1.schema.json");
    let mut written = Vec::new();
    write_schema(&mut written).unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let document = serde_json::from_slice(&encode(&snapshot()).unwrap()).unwrap();
    let valid = jsonschema::validator_for(&schema).unwrap();
    assert!(valid.is_valid(&document), "{:?}", valid.iter_errors(&document).collect::<Vec<_>>());
    let expected = snapbox::Data::read_from(path.as_ref(), Some(snapbox::data::DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(String::from_utf8(written).unwrap(), expected);
}
