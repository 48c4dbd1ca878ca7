//! What is left to do of a plan that was made before: only what is there as it was then, or is as it was to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::approved::objection;
use super::{
    Action, Change, End, Finding, FindingKind, Judged, Objection, Plan, Purpose, ServerClock, ServerPlan,
    ServerState, Step, Verdict, Whom, has_ended, not_after_has_come,
};
use crate::declare::{DeclaredPrevention, Term};
use crate::model::{
    Aspect, Difference, FileHash, Isolation, KeptObject, PreventionRule, Side, Subject, Target,
};

/// What is not as it was is named in full up to so many hashes.
const NAMED: usize = 3;

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
        let fresh: BTreeMap<Subject, Arc<Change>> =
            server.changes().map(|change| (change.subject, Arc::clone(change))).collect();
        let judged: BTreeMap<Subject, Judged> =
            server.judged.iter().map(|judged| (judged.subject(), judged.clone())).collect();
        let mut left: BTreeMap<Purpose, BTreeMap<Subject, Arc<Change>>> = BTreeMap::new();
        let mut findings = Vec::new();
        let mut left_out = BTreeSet::new();
        for (subject, changes) in &earlier {
            let Some((_, first)) = changes.first() else { continue };
            let chain: Vec<&Arc<Change>> = changes.iter().map(|(_, change)| *change).collect();
            match self.subject(&chain, judged.get(subject), fresh.get(subject), server) {
                Ok(Left::Changes(changes_left)) => {
                    let done = changes.len() - changes_left.len();
                    for ((purpose, _), change) in changes[done..].iter().zip(changes_left) {
                        left.entry(*purpose).or_default().insert(*subject, change);
                    }
                }
                Ok(Left::Nothing) => findings.push(as_planned(first)),
                Ok(Left::Waits) => drop(left_out.insert(*subject)),
                Err(message) => {
                    objections.push(objection(self.then, first, message));
                    // What is refused is shown with the rest.
                    for (purpose, change) in changes {
                        left.entry(*purpose).or_default().insert(*subject, Arc::clone(change));
                    }
                }
            }
        }
        findings.extend(keep_moves_whole(&self.then.steps, &mut left, &left_out, server));
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

    fn subject(
        &self,
        chain: &[&Arc<Change>],
        judged: Option<&Judged>,
        fresh: Option<&Arc<Change>>,
        server: &ServerPlan,
    ) -> Result<Left, String> {
        let Some(first) = chain.first() else { return Ok(Left::Nothing) };
        let clock = match &server.state {
            ServerState::Read { clock, .. } => *clock,
            ServerState::ListNotBelieved { .. } | ServerState::Unreachable { .. } => ServerClock::NotGiven,
        };
        for change in chain {
            if let Some(message) = deadline_passed(change, clock, (self.made_at, self.now)) {
                return Err(message);
            }
        }
        let Some(judged) = judged else { return Err(not_told_any_more(first, server)) };
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
}

