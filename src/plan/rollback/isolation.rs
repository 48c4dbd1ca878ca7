//! Undoing what a run did to the isolation of a host. Only what the record proves is put back, for the time that it
//! would have had: the server tells no end.

use jiff::{SignedDuration, Timestamp};

use super::{Acts, END_SPENT, Kept, RENEW, Undo, told};
use crate::declare::{Term, WantedIsolation};
use crate::model::{Isolation, Side, Subject, Target, shell_word};
use crate::record::{Act, ActOutcome, ActValues, Deed, Recorded, is_listed_as_sent};

/// What has to be read for it to be safe.
#[derive(Debug)]
pub(super) struct Expected {
    what: Stands,
    /// Who changed it since, by the record.
    changed_by: Option<String>,
}

#[derive(Debug)]
enum Stands {
    /// The rule that the run set, or a renewal of it; with the exclusions before, where these are put back.
    Ours { before: Option<Isolation> },
    /// No rule. The one before the run may stand there still where nobody knows whether the run released.
    Nothing { before: Isolation, is_open: bool },
}

pub(super) fn undo(acts: &Acts<'_>, label: &str, now: Timestamp) -> Undo<WantedIsolation, Expected> {
    let changing = |deed: &&Deed<'_>| &*deed.act.action != RENEW;
    let Some(first) = acts.its.iter().find(changing) else {
        return Undo::Leave(
            "was renewed by that run, and keeps its end: an earlier one would free it sooner".to_owned(),
        );
    };
    let (Some(side), Some(last)) = (side(first.act), acts.its.last().and_then(|deed| side(deed.act))) else {
        return Undo::Leave("nothing is known of it".to_owned());
    };
    let expected = |what| Expected { what, changed_by: acts.changed_by().map(told) };
    let host = shell_word(label);
    // `isolate`: no rule was in force, whatever was still listed.
    let before = side.before.as_ref().filter(|_| &*first.act.action != "isolate");
    match (before, &last.after) {
        (None, None) => Undo::Leave("was isolated and released by that run".to_owned()),
        (None, Some(_)) => Undo::By(WantedIsolation::Off, expected(Stands::Ours { before: None })),
        (Some(_), None) if &*first.act.action == END_SPENT => {
            Undo::Leave("had a rule whose time was over; it is not put back".to_owned())
        }
        (Some(before), None) => match end_of(before, &acts.earlier) {
            Some(end) if end > now => {
                let is_open = acts.is_open();
                let stands = Stands::Nothing { before: before.clone(), is_open };
                Undo::By(again(before, end), expected(stands))
            }
            Some(end) => {
                Undo::Leave(format!("would not be isolated any more: the rule before had its end on {end:.0}"))
            }
            None => Undo::Cannot(format!(
                "was released, and when its rule would have ended the record does not know: isolate it with `kedrctl \
                 isolate {host} --for TIME`, or let the files say `isolation: {{ until: … }}`"
            )),
        },
        (Some(before), Some(_)) => match end_of(before, &acts.earlier) {
            Some(end) if end > now => {
                Undo::By(again(before, end), expected(Stands::Ours { before: Some(before.clone()) }))
            }
            Some(end) => Undo::Cannot(format!(
                "its rule before would have ended on {end:.0}: to release it, `kedrctl release {host}`; to change its \
                 exclusions, let the files say them"
            )),
            None => Undo::Cannot(
                "when its rule before would have ended the record does not know, so that it can not be set again: let \
                 the files say its exclusions"
                    .to_owned(),
            ),
        },
    }
}

fn again(before: &Isolation, end: Timestamp) -> WantedIsolation {
    let exclusions = std::sync::Arc::clone(&before.exclusions);
    WantedIsolation::On { term: Term::Until(end), exclusions, reason: None }
}

/// When a rule that the run found would have ended: only where the last act of ours before it set this very rule.
fn end_of(found: &Isolation, earlier: &[Deed<'_>]) -> Option<Timestamp> {
    let act = earlier.last()?.act;
    let ActOutcome::Done { sent_at, listed_timeout_seconds } = act.outcome else { return None };
    let sent = side(act)?.after.as_ref()?;
    let listed = listed_timeout_seconds.unwrap_or(sent.timeout_seconds);
    if act.clocks_apart || listed != found.timeout_seconds || !is_listed_as_sent(sent, found) {
        return None;
    }
    // As the ledger counts: the soonest that it may have been.
    let seconds = i64::try_from(sent.timeout_seconds.min(listed)).unwrap_or(i64::MAX);
    Some(sent_at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
}

fn side(act: &Act) -> Option<&Side<Isolation>> {
    match &act.values {
        ActValues::Isolation(side) => Some(side),
        ActValues::Prevention(_) | ActValues::Task(_) => None,
    }
}

impl Expected {
    pub(super) fn judge(&self, found: Option<&Isolation>, subject: Subject, recorded: &Recorded) -> Kept {
        let Target::Sensor(sensor) = subject.target else {
            return Kept::No("there is no isolation of all hosts".to_owned());
        };
        match (&self.what, found) {
            (Stands::Nothing { before, is_open: true }, Some(rule)) if rule == before => {
                return Kept::AsBefore;
            }
            (Stands::Ours { before: Some(before) }, Some(rule)) if rule.exclusions == before.exclusions => {
                return Kept::AsBefore;
            }
            (Stands::Ours { .. } | Stands::Nothing { .. }, _) => {}
        }
        if let Some(by) = &self.changed_by {
            return Kept::No(format!("was changed since by {by}, and is left as it is"));
        }
        let is_ours = found.is_some_and(|rule| recorded.isolation_in_force(sensor, rule).is_some());
        match (&self.what, found) {
            (Stands::Ours { .. }, Some(_)) if is_ours => Kept::Yes,
            (Stands::Nothing { .. }, None) => Kept::Yes,
            (Stands::Ours { .. }, Some(_)) => Kept::No(
                "has another rule by now than the record shows: somebody else set it, and it is left as it is".to_owned(),
            ),
            (Stands::Nothing { .. }, Some(_)) => {
                Kept::No("was isolated since by somebody else, and is left as it is".to_owned())
            }
            (Stands::Ours { .. }, None) => {
                Kept::No("was released since by somebody else, and is left as it is".to_owned())
            }
        }
    }
}
