//! Generated states: the schema takes one exactly when it decodes, and no mutation makes the reader panic or point
//! outside of its file.

use std::fs;

use kedrctl::declare::{self, Read};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::{check_places, schema};

/// Values as they may stand in a file, right ones and wrong ones, by what takes them.
const INSTANTS: &[&str] = &[
    "2026-12-01T18:00:00+03:00",
    "'2026-12-01T18:00:00.25Z'",
    "2026-12-01T18:00:60Z",
    "2026-12-01",
    "tomorrow",
    "2026-12-01T18:00:00",
    "2026-12-01t18:00:00Z",
    "2026-13-01T18:00:00Z",
    "2026-12-01T24:00:00Z",
    "2026-12-01T18:00:00+3:00",
    "2026-02-30T00:00:00Z",
    "2026-12-01T18:00:00.Z",
    "~",
    "''",
    "[]",
];
const LEASES: &[&str] = &[
    "2h", "24h", "9999h", "416d", "1d", "'3d'", "1h", "417d", "10000h", "024h", "1.5h", "24", "24H", "2 h",
    "{}", "~",
];
const TOLERANCES: &[&str] = &["1m", "10m", "1440m", "24h", "0m", "1441m", "25h", "10", "10s", "1d", "m"];
const ADDRESSES: &[&str] = &[
    "10.0.0.53",
    "'::1'",
    "'2001:db8::1'",
    "'::ffff:10.0.0.1'",
    "'1:2:3:4:5:6:7:8'",
    "'1::8'",
    "[10.0.0.1, 10.0.0.2]",
    "10.0.0.256",
    "10.0.0",
    "010.0.0.1",
    "'1:2:3:4:5:6:7:8:9'",
    "'1::2::3'",
    "'::1:2:3:4:5:6:7'",
    "'1:2:3:4:5:6:7::'",
    "'::1.2.3.4.5'",
    "host",
    "10.0.0.0/24",
    "[]",
    "[[]]",
    "~",
];
const NETWORKS: &[&str] = &[
    "10.0.0.0/28",
    "10.0.0.1",
    "'2001:db8::/64'",
    "'::/0'",
    "0.0.0.0/0",
    "10.0.0.0/33",
    "'::/129'",
    "10.0.0.0/",
    "dc*",
    "[10.0.0.0/8]",
];
const PORTS: &[&str] = &[
    "53",
    "'53'",
    "1000-2000",
    "[80, 443, 1-65535]",
    "65535",
    "0",
    "65536",
    "'053'",
    "1-",
    "-1",
    "1-2-3",
    "http",
    "[]",
    "1000-65536",
    "true",
];
const PROTOCOLS: &[&str] =
    &["tcp", "[udp, icmp]", "0", "255", "'17'", "256", "-1", "TCP", "'017'", "1.5", "[]", "~"];
const DIRECTIONS: &[&str] = &["inbound", "outbound", "both", "out", "Inbound", "[inbound]", "~"];
const HASHES: &[&str] = &[
    "900150983cd24fb0d6963f7d28e17f72",
    "'900150983CD24FB0D6963F7D28E17F72'",
    "12345678901234567890123456789012",
    "1e100000000000000000000000000000",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "{ sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, comment: '' }",
    "{ md5: 900150983cd24fb0d6963f7d28e17f72, comment: 5 }",
    "{ md5: 900150983cd24fb0d6963f7d28e17f72, until: 2026-12-01T18:00:00Z }",
    "900150983cd24fb0d6963f7d28e17f7",
    "d41d8cd98f00b204e9800998ecf8427e",
    "a9993e364706816aba3e25717850c26c9cd0d89d",
    "{ md5: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }",
    "{ comment: none }",
    "{ sha1: a9993e364706816aba3e25717850c26c9cd0d89d }",
    "{ md5: 900150983cd24fb0d6963f7d28e17f72, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }",
    "[]",
    "~",
    "{}",
];
const LINES: &[&str] = &[
    "INC-417",
    "417",
    "true",
    "'two words'",
    "'ключ'",
    "''",
    "' '",
    "\"a\\nb\"",
    "\"a\\u202eb\"",
    "~",
    "[]",
    "{ a: b }",
];
const NAMES: &[&str] = &["soc-gitops", "soc.2_a", "2026", "'soc team'", "соц", "''", "~", "[a]"];
const LIMITS: &[&str] =
    &["0", "5", "'5'", "10%", "100%", "101%", "-1", "5.5", "'05'", "'010%'", "%", "few", "{}"];
