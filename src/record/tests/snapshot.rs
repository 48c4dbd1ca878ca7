//! The snapshot of the ledger, and what verifying the whole chain finds.

use proptest::prelude::*;

use super::support::*;
use crate::model::{Aspect, Reading, Subject, Target};
use crate::record::*;

const LEDGER: &str = "ledger/kata.example.org_443.json";
const FOLDER: &str = "journal/kata.example.org_443/";

/// A chain long enough for a snapshot, with something of everything in it, and the snapshot.
async fn long_chain() -> MemoryStore {
    let store = MemoryStore::default();
    let rule = || Some(isolation(86_400, 1));
    for n in 0..31_u8 {
        let mut journal = begin(store.clone(), n).await;
        let minute = i64::from(n) + 1;
        let intentions = [
            isolate(n, at(minute), None, rule()),
            block(Target::Sensor(sensor(n)), at(minute), &[n], &[n, 100]),
        ];
        let numbers = sendable(journal.intend(&intentions).await.unwrap());
        for number in numbers {
            journal.outcomes(at(minute), &[(number, done(at(minute)))]);
        }
        journal.note(at(minute), &Facts { hosts_listed: Some(7), entries: [("e".into(), sensor(n))].into() });
        if n.is_multiple_of(5) {
            journal.flush().await.unwrap();
        } else {
            journal.end(at(minute), &RunEnd::Finished).await.unwrap();
        }
    }
    let mut ana = Record::new(store.clone()).by_hand(&server(), &run(77)).await.unwrap();
    let subject = Subject { target: Target::Sensor(sensor(3)), aspect: Aspect::Isolation };
    let hold = NewHold { until: at(999), command: "isolate".into(), reason: None, host: Some("WS-3".into()) };
    ana.hold(at(50), subject, &hold);
    let block = block(Target::AllHosts, at(50), &[], &[1, 2]);
    ana.intend(&[isolate(200, at(50), None, rule()), block]).await.unwrap();
    drop(ana);
    let settled = read(store.clone()).await.settle_isolation(sensor(200), &Reading::Absent);
    let mut next = begin(store.clone(), 78).await;
    next.settled(at(51), &settled);
    next.end(at(51), &RunEnd::Finished).await.unwrap();
    assert!(!store.objects().contains_key(LEDGER));
    drop(begin(store.clone(), 79).await);
    assert!(store.objects().contains_key(LEDGER));
    store
}

fn copy_of(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::default();
    for (key, bytes) in store.objects() {
        copy.overwrite(&key, bytes);
    }
    copy
}

fn segments(store: &MemoryStore) -> Vec<String> {
    store.objects().into_keys().filter(|key| key.starts_with(FOLDER)).collect()
}

async fn verified(store: &MemoryStore) -> Verified {
    Record::new(store.clone()).verify(&server()).await.unwrap()
}

fn kinds(verified: &Verified) -> Vec<ProblemKind> {
    verified.problems.iter().map(|problem| problem.kind).collect()
}

#[tokio::test]
async fn with_and_without_a_snapshot_the_ledger_is_the_same_also_after_more() {
    let store = long_chain().await;
    let bare = || {
        let bare = copy_of(&store);
        bare.remove(LEDGER);
        bare
    };
    assert_eq!(read(store.clone()).await, read(bare()).await);
    let calls = async |inner: MemoryStore| {
        let store = FaultyStore::new(inner, &[], Fault::Refused);
        read(store.clone()).await;
        store.calls()
    };
    // The snapshot, the segment that it was made of, and what comes after it.
    assert_eq!(calls(store.clone()).await, 3);
    assert!(calls(bare()).await > 64);

    // A run that had not ended, and one by hand, go on after it.
    let mut journal = Record::new(store.clone()).by_hand(&server(), &run(80)).await.unwrap();
    journal.intend(&[isolate(201, at(60), None, None)]).await.unwrap();
    journal.end(at(61), &RunEnd::Finished).await.unwrap();
    assert_eq!(read(store.clone()).await, read(bare()).await);
    assert_eq!(verified(&store).await.problems, []);
}

