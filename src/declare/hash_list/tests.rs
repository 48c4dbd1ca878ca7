//! What each format says. What wrong files get to hear is in `tests/diagnostics/`.

use std::io::Cursor;

use super::account::Skipped;
use super::file::parse;
use super::*;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const MD5_2: &str = "0cc175b9c0f1b6a831c399e269772661";
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

/// What was told of a text.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    /// Line, hash to block, comment.
    pub(super) blocked: Vec<(u32, FileHash, Option<String>)>,
    pub(super) entries: Vec<BlockEntry>,
    pub(super) wrong: Vec<String>,
    pub(super) skipped: Vec<(Skipped, u64)>,
    /// Why it ended before its end.
    pub(super) ended: Option<String>,
}

pub(super) fn told(format: Format, text: impl AsRef<[u8]>) -> Told {
    told_with_room(MAX_HASHES, format, text)
}

fn told_with_room(room: usize, format: Format, text: impl AsRef<[u8]>) -> Told {
    told_to(|sink| Account::to_block(sink), room, format, text.as_ref())
}

/// Of a list that is never to be blocked.
fn told_to_allow(format: Format, text: impl AsRef<[u8]>) -> Told {
    told_to(|sink| Account::never_to_block(sink), MAX_HASHES, format, text.as_ref())
}

fn told_to(
    account: impl for<'s> FnOnce(&'s mut dyn Sink) -> Account<'s>,
    room: usize,
    format: Format,
    text: &[u8],
) -> Told {
    let mut sink = Entries { entries: Vec::new(), room, list: "l".into(), display: "l.txt".into() };
    let mut account = account(&mut sink);
    let ended = match parse(&mut Cursor::new(text), format, &mut account) {
        Ok(()) => None,
        Err(End::Wrong(wrong)) => Some(format!("{} {}", wrong.code, wrong.message)),
        Err(End::Problem(problem)) => Some(format!("{} {}", problem.code, problem.message)),
        Err(End::Unreadable(error)) => Some(error.to_string()),
    };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let wrong = account.wrong.iter().map(|wrong| {
        let line = lines[wrong.spot.line as usize - 1];
        // The mark before the first line is no part of it.
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let shown = String::from_utf8_lossy(&line[wrong.spot.start..wrong.spot.end]).into_owned();
        format!("{}: {shown}", wrong.spot.line)
    });
    let wrong = wrong.collect();
    let skipped = account.skipped.iter().map(|(why, tally)| (*why, tally.count)).collect();
    let entries = sink.entries;
    let blocked = entries
        .iter()
        .map(|entry| (entry.origin.line, entry.hash, entry.comment.as_ref().map(|it| it.raw().to_owned())))
        .collect();
    Told { blocked, entries, wrong, skipped, ended }
}

fn hash(text: &str) -> FileHash {
    text.parse().unwrap()
}

#[test]
fn a_text_file_has_one_hash_a_line() {
    let text = format!(
        "\u{feff}# feed\r\n\r\n{}  # dropper.exe\r\n\t{SHA1}\nnot a hash\n{SHA256}",
        MD5.to_uppercase()
    );
    let told = told(Format::Text, text);
    assert_eq!(told.blocked, [(3, hash(MD5), Some("dropper.exe".to_owned())), (6, hash(SHA256), None)]);
    assert_eq!(told.entries[0].origin.to_string(), "l.txt:3");
    assert_eq!(told.wrong, ["5: not a hash"]);
    assert_eq!(told.skipped, [(Skipped::Sha1, 1)]);
    assert_eq!(told.ended, None);
}

#[test]
fn a_row_of_csv_is_one_file() {
    let text = format!(
        "\u{feff}MD5,\"SHA-256\",sha1, comment ,size\r\n\
         {MD5},{SHA256},{SHA1},\"a \"\"quoted\"\", name\",1\r\n\
         \r\n\
         {MD5},,,,\n\
         , \"{OTHER}\" ,,\"over\ntwo lines\",\n\
         ,,{SHA1},only,2\n\
         nothing,,,,\n\
         {MD5},too few\n\
         {MD5},\"beside\"it,,,\n\
         {SHA256},,,,"
    );
    let told = told(Format::Csv, text);
    assert_eq!(
        told.blocked,
        [
            (2, hash(SHA256), Some("a \"quoted\", name".to_owned())),
            (4, hash(MD5), None),
            (5, hash(OTHER), Some("over\ntwo lines".to_owned())),
        ]
    );
    assert_eq!(told.skipped, [(Skipped::NoHash, 1)]);
    let beside = format!("{MD5},too few");
    assert_eq!(told.wrong, ["8: nothing", &format!("9: {beside}"), "10: i", &format!("11: {SHA256}")]);
}

