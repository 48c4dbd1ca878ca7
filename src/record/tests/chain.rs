use proptest::prelude::*;

use super::support::*;
use crate::model::Target;
use crate::record::*;

const FOLDER: &str = "journal/kata.example.org_443/";

/// The lines that this version writes, of every kind: a change here is a change of the format.
const GOLDEN: [(&str, &str); 3] = [
    ("000000000001.jsonl", include_str!("golden/000000000001.jsonl")),
    ("000000000002.jsonl", include_str!("golden/000000000002.jsonl")),
    ("000000000003.jsonl", include_str!("golden/000000000003.jsonl")),
];

pub(super) async fn write_golden() -> MemoryStore {
    let store = MemoryStore::default();
    let mut journal = begin(store.clone(), 1).await;
    let all = Target::AllHosts;
    let rule = isolation(86_403, 2);
    let intentions = [
        isolate(1, at(1), None, Some(rule.clone())),
        isolate(2, at(1), Some(isolation(7_200, 0)), None),
        block(all, at(1), &[], &[1, 2]),
        block(Target::Sensor(sensor(3)), at(1), &[1], &[]),
        isolate(5, at(1), None, Some(rule)),
    ];
    let numbers = sendable(journal.intend(&intentions).await.unwrap());
    let why: std::sync::Arc<str> = "no answer".into();
    let outcomes = [
        WriteOutcome::Done { sent_at: at(2), listed_timeout_seconds: Some(86_400) },
        WriteOutcome::NothingToDo,
        WriteOutcome::Done { sent_at: at(2), listed_timeout_seconds: None },
        WriteOutcome::NotDone { why: why.clone() },
        WriteOutcome::Unknown { why },
    ];
    let outcomes: Vec<_> = numbers.into_iter().zip(outcomes).collect();
    journal.outcomes(at(3), &outcomes);
    journal.end(at(4), &RunEnd::Interrupted).await.unwrap();

    let recorded = read(store.clone()).await;
    let mut journal = begin(store.clone(), 2).await;
    let reading = crate::model::Reading::Present(isolation(86_400, 2));
    journal.settled(at(5), &recorded.settle_isolation(sensor(5), &reading));
    let facts = Facts { hosts_listed: Some(9_998), entries: [("ws-1".into(), sensor(1))].into() };
    journal.note(at(5), &facts);
    journal.end(at(6), &RunEnd::Finished).await.unwrap();
    store
}

#[tokio::test]
async fn the_journal_is_written_as_ever_and_what_was_written_is_read() {
    let store = write_golden().await;
    let objects = store.objects();
    for (name, expected) in GOLDEN {
        let written = std::str::from_utf8(&objects[&format!("{FOLDER}{name}")]).unwrap();
        assert_eq!(written, expected, "{name} is now:\n{written}");
    }
    assert_eq!(objects.keys().filter(|key| key.starts_with(FOLDER)).count(), GOLDEN.len());

    for (name, text) in GOLDEN {
        store.overwrite(&format!("{FOLDER}{name}"), text.into());
    }
    let recorded = read(store).await;
    let ends = [1, 5].map(|n| recorded.isolations[&sensor(n)].rule.as_ref().unwrap().end());
    assert_eq!(ends, [at(2 + 24 * 60), at(1 + 24 * 60)]);
    assert_eq!(recorded.preventions[&Target::AllHosts].ours, hashes(&[1, 2]).into());
    assert_eq!((recorded.isolations.len(), recorded.preventions.len(), recorded.open.len()), (2, 1, 0));
    assert_eq!(
        (recorded.hosts_last_seen, recorded.entries_of("soc-gitops")["ws-1"]),
        (Some(9_998), sensor(1))
    );
}

/// A chain of one segment with these lines after the beginning of its run.
fn chain_of(format: u32, lines: &str) -> MemoryStore {
    let header = format!(
        "{{\"format\":{format},\"writer\":\"kedrctl 9.1\",\"server\":\"kata.example.org_443\",\"number\":1,\
         \"previous\":null,\"run\":\"r\",\"fence\":1,\"nonce\":\"n\",\"more\":[1]}}\n"
    );
    let begins = "{\"event\":\"run_begins\",\"at\":\"2027-01-01T00:00:00Z\",\"owner\":\"o\",\"by\":\"b\",\
                  \"command\":\"c\",\"mood\":\"good\"}\n";
    let body = format!("{header}{begins}{lines}");
    let digest = crate::model::sha256_hex(body.as_bytes());
    let store = MemoryStore::default();
    let text = format!("{body}{{\"sha256\":\"{digest}\"}}\n");
    store.overwrite(&format!("{FOLDER}000000000001.jsonl"), text.into());
    store
}

