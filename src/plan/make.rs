//! One server's plan, from what is desired, observed and recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::for_all::{self, ForAll};
use super::isolation::{self, Evidence, Judgement};
use super::prevention::JudgedRules;
use super::steps::Steps;
use super::{
    Contact, Finding, FindingKind, Judged, ListedTimeouts, ServerClock, ServerPlan, ServerState, Verdict,
    Whom, contact, has_ended, hold, left_behind, prevention, task,
};
use crate::declare::{DeclaredIsolation, DeclaredPrevention, WantedIsolation};
use crate::model::{
    Aspect, FileHash, HashSet, HostList, Origin, Reading, Sensor, ServerKey, ServerName, Subject, Target,
};
use crate::observe::Observed;
use crate::record::{Recorded, RecordedRule};
use crate::resolve::{Desired, DesiredHost, WhyUnresolved};

/// All that is known of one server when its plan is made.
#[derive(Debug)]
pub struct Facts<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: &'a str,
    /// Where the files declare it.
    pub origin: &'a Origin,
    /// What it is in the record, whatever the files call it.
    pub key: &'a ServerKey,
    /// The hosts that it lists, and its own version.
    pub listed: &'a HostList,
    /// Its clock against ours: too far apart, and nothing is decided that hangs on an instant.
    pub clock: ServerClock,
    /// What is wanted of its hosts, resolved by that list.
    pub desired: &'a Desired,
    /// What was read; what is not in it counts as unknown.
    pub observed: &'a Observed,
    /// The ledger of its chain; empty: nothing is known to be ours.
    pub recorded: &'a Recorded,
    /// Who we are in the record.
    pub owner: &'a str,
    /// Subjects that the record shows as ours and no file names any more.
    pub undeclared: &'a [Subject],
    /// What was looked up of `policy.never_block`; empty where nobody asks for it.
    pub never_block: &'a HashSet,
    /// The instant for which the plan is made, by our clock.
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
        origin: facts.origin.clone(),
        state: ServerState::Read {
            key: facts.key.clone(),
            hosts_listed: facts.listed.sensors.len() as u64,
            clock: facts.clock,
            last_run: facts.recorded.last_run.clone(),
            distinct_hashes: distinct_hashes(facts.observed),
            timeouts: listed_timeouts(facts),
        },
        steps: Vec::new(),
        judged: Arc::default(),
        findings: Vec::new(),
    };
    let evidence = Evidence {
        recorded: facts.recorded,
        owner: facts.owner,
        clock: facts.clock,
        now: facts.now,
        by_hand: facts.by_hand,
    };
    let for_all = for_all::judge(facts, &evidence);
    let mut noting = Noting {
        facts,
        plan: &mut plan,
        steps: Steps::default(),
        rules: JudgedRules::default(),
        // Most hosts declare both aspects.
        judged: Vec::with_capacity(2 * facts.desired.hosts.len()),
    };
    if let (Some(declared), Some(judgement)) = (&facts.desired.all_hosts, for_all.judgement) {
        noting.rule_for_all(declared, judgement);
    }
    for host in &facts.desired.hosts {
        noting.host(host, &for_all.for_all, &evidence);
    }
    for desired in &facts.desired.tasks {
        let judgement = task::judge(desired, facts);
        let contact = task::contact(desired, facts);
        noting.note(Whom::Task(Arc::clone(desired)), desired.subject().aspect, contact, judgement);
    }
    let Noting { steps, judged, .. } = noting;
    plan.steps = steps.in_order();
    plan.judged = Arc::new(judged);
    plan.findings.extend(for_all.clashes);
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
    plan.findings.extend(facts.undeclared.iter().filter_map(|subject| left_behind::finding(*subject, facts)));
    // Stable: within one kind, in the order of the files.
    plan.findings.sort_by_key(|finding| finding.kind);
    plan
}

/// Where judgements go.
struct Noting<'a> {
    facts: &'a Facts<'a>,
    plan: &'a mut ServerPlan,
    steps: Steps,
    rules: JudgedRules,
    judged: Vec<Judged>,
}

