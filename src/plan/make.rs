//! One server's plan, from what is desired, observed and recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::isolation::{self, Evidence, Judgement};
use super::{
    Action, Change, Contact, Finding, FindingKind, Judged, ListedTimeouts, Purpose, ServerClock, ServerPlan,
    ServerState, Step, Verdict, Whom, contact, has_ended, hold, prevention, task,
};
use crate::declare::{DeclaredIsolation, WantedIsolation};
use crate::model::{Aspect, FileHash, HashSet, HostList, Reading, ServerKey, ServerName, Subject, Target};
use crate::observe::Observed;
use crate::record::Recorded;
use crate::resolve::{Desired, DesiredHost, WhyUnresolved};

/// All that is known of one server when its plan is made.
#[derive(Debug)]
pub struct Facts<'a> {
    pub server: &'a ServerName,
    pub address: &'a str,
    pub key: &'a ServerKey,
    pub listed: &'a HostList,
    pub clock: ServerClock,
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub recorded: &'a Recorded,
    /// Who we are in the record.
    pub owner: &'a str,
    /// Subjects that the record shows as ours and no file names any more.
    pub undeclared: &'a [Subject],
    pub never_block: &'a HashSet,
    pub now: Timestamp,
    /// What is desired was named by a person just now, and not by files: it speaks of what it names and of nothing else
    /// of the same host, no hold keeps it off, and an end that it names is set though a later one is known.
    pub by_hand: bool,
    /// When the server was asked; earlier than `now` where that was done for a snapshot.
    pub observed_at: Timestamp,
}

/// Pure: the same facts give the same plan.
pub fn plan_server(facts: &Facts<'_>) -> ServerPlan {
    let mut plan = ServerPlan {
        server: facts.server.clone(),
        address: facts.address.to_owned(),
        state: ServerState::Read {
            key: facts.key.clone(),
            hosts_listed: facts.listed.sensors.len() as u64,
            clock: facts.clock,
            last_run: facts.recorded.last_run.clone(),
            distinct_hashes: distinct_hashes(facts.observed),
            timeouts: listed_timeouts(facts),
        },
        steps: Vec::new(),
        judged: Vec::new(),
        findings: Vec::new(),
    };
    let mut steps = Steps::default();
    for host in &facts.desired.hosts {
        judge_host(host, facts, &mut plan, &mut steps);
    }
    for desired in &facts.desired.tasks {
        let judgement = task::judge(desired, facts);
        let contact = task::contact(desired, facts);
        note(
            Whom::Task(Arc::clone(desired)),
            desired.subject().aspect,
            judgement,
            contact,
            facts,
            &mut plan,
            &mut steps,
        );
    }
    plan.steps = steps.in_order();
    for host in &facts.desired.unresolved {
        let kind = match host.why {
            WhyUnresolved::MissingTolerated => FindingKind::Notice,
            WhyUnresolved::Missing
            | WhyUnresolved::Ambiguous
            | WhyUnresolved::Superseded
            | WhyUnresolved::Moved
            | WhyUnresolved::Contested
            | WhyUnresolved::GroupsDiffer => FindingKind::HostError,
        };
        plan.findings.push(Finding {
            kind,
            label: host.entry.to_string(),
            aspect: match (host.why, host.aspects.as_slice()) {
                // The rest of the host is as sure as any.
                (WhyUnresolved::GroupsDiffer, [aspect]) => Some(*aspect),
                _ => None,
            },
            message: host.message.clone(),
            cause: Some(host.cause.clone()),
        });
    }
    plan.findings.extend(facts.undeclared.iter().filter_map(|subject| left_behind(*subject, facts)));
    // Stable: within one kind, in the order of the files.
    plan.findings.sort_by_key(|finding| finding.kind);
    plan
}

fn judge_host(host: &Arc<DesiredHost>, facts: &Facts<'_>, plan: &mut ServerPlan, steps: &mut Steps) {
    let evidence = Evidence {
        recorded: facts.recorded,
        owner: facts.owner,
        clock: facts.clock,
        now: facts.now,
        by_hand: facts.by_hand,
    };
    let sensor = &host.sensor;
    if let Some(declared) = &host.isolation {
        let judgement = isolation::judge(host, declared, facts.observed.isolation(sensor.id), &evidence);
        let wants = wants_isolation(declared, facts);
        let contact = contact_of(host, Aspect::Isolation, wants, facts);
        note(Whom::Host(Arc::clone(host)), Aspect::Isolation, judgement, contact, facts, plan, steps);
    }
    if let Some(declared) = &host.prevention {
        let target = Target::Sensor(sensor.id);
        let reading = facts.observed.prevention(target);
        let for_all = facts.observed.prevention(Target::AllHosts);
        let mut judgement = prevention::judge(host, declared, reading.clone(), &for_all, &evidence);
        judgement.findings.extend(never_block_present(&reading, facts.never_block));
        let contact = contact_of(host, Aspect::Prevention, false, facts);
        note(Whom::Host(Arc::clone(host)), Aspect::Prevention, judgement, contact, facts, plan, steps);
    }
}

