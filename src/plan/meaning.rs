//! What a change means, free of times, order and of the line that asks for it: what a plan's id is a digest of, and
//! what an approval is compared by.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Action, Change, Plan, ServerState};
use crate::declare::Term;
use crate::model::{Difference, Exclusions, Hexadecimal, PreventionRule, Program};

/// Several things that were or would be set, each as text; shared where many hosts have the same.
pub type Said = Arc<[String]>;

/// One change. Two that mean the same have equal meanings, whoever planned them and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// As the files call the server.
    pub server: String,
    /// What the server is in the record.
    pub key: String,
    /// A sensor id or `all`, and the aspect: `5b0d2c1e-…/isolation`.
    pub subject: String,
    /// The stable word for what is done, by [`Action::as_str`].
    pub action: String,
    /// How long an isolation is meant to last, or until when a program may be started; empty where it is ended. `None`: what is changed has no end.
    pub term: Option<String>,
    /// `None`: there is nothing.
    pub before: Option<Said>,
    /// `None`: there would be nothing.
    pub after: Option<Said>,
}

impl Plan {
    /// A digest (64 hexadecimal digits) of servers, addresses, declared values, before and after; free of times, of
    /// order and of renewals that set nothing but a later end, which need no approval. The same text means the
    /// same changes.
    pub fn id(&self) -> String {
        id_of(&self.meanings())
    }

    /// What its changes mean, without those that need no approval.
    pub fn meanings(&self) -> Vec<Meaning> {
        let mut said = SaidOnce::default();
        let mut meanings = Vec::new();
        for server in &self.servers {
            let key = match &server.state {
                ServerState::Read { key, .. } => key.as_str(),
                ServerState::ListNotBelieved { .. }
                | ServerState::Unrecorded { .. }
                | ServerState::Unreachable { .. } => "unread",
            };
            for change in server.changes().filter(|change| !change.needs_no_approval()) {
                meanings.push(said.meaning(server.server.as_str(), key, change));
            }
        }
        meanings
    }
}

/// The id of a plan whose changes mean this, in whatever order they are given.
pub fn id_of(meanings: &[Meaning]) -> String {
    let mut lines: Vec<(String, &Meaning)> =
        meanings.iter().map(|meaning| (meaning.head(), meaning)).collect();
    let mut written = Written::default();
    // Whole lines are long where rules are: they are written out only where two begin alike.
    lines.sort_by(|(a, one), (b, other)| {
        a.cmp(b).then_with(|| one.line(&mut written).concat().cmp(&other.line(&mut written).concat()))
    });
    let mut digest = Sha256::new();
    for (_, meaning) in lines {
        for part in meaning.line(&mut written) {
            digest.update(&*part);
        }
        digest.update(b"\n");
    }
    Hexadecimal(&digest.finalize()).to_string()
}

impl Meaning {
    fn head(&self) -> String {
        format!("{}\t{}\t{}\t{}\t", self.server, self.key, self.subject, self.action)
    }

    /// What ids are made of, in parts. It must never change: an id that was approved has to stay what it is.
    fn line(&self, written: &mut Written) -> [Arc<str>; 5] {
        let term = self.term.as_ref().map_or_else(String::new, |term| format!("{term}\t"));
        let (before, after) = (written.text(&self.before), written.text(&self.after));
        [self.head().into(), term.into(), before, "\t".into(), after]
    }
}

/// What many hosts have is written out once; the meanings outlive it, so that none lies where another one did.
#[derive(Default)]
struct Written(BTreeMap<*const [String], Arc<str>>);

impl Written {
    fn text(&mut self, said: &Option<Said>) -> Arc<str> {
        let text = || format!("{said:?}").into();
        match said {
            None => text(),
            Some(some) => Arc::clone(self.0.entry(Arc::as_ptr(some)).or_insert_with(text)),
        }
    }
}

/// Rules that are one in memory are one list of texts.
#[derive(Default)]
struct SaidOnce(BTreeMap<usize, Said>);

impl SaidOnce {
    fn meaning(&mut self, server: &str, key: &str, change: &Change) -> Meaning {
        let (term, before, after) = match &change.difference {
            Difference::Isolation(side) => {
                let exclusions = |rule: &crate::model::Isolation| exclusions(&rule.exclusions);
                let (before, after) = (side.before.as_ref(), side.after.as_ref());
                (Some(term(&change.action)), before.map(exclusions), after.map(exclusions))
            }
            Difference::Prevention(side) => {
                let (before, after) = (side.before.as_ref(), side.after.as_ref());
                (None, before.map(|rule| self.hashes(rule)), after.map(|rule| self.hashes(rule)))
            }
            Difference::Task(_, side) => {
                let program = |program: &Arc<Program>| Said::from([format!("{program:?}")]);
                let (before, after) = (side.before.as_ref(), side.after.as_ref());
                (Some(term(&change.action)), before.map(program), after.map(program))
            }
        };
        Meaning {
            server: server.to_owned(),
            key: key.to_owned(),
            subject: change.subject.to_string(),
            action: change.action.as_str().to_owned(),
            term,
            before,
            after,
        }
    }

    fn hashes(&mut self, rule: &Arc<PreventionRule>) -> Said {
        let said = self.0.entry(Arc::as_ptr(rule).addr());
        Arc::clone(said.or_insert_with(|| rule.objects.keys().map(ToString::to_string).collect()))
    }
}

fn term(action: &Action) -> String {
    match (action.term(), action.not_after()) {
        (Some(Term::Until(until)), _) => format!("until {until}"),
        (Some(Term::Lease(lease)), _) => format!("lease {}", lease.seconds()),
        (None, Some(not_after)) => format!("not_after {not_after}"),
        (None, None) => String::new(),
    }
}

fn exclusions(exclusions: &Exclusions) -> Said {
    exclusions.iter().map(ToString::to_string).collect()
}
