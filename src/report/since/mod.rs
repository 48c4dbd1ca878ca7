//! `drift --since`: what became of the differences that an earlier run found.

mod seen;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use seen::{Earlier, EarlierError, read};

use super::json::Document;
use crate::model::{Subject, Target};
use crate::plan::{ServerPlan, ServerState};
use seen::{Key, Seen};

/// How each difference of now, and each of an earlier run, stands against the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The instant of the earlier result, as it says itself: RFC 3339.
    pub earlier: String,
    /// In the order of the files; then those of the earlier result that are none now.
    pub compared: Vec<Compared>,
    ages: BTreeMap<Key, Age>,
}

/// One difference, of now or of then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// `<server>/<host>/<aspect>` as its result has it, for people; not made safe to print.
    pub subject: String,
    /// As the files of its result call it.
    pub server: String,
    /// The host's identity, a UUID; `None`: the rule for all hosts.
    pub sensor_id: Option<String>,
    /// `isolation`, `prevention` or `task/<id>`.
    pub aspect: String,
    /// How it stands to the earlier result.
    pub age: Age,
    /// What a person should know of it: how it differed before, why nobody knows now.
    pub remark: Option<String>,
}

/// How a difference of now stands to an earlier result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// It did not differ, or not so.
    New,
    /// It differed then as it does now, or more.
    Still,
    /// It is as declared now.
    Gone,
    /// It differed then; of now nobody knows.
    NotKnown,
}

impl Age {
    /// The stable word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Still => "still",
            Self::Gone => "gone",
            Self::NotKnown => "not_known",
        }
    }
}

impl Since {
    /// How many differences are of this age.
    pub fn count(&self, age: Age) -> usize {
        self.compared.iter().filter(|one| one.age == age).count()
    }

    /// Of what differs now, and of what was looked at and differed then.
    pub(super) fn age(&self, server: &ServerPlan, subject: Subject) -> Option<Age> {
        let server = match &server.state {
            ServerState::Read { key, .. } => key.to_string(),
            ServerState::ListNotBelieved { .. }
            | ServerState::Unrecorded { .. }
            | ServerState::Unreachable { .. } => server.server.to_string(),
        };
        let sensor = match subject.target {
            Target::AllHosts => None,
            Target::Sensor(sensor) => Some(sensor.to_string()),
        };
        self.ages.get(&Key { server, sensor, aspect: subject.aspect.to_string() }).copied()
    }
}

/// Compares what is now with what an earlier run found.
///
/// # Errors
/// Where the document of now could not be read back.
pub fn compare(earlier: &Earlier, now: &Document) -> Result<Since, EarlierError> {
    let (before, now) = (&earlier.0, Seen::of(now)?);
    let mut since = Since { earlier: before.now.clone(), compared: Vec::new(), ages: BTreeMap::new() };
    for subject in &now.subjects {
        let was = before.subject(&subject.key);
        let (age, remark) = match (subject.differs(), was) {
            (true, None) => (Age::New, None),
            (true, Some(was)) if !was.differs() => {
                (Age::New, (!was.is_in_sync()).then(|| format!("it was {} then", was.word())))
            }
            (true, Some(was)) if subject.is_within(was) => (Age::Still, None),
            (true, Some(_)) => (Age::New, Some("it differed then too, and otherwise".to_owned())),
            (false, Some(was)) if was.differs() && subject.is_in_sync() => (Age::Gone, None),
            (false, Some(was)) if was.differs() => {
                (Age::NotKnown, Some(format!("it is {} now", subject.word())))
            }
            (false, _) => continue,
        };
        since.ages.insert(subject.key.clone(), age);
        since.compared.push(subject.compared(age, remark));
    }
    for was in before.subjects.iter().filter(|was| was.differs() && now.subject(&was.key).is_none()) {
        let remark = if now.is_read(&was.key.server) {
            "not looked at now: it is not declared or not selected any more, or who is meant is not known"
        } else {
            "its server was not read now"
        };
        since.compared.push(was.compared(Age::NotKnown, Some(remark.to_owned())));
    }
    Ok(since)
}
