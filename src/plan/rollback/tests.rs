//! What the record tells of how to put something back. The walk over a server is tried in `tests/cli/rollback.rs`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::declare::{Term, WantedIsolation};
use crate::model::{
    BlockEntry, FileHash, HostList, Isolation, KeptObject, Program, ReadFailure, SensorId, Side,
};
use crate::plan::{Verdict, Whom};
use crate::record::{
    Act, ActValues, Attribution, IntentionNumber, RecordedIsolation, RecordedPrevention, RecordedRule, sample,
};
use crate::report::sample as plans;

/// So many hours after the beginning.
fn at(hours: i64) -> Timestamp {
    plans::now() + SignedDuration::from_hours(hours)
}

fn rule(hours: u64, exclusions: &[u8]) -> Isolation {
    Isolation { timeout_seconds: hours * 3_600, ..plans::isolation(exclusions) }
}

/// An act of the run `RUN`.
#[derive(Clone)]
struct Told {
    run: &'static str,
    action: &'static str,
    at: Timestamp,
    values: ActValues,
    /// The rule of what came back for others.
    foreign: Option<char>,
    /// `None`: it was done.
    outcome: Option<ActOutcome>,
}

fn isolating(
    run: &'static str,
    action: &'static str,
    hour: i64,
    before: Option<Isolation>,
    after: Option<Isolation>,
) -> Told {
    let values = ActValues::Isolation(Side { before, after });
    Told { run, action, at: at(hour), values, foreign: None, outcome: None }
}

fn blocking(run: &'static str, before: char, after: char) -> Told {
    let kept = |digit: char| (digit != '-').then(|| sample::kept(digit, 1));
    let values = ActValues::Prevention(Side { before: kept(before), after: kept(after) });
    Told { run, action: "block", at: at(0), values, foreign: None, outcome: None }
}

fn open(told: Told) -> Told {
    Told { outcome: Some(ActOutcome::Open { why: None }), ..told }
}

fn refused(told: Told) -> Told {
    Told { outcome: Some(ActOutcome::NotDone { why: "refused".into() }), ..told }
}

fn target() -> Target {
    Target::Sensor(plans::host(1, "WS-1").sensor.id)
}

fn id() -> SensorId {
    plans::host(1, "WS-1").sensor.id
}

fn history(acts: &[Told]) -> History {
    let mut runs: Vec<RecordedRun> = Vec::new();
    for (order, told) in acts.iter().enumerate() {
        if runs.last().is_none_or(|run| *run.id != *told.run) {
            runs.push(RecordedRun {
                plan: None,
                id: told.run.into(),
                begun_at: told.at,
                last_at: told.at,
                by: "ana@soc-1".into(),
                owner: "default".into(),
                command: "apply".into(),
                allow: Vec::new(),
                ci_job: None,
                commit: None,
                acts: Vec::new(),
                holds: Vec::new(),
                end: None,
            });
        }
        let aspect = match told.values {
            ActValues::Isolation(_) => Aspect::Isolation,
            ActValues::Prevention(_) => Aspect::Prevention,
            ActValues::Task(_) => Aspect::Task("c4e058e0-6082-508a-9722-c8230d5f006d".parse().unwrap()),
        };
        let done = ActOutcome::Done { sent_at: told.at, listed_timeout_seconds: None };
        let outcome = told.outcome.clone().unwrap_or(done);
        let Some(run) = runs.last_mut() else { continue };
        run.acts.push(Act {
            number: IntentionNumber(order as u64),
            order,
            subject: Subject { target: target(), aspect },
            host: Some("WS-1".into()),
            entry: Some("WS-1".into()),
            cause: None,
            reason: None,
            action: told.action.into(),
            at: told.at,
            values: told.values.clone(),
            foreign: told.foreign.map(|digit| sample::kept(digit, 1)),
            clocks_apart: false,
            outcome,
        });
    }
    runs.reverse();
    History { runs, is_whole: true }
}

fn by() -> Attribution {
    Attribution {
        owner: "default".into(),
        run: "RUN".into(),
        entry: None,
        cause: None,
        reason: None,
        commit: None,
        at: at(0),
    }
}

/// The run `RUN` put back five hours after the beginning; `ours`: what the ledger has of hashes.
fn undone(acts: &[Told], ours: &[usize]) -> Rollback {
    undone_with(acts, ours, &[])
}