#[tokio::test]
async fn an_old_reader_passes_over_what_it_may_and_stops_at_what_it_must_not() {
    let hosts = "{\"event\":\"hosts_listed\",\"at\":\"2027-01-01T00:00:00Z\",\"count\":7,\"of\":{\"x\":1}}\n";
    let recorded = read(chain_of(1, hosts)).await;
    assert_eq!(recorded.hosts_last_seen, Some(7));

    let ignorable = format!("{{\"event\":\"weather\",\"ignorable\":true,\"sky\":\"blue\"}}\n{hosts}");
    assert_eq!(read(chain_of(1, &ignorable)).await.hosts_last_seen, Some(7));

    let at = "\"at\":\"2027-01-01T00:00:00Z\"";
    let unknown = [
        (1, "{\"event\":\"hold\",\"host\":\"x\"}\n".to_owned()),
        (1, format!("{{\"event\":\"outcome\",{at},\"intention\":1,\"outcome\":\"half_done\"}}\n")),
        (1, format!("{{\"event\":\"run_ends\",{at},\"status\":\"asleep\"}}\n")),
        (
            1,
            format!(
                "{{\"event\":\"intends\",{at},\"intention\":1,\"target\":\"all\",\"action\":\"run\",\
                     \"difference\":{{\"task\":{{\"before\":null,\"after\":null}}}}}}\n"
            ),
        ),
        (1, "no json at all\n".to_owned()),
        (2, hosts.to_owned()),
    ];
    for (format, lines) in unknown {
        let refused = Record::new(chain_of(format, &lines)).read(&server()).await;
        let Err(RecordError::FromNewerVersion { writer, what, .. }) = &refused else {
            panic!("{lines}: {refused:?}")
        };
        assert_eq!(writer, "kedrctl 9.1", "{what}");
    }
}

#[tokio::test]
async fn a_hold_that_an_older_version_ended_is_ended_by_its_time() {
    let on = "\"target\":\"00000000-0000-0000-0000-000000000001\",\"aspect\":\"isolation\"";
    let held = format!(
        "{{\"event\":\"held\",\"at\":\"2027-01-01T08:00:00Z\",{on},\"until\":\"2027-01-02T08:00:00Z\",\
         \"command\":\"isolate\"}}\n"
    );
    for (hour, of, is_held) in [
        ("07", "", true),
        ("09", "", false),
        ("07", ",\"run\":\"r\"", false),
        ("09", ",\"run\":\"another\"", true),
    ] {
        let ended = format!("{{\"event\":\"hold_ended\",\"at\":\"2027-01-01T{hour}:00:00Z\",{on}{of}}}\n");
        let recorded = read(chain_of(1, &format!("{held}{ended}"))).await;
        assert_eq!(!recorded.holds.is_empty(), is_held, "{ended}");
    }
}

/// Whoever may write to the record can put it there, with a digest that is right.
#[tokio::test]
async fn what_an_error_quotes_of_the_record_moves_no_cursor() {
    let at = "\"at\":\"2027-01-01T00:00:00Z\"";
    for lines in [
        "{\"event\":\"\\u001b[2Jhold\"}\n".to_owned(),
        format!("{{\"event\":\"run_ends\",{at},\"status\":\"\\u001b[2J\"}}\n"),
        format!("{{\"event\":\"outcome\",{at},\"intention\":1,\"outcome\":\"\\u202edone\"}}\n"),
        naming_set("\\u001b[2J"),
    ] {
        let store = chain_of(1, &lines);
        let history = Record::new(store.clone()).history(&server(), None).await.unwrap_err();
        for error in [Record::new(store).read(&server()).await.unwrap_err(), history] {
            let text = error.to_string();
            assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("\\u{"), "{text:?}");
        }
    }
}

/// A line that gives the rule for all hosts what the set of this name holds.
fn naming_set(name: &str) -> String {
    format!(
        "{{\"event\":\"intends\",\"intention\":1,\"at\":\"2027-01-01T00:00:00Z\",\"target\":\"all\",\
         \"action\":\"block\",\"difference\":{{\"prevention\":{{\"before\":null,\"after\":\
         {{\"sha256\":\"{name}\",\"count\":1}}}}}}}}\n"
    )
}