const TRUTHS: &[&str] = &["true", "false", "True", "'true'", "yes", "1", "~", "TRUE"];
const URLS: &[&str] = &[
    "https://kata.example.org",
    "HTTPS://kata:8443/",
    "'https://[2001:db8::1]:8443'",
    "https://10.0.0.5",
    "[https://a, https://b]",
    "https://a:0443",
    "http://kata",
    "kata",
    "https://kata/path",
    "https://u:p@kata",
    "https://kata:0",
    "https://kata:65536",
    "https://10.0.0.256",
    "https://2001:db8::1",
    "https://-kata",
    "https://kata-",
    "https://kata..org",
    "https://ката",
    "https://a.1",
    "https://kata:",
    "[]",
    "https://",
    "~",
];
const IDS: &[&str] = &["5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11", "abc", "12345", "a_b", "''", "[a]", "~"];
const SENSORS: &[&str] = &[
    "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11",
    "5B0D2C1E-6F2E-4F4C-8A55-0B5B0C8F7A11",
    "5b0d2c1e6f2e4f4c8a550b5b0c8f7a11",
    "'{5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11}'",
    "urn:uuid:5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11",
    "5b0d2c1e-6f2e4f4c-8a55-0b5b0c8f7a11",
    "123",
    "''",
    "~",
];
const PEMS: &[&str] = &[
    "secrets/hq.crt",
    "{ env: HQ_KEY }",
    "{ command: [vault, read] }",
    "''",
    "'-----BEGIN CERTIFICATE-----'",
    "{ env: 1A }",
    "{ env: $A }",
    "{ command: [] }",
    "{ command: vault }",
    "{ env: A, command: [b] }",
    "{ file: a }",
    "{}",
    "[a]",
    "~",
];
const PASSPHRASES: &[&str] = &[
    "{ env: HQ_PASSPHRASE }",
    "{ command: [pass, hq] }",
    "correct horse",
    "{ env: A, command: [b] }",
    "{ command: [] }",
    "{ file: a }",
    "{}",
    "~",
];
const TRUSTS: &[&str] = &[
    "system",
    "{ ca: ca.pem }",
    "{ ca: { env: CA } }",
    "{ sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }",
    "{ sha256: '9F:86:d0:81:88:4c:7d:65:9a:2f:ea:a0:c5:5a:d0:15:a3:bf:4f:1b:2b:0b:82:2c:d1:5d:6c:15:b0:f0:0a:08' }",
    "none",
    "{ sha256: 9f86 }",
    "{ ca: ca.pem, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }",
    "{}",
    "~",
    "[system]",
];
const COUNTS: &[&str] = &["1", "32", "512", "'16'", "0", "513", "-1", "1.5", "'016'", "many", "~"];
// To JSON Schema 1.0 is the whole number 1.
const VERSIONS: &[&str] = &["1", "'1'", "2", "one", "[1]", "true"];
const RECORDS: &[&str] = &[
    ".kedrctl",
    "s3://soc-kedrctl/prod",
    "az://soc/a/b=c/",
    "gs://SOC/prod",
    "s3://a",
    "s3://soc//prod",
    "https://soc/prod",
    "s3://soc/prod?x=1",
    "file:///srv",
    "/srv/record",
    "2026",
    "''",
    "~",
    "[a]",
];
const MISSINGS: &[&str] = &["error", "warn", "ignore", "Error", "~"];
const HOST_NAMES: &[&str] = &[
    "[ws-1, WS-2.corp.example]",
    "ws-1",
    "[a, ws-1]",
    "2026",
    "[ws-*]",
    "'ws-?'",
    "[]",
    "['']",
    "[~]",
    "{ a: b }",
    "~",
];
const PATTERNS: &[&str] = &[
    "'ws-*'",
    "ws-1",
    "[ws-1, 'srv-?']",
    "'[ab]-{c,d}'",
    "2026",
    "'ws-['",
    "[]",
    "''",
    "['a\nb']",
    "[[]]",
    "~",
];
const SYSTEMS: &[&str] = &["windows", "[windows, Linux]", "win*", "'lin?x'", "''", "[]", "{}", "~"];
const FILES: &[&str] = &["hosts.txt", "''", "[hosts.txt]", "~"];
const SERVERS: &[&str] = &["lab", "hq", "nowhere", "900150983cd24fb0d6963f7d28e17f72", "[lab]", "~"];
const GENERATIONS: &[&str] = &["1", "'2'", "417", "0", "-1", "1.5", "'01'", "many", "[1]", "~"];
const KEYS: &[&str] = &["bogus", "Isolation", "lease", "server "];

/// Keys with the values that they may be given; of each mapping some are written.
type Keys = &'static [(&'static str, &'static [&'static str])];