#[tokio::test]
async fn what_was_only_in_memory_on_the_way_is_no_difference() {
    let store = MemoryStore::default();
    // Each run takes out what the last one put there: of those sets nothing is left in the ledger.
    for n in 1..41_u8 {
        let mut journal = begin(store.clone(), n).await;
        let change = block(Target::Sensor(sensor(1)), at(i64::from(n)), &[n - 1], &[n]);
        let numbers = sendable(journal.intend(&[change]).await.unwrap());
        journal.outcomes(at(i64::from(n)), &[(numbers[0], done(at(i64::from(n))))]);
        journal.end(at(i64::from(n)), &RunEnd::Finished).await.unwrap();
    }
    drop(begin(store.clone(), 79).await);
    assert!(store.objects().contains_key(LEDGER));
    assert_eq!(verified(&store).await.problems, []);
}

#[tokio::test]
async fn a_snapshot_that_is_not_of_this_chain_or_version_is_as_if_it_were_not_there() {
    let store = long_chain().await;
    let whole = read(store.clone()).await;
    let good = String::from_utf8(store.objects()[LEDGER].clone()).unwrap();
    let seal = |text: &str| {
        let body: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        let digest = crate::model::sha256_hex(body.as_bytes());
        format!("{body}{{\"sha256\":\"{digest}\"}}\n")
    };
    assert_eq!(seal(&good), good);
    let number = segments(&store).len();
    let next = good.replacen(&format!("\"number\":{number}"), &format!("\"number\":{}", number + 1), 1);
    for (bad, kind) in [
        (String::new(), ProblemKind::Snapshot),
        (good[..good.len() / 2].to_owned(), ProblemKind::Snapshot),
        (good.replacen("\"hosts_last_seen\":7", "\"hosts_last_seen\":8", 1), ProblemKind::Snapshot),
        (seal(&good.replacen("\"format\":1", "\"format\":2", 1)), ProblemKind::Snapshot),
        (seal(&good.replacen("kata.example.org_443", "kata.example.org_444", 1)), ProblemKind::Snapshot),
        // The chain may have lost its end, or another one.
        (seal(&good.replacen("\"segment\":\"", "\"segment\":\"0", 1)), ProblemKind::Damaged),
        (seal(&next), ProblemKind::Gap),
    ] {
        assert_ne!(bad, good);
        store.overwrite(LEDGER, bad.clone().into());
        assert_eq!(read(store.clone()).await, whole, "{bad}");
        assert_eq!(kinds(&verified(&store).await), [kind], "{bad}");
    }

    // One that is whole and says something else is believed by who reads quickly, and found by who verifies.
    store.overwrite(LEDGER, seal(&good.replacen("\"hosts_last_seen\":7", "\"hosts_last_seen\":8", 1)).into());
    assert_eq!(read(store.clone()).await.hosts_last_seen, Some(8));
    let found = verified(&store).await;
    assert_eq!(kinds(&found), [ProblemKind::Snapshot]);
    assert_eq!(found.problems[0].place, format!("memory:{LEDGER}"));
}

#[tokio::test]
async fn it_is_made_anew_after_so_many_segments_and_no_run_fails_for_it() {
    let store = long_chain().await;
    let first = store.objects()[LEDGER].clone();
    for n in 100..164 {
        let mut journal = begin(store.clone(), n).await;
        journal.flush().await.unwrap();
        assert_eq!(store.objects()[LEDGER], first, "{n}");
    }
    drop(begin(store.clone(), 200).await);
    assert_ne!(store.objects()[LEDGER], first);
    assert_eq!(verified(&store).await.problems, []);

    let inner = copy_of(&store);
    inner.remove(LEDGER);
    let faulty = FaultyStore::new(inner.clone(), &[], Fault::Refused);
    read(faulty.clone()).await;
    // The lock, what a reader asks for, then the snapshot.
    let faulty = FaultyStore::new(inner.clone(), &[faulty.calls() + 2], Fault::Refused);
    begin(faulty, 201).await.flush().await.unwrap();
    assert!(!inner.objects().contains_key(LEDGER));
}

