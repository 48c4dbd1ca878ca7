//! What right states become. What wrong ones get to hear is in `tests/diagnostics/`.

mod limits;
mod never_block;
mod reach;

use std::path::PathBuf;

use super::*;
use crate::model::Timeout;

/// Reads files (name, text) in a folder of their own.
pub(super) fn read_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Read) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
        std::fs::write(path, text).unwrap();
    }
    let read = read(&[folder.path().to_owned()]);
    (folder, read)
}

pub(super) fn messages(read: &Read) -> Vec<String> {
    read.problems.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect()
}

fn folder_record(folder: PathBuf, is_declared: bool) -> RecordLocation {
    RecordLocation { place: RecordPlace::Folder(folder), is_declared }
}

const STATE: &str = r#"
# yaml-language-server: $schema=../schemas/kedrctl.schema.json
version: 1
record: ../record
owner: soc-gitops
servers:
  hq:
    url: [https://KATA.example.org, "https://[2001:db8::1]:8443/"]
    external_system_id: 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11
    client_certificate: secrets/hq.crt
    client_key: { env: KEDRCTL_HQ_KEY }
    trust: { sha256: "9F:86:d0:81:88:4c:7d:65:9a:2f:ea:a0:c5:5a:d0:15:a3:bf:4f:1b:2b:0b:82:2c:d1:5d:6c:15:b0:f0:0a:08" }
    concurrency: 32
    clock_tolerance: 1h
  lab: { simulator: fleet.yaml }
policy:
  protected: [{ name: "dc*" }, { cidr: 10.0.0.0/28 }, { cidr: 10.9.9.9 }, { sensor_id: 5B0D2C1E-6f2e-4f4c-8a55-0b5b0c8f7a11 }]
  limits: { isolations: 5, hashes_removed: 20% }
  always_allow: [dns]
  never_block: [known-good]
  missing: warn
exclusions:
  dns:
    - { direction: outbound, protocol: [udp, 6], remote_address: [10.0.0.53, 10.0.1.53], remote_ports: 53 }
  proxy:
    - { direction: inbound, local_ports: [80, 1000-2000] }
hash_lists:
  ransomware: { file: lists/ransomware.txt }
  known-good: [1e100000000000000000000000000000]
  incident-417:
    - sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      comment: dropper.exe
      until: 2026-12-31T00:00:00Z
    - 12345678901234567890123456789012
hosts:
  WS-017.corp.example:
    server: hq
    isolation:
      until: 2026-12-01T18:00:00+03:00
      exclusions: [proxy, { direction: both, protocol: icmp }]
      reason: INC-417
    prevention: { block: [900150983cd24fb0d6963f7d28e17f72, incident-417, ransomware], unblock: [0cc175b9c0f1b6a831c399e269772661] }
  front-desk:
    identity: { sensor_id: 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a12 }
    server: lab
    isolation: off
    prevention: { block: [], exact: true }
  cold: { server: lab, isolation: { lease: 3d } }
"#;

#[test]
fn the_whole_language_is_read() {
    let list = "# ours\n900150983cd24fb0d6963f7d28e17f73 # tool.exe\n";
    let (folder, read) = read_files(&[
        ("state/prod.yaml", STATE),
        ("state/lists/ransomware.txt", list),
        ("state/fleet.yaml", "hosts: [this is no state]"),
    ]);
    assert_eq!(messages(&read), Vec::<String>::new());
    let declared = read.declared.unwrap();
    let at = |path: &str| folder.path().join("state").join(path);
    assert_eq!(declared.record, folder_record(at("../record"), true));
    assert_eq!(&*declared.owner, "soc-gitops");

    let servers: Vec<&DeclaredServer> = declared.servers.values().collect();
    assert_eq!((servers[0].concurrency, servers[0].clock_tolerance.as_mins()), (32, 60));
    let Connection::CentralNode(node) = &servers[0].connection else { panic!("a Central Node") };
    let urls: Vec<String> = node.urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["https://kata.example.org", "https://[2001:db8::1]:8443"]);
    assert_eq!(node.client_certificate, PemSource::File(at("secrets/hq.crt")));
    assert_eq!(node.client_key, PemSource::Env("KEDRCTL_HQ_KEY".to_owned()));
    assert!(matches!(&node.trust, Some(Trust::Pinned(digest)) if digest[0] == 0x9f));
    assert!(matches!(&servers[1].connection, Connection::Simulator { fleet } if *fleet == at("fleet.yaml")));
    assert_eq!((servers[1].concurrency, servers[1].clock_tolerance.as_mins()), (16, 10));

    let policy = &declared.policy;
    assert_eq!(policy.limits.isolations, Some(Limit::Count(5)));
    assert_eq!(policy.limits.hashes_removed, Some(Limit::Percent(20)));
    assert_eq!(policy.limits.releases, None);
    assert_eq!((policy.never_block.whole().unwrap().hashes().len(), policy.missing), (1, Missing::Warn));
    let ProtectedRule::Name(glob) = &policy.protected[0].rule else { panic!("a name") };
    assert!(glob.is_match("DC01") && !glob.is_match("ws-dc"));
    let networks: Vec<String> = policy.protected[1..3]
        .iter()
        .map(|protected| match &protected.rule {
            ProtectedRule::Network(network) => network.to_string(),
            ProtectedRule::Name(_) | ProtectedRule::Sensor(_) => panic!("a network"),
        })
        .collect();
    assert_eq!(networks, ["10.0.0.0/28", "10.9.9.9/32"]);
}

