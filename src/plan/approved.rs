//! Whether a plan has anything in it that was not approved.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::meaning::{Meaning, Said, id_of};
use super::{Objection, Plan, ServerPlan, ServerState};
use crate::model::display_duration;

/// The changes of a plan that somebody approved.
#[derive(Debug, Clone)]
pub struct Approved {
    id: String,
    /// By the server's key and the subject.
    changes: BTreeMap<(String, String), Vec<Meaning>>,
}

/// As many different things are named.
const NAMED: usize = 3;

impl Approved {
    /// What was approved, in whatever order.
    pub fn new(meanings: Vec<Meaning>) -> Self {
        let id = id_of(&meanings);
        let mut changes: BTreeMap<_, Vec<Meaning>> = BTreeMap::new();
        for meaning in meanings {
            changes.entry((meaning.key.clone(), meaning.subject.clone())).or_default().push(meaning);
        }
        Self { id, changes }
    }

    /// The id of the plan that was approved.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Each change that was approved.
    pub fn meanings(&self) -> impl Iterator<Item = &Meaning> {
        self.changes.values().flatten()
    }
}

impl Plan {
    /// What is in this plan and was not approved. Fewer changes than were approved are fine, and renewals need no
    /// approval where they set nothing but a later end.
    ///
    /// A change is compared whole, with what was there before: whoever approved that a rule goes from these hashes to
    /// those said nothing of a rule that has others by now.
    pub fn not_approved(&self, approved: &Approved) -> Vec<Objection> {
        let mut meanings = self.meanings().into_iter();
        let mut objections = Vec::new();
        for server in &self.servers {
            for change in server.changes().filter(|change| !change.needs_no_approval()) {
                // One meaning for each of them, in their order.
                let Some(now) = meanings.next() else { return objections };
                let then = approved.changes.get(&(now.key.clone(), now.subject.clone()));
                let then = then.map_or(&[][..], Vec::as_slice);
                if then.iter().any(|then| means_the_same(then, &now)) {
                    continue;
                }
                let message = match then {
                    [] if change.action.is_renewal() => {
                        "was not approved: it may end earlier than what is set now, and \
                                                         the approved plan has nothing of it"
                            .to_owned()
                    }
                    [] => "was not approved: the approved plan has nothing of it".to_owned(),
                    then => {
                        let ways: Vec<String> = then.iter().map(|then| difference(then, &now)).collect();
                        format!("was approved otherwise: {}", ways.join("; or "))
                    }
                };
                objections.push(objection(server, change, message));
            }
        }
        objections
    }
}

pub(super) fn objection(server: &ServerPlan, change: &super::Change, message: String) -> Objection {
    Objection { subject: server.subject_text(change), message, cause: Some(change.cause.clone()) }
}

/// A server may be called otherwise by now: what it is, its key tells.
fn means_the_same(then: &Meaning, now: &Meaning) -> bool {
    let Meaning { server: _, key, subject, action, term, before, after } = then;
    *key == now.key
        && *subject == now.subject
        && *action == now.action
        && *term == now.term
        && *before == now.before
        && *after == now.after
}

/// What differs between what was approved and what is planned now.
fn difference(then: &Meaning, now: &Meaning) -> String {
    let mut parts = Vec::new();
    if then.action != now.action {
        let [then, now] = [then, now].map(|meaning| meaning.action.replace('_', " "));
        parts.push(format!("it was to {then}, and now to {now}"));
    }
    if then.term != now.term {
        parts.push(format!("it was to be {}, and now {}", term(&then.term), term(&now.term)));
    }
    if then.before != now.before {
        parts.push(format!("what is there has changed since: {}", change_of(&then.before, &now.before)));
    }
    if then.after != now.after {
        parts.push(format!("it would come to something else: {}", change_of(&then.after, &now.after)));
    }
    parts.join("; ")
}

/// `isolated with lease 24 h`, `isolated until 2026-12-01T15:00:00Z`.
fn term(term: &Option<String>) -> String {
    let seconds = |lease: &str| lease.parse().map(SignedDuration::from_secs);
    match term.as_deref() {
        None | Some("") => "ended".to_owned(),
        Some(term) => match term.strip_prefix("lease ").map(seconds) {
            Some(Ok(lease)) => format!("isolated with lease {}", display_duration(lease)),
            Some(Err(_)) => term.to_owned(),
            None => match term.strip_prefix("not_after ") {
                Some(not_after) => format!("started until {not_after}"),
                None => format!("isolated {term}"),
            },
        },
    }
}

/// `+9001509… −e3a1c02…`, `a rule where there was none`.
pub(super) fn change_of(then: &Option<Said>, now: &Option<Said>) -> String {
    match (then, now) {
        (None, None) => "nothing".to_owned(),
        (None, Some(now)) if now.is_empty() => "a rule in the place of none".to_owned(),
        (None, Some(now)) => format!("a rule in the place of none, {}", listed("+", now.iter())),
        (Some(_), None) => "no rule any more".to_owned(),
        (Some(then), Some(now)) => {
            let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
                (then.iter().collect(), now.iter().collect());
            let added = listed("+", now.iter().filter(|one| !before.contains(one)));
            let gone = listed("−", then.iter().filter(|one| !after.contains(one)));
            [added, gone].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn listed<'a>(sign: &str, all: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<String> = all.map(|one| format!("{sign}{one}")).collect();
    let named = all[..all.len().min(NAMED)].join(" ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

impl ServerState {
    /// What the server is in the record, where it could be read.
    pub fn key(&self) -> Option<&crate::model::ServerKey> {
        match self {
            Self::Read { key, .. } => Some(key),
            Self::ListNotBelieved { .. } | Self::Unrecorded { .. } | Self::Unreachable { .. } => None,
        }
    }
}
