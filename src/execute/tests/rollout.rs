//! Batches, and how many changes may fail.

use super::*;

fn rollout(batches: Option<&str>, max_failures: Option<&str>) -> Rollout {
    Rollout {
        batches: batches.map(|sizes| sizes.parse().unwrap()),
        max_failures: max_failures.map(|most| most.parse().unwrap()),
    }
}

fn isolations(count: u8) -> Vec<Change> {
    (1..=count).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect()
}

/// Releases of hosts that are isolated.
fn releases(count: u8) -> (Vec<Change>, State) {
    let changes: Vec<Change> =
        (1..=count).map(|n| sample::release(sample::host(n, &format!("WS-{n}")))).collect();
    let isolations = changes.iter().filter_map(|change| match (&change.difference, change.subject.target) {
        (crate::model::Difference::Isolation(side), Target::Sensor(sensor)) => {
            Some((sensor, side.before.clone()?))
        }
        _ => None,
    });
    let state = State { isolations: isolations.collect(), ..State::default() };
    (changes, state)
}

fn refused(times: usize) -> VecDeque<Fate> {
    vec![Fate::Fails(CallErrorKind::Incorrect(Untrusted::new("no"))); times].into()
}

fn words(went: &Went) -> Vec<&'static str> {
    went.results.iter().map(WriteResult::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn each_batch_is_read_back_before_the_next_is_put_down() {
    let went = went_by(&rollout(Some("1,2"), None), Purpose::Contain, isolations(4), State::default()).await;
    assert_eq!(went.state.intended, [1, 2, 1]);
    let one = ["get", "set", "get"];
    let batch = |size: usize| ["intend"].into_iter().chain(one.repeat(size)).collect::<Vec<_>>();
    assert_eq!(went.state.calls, [batch(1), batch(2), batch(1)].concat());
    assert_eq!(words(&went), ["done"; 4]);
}

#[tokio::test(start_paused = true)]
async fn releases_are_put_down_one_by_one_in_any_batch() {
    let (changes, state) = releases(3);
    let went = went_by(&rollout(Some("100%"), None), Purpose::Release, changes, state).await;
    assert_eq!((went.state.intended.as_slice(), words(&went)), (&[1, 1, 1][..], vec!["done"; 3]));
}

#[tokio::test(start_paused = true)]
async fn no_batch_begins_after_too_many_failures() {
    for (batches, most, fates, expected) in [
        // Nobody said how many: the others are tried.
        (Some("1"), None, refused(2), ["refused", "refused", "done", "done"]),
        (Some("1"), Some("1"), refused(2), ["refused", "refused", "not_tried", "not_tried"]),
        (Some("1"), Some("2"), refused(2), ["refused", "refused", "done", "done"]),
        (Some("1"), Some("0"), refused(1), ["refused", "not_tried", "not_tried", "not_tried"]),
        (Some("1"), Some("25%"), refused(1), ["refused", "done", "done", "done"]),
        (Some("1"), Some("24%"), refused(1), ["refused", "not_tried", "not_tried", "not_tried"]),
        // Judged after the batch, not within it.
        (Some("3"), Some("0"), refused(1), ["refused", "done", "done", "not_tried"]),
        (None, Some("0"), refused(1), ["refused", "done", "done", "done"]),
    ] {
        let state = State { fates, ..State::default() };
        let went = went_by(&rollout(batches, most), Purpose::Contain, isolations(4), state).await;
        assert_eq!(words(&went), expected, "--batch {batches:?} --max-failures {most:?}");
        assert_eq!(went.stopped.is_some(), expected.contains(&"not_tried"));
    }
}

#[tokio::test(start_paused = true)]
async fn without_batches_a_release_that_failed_is_the_last_one() {
    let (changes, state) = releases(3);
    let went =
        went_by(&rollout(None, Some("0")), Purpose::Release, changes, State { fates: refused(1), ..state })
            .await;
    assert_eq!(words(&went), ["refused", "not_tried", "not_tried"]);
    assert_eq!(went.stopped.as_deref(), Some("1 change is not done, and `--max-failures` is 0"));
}
