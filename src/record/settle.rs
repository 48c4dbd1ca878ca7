//! What an open intention became, judged by what is read now. Pure.
//!
//! The rule: the intention counts as done by us where the reading equals its value and differs from the value
//! before; else the older time holds. What could not be read settles nothing.

use std::borrow::Borrow;
use std::sync::Arc;

use super::ours::ours_after;
use super::{OpenIntention, Recorded, RecordedRule, Settled};
use crate::model::{
    Aspect, Difference, FileHash, HashSet, Isolation, ListedTask, PreventionRule, Reading, SensorId, Side,
    Subject, Target, TaskId,
};

impl Recorded {
    /// The evidence for exactly this observed rule: that we set this very rule (the same exclusions, the timeout
    /// as it was listed then), and when. `None`: its end is not known.
    pub fn isolation_in_force(&self, sensor: SensorId, observed: &Isolation) -> Option<RecordedRule> {
        let open = self.open_isolations(sensor);
        if let Some((intention, side)) = open.iter().find(|(_, side)| is_isolation_done(side, Some(observed)))
        {
            let sent = side.after.as_ref().map_or(observed.timeout_seconds, |sent| sent.timeout_seconds);
            return Some(RecordedRule {
                listed: observed.clone(),
                sent_timeout_seconds: sent,
                sent_at: intention.by.at,
                verified_at: None,
                clocks_apart: intention.clocks_apart,
            });
        }
        self.isolations.get(&sensor)?.rule.clone().filter(|rule| rule.listed == *observed)
    }

    /// Whether there can be any of [`Self::ours_in`]: of most hosts of a fleet the record knows nothing.
    pub fn may_have_ours_in(&self, target: Target) -> bool {
        let subject = Subject { target, aspect: Aspect::Prevention };
        self.preventions.contains_key(&target) || self.open.iter().any(|open| open.subject == subject)
    }

    /// Those of the observed hashes that we added, open intentions considered.
    pub fn ours_in(&self, target: Target, observed: &HashSet) -> HashSet {
        let mut ours =
            self.preventions.get(&target).map_or_else(HashSet::new, |known| HashSet::clone(&known.ours));
        let open = self.open_preventions(target);
        let judged = judge_preventions(open.iter().map(|(_, side)| *side), observed);
        for ((intention, side), is_done) in open.iter().zip(judged) {
            if is_done {
                ours = ours_after(&ours, side, intention.foreign.as_deref());
            }
        }
        ours.intersection(observed).copied().collect()
    }

    /// Judges the open intentions for a host's isolation, oldest first. Where several fit the reading, the
    /// earliest is the one that counts, since its end is the soonest.
    pub fn settle_isolation(&self, sensor: SensorId, reading: &Reading<Isolation>) -> Vec<Settled> {
        let observed = match reading {
            Reading::Unknown(_) => return Vec::new(),
            Reading::Absent => None,
            Reading::Present(isolation) => Some(isolation),
        };
        let open = self.open_isolations(sensor);
        let done = open.iter().position(|(_, side)| is_isolation_done(side, observed));
        let judged = open.iter().enumerate().map(|(index, (intention, _))| {
            let is_done = done == Some(index);
            let listed = observed.filter(|_| is_done).map(|isolation| isolation.timeout_seconds);
            settled(intention, is_done, listed)
        });
        judged.collect()
    }

    /// Judges the open intentions for a prevention rule, oldest first.
    pub fn settle_prevention<R>(&self, target: Target, reading: &Reading<R>) -> Vec<Settled>
    where
        R: Borrow<PreventionRule>,
    {
        let observed = match reading {
            Reading::Unknown(_) => return Vec::new(),
            Reading::Absent => HashSet::new(),
            Reading::Present(rule) => rule.borrow().hashes(),
        };
        let open = self.open_preventions(target);
        let judged = judge_preventions(open.iter().map(|(_, side)| *side), &observed);
        open.iter().zip(judged).map(|((intention, _), is_done)| settled(intention, is_done, None)).collect()
    }

