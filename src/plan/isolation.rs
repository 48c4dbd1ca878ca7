//! What a declared isolation needs, by what is found (the table in the design, "Isolation").

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::term::{self, Spent, is_due, timeout_to_send};
use super::{Action, Change, End, FindingKind, ServerClock, Verdict, Whom, WhyUnknown};
use crate::declare::{DeclaredIsolation, Term, WantedIsolation};
use crate::model::{
    Aspect, Difference, Exclusions, Isolation, ReadFailure, Reading, Side, Subject, Target, display_duration,
    shell_word,
};
use crate::record::{Attribution, Recorded, RecordedRule};
use crate::resolve::DesiredHost;

/// What is known when one isolation is judged.
pub(super) struct Evidence<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) owner: &'a str,
    pub(super) clock: ServerClock,
    pub(super) now: Timestamp,
    /// A person named what is wanted.
    pub(super) by_hand: bool,
}

/// How one aspect stands and what it needs.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// What has to be done before the rule for all hosts is written: a host's rule gives hashes up.
    pub(super) first: Option<Change>,
    pub(super) change: Option<Change>,
    pub(super) findings: Vec<(FindingKind, String)>,
}

impl Judgement {
    pub(super) fn plain(verdict: Verdict) -> Self {
        Self { verdict, first: None, change: None, findings: Vec::new() }
    }

    pub(super) fn unknown(why: ReadFailure) -> Self {
        Self::plain(Verdict::Unknown(why))
    }

    pub(super) fn with(mut self, kind: FindingKind, message: impl Into<String>) -> Self {
        self.findings.push((kind, message.into()));
        self
    }
}

/// `hidden`: what groups declare, where the host's own entry counts in its place.
pub(super) fn judge(
    host: &Arc<DesiredHost>,
    (declared, hidden): (&DeclaredIsolation, Option<&DeclaredIsolation>),
    reading: Reading<Isolation>,
    evidence: &Evidence<'_>,
) -> Judgement {
    let found = match reading {
        Reading::Unknown(why) => return Judgement::unknown(why),
        Reading::Absent => None,
        Reading::Present(rule) => Some(rule),
    };
    let case = Case { host, declared, hidden, evidence };
    match &declared.want {
        WantedIsolation::Off if declared.cause.is_group() => case.check(found),
        WantedIsolation::Off => case.off(found),
        WantedIsolation::On { term, exclusions, reason } => {
            match term::is_spent(*term, evidence.clock, evidence.now) {
                Spent::Since(until) => case.spent(until, found),
                Spent::No => case.on(Wanted { term: *term, exclusions, reason: reason.as_ref() }, found),
            }
        }
    }
}

struct Case<'a> {
    host: &'a Arc<DesiredHost>,
    declared: &'a DeclaredIsolation,
    hidden: Option<&'a DeclaredIsolation>,
    evidence: &'a Evidence<'a>,
}

#[derive(Clone, Copy)]
struct Wanted<'a> {
    term: Term,
    exclusions: &'a Exclusions,
    reason: Option<&'a Arc<str>>,
}

