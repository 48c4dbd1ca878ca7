//! What reads foreign bytes, each as the program calls it.

use std::path::Path;

use kedrctl::central_node::bodies;
use kedrctl::declare;
use kedrctl::diagnostic::{Look, draw};
use kedrctl::model::ServerKey;
use kedrctl::observe;
use kedrctl::record::{MemoryStore, Record};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::put;

#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The folder of its seeds.
    pub(crate) name: &'static str,
    /// What such inputs are made of.
    pub(crate) words: &'static [&'static str],
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    /// A file in a folder with a state, which names it; or the state itself.
    File {
        name: &'static str,
        state: &'static str,
    },
    Bytes(fn(&[u8]) -> bool),
}

type Reader = Box<dyn FnMut(&[u8]) -> bool>;

impl Kind {
    /// What reads one input, and says whether it was understood.
    pub(crate) fn reader(self) -> Reader {
        match self.source {
            Source::Bytes(read) => Box::new(read),
            Source::File { name, state } => {
                let folder = tempfile::tempdir().unwrap();
                put(&folder.path().join("state.yaml"), state.as_bytes());
                Box::new(move |input| {
                    put(&folder.path().join(name), input);
                    read_state(folder.path())
                })
            }
        }
    }
}

macro_rules! list_state {
    ($file:literal) => {
        concat!(
            "version: 1\nservers: { lab: { simulator: fleet.sim } }\nhash_lists: { l: { file: ",
            $file,
            " } }\nhosts: { ws-1: { prevention: { block: [l] } } }\n"
        )
    };
}

const HASHES: [&str; 3] = [
    "900150983cd24fb0d6963f7d28e17f72",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "d41d8cd98f00b204e9800998ecf8427e",
];

pub(crate) const STATE: Kind = Kind {
    name: "state",
    words: &[
        "version: 1\n",
        "hosts:\n",
        "  ",
        "\n  ",
        ": ",
        "- ",
        "off",
        "lease: 24h",
        "until: ",
        "{ ",
        " }",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "? ",
        "---\n",
        "...",
        "|",
        ">",
        "[*]",
        "{a,b}",
        "[!a-z]",
        "**",
        "name: \"*\"",
        "cidr: ::/0",
    ],
    source: Source::File { name: "state.yaml", state: "" },
};

pub(crate) const HOSTS_FILE: Kind = Kind {
    name: "hosts-file",
    words: &["WS-1\n", "# ", "*", "?", "\u{a0}", "ws-1"],
    source: Source::File {
        name: "hosts.txt",
        state: "version: 1\nservers: { lab: { simulator: fleet.sim } }\n\
                groups: { g: { hosts_file: hosts.txt, isolation: off } }\n",
    },
};

pub(crate) const LIST_TEXT: Kind = Kind {
    name: "list-text",
    words: &HASHES,
    source: Source::File { name: "l.txt", state: list_state!("l.txt") },
};

pub(crate) const LIST_CSV: Kind = Kind {
    name: "list-csv",
    words: &[HASHES[0], HASHES[1], "sha256,md5,comment\n", "\"\"", ",", ";", "\"\n"],
    source: Source::File { name: "l.csv", state: list_state!("l.csv") },
};

pub(crate) const LIST_STIX: Kind = Kind {
    name: "list-stix",
    words: &[
        "[file:hashes.MD5 = 'a']",
        " AND ",
        " OR ",
        "file:size = 1",
        " AND file:size = 1",
        "file:hashes.'SHA-256' IN (",
        "'a', ",
        "(",
        "[",
        "/*",
        "*/",
        "//",
        " NOT ",
        "{\"type\":\"indicator\"}, ",
        "\"revoked\": true, ",
        "\"valid_until\": \"2026-01-01T00:00:00Z\", ",
        HASHES[0],
    ],
    source: Source::File { name: "l.stix.json", state: list_state!("l.stix.json") },
};

pub(crate) const LIST_MISP: Kind = Kind {
    name: "list-misp",
    words: &[
        "\"Event\": {",
        "\"Attribute\": [",
        "\"Object\": [",
        "{\"type\": \"md5\"}, ",
        "\"to_ids\": true, ",
        "\"filename|sha256\"",
        "|",
        "\"deleted\": 1, ",
        HASHES[0],
    ],
    source: Source::File { name: "l.misp.json", state: list_state!("l.misp.json") },
};

