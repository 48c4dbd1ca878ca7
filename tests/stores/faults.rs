//! What becomes of a run when its store fails, over a real connection.

use std::time::Duration;

use kedrctl::record::{
    AnyStore, HeldLock as _, Intentions as _, LockStore as _, LockTerms, ProbeReport, Record, RecordError,
    Recorded, RunEnd, Store as _,
};

use crate::s3::{Fault, Server};
use crate::support::*;

/// Impatient: what does not answer is given up soon.
const SHORT: LockTerms = LockTerms { time_to_live: Duration::from_secs(3) };

const ALWAYS: usize = usize::MAX;

#[track_caller]
fn unreachable(error: &RecordError, texts: &[&str]) {
    assert!(matches!(error, RecordError::Unreachable { .. }), "{error:?}");
    says(error, texts);
}

#[track_caller]
fn refused(error: &RecordError, texts: &[&str]) {
    assert!(matches!(error, RecordError::Refused { .. }), "{error:?}");
    says(error, texts);
}

#[track_caller]
fn says(error: &RecordError, texts: &[&str]) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let whole = format!("{error}: {}", cause.unwrap_or_default());
    for text in texts {
        assert!(whole.contains(text), "`{text}` is not in: {whole}");
    }
    assert!(!whole.contains("not-to-be-shown") && !whole.contains("127.0.0.1"), "{whole}");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_unreachable() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut variables = Server::start().variables();
    variables[0].1 = format!("http://{gone}");
    let url = "s3://soc/prod".parse().unwrap();
    let store = kedrctl::record::BucketStore::open(&url, variables, SHORT).unwrap();
    let error = Record::new(store.clone()).read(&server()).await.unwrap_err();
    unreachable(&error, &["s3://soc/prod/", "kata.example.org_443", "AWS_ENDPOINT_URL", "no connection"]);
    let error = store.lock(LOCK, &holder(1), Duration::ZERO).await.unwrap_err();
    unreachable(&error, &["s3://soc/prod/lock/kata.example.org_443"]);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_given_up() {
    let server = Server::start();
    server.fail("GET", "", ALWAYS, Fault::Hangs);
    let error = Record::new(server.open_with(SHORT)).read(&crate::support::server()).await.unwrap_err();
    unreachable(&error, &["it did not answer in time"]);
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_stops_the_run_and_the_next_goes_on() {
    let server = Server::start();
    let mut journal = begin(server.open_with(SHORT), 1, Duration::ZERO).await;
    journal.intend(&[isolate(1)]).await.unwrap();
    server.fail("PUT", "journal", ALWAYS, Fault::Broken);
    unreachable(&journal.intend(&[isolate(2)]).await.unwrap_err(), &["s3://soc/prod/journal"]);
    server.recover();
    // Under the same number, so that nothing is lost or twice there.
    journal.intend(&[isolate(3)]).await.unwrap();
    journal.end(at(3), &RunEnd::Finished).await.unwrap();
    let recorded = read(server.open()).await;
    let open: Vec<_> = recorded.open.iter().map(|open| open.number.0).collect();
    assert_eq!(open, [1, 3], "the second was never sent");
}

#[tokio::test]
async fn errors_that_pass_are_waited_out() {
    let server = Server::start();
    server.fail("PUT", "", 1, Fault::Answers(503, "SlowDown"));
    server.fail("GET", "", 2, Fault::Answers(500, "InternalError"));
    server.fail("PUT", "journal", 1, Fault::Answers(500, "InternalError"));
    whole_run(server.open(), 1, Duration::from_secs(60)).await;
    assert_eq!(read(server.open()).await.isolations.len(), 1);
}

#[tokio::test]
async fn errors_that_stay_are_said() {
    let server = Server::start();
    server.fail("GET", "", ALWAYS, Fault::Answers(503, "Slow\u{1b}Down"));
    let error = Record::new(server.open_with(SHORT)).read(&crate::support::server()).await.unwrap_err();
    unreachable(&error, &["it answered 503 Slow\\u{1b}Down", "run again later"]);
}

/// The store meets its own write when it is asked again.
#[tokio::test]
async fn lost_answers_change_nothing() {
    let server = Server::start();
    for part in ["lock", "journal", "lock", "journal"] {
        server.fail("PUT", part, 1, Fault::AnswerLost);
    }
    for n in 1..=2 {
        whole_run(server.open(), n, Duration::ZERO).await;
        server.fail("PUT", "journal", 1, Fault::AnswerLost);
    }
    let recorded = read(server.open()).await;
    assert_eq!((recorded.isolations.len(), recorded.open.len()), (2, 0));
    let segments = server.keys().iter().filter(|key| key.contains("journal")).count();
    assert_eq!(segments, 4);
    let next = server.open().lock(LOCK, &holder(3), Duration::ZERO).await.unwrap();
    assert_eq!(next.fence(), 3);
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(60), waited).await.is_ok(),
        "waited too long until {what}"
    );
}