#[tokio::test]
async fn what_is_wrong_with_a_chain_is_told_with_its_place_and_what_follows_is_read_on() {
    let store = long_chain().await;
    let whole = verified(&store).await;
    assert_eq!((whole.problems.len(), whole.waiting), (0, 0));
    assert_eq!((whole.segments, whole.sets), (segments(&store).len(), 2 * 31 + 1));
    let key = |number: u64| format!("{FOLDER}{number:012}.jsonl");
    let place = |number: u64| format!("memory:{}", key(number));
    let edited = |number: u64| {
        let text = String::from_utf8(store.objects()[&key(number)].clone()).unwrap();
        text.replacen("\"run\":", "\"run\" :", 1)
    };
    let last = segments(&store).len() as u64;

    let damage = async |damage: &dyn Fn(&MemoryStore)| {
        let copy = copy_of(&store);
        damage(&copy);
        let found = verified(&copy).await;
        let problems = found.problems.into_iter().map(|problem| (problem.kind, problem.place, problem.why));
        problems.collect::<Vec<_>>()
    };
    let found = damage(&|copy| (3..6).for_each(|number| copy.remove(&key(number)))).await;
    let why = "segments 3 to 5 are missing, though there is a segment 6".to_owned();
    assert_eq!(found, [(ProblemKind::Gap, place(3), why)]);
    let found = damage(&|copy| copy.overwrite(&key(3), edited(3).into())).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &found[0].1), (ProblemKind::Damaged, &place(3)));
    let found = damage(&|copy| {
        let third = copy.objects()[&key(3)].clone();
        copy.overwrite(&key(7), third);
        copy.remove(&key(9));
    })
    .await;
    let foreign = "it is segment 3 of kata.example.org_443".to_owned();
    let gap = "segment 9 is missing, though there is a segment 10".to_owned();
    let expected = [(ProblemKind::Foreign, place(7), foreign), (ProblemKind::Gap, place(9), gap)];
    assert_eq!(found, expected);
    // Rewritten with a digest of its own: what follows was written after another.
    let found = damage(&|copy| {
        let text = edited(3);
        let body = &text[..text.trim_end().rfind('\n').unwrap() + 1];
        let digest = crate::model::sha256_hex(body.as_bytes());
        copy.overwrite(&key(3), format!("{body}{{\"sha256\":\"{digest}\"}}\n").into());
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &found[0].1), (ProblemKind::Damaged, &place(4)));
    // The end was cut off: no link is missing, but the snapshot knows more.
    let found = damage(&|copy| copy.remove(&key(last))).await;
    let why = format!(
        "segments are missing at the end: memory:{LEDGER} speaks of segment {last}, and the chain ends with {}; \
         where the chain was put away and begun anew since, delete that file: it is made anew",
        last - 1
    );
    assert_eq!(found, [(ProblemKind::Gap, place(last), why)]);
    // Or another segment stands there.
    let other = copy_of(&store);
    other.remove(&key(last));
    other.remove(LEDGER);
    begin(other.clone(), 90).await.flush().await.unwrap();
    let found = damage(&|copy| copy.overwrite(&key(last), other.objects()[&key(last)].clone())).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &found[0].1), (ProblemKind::Damaged, &place(last)));
    let set = store.objects().into_keys().find(|key| key.starts_with("sets/")).unwrap();
    let found = damage(&|copy| copy.remove(&set)).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &*found[0].1), (ProblemKind::Set, &*format!("memory:{set}")));
}

#[tokio::test]
async fn a_store_that_can_not_be_read_is_no_finding() {
    let inner = long_chain().await;
    for call in [1, 2, 3, 9] {
        let store = FaultyStore::new(inner.clone(), &[call], Fault::Refused);
        let error = Record::new(store).verify(&server()).await.unwrap_err();
        assert!(matches!(error, RecordError::Unreachable { .. }), "{error}");
    }
    let newer = MemoryStore::default();
    assert_eq!(verified(&newer).await, Verified::default());
}

static LONG_CHAIN: std::sync::OnceLock<MemoryStore> = std::sync::OnceLock::new();

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reading quickly passes over old segments; verifying does not.
    #[test]
    fn any_changed_byte_of_a_long_record_is_found(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let store = copy_of(LONG_CHAIN.get_or_init(|| now(long_chain())));
        let objects: Vec<_> = store.objects().into_iter().collect();
        let (key, bytes) = which.get(&objects);
        let mut edited = bytes.clone();
        edited[place.index(bytes.len())] ^= bits;
        store.overwrite(key, edited);
        let found = now(verified(&store));
        prop_assert!(!found.problems.is_empty(), "{key}");
    }
}
