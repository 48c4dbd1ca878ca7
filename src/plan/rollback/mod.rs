//! What undoes what one run did on one server. Told by the record alone; whether it may be done safely is judged once
//! the server was read ([`Rollback::keep_what_is_safe`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Action, Change, Finding, FindingKind, ServerPlan};
use crate::declare::{DeclaredAllHosts, DeclaredHost, DeclaredIsolation, DeclaredPrevention, Identity};
use crate::model::{
    Aspect, Cause, Difference, Origin, PreventionRule, SensorId, ServerName, Side, Subject, Target,
};
use crate::record::{ActOutcome, ActValues, Deed, History, KeptRule, Recorded, RecordedRun};

mod for_all;
mod isolation;
mod prevention;
#[cfg(test)]
mod tests;

/// The rules that acts name, as the record keeps them.
pub type KeptRules = BTreeMap<KeptRule, Arc<PreventionRule>>;

/// What undoes a run, as if a person had asked for it by hand.
#[derive(Debug, Default)]
pub struct Rollback {
    /// Each named by its sensor.
    pub hosts: Vec<DeclaredHost>,
    /// The rule for all hosts.
    pub all_hosts: Option<DeclaredAllHosts>,
    /// What has to stand there for it to be safe.
    expected: BTreeMap<Subject, Expected>,
    /// What is left as it is, and what cannot be put back.
    pub findings: Vec<Finding>,
    /// Which run.
    run: Arc<str>,
}

/// What one undone aspect is expected to be when it is read.
#[derive(Debug)]
enum Expected {
    Isolation(isolation::Expected),
    Prevention(prevention::Expected),
}

/// How one aspect is undone.
#[derive(Debug)]
enum Undo<W, E> {
    By(W, E),
    /// Nothing has to be written, and that is as it should be; why.
    Leave(String),
    /// Nobody can tell how; what to do instead.
    Cannot(String),
}

/// `rules`: those that [`rules_of`] names; `before_it`: what the record knew before that run, where
/// [`took_hashes_out`] says so.
pub fn rollback(
    history: &History,
    run: &RecordedRun,
    (rules, before_it): (&KeptRules, &Recorded),
    (server, recorded, now): (&ServerName, &Recorded, Timestamp),
) -> Rollback {
    let mut rollback = Rollback { run: Arc::clone(&run.id), ..Rollback::default() };
    let deeds = history.deeds();
    let mut hosts: BTreeMap<SensorId, DeclaredHost> = BTreeMap::new();
    let mut is_any_rule_lost = false;
    for (subject, acts) in acts_by_subject(&deeds, run) {
        let last = acts.its.last().map(|deed| deed.act);
        let label = last.map_or_else(|| subject.target.to_string(), |act| act.label());
        let cause = last.and_then(|act| act.cause.clone());
        let mut finding = |kind, message| {
            let (label, aspect, cause) = (label.clone(), Some(subject.aspect), cause.clone());
            rollback.findings.push(Finding { kind, label, aspect, message, cause });
        };
        let entry = last.and_then(|act| act.entry.clone().or_else(|| act.host.clone()));
        let host = |sensor: SensorId| DeclaredHost {
            entry: entry.clone().unwrap_or_else(|| sensor.to_string().into()),
            origin: Origin::command_line(),
            server: server.clone(),
            identity: Identity::Sensor(sensor),
            isolation: None,
            prevention: None,
        };
        let by_hand = || Cause::Own(Origin::command_line());
        match (subject.aspect, subject.target) {
            (Aspect::Isolation, Target::Sensor(sensor)) => match isolation::undo(&acts, &label, now) {
                Undo::By(want, expected) => {
                    let isolation = Some(DeclaredIsolation { cause: by_hand(), want });
                    hosts.entry(sensor).or_insert_with(|| host(sensor)).isolation = isolation;
                    rollback.expected.insert(subject, Expected::Isolation(expected));
                }
                Undo::Leave(why) => finding(FindingKind::Notice, why),
                Undo::Cannot(why) => finding(FindingKind::HostError, why),
            },
            (Aspect::Isolation, Target::AllHosts) => {}
            (Aspect::Task(_), _) => finding(
                FindingKind::Notice,
                "a program that was started can not be taken back, and a task that was deleted is not started again"
                    .to_owned(),
            ),
            (Aspect::Prevention, target) => match prevention::undo(&acts, rules, (recorded, before_it), target) {
                Undo::By((block, unblock), expected) => {
                    let prevention =
                        Arc::new(DeclaredPrevention { cause: by_hand(), block, unblock, exact: false });
                    match target {
                        Target::AllHosts => {
                            let origin = Origin::command_line();
                            rollback.all_hosts = Some(DeclaredAllHosts { origin, prevention });
                        }
                        Target::Sensor(sensor) => {
                            let host = hosts.entry(sensor).or_insert_with(|| host(sensor));
                            host.prevention = Some(prevention);
                        }
                    }
                    rollback.expected.insert(subject, Expected::Prevention(expected));
                }
                Undo::Leave(why) => finding(FindingKind::Notice, why),
                Undo::Cannot(why) => {
                    is_any_rule_lost = true;
                    finding(FindingKind::HostError, why);
                }
            },
        }
    }
    rollback.hosts = hosts.into_values().collect();
    if is_any_rule_lost {
        rollback.leave_all_hosts(
            "what moved between it and a host's rule can not be told, since that one can not be put back",
        );
    }
    rollback
}

