//! From the plan to the document.

use jiff::Timestamp;

use super::settings::{hashes, isolation, program};
use super::{
    Aspect, Cause, Change, Clock, ClockState, Contact, Document, End, FORMAT_VERSION, Finding, Gap,
    GroupLine, Hashes, Hold, Judged, Kind, LastRun, LastWrite, Refusal, Scope, Server, ServerState, Setting,
    Step, Sums, Task, Term, Verdict, WhyUnknown,
};
use crate::declare;
use crate::guard;
use crate::model::{self, Difference, Origin, Sensor, ServerName};
use crate::plan::{self, Action, ServerPlan};
use crate::record;
use crate::report::standing::{Standing, standings};
use crate::report::told::Told;

pub(super) fn document(told: &Told<'_>) -> Document {
    let Told { plan, judgement, plan_id, view, recorded: _, since } = *told;
    Document {
        format_version: FORMAT_VERSION,
        kind: Kind::of(view),
        plan_id: plan_id.to_owned(),
        now: instant(plan.now),
        observed_at: instant(plan.observed_at),
        scope: match plan.scope {
            plan::Scope::All => Scope::All,
            plan::Scope::Renewals { .. } => Scope::Renewals,
        },
        next_due: match plan.scope {
            plan::Scope::All => None,
            plan::Scope::Renewals { next_due } => next_due.map(instant),
        },
        owner: plan.owner.to_string(),
        complete: view.is_complete(plan),
        refused: !judgement.refusals.is_empty(),
        servers: plan.servers.iter().map(server).collect(),
        changes: plan.servers.iter().flat_map(changes).collect(),
        judged: standings(told).iter().map(judged).collect(),
        findings: plan
            .servers
            .iter()
            .flat_map(|server| server.findings.iter().map(|one| finding(server, one)))
            .collect(),
        refusals: judgement.refusals.iter().map(refusal).collect(),
        warnings: judgement.warnings.clone(),
        sums: sums(plan.sums()),
        since: since.map(super::since::of),
        errors: Vec::new(),
    }
}

/// RFC 3339 in UTC, with whole seconds: the fraction says nothing to a reader.
pub(in crate::report) fn instant(at: Timestamp) -> String {
    format!("{at:.0}")
}

fn server(plan: &ServerPlan) -> Server {
    let mut server = Server {
        name: plan.server.to_string(),
        address: plan.address.clone(),
        state: ServerState::Read,
        why: None,
        key: None,
        hosts_listed: None,
        distinct_hashes: None,
        clock: None,
        last_run: None,
        gaps: plan.gaps().iter().map(gap).collect(),
    };
    match &plan.state {
        plan::ServerState::Read {
            key,
            hosts_listed,
            clock: against_ours,
            last_run,
            distinct_hashes,
            timeouts: _,
        } => {
            server.key = Some(key.to_string());
            server.hosts_listed = Some(*hosts_listed);
            server.distinct_hashes = Some(*distinct_hashes);
            server.clock = Some(clock(*against_ours));
            server.last_run = last_run.as_ref().map(|run| LastRun {
                id: run.id.to_string(),
                at: instant(run.at),
                unfinished: run.is_unfinished,
            });
        }
        plan::ServerState::ListNotBelieved { why } => {
            server.state = ServerState::ListNotBelieved;
            server.why = Some(why.clone());
        }
        plan::ServerState::Unrecorded { why } => {
            server.state = ServerState::Unrecorded;
            server.why = Some(why.clone());
        }
        plan::ServerState::Unreachable { why } => {
            server.state = ServerState::Unreachable;
            server.why = Some(why.clone());
        }
    }
    server
}

fn clock(clock: plan::ServerClock) -> Clock {
    let state = match clock {
        plan::ServerClock::NotGiven => ClockState::NotGiven,
        plan::ServerClock::Together(_) => ClockState::Together,
        plan::ServerClock::Apart(_) => ClockState::Apart,
    };
    Clock { state, ahead_seconds: clock.notable().map(|ahead| ahead.as_secs()) }
}

fn changes(server: &ServerPlan) -> impl Iterator<Item = Change> {
    server
        .steps
        .iter()
        .flat_map(move |step| step.changes.iter().map(move |one| change(server, step.purpose, one)))
}

