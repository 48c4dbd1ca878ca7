//! What is left to do of a plan that was made before: only what is there as it was then, or is as it was to be.

mod deadline;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::approved::objection;
use super::{
    Action, Change, End, Finding, FindingKind, Judged, Objection, Plan, Purpose, ServerClock, ServerPlan,
    ServerState, Step, Verdict,
};
use crate::model::{Aspect, Difference, Isolation, Side, Subject, Target, same_hashes};

use deadline::deadline_passed;
use rule::{hashes_between, place_of, with_names_of};

pub use deadline::end_of_hashes;

impl Plan {
    /// What is left to do of `earlier`, and why it may not be done as it stands.
    ///
    /// `self` was planned just now from what the earlier plan was to come to, as if files declared that: so it knows
    /// what is there, what is held, and what could not be read. What is there has to be what the earlier plan saw, or
    /// what it was to make of it already; anything else is an objection, and so is an instant that has come since. What
    /// could not be judged, or is held, is left out; it has its finding. Where there are objections, the plan is for
    /// showing only.
    #[must_use]
    pub fn again(mut self, earlier: &Self) -> (Self, Vec<Objection>) {
        let mut objections = Vec::new();
        let now = self.now;
        for server in &mut self.servers {
            let then = earlier.servers.iter().find(|then| then.server == server.server);
            let (Some(then), ServerState::Read { .. }) = (then, &server.state) else {
                server.steps.clear();
                continue;
            };
            if then.state.key() != server.state.key() {
                server.steps.clear();
                objections.push(Objection {
                    subject: server.server.to_string(),
                    message: "is another server than the one that was planned for".to_owned(),
                    cause: None,
                });
                continue;
            }
            objections.extend(Again { then, made_at: earlier.now, now }.of(server));
        }
        (self, objections)
    }
}

/// One server.
struct Again<'a> {
    then: &'a ServerPlan,
    made_at: Timestamp,
    now: Timestamp,
}

/// What becomes of the earlier changes of one subject.
enum Left {
    /// These, the others of the subject being done.
    Changes(Vec<Arc<Change>>),
    /// It is as it was to be.
    Nothing,
    /// It could not be judged, or is held: there is a finding.
    Waits,
    /// It is as the plan saw it, and hangs on something that waits.
    WaitsWithMove,
}

/// What would be done now.
struct Fresh {
    /// What finds the rule as it is.
    first: Arc<Change>,
    /// What leaves it as it is to be.
    last: Arc<Change>,
}

impl Again<'_> {
    fn of(&self, server: &mut ServerPlan) -> Vec<Objection> {
        let mut objections = Vec::new();
        let mut earlier: BTreeMap<Subject, Vec<(Purpose, &Arc<Change>)>> = BTreeMap::new();
        for step in &self.then.steps {
            for change in &step.changes {
                earlier.entry(change.subject).or_default().push((step.purpose, change));
            }
        }
        let mut fresh: BTreeMap<Subject, Fresh> = BTreeMap::new();
        for change in server.changes() {
            let (first, last) = (Arc::clone(change), Arc::clone(change));
            fresh
                .entry(change.subject)
                .and_modify(|fresh| fresh.last = Arc::clone(change))
                .or_insert(Fresh { first, last });
        }
        let judged: BTreeMap<Subject, Judged> =
            server.judged.iter().map(|judged| (judged.subject(), judged.clone())).collect();
        let mut left: BTreeMap<Purpose, BTreeMap<Subject, Arc<Change>>> = BTreeMap::new();
        let mut findings = Vec::new();
        let waiting = waiting(&earlier, &judged);
        let mut waits_with_move = 0;
        for (subject, changes) in &earlier {
            let Some((_, first)) = changes.first() else { continue };
            let chain: Vec<&Arc<Change>> = changes.iter().map(|(_, change)| *change).collect();
            let judged = judged.get(subject);
            let of_subject = match self.too_late(&chain, judged, server) {
                Err(message) => Err(message),
                Ok(judged) if waiting && is_prevention(subject) => {
                    waiting_with_move(&chain, judged, fresh.get(subject))
                }
                Ok(judged) => subject_left(&chain, judged, fresh.get(subject), server),
            };
            match of_subject {
                Ok(Left::Changes(changes_left)) => {
                    let done = changes.len() - changes_left.len();
                    for ((purpose, _), change) in changes[done..].iter().zip(changes_left) {
                        left.entry(*purpose).or_default().insert(*subject, change);
                    }
                }
                Ok(Left::Nothing) => findings.push(as_planned(first)),
                Ok(Left::Waits) => {}
                Ok(Left::WaitsWithMove) => waits_with_move += 1,
                Err(message) => {
                    objections.push(objection(self.then, first, message));
                    // What is refused is shown with the rest.
                    for (purpose, change) in changes {
                        left.entry(*purpose).or_default().insert(*subject, Arc::clone(change));
                    }
                }
            }
        }
        findings.extend(not_moved(waits_with_move, server));
        // In the order that was shown; the purposes of steps are in the order in which they are made.
        server.steps = self
            .then
            .steps
            .iter()
            .filter_map(|step| {
                let mut of_step = left.remove(&step.purpose)?;
                let changes =
                    step.changes.iter().filter_map(|change| of_step.remove(&change.subject)).collect();
                Some(Step { purpose: step.purpose, changes })
            })
            .filter(|step| !step.changes.is_empty())
            .collect();
        server.findings.extend(findings);
        server.findings.sort_by_key(|finding| finding.kind);
        if let (ServerState::Read { distinct_hashes, .. }, ServerState::Read { distinct_hashes: then, .. }) =
            (&mut server.state, &self.then.state)
        {
            // Now only the rules of this plan were read: a share of `hashes_removed` is one of all that were.
            *distinct_hashes = (*distinct_hashes).max(*then);
        }
        objections
    }

    /// What became of the first of them, where it may still be done at all.
    fn too_late<'j>(
        &self,
        chain: &[&Arc<Change>],
        judged: Option<&'j Judged>,
        server: &ServerPlan,
    ) -> Result<&'j Judged, String> {
        let clock = match &server.state {
            ServerState::Read { clock, .. } => *clock,
            ServerState::ListNotBelieved { .. }
            | ServerState::Unrecorded { .. }
            | ServerState::Unreachable { .. } => ServerClock::NotGiven,
        };
        for change in chain {
            if let Some(message) = deadline_passed(change, clock, (self.made_at, self.now)) {
                return Err(message);
            }
        }
        judged.ok_or_else(|| match chain.first() {
            Some(first) => not_told_any_more(first, server),
            None => "it could not be judged".to_owned(),
        })
    }
}