/// The rules that have to be read to undo a run: those that it changed, and that were changed later.
pub fn rules_of<'a>(history: &'a History, run: &RecordedRun) -> Vec<&'a KeptRule> {
    let deeds = history.deeds();
    let mut rules: Vec<&KeptRule> = Vec::new();
    for (_, Acts { its, later, .. }) in acts_by_subject(&deeds, run) {
        rules.extend(its.iter().chain(&later).flat_map(|deed| prevention::named_by(deed.act)));
    }
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Whether a run did anything that can be put back: who only renewed did not.
pub fn changed_something(run: &RecordedRun) -> bool {
    run.acts.iter().any(|act| may_be_done(&act.outcome) && &*act.action != RENEW)
}

/// Whether a run may have taken hashes out of a rule: whose they were, only the record before it tells.
pub fn took_hashes_out(run: &RecordedRun) -> bool {
    run.acts.iter().any(|act| match &act.values {
        ActValues::Prevention(Side { before, .. }) => before.is_some() && may_be_done(&act.outcome),
        ActValues::Isolation(_) | ActValues::Task(_) => false,
    })
}

/// The words by which the journal calls what was done.
const RENEW: &str = "renew";
const END_SPENT: &str = "end_spent";

/// What was done to one subject, or may have been, in the order in which it was put down: by the run, later, and before.
#[derive(Default)]
struct Acts<'a> {
    its: Vec<Deed<'a>>,
    later: Vec<Deed<'a>>,
    earlier: Vec<Deed<'a>>,
}

impl<'a> Acts<'a> {
    /// The first later act that was no renewal of what the run set.
    fn changed_by(&self) -> Option<Deed<'a>> {
        self.later.iter().copied().find(|deed| &*deed.act.action != RENEW)
    }

    /// Whether nobody knows if the run itself did it.
    fn is_open(&self) -> bool {
        self.its.iter().any(|deed| matches!(deed.act.outcome, ActOutcome::Open { .. }))
    }
}