    /// Judges the open intentions for a task, oldest first: whether it is there now, and was not when each was put down,
    /// or the other way round. Its id says what it is.
    pub fn settle_task(&self, id: TaskId, reading: &Reading<ListedTask>) -> Vec<Settled> {
        let is_there = match reading {
            Reading::Unknown(_) => return Vec::new(),
            Reading::Absent => false,
            Reading::Present(_) => true,
        };
        let open = self.open.iter().filter_map(|open| match &open.difference {
            Difference::Task(of, side) if *of == id => Some((open, side)),
            Difference::Task(..) | Difference::Isolation(_) | Difference::Prevention(_) => None,
        });
        open.map(|(open, Side { before, after })| {
            let is_done = before.is_some() != is_there && after.is_some() == is_there;
            settled(open, is_done, None)
        })
        .collect()
    }

    fn open_isolations(&self, sensor: SensorId) -> Vec<(&OpenIntention, &Side<Isolation>)> {
        let subject = Subject { target: Target::Sensor(sensor), aspect: Aspect::Isolation };
        let open = self.open.iter().filter(|open| open.subject == subject);
        open.filter_map(|open| match &open.difference {
            Difference::Isolation(side) => Some((open, side)),
            Difference::Prevention(_) | Difference::Task(..) => None,
        })
        .collect()
    }

    fn open_preventions(&self, target: Target) -> Vec<(&OpenIntention, &Side<Arc<PreventionRule>>)> {
        let subject = Subject { target, aspect: Aspect::Prevention };
        let open = self.open.iter().filter(|open| open.subject == subject);
        open.filter_map(|open| match &open.difference {
            Difference::Isolation(_) | Difference::Task(..) => None,
            Difference::Prevention(side) => Some((open, side)),
        })
        .collect()
    }
}

fn settled(open: &OpenIntention, is_done: bool, listed_timeout_seconds: Option<u64>) -> Settled {
    Settled { run: open.by.run.clone(), number: open.number, is_done, listed_timeout_seconds }
}

/// Whether what is read is what was meant to be, and is not what was there before.
pub(super) fn is_isolation_done(side: &Side<Isolation>, observed: Option<&Isolation>) -> bool {
    // Equal to what was listed before: nothing tells them apart, also where a server rounds the timeout.
    if observed == side.before.as_ref() {
        return false;
    }
    match (&side.after, observed) {
        (None, None) => true,
        (Some(sent), Some(listed)) => is_listed_as_sent(sent, listed),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether a server that was sent `sent` may list it as `listed`: a timeout may be rounded to whole hours.
pub fn is_listed_as_sent(sent: &Isolation, listed: &Isolation) -> bool {
    const HOUR: u64 = 3_600;
    let (meant, shown) = (sent.timeout_seconds, listed.timeout_seconds);
    let is_rounded = shown.is_multiple_of(HOUR) && shown.abs_diff(meant) < HOUR;
    sent.exclusions == listed.exclusions && (meant == shown || is_rounded)
}

/// One judgement per intention, given oldest first. What a later one found before it wrote is a reading as good
/// as the last: it shows that the earlier one was carried out, though the rule was changed again since.
pub(super) fn judge_preventions<'a>(
    sides: impl Iterator<Item = &'a Side<Arc<PreventionRule>>>,
    observed: &HashSet,
) -> Vec<bool> {
    let sides: Vec<_> = sides.collect();
    let is_done = |(index, side): (usize, &&Side<_>)| {
        let later = &sides[index + 1..];
        is_prevention_done(side, observed.iter())
            || later.iter().any(|later| is_prevention_done(side, hashes(later.before.as_ref())))
    };
    sides.iter().enumerate().map(is_done).collect()
}

/// As for isolation; a rule is what it blocks, whatever names stand beside the hashes.
pub(super) fn is_prevention_done<'a>(
    side: &Side<Arc<PreventionRule>>,
    observed: impl Iterator<Item = &'a FileHash> + Clone,
) -> bool {
    observed.clone().eq(hashes(side.after.as_ref())) && !observed.eq(hashes(side.before.as_ref()))
}

pub(super) fn hashes(rule: Option<&Arc<PreventionRule>>) -> impl Iterator<Item = &FileHash> + Clone {
    rule.into_iter().flat_map(|rule| rule.objects.keys())
}
