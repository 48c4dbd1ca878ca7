use super::support::*;
use crate::model::{Cause, Reading, Target};
use crate::record::*;

const DAY: u64 = 86_400;

/// Writes one run with one intention after the other, each with its outcome, and reads the record.
async fn after(writes: Vec<(Intention, Option<WriteOutcome>)>) -> Recorded {
    let store = MemoryStore::default();
    let mut journal = begin(store.clone(), 1).await;
    for (intention, outcome) in writes {
        let number = sendable(journal.intend(&[intention]).await.unwrap())[0];
        if let Some(outcome) = outcome {
            journal.outcomes(at(90), &[(number, outcome)]);
        }
    }
    journal.end(at(99), &RunEnd::Finished).await.unwrap();
    read(store).await
}

#[tokio::test]
async fn what_came_through_groups_is_known_as_such() {
    let group = |name: &str, line| {
        Cause::group(name.into(), crate::model::Origin { file: "groups.yaml".into(), line })
    };
    let mut intention = isolate(1, at(5), None, Some(isolation(DAY, 0)));
    intention.cause = Cause::joined([&group("pci", 9), &group("desks", 4)]);
    let recorded = after(vec![(intention, Some(done(at(7))))]).await;
    let cause = recorded.isolations[&sensor(1)].by.cause.clone().unwrap();
    assert_eq!(cause.to_string(), "groups.yaml:4 (groups desks, pci)");
    let lines: Vec<String> = cause.groups().map(|group| group.origin.to_string()).collect();
    assert_eq!(lines, ["groups.yaml:4", "groups.yaml:9"]);
}

#[tokio::test]
async fn an_isolation_that_was_done_is_known_with_its_time_and_its_cause() {
    let rule = isolation(DAY + 3, 2);
    let outcome = WriteOutcome::Done { sent_at: at(7), listed_timeout_seconds: Some(DAY) };
    let recorded = after(vec![(isolate(1, at(5), None, Some(rule)), Some(outcome))]).await;
    let known = &recorded.isolations[&sensor(1)];
    assert_eq!(known.by.at, at(7));
    assert_eq!(known.by.cause.as_ref().unwrap().to_string(), "state.yaml:12");
    assert_eq!((&*known.by.owner, known.by.reason.as_deref()), ("soc-gitops", Some("INC-417")));
    let known = known.rule.as_ref().unwrap();
    assert_eq!((known.listed.clone(), known.sent_timeout_seconds), (isolation(DAY, 2), DAY + 3));
    assert_eq!(known.end(), at(7 + 24 * 60));
    assert!(recorded.open.is_empty());

    // Evidence for this very rule only.
    assert_eq!(recorded.isolation_in_force(sensor(1), &isolation(DAY, 2)).as_ref(), Some(known));
    for other in [isolation(DAY + 3, 2), isolation(DAY, 1), isolation(2 * DAY, 2)] {
        assert_eq!(recorded.isolation_in_force(sensor(1), &other), None);
    }
    assert_eq!(recorded.isolation_in_force(sensor(2), &isolation(DAY, 2)), None);
}

#[tokio::test]
async fn a_release_leaves_no_rule_and_says_who_did_it() {
    let rule = isolation(DAY, 0);
    let recorded = after(vec![
        (isolate(1, at(1), None, Some(rule.clone())), Some(done(at(1)))),
        (isolate(1, at(5), Some(rule.clone()), None), Some(done(at(6)))),
    ])
    .await;
    let known = &recorded.isolations[&sensor(1)];
    assert_eq!((known.rule.as_ref(), known.by.at), (None, at(6)));
    assert_eq!(recorded.isolation_in_force(sensor(1), &rule), None);
}