#[test]
fn hosts_say_what_is_to_be() {
    let list = "# ours\n900150983cd24fb0d6963f7d28e17f73 # tool.exe\n";
    let (_folder, read) =
        read_files(&[("a.yaml", STATE), ("lists/ransomware.txt", list), ("fleet.yaml", "")]);
    let hosts = read.declared.unwrap().hosts;
    let entries: Vec<&str> = hosts.iter().map(|host| &*host.entry).collect();
    assert_eq!(entries, ["WS-017.corp.example", "front-desk", "cold"]);

    assert_eq!(hosts[0].identity, Identity::Name("WS-017.corp.example".into()));
    let WantedIsolation::On { term, exclusions, reason } = &hosts[0].isolation.as_ref().unwrap().want else {
        panic!("isolated")
    };
    assert_eq!(*term, Term::Until("2026-12-01T15:00:00Z".parse().unwrap()));
    assert_eq!(reason.as_deref(), Some("INC-417"));
    let shown: Vec<String> = exclusions.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "inbound any protocol local port 80",
            "inbound any protocol local ports 1000-2000",
            "outbound tcp to 10.0.0.53 remote port 53",
            "outbound tcp to 10.0.1.53 remote port 53",
            "outbound udp to 10.0.0.53 remote port 53",
            "outbound udp to 10.0.1.53 remote port 53",
            "both icmp",
        ]
    );
    let prevention = hosts[0].prevention.as_ref().unwrap();
    let lists: Vec<Vec<Option<&str>>> =
        prevention.block.iter().map(|set| set.iter().map(|entry| entry.list.as_deref()).collect()).collect();
    assert_eq!(lists, [vec![None], vec![Some("incident-417"); 2], vec![Some("ransomware")]]);
    let dropper = &prevention.block[1][0];
    assert_eq!(dropper.comment.as_ref().map(crate::model::Untrusted::raw), Some("dropper.exe"));
    assert_eq!(dropper.until, Some("2026-12-31T00:00:00Z".parse().unwrap()));
    assert_eq!(prevention.block[1][1].hash.to_string(), "12345678901234567890123456789012");
    assert!(prevention.block[2][0].origin.to_string().ends_with("lists/ransomware.txt:2"));
    assert_eq!((prevention.unblock.len(), prevention.exact), (1, false));

    assert_eq!(hosts[1].isolation.as_ref().unwrap().want, WantedIsolation::Off);
    let exact = hosts[1].prevention.as_ref().unwrap();
    assert!(exact.exact && exact.block.is_empty());
    let WantedIsolation::On { term, exclusions, .. } = &hosts[2].isolation.as_ref().unwrap().want else {
        panic!("isolated")
    };
    assert_eq!(*term, Term::Lease(Timeout::from_seconds(3 * 86_400).unwrap()));
    assert_eq!(exclusions.len(), 4, "what every isolation lets through");
}

#[test]
fn the_record_is_beside_the_state() {
    let text =
        "version: 1\nservers: { lab: { simulator: fleet.yaml } }\nhosts: { ws-1: { isolation: off } }\n";
    let (folder, read) = read_files(&[("state.yaml", text)]);
    assert_eq!(read.declared.unwrap().record, folder_record(folder.path().join(".kedrctl"), false));
    let file = folder.path().join("state.yaml");
    let record = super::read(std::slice::from_ref(&file)).declared.unwrap().record;
    assert_eq!(record, folder_record(folder.path().join(".kedrctl"), false));
    // The same file by two ways is one file, but nobody can say beside which of the paths the record is.
    let twice = super::read(&[file.clone(), folder.path().to_owned()]);
    assert_eq!(messages(&twice).len(), 1, "{:?}", messages(&twice));
    assert_eq!(twice.problems[0].code.as_str(), "E045");
    assert_eq!(default_record(&[PathBuf::from(".")]).unwrap(), folder_record(".kedrctl".into(), false));
    assert_eq!(
        default_record(&[PathBuf::from("state.yaml")]).unwrap(),
        folder_record(".kedrctl".into(), false)
    );
}