fn wants_isolation(declared: &DeclaredIsolation, facts: &Facts<'_>) -> bool {
    match &declared.want {
        WantedIsolation::Off => false,
        WantedIsolation::On { term, .. } => !has_ended(*term, facts.clock, facts.now),
    }
}

fn contact_of(host: &DesiredHost, aspect: Aspect, wants_isolation: bool, facts: &Facts<'_>) -> Contact {
    contact::judge(
        &host.sensor,
        facts.listed.server_version.as_ref(),
        aspect,
        wants_isolation,
        facts.recorded,
        facts.clock,
        // What agents did since then nobody has seen.
        facts.observed_at,
    )
}

/// One judgement, and the two places that it goes to.
fn note(
    whom: Whom,
    aspect: Aspect,
    judgement: Judgement,
    contact: Contact,
    facts: &Facts<'_>,
    plan: &mut ServerPlan,
    steps: &mut Steps,
) {
    let subject = Subject { target: whom.target(), aspect };
    let held = facts.recorded.hold_on(subject, facts.now).filter(|_| !facts.by_hand);
    let judgement = match held {
        Some(held) => hold::keep_off(judgement, held, aspect, &hold_word(&whom)),
        None => judgement,
    };
    let cause = whom.cause(aspect);
    let label = whom.label();
    let finding = |kind, message| Finding {
        kind,
        label: label.clone(),
        aspect: Some(aspect),
        message,
        cause: Some(cause.clone()),
    };
    for (kind, message) in judgement.findings {
        plan.findings.push(finding(kind, message));
    }
    if let Verdict::Unknown(why) = &judgement.verdict {
        plan.findings.push(finding(FindingKind::Unknown, format!("{why}; nothing will be written")));
    }
    if contact == Contact::Unsupported && judgement.change.is_some() && aspect == Aspect::Prevention {
        let message =
            "its agent runs on Linux, where prevention rules are not supported by all signs".to_owned();
        plan.findings.push(finding(FindingKind::Notice, message));
    }
    plan.judged.push(Judged { whom, aspect, verdict: judgement.verdict, contact, hold: held.cloned() });
    if let Some(change) = judgement.change {
        steps.add(Arc::new(change));
    }
}

/// What `kedrctl hold --end` calls the host.
fn hold_word(whom: &Whom) -> Arc<str> {
    match whom {
        Whom::Host(host) => Arc::clone(&host.entry),
        Whom::AllHosts(_) | Whom::Task(_) => whom.label().into(),
    }
}

/// Contain first, then prevention, then programs, releases last.
#[derive(Default)]
struct Steps {
    contain: Vec<Arc<Change>>,
    prevent: Vec<Arc<Change>>,
    run: Vec<Arc<Change>>,
    release: Vec<Arc<Change>>,
}

impl Steps {
    fn add(&mut self, change: Arc<Change>) {
        match &change.action {
            Action::Isolate { .. } | Action::ChangeExclusions { .. } | Action::Renew { .. } => {
                self.contain.push(change);
            }
            Action::Block(_) => self.prevent.push(change),
            Action::StartTask { .. } | Action::DeleteTask => self.run.push(change),
            Action::Release | Action::EndSpent { .. } => self.release.push(change),
        }
    }

    fn in_order(mut self) -> Vec<Step> {
        // Who is not contained at all comes before whose containment only has to go on.
        self.contain.sort_by_key(|change| match &change.action {
            Action::Isolate { .. } => 0,
            Action::ChangeExclusions { .. } => 1,
            Action::Renew { .. } => 2,
            Action::Block(_)
            | Action::StartTask { .. }
            | Action::DeleteTask
            | Action::Release
            | Action::EndSpent { .. } => 3,
        });
        [
            (Purpose::Contain, self.contain),
            (Purpose::Prevent, self.prevent),
            (Purpose::Run, self.run),
            (Purpose::Release, self.release),
        ]
        .into_iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(purpose, changes)| Step { purpose, changes })
        .collect()
    }
}