#[tokio::test]
async fn only_what_may_have_been_done_stays_open() {
    let rule = || Some(isolation(DAY, 0));
    let why = || "no answer".into();
    let recorded = after(vec![
        (isolate(1, at(1), None, rule()), Some(WriteOutcome::NothingToDo)),
        (isolate(2, at(2), None, rule()), Some(WriteOutcome::NotDone { why: why() })),
        (isolate(3, at(3), None, rule()), Some(WriteOutcome::Unknown { why: why() })),
        (isolate(4, at(4), None, rule()), None),
    ])
    .await;
    assert!(recorded.isolations.is_empty());
    let open: Vec<_> = recorded.open.iter().map(|open| open.subject.target).collect();
    assert_eq!(open, [Target::Sensor(sensor(3)), Target::Sensor(sensor(4))]);
}

#[tokio::test]
async fn ours_is_what_we_added_and_is_still_there() {
    // What was in the ledger, what was found, what was sent; what is ours then.
    let cases: [[&[u8]; 4]; 6] = [
        [&[], &[], &[1], &[1]],
        [&[], &[9], &[1, 9], &[1]],
        [&[1], &[1, 9], &[1, 2, 9], &[1, 2]],
        [&[1, 2], &[1, 2, 9], &[2, 9], &[2]],
        // Somebody else took ours out; it is not ours when they put it back.
        [&[1], &[9], &[2, 9], &[2]],
        [&[1], &[1], &[], &[]],
    ];
    for target in [Target::AllHosts, Target::Sensor(sensor(1))] {
        for [ours, before, sent, expected] in cases {
            let recorded = after(vec![
                (block(target, at(1), &[], ours), Some(done(at(1)))),
                (block(target, at(2), before, sent), Some(done(at(3)))),
            ])
            .await;
            let known = &recorded.preventions[&target];
            assert_eq!(*known.ours, hashes(expected), "{ours:?}: {before:?} -> {sent:?}");
            assert_eq!(known.by.at, at(3));
            let seen = recorded.ours_in(target, &hashes(&[2, 9]));
            assert_eq!(seen, hashes(expected).intersection(&hashes(&[2, 9])).copied().collect());
        }
    }
}

#[tokio::test]
async fn an_open_isolation_counts_where_the_reading_equals_it_and_differs_from_before() {
    // What was listed before, what was sent, what is listed now; whether it counts as done.
    let cases = [
        (None, Some((DAY, 1)), Some((DAY, 1)), true),
        (None, Some((DAY, 1)), Some((DAY, 2)), false),
        (None, Some((DAY, 1)), None, false),
        (None, Some((DAY + 3, 1)), Some((DAY, 1)), true),
        (None, Some((DAY + 3, 1)), Some((DAY + 3_600, 1)), true),
        (None, Some((DAY + 3, 1)), Some((DAY + 3_603, 1)), false),
        (None, Some((DAY + 3, 1)), Some((DAY + 1, 1)), false),
        (None, Some((DAY, 1)), Some((DAY + 3_600, 1)), false),
        (Some((DAY, 1)), Some((DAY + 3, 1)), Some((DAY + 3, 1)), true),
        // A server that rounds: before and after look the same.
        (Some((DAY, 1)), Some((DAY + 3, 1)), Some((DAY, 1)), false),
        (Some((DAY, 1)), Some((DAY, 1)), Some((DAY, 1)), false),
        (Some((DAY, 1)), None, None, true),
        (Some((DAY, 1)), None, Some((DAY, 1)), false),
        (Some((DAY, 1)), None, Some((DAY, 2)), false),
        (None, None, None, false),
    ];
    let value = |of: Option<(u64, u8)>| of.map(|(timeout, exclusions)| isolation(timeout, exclusions));
    for (before, sent, listed, expected) in cases {
        let recorded = after(vec![(isolate(1, at(5), value(before), value(sent)), None)]).await;
        let reading = value(listed).map_or(Reading::Absent, Reading::Present);
        let settled = recorded.settle_isolation(sensor(1), &reading);
        assert_eq!(settled.len(), 1);
        assert_eq!(settled[0].is_done, expected, "{before:?} -> {sent:?}, listed {listed:?}");
        if let Some(listed) = value(listed) {
            let in_force = recorded.isolation_in_force(sensor(1), &listed);
            assert_eq!(in_force.is_some(), expected);
            assert!(in_force.is_none_or(|rule| rule.sent_at == at(5) && rule.listed == listed));
        }
        let unknown = Reading::Unknown(crate::model::ReadFailure::new("timed out"));
        assert_eq!(recorded.settle_isolation(sensor(1), &unknown), []);
    }
}

