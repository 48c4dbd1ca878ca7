//! What holds for every file, right or wrong.

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{Told, told};
use super::*;

/// One file of a list, as any of the formats can say it.
#[derive(Debug, Clone)]
struct One {
    md5: Option<FileHash>,
    sha256: Option<FileHash>,
    comment: String,
    is_upper: bool,
}

fn one() -> impl Strategy<Value = One> {
    let md5 = any::<[u8; 16]>().prop_map(FileHash::Md5);
    let sha256 = any::<[u8; 32]>().prop_map(FileHash::Sha256);
    let hashes = prop_oneof![
        md5.clone().prop_map(|md5| (Some(md5), None)),
        sha256.clone().prop_map(|sha256| (None, Some(sha256))),
        (md5, sha256).prop_map(|(md5, sha256)| (Some(md5), Some(sha256))),
    ];
    (hashes, "[ -\"$-~]{0,12}", any::<bool>()).prop_map(|((md5, sha256), comment, is_upper)| One {
        md5,
        sha256,
        comment: comment.trim().to_owned(),
        is_upper,
    })
}

impl One {
    fn written(&self, hash: Option<FileHash>) -> String {
        let text = hash.map_or_else(String::new, |hash| hash.to_string());
        if self.is_upper { text.to_uppercase() } else { text }
    }

    fn text(&self) -> String {
        format!("{} # {}", self.written(self.sha256.or(self.md5)), self.comment)
    }

    fn csv(&self) -> String {
        let comment = self.comment.replace('"', "\"\"");
        format!("{},\"{comment}\",{}", self.written(self.md5), self.written(self.sha256))
    }

    fn stix(&self) -> String {
        let parts = [("MD5", self.md5), ("'SHA-256'", self.sha256)];
        let parts = parts.into_iter().filter(|(_, hash)| hash.is_some());
        let parts = parts.map(|(name, hash)| format!("file:hashes.{name} = '{}'", self.written(hash)));
        let pattern = format!("[{}]", parts.collect::<Vec<_>>().join(" AND "));
        serde_json::json!({
            "pattern": pattern, "type": "indicator", "pattern_type": "stix", "name": self.comment,
        })
        .to_string()
    }

    fn misp(&self) -> String {
        let parts = [("md5", self.md5), ("sha256", self.sha256)];
        let parts = parts.into_iter().filter(|(_, hash)| hash.is_some());
        let attributes: Vec<_> = parts
            .map(|(kind, hash)| {
                serde_json::json!({
                    "type": kind, "value": self.written(hash), "to_ids": true, "comment": self.comment,
                })
            })
            .collect();
        serde_json::json!({ "name": "file", "Attribute": attributes }).to_string()
    }
}

fn meaning(told: Told) -> Vec<(FileHash, String)> {
    assert_eq!((told.ended, told.wrong, told.skipped), (None, Vec::new(), Vec::new()));
    let entries = told.entries.into_iter();
    entries
        .map(|entry| (entry.hash, entry.comment.map_or_else(String::new, |it| it.raw().to_owned())))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_format_does_not_matter(files in vec(one(), 0..8), ending in prop_oneof![Just("\n"), Just("\r\n")]) {
        let joined = |write: fn(&One) -> String, between: &str| -> String {
            files.iter().map(write).collect::<Vec<_>>().join(between)
        };
        let text = meaning(told(Format::Text, joined(One::text, ending)));
        let csv = format!("md5,comment,sha256{ending}{}", joined(One::csv, ending));
        let bundle = format!(r#"{{"type":"bundle","objects":[{}]}}"#, joined(One::stix, ",\n"));
        let event = format!(r#"{{"Event":{{"Object":[{}]}}}}"#, joined(One::misp, ",\n"));
        prop_assert_eq!(&meaning(told(Format::Csv, csv)), &text);
        prop_assert_eq!(&meaning(told(Format::Stix, bundle)), &text);
        prop_assert_eq!(&meaning(told(Format::Misp, event)), &text);
        prop_assert_eq!(text.len(), files.len());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..20),
            (0..PIECES.len()).prop_map(|n| PIECES[n].as_bytes().to_vec()),
        ], 0..24),
    ) {
        let bytes = pieces.concat();
        for (_, format) in Format::ALL {
            told(format, &bytes);
        }
        super::pattern::read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_cut_feed_is_never_a_shorter_one(files in vec(one(), 1..4), cut in any::<prop::sample::Index>()) {
        let objects: Vec<String> = files.iter().map(One::stix).collect();
        let bundle = format!(r#"{{"type":"bundle","objects":[{}]}}"#, objects.join(","));
        let cut = cut.index(bundle.len());
        prop_assume!(bundle.is_char_boundary(cut));
        prop_assert!(told(Format::Stix, &bundle[..cut]).ended.is_some());
    }
}

const PIECES: [&str; 28] = [
    "\n",
    "\r\n",
    ",",
    "\"",
    "\"\"",
    "#",
    "sha256,md5,comment\n",
    "900150983cd24fb0d6963f7d28e17f72",
    "a9993e364706816aba3e25717850c26c9cd0d89d",
    "{",
    "}",
    "[",
    "]",
    ":",
    "{\"Event\":",
    "\"Attribute\":[",
    "\"Object\":[",
    "{\"type\":\"md5\",\"to_ids\":true,\"value\":\"",
    "{\"type\":\"bundle\",\"objects\":[",
    "{\"type\":\"indicator\",\"pattern\":\"",
    "[file:hashes.MD5 = '",
    "']",
    " OR ",
    " AND ",
    "('",
    "\\",
    "\u{feff}",
    "null",
];