impl Noting<'_> {
    fn rule_for_all(&mut self, declared: &Arc<DeclaredPrevention>, mut judgement: Judgement) {
        let reading = self.facts.observed.prevention(Target::AllHosts);
        judgement.findings.extend(never_block_present(&reading, self.facts.never_block));
        // Whether the agents of all hosts have carried it out, nobody counts.
        self.note(Whom::AllHosts(Arc::clone(declared)), Aspect::Prevention, Contact::Seen, judgement);
    }

    fn host(&mut self, host: &Arc<DesiredHost>, for_all: &ForAll, evidence: &Evidence<'_>) {
        let facts = self.facts;
        let sensor = &host.sensor;
        if let Some(declared) = &host.isolation {
            let judgement = isolation::judge(
                host,
                (declared, facts.desired.hidden.get(&sensor.id)),
                facts.observed.isolation(sensor.id),
                evidence,
            );
            let contact = contact_of(sensor, Aspect::Isolation, wants_isolation(declared, facts), facts);
            self.note(Whom::Host(Arc::clone(host)), Aspect::Isolation, contact, judgement);
        }
        if let Some(declared) = &host.prevention {
            let reading = facts.observed.prevention(Target::Sensor(sensor.id));
            let mut judgement =
                prevention::judge(host, declared, reading.clone(), for_all, evidence, &mut self.rules);
            judgement.findings.extend(never_block_present(&reading, facts.never_block));
            let contact = contact_of(sensor, Aspect::Prevention, false, facts);
            self.note(Whom::Host(Arc::clone(host)), Aspect::Prevention, contact, judgement);
        }
    }

    fn note(&mut self, whom: Whom, aspect: Aspect, contact: Contact, judgement: Judgement) {
        let facts = self.facts;
        let subject = Subject { target: whom.target(), aspect };
        let held = facts.recorded.hold_on(subject, facts.now).filter(|_| !facts.by_hand);
        let judgement = match held {
            Some(held) => hold::keep_off(judgement, held, aspect, &hold_word(&whom, facts)),
            None => judgement,
        };
        let finding = |kind, message| Finding {
            kind,
            label: whom.label(),
            aspect: Some(aspect),
            message,
            cause: Some(whom.cause(aspect)),
        };
        let findings = &mut self.plan.findings;
        for (kind, message) in judgement.findings {
            findings.push(finding(kind, message));
        }
        if let Verdict::Unknown(why) = &judgement.verdict {
            findings.push(finding(FindingKind::Unknown, format!("{why}; nothing will be written")));
        }
        let is_written = judgement.first.is_some() || judgement.change.is_some();
        if contact == Contact::Unsupported && is_written && aspect == Aspect::Prevention {
            let message =
                "its agent runs on Linux, where prevention rules are not supported by all signs".to_owned();
            findings.push(finding(FindingKind::Notice, message));
        }
        self.judged.push(Judged {
            whom,
            aspect,
            verdict: judgement.verdict,
            contact,
            hold: held.cloned().map(Arc::new),
            is_isolated: is_isolated(subject, facts),
        });
        if let Some(change) = judgement.first {
            self.steps.add_first(change);
        }
        if let Some(change) = judgement.change {
            self.steps.add(change);
        }
    }
}

/// The server goes on listing a rule after its end.
fn is_isolated(subject: Subject, facts: &Facts<'_>) -> bool {
    let (Aspect::Isolation, Target::Sensor(sensor)) = (subject.aspect, subject.target) else { return false };
    let Reading::Present(rule) = facts.observed.isolation(sensor) else { return false };
    let has_ended = |ours: RecordedRule| {
        !ours.clocks_apart && !matches!(facts.clock, ServerClock::Apart(_)) && ours.end() <= facts.now
    };
    !facts.recorded.isolation_in_force(sensor, &rule).is_some_and(has_ended)
}

/// What `kedrctl hold --end` calls it.
fn hold_word(whom: &Whom, facts: &Facts<'_>) -> Arc<str> {
    match whom {
        Whom::Host(host) => Arc::clone(&host.entry),
        Whom::AllHosts(_) => format!("all@{}", facts.server).into(),
        Whom::Task(_) => whom.label().into(),
    }
}

fn contact_of(sensor: &Sensor, aspect: Aspect, wants_isolation: bool, facts: &Facts<'_>) -> Contact {
    contact::judge(
        sensor,
        facts.listed.server_version.as_ref(),
        aspect,
        wants_isolation,
        facts.recorded,
        facts.clock,
        // What agents did since then nobody has seen.
        facts.observed_at,
    )
}

/// Whether the rule for all hosts is to gain hashes, so that a plan needs the prevention rule of every host that the
/// server lists: a file may not be in both.
pub fn needs_every_rule(
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
    owner: &str,
    clock: ServerClock,
    (now, by_hand): (Timestamp, bool),
) -> bool {
    let evidence = Evidence { recorded, owner, clock, now, by_hand };
    let found = observed.prevention(Target::AllHosts);
    desired.all_hosts.as_ref().is_some_and(|declared| for_all::gains(declared, &found, &evidence))
}

fn wants_isolation(declared: &DeclaredIsolation, facts: &Facts<'_>) -> bool {
    match &declared.want {
        WantedIsolation::Off => false,
        WantedIsolation::On { term, .. } => !has_ended(*term, facts.clock, facts.now),
    }
}

fn never_block_present(
    reading: &Reading<Arc<crate::model::PreventionRule>>,
    never_block: &HashSet,
) -> Option<(FindingKind, String)> {
    let Reading::Present(rule) = reading else { return None };
    // Most states have none, and most fleets many rules.
    if never_block.is_empty() {
        return None;
    }
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