#[tokio::test]
async fn a_lost_renewal_leaves_the_older_time_until_it_is_seen() {
    let (listed, renewed) = (isolation(DAY, 1), isolation(DAY + 3, 1));
    let recorded = after(vec![
        (isolate(1, at(1), None, Some(listed.clone())), Some(done(at(2)))),
        (isolate(1, at(50), Some(listed.clone()), Some(renewed.clone())), None),
    ])
    .await;
    assert_eq!(recorded.isolation_in_force(sensor(1), &listed).unwrap().sent_at, at(2));
    assert_eq!(recorded.isolation_in_force(sensor(1), &renewed).unwrap().sent_at, at(50));
}

#[tokio::test]
async fn of_several_that_fit_the_earliest_counts() {
    let rule = isolation(DAY, 1);
    let recorded = after(vec![
        (isolate(1, at(10), None, Some(isolation(DAY, 2))), None),
        (isolate(1, at(20), None, Some(rule.clone())), None),
        (isolate(1, at(30), None, Some(rule.clone())), None),
    ])
    .await;
    assert_eq!(recorded.isolation_in_force(sensor(1), &rule).unwrap().sent_at, at(20));
    let judged: Vec<_> = recorded
        .settle_isolation(sensor(1), &Reading::Present(rule))
        .into_iter()
        .map(|settled| (settled.number.0, settled.is_done, settled.listed_timeout_seconds))
        .collect();
    assert_eq!(judged, [(1, false, None), (2, true, Some(DAY)), (3, false, None)]);
}

#[tokio::test]
async fn an_open_block_counts_where_the_reading_or_a_later_look_shows_it() {
    let all = Target::AllHosts;
    let recorded =
        after(vec![(block(all, at(1), &[9], &[1, 9]), None), (block(all, at(2), &[1, 9], &[1, 2, 9]), None)])
            .await;
    assert_eq!(recorded.ours_in(all, &hashes(&[9])), hashes(&[]));
    assert_eq!(recorded.ours_in(all, &hashes(&[1, 9])), hashes(&[1]));
    assert_eq!(recorded.ours_in(all, &hashes(&[1, 2, 9])), hashes(&[1, 2]));
    let reading = Reading::Present(rule_of(&hashes(&[1, 2, 9])).unwrap());
    assert!(recorded.settle_prevention(all, &reading).iter().all(|settled| settled.is_done));

    // The next write's own look judges what nobody settled.
    let recorded = after(vec![
        (block(all, at(1), &[9], &[1, 9]), None),
        (block(all, at(2), &[1, 9], &[1, 2, 9]), Some(done(at(2)))),
    ])
    .await;
    assert_eq!((recorded.preventions[&all].ours.clone(), recorded.open.len()), (hashes(&[1, 2]).into(), 0));
    let recorded = after(vec![
        (block(all, at(1), &[9], &[1, 9]), None),
        (block(all, at(2), &[9], &[2, 9]), Some(done(at(2)))),
    ])
    .await;
    assert_eq!((recorded.preventions[&all].ours.clone(), recorded.open.len()), (hashes(&[2]).into(), 0));
}

/// What others had put there, a write took out, and the same run put back.
#[tokio::test]
async fn what_is_put_back_for_others_stays_theirs() {
    let host = Target::Sensor(sensor(1));
    let taken = (block(host, at(1), &[7, 8, 9], &[9]), Some(done(at(1))));
    let put_back = Intention { foreign: rule_of(&hashes(&[8])), ..block(host, at(2), &[9], &[7, 8, 9]) };
    let recorded = after(vec![taken.clone(), (put_back.clone(), Some(done(at(2))))]).await;
    assert_eq!(recorded.preventions[&host].ours, hashes(&[7]).into(), "ours again, and theirs");

    // The answer was lost, and a reading shows it.
    let recorded = after(vec![taken.clone(), (put_back.clone(), None)]).await;
    assert_eq!(recorded.ours_in(host, &hashes(&[7, 8, 9])), hashes(&[7]));
    // Or the look of a later write does.
    let later = (block(host, at(3), &[7, 8, 9], &[6, 7, 8, 9]), Some(done(at(3))));
    let recorded = after(vec![taken, (put_back, None), later]).await;
    assert_eq!(recorded.preventions[&host].ours, hashes(&[6, 7]).into());
}

