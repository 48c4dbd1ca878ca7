//! What only a server that nobody here wrote can show. Run by `.ci/stores`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use kedrctl::record::{AnyStore, BucketStore, HeldLock as _, LockStore as _, RecordError, Store as _};

use crate::support::*;

#[tokio::test]
#[ignore = "needs a store: .ci/stores"]
async fn a_store_that_keeps_conditions_is_fit_and_nothing_is_left() {
    let place = Real::new("check");
    let store = place.open();
    let report = AnyStore::Bucket(store.clone()).check(&holder(1)).await.unwrap();
    assert!(report.is_fit() && report.left_behind.is_none(), "{report:?}");
    assert_eq!(store.list("probe/").await.unwrap(), Vec::<String>::new());
}

/// s3rver takes every write, whatever its condition.
#[tokio::test]
#[ignore = "needs a store that is not fit: .ci/stores"]
async fn unfit_a_store_that_ignores_conditions_is_refused() {
    let place = Real::new("unfit");
    let report = AnyStore::Bucket(place.open()).check(&holder(1)).await.unwrap();
    assert!(!report.is_fit(), "{report:?}");
    let error = place.open().lock(LOCK, &holder(1), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, RecordError::Unfit { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a store: .ci/stores"]
async fn a_missing_bucket_is_told_from_an_empty_record() {
    let base = std::env::var("KEDRCTL_TEST_STORE").unwrap();
    let (scheme, _) = base.split_once("://").unwrap();
    let store = Real::at(&format!("{scheme}://there-is-no-such-bucket/x")).open();
    let error = kedrctl::record::Record::new(store.clone()).read(&server()).await.unwrap_err();
    assert!(matches!(error, RecordError::Refused { .. }), "{error:?}");
    let error = store.lock(LOCK, &holder(1), Duration::from_secs(90)).await.unwrap_err();
    assert!(matches!(error, RecordError::Refused { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a store: .ci/stores"]
async fn a_proxy_that_drops_answers_changes_nothing() {
    const RUNS: u16 = 5;
    let place = Real::new("proxy");
    let is_endpoint = |name: &str| ["AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT"].contains(&name);
    let mut variables: Vec<_> = std::env::vars().collect();
    let (_, endpoint) = variables.iter_mut().find(|(name, _)| is_endpoint(name)).expect("an endpoint");
    let rest = endpoint.strip_prefix("http://").expect("over plain HTTP");
    let (address, path) = rest.split_once('/').map_or((rest, String::new()), |(a, p)| (a, format!("/{p}")));
    let proxy = dropping_proxy(address.to_owned(), 24);
    *endpoint = format!("http://127.0.0.1:{proxy}{path}");

    let url = place.url().parse().unwrap();
    for n in 1..=RUNS {
        let store = BucketStore::open(&url, variables.clone(), TERMS).unwrap();
        whole_run(store, n, Duration::from_secs(60)).await;
    }
    let recorded = read(place.open()).await;
    assert_eq!((recorded.isolations.len(), recorded.open.len()), (usize::from(RUNS), 0));
    let segments = place.open().list("journal/kata.example.org_443/").await.unwrap();
    assert_eq!(segments.len(), usize::from(RUNS) * 2);
    let next = place.open().lock(LOCK, &holder(9), Duration::ZERO).await.unwrap();
    assert_eq!(next.fence(), u64::from(RUNS) + 1);
    next.release().await.unwrap();
}

/// Each of the first `bad` connections passes a few answers and breaks instead of the next one, which the server has
/// given.
fn dropping_proxy(upstream: String, bad: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&upstream).unwrap());
            let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || relay(from_client, to_server, usize::MAX));
            let passed = if number < bad { number % 3 } else { usize::MAX };
            std::thread::spawn(move || relay(server, client, passed));
        }
    });
    port
}

fn relay(mut from: TcpStream, mut to: TcpStream, passed: usize) {
    let mut buffer = vec![0; 1 << 16];
    let mut count = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if count >= passed || to.write_all(&buffer[..read]).is_err() {
            break;
        }
        count += 1;
    }
    // Either may be closed already.
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
