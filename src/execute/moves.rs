//! Files on their way between the rule for all hosts and those of hosts. A file may not be in both, so it leaves one
//! before it comes into the other (response-api.md, section 4, "Clash"): when the second write fails, what the first
//! took out is put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::run::ReadyChange;
use super::shared::Shared;
use super::side_by_side::write_all;
use super::{ChangeOutcome, Event, Observer, StoppedBy, WriteResult};
use crate::central_node::TakeTurns;
use crate::model::{Clock, Difference, FileHash, HashSet, KeptObject, Side, Target, Untrusted};
use crate::plan::{Action, AddedHash, Change, Purpose, RemovedBecause, RuleChange, ServerPlan};
use crate::record::Intentions;

/// How far the moves of one server are.
pub(super) struct Moves {
    /// The hashes that the rule for all hosts gives up.
    lost: HashSet,
    /// Writes that took, or may have taken, something out of a host's rule for it.
    given: Vec<Arc<Change>>,
    /// Whether nobody knows of one of these whether it did.
    is_doubtful: bool,
    /// Hosts that may still hold what it is to gain, with why.
    not_given: Vec<(String, String)>,
    /// What became of the rule for all hosts.
    for_all: Option<WriteResult>,
    put_back: Vec<ChangeOutcome>,
    /// What the rule for all hosts held when something was put back: nobody goes without that.
    found_in_all: HashSet,
    /// By host, what it did not get after the rule for all hosts had lost it.
    not_got: BTreeMap<String, HashSet>,
}

impl Moves {
    pub(super) fn of(plan: &ServerPlan) -> Self {
        let steps = plan.steps.iter().filter(|step| step.purpose == Purpose::ForAll);
        let rules = steps.flat_map(|step| &step.changes).filter_map(|change| change.action.rule_change());
        Self {
            lost: rules.flat_map(|rule| rule.removed.iter().map(|removed| removed.hash)).collect(),
            given: Vec::new(),
            is_doubtful: false,
            not_given: Vec::new(),
            for_all: None,
            put_back: Vec::new(),
            found_in_all: HashSet::new(),
            not_got: BTreeMap::new(),
        }
    }

    /// Why a change is not tried after what came before it.
    pub(super) fn bars(&self, purpose: Purpose, change: &Change) -> Option<String> {
        match purpose {
            Purpose::ForAll => {
                let (host, why) = self.not_given.first()?;
                let others = match self.not_given.len() - 1 {
                    0 => String::new(),
                    1 => " and 1 more host".to_owned(),
                    more => format!(" and {more} more hosts"),
                };
                Some(format!(
                    "{host}{others} may still hold what it is to gain, and the server would refuse it: {why}"
                ))
            }
            Purpose::Prevent if self.for_all.as_ref().is_some_and(|result| !result.is_done()) => {
                match self.got_from_all(change).len() {
                    0 => None,
                    1 => Some(
                        "the rule for all hosts was not written, and still holds a hash of it".to_owned(),
                    ),
                    many => Some(format!(
                        "the rule for all hosts was not written, and still holds {many} hashes of it"
                    )),
                }
            }
            Purpose::Contain | Purpose::GiveUp | Purpose::Prevent | Purpose::Run | Purpose::Release => None,
        }
    }

    pub(super) fn note(&mut self, purpose: Purpose, outcomes: &[ChangeOutcome]) {
        for ChangeOutcome { change, result } in outcomes {
            match purpose {
                Purpose::GiveUp => {
                    if matches!(result, WriteResult::Done { .. } | WriteResult::Unknown { .. }) {
                        self.given.push(Arc::clone(change));
                        self.is_doubtful |= !result.is_done();
                    }
                    if let Some(why) = why_not_done(result) {
                        self.not_given.push((change.whom.label(), why));
                    }
                }
                Purpose::ForAll => self.for_all = Some(result.clone()),
                Purpose::Prevent if !result.is_done() => {
                    let hashes = self.got_from_all(change);
                    let has_or_may_have_lost = |result: &WriteResult| {
                        result.is_done() || matches!(result, WriteResult::Unknown { .. })
                    };
                    if self.for_all.as_ref().is_some_and(has_or_may_have_lost) && !hashes.is_empty() {
                        self.not_got.insert(change.whom.label(), hashes);
                    }
                }
                Purpose::Contain | Purpose::Prevent | Purpose::Run | Purpose::Release => {}
            }
        }
    }