#[tokio::test]
async fn what_was_settled_is_folded_with_the_time_of_its_intention() {
    let store = MemoryStore::default();
    let mut killed = begin(store.clone(), 1).await;
    let intentions = [
        isolate(1, at(5), None, Some(isolation(DAY + 3, 1))),
        isolate(2, at(6), None, Some(isolation(DAY, 1))),
        block(Target::AllHosts, at(7), &[9], &[1, 9]),
    ];
    killed.intend(&intentions).await.unwrap();
    drop(killed);

    let recorded = read(store.clone()).await;
    let last = recorded.last_run.as_ref().unwrap();
    assert_eq!((&last.id, last.at, last.is_unfinished), (&run(1).id, at(7), true));
    let mut next = begin(store.clone(), 2).await;
    next.settled(at(60), &recorded.settle_isolation(sensor(1), &Reading::Present(isolation(DAY, 1))));
    next.settled(at(60), &recorded.settle_isolation(sensor(2), &Reading::Absent));
    let rule = rule_of(&hashes(&[1, 9])).unwrap();
    next.settled(at(60), &recorded.settle_prevention(Target::AllHosts, &Reading::Present(rule)));
    next.end(at(61), &RunEnd::Interrupted).await.unwrap();

    let recorded = read(store).await;
    assert!(recorded.open.is_empty());
    let rule = recorded.isolations[&sensor(1)].rule.clone().unwrap();
    assert_eq!((rule.sent_at, rule.sent_timeout_seconds), (at(5), DAY + 3));
    assert_eq!(rule.listed, isolation(DAY, 1));
    assert_eq!(recorded.isolations[&sensor(1)].by.run, run(1).id);
    assert!(!recorded.isolations.contains_key(&sensor(2)));
    assert_eq!(recorded.preventions[&Target::AllHosts].ours, hashes(&[1]).into());
    let last = recorded.last_run.unwrap();
    assert_eq!((last.id, last.at, last.is_unfinished), (run(2).id, at(61), false));
}

#[tokio::test]
async fn facts_are_noted_and_only_news_is_worth_it() {
    const OWNER: &str = "soc-gitops";
    let store = MemoryStore::default();
    let facts = |hosts, entries: &[(&str, u8)]| Facts {
        hosts_listed: Some(hosts),
        entries: entries.iter().map(|(entry, n)| ((*entry).into(), sensor(*n))).collect(),
    };
    let first = facts(100, &[("ws-1", 1), ("ws-2", 2)]);
    let mut journal = begin(store.clone(), 1).await;
    journal.note(at(1), &first.clone().news(&Recorded::default(), OWNER));
    journal.end(at(2), &RunEnd::Finished).await.unwrap();
    let recorded = read(store.clone()).await;
    assert_eq!((recorded.hosts_last_seen, recorded.entries_of(OWNER).len()), (Some(100), 2));

    assert!(first.news(&recorded, OWNER).is_empty());
    assert!(facts(109, &[]).news(&recorded, OWNER).is_empty());
    let news = facts(90, &[("ws-1", 1), ("ws-2", 3)]).news(&recorded, OWNER);
    assert_eq!(news, facts(90, &[("ws-2", 3)]));
    let mut journal = begin(store.clone(), 2).await;
    journal.note(at(3), &news);
    journal.end(at(4), &RunEnd::Finished).await.unwrap();
    let recorded = read(store).await;
    let entries = recorded.entries_of(OWNER);
    assert_eq!((entries["ws-1"], entries["ws-2"]), (sensor(1), sensor(3)));
    assert!(recorded.entries_of("another").is_empty(), "another state may use the same key for another host");
}