const RULE: Keys = &[
    ("direction", DIRECTIONS),
    ("protocol", PROTOCOLS),
    ("remote_address", ADDRESSES),
    ("remote_ports", PORTS),
    ("local_ports", PORTS),
];
const ISOLATION: Keys = &[
    ("until", INSTANTS),
    ("lease", LEASES),
    ("reason", LINES),
    ("exclusions", &["[dns]", "[]", "[{ protocol: tcp }]", "[{}]", "dns", "~"]),
];
const PREVENTION: Keys = &[
    ("block", &["[bad]", "[]", "bad", "[bad, 900150983cd24fb0d6963f7d28e17f72]"]),
    (
        "unblock",
        &[
            "[]",
            "[0cc175b9c0f1b6a831c399e269772661]",
            "[bad]",
            "[{ md5: 0cc175b9c0f1b6a831c399e269772661, until: 2026-12-01T18:00:00Z }]",
        ],
    ),
    ("exact", TRUTHS),
];
const GROUP_ISOLATION: Keys = &[
    ("until", INSTANTS),
    ("reason", LINES),
    ("exclusions", &["[dns]", "[]", "[{ protocol: tcp }]", "[{}]", "dns", "~"]),
    ("lease", LEASES),
];
const MATCH: Keys = &[("name", PATTERNS), ("cidr", NETWORKS), ("os", SYSTEMS)];
const LIST: Keys = &[
    ("hosts", HOST_NAMES),
    ("server", SERVERS),
    ("except", PATTERNS),
    ("hosts_file", FILES),
    ("match", &["{ name: a }", "{}", "'ws-*'", "~"]),
    ("isolation", &["off", "on", "{}", "~", "{ lease: 24h }"]),
    ("prevention", &["{ block: [bad] }", "{}", "~", "off"]),
];
const ALL_HOSTS: Keys = &[
    ("prevention", &["{ block: [bad] }", "{ block: [], exact: true }", "{}", "~", "off"]),
    ("isolation", &["off", "{ until: 2026-12-01T18:00:00Z }", "~"]),
];
const TASK: Keys = &[
    ("run", &["{ command: cmd }", "{ command: '' }", "{ arguments: x }", "cmd.exe", "[]", "~"]),
    ("not_after", INSTANTS),
    ("hosts", HOST_NAMES),
    ("server", SERVERS),
    ("groups", &["[desks]", "desks", "[nowhere]", "[]", "[~]", "~"]),
    ("generation", GENERATIONS),
    ("state", &["present", "absent", "gone", "Absent", "[]", "~"]),
];
const PROGRAM: Keys = &[("command", LINES), ("arguments", LINES), ("working_directory", LINES)];
const IDENTITY: Keys = &[("name", LINES), ("ip", ADDRESSES), ("sensor_id", SENSORS)];
const PROTECTED: Keys = &[("name", LINES), ("cidr", NETWORKS), ("sensor_id", SENSORS)];
const LIMIT_KEYS: Keys = &[
    ("isolations", LIMITS),
    ("releases", LIMITS),
    ("hosts_changed", LIMITS),
    ("hashes_removed", LIMITS),
    ("missing", MISSINGS),
];
const NODE: Keys = &[
    ("url", URLS),
    ("external_system_id", IDS),
    ("client_certificate", PEMS),
    ("client_key", PEMS),
    ("trust", TRUSTS),
    ("client_key_passphrase", PASSPHRASES),
    ("concurrency", COUNTS),
    ("clock_tolerance", TOLERANCES),
    ("simulator", &["hq.sim", "''", "[a]"]),
];
const TOP: Keys = &[("version", VERSIONS), ("record", RECORDS), ("owner", NAMES)];

/// How often a wrong value or key is written: one mistake hides fewer others than five.
const MOSTLY_RIGHT: u32 = 8;

fn value(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![MOSTLY_RIGHT => Just(values[0].to_owned()), 3 => select(values).prop_map(str::to_owned)]
}

/// A mapping of some of the keys; now and then with one that is not known.
fn map(keys: Keys, always: usize) -> impl Strategy<Value = String> {
    let entries: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(index, (key, values))| {
            let is_there = if index < always { 0.95 } else { 0.2 };
            (prop::bool::weighted(is_there), value(values))
                .prop_map(move |(is_there, value)| is_there.then(|| format!("{key}: {value}")))
        })
        .collect();
    (entries, prop::option::weighted(0.05, select(KEYS))).prop_map(|(entries, extra)| {
        let extra = extra.map(|key| format!("'{key}': x"));
        let entries: Vec<String> = entries.into_iter().flatten().chain(extra).collect();
        format!("{{ {} }}", entries.join(", "))
    })
}