fn change(server: &ServerPlan, purpose: plan::Purpose, change: &plan::Change) -> Change {
    let sensor = change.whom.sensor();
    let (before, after) = match &change.difference {
        Difference::Isolation(side) => {
            (side.before.as_ref().map(isolation), side.after.as_ref().map(isolation))
        }
        Difference::Prevention(side) => {
            let rule = |rule: &std::sync::Arc<model::PreventionRule>| Setting::Prevention {
                hash_count: rule.objects.len(),
            };
            (side.before.as_ref().map(rule), side.after.as_ref().map(rule))
        }
        Difference::Task(_, side) => {
            (side.before.as_deref().map(program), side.after.as_deref().map(program))
        }
    };
    let parts = parts(&change.action);
    Change {
        subject: subject(&server.server, &change.whom, change.subject.aspect),
        server: server.server.to_string(),
        host: sensor.map(|sensor| host(sensor)),
        entry: change.whom.entry().map(ToString::to_string),
        sensor_id: sensor.map(|sensor| sensor.id.to_string()),
        aspect: aspect(change.subject.aspect),
        action: change.action.as_str().to_owned(),
        renewal: change.action.is_renewal(),
        step: step(purpose),
        term: parts.term,
        end: parts.end,
        lapsed: parts.lapsed,
        before,
        after,
        hashes: parts.hashes,
        task: task(&change.whom),
        cause: cause(&change.cause),
        reason: change.reason.as_deref().map(str::to_owned),
        notes: change.notes.clone(),
    }
}

fn step(purpose: plan::Purpose) -> Step {
    match purpose {
        plan::Purpose::Contain => Step::Contain,
        plan::Purpose::GiveUp => Step::GiveUp,
        plan::Purpose::ForAll => Step::ForAll,
        plan::Purpose::Prevent => Step::Prevent,
        plan::Purpose::Run => Step::Run,
        plan::Purpose::Release => Step::Release,
    }
}

fn gap(gap: &plan::Gap) -> Gap {
    Gap {
        from: step(gap.from),
        until: step(gap.until),
        hosts: gap.hosts,
        hashes: gap.hashes.iter().map(ToString::to_string).collect(),
    }
}

/// What hangs on the kind of action.
#[derive(Default)]
struct Parts {
    term: Option<Term>,
    end: Option<End>,
    lapsed: bool,
    hashes: Option<Hashes>,
}

fn parts(action: &Action) -> Parts {
    match action {
        Action::Isolate { term: wanted, is_lapsed } => {
            Parts { term: Some(term(*wanted)), lapsed: *is_lapsed, ..Parts::default() }
        }
        Action::ChangeExclusions { term: wanted } => Parts { term: Some(term(*wanted)), ..Parts::default() },
        Action::Renew { term: wanted, end: known } => {
            Parts { term: Some(term(*wanted)), end: Some(end(*known)), ..Parts::default() }
        }
        Action::Release | Action::StartTask { .. } | Action::DeleteTask => Parts::default(),
        Action::EndSpent { until } => Parts { term: Some(Term::Until(instant(*until))), ..Parts::default() },
        Action::Block(rule) => Parts { hashes: Some(hashes(rule)), ..Parts::default() },
    }
}

fn term(term: declare::Term) -> Term {
    match term {
        declare::Term::Until(until) => Term::Until(instant(until)),
        declare::Term::Lease(lease) => Term::LeaseSeconds(lease.seconds()),
    }
}

fn end(end: plan::End) -> End {
    match end {
        plan::End::Known(at) => End::Known(instant(at)),
        plan::End::Unknown(why) => End::Unknown(match why {
            plan::WhyUnknown::NotRecorded => WhyUnknown::NotRecorded,
            plan::WhyUnknown::ChangedByOthers => WhyUnknown::ChangedByOthers,
            plan::WhyUnknown::ClocksApart => WhyUnknown::ClocksApart,
        }),
    }
}

pub(super) fn task(whom: &plan::Whom) -> Option<Task> {
    let task = whom.task()?;
    Some(Task {
        id: task.id.to_string(),
        name: task.name().map(ToString::to_string),
        generation: task.task.generation,
        not_after: match task.task.presence {
            declare::TaskPresence::Present if task.task.not_after != Timestamp::MAX => {
                Some(instant(task.task.not_after))
            }
            declare::TaskPresence::Present | declare::TaskPresence::Absent => None,
        },
    })
}

fn judged(standing: &Standing<'_>) -> Judged {
    let (server, judged) = (standing.server, standing.judged);
    let (verdict, why) = match &judged.verdict {
        plan::Verdict::InSync => (Verdict::InSync, None),
        plan::Verdict::Differs => (Verdict::Differs, None),
        // A word of its own would be a new value of a field that promises none; `hold` tells.
        plan::Verdict::LeftAlone | plan::Verdict::Held => (Verdict::LeftAlone, None),
        plan::Verdict::Renew => (Verdict::Renew, None),
        plan::Verdict::EndUnknown => (Verdict::EndUnknown, None),
        plan::Verdict::Unknown(why) => (Verdict::Unknown, Some(why.to_string())),
    };
    let sensor = judged.whom.sensor();
    Judged {
        subject: subject(&server.server, &judged.whom, judged.aspect),
        server: server.server.to_string(),
        host: sensor.map(|sensor| host(sensor)),
        entry: judged.whom.entry().map(ToString::to_string),
        sensor_id: sensor.map(|sensor| sensor.id.to_string()),
        aspect: aspect(judged.aspect),
        verdict,
        why,
        contact: judged.contact.into(),
        task: task(&judged.whom),
        hold: judged.hold.as_deref().map(hold),
        last_write: standing.last.write.map(last_write),
        changed_by_others: standing.last.is_changed_by_others,
        in_sync: judged.verdict.is_in_sync() && judged.contact == plan::Contact::Seen,
        cause: cause(&judged.whom.cause(judged.aspect)),
    }
}