pub(crate) const SENSORS: Kind = Kind {
    name: "sensors",
    words: &[
        "\"sensors\": [",
        "{\"sensorId\": \"5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11\"}, ",
        "\"host\": ",
        "\"hostIp\": ",
        "\"lastAccessTimestamp\": ",
        "\"continuation_token\": \"x\", ",
        "\"server\": ",
        "::ffff:10.0.0.1",
    ],
    source: Source::Bytes(|body| bodies::read_hosts(body).is_ok()),
};

pub(crate) const ISOLATION: Kind = Kind {
    name: "isolation",
    words: &[
        "\"settings\": ",
        "\"excludedRules\": [",
        "\"autoTurnoffTimeoutInSec\": ",
        "{\"direction\": \"both\"}, ",
        "\"protocol\": ",
        "\"remotePortRange\": {",
        "\"remoteIpv4Address\": ",
        "3600.5",
        "\"3600\"",
    ],
    source: Source::Bytes(|body| bodies::read_isolation(body).is_ok()),
};

pub(crate) const PREVENTION: Kind = Kind {
    name: "prevention",
    words: &[
        "\"settings\": ",
        "\"objects\": [",
        "{\"file\": {\"md5\": \"",
        "\"name\": ",
        HASHES[0],
        HASHES[1],
    ],
    source: Source::Bytes(|body| bodies::read_prevention(body).is_ok()),
};

pub(crate) const TASK: Kind = Kind {
    name: "task",
    words: &[
        "\"state\": ",
        "\"task\": {",
        "\"latestStartDateTime\": ",
        "\"execCommand\": ",
        "\"schedule\": {",
        "2026-11-25T00:00:00Z",
    ],
    source: Source::Bytes(|body| bodies::read_task(body).is_ok()),
};

pub(crate) const REFUSAL: Kind = Kind {
    name: "refusal",
    words: &["\"hosts\": [", "\"error\": ", "\"Not Found\"", "already", "{\"name\": \"x\"}, "],
    source: Source::Bytes(|body| {
        let hosts = bodies::listed_hosts(body);
        bodies::is_documented_not_found(body) || bodies::speaks_of_clash(body) && !hosts.is_empty()
    }),
};

pub(crate) const SNAPSHOT: Kind = Kind {
    name: "snapshot",
    words: &[
        "\"servers\":[",
        "\"format_version\":1",
        "\"content\":",
        "\"sensor\":",
        "\"unknown\"",
        HASHES[0],
    ],
    source: Source::Bytes(|bytes| {
        drop(observe::decode(bytes));
        if let Some(signed) = signed_anew(bytes)
            && let Ok(snapshot) = observe::decode(&signed)
        {
            observe::encode(&snapshot).unwrap();
            return true;
        }
        false
    }),
};

pub(crate) const SEGMENT: Kind = Kind {
    name: "segment",
    words: &[
        "{\"event\":\"intends\"",
        "{\"event\":\"outcome\",\"intention\":1,",
        "\"isolation\"",
        "\"prevention\"",
        "\"run_begins\"",
        "\"settled\"",
        "\"hold\"",
        "\"all\"",
        "\"before\":null",
        "2026-11-25T00:00:00Z",
    ],
    source: Source::Bytes(|bytes| {
        let store = MemoryStore::default();
        for (number, segment) in chained(bytes).into_iter().enumerate() {
            store.overwrite(&format!("{FOLDER}{:012}.jsonl", number + 1), segment);
        }
        read_record(store)
    }),
};

pub(crate) const SET: Kind = Kind {
    name: "set",
    words: &["\"objects\":[", "\"sha256\":\"", "\"md5\":\"", "\"name\":", HASHES[0], HASHES[1]],
    source: Source::Bytes(|bytes| {
        let store = MemoryStore::default();
        let digest = hex(bytes);
        store.overwrite(&format!("sets/{digest}.json"), bytes.to_vec());
        let rule = format!("{{\"sha256\":\"{digest}\",\"count\":1}}");
        let segment = NAMES_A_SET.replace("RULE", &rule);
        store.overwrite(&format!("{FOLDER}000000000001.jsonl"), sealed(segment.as_bytes()));
        read_record(store)
    }),
};

