//! What holds for every state, right or wrong.

use proptest::prelude::*;

use super::tests::{messages, read_files};
use super::{Declared, Read};
use crate::diagnostic::{Look, draw};

/// Entries that may stand in any file of a state, by section.
const ENTRIES: [(&str, &str); 12] = [
    ("servers", "lab: { simulator: fleet.sim }"),
    (
        "servers",
        "hq: { url: https://kata, external_system_id: x, client_certificate: c, client_key: k, trust: system }",
    ),
    ("exclusions", "dns: [{ direction: outbound, protocol: udp, remote_ports: 53 }]"),
    ("hash_lists", "bad: [900150983cd24fb0d6963f7d28e17f72, 1e100000000000000000000000000000]"),
    ("hash_lists", "good: [900150983cd24fb0d6963f7d28e17f73]"),
    ("hosts", "ws-1: { server: hq, isolation: { lease: 24h, exclusions: [dns] } }"),
    ("hosts", "ws-2: { server: lab, isolation: off, prevention: { block: [bad] } }"),
    (
        "hosts",
        "ws-3: { server: lab, prevention: { block: [bad], unblock: [900150983cd24fb0d6963f7d28e17f73] } }",
    ),
    ("groups", "desks: { server: lab, hosts: [ws-2, ws-9], isolation: off }"),
    (
        "groups",
        "aside: { match: { os: linux, name: 'srv-*' }, except: [srv-1], prevention: { block: [bad] } }",
    ),
    ("groups", "more: { hosts: [ws-1, ws-3], prevention: { block: [good] } }"),
    (
        "hosts",
        "ws-4: { server: hq, identity: { sensor_id: 5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11 }, isolation: off }",
    ),
];
const POLICY: &str =
    "policy: { always_allow: [dns], never_block: [good], protected: [{ name: dc* }] }\nrecord: r\n";

/// A state in which each entry stands in one of three files.
fn files(file_of: &[usize], policy_in: usize) -> Vec<String> {
    let mut texts = vec!["version: 1\n".to_owned(); 3];
    texts[policy_in].push_str(POLICY);
    for section in ["servers", "exclusions", "hash_lists", "hosts", "groups"] {
        for (file, text) in texts.iter_mut().enumerate() {
            let entries = ENTRIES.iter().zip(file_of).filter(|((s, _), f)| *s == section && **f == file);
            let lines: String = entries.map(|((_, entry), _)| format!("  {entry}\n")).collect();
            if !lines.is_empty() {
                text.push_str(&format!("{section}:\n{lines}"));
            }
        }
    }
    texts
}

/// What was declared, without the places where it stands.
fn meaning(declared: &Declared) -> Vec<String> {
    let mut lines: Vec<String> = declared
        .hosts
        .iter()
        .map(|host| {
            let prevention = host.prevention.as_ref().map(|prevention| {
                let hashes = |entries: &[crate::model::BlockEntry]| -> Vec<String> {
                    entries.iter().map(|entry| format!("{:?} {:?}", entry.list, entry.hash)).collect()
                };
                let block: Vec<_> = prevention.block.iter().flat_map(|set| hashes(set)).collect();
                (block, hashes(&prevention.unblock), prevention.exact)
            });
            let isolation = host.isolation.as_ref().map(|isolation| &isolation.want);
            format!("{} {} {:?} {isolation:?} {prevention:?}", host.entry, host.server, host.identity)
        })
        .collect();
    lines.sort();
    lines.extend(declared.servers.values().map(|server| format!("{} {}", server.name, server.concurrency)));
    // In the order of their names, whatever files they stand in.
    lines.extend(declared.groups.iter().map(|group| {
        let members = match &group.members {
            super::Members::Match { server, what } => format!("{server:?} {what:?}"),
            super::Members::Named(hosts) => {
                hosts.iter().map(|host| format!("{} {} {} ", host.name, host.server, host.is_entry)).collect()
            }
        };
        let except: Vec<&str> = group.except.iter().map(|except| except.pattern.text()).collect();
        let blocked = group.prevention.as_ref().map(|prevention| prevention.block.len());
        let want = group.isolation.as_ref().map(|isolation| &isolation.want);
        format!("{} {members} {except:?} {want:?} {blocked:?}", group.name)
    }));
    lines.push(format!("{:?} {}", declared.policy.never_block, declared.policy.protected.len()));
    lines
}

/// Every place lies in its file, and every problem can be drawn.
fn check_problems(read: &Read) {
    for problem in &read.problems {
        for label in &problem.labels {
            let length = read.sources.text(label.place.file).len();
            assert!(label.place.span.start <= label.place.span.end);
            assert!(label.place.span.end as usize <= length, "{problem:?}");
        }
        assert!(draw(problem, &read.sources, Look::default()).contains(problem.code.as_str()));
    }
    assert_eq!(read.declared.is_none(), read.problems.iter().any(crate::diagnostic::Problem::is_error));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn how_a_state_is_cut_into_files_does_not_matter(
        file_of in prop::collection::vec(0_usize..3, ENTRIES.len()),
        policy_in in 0_usize..3,
        order in Just(["a", "b", "c"]).prop_shuffle(),
    ) {
        let whole = read_files(&[("state.yaml", &files(&[0; ENTRIES.len()], 0)[0])]).1;
        prop_assert_eq!(messages(&whole), Vec::<String>::new());
        let texts = files(&file_of, policy_in);
        let names: Vec<String> = order.iter().map(|name| format!("{name}.yaml")).collect();
        let named: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let cut = read_files(&named).1;
        prop_assert_eq!(messages(&cut), Vec::<String>::new());
        prop_assert_eq!(meaning(&cut.declared.unwrap()), meaning(&whole.declared.unwrap()));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\PC\n\t:{}\\[\\]&*!|>'\"#-]{0,200}") {
        check_problems(&read_files(&[("state.yaml", &text)]).1);
        check_problems(&read_files(&[("state.yaml", &format!("version: 1\nhosts:\n  {text}"))]).1);
    }

    #[test]
    fn no_mutation_of_a_state_makes_the_reader_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, 0_usize..PIECES.len()), 1..6),
    ) {
        let mut text = files(&[0; ENTRIES.len()], 0).swap_remove(0);
        for (at, removed, piece) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.replace_range(at..end, PIECES[piece]);
        }
        check_problems(&read_files(&[("state.yaml", &text)]).1);
    }
}

/// What a mutation puts in. All of the text is ASCII, so that any byte is a boundary.
const PIECES: [&str; 24] = [
    "", " ", "\n", "\n  ", "\t", ":", ": ", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: ", "!!str ",
    "'", "\"", "null", "off", "#", "---\n", "? ",
];