fn last_write(by: &record::Attribution) -> LastWrite {
    LastWrite {
        run: by.run.to_string(),
        at: instant(by.at),
        owner: by.owner.to_string(),
        commit: by.commit.as_deref().map(str::to_owned),
        cause: by.cause.as_ref().map(cause),
        reason: by.reason.as_deref().map(str::to_owned),
    }
}

pub(in crate::report) fn hold(hold: &record::Hold) -> Hold {
    Hold {
        until: instant(hold.until),
        by: hold.by.to_string(),
        run: hold.run.to_string(),
        at: instant(hold.at),
        command: hold.command.to_string(),
        reason: hold.reason.as_deref().map(str::to_owned),
    }
}

/// The name as the server gave it: JSON has its own way to write any character, and machines compare.
pub(in crate::report) fn host(sensor: &Sensor) -> String {
    sensor.name.as_ref().map(|name| name.raw().to_owned()).unwrap_or_else(|| sensor.id.to_string())
}

pub(super) fn subject(server: &ServerName, whom: &plan::Whom, aspect: model::Aspect) -> String {
    let (name, aspect) = match whom {
        plan::Whom::Host(of) => (host(&of.sensor), aspect.to_string()),
        plan::Whom::AllHosts(_) => (whom.subject_name(), aspect.to_string()),
        plan::Whom::Task(task) => {
            let called = task.name().map_or_else(|| task.id.to_string(), ToString::to_string);
            (host(&task.sensor), format!("task/{called}"))
        }
    };
    format!("{server}/{name}/{aspect}")
}

pub(in crate::report) fn aspect(aspect: model::Aspect) -> Aspect {
    match aspect {
        model::Aspect::Isolation => Aspect::Isolation,
        model::Aspect::Prevention => Aspect::Prevention,
        model::Aspect::Task(_) => Aspect::Task,
    }
}

pub(in crate::report) fn aspect_kind(aspect: model::AspectKind) -> Aspect {
    match aspect {
        model::AspectKind::Isolation => Aspect::Isolation,
        model::AspectKind::Prevention => Aspect::Prevention,
        model::AspectKind::Tasks => Aspect::Task,
    }
}

pub(super) fn line(origin: &Origin) -> Cause {
    Cause { file: origin.file.to_string(), line: origin.line, list: None, groups: Vec::new() }
}

pub(in crate::report) fn cause(cause: &model::Cause) -> Cause {
    let group = |group: &model::GroupOrigin| GroupLine {
        name: group.group.to_string(),
        file: group.origin.file.to_string(),
        line: group.origin.line,
    };
    Cause { groups: cause.groups().map(group).collect(), ..line(cause.origin()) }
}

fn finding(server: &ServerPlan, finding: &plan::Finding) -> Finding {
    Finding {
        server: server.server.to_string(),
        kind: finding.kind.as_str().to_owned(),
        label: finding.label.clone(),
        aspect: finding.aspect.map(|aspect| aspect.to_string()),
        message: finding.message.clone(),
        cause: finding.cause.as_ref().map(cause),
    }
}

fn refusal(refusal: &guard::Refusal) -> Refusal {
    Refusal {
        kind: refusal.kind.as_str().to_owned(),
        subject: refusal.subject.clone(),
        message: refusal.message.clone(),
        cause: refusal.cause.as_ref().map(cause),
    }
}

fn sums(sums: plan::Sums) -> Sums {
    // Taken apart, so that a new count makes the compiler ask for it here.
    let plan::Sums {
        isolate,
        release,
        change,
        renew,
        run,
        delete_task,
        left_alone,
        held,
        left_behind,
        undeclared,
        silent_hosts,
        errors,
        unknown,
        end_unknown,
        in_sync,
        waiting,
        silent,
        unsupported,
        deferred,
        servers_unreachable,
    } = sums;
    Sums {
        isolate,
        release,
        change,
        renew,
        run,
        delete_task,
        left_alone: left_alone + held,
        held,
        left_behind,
        undeclared,
        silent_hosts,
        errors,
        unknown,
        end_unknown,
        in_sync,
        waiting,
        silent,
        unsupported,
        deferred,
        servers_unreachable,
    }
}

impl From<plan::Contact> for Contact {
    fn from(contact: plan::Contact) -> Self {
        match contact {
            plan::Contact::Seen => Self::Seen,
            plan::Contact::Waiting => Self::Waiting,
            plan::Contact::Silent => Self::Silent,
            plan::Contact::Unsupported => Self::Unsupported,
        }
    }
}
