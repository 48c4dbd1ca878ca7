//! A record's history by hand, for the tests of what is told of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::sample::{at, hold, isolation, now, origin, sensor};
use crate::model::{Aspect, Side, Subject, Target, TaskId};
use crate::record::sample::{counted, kept};
use crate::record::{
    Act, ActOutcome, ActValues, Attribution, Commit, HashCounts, History, HoldChange, HoldNote,
    IntentionNumber, Recorded, RecordedIsolation, RecordedRule, RecordedRun, RuleCounts, RunEnd,
};

pub(crate) fn run(hours_ago: i64, acts: Vec<Act>) -> RecordedRun {
    let begun_at = now() - SignedDuration::from_hours(hours_ago);
    RecordedRun {
        id: crate::record::run_id(begun_at, [0, 0]),
        begun_at,
        last_at: begun_at,
        by: "ana@soc-1".into(),
        owner: "soc-gitops".into(),
        command: "apply".into(),
        allow: Vec::new(),
        plan: None,
        ci_job: None,
        commit: None,
        acts,
        holds: Vec::new(),
        end: Some(RunEnd::Finished),
    }
}

pub(crate) fn target(number: u8) -> Target {
    Target::Sensor(sensor(number, "").id)
}

pub(crate) fn act(order: usize, target: Target, action: &str, values: ActValues, at: Timestamp) -> Act {
    let aspect = match values {
        ActValues::Isolation(_) => Aspect::Isolation,
        ActValues::Prevention(_) => Aspect::Prevention,
        ActValues::Task(_) => Aspect::Task(TaskId::from_uuid(uuid::Uuid::from_u128(order as u128))),
    };
    let number = match target {
        Target::AllHosts => None,
        Target::Sensor(_) => Some("WS-017.corp.example"),
    };
    Act {
        number: IntentionNumber(order as u64 + 1),
        order,
        subject: Subject { target, aspect },
        host: number.map(Into::into),
        entry: number.map(Into::into),
        cause: Some(origin("state/incidents.yaml", 12).into()),
        reason: None,
        action: action.into(),
        at,
        values,
        foreign: None,
        clocks_apart: false,
        outcome: ActOutcome::Done { sent_at: at, listed_timeout_seconds: None },
    }
}

pub(crate) fn isolated(before: Option<&[u8]>, after: Option<&[u8]>) -> ActValues {
    ActValues::Isolation(Side { before: before.map(isolation), after: after.map(isolation) })
}

pub(crate) fn blocked() -> Side<crate::record::KeptRule> {
    Side { before: Some(kept('1', 213)), after: Some(kept('2', 229)) }
}

pub(crate) fn counts() -> RuleCounts {
    counted(&blocked(), HashCounts { added: 17, removed: 1, kept: 212 })
}

/// A host that was isolated, renewed, and whose rule for all hosts changed; the newest run first.
pub(crate) fn history() -> History {
    let mut isolate = act(0, target(17), "isolate", isolated(None, Some(&[53])), at("2026-11-25T04:00:00Z"));
    isolate.reason = Some("INC-417".into());
    let mut first = run(9, vec![isolate]);
    first.allow = vec!["--allow isolations=7".into()];
    first.ci_job = Some("https://ci.example.org/job/7".into());
    first.commit = Some(Commit { id: "3f2a".repeat(10).into(), is_sure: true });
    let renewed = isolated(Some(&[53]), Some(&[53]));
    let renew = act(1, target(17), "renew", renewed, at("2026-11-25T10:00:00Z"));
    let block = act(2, Target::AllHosts, "block", ActValues::Prevention(blocked()), now());
    let mut release = act(3, target(18), "release", isolated(Some(&[]), None), now());
    (release.host, release.entry) = (Some("10.1.2.18".into()), Some("front-desk".into()));
    release.outcome = ActOutcome::NotDone { why: "held by bob@soc-2".into() };
    let mut lost = act(4, target(19), "change_exclusions", isolated(Some(&[]), Some(&[53])), now());
    lost.outcome = ActOutcome::Open { why: Some("timed out".into()) };
    let mut last = run(3, vec![renew, block, release, lost]);
    last.commit = Some(Commit { id: "77ab".repeat(10).into(), is_sure: false });
    last.end = None;
    let subject = Subject { target: target(17), aspect: Aspect::Isolation };
    let note = |change| HoldNote {
        at: now(),
        subject: subject.into(),
        host: Some("WS-017.corp.example".into()),
        change,
    };
    let until = at("2026-11-26T13:00:00Z");
    let left = HoldChange::Left { until, command: "hold".into(), reason: Some("imaging".into()) };
    last.holds = vec![note(left), note(HoldChange::Ended)];
    History { runs: vec![last, first], is_whole: true }
}

pub(crate) fn recorded() -> Recorded {
    let sent_at = at("2026-11-25T10:00:00Z");
    let by = Attribution {
        owner: "soc-gitops".into(),
        run: "run".into(),
        entry: None,
        cause: None,
        reason: None,
        commit: None,
        at: sent_at,
    };
    let rule = RecordedRule {
        listed: isolation(&[53]),
        sent_timeout_seconds: 86_400,
        sent_at,
        verified_at: Some(sent_at),
        clocks_apart: false,
    };
    let mut recorded = Recorded::default();
    let known = RecordedIsolation { by, rule: Some(rule), verified_at: sent_at };
    recorded.isolations.insert(sensor(17, "").id, known);
    let held = Subject { target: target(17), aspect: Aspect::Isolation };
    recorded.holds.insert(held.into(), hold());
    recorded
}

/// Text that would drive a terminal.
pub(crate) const HOSTILE: &str = "ws\u{1b}[2J\n\u{202e}1";

/// Every text of the record is of somebody else.
pub(crate) fn hostile() -> History {
    let mut act = act(0, target(17), HOSTILE, isolated(None, Some(&[])), now());
    let text: Arc<str> = HOSTILE.into();
    (act.host, act.entry, act.reason) = (Some(text.clone()), Some("other".into()), Some(text.clone()));
    act.cause = Some(origin(HOSTILE, 1).into());
    let mut open = act.clone();
    open.order = 1;
    open.outcome = ActOutcome::Open { why: Some(text.clone()) };
    let mut run = run(1, vec![act, open]);
    run.allow = vec![text.clone()];
    (run.by, run.owner, run.command) = (text.clone(), text.clone(), text.clone());
    (run.ci_job, run.id) = (Some(text.clone()), text.clone());
    run.commit = Some(Commit { id: text.clone(), is_sure: true });
    let subject = Subject { target: target(17), aspect: Aspect::Isolation };
    let left = HoldChange::Left { until: now(), command: text.clone(), reason: Some(text.clone()) };
    run.holds = vec![HoldNote { at: now(), subject: subject.into(), host: Some(text.clone()), change: left }];
    run.end = Some(RunEnd::Failed { why: text });
    History { runs: vec![run], is_whole: true }
}