pub(crate) const LEDGER: Kind = Kind {
    name: "ledger",
    words: &[
        "\"recorded\":{",
        "\"runs\":[",
        "\"judged\":[",
        "\"sets\":{",
        "\"isolations\":[",
        "\"format\":1",
    ],
    source: Source::Bytes(|bytes| {
        let store = MemoryStore::default();
        let segment = sealed(NAMES_NO_SET.as_bytes());
        let of = String::from_utf8_lossy(bytes).replace("SEGMENT", &hex(&segment));
        store.overwrite(&format!("{FOLDER}000000000001.jsonl"), segment);
        store.overwrite("ledger/kata.example.org_443.json", sealed(of.as_bytes()));
        read_record(store)
    }),
};

/// All problems can be drawn, and nothing that a file says drives the terminal.
fn read_state(folder: &Path) -> bool {
    let read = declare::read(&[folder.join("state.yaml")]);
    for problem in read.problems.iter().take(50) {
        let drawn = draw(problem, &read.sources, Look::default());
        let harmful =
            drawn.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(harmful, None, "{drawn:?}");
    }
    read.declared.is_some()
}

const FOLDER: &str = "journal/kata.example.org_443/";

const NAMES_NO_SET: &str = "{\"format\":1,\"writer\":\"kedrctl 0.0.0\",\"server\":\"kata.example.org_443\",\"number\":1,\
    \"previous\":null,\"run\":\"20261125-000000-0001\",\"fence\":1,\"nonce\":\"n\"}\n\
    {\"event\":\"run_begins\",\"at\":\"2026-11-25T00:00:00Z\",\"owner\":\"soc\",\"by\":\"ana\",\"command\":\"apply\"}\n";

const NAMES_A_SET: &str = "{\"format\":1,\"writer\":\"kedrctl 0.0.0\",\"server\":\"kata.example.org_443\",\"number\":1,\
    \"previous\":null,\"run\":\"20261125-000000-0001\",\"fence\":1,\"nonce\":\"n\"}\n\
    {\"event\":\"run_begins\",\"at\":\"2026-11-25T00:00:00Z\",\"owner\":\"soc\",\"by\":\"ana\",\"command\":\"apply\"}\n\
    {\"event\":\"intends\",\"intention\":1,\"at\":\"2026-11-25T00:01:00Z\",\"target\":\"all\",\
    \"action\":\"set\",\"difference\":{\"prevention\":{\"before\":null,\"after\":RULE}}}\n";

/// Whether the chain could be followed, and what lies beside it could be read.
fn read_record(store: MemoryStore) -> bool {
    let server = ServerKey::of_address("kata.example.org", 443);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let record = Record::new(store);
    runtime.block_on(async {
        let read = record.read(&server).await;
        let verified = record.verify(&server).await.unwrap();
        read.is_ok() && !verified.problems.iter().any(|problem| problem.why.contains("can not be read"))
    })
}

/// The snapshot with the digest of the content that it has now.
fn signed_anew(bytes: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return None };
    let (_, content) = text.split_once(",\"content\":")?;
    let content = content.trim_end().strip_suffix('}')?;
    let head = format!(
        "{{\"format\":\"kedrctl snapshot\",\"format_version\":1,\"sha256\":\"{}\",\"content\":",
        hex(content.as_bytes())
    );
    Some(format!("{head}{content}}}\n").into_bytes())
}

/// Segments, each of which ends with a line of its digest, put into one chain.
fn chained(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let mut lines: Vec<u8> = Vec::new();
    // Every eighth input as it is: the chain itself may be wrong.
    let is_mended = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 8 != 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"{\"sha256\"") {
            segments.push(sealed(&std::mem::take(&mut lines)));
            continue;
        }
        let is_header = lines.is_empty() && is_mended;
        match serde_json::from_slice(line) {
            Ok(Value::Object(mut header)) if is_header => {
                header.insert("number".to_owned(), (segments.len() + 1).into());
                let previous = segments.last().map_or(Value::Null, |last| hex(last).into());
                header.insert("previous".to_owned(), previous);
                lines.extend(serde_json::to_vec(&header).unwrap());
                lines.push(b'\n');
            }
            Ok(_) | Err(_) => lines.extend(line),
        }
    }
    if !lines.is_empty() {
        segments.push(sealed(&lines));
    }
    segments
}

fn sealed(lines: &[u8]) -> Vec<u8> {
    let mut bytes = lines.to_vec();
    bytes.extend(format!("{{\"sha256\":\"{}\"}}\n", hex(lines)).into_bytes());
    bytes
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
