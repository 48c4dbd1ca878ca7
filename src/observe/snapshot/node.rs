use std::sync::Arc;

use super::{Failure, FailureKind, Readings, ServerSnapshot};
use crate::central_node::{Call, CallError, CallErrorKind, Listing, ReadSettings};
use crate::model::{Clock, Isolation, ListedTask, PreventionRule, Reading, SensorId, Target, TaskId};

/// A server as a snapshot saw it. It can be read and not written, and whoever asks what the snapshot did not read is
/// told so: not knowing is never "absent".
#[derive(Debug, Clone)]
pub struct SnapshotNode {
    /// `Err`: what to say instead of a host list.
    seen: Result<Arc<ServerSnapshot>, Failure>,
    has_all_hosts: bool,
}

impl SnapshotNode {
    /// Answers as this snapshot does. `has_all_hosts`: it was made of all hosts, so what is not in it is not there.
    pub fn new(seen: Arc<ServerSnapshot>, has_all_hosts: bool) -> Self {
        Self { seen: Ok(seen), has_all_hosts }
    }

    /// A server that the snapshot does not have; `why` is safe to print.
    pub fn missing(why: String) -> Self {
        Self { seen: Err(Failure { kind: FailureKind::Other, text: why }), has_all_hosts: false }
    }

    /// See [`ServerSnapshot::why_unrecorded`].
    pub fn why_unrecorded(&self) -> Option<&str> {
        match &self.seen {
            Ok(seen) => seen.why_unrecorded(),
            Err(_not_in_it) => None,
        }
    }

    fn readings(&self, call: Call) -> Result<&Readings, CallError> {
        match &self.seen {
            Ok(seen) => seen.readings.as_ref().map_err(|failure| told(call, failure)),
            Err(failure) => Err(told(call, failure)),
        }
    }

    fn answer<T>(&self, call: Call, reading: Option<&Reading<T>>) -> Result<Option<T>, CallError>
    where
        T: Clone,
    {
        let other = |text: String| told(call, &Failure { kind: FailureKind::Other, text });
        match reading {
            Some(Reading::Present(value)) => Ok(Some(value.clone())),
            Some(Reading::Absent) => Ok(None),
            Some(Reading::Unknown(why)) => Err(other(why.to_string())),
            None if self.has_all_hosts => Err(other("the snapshot did not read it".to_owned())),
            None => Err(other(
                "the snapshot did not read it, since no file declared it then; `kedrctl snapshot --all-hosts` reads \
                 every listed host"
                    .to_owned(),
            )),
        }
    }
}

impl ReadSettings for SnapshotNode {
    async fn hosts(&self, _clock: &dyn Clock) -> Result<Listing, CallError> {
        self.readings(Call::Hosts).map(|readings| readings.listing.clone())
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        let call = Call::Isolation(sensor);
        let readings = self.readings(call)?;
        match &readings.stopped {
            Some(failure) => Err(told(call, failure)),
            None => self.answer(call, readings.observed.isolations.get(&sensor)),
        }
    }

    async fn prevention(&self, target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        let call = Call::Prevention(target);
        let readings = self.readings(call)?;
        match &readings.stopped {
            Some(failure) => Err(told(call, failure)),
            None => self.answer(call, readings.observed.preventions.get(&target)),
        }
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        let call = Call::Task(id);
        let readings = self.readings(call)?;
        match (&readings.stopped, readings.observed.tasks.get(&id)) {
            (Some(failure), _) => Err(told(call, failure)),
            (None, None) => {
                let text = "the snapshot did not read this task, since no file declared it then".to_owned();
                Err(told(call, &Failure { kind: FailureKind::Other, text }))
            }
            (None, reading) => self.answer(call, reading),
        }
    }
}

/// The same text again, and what follows from it.
fn told(call: Call, failure: &Failure) -> CallError {
    let kind = match failure.kind {
        FailureKind::Lost => CallErrorKind::CannotConnect,
        FailureKind::Stops => CallErrorKind::NotAuthorised,
        FailureKind::Other | FailureKind::Unrecorded => CallErrorKind::NotUnderstood,
    };
    CallError::told(call, kind, failure.text.as_str())
}