/// A whole state; every name in it is defined, every server used.
fn state() -> impl Strategy<Value = String> {
    let hosts = (
        prop_oneof![4 => map(ISOLATION, 1), 1 => Just("off".to_owned()), 1 => value(&["off", "false", "'off'", "on", "no", "~", "[]"])],
        map(PREVENTION, 1),
        map(IDENTITY, 1),
    );
    let policy = (map(PROTECTED, 1), map(&LIMIT_KEYS[..4], 2), value(MISSINGS), value(TRUTHS));
    let many = (
        (map(MATCH, 1), map(GROUP_ISOLATION, 1), map(PREVENTION, 1)),
        map(LIST, 2),
        map(ALL_HOSTS, 1),
        map(TASK, 4),
        map(PROGRAM, 1),
    );
    let named = (map(RULE, 2), prop::collection::vec(value(HASHES), 1..3));
    (map(TOP, 1), map(NODE, 7), hosts, policy, named, many).prop_map(|(top, node, hosts, policy, named, many)| {
        let top = top.trim_start_matches("{ ").trim_end_matches(" }").replace(", ", "\n");
        let (isolation, prevention, identity) = hosts;
        let (protected, limits, missing, may_start) = policy;
        let (rule, hashes) = named;
        let ((what, until, blocked), list, all_hosts, task, program) = many;
        format!(
            "{top}\nservers:\n  hq: {node}\n  lab: {{ simulator: fleet.sim }}\n\
             policy: {{ protected: [{protected}], limits: {limits}, always_allow: [dns], never_block: [good], missing: {missing}, \
             tasks: {may_start} }}\n\
             exclusions:\n  dns: [{rule}]\n\
             hash_lists:\n  bad: [{}]\n  good: [187ef4436122d1cc2f40dc2b92f0eba0]\n\
             hosts:\n  a: {{ server: lab, isolation: {isolation}, prevention: {{ block: [bad] }} }}\n  \
             b: {{ server: hq, isolation: {{ lease: 24h, exclusions: [dns] }} }}\n  \
             c: {{ server: lab, identity: {identity}, isolation: off }}\n  d: {{ server: lab, prevention: {prevention} }}\n\
             groups:\n  desks: {{ match: {what}, isolation: {until}, prevention: {blocked} }}\n  some: {list}\n\
             all_hosts:\n  lab: {all_hosts}\n\
             tasks:\n  one: {task}\n  other: {{ groups: [desks], run: {program}, not_after: 2026-12-01T18:00:00Z }}\n",
            hashes.join(", ")
        )
    })
}

/// Reads a state of one file.
pub(crate) fn read(text: &str) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.yaml");
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    fs::write(&file, text).unwrap();
    declare::read(&[file])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_state_fits_the_schema_exactly_when_it_decodes(text in state()) {
        let read = read(&text);
        let wrong = schema::disagreements(&read);
        prop_assert!(wrong.is_empty(), "{text}\n{wrong:#?}");
        // The same as one answer for the whole file, whatever the places are.
        let is_refused = schema::refusals(&text).is_some_and(|refusals| !refusals.is_empty());
        let is_wrong = read.problems.iter().any(schema::is_wrong);
        if !is_wrong || read.problems.iter().any(schema::can_be_said) {
            prop_assert_eq!(is_refused, is_wrong, "{}", text);
        }
        check_places(&read);
    }

    #[test]
    fn no_mutation_of_a_state_leads_out_of_its_file(
        which in any::<Index>(),
        cuts in prop::collection::vec((any::<Index>(), any::<Index>(), 0_usize..4), 1..5),
    ) {
        let examples = examples();
        let mut text = examples[which.index(examples.len())].clone();
        for (at, other, how) in cuts {
            text = mutated(&text, at, other, how);
        }
        check_places(&read(&text));
    }
}

/// States that people write, with letters of several bytes.
fn examples() -> Vec<String> {
    let mut found = vec![include_str!("../../examples/quickstart/state.yaml").replace("WS-017", "КУХНЯ-1")];
    for case in [
        "many-mistakes-at-once",
        "exclusion-values",
        "hash-values",
        "server-address",
        "yaml-wrong-through-an-alias",
    ] {
        found.push(fs::read_to_string(crate::folder(case).join("state.yaml")).unwrap());
    }
    found
}

/// A character or a line taken out, put in again or doubled.
fn mutated(text: &str, at: Index, other: Index, how: usize) -> String {
    let pieces: Vec<&str> = match how {
        0 | 1 => text.split_inclusive('\n').collect(),
        _ => text.split_inclusive(|_| true).collect(),
    };
    if pieces.is_empty() {
        return "ä: [".to_owned();
    }
    let (at, other) = (at.index(pieces.len()), pieces[other.index(pieces.len())]);
    let (before, after) = (pieces[..at].concat(), pieces[at + 1..].concat());
    match how {
        0 | 2 => before + &after,
        _ => before + pieces[at] + other + &after,
    }
}