    /// What has to be done where the rule for all hosts could not be written.
    pub(super) async fn after_for_all<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
        &mut self,
        client: &C,
        shared: &Shared<'_, K, O>,
        concurrency: usize,
        journal: &mut J,
    ) {
        match &self.for_all {
            None | Some(WriteResult::Done { .. } | WriteResult::AlreadyAsDesired) => return,
            Some(WriteResult::Unknown { .. }) => {
                if !(self.given.is_empty() && self.lost.is_empty()) {
                    let why = "whether the rule for all hosts is written could not be found out, and what follows hangs \
                               on it; run it again, it looks anew";
                    shared.stop(StoppedBy::Open, why.to_owned());
                }
                return;
            }
            Some(
                WriteResult::ChangedSincePlan { .. }
                | WriteResult::Held { .. }
                | WriteResult::NotRead { .. }
                | WriteResult::Refused { .. }
                | WriteResult::NotTried { .. },
            ) => {}
        }
        if self.given.is_empty() || shared.is_stopping() {
            return;
        }
        let say = |message: &str| {
            shared
                .observer
                .notice(Event::Notice { server: shared.server.clone(), message: message.to_owned() });
        };
        say("the rule for all hosts is not written; what hosts gave up for it is being put back");
        match client.prevention(Target::AllHosts).await {
            Ok(rule) => self.found_in_all = rule.map_or_else(HashSet::new, |rule| rule.hashes()),
            Err(error) => {
                say(&format!("nothing is put back, since a hash may not be in both: {error}"));
                if error.stops_server() {
                    shared.stop(StoppedBy::Server, error.to_string());
                }
                return;
            }
        }
        let ready: Vec<ReadyChange> =
            self.given.iter().filter_map(|change| put_back(change, &self.found_in_all)).collect();
        let changes: Vec<Arc<Change>> = ready.iter().map(|ready| Arc::clone(&ready.change)).collect();
        // No part of the plan: nobody counts them.
        let results = write_all(ready.into_iter(), (client, concurrency), shared, journal, |_, _| {}).await;
        let outcomes = changes.into_iter().zip(results);
        self.put_back.extend(outcomes.map(|(change, result)| ChangeOutcome { change, result }));
    }

    /// Who goes without what, for a person.
    pub(super) fn open(&self) -> Option<String> {
        let mut lacking: BTreeMap<String, HashSet> = self.not_got.clone();
        let is_unknown = self.is_doubtful || matches!(self.for_all, Some(WriteResult::Unknown { .. }));
        if !self.for_all.as_ref().is_some_and(WriteResult::is_done) {
            let back = self.put_back.iter().filter(|back| back.result.is_done());
            let back: BTreeSet<_> = back.map(|back| back.change.subject).collect();
            for change in self.given.iter().filter(|change| !back.contains(&change.subject)) {
                let given = change.action.rule_change().into_iter().flat_map(RuleChange::given_up);
                let gone: HashSet = given.filter(|hash| !self.found_in_all.contains(hash)).collect();
                if !gone.is_empty() {
                    lacking.insert(change.whom.label(), gone);
                }
            }
        }
        let first: Vec<&str> = lacking.keys().take(3).map(String::as_str).collect();
        let hashes: BTreeSet<&FileHash> = lacking.values().flatten().collect();
        let hashes = if hashes.len() == 1 { "1 hash".to_owned() } else { format!("{} hashes", hashes.len()) };
        let (hosts, go) = match (lacking.len(), is_unknown) {
            (0, _) => return None,
            (1, false) => ("1 host".to_owned(), "goes"),
            (many, false) => (format!("{many} hosts"), "go"),
            (1, true) => ("1 host".to_owned(), "may go"),
            (many, true) => (format!("{many} hosts"), "may go"),
        };
        let more = if lacking.len() > first.len() { ", …" } else { "" };
        Some(format!(
            "{hosts} {go} without {hashes} that left one rule and are not in the other ({}{more}); run it again, it \
             continues there",
            first.join(", ")
        ))
    }

    pub(super) fn into_put_back(self) -> Vec<ChangeOutcome> {
        self.put_back
    }

    /// What of a host's new hashes the rule for all hosts has to lose first.
    fn got_from_all(&self, change: &Change) -> HashSet {
        let added = change.action.rule_change().into_iter().flat_map(|rule| &rule.added);
        added.map(|added| added.hash).filter(|hash| self.lost.contains(hash)).collect()
    }
}

/// The write that gives a host back what it gave up, and nothing else: as it was read, and only where its rule is as
/// our write left it. `None`: the rule for all hosts holds all of it by now.
fn put_back(change: &Arc<Change>, in_all: &HashSet) -> Option<ReadyChange> {
    let (Difference::Prevention(side), Some(of_rule)) = (&change.difference, change.action.rule_change())
    else {
        return None;
    };
    let mut after = side.after.as_deref().cloned().unwrap_or_default();
    let (kept, mut added, mut for_others) = (after.objects.len(), Vec::new(), HashSet::new());
    for removed in &of_rule.removed {
        let RemovedBecause::MovedToAll { was_ours } = removed.because else { continue };
        let object = side.before.as_ref().and_then(|rule| rule.objects.get(&removed.hash));
        let (Some(object), false) = (object, in_all.contains(&removed.hash)) else { continue };
        let object = KeptObject { name: object.name.clone(), has_other_fields: false };
        if !was_ours {
            for_others.insert(removed.hash);
        }
        after.objects.insert(removed.hash, object);
        let origin = change.cause.origin().clone();
        added.push(AddedHash { hash: removed.hash, list: None, comment: None, origin });
    }
    if added.is_empty() {
        return None;
    }
    let difference =
        Difference::Prevention(Side { before: side.after.clone(), after: Some(Arc::new(after)) });
    let change = Arc::new(Change {
        action: Action::Block(Arc::new(RuleChange { added, for_others, kept, ..RuleChange::default() })),
        difference: difference.clone(),
        notes: Vec::new(),
        ..Change::clone(change)
    });
    let mut ready = ReadyChange::with(&change, difference);
    ready.is_put_back = true;
    Some(ready)
}

/// For a person, safe to print; `None`: it is done.
fn why_not_done(result: &WriteResult) -> Option<String> {
    match result {
        WriteResult::Done { .. } | WriteResult::AlreadyAsDesired => None,
        WriteResult::ChangedSincePlan { found } => Some(format!("changed since the plan: {found}")),
        WriteResult::Held { hold } => {
            Some(format!("held by {} until {:.0}", Untrusted::new(&*hold.by).printable(), hold.until))
        }
        WriteResult::NotRead { why }
        | WriteResult::Refused { why }
        | WriteResult::Unknown { why }
        | WriteResult::NotTried { why } => Some(why.clone()),
    }
}