/// `before_it`: what the ledger had of hashes before that run.
fn undone_with(acts: &[Told], ours: &[usize], before_it: &[usize]) -> Rollback {
    let history = history(acts);
    let run = history.runs.iter().find(|run| &*run.id == "RUN").unwrap();
    // The rule `n` holds the hashes 0 to n.
    let rule = |n: u8| PreventionRule {
        objects: (0..=usize::from(n)).map(|n| (plans::hash(n), KeptObject::default())).collect(),
    };
    let digits = ('0'..='9').zip(0_u8..);
    let rules: KeptRules = digits.map(|(c, n)| (sample::kept(c, 1), Arc::new(rule(n)))).collect();
    let recorded = |ours: &[usize]| {
        let mut recorded = Recorded::default();
        let ours = Arc::new(ours.iter().map(|n| plans::hash(*n)).collect());
        recorded.preventions.insert(target(), RecordedPrevention { by: by(), ours, verified_at: at(0) });
        recorded
    };
    let server = ServerName::new("hq");
    rollback(&history, run, (&rules, &recorded(before_it)), (&server, &recorded(ours), at(5)))
}

/// `release`, `isolate until 8 h`, or what is said instead.
fn isolation(acts: &[Told]) -> String {
    let rollback = undone(acts, &[]);
    match rollback.hosts.first().and_then(|host| host.isolation.as_ref()) {
        None => rollback.findings.iter().map(|one| format!("{:?}: {}", one.kind, one.message)).collect(),
        Some(declared) => match &declared.want {
            WantedIsolation::Off => "release".to_owned(),
            WantedIsolation::On { term: Term::Until(until), exclusions, .. } => {
                let hours = until.duration_since(at(0)).as_hours();
                format!("isolate until {hours} h with {}", exclusions.len())
            }
            WantedIsolation::On { term: Term::Lease(_), .. } => "a lease".to_owned(),
        },
    }
}

#[test]
fn an_isolation_is_put_back_as_far_as_the_record_proves_it() {
    let (eight, six) = (rule(8, &[]), rule(6, &[1]));
    let set = isolating("FIRST", "isolate", 0, None, Some(eight.clone()));
    let short = isolating("FIRST", "isolate", 0, None, Some(rule(4, &[])));
    let on = isolating("RUN", "isolate", 1, None, Some(eight.clone()));
    let off = isolating("RUN", "release", 1, Some(eight.clone()), None);
    let change = isolating("RUN", "change_exclusions", 1, Some(eight.clone()), Some(six.clone()));
    for (what, acts, expected) in [
        ("isolated", vec![on.clone()], "release"),
        ("isolated, nobody knows", vec![open(on.clone())], "release"),
        (
            "isolated over a rule whose time was over",
            vec![short.clone(), isolating("RUN", "isolate", 4, Some(rule(4, &[])), Some(eight.clone()))],
            "release",
        ),
        ("released", vec![set.clone(), off.clone()], "isolate until 8 h with 0"),
        ("released, nobody knows", vec![set.clone(), open(off.clone())], "isolate until 8 h with 0"),
        ("released what others set", vec![off.clone()], "HostError: was released, and when"),
        (
            "released what others set since",
            vec![isolating("FIRST", "isolate", 0, None, Some(six.clone())), off.clone()],
            "HostError: was released, and when",
        ),
        (
            "released, and nobody knows what was set before",
            vec![open(set.clone()), off.clone()],
            "HostError: was released, and when",
        ),
        (
            "released, and it would be over by now",
            vec![short.clone(), isolating("RUN", "release", 1, Some(rule(4, &[])), None)],
            "Notice: would not be isolated any more",
        ),
        (
            "a rule whose time was over",
            vec![short.clone(), isolating("RUN", "end_spent", 4, Some(rule(4, &[])), None)],
            "Notice: had a rule whose time was over",
        ),
        ("other exclusions", vec![set.clone(), change.clone()], "isolate until 8 h with 0"),
        ("other exclusions than others set", vec![change.clone()], "HostError: when its rule before"),
        (
            "other exclusions, and the one before would be over",
            vec![
                short.clone(),
                isolating("RUN", "change_exclusions", 1, Some(rule(4, &[])), Some(six.clone())),
            ],
            "HostError: its rule before would have ended",
        ),
        (
            "renewed",
            vec![set.clone(), isolating("RUN", "renew", 1, Some(eight.clone()), Some(rule(9, &[])))],
            "Notice: was renewed",
        ),
        (
            "isolated and released",
            vec![on.clone(), isolating("RUN", "release", 1, Some(eight.clone()), None)],
            "Notice: was isolated and released",
        ),
    ] {
        let told = isolation(&acts);
        assert!(told.starts_with(expected), "{what}: {told}");
    }
}

