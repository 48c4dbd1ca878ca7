//! Who wrote a subject last, as far as the record tells.

use jiff::Timestamp;

use crate::model::{Difference, Isolation, Side, Subject, Target};
use crate::plan::{Change, RuleChange};
use crate::record::{Attribution, Recorded, RecordedIsolation};

/// What the record tells of a subject's past.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastWrite<'a> {
    /// Our last write; `None`: the record shows none.
    pub(super) write: Option<&'a Attribution>,
    /// Whether what differs is not what we set: somebody else wrote since. `None`: nothing differs, or nobody knows.
    pub(super) is_changed_by_others: Option<bool>,
}

impl<'a> LastWrite<'a> {
    /// `changes`: those that the plan has for this subject.
    pub(super) fn of(subject: Subject, changes: &[&Change], recorded: &'a Recorded, now: Timestamp) -> Self {
        // A write that may be under way says nothing about whose the rule is.
        let is_open = recorded.open.iter().any(|open| open.subject == subject);
        let differing = changes.iter().filter(|change| !change.action.is_renewal());
        let is_changed_by_others = differing
            .filter(|_| !is_open)
            .filter_map(|change| is_by_others(change, recorded, now))
            .reduce(|one, other| one || other);
        Self { write: recorded.last_write_of(subject), is_changed_by_others }
    }
}

fn is_by_others(change: &Change, recorded: &Recorded, now: Timestamp) -> Option<bool> {
    match (&change.difference, change.subject.target) {
        (Difference::Isolation(Side { before, .. }), Target::Sensor(sensor)) => {
            isolation_is_by_others(before.as_ref(), recorded.isolations.get(&sensor), now)
        }
        // Whose a task is, its id tells: nobody else makes the same.
        (Difference::Isolation(_), Target::AllHosts) | (Difference::Task(..), _) => None,
        (Difference::Prevention(Side { before, .. }), target) => {
            let rule = change.action.rule_change()?;
            match recorded.preventions.get(&target) {
                Some(known) => {
                    let is_there = |hash| before.as_ref().is_some_and(|rule| rule.objects.contains_key(hash));
                    let is_taken_out = known.ours.iter().any(|hash| !is_there(hash));
                    Some(is_taken_out || loses_foreign(rule, |hash| known.ours.contains(hash)))
                }
                // Nothing of ours was ever there: what is too much is of others.
                None => loses_foreign(rule, |_| false).then_some(true),
            }
        }
    }
}

fn loses_foreign(rule: &RuleChange, is_ours: impl Fn(&crate::model::FileHash) -> bool) -> bool {
    rule.removed.iter().any(|removed| !is_ours(&removed.hash))
}

fn isolation_is_by_others(
    found: Option<&Isolation>,
    known: Option<&RecordedIsolation>,
    now: Timestamp,
) -> Option<bool> {
    let ours = known.map(|known| known.rule.as_ref());
    match (found, ours) {
        // There is a rule, and we never wrote here, or we deleted it.
        (Some(_), None | Some(None)) => Some(true),
        (Some(found), Some(Some(ours))) => Some(*found != ours.listed),
        // A rule of ours that has run out may be listed or not.
        (None, Some(Some(ours))) => Some(now < ours.end()),
        (None, Some(None)) => Some(false),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;
    use crate::record::{RecordedPrevention, RecordedRule};
    use crate::report::sample;

    fn by() -> Attribution {
        Attribution {
            owner: "soc-gitops".into(),
            run: "41".into(),
            entry: None,
            cause: None,
            reason: None,
            commit: None,
            at: sample::at("2026-11-25T06:40:00Z"),
        }
    }

    #[test]
    fn a_rule_that_is_not_what_we_set_is_of_others() {
        let rule = |hours: u64, listed: &Isolation| RecordedRule {
            listed: listed.clone(),
            sent_timeout_seconds: hours * 3_600,
            sent_at: sample::now() - SignedDuration::from_hours(10),
            verified_at: None,
            clocks_apart: false,
        };
        let (one, other) = (sample::isolation(&[1]), sample::isolation(&[2]));
        let known = |rule| RecordedIsolation { by: by(), rule, verified_at: sample::now() };
        let judged = |found: Option<&Isolation>, known: Option<RecordedIsolation>| {
            isolation_is_by_others(found, known.as_ref(), sample::now())
        };
        assert_eq!(judged(None, None), None, "nobody was ever here");
        assert_eq!(judged(Some(&one), None), Some(true));
        assert_eq!(judged(Some(&one), Some(known(None))), Some(true));
        assert_eq!(judged(None, Some(known(None))), Some(false));
        assert_eq!(judged(Some(&one), Some(known(Some(rule(24, &one))))), Some(false));
        assert_eq!(judged(Some(&one), Some(known(Some(rule(24, &other))))), Some(true));
        assert_eq!(judged(None, Some(known(Some(rule(24, &one))))), Some(true), "it was deleted");
        assert_eq!(judged(None, Some(known(Some(rule(8, &one))))), Some(false), "it has run out");
    }

    #[test]
    fn hashes_that_we_did_not_take_out_were_taken_out_by_others() {
        let host = sample::host(1, "WS-001");
        let change = sample::block(Arc::clone(&host), 1, 0);
        let told = |ours: &[usize]| {
            let ours = Arc::new(ours.iter().map(|n| sample::hash(*n)).collect());
            let mut recorded = Recorded::default();
            let known = RecordedPrevention { by: by(), ours, verified_at: sample::now() };
            recorded.preventions.insert(change.subject.target, known);
            LastWrite::of(change.subject, &[&change], &recorded, sample::now()).is_changed_by_others
        };
        assert_eq!(told(&[1_000]), Some(false), "the files ask for one more");
        assert_eq!(told(&[500, 1_000]), Some(true), "one of ours is missing");
        let empty = Recorded::default();
        let nobody = LastWrite::of(change.subject, &[&change], &empty, sample::now());
        assert!(nobody.write.is_none() && nobody.is_changed_by_others.is_none());
    }
}