/// The changes that lead from what is there now to what was planned.
fn left_of(chain: &[&Arc<Change>], fresh: &Arc<Change>) -> Result<Vec<Arc<Change>>, String> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return Ok(Vec::new()) };
    match (&first.difference, &last.difference, &fresh.difference) {
        (Difference::Isolation(then), Difference::Isolation(_), Difference::Isolation(now)) => {
            if is_same_isolation((first, then), (fresh, now)) {
                // With the timeout of this moment.
                Ok(vec![Arc::clone(fresh)])
            } else {
                Err(format!(
                    "planned on {}, and now there is {}",
                    isolation(then.before.as_ref()),
                    isolation(now.before.as_ref())
                ))
            }
        }
        (Difference::Prevention(then), Difference::Prevention(end), Difference::Prevention(now)) => {
            let found = now.before.as_deref();
            if !same_hashes(end.after.as_deref(), now.after.as_deref()) {
                let differs = hashes_between(end.after.as_deref(), now.after.as_deref());
                return Err(format!("it would not come to what was planned any more: {differs}"));
            }
            let seen = |change: &&Arc<Change>| match &change.difference {
                Difference::Prevention(side) => same_hashes(side.before.as_deref(), found),
                Difference::Isolation(_) | Difference::Task(..) => false,
            };
            match chain.iter().position(seen) {
                Some(place) => Ok(chain[place..].iter().map(|change| with_names_of(change, found)).collect()),
                None => Err(format!(
                    "the rule is not what it was: {}",
                    hashes_between(then.before.as_deref(), found)
                )),
            }
        }
        (Difference::Task(then, side), Difference::Task(..), Difference::Task(now, fresh_side)) => {
            if then == now && side == fresh_side && first.action.as_str() == fresh.action.as_str() {
                // Through which groups it came only the earlier one knows.
                Ok(vec![Arc::new(Change { cause: first.cause.clone(), ..Change::clone(fresh) })])
            } else {
                Err("the task is not what it was".to_owned())
            }
        }
        (Difference::Isolation(_) | Difference::Prevention(_) | Difference::Task(..), _, _) => {
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

/// What is kept goes back with the names that it has now.
fn with_names_of(change: &Arc<Change>, found: Option<&PreventionRule>) -> Arc<Change> {
    let (Difference::Prevention(Side { before, after: Some(after) }), Some(found)) =
        (&change.difference, found)
    else {
        return Arc::clone(change);
    };
    let mut after = PreventionRule::clone(after);
    for (hash, object) in &mut after.objects {
        if let Some(found) = found.objects.get(hash) {
            *object = KeptObject { name: found.name.clone(), has_other_fields: false };
        }
    }
    let difference = Difference::Prevention(Side { before: before.clone(), after: Some(Arc::new(after)) });
    Arc::new(Change { difference, ..Change::clone(change) })
}

/// A hash that moves between hosts and the rule for all is blocked by nobody in between: where one part of such a
/// move has to wait, so do the others.
fn keep_moves_whole(
    then: &[Step],
    left: &mut BTreeMap<Purpose, BTreeMap<Subject, Arc<Change>>>,
    left_out: &BTreeSet<Subject>,
    server: &ServerPlan,
) -> Option<Finding> {
    let is_prevention = |subject: &Subject| subject.aspect == Aspect::Prevention;
    let moves =
        then.iter().flat_map(|step| &step.changes).any(|change| change.subject.target == Target::AllHosts);
    let waits = left_out.iter().filter(|subject| is_prevention(subject)).count();
    if !moves || waits == 0 {
        return None;
    }
    let mut taken = 0;
    for changes in left.values_mut() {
        let before = changes.len();
        changes.retain(|subject, _| !is_prevention(subject));
        taken += before - changes.len();
    }
    (taken > 0).then(|| Finding {
        kind: FindingKind::Unknown,
        label: server.server.to_string(),
        aspect: Some(Aspect::Prevention),
        message: format!(
            "{taken} more {} not written: the plan moves hashes between hosts and the rule for all, and a part of that \
             has to wait",
            if taken == 1 { "rule is" } else { "rules are" }
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
    finding.map_or_else(|| "is not as it was planned on".to_owned(), |finding| finding.message.clone())
}

/// Why a change may not be made any more, whatever is there: an instant has come since the plan was made.
fn deadline_passed(
    change: &Change,
    clock: ServerClock,
    (made_at, now): (Timestamp, Timestamp),
) -> Option<String> {
    if let Some(Term::Until(until)) = change.action.term()
        && has_ended(Term::Until(until), clock, now)
    {
        return Some(format!("its `until`, {until:.0}, has come since the plan was made"));
    }
    if let Some(not_after) = change.action.not_after()
        && not_after_has_come(not_after, clock, now)
    {
        return Some(format!("its `not_after`, {not_after:.0}, has come since the plan was made"));
    }
    // What had passed by then was left as it was: the clocks were too far apart to tell.
    let ended = end_of_hashes(change, made_at);
    let ended: Vec<(&FileHash, &Timestamp)> =
        ended.iter().filter(|(_, until)| **until > made_at && **until <= now).collect();
    let (hash, until) = ended.first()?;
    let more = match ended.len() {
        1 => String::new(),
        many => format!(", and that of {} more", many - 1),
    };
    Some(format!("the time of {hash} ended on {until:.0}{more}"))
}

/// When declared hashes that a change sets or keeps are to be taken out again, of those that are. `now`: what is to
/// be blocked only later is not in it.
pub fn end_of_hashes(change: &Change, now: Timestamp) -> BTreeMap<FileHash, Timestamp> {
    let (Difference::Prevention(Side { after: Some(after), .. }), Some(declared)) =
        (&change.difference, declared_for(&change.whom))
    else {
        return BTreeMap::new();
    };
    // What one list blocks without an end stays, whatever another says; of several ends the last counts.
    let mut ends: BTreeMap<FileHash, Option<Timestamp>> = BTreeMap::new();
    for entry in declared.block.iter().flat_map(|list| list.iter()) {
        if entry.from.is_none_or(|from| from <= now) && after.objects.contains_key(&entry.hash) {
            let end = ends.entry(entry.hash).or_insert(entry.until);
            *end = end.zip(entry.until).map(|(a, b)| a.max(b));
        }
    }
    ends.into_iter().filter_map(|(hash, end)| Some((hash, end?))).collect()
}

fn declared_for(whom: &Whom) -> Option<&DeclaredPrevention> {
    match whom {
        Whom::Host(host) => host.prevention.as_deref(),
        Whom::AllHosts(prevention) => Some(prevention),
        Whom::Task(_) => None,
    }
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

fn same_hashes(one: Option<&PreventionRule>, other: Option<&PreventionRule>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.blocks_the_same(other),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// `+9001509…, −e3a1c02…`: what has come and what has gone.
fn hashes_between(then: Option<&PreventionRule>, now: Option<&PreventionRule>) -> String {
    let empty = PreventionRule::default();
    let (then, now) = (then.unwrap_or(&empty), now.unwrap_or(&empty));
    let listed = |sign: &str, of: &PreventionRule, without: &PreventionRule| {
        let differ: Vec<String> = of
            .objects
            .keys()
            .filter(|hash| !without.objects.contains_key(*hash))
            .map(|hash| format!("{sign}{hash}"))
            .collect();
        let named = differ[..differ.len().min(NAMED)].join(" ");
        match differ.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    };
    let parts = [listed("+", now, then), listed("−", then, now)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