#[test]
fn the_record_may_be_in_an_object_store() {
    let text = "version: 1\nrecord: s3://soc-kedrctl/prod\nservers: { lab: { simulator: fleet.yaml } }\nhosts: { ws-1: { isolation: off } }\n";
    let (_folder, read) = read_files(&[("state.yaml", text)]);
    let record = read.declared.unwrap().record;
    let RecordPlace::Bucket(url) = &record.place else { panic!("{record:?}") };
    assert_eq!((url.to_string().as_str(), record.is_declared), ("s3://soc-kedrctl/prod", true));
}

#[test]
fn files_that_the_state_refers_to_are_no_states() {
    let state =
        "version: 1\nservers: { lab: { simulator: sims/fleet.yml } }\nhosts: { ws-1: { isolation: off } }\n";
    let (folder, read) = read_files(&[
        ("sub/state.yaml", state),
        ("sub/sims/fleet.yml", "a: [broken"),
        (".git/x.yaml", "no"),
        (".hidden.yaml", "no"),
        ("notes.txt", "no"),
    ]);
    assert_eq!(messages(&read), Vec::<String>::new());
    // Named by the user, it has to be a state.
    let fleet = folder.path().join("sub/sims/fleet.yml");
    assert!(super::read(&[folder.path().to_owned(), fleet]).declared.is_none());
}

#[test]
fn several_paths_are_one_state() {
    let state = "version: 1\nrecord: r\nservers: { lab: { simulator: fleet.sim } }\n\
                 groups: { pci: { hosts_file: lists/pci.yaml, isolation: off } }\n";
    let (folder, read) = read_files(&[
        ("a/state.yaml", state),
        // Neither a state nor in the way of one: the state refers to it.
        ("a/lists/pci.yaml", "WS-1\nWS-2 # front desk\n"),
        ("b/deep/er/more.yml", "version: 1\ngroups: { desks: { hosts: [WS-3], isolation: off } }\n"),
        ("b/deep/.git/x.yaml", "no"),
        ("b/other.txt", "no"),
        ("c.yaml", "version: 1\nhosts: { WS-9: { isolation: off } }\n"),
    ]);
    let names = |read: Read| -> Vec<String> {
        let declared = read.declared.unwrap_or_else(|| panic!("{:?}", read.problems));
        let groups = declared.groups.iter().map(|group| group.name.to_string());
        groups.chain(declared.hosts.iter().map(|host| host.entry.to_string())).collect()
    };
    let paths =
        |names: &[&str]| -> Vec<PathBuf> { names.iter().map(|name| folder.path().join(name)).collect() };
    assert_eq!(names(read), ["desks", "pci", "WS-9"]);
    assert_eq!(names(super::read(&paths(&["c.yaml", "b", "a"]))), ["desks", "pci", "WS-9"]);
    assert_eq!(names(super::read(&paths(&["a", "a/state.yaml", "c.yaml"]))), ["pci", "WS-9"], "read once");
    // Without the file that says so, the list is no state.
    assert_eq!(super::read(&paths(&["a/lists"])).problems[0].code.as_str(), "E023");
}

#[test]
fn a_state_is_not_left_out_because_another_refers_to_it() {
    let state =
        "version: 1\nservers: { lab: { simulator: other.yaml } }\nhosts: { ws-1: { isolation: off } }\n";
    let other = "version: 1\nhosts: { ws-2: { isolation: off } }\n";
    let (_folder, read) = read_files(&[("state.yaml", state), ("other.yaml", other)]);
    assert_eq!(read.declared.unwrap().hosts.len(), 2);
    let itself = state.replace("other.yaml", "state.yaml");
    let (_folder, read) = read_files(&[("state.yaml", &itself)]);
    assert_eq!(read.declared.unwrap().hosts.len(), 1);
}

#[test]
fn servers_of_a_state_without_hosts_are_not_called_unused() {
    let servers = "version: 1\nservers: { hq: { simulator: hq.sim }, lab: { simulator: lab.sim } }\n";
    assert_eq!(messages(&read_files(&[("state.yaml", servers)]).1), Vec::<String>::new());
    let with_host = format!("{servers}hosts: {{ ws-1: {{ server: hq, isolation: off }} }}\n");
    let said = messages(&read_files(&[("state.yaml", &with_host)]).1);
    assert!(matches!(said.as_slice(), [only] if only.contains("`lab` is not used")), "{said:?}");
}