#[tokio::test]
async fn a_set_is_looked_for_by_a_digest_and_nowhere_else() {
    for name in ["../../outside", "", "ab", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
        let store = chain_of(1, &naming_set(name));
        let read = Record::new(store.clone()).read(&server()).await.unwrap_err();
        let history = Record::new(store.clone()).history(&server(), None).await.unwrap_err();
        for error in [read, history] {
            let RecordError::Damaged { place, why, .. } = &error else { panic!("{error}") };
            assert!(place.ends_with("000000000001.jsonl") && why.contains("no SHA-256"), "{error}");
        }
        let verified = Record::new(store).verify(&server()).await.unwrap();
        assert!(
            matches!(verified.problems[..], [Problem { kind: ProblemKind::Damaged, .. }]),
            "{verified:?}"
        );
    }
    let missing = Record::new(chain_of(1, &naming_set(&"0".repeat(64)))).read(&server()).await.unwrap_err();
    assert!(missing.to_string().contains("it is missing"), "{missing}");
}

#[tokio::test]
async fn a_missing_segment_is_named_with_what_to_do() {
    for (name, _) in &GOLDEN[..2] {
        let store = write_golden().await;
        store.remove(&format!("{FOLDER}{name}"));
        let error = Record::new(store).read(&server()).await.unwrap_err().to_string();
        let place = format!("the record is damaged: memory:{FOLDER}{name}: segment ");
        assert!(error.starts_with(&place) && error.contains("is missing"), "{error}");
        assert!(error.ends_with(
            "move memory:journal/kata.example.org_443/ away and keep it as evidence: then no end is known, \
             isolations are renewed once, and no hash counts as ours"
        ));
    }
}

#[tokio::test]
async fn a_segment_of_another_chain_or_place_is_found() {
    let store = write_golden().await;
    let second = store.objects()[&format!("{FOLDER}000000000002.jsonl")].clone();
    for number in [1, 3, 4] {
        let store = write_golden().await;
        store.overwrite(&format!("{FOLDER}{number:012}.jsonl"), second.clone());
        let found = Record::new(store).read(&server()).await;
        assert!(matches!(found, Err(RecordError::Damaged { .. })), "{found:?}");
    }
    let elsewhere = crate::model::ServerKey::of_address("other", 443);
    store.overwrite("journal/other_443/000000000001.jsonl", second);
    let found = Record::new(store.clone()).read(&elsewhere).await;
    assert!(matches!(found, Err(RecordError::Damaged { .. })), "{found:?}");
    // A copy that somebody keeps beside it is no segment.
    store.overwrite(&format!("{FOLDER}000000000003.jsonl.orig"), b"x".to_vec());
    read(store).await;
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_edit_of_any_segment_or_set_is_found(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        edit in prop_oneof![
            (1..=255_u8).prop_map(Edit::Flip),
            any::<u8>().prop_map(Edit::Insert),
            Just(Edit::Delete),
            Just(Edit::CutOff),
            Just(Edit::DropLine),
        ],
    ) {
        let store = now(write_golden());
        let objects: Vec<_> = store.objects().into_iter().collect();
        let (key, bytes) = which.get(&objects);
        let edited = edit.apply(bytes, place.index(bytes.len()));
        prop_assume!(edited != *bytes);
        store.overwrite(key, edited);
        let found = now(Record::new(store).read(&server()));
        prop_assert!(
            matches!(found, Err(RecordError::Damaged { .. } | RecordError::FromNewerVersion { .. })),
            "{key}: {found:?}"
        );
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Flip(u8),
    Insert(u8),
    Delete,
    CutOff,
    DropLine,
}

impl Edit {
    fn apply(&self, bytes: &[u8], at: usize) -> Vec<u8> {
        let mut edited = bytes.to_vec();
        match self {
            Self::Flip(bits) => edited[at] ^= bits,
            Self::Insert(byte) => edited.insert(at, *byte),
            Self::Delete => drop(edited.remove(at)),
            Self::CutOff => edited.truncate(at),
            Self::DropLine => {
                let from = edited[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                let to = edited[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(bytes.len(), |end| at + end + 1);
                edited.drain(from..to);
            }
        }
        edited
    }
}
