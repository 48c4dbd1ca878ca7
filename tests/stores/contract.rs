//! What a record needs of its store, whichever it is.

use std::time::Duration;

use futures_util::future::join_all;
use kedrctl::record::{Creation, HeldLock as _, LockStore as _, Record, RecordError, Recorded, Store as _};

use crate::support::*;

pub(crate) async fn nothing_is_ever_written_over(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.get("sets/a.json").await.unwrap(), None);
    assert_eq!(store.list("sets/").await.unwrap(), Vec::<String>::new());
    assert_eq!(store.create("sets/a.json", b"one").await.unwrap(), Creation::Created);
    assert_eq!(store.create("sets/a.json", b"two").await.unwrap(), Creation::AlreadyExists);
    let again = place.open();
    assert_eq!(again.get("sets/a.json").await.unwrap().unwrap(), b"one");
    assert!(again.place("sets/a.json").ends_with("sets/a.json"));
}

pub(crate) async fn a_list_has_what_is_right_under_it(place: &impl Place) {
    let store = place.open();
    // Keys of servers may carry `%`.
    for key in ["journal/a%2Fb/2", "journal/a%2Fb/1", "journal/a%2Fb/x/3", "journal/a/4"] {
        assert_eq!(store.create(key, key.as_bytes()).await.unwrap(), Creation::Created);
    }
    assert_eq!(store.get("journal/a%2Fb/1").await.unwrap().unwrap(), b"journal/a%2Fb/1");
    let listed = store.list("journal/a%2Fb/").await.unwrap();
    let objects: Vec<_> = listed.iter().filter(|key| !key.ends_with("/x")).collect();
    assert_eq!(objects, ["journal/a%2Fb/1", "journal/a%2Fb/2"]);
}

pub(crate) async fn of_many_that_create_one_key_one_wins(place: &impl Place) {
    for round in 0..4 {
        let key = format!("journal/x/{round:012}.jsonl");
        let stores: Vec<_> = (0..8_u8).map(|_| place.open()).collect();
        let racers = stores.iter().zip(0_u8..).map(|(store, n)| {
            let key = &key;
            async move { (n, store.create(key, &[n; 100]).await.unwrap()) }
        });
        let raced = join_all(racers).await;
        let won: Vec<u8> =
            raced.into_iter().filter(|(_, got)| *got == Creation::Created).map(|(n, _)| n).collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(place.open().get(&key).await.unwrap().unwrap(), [won[0]; 100]);
    }
}

pub(crate) async fn a_run_is_read_back(place: &impl Place) {
    assert_eq!(read(place.open()).await, Recorded::default());
    whole_run(place.open(), 1, Duration::ZERO).await;
    let recorded = read(place.open()).await;
    assert_eq!((recorded.isolations.len(), recorded.open.len()), (1, 0));
    let keys = place.open().list("journal/kata.example.org_443/").await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
}

pub(crate) async fn one_run_at_a_time_holds_the_lock(place: &impl Place) {
    let (one, other) = (place.open(), place.open());
    let held = one.lock(LOCK, &holder(4711), Duration::ZERO).await.unwrap();
    assert!(held.lease().is_sure());
    assert_eq!(held.fence(), 1);
    let refused = Record::new(other.clone()).lock(&server(), &holder(2), Duration::ZERO).await;
    let Err(RecordError::Locked { holder: Some(who), .. }) = refused else { panic!("both hold it") };
    assert_eq!(who.to_string(), "ana@soc-1 (process 4711) since 2026-11-25T00:00:00Z");

    held.release().await.unwrap();
    let next = other.lock(LOCK, &holder(2), Duration::ZERO).await.unwrap();
    assert_eq!(next.fence(), 2);
    // Dropped, as when a run fails: given back by the end of the command.
    drop(next);
    other.give_back().await.unwrap();
    let last = one.lock(LOCK, &holder(3), Duration::ZERO).await.unwrap();
    assert_eq!(last.fence(), 3);
    // What the former holders give back is not theirs any more.
    other.give_back().await.unwrap();
    let refused = other.lock(LOCK, &holder(2), Duration::ZERO).await;
    assert!(matches!(refused, Err(RecordError::Locked { .. })));
    last.release().await.unwrap();
}

pub(crate) async fn runs_that_race_make_one_whole_chain(place: &impl Place) {
    const RUNS: u16 = 4;
    let wait = Duration::from_secs(120);
    join_all((1..=RUNS).map(|n| whole_run(place.open(), n, wait))).await;
    let recorded = read(place.open()).await;
    assert_eq!(recorded.isolations.len(), usize::from(RUNS));
    let keys = place.open().list("journal/kata.example.org_443/").await.unwrap();
    assert_eq!(keys.len(), usize::from(RUNS) * 2);
}

/// The same tests for one place.
macro_rules! contract {
    ($name:ident, $place:expr, $(#[$attribute:meta])*) => {
        mod $name {
            contract!(@ $place, [$(#[$attribute])*]
                nothing_is_ever_written_over,
                a_list_has_what_is_right_under_it,
                of_many_that_create_one_key_one_wins,
                a_run_is_read_back,
                one_run_at_a_time_holds_the_lock,
                runs_that_race_make_one_whole_chain
            );
        }
    };
    (@ $place:expr, $attributes:tt $($test:ident),*) => { $(contract!(% $place, $attributes $test);)* };
    (% $place:expr, [$(#[$attribute:meta])*] $test:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $test() {
            super::$test(&$place).await;
        }
    };
}

contract!(folder, tempfile::tempdir().unwrap(),);
contract!(memory, std::sync::Arc::new(object_store::memory::InMemory::new()),);
contract!(loopback, crate::s3::Server::start(),);
contract!(real, crate::support::Real::new("contract"), #[ignore = "needs a store: .ci/stores"]);