#[tokio::test]
async fn renewals_whose_answers_are_lost_count() {
    let server = Server::start();
    let held = server.open_with(SHORT).lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    let renewals = || server.log().iter().filter(|line| line.starts_with("PUT")).count();
    let before = renewals();
    server.fail("PUT", "lock", ALWAYS, Fault::AnswerLost);
    until("it was renewed for longer than it lasts", || renewals() >= before + 10).await;
    assert!(held.lease().is_sure());
    let other = server.open_with(SHORT).lock(LOCK, &holder(2), Duration::ZERO).await;
    assert!(matches!(other, Err(RecordError::Locked { .. })));
}

#[tokio::test]
async fn a_lock_that_can_not_be_renewed_is_not_sure_and_the_next_gets_it() {
    let server = Server::start();
    let held = server.open_with(SHORT).lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    server.fail("PUT", "lock", ALWAYS, Fault::Answers(500, "InternalError"));
    until("it is not sure", || !held.lease().is_sure()).await;
    server.recover();
    until("it is renewed: nobody had it", || held.lease().is_sure()).await;

    server.fail("PUT", "lock", ALWAYS, Fault::Answers(500, "InternalError"));
    until("it is not sure", || !held.lease().is_sure()).await;
    // Only now can the other one write.
    let other = server.open_with(SHORT);
    let second = holder(2);
    let (next, ()) = tokio::join!(other.lock(LOCK, &second, Duration::from_secs(60)), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(held);
        server.recover();
    });
    assert_eq!(next.unwrap().fence(), 2);
}

#[tokio::test]
async fn credentials_that_may_not_write_are_said_to_be_so() {
    let server = Server::start();
    whole_run(server.open(), 1, Duration::ZERO).await;
    server.fail("PUT", "", ALWAYS, Fault::Answers(403, "AccessDenied"));
    // What only reads goes on.
    assert_eq!(read(server.open()).await.isolations.len(), 1);
    let error = server.open().lock(LOCK, &holder(1), Duration::from_secs(90)).await.unwrap_err();
    refused(&error, &["these credentials may not write there (it answered 403 AccessDenied)"]);
    let error = server.open().create("sets/x.json", b"x").await.unwrap_err();
    refused(&error, &["s3://soc/prod/sets/x.json", "may not write"]);
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_said_to_be_so() {
    for (status, code) in [(401, "AuthenticationFailed"), (403, "SignatureDoesNotMatch")] {
        let server = Server::start();
        server.fail("GET", "", ALWAYS, Fault::Answers(status, code));
        let error = Record::new(server.open()).read(&crate::support::server()).await.unwrap_err();
        refused(&error, &["these credentials are not accepted", code, "AWS_ACCESS_KEY_ID"]);
    }
}

#[tokio::test]
async fn a_store_that_is_full_keeps_nothing_partial() {
    for (status, code, text) in
        [(507, "InsufficientStorage", "make room"), (413, "EntityTooLarge", "no object of this size")]
    {
        let server = Server::start();
        let mut journal = begin(server.open_with(SHORT), 1, Duration::ZERO).await;
        server.fail("PUT", "journal", ALWAYS, Fault::Answers(status, code));
        let error = journal.intend(&[isolate(1)]).await.unwrap_err();
        says(&error, &[text, code]);
        assert_eq!(read(server.open()).await, Recorded::default());
    }
}

#[tokio::test]
async fn a_missing_bucket_is_no_empty_record() {
    let server = Server::start();
    let store = server.open_bucket("other", TERMS);
    let read = Record::new(store.clone()).read(&crate::support::server()).await.unwrap_err();
    let locked = store.lock(LOCK, &holder(1), Duration::from_secs(90)).await.unwrap_err();
    let created = store.create("sets/x.json", b"x").await.unwrap_err();
    let checked = AnyStore::Bucket(store.clone()).check(&holder(1)).await.unwrap_err();
    let got = store.get("sets/x.json").await.unwrap_err();
    for error in [read, locked, created, checked, got] {
        refused(&error, &["there is no such bucket", "s3://other/prod"]);
    }
}

async fn check(server: &Server) -> ProbeReport {
    AnyStore::Bucket(server.open()).check(&holder(1)).await.unwrap()
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let server = Server::start();
    server.fail("PUT", "", ALWAYS, Fault::Unconditional);
    let error = server.open().lock(LOCK, &holder(1), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, RecordError::Unfit { .. }), "{error:?}");
    let report = check(&server).await;
    assert!(!report.is_fit(), "{report:?}");
    assert!(server.keys().iter().all(|key| !key.contains("probe")), "{:?}", server.keys());
}

/// Only stale updates are accepted: creating is right.
#[tokio::test]
async fn half_a_condition_is_none() {
    let server = Server::start();
    // The lock object is made with its first write; the two questions after it are told apart by what they ask.
    let held = server.open().lock(LOCK, &holder(1), Duration::ZERO).await.unwrap();
    held.release().await.unwrap();
    let report = check(&server).await;
    assert!(report.is_fit() && report.left_behind.is_none(), "{report:?}");
    let probes: Vec<_> = server.keys().into_iter().filter(|key| key.contains("probe")).collect();
    assert_eq!(probes, Vec::<String>::new());
    // Credentials that may not delete are enough for a record, and leave the probe's objects.
    server.fail("DELETE", "", ALWAYS, Fault::Answers(403, "AccessDenied"));
    let report = check(&server).await;
    assert!(report.is_fit(), "{report:?}");
    assert!(report.left_behind.is_some_and(|left| left.contains("AccessDenied")));
}