fn acts_by_subject<'a>(deeds: &[Deed<'a>], run: &RecordedRun) -> Vec<(Subject, Acts<'a>)> {
    let mut order: Vec<Subject> = Vec::new();
    let mut by_subject: BTreeMap<Subject, Acts<'a>> = BTreeMap::new();
    for deed in deeds {
        if deed.run.id == run.id && may_be_done(&deed.act.outcome) {
            let acts = by_subject.entry(deed.act.subject).or_insert_with(|| {
                order.push(deed.act.subject);
                Acts::default()
            });
            acts.its.push(*deed);
        }
    }
    for deed in deeds.iter().filter(|deed| deed.run.id != run.id) {
        let Some(acts) = by_subject.get_mut(&deed.act.subject) else { continue };
        let is_later = acts.its.first().is_some_and(|first| deed.act.order > first.act.order);
        match (is_later, may_be_done(&deed.act.outcome)) {
            (true, true) => acts.later.push(*deed),
            (false, true) => acts.earlier.push(*deed),
            (_, false) => {}
        }
    }
    order.into_iter().filter_map(|subject| Some((subject, by_subject.remove(&subject)?))).collect()
}

fn may_be_done(outcome: &ActOutcome) -> bool {
    match outcome {
        ActOutcome::Done { .. } | ActOutcome::Open { .. } => true,
        ActOutcome::NothingToDo | ActOutcome::NotDone { .. } => false,
    }
}

/// ``run 20261125-100000-0000 (`apply`, ana@soc-1)``; safe to print.
fn told(deed: Deed<'_>) -> String {
    let printable = |text: &str| crate::model::Untrusted::new(text).printable().to_string();
    let run = deed.run;
    format!("run {} (`{}`, {})", printable(&run.id), printable(&run.command), printable(&run.by))
}

/// What becomes of one planned change.
enum Kept {
    Yes,
    /// It is as it was before the run.
    AsBefore,
    No(String),
}

impl Rollback {
    /// Takes out of a plan, which was made of what is wanted here, whatever is not as the run left it: somebody else
    /// changed it since, and what they want nobody knows. What they changed in a prevention rule stays beside what is
    /// put back.
    pub fn keep_what_is_safe(&self, plan: &mut ServerPlan, recorded: &Recorded, now: Timestamp) {
        let mut findings: Vec<Finding> = self.findings.clone();
        let mut gone: Vec<Subject> = Vec::new();
        for step in &mut plan.steps {
            step.changes.retain(|change| {
                let why = match self.judge(change, &plan.server, recorded, now) {
                    Kept::Yes => return true,
                    Kept::AsBefore => None,
                    Kept::No(why) => Some(why),
                };
                gone.push(change.subject);
                findings.extend(why.map(|message| Finding {
                    kind: FindingKind::HostError,
                    label: change.whom.label(),
                    aspect: Some(change.subject.aspect),
                    message,
                    cause: None,
                }));
                false
            });
            for change in &mut step.changes {
                if let Some(Expected::Prevention(expected)) = self.expected.get(&change.subject) {
                    expected.note(change);
                }
            }
        }
        plan.steps.retain(|step| !step.changes.is_empty());
        plan.judged_mut().retain(|judged| !gone.contains(&judged.subject()));
        plan.findings.extend(findings);
        plan.findings.sort_by_key(|finding| finding.kind);
    }

    fn judge(&self, change: &Change, server: &ServerName, recorded: &Recorded, now: Timestamp) -> Kept {
        let held = recorded.hold_on(change.subject, now).filter(|hold| hold.run != self.run);
        if let Some(hold) = held {
            let by = crate::model::Untrusted::new(&*hold.by);
            let who = match change.subject.target {
                Target::Sensor(_) => change.whom.label(),
                Target::AllHosts => format!("all@{server}"),
            };
            return Kept::No(format!(
                "is held by {} until {:.0}, since that run; where it is to be put back all the same, end that first: \
                 `kedrctl hold --end --aspect {} {}`",
                by.printable(),
                hold.until,
                change.subject.aspect,
                crate::model::shell_word(&who)
            ));
        }
        match (self.expected.get(&change.subject), &change.difference, &change.action) {
            (Some(Expected::Isolation(expected)), Difference::Isolation(side), _) => {
                expected.judge(side.before.as_ref(), change.subject, recorded)
            }
            (Some(Expected::Prevention(expected)), Difference::Prevention(side), Action::Block(_)) => {
                expected.judge(side.before.as_deref())
            }
            (_, _, _) => Kept::No("is not what that run changed".to_owned()),
        }
    }
}