fn is_prevention(subject: &Subject) -> bool {
    subject.aspect == Aspect::Prevention
}

/// A hash that moves between hosts and the rule for all is blocked by nobody in between: where one part of such a
/// move has to wait, so do the others.
fn waiting(
    earlier: &BTreeMap<Subject, Vec<(Purpose, &Arc<Change>)>>,
    judged: &BTreeMap<Subject, Judged>,
) -> bool {
    let rules = || earlier.keys().filter(|subject| is_prevention(subject));
    let moves = rules().any(|subject| subject.target == Target::AllHosts);
    let waits = |subject: &Subject| {
        let verdict = judged.get(subject).map(|judged| &judged.verdict);
        matches!(verdict, Some(Verdict::Unknown(_) | Verdict::Held))
    };
    moves && rules().any(waits)
}

fn subject_left(
    chain: &[&Arc<Change>],
    judged: &Judged,
    fresh: Option<&Fresh>,
    server: &ServerPlan,
) -> Result<Left, String> {
    let Some(first) = chain.first() else { return Ok(Left::Nothing) };
    match (&judged.verdict, fresh) {
        (Verdict::Unknown(_) | Verdict::Held, _) => Ok(Left::Waits),
        // Held, or left alone: what it says of itself is the reason.
        (Verdict::EndUnknown | Verdict::Renew, None) if judged.hold.is_some() => Ok(Left::Waits),
        (Verdict::InSync, None) if judged.hold.is_some() && first.action.is_renewal() => Ok(Left::Waits),
        (Verdict::InSync, None) => Ok(Left::Nothing),
        (Verdict::LeftAlone, _) => Err(said_of(first, server)),
        (_, Some(fresh)) => left_of(chain, fresh).map(Left::Changes),
        (Verdict::Differs | Verdict::Renew | Verdict::EndUnknown, None) => Err(said_of(first, server)),
    }
}

/// A rule of a move of which a part waits: what it would come to hangs on that part, so only what is there is compared.
fn waiting_with_move(chain: &[&Arc<Change>], judged: &Judged, fresh: Option<&Fresh>) -> Result<Left, String> {
    match (&judged.verdict, fresh.map(|fresh| &fresh.first.difference)) {
        (Verdict::Unknown(_) | Verdict::Held, _) => Ok(Left::Waits),
        // That it is as planned already nobody can say: what it lacks may be missing for the move alone.
        (Verdict::InSync, _) => Ok(Left::Waits),
        (_, Some(Difference::Prevention(now))) => {
            place_of(chain, now.before.as_deref()).map(|_place| Left::WaitsWithMove)
        }
        (Verdict::Differs | Verdict::LeftAlone | Verdict::Renew | Verdict::EndUnknown, _) => {
            Ok(Left::WaitsWithMove)
        }
    }
}

