//! A run under a lock meets acts by hand, and may lose its lock.

use super::*;

fn hold() -> Hold {
    Hold {
        until: began() + SignedDuration::from_hours(24),
        by: "ana@soc-1".into(),
        run: "43".into(),
        at: began(),
        command: "isolate".into(),
        reason: None,
    }
}

async fn isolating_with(fates: Vec<Fate>, looks: Vec<Look>, state: State) -> Went {
    let state = State { fates: fates.into(), looks: looks.into(), ..state };
    went(Purpose::Contain, vec![sample::isolate(sample::host(1, "WS-1"))], state).await
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_neither_read_nor_sent() {
    let state = State { hold: Some(hold()), held_at_once: true, ..State::default() };
    let went = isolating_with(Vec::new(), Vec::new(), state).await;
    assert_eq!(went.results, [WriteResult::Held { hold: hold().into() }]);
    assert_eq!(went.state.calls, ["intend"]);
    // The record has said so by itself.
    assert!(went.state.outcomes.is_empty() && went.stopped.is_none());
}

#[tokio::test(start_paused = true)]
async fn before_something_is_sent_again_the_record_is_asked_for_a_hold() {
    use CallErrorKind::CannotConnect;
    let held = || State { hold: Some(hold()), ..State::default() };
    for (what, fates, state, expected, sent, is_open) in [
        ("sent once", vec![], held(), "done", 1, false),
        ("no connection", vec![Fate::Fails(CannotConnect)], held(), "held", 1, false),
        ("a lost request", vec![Fate::LostBefore], held(), "unknown", 1, true),
        ("a lost answer", vec![Fate::LostAfter], held(), "done", 1, false),
        ("nobody", vec![Fate::LostBefore], State::default(), "done", 2, false),
    ] {
        let went = isolating_with(fates, Vec::new(), state).await;
        assert_eq!((word(&went), sets(&went)), (expected, sent), "{what}: {:?}", went.results);
        let open = matches!(went.state.outcomes[..], [WriteOutcome::Unknown { .. }]);
        assert_eq!(open, is_open, "{what}: {:?}", went.state.outcomes);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_record_nothing_is_sent_again() {
    let state = State { record_is_lost_later: true, ..State::default() };
    let went = isolating_with(vec![Fate::LostBefore], Vec::new(), state).await;
    assert_eq!((word(&went), sets(&went)), ("unknown", 1));
    assert!(went.stopped.unwrap().starts_with("the record could not be read, so it was not sent again: "));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_under_a_lock_that_may_be_somebody_elses() {
    for (what, fates, looks, expected, sent) in [
        ("before the first", vec![], vec![Look::Sleeps], "not_tried", 0),
        ("before the second", vec![Fate::LostBefore], vec![Look::Fine, Look::Sleeps], "unknown", 1),
        // What was sent is read back all the same.
        ("after the send", vec![], vec![Look::Fine, Look::Sleeps], "done", 1),
        ("after a lost answer", vec![Fate::LostAfter], vec![Look::Fine, Look::Sleeps], "done", 1),
    ] {
        let went = isolating_with(fates, looks, State::default()).await;
        assert_eq!((word(&went), sets(&went)), (expected, sent), "{what}: {:?}", went.results);
        let is_stopped = went.stopped.is_some_and(|why| why.contains("can not be sure any more"));
        assert_eq!(is_stopped, expected != "done", "{what}");
    }
    let changes = (1..4).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect();
    let looks = VecDeque::from([Look::Fine, Look::Fine, Look::Sleeps]);
    let went = went(Purpose::Contain, changes, State { looks, ..State::default() }).await;
    let words: Vec<_> = went.results.iter().map(WriteResult::as_str).collect();
    assert_eq!((&words[..], sets(&went)), (&["done", "not_tried", "not_tried"][..], 1));
}