impl Case<'_> {
    /// `off` in a host's own entry names the release.
    fn off(&self, found: Option<Isolation>) -> Judgement {
        match found {
            None => Judgement::plain(Verdict::InSync),
            Some(rule) => self.differs(Action::Release, Some(rule), None, None, Vec::new()),
        }
    }

    /// `off` from a group is a check: nobody named this host, so nobody releases it.
    fn check(&self, found: Option<Isolation>) -> Judgement {
        let Some(rule) = found else { return Judgement::plain(Verdict::InSync) };
        let clocks_agree = !matches!(self.evidence.clock, ServerClock::Apart(_));
        match self.end_of(&rule).0 {
            // The server goes on listing a rule after its end.
            End::Known(end) if clocks_agree && end <= self.evidence.now => Judgement::plain(Verdict::InSync),
            End::Known(_) | End::Unknown(_) => {
                let host = shell_word(&self.host.entry);
                let by = self.declared.cause.group_names();
                Judgement::plain(Verdict::LeftAlone).with(
                    FindingKind::GroupCheck,
                    format!("is isolated, declared off by {by}: `kedrctl release {host}`, or `kedrctl hold {host}`"),
                )
            }
        }
    }

    /// From its instant on an entry sets nothing again; its rule is ended only where it is ours and unchanged.
    fn spent(&self, until: Timestamp, found: Option<Isolation>) -> Judgement {
        let (whose, place, what) = if self.declared.cause.is_group() {
            ("set by this group", " in an entry of its own", "take it out of the group")
        } else {
            ("ours", "", "remove the entry")
        };
        // A host that a group isolates, and nobody did since an entry was left lying, is not as declared.
        let (without_rule, kind, remove_it) = match self.keeps_off() {
            Some((by, longer)) => (
                Verdict::LeftAlone,
                FindingKind::SpentNotOurs,
                format!(
                    "its time ended on {until:.0}, and it still keeps off {by}, which isolates this host until \
                     {longer:.0}: remove the entry, or write `isolation: off` where the host is to stay free"
                ),
            ),
            None => (Verdict::InSync, FindingKind::Spent, format!("its time ended on {until:.0}; {what}")),
        };
        let Some(rule) = found else { return Judgement::plain(without_rule).with(kind, remove_it) };
        if let ServerClock::Apart(_) = self.evidence.clock {
            return Judgement::unknown(clocks_apart("whether a rule whose time has ended may be removed"));
        }
        match self.evidence.recorded.isolation_in_force(self.host.sensor.id, &rule) {
            Some(_ours) if self.is_ours() && self.may_end() => self
                .differs(Action::EndSpent { until }, Some(rule), None, None, Vec::new())
                .with(kind, remove_it),
            of_ours => {
                let rule = match of_ours.and_then(|_ours| self.by_groups()) {
                    Some(by) => format!("a rule that {by} set"),
                    None => format!("a rule that the record does not show as {whose}"),
                };
                let message = format!(
                    "its time ended on {until:.0}, and {rule} is still listed; to end it write `isolation: \
                     off`{place}, else {what}"
                );
                Judgement::plain(Verdict::LeftAlone).with(FindingKind::SpentNotOurs, message)
            }
        }
    }

    /// The groups that isolate this host, were it not for its own entry, and until when.
    fn keeps_off(&self) -> Option<(String, Timestamp)> {
        let hidden = self.hidden?;
        match &hidden.want {
            WantedIsolation::On { term: Term::Until(until), .. }
                if !term::has_ended(Term::Until(*until), self.evidence.clock, self.evidence.now) =>
            {
                Some((hidden.cause.group_names().to_string(), *until))
            }
            // A lease from a group no file can declare.
            WantedIsolation::On { term: Term::Until(_) | Term::Lease(_), .. } | WantedIsolation::Off => None,
        }
    }

    fn on(&self, wanted: Wanted<'_>, found: Option<Isolation>) -> Judgement {
        let Some(rule) = found else {
            let action = Action::Isolate { term: wanted.term, is_lapsed: self.has_lapsed() };
            return self.isolate(action, wanted, None);
        };
        let (end, proven) = self.end_of(&rule);
        let clocks_agree = !matches!(self.evidence.clock, ServerClock::Apart(_));
        match end {
            End::Known(end) if clocks_agree && end <= self.evidence.now => {
                let action = Action::Isolate { term: wanted.term, is_lapsed: self.has_lapsed() };
                self.isolate(action, wanted, Some(rule))
            }
            // Which traffic goes through hangs on no instant.
            End::Known(_) | End::Unknown(_) if rule.exclusions != *wanted.exclusions => {
                self.isolate(Action::ChangeExclusions { term: wanted.term }, wanted, Some(rule))
            }
            // Who asks for containment now gets it, for the longer of the two remaining times.
            End::Known(_) | End::Unknown(_) if !clocks_agree && !self.evidence.by_hand => {
                Judgement::unknown(clocks_apart("when its isolation ends"))
            }
            End::Unknown(_) => {
                let mut judgement =
                    self.isolate(Action::Renew { term: wanted.term, end }, wanted, Some(rule));
                judgement.verdict = Verdict::EndUnknown;
                judgement
            }
            End::Known(set) if self.evidence.by_hand => {
                let action = Action::Renew { term: wanted.term, end };
                let mut judgement = self.isolate(action, wanted, Some(rule));
                judgement.verdict = Verdict::Renew;
                if let (Term::Until(until), Some(change)) = (wanted.term, &mut judgement.change)
                    && until < set
                {
                    change
                        .notes
                        .push(format!("ends earlier than what is set now, which lasts until {set:.0}"));
                }
                judgement
            }
            End::Known(_) => match proven {
                Some(ours) if is_due(wanted.term, &ours, self.evidence.now) => {
                    let mut judgement =
                        self.isolate(Action::Renew { term: wanted.term, end }, wanted, Some(rule));
                    judgement.verdict = Verdict::Renew;
                    judgement
                }
                Some(_) | None => Judgement::plain(Verdict::InSync),
            },
        }
    }

    /// The end of a listed rule: known only where the record shows that we set this very rule, and when.
    fn end_of(&self, rule: &Isolation) -> (End, Option<RecordedRule>) {
        let recorded = self.evidence.recorded;
        match recorded.isolation_in_force(self.host.sensor.id, rule) {
            Some(ours) if ours.clocks_apart => (End::Unknown(WhyUnknown::ClocksApart), None),
            Some(ours) => (End::Known(ours.end()), Some(ours)),
            None if recorded
                .isolations
                .get(&self.host.sensor.id)
                .is_some_and(|known| known.rule.is_some()) =>
            {
                (End::Unknown(WhyUnknown::ChangedByOthers), None)
            }
            None => (End::Unknown(WhyUnknown::NotRecorded), None),
        }
    }

    /// Whether a rule that we set for this very entry has run out: putting it back cuts nobody off who was not.
    fn has_lapsed(&self) -> bool {
        let has_ended = |rule: &RecordedRule| !rule.clocks_apart && rule.end() <= self.evidence.now;
        self.evidence.recorded.isolations.get(&self.host.sensor.id).is_some_and(|known| {
            known.by.entry.as_ref() == Some(&self.host.entry)
                && self.is_cause_of(&known.by)
                && *known.by.owner == *self.evidence.owner
                && known.rule.as_ref().is_some_and(has_ended)
        })
    }

    /// Whether a spent declaration may take a rule of ours away: only one that came from where the declaration
    /// comes from. A group that was left lying must not release by a pattern whom an entry keeps isolated, an entry
    /// that was left lying not whom a group does, and what a person set by hand neither of them ends.
    fn may_end(&self) -> bool {
        let last = self.evidence.recorded.last_write_of(self.subject());
        let settled = self.evidence.recorded.isolations.get(&self.host.sensor.id).map(|known| &known.by);
        let by_hand =
            |by: &Attribution| by.cause.as_ref().is_some_and(|cause| cause.origin().is_command_line());
        // Either may have set what is listed.
        last.is_some() && settled.into_iter().chain(last).all(|by| !by_hand(by) && self.is_cause_of(by))
    }

    /// Whether a write came from where this declaration comes from: the host's entry, or one of these groups.
    fn is_cause_of(&self, by: &Attribution) -> bool {
        match &by.cause {
            Some(cause) => cause.shares(&self.declared.cause),
            None => !self.declared.cause.is_group(),
        }
    }

    /// The groups for which this owner wrote the rule of a host last that has an entry of its own by now.
    fn by_groups(&self) -> Option<String> {
        let by = self.evidence.recorded.last_write_of(self.subject()).filter(|_| self.is_ours())?;
        let cause = by.cause.as_ref().filter(|cause| cause.is_group() && !self.declared.cause.is_group())?;
        Some(cause.group_names().to_string())
    }

    /// Whether this owner wrote the host's isolation last: what another one took over is theirs.
    fn is_ours(&self) -> bool {
        self.evidence.recorded.owner_of(self.subject()).is_some_and(|owner| **owner == *self.evidence.owner)
    }

    fn subject(&self) -> Subject {
        Subject { target: Target::Sensor(self.host.sensor.id), aspect: Aspect::Isolation }
    }

    fn isolate(&self, action: Action, wanted: Wanted<'_>, before: Option<Isolation>) -> Judgement {
        let (clock, now) = (self.evidence.clock, self.evidence.now);
        let timeout =
            timeout_to_send(wanted.term, clock, now, before.as_ref().map(|rule| rule.timeout_seconds));
        let after = Isolation {
            timeout_seconds: u64::from(timeout.seconds()),
            exclusions: Arc::clone(wanted.exclusions),
        };
        let mut notes = Vec::new();
        if let Term::Until(until) = wanted.term {
            let end = now.saturating_add(timeout.duration()).unwrap_or(until);
            // Rounding up, and the seconds that tell a timeout from the listed one, are not worth a word.
            if end.duration_since(until) > SignedDuration::from_mins(1) {
                let why = match clock {
                    ServerClock::Apart(_) => "by the clock that leaves the longer time",
                    ServerClock::Together(_) | ServerClock::NotGiven => {
                        "the server can not do less than an hour"
                    }
                };
                notes.push(format!(
                    "lasts until {end:.0}, {} longer than declared: {why}",
                    display_duration(end.duration_since(until))
                ));
            }
        }
        let may_end_earlier = before.as_ref().is_some_and(|rule| {
            rule.timeout_seconds > after.timeout_seconds && matches!(self.end_of(rule).0, End::Unknown(_))
        });
        if may_end_earlier {
            notes.push(
                "may end earlier than what is set now: a longer timeout is listed, and when it was set is not known"
                    .to_owned(),
            );
        }
        let judgement = self.differs(action, before, Some(after), wanted.reason.cloned(), notes);
        match clock {
            ServerClock::Apart(_) => {
                let unknown = clocks_apart("when the isolation that is set will end").to_string();
                judgement.with(FindingKind::Unknown, unknown)
            }
            ServerClock::Together(_) | ServerClock::NotGiven => judgement,
        }
    }

    fn differs(
        &self,
        action: Action,
        before: Option<Isolation>,
        after: Option<Isolation>,
        reason: Option<Arc<str>>,
        notes: Vec<String>,
    ) -> Judgement {
        Judgement {
            first: None,
            verdict: Verdict::Differs,
            change: Some(Change {
                subject: self.subject(),
                whom: Whom::Host(Arc::clone(self.host)),
                action,
                difference: Difference::Isolation(Side { before, after }),
                cause: self.declared.cause.clone(),
                reason,
                notes,
            }),
            findings: Vec::new(),
        }
    }
}

pub(super) fn clocks_apart(what: &str) -> ReadFailure {
    ReadFailure::new(format!("the server's clock and ours are too far apart to tell {what}"))
}