/// The changes that lead from what is there now to what was planned.
fn left_of(chain: &[&Arc<Change>], fresh: &Fresh) -> Result<Vec<Arc<Change>>, String> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return Ok(Vec::new()) };
    let Fresh { first: now_first, last: now_last } = fresh;
    match (&first.difference, &last.difference, &now_first.difference, &now_last.difference) {
        (
            Difference::Isolation(then),
            Difference::Isolation(_),
            Difference::Isolation(now),
            Difference::Isolation(_),
        ) => {
            if is_same_isolation((first, then), (now_first, now)) {
                // With the timeout of this moment.
                Ok(vec![Arc::clone(now_first)])
            } else {
                Err(format!(
                    "planned on {}, and now there is {}",
                    isolation(then.before.as_ref()),
                    isolation(now.before.as_ref())
                ))
            }
        }
        (
            Difference::Prevention(_),
            Difference::Prevention(end),
            Difference::Prevention(now),
            Difference::Prevention(now_end),
        ) => {
            let found = now.before.as_deref();
            if !same_hashes(end.after.as_deref(), now_end.after.as_deref()) {
                let differs = hashes_between(end.after.as_deref(), now_end.after.as_deref());
                return Err(format!("it would not come to what was planned any more: {differs}"));
            }
            let place = place_of(chain, found)?;
            Ok(chain[place..].iter().map(|change| with_names_of(change, found)).collect())
        }
        (
            Difference::Task(then, side),
            Difference::Task(..),
            Difference::Task(now, fresh_side),
            Difference::Task(..),
        ) => {
            if then == now && side == fresh_side && first.action.as_str() == now_first.action.as_str() {
                // Through which groups it came only the earlier one knows.
                Ok(vec![Arc::new(Change { cause: first.cause.clone(), ..Change::clone(now_first) })])
            } else {
                Err("the task is not what it was".to_owned())
            }
        }
        (Difference::Isolation(_) | Difference::Prevention(_) | Difference::Task(..), _, _, _) => {
            Err("it is about something else by now".to_owned())
        }
    }
}

/// Whether now the same would be done to the same. What only keeps a rule of ours in force, or puts it back, is the
/// same whatever another run did to its end meanwhile.
fn is_same_isolation(
    (then, seen): (&Change, &Side<Isolation>),
    (now, found): (&Change, &Side<Isolation>),
) -> bool {
    let exclusions = |rule: &Option<Isolation>| rule.as_ref().map(|rule| Arc::clone(&rule.exclusions));
    let was_kept = matches!(then.action, Action::Renew { .. } | Action::Isolate { is_lapsed: true, .. });
    let is_ours = matches!(
        now.action,
        Action::Renew { end: End::Known(_), .. } | Action::Isolate { is_lapsed: true, .. }
    );
    let is_as_seen = then.action.as_str() == now.action.as_str() && seen.before == found.before;
    then.action.term() == now.action.term()
        && exclusions(&seen.after) == exclusions(&found.after)
        && (is_as_seen || (was_kept && is_ours))
}

fn not_moved(count: usize, server: &ServerPlan) -> Option<Finding> {
    (count > 0).then(|| Finding {
        kind: FindingKind::Unknown,
        label: server.server.to_string(),
        aspect: Some(Aspect::Prevention),
        message: format!(
            "{count} more {} not written: the plan moves hashes between hosts and the rule for all, and a part of that \
             has to wait",
            if count == 1 { "rule is" } else { "rules are" }
        ),
        cause: None,
    })
}

fn as_planned(change: &Change) -> Finding {
    Finding {
        kind: FindingKind::Notice,
        label: change.whom.label(),
        aspect: Some(change.subject.aspect),
        message: format!(
            "its {} is as planned already; nothing is sent",
            change.whom.aspect_text(change.subject.aspect)
        ),
        cause: Some(change.cause.clone()),
    }
}

/// Who is meant was known when the plan was made.
fn not_told_any_more(change: &Change, server: &ServerPlan) -> String {
    let finding = server
        .findings
        .iter()
        .find(|finding| Some(finding.label.as_str()) == change.whom.entry().map(|entry| &**entry));
    finding.map_or_else(|| "it could not be judged".to_owned(), |finding| finding.message.clone())
}

/// What the plan of now says of it.
fn said_of(change: &Change, server: &ServerPlan) -> String {
    let (label, aspect) = (change.whom.label(), change.subject.aspect);
    let finding =
        server.findings.iter().find(|finding| finding.label == label && finding.aspect == Some(aspect));
    let otherwise = match change.subject.target {
        Target::Sensor(_) => "is not as it was planned on",
        Target::AllHosts => "a host that was not in the plan's way is in its way now",
    };
    finding.map_or_else(|| otherwise.to_owned(), |finding| finding.message.clone())
}

fn isolation(rule: Option<&Isolation>) -> String {
    match rule {
        None => "no isolation".to_owned(),
        Some(rule) => {
            let exclusions = match rule.exclusions.len() {
                1 => "1 exclusion".to_owned(),
                count => format!("{count} exclusions"),
            };
            format!("an isolation with a timeout of {} s and {exclusions}", rule.timeout_seconds)
        }
    }
}