#[test]
fn a_csv_header_names_the_columns() {
    let ended = |text: &str| told(Format::Csv, text).ended.unwrap_or_default();
    assert_eq!(
        ended("name,sha1,crc\n"),
        "E031 the header names neither `sha256` nor `md5`: its columns are `name`, `sha1`, `crc`"
    );
    assert_eq!(ended("sha256;md5\n"), "E031 the columns of this file are separated by `;`");
    assert_eq!(ended("sha256\tmd5\n"), "E031 the columns of this file are separated by tabs");
    assert_eq!(ended("md5,MD5\n"), "E031 the header has the column `md5` twice");
    assert_eq!(ended("\"md5\n1"), "E031 this quote is never closed");
    assert_eq!(ended(""), "");
}

fn bundle(objects: &str) -> String {
    format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{objects}]}}"#)
}

fn indicator(id: &str, more: &str, pattern: &str) -> String {
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--{id}","modified":"2026-01-01T00:00:00Z","name":"n{id}",
            "pattern_type":"stix","pattern":"{pattern}","valid_from":"2026-01-01T00:00:00Z"{more}}}"#
    )
}

#[test]
fn indicators_of_a_bundle_are_files_with_a_time() {
    let objects = [
        indicator(
            "1",
            r#","valid_until":"2026-12-31T00:00:00.5Z""#,
            &format!("[file:hashes.MD5 = '{MD5}' AND file:hashes.'SHA-256' = '{SHA256}']"),
        ),
        indicator("2", r#","revoked":true"#, &format!("[file:hashes.'SHA-256' = '{OTHER}']")),
        indicator(
            "3",
            "",
            &format!(r#"[file:hashes.\"SHA256\" = '{OTHER}'] OR [file:hashes.'SHA-1' = '{SHA1}']"#),
        ),
        indicator("4", "", "[ipv4-addr:value = '10.0.0.1']"),
        indicator("5", "", "[file:hashes.MD5 != 'x']"),
        indicator("6", "", "[file:hashes.'SHA-512' = 'x']"),
        indicator("7", "", "[file:hashes.MD5 = 'x']"),
        r#"{"type":"indicator","id":"indicator--8","pattern_type":"yara","pattern":"rule x {}"}"#.to_owned(),
        r#"{"type":"malware","id":"malware--1","name":"x","pattern":5}"#.to_owned(),
    ];
    let told = told(Format::Stix, bundle(&objects.join(",\n")));
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(told.blocked, [(1, hash(SHA256), of("n1")), (5, hash(OTHER), of("n3"))]);
    assert_eq!(told.entries[0].from, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(told.entries[0].until, Some("2026-12-31T00:00:00.5Z".parse().unwrap()));
    assert_eq!(told.entries[1].until, None);
    assert_eq!(
        told.skipped,
        [(Skipped::Sha1, 1), (Skipped::OtherHash, 1), (Skipped::NotAFile, 2), (Skipped::Pattern, 1)]
    );
    assert_eq!(told.wrong, ["14: [file:hashes.MD5 = 'x']"]);
}

#[test]
fn the_newest_version_of_an_indicator_counts() {
    let version = |modified: &str, more: &str, hash: &str| {
        indicator("1", more, &format!("[file:hashes.'SHA-256' = '{hash}']"))
            .replace("2026-01-01T00:00:00Z\",\"name", &format!("{modified}\",\"name"))
    };
    let old = version("2026-01-01T00:00:00Z", "", OTHER);
    let new = version("2026-02-01T00:00:00Z", "", SHA256);
    let revoked = version("2026-03-01T00:00:00Z", r#","revoked":true"#, SHA256);
    for (versions, expected) in [
        (vec![&old, &new], vec![hash(SHA256)]),
        (vec![&new, &old], vec![hash(SHA256)]),
        (vec![&revoked, &new, &old], vec![]),
        (vec![&old, &new, &revoked], vec![]),
    ] {
        let versions: Vec<&str> = versions.into_iter().map(String::as_str).collect();
        let told = told(Format::Stix, bundle(&versions.join(",")));
        let hashes: Vec<FileHash> = told.blocked.iter().map(|(_, hash, _)| *hash).collect();
        assert_eq!(hashes, expected, "{versions:?}");
    }
}

#[test]
fn what_is_wrong_with_a_replaced_version_does_not_matter() {
    let empty = "d41d8cd98f00b204e9800998ecf8427e";
    let old = indicator("1", r#","valid_until":"never""#, &format!("[file:hashes.MD5 = '{empty}']"));
    let other = indicator("1", "", "[ipv4-addr:value = '10.0.0.1']");
    let newer = |version: &str| version.replacen("2026-01-01", "2026-02-01", 1);
    let revoked = newer(&indicator("1", r#","revoked":true"#, "[file:hashes.MD5 = 'x']"));
    let right = newer(&indicator("1", "", &format!("[file:hashes.MD5 = '{MD5}']")));
    for (version, expected) in [(&revoked, vec![]), (&right, vec![hash(MD5)])] {
        for versions in [[&old, version], [version, &old], [&other, version], [version, &other]] {
            let told = told(Format::Stix, bundle(&versions.map(String::as_str).join(",")));
            let hashes: Vec<FileHash> = told.blocked.iter().map(|(_, hash, _)| *hash).collect();
            assert_eq!(hashes, expected, "{versions:?}");
            assert_eq!((told.wrong, told.skipped), (vec![], vec![]), "{versions:?}");
        }
    }
    // The newest has to be right.
    let wrong = told(Format::Stix, bundle(&newer(&old)));
    assert_eq!(wrong.wrong, ["2: never".to_owned(), format!("2: [file:hashes.MD5 = '{empty}']")]);
}

#[test]
fn what_a_feed_calls_benign_is_allowed_and_not_blocked() {
    let of = |id, more, hash| indicator(id, more, &format!("[file:hashes.'SHA-256' = '{hash}']"));
    let text = bundle(
        &[
            of("1", r#","indicator_types":["anomalous-activity","Benign"]"#, SHA256),
            of("2", r#","labels":"benign","indicator_types":["malicious-activity"]"#, SHA256),
            of("3", r#","labels":["not benign"],"indicator_types":null"#, OTHER),
        ]
        .join(","),
    );
    let blocking = told(Format::Stix, &text);
    assert_eq!(blocking.blocked, [(3, hash(OTHER), Some("n3".to_owned()))]);
    assert_eq!(blocking.skipped, [(Skipped::Benign, 2)]);
    let allowing = told_to_allow(Format::Stix, &text);
    assert_eq!(allowing.blocked.len(), 3);
    assert_eq!(allowing.skipped, []);
}

fn attribute(kind: &str, value: &str, more: &str) -> String {
    format!(r#"{{"type":"{kind}","value":"{value}","to_ids":true{more}}}"#)
}

#[test]
fn attributes_for_detection_are_files() {
    let file = |attributes: &[String]| format!(r#"{{"name":"file","Attribute":[{}]}}"#, attributes.join(","));
    let attributes = [
        attribute("md5", MD5, r#","comment":"dropper""#),
        attribute("filename|sha256", &format!("a.exe|{OTHER}"), ""),
        attribute("malware-sample", &format!("b.exe|{MD5}"), r#","deleted":true"#),
        format!(r#"{{"type":"md5","value":"{MD5}","to_ids":false}}"#),
        format!(r#"{{"type":"md5","value":"{MD5}"}}"#),
        attribute("sha1", SHA1, ""),
        attribute("filename|ssdeep", "x|3:a:b", ""),
        attribute("ip-dst", "10.0.0.1", ""),
        attribute("authentihash", SHA256, ""),
        attribute("sha256", MD5, ""),
        attribute("filename|md5", MD5, ""),
    ];
    let one = file(&[
        attribute("filename", "c.exe", ""),
        attribute("md5", MD5, ""),
        attribute("sha256", SHA256, ""),
    ]);
    let several =
        file(&[attribute("md5", MD5, ""), attribute("md5", MD5_2, ""), attribute("sha256", SHA256, "")]);
    let gone = one.replacen('{', r#"{"deleted":true,"#, 1);
    let ja3 = one.replace("\"file\"", "\"ja3\"");
    let event = format!(
        "{{\"Event\":{{\"info\":\"x\",\"Attribute\":[\n{}\n],\"Object\":[\n{}\n],\"RelatedEvent\":[{{\"Event\":{{}}}}]}}}}",
        attributes.join(",\n"),
        [one, several, gone, ja3].join(",\n")
    );
    let expected_hashes = [hash(MD5), hash(OTHER), hash(SHA256), hash(MD5), hash(MD5_2), hash(SHA256)];
    for (text, line) in [
        (event.clone(), 2),
        (format!("[{event}]"), 2),
        (format!("{{\"response\":\n[{event}]}}"), 3),
        (event.replace("true", "\"1\"").replace("false", "0"), 2),
    ] {
        let told = told(Format::Misp, &text);
        assert_eq!(told.ended, None, "{text}");
        let hashes: Vec<FileHash> = told.blocked.iter().map(|(_, hash, _)| *hash).collect();
        assert_eq!(hashes, expected_hashes);
        assert_eq!((told.blocked[0].0, told.blocked[0].2.as_deref()), (line, Some("dropper")));
        assert_eq!(told.blocked[1].2.as_deref(), Some("a.exe"));
        assert_eq!(told.skipped, [(Skipped::Sha1, 1), (Skipped::OtherHash, 2), (Skipped::NotAFile, 4)]);
        assert_eq!(told.wrong, [format!("{}: {MD5}", line + 9), format!("{}: {MD5}", line + 10)]);
    }
    let found = format!(r#"{{"response":{{"Attribute":[{}]}}}}"#, attribute("md5", MD5, ""));
    assert_eq!(told(Format::Misp, found).blocked.len(), 1);
}

fn event(objects: &[String]) -> String {
    format!(r#"{{"Event":{{"Object":[{}]}}}}"#, objects.join(","))
}

#[test]
fn an_equal_hash_twice_is_still_one_file() {
    let object = |attributes: &[String]| {
        event(&[format!(r#"{{"name":"file","Attribute":[{}]}}"#, attributes.join(","))])
    };
    let (md5, sha256) = (attribute("md5", MD5, ""), attribute("sha256", SHA256, ""));
    let sample = attribute("malware-sample", &format!("x.exe|{MD5}"), "");
    let again = attribute("filename|sha256", &format!("x.exe|{}", SHA256.to_uppercase()), "");
    for attributes in [
        vec![md5.clone(), sha256.clone(), sample.clone()],
        vec![sample.clone(), md5.clone(), again.clone(), sha256],
        vec![sample, again, md5],
    ] {
        let told = told(Format::Misp, object(&attributes));
        let hashes: Vec<FileHash> = told.blocked.iter().map(|(_, hash, _)| *hash).collect();
        assert_eq!(hashes, [hash(SHA256)], "{attributes:?}");
    }
}

/// A section that many programs share, such as an empty one, would block them all.
#[test]
fn a_part_of_a_file_is_no_file() {
    for name in ["pe-section", "elf-section", "macho-section"] {
        let section = format!(
            r#"{{"name":"{name}","Attribute":[{},{}]}}"#,
            attribute("md5", MD5, ""),
            attribute("sha256", SHA256, "")
        );
        for told in [
            told(Format::Misp, event(std::slice::from_ref(&section))),
            told_to_allow(Format::Misp, event(&[section])),
        ] {
            assert_eq!(told.blocked, [], "{name}");
            assert_eq!(told.skipped, [(Skipped::NotAFile, 2)], "{name}");
        }
    }
}

#[test]
fn what_a_list_allows_need_not_be_for_detection() {
    let good = |kind: &str, value: &str, more: &str| {
        attribute(kind, value, more).replace(r#""to_ids":true"#, r#""to_ids":false"#)
    };
    let gone = r#","deleted":true"#;
    let text = format!(
        r#"{{"Event":{{"Attribute":[{}],"Object":[{{"name":"file","Attribute":[{}]}}]}}}}"#,
        [
            good("sha256", OTHER, ""),
            good("md5", MD5_2, gone),
            good("sha1", SHA1, ""),
            good("link", "https://example.com", ""),
            r#"{"type":"md5","value":""#.to_owned() + MD5_2 + r#""}"#,
            attribute("ip-dst", "10.0.0.1", ""),
        ]
        .join(","),
        [good("md5", MD5, ""), good("sha256", SHA256, ""), good("sha256", OTHER, gone)].join(",")
    );
    let allowing = told_to_allow(Format::Misp, &text);
    let hashes: Vec<FileHash> = allowing.blocked.iter().map(|(_, hash, _)| *hash).collect();
    assert_eq!(hashes, [hash(OTHER), hash(MD5_2), hash(SHA256)]);
    assert_eq!(allowing.skipped, [(Skipped::Sha1, 1), (Skipped::NotAFile, 1)]);
    assert_eq!(allowing.wrong, [""; 0]);
    let blocking = told(Format::Misp, &text);
    assert_eq!((blocking.blocked, blocking.skipped), (vec![], vec![(Skipped::NotAFile, 1)]));
}

#[test]
fn what_is_of_another_format_says_so() {
    let ended = |format, text: &str| told(format, text).ended.unwrap_or_default();
    for (format, text, expected) in [
        (
            Format::Stix,
            r#"{"Event":{}}"#,
            "E010 this is no STIX bundle; it looks like a MISP event (`format: misp`)",
        ),
        (Format::Stix, r#"{"type":"indicator"}"#, "E010 this is no STIX bundle: its `type` is not `bundle`"),
        (Format::Stix, "{}", "E010 this is no STIX bundle: it has no `objects`"),
        (Format::Stix, "[]", "E010 invalid type: sequence, expected a STIX bundle"),
        (Format::Misp, r#"{"type":"bundle","objects":[]}"#, "E010 this is no MISP event: it has no `Event`"),
        (
            Format::Stix,
            r#"{"more":true,"objects":[]}"#,
            "E010 this is one page of several (`more` is true): fetch them all, and join their `objects`",
        ),
        (Format::Stix, r#"{"more":false,"objects":[]}"#, ""),
        (
            Format::Misp,
            r#"[{"Event":{}},{"error":"quota exceeded"}]"#,
            "E010 this is no list of MISP events: here is one that is none",
        ),
        (Format::Misp, r#"{"response":[]}"#, ""),
        (Format::Misp, "[]", ""),
        (Format::Misp, "5", "E010 invalid type: integer `5`, expected a MISP event"),
        (Format::Misp, r#"{"Event":{"Attribute":["#, "E010 the JSON ends before it is complete"),
        (Format::Stix, "<xml/>", "E010 this is no valid JSON: expected value"),
        (Format::Misp, "[] []", "E010 this is no valid JSON: trailing characters"),
        (Format::Stix, "", "E010 the JSON ends before it is complete"),
        (Format::Text, "\u{0}", ""),
    ] {
        assert_eq!(ended(format, text), expected, "{text}");
    }
    for (_, format) in Format::ALL {
        assert_eq!(told(format, b"\xff\xfea\0").ended.as_deref(), Some("E003 this file is not UTF-8"));
    }
}

#[test]
fn more_hashes_than_there_is_room_for_end_the_reading() {
    let text = format!("{MD5}\n{MD5}\n{SHA256}\n");
    let csv = text.replacen("", "md5\n", 1).replace(SHA256, MD5);
    let pattern = format!("[file:hashes.MD5 IN ('{MD5}', '{OTHER}', '{MD5}')]").replace(OTHER, MD5);
    let attributes = vec![attribute("md5", MD5, ""); 3].join(",");
    for (format, text) in [
        (Format::Text, text),
        (Format::Csv, csv),
        (Format::Stix, bundle(&indicator("1", "", &pattern))),
        (Format::Misp, format!(r#"[{{"Event":{{"Attribute":[{attributes}]}}}}]"#)),
    ] {
        let told = told_with_room(2, format, text);
        assert_eq!(told.ended.as_deref(), Some("E004 the hash list `l` has over 2 hashes"), "{format:?}");
        assert_eq!(told_with_room(3, format, "").blocked, []);
    }
}

/// Nothing that a file holds makes the memory grow with it, but what is kept of it.
#[test]
fn what_never_ends_is_refused() {
    let megabytes = |piece: &str| piece.repeat(3 * 512 * 1024 / piece.len());
    for (format, text, expected) in [
        (Format::Text, megabytes("a"), "E004 this line is longer than 1024 KiB"),
        (Format::Text, megabytes("\0"), "E004 this line is longer than 1024 KiB"),
        (Format::Csv, megabytes("a,"), "E004 this line is longer than 1024 KiB"),
        (
            Format::Csv,
            "md5,comment\n1,\"".to_owned() + &megabytes("a\n"),
            "E004 this record is longer than 1024 KiB",
        ),
        (Format::Stix, "{\"".to_owned() + &megabytes("a"), "E004 a value is longer than 1024 KiB"),
        (Format::Stix, "{\"x\":".to_owned() + &megabytes("9"), "E004 a value is longer than 1024 KiB"),
        (Format::Misp, "{\"x\":".to_owned() + &megabytes("["), "E004 values are more than 100 levels deep"),
        (
            Format::Misp,
            "[".to_owned() + &megabytes("{\"Event\":"),
            "E004 values are more than 100 levels deep",
        ),
    ] {
        assert_eq!(told(format, &text).ended.as_deref(), Some(expected), "{format:?} {}", &text[..20]);
    }
}