/// What becomes of the change that puts it back where this is found.
fn kept(acts: &[Told], found: Option<Isolation>, listed: Option<Isolation>, want: Change) -> String {
    let rollback = undone(acts, &[]);
    let mut recorded = Recorded::default();
    let rule = listed.map(|listed| RecordedRule {
        sent_timeout_seconds: listed.timeout_seconds,
        listed,
        sent_at: at(1),
        verified_at: None,
        clocks_apart: false,
    });
    recorded.isolations.insert(id(), RecordedIsolation { by: by(), rule, verified_at: at(1) });
    let Difference::Isolation(side) = want.difference.clone() else { panic!("an isolation") };
    let difference = Difference::Isolation(Side { before: found, ..side });
    let mut plan = plans::server("hq");
    plan.findings.clear();
    plan.steps = vec![plans::step(crate::plan::Purpose::Release, vec![Change { difference, ..want }])];
    rollback.keep_what_is_safe(&mut plan, &recorded, at(5));
    match (plan.changes().count(), plan.findings.first()) {
        (1, None) => "yes".to_owned(),
        (0, None) => "as before".to_owned(),
        (0, Some(finding)) => format!("{:?}: {}", finding.kind, finding.message),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_others_changed_since_is_left_alone() {
    let (eight, six) = (rule(8, &[]), rule(6, &[1]));
    let set = isolating("FIRST", "isolate", 0, None, Some(eight.clone()));
    let on = isolating("RUN", "isolate", 1, None, Some(eight.clone()));
    let off = isolating("RUN", "release", 1, Some(eight.clone()), None);
    let renewed = isolating("LATER", "renew", 2, Some(eight.clone()), Some(rule(9, &[])));
    let changed = isolating("LATER", "change_exclusions", 2, Some(eight.clone()), Some(six.clone()));
    let change = isolating("RUN", "change_exclusions", 1, Some(eight.clone()), Some(six.clone()));
    let host = || plans::host(1, "WS-1");
    let (release, isolate) = (plans::release(host()), plans::isolate(host()));
    let back = plans::exclusions(host(), &[1], &[]);
    for (what, acts, found, listed, want, expected) in [
        ("ours", vec![on.clone()], Some(eight.clone()), Some(eight.clone()), &release, "yes"),
        ("ours, renewed", vec![on.clone(), renewed], Some(rule(9, &[])), Some(rule(9, &[])), &release, "yes"),
        (
            "changed by a later run",
            vec![on.clone(), changed.clone()],
            Some(six.clone()),
            Some(six.clone()),
            &release,
            "HostError: was changed since by run LATER",
        ),
        (
            "another's rule",
            vec![on.clone()],
            Some(six.clone()),
            Some(eight.clone()),
            &release,
            "HostError: has another rule",
        ),
        ("free", vec![set.clone(), off.clone()], None, None, &isolate, "yes"),
        (
            "isolated since",
            vec![set.clone(), off.clone()],
            Some(six.clone()),
            None,
            &isolate,
            "HostError: was isolated since",
        ),
        (
            "never released",
            vec![set.clone(), open(off.clone())],
            Some(eight.clone()),
            None,
            &isolate,
            "as before",
        ),
        (
            "a later run was refused",
            vec![on.clone(), refused(changed.clone())],
            Some(eight.clone()),
            Some(eight.clone()),
            &release,
            "yes",
        ),
        (
            "exclusions put back by somebody else",
            vec![set.clone(), change.clone()],
            Some(rule(6, &[])),
            None,
            &back,
            "as before",
        ),
        (
            "exclusions changed, and released since",
            vec![set.clone(), change.clone()],
            None,
            None,
            &back,
            "HostError: was released since by somebody else",
        ),
        (
            "isolated and released by hand since",
            vec![set.clone(), off.clone(), isolating("LATER", "release", 3, Some(six.clone()), None)],
            None,
            None,
            &isolate,
            "HostError: was changed since by run LATER",
        ),
    ] {
        let told = kept(&acts, found, listed, want.clone());
        assert!(told.starts_with(expected), "{what}: {told}");
    }
}

/// Which hashes are blocked again and which no more, or what is said instead.
fn prevention(acts: &[Told], ours: &[usize]) -> String {
    let rollback = undone(acts, ours);
    let number = |hash: &FileHash| (0..20).find(|n| plans::hash(*n) == *hash).unwrap();
    match rollback.hosts.first().and_then(|host| host.prevention.as_ref()) {
        None => rollback.findings.iter().map(|one| format!("{:?}: {}", one.kind, one.message)).collect(),
        Some(declared) => {
            let block: Vec<usize> =
                declared.block.iter().flat_map(|list| list.iter()).map(|entry| number(&entry.hash)).collect();
            let unblock: Vec<usize> = declared.unblock.iter().map(|entry| number(&entry.hash)).collect();
            format!("+{block:?} -{unblock:?}")
        }
    }
}

#[test]
fn exactly_the_hashes_that_the_run_changed_are_put_back() {
    let run = |before, after| blocking("RUN", before, after);
    let later = |before, after| blocking("LATER", before, after);
    for (what, acts, ours, expected) in [
        ("added", vec![run('1', '3')], vec![2, 3], "+[] -[2, 3]"),
        ("added where there was no rule", vec![run('-', '1')], vec![0, 1], "+[] -[0, 1]"),
        ("taken out", vec![run('3', '1')], vec![], "+[2, 3] -[]"),
        ("the rule was deleted", vec![run('1', '-')], vec![], "+[0, 1] -[]"),
        ("added and taken out again", vec![run('1', '3'), run('3', '2')], vec![2], "+[] -[2]"),
        ("added, and one is no more ours", vec![run('1', '3')], vec![3], "+[] -[3]"),
        ("a later run took one out", vec![run('1', '3'), later('3', '2')], vec![2, 3], "+[] -[2]"),
        (
            "others took one out before a later run",
            vec![run('1', '3'), later('2', '5')],
            vec![2, 3],
            "+[] -[2]",
        ),
        ("a later run put one back", vec![run('3', '1'), later('1', '2')], vec![], "+[3] -[]"),
        ("all undone since", vec![run('1', '3'), later('3', '1')], vec![], "Notice: what that run changed"),
        (
            "a later one may have",
            vec![run('1', '3'), open(later('3', '1'))],
            vec![2, 3],
            "HostError: run LATER",
        ),
        ("nobody knows", vec![open(run('1', '3'))], vec![], "+[] -[2, 3]"),
        (
            "put back for others",
            vec![Told { foreign: Some('1'), ..run('-', '2') }],
            vec![2],
            "+[] -[0, 1, 2]",
        ),
        (
            "its rules were lost",
            vec![run('1', 'f')],
            vec![2, 3],
            "HostError: its rules are not in the record",
        ),
        (
            "those of a later one were lost",
            vec![run('1', '3'), later('f', '3')],
            vec![2, 3],
            "HostError: its rules are not in the record",
        ),
    ] {
        let told = prevention(&acts, &ours);
        assert!(told.starts_with(expected), "{what}: {told}");
    }
}

#[test]
fn what_the_run_took_from_others_comes_back_as_theirs() {
    let theirs = |acts: &[Told], before_it: &[usize]| {
        let rollback = undone_with(acts, &[], before_it);
        let Some(Expected::Prevention(expected)) = rollback.expected.values().next() else { panic!("none") };
        (0..20).filter(|n| expected.for_others.contains(&plans::hash(*n))).collect::<Vec<_>>()
    };
    let run = |before, after| blocking("RUN", before, after);
    assert_eq!(theirs(&[run('3', '1')], &[1, 3]), [2]);
    assert_eq!(theirs(&[run('3', '1')], &[]), [2, 3], "the record knew of none");
    assert_eq!(theirs(&[run('1', '-')], &[0, 1]), [] as [usize; 0]);
    assert_eq!(theirs(&[run('1', '2'), run('3', '1')], &[1]), [3], "it came while the run was at it");
    assert_eq!(theirs(&[open(run('3', '1'))], &[3]), [2], "nobody knows");
}

#[test]
fn what_nobody_knows_is_put_back_only_where_it_is_as_it_was_meant_to_be() {
    let rollback = undone(&[open(blocking("RUN", '1', '3'))], &[]);
    let Some(Expected::Prevention(expected)) = rollback.expected.values().next() else { panic!("no rule") };
    let found = |upto: usize| {
        let rule =
            PreventionRule { objects: (0..=upto).map(|n| (plans::hash(n), KeptObject::default())).collect() };
        match expected.judge(Some(&rule)) {
            Kept::Yes => "yes",
            Kept::AsBefore => "as before",
            Kept::No(_) => "no",
        }
    };
    assert_eq!([3, 1, 2, 4].map(found), ["yes", "as before", "no", "no"]);
    assert!(matches!(expected.judge(None), Kept::No(_)), "the rule was deleted");
    let created = undone(&[open(blocking("RUN", '-', '3'))], &[]);
    let Some(Expected::Prevention(expected)) = created.expected.values().next() else { panic!("no rule") };
    assert!(matches!(expected.judge(None), Kept::AsBefore), "it was never created");
}

#[test]
fn the_rule_for_all_hosts_keeps_what_a_host_can_not_get() {
    let host = || plans::host(1, "WS-1");
    let all_hosts = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };
    let gives_up = Change {
        subject: all_hosts,
        whom: Whom::AllHosts(plans::prevention()),
        ..plans::block(host(), 0, 1)
    };
    // The run took the hashes 2 and 3 out of the rule of WS-1; the rule for all hosts is to give one up.
    let is_spared = |hash: usize, verdict: Option<Verdict>, is_listed: bool| {
        let mut rollback = undone(&[blocking("RUN", '3', '1')], &[]);
        let origin = Origin::command_line();
        let unblock = BlockEntry {
            hash: plans::hash(hash),
            comment: None,
            from: None,
            until: None,
            list: None,
            origin,
        };
        let prevention = DeclaredPrevention {
            block: Vec::new(),
            unblock: vec![unblock],
            ..(*plans::prevention()).clone()
        };
        let origin = Origin::command_line();
        rollback.all_hosts = Some(DeclaredAllHosts { origin, prevention: Arc::new(prevention) });
        let (_, as_any) = rollback.expected.pop_last().unwrap();
        rollback.expected.insert(all_hosts, as_any);
        let mut plan = plans::server("hq");
        plan.steps = vec![plans::step(crate::plan::Purpose::ForAll, vec![gives_up.clone()])];
        let judged = |verdict| plans::judged(host(), Aspect::Prevention, verdict, crate::plan::Contact::Seen);
        plan.judged = Arc::new(verdict.map(judged).into_iter().collect());
        let sensors = is_listed.then(|| (id(), Arc::clone(&host().sensor))).into_iter().collect();
        let listed = HostList { sensors, has_more: false, server_version: None };
        rollback.spare_all_hosts(&plan, &listed, &Recorded::default(), at(5))
    };
    let unread = || Verdict::Unknown(ReadFailure::new("timed out"));
    assert!(is_spared(2, Some(unread()), true), "its rule could not be read");
    assert!(is_spared(2, None, true), "nobody can tell whether it is meant");
    assert!(!is_spared(2, Some(Verdict::InSync), true), "it has the hash by now");
    assert!(!is_spared(2, None, false), "it is listed no more");
    assert!(!is_spared(5, Some(unread()), true), "it never had the hash");
}

#[test]
fn a_program_that_was_started_is_not_taken_back() {
    let program = Program { command: "C:\\collect.exe".into(), arguments: None, working_directory: None };
    let values = ActValues::Task(Side { before: None, after: Some(Arc::new(program)) });
    let rollback =
        undone(&[Told { run: "RUN", action: "run", at: at(1), values, foreign: None, outcome: None }], &[]);
    assert!(rollback.hosts.is_empty());
    let told: Vec<_> = rollback.findings.iter().map(|one| (one.kind, one.message.as_str())).collect();
    assert!(
        matches!(told[..], [(FindingKind::Notice, text)] if text.contains("can not be taken back")),
        "{told:?}"
    );
}

#[test]
fn a_run_that_only_renewed_changed_nothing_that_can_be_put_back() {
    let eight = rule(8, &[]);
    let runs = |told: Told| history(&[told]).runs.remove(0);
    let renewed = isolating("RUN", "renew", 1, Some(eight.clone()), Some(eight.clone()));
    assert!(!changed_something(&runs(renewed)));
    let isolated = isolating("RUN", "isolate", 1, None, Some(eight));
    assert!(changed_something(&runs(isolated.clone())));
    assert!(!changed_something(&runs(refused(isolated))));
}