/// What the record shows as ours, is in force by what was just read, and is declared no more.
fn left_behind(subject: Subject, facts: &Facts<'_>) -> Option<Finding> {
    let Target::Sensor(id) = subject.target else { return None };
    let sensor = facts.listed.sensors.get(&id)?;
    let by = facts.recorded.last_write_of(subject)?;
    // What could not be read is neither in force nor gone.
    let mut kind = FindingKind::LeftBehind;
    let message = match subject.aspect {
        Aspect::Task(task) => return task::left_behind(task, sensor, by, facts),
        Aspect::Isolation => match facts.observed.isolation(id) {
            Reading::Present(rule) => {
                let ours = facts.recorded.isolation_in_force(id, &rule)?;
                if !ours.clocks_apart && ours.end() <= facts.now {
                    return None;
                }
                let until =
                    if ours.clocks_apart { String::new() } else { format!(" until {:.0}", ours.end()) };
                format!(
                    "is isolated by us{until} and declared no more; to end it now write `isolation: off` in its \
                     entry, then `kedrctl apply`"
                )
            }
            Reading::Absent => return None,
            Reading::Unknown(why) => {
                kind = FindingKind::Unknown;
                format!("was isolated by us and is declared no more; could not be read: {why}")
            }
        },
        Aspect::Prevention => match facts.observed.prevention(subject.target) {
            Reading::Present(rule) => {
                let ours = facts.recorded.ours_in(subject.target, &rule.hashes());
                if ours.is_empty() {
                    return None;
                }
                let hashes: Vec<String> = ours.iter().take(3).map(FileHash::to_string).collect();
                let more = if ours.len() > 3 { ", …" } else { "" };
                let (count, them) = if ours.len() == 1 {
                    ("1 hash that we block there is".to_owned(), "it")
                } else {
                    (format!("{} hashes that we block there are", ours.len()), "them")
                };
                format!(
                    "{count} declared no more; to take {them} out write `prevention: {{ unblock: [{}{more}] }}` in \
                     its entry, then `kedrctl apply`",
                    hashes.join(", ")
                )
            }
            Reading::Absent => return None,
            Reading::Unknown(why) => {
                kind = FindingKind::Unknown;
                format!("had hashes of ours, is declared no more; could not be read: {why}")
            }
        },
    };
    Some(Finding {
        kind,
        label: sensor.label(),
        aspect: Some(subject.aspect),
        message: format!("left behind: {message}"),
        cause: by.cause.clone(),
    })
}

fn never_block_present(
    reading: &Reading<Arc<crate::model::PreventionRule>>,
    never_block: &HashSet,
) -> Option<(FindingKind, String)> {
    let Reading::Present(rule) = reading else { return None };
    let present: Vec<&FileHash> = rule.objects.keys().filter(|hash| never_block.contains(hash)).collect();
    let first = present.first()?;
    Some((
        FindingKind::NeverBlockPresent,
        format!(
            "{} blocked already, {first} first; to take it out write it under `unblock`",
            if present.len() == 1 {
                "1 file of `policy.never_block` is".to_owned()
            } else {
                format!("{} files of `policy.never_block` are", present.len())
            }
        ),
    ))
}

fn listed_timeouts(facts: &Facts<'_>) -> ListedTimeouts {
    const HOUR: u64 = 3_600;
    let observed = facts.observed.isolations.values().filter_map(|reading| match reading {
        Reading::Present(rule) => Some(rule.timeout_seconds),
        Reading::Absent | Reading::Unknown(_) => None,
    });
    let seen: Vec<u64> = observed.collect();
    // What was written long ago tells of an older version of the server: only the latest of ours counts.
    let ours = facts.recorded.isolations.values().filter_map(|known| known.rule.as_ref());
    let latest = ours.max_by_key(|rule| rule.verified_at);
    let is_odd = |seconds: u64| !seconds.is_multiple_of(HOUR);
    if seen.iter().any(|seconds| is_odd(*seconds))
        || latest.is_some_and(|rule| is_odd(rule.listed.timeout_seconds))
    {
        ListedTimeouts::AsSent
    } else if latest.is_some_and(|rule| rule.listed.timeout_seconds != rule.sent_timeout_seconds) {
        ListedTimeouts::Rounded
    } else {
        ListedTimeouts::NotKnown
    }
}

fn distinct_hashes(observed: &Observed) -> u64 {
    let mut distinct: BTreeSet<FileHash> = BTreeSet::new();
    let mut seen: Vec<*const crate::model::PreventionRule> = Vec::new();
    for reading in observed.preventions.values() {
        if let Reading::Present(rule) = reading {
            // Equal rules are shared: each is counted once.
            if let Err(place) = seen.binary_search(&Arc::as_ptr(rule)) {
                seen.insert(place, Arc::as_ptr(rule));
                distinct.extend(rule.objects.keys());
            }
        }
    }
    distinct.len() as u64
}
