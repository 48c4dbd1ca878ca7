//! The Endpoint Agent on a host: what it last fetched, and what of that is in effect by its own clock.
//!
//! Contacts are computed when somebody asks, never run: an idle fleet costs nothing. This is exact as long as
//! [`Agent::catch_up`] is called before the rules of its host change.

mod schedule;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use schedule::Contacts;

use crate::world::{IsolationRule, PreventionRule};

/// An isolated host without contact for longer than this drops the isolation by itself (response-api.md,
/// section 3, topic 194902).
pub const DROPS_AFTER: SignedDuration = SignedDuration::from_hours(5);

/// How often an agent is in contact unless told otherwise.
pub const CONTACT_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// `None`: it is off, and only [`contact`](Agent::contact) reaches it.
    pub contact_every: Option<SignedDuration>,
    /// By how much its clock is ahead of the world's; an isolation's end is judged by it.
    pub clock_offset: SignedDuration,
    /// Whether a restart drops isolation until the next contact.
    pub restart_drops_isolation: bool,
    /// The last contact that was caught up with; `None`: it has never been in contact.
    pub last_contact: Option<Timestamp>,
    /// Where the intervals are counted from, when not from the last contact: it was switched on since.
    pub counted_from: Option<Timestamp>,
    /// What it got then.
    pub fetched: Rules,
    /// Which version of the rule for all hosts it got, where the time alone does not tell: at a contact out of
    /// turn, which may come at the very instant of a change.
    pub fetched_version: Option<u64>,
    /// Whether it was restarted since and dropped isolation.
    pub dropped_by_restart: bool,
}

/// The rules of one host; the rule for all hosts is kept apart.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Its isolation.
    pub isolation: Option<Arc<IsolationRule>>,
    /// The files that are blocked on it.
    pub prevention: Option<Arc<PreventionRule>>,
}

/// What tells a version of the rule for all hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchedVersion {
    /// The one that stood at this instant.
    At(Timestamp),
    /// The one of this number.
    Number(u64),
}

impl Default for Agent {
    fn default() -> Agent {
        Agent {
            contact_every: Some(CONTACT_EVERY),
            clock_offset: SignedDuration::ZERO,
            restart_drops_isolation: false,
            last_contact: None,
            counted_from: None,
            fetched: Rules::default(),
            fetched_version: None,
            dropped_by_restart: false,
        }
    }
}

impl Agent {
    /// The contacts that were due since the last one that was caught up with.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Contacts> {
        schedule::due(self.counted_from.or(self.last_contact)?, self.contact_every?, now)
    }

    /// The last contact before or at `now`.
    #[must_use]
    pub fn last_access(&self, now: Timestamp) -> Option<Timestamp> {
        self.due(now).map(|due| due.last).or(self.last_contact)
    }

    /// Lets the contacts happen that were due, with the rules that stood all that time. Returns them.
    pub fn catch_up(&mut self, now: Timestamp, rules: &Rules) -> Option<Contacts> {
        let due = self.due(now);
        if let Some(due) = due {
            self.meet(due.last, rules);
        }
        due
    }

    /// A contact out of turn; the next one is due a whole interval later. `version` is that of the rule for all
    /// hosts.
    pub fn contact(&mut self, now: Timestamp, rules: &Rules, version: u64) {
        self.meet(now, rules);
        self.fetched_version = Some(version);
    }

    /// From now on it is in contact so often; `None` switches it off.
    pub fn set_contact_every(&mut self, every: Option<SignedDuration>, now: Timestamp) {
        self.contact_every = every;
        self.counted_from = Some(now);
    }

    /// What tells which version of the rule for all hosts it goes by; `None`: it has never been in contact.
    #[must_use]
    pub fn version(&self, now: Timestamp) -> Option<FetchedVersion> {
        let (due, version) = (self.due(now), self.fetched_version);
        match (due, version) {
            (Some(due), _) => Some(FetchedVersion::At(due.last)),
            (None, Some(version)) => Some(FetchedVersion::Number(version)),
            (None, None) => self.last_contact.map(FetchedVersion::At),
        }
    }

    /// The agent or its computer is started again.
    pub fn restart(&mut self) {
        self.dropped_by_restart |= self.restart_drops_isolation;
    }

    /// The isolation that is in effect, given the rules that stand on the server since the last catching up.
    #[must_use]
    pub fn isolation<'a>(&'a self, now: Timestamp, rules: &'a Rules) -> Option<&'a IsolationRule> {
        let due = self.due(now);
        let (met, rule, dropped) = match due {
            Some(due) => (due.last, rules.isolation.as_deref()?, false),
            None => (self.last_contact?, self.fetched.isolation.as_deref()?, self.dropped_by_restart),
        };
        let silent = now.duration_since(met) > DROPS_AFTER;
        (!dropped && !silent && self.clock(now) < rule.end()).then_some(rule)
    }

    /// The host's own prevention rule that is in effect.
    #[must_use]
    pub fn prevention<'a>(&'a self, now: Timestamp, rules: &'a Rules) -> Option<&'a PreventionRule> {
        let of = if self.due(now).is_some() { rules } else { &self.fetched };
        of.prevention.as_deref()
    }

    fn meet(&mut self, at: Timestamp, rules: &Rules) {
        self.last_contact = Some(at);
        self.counted_from = None;
        self.fetched_version = None;
        self.fetched = rules.clone();
        self.dropped_by_restart = false;
    }

    fn clock(&self, now: Timestamp) -> Timestamp {
        let end = if self.clock_offset.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        now.checked_add(self.clock_offset).unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn isolated(hours: u64) -> Rules {
        let rule = IsolationRule { timeout_seconds: hours * 3600, exclusions: None, set_at: START };
        Rules { isolation: Some(Arc::new(rule)), prevention: None }
    }

    fn agent(contact_every: Option<SignedDuration>) -> Agent {
        Agent { contact_every, last_contact: Some(START), ..Agent::default() }
    }

    #[test]
    fn a_rule_is_no_isolation_before_the_contact() {
        let agent = agent(Some(CONTACT_EVERY));
        let rules = isolated(8);
        assert!(agent.isolation(START + CONTACT_EVERY - SignedDuration::from_secs(1), &rules).is_none());
        assert!(agent.isolation(START + CONTACT_EVERY, &rules).is_some());
    }

    #[test]
    fn isolation_ends_by_the_agents_clock() {
        let mut agent = agent(Some(CONTACT_EVERY));
        let rules = isolated(8);
        assert!(agent.isolation(START + HOUR * 8 - CONTACT_EVERY, &rules).is_some());
        assert!(agent.isolation(START + HOUR * 8, &rules).is_none());
        agent.clock_offset = HOUR;
        assert!(agent.isolation(START + HOUR * 7, &rules).is_none(), "its clock is an hour ahead");
    }

    #[test]
    fn isolation_is_dropped_after_five_hours_of_silence_and_comes_back() {
        let mut agent = agent(None);
        let rules = isolated(24);
        agent.contact(START, &rules, 0);
        assert!(agent.isolation(START + HOUR * 5, &rules).is_some());
        assert!(agent.isolation(START + HOUR * 5 + CONTACT_EVERY, &rules).is_none());
        agent.contact(START + HOUR * 6, &rules, 0);
        assert!(agent.isolation(START + HOUR * 6, &rules).is_some());
    }

    #[test]
    fn a_restart_drops_isolation_only_where_told() {
        let rules = isolated(8);
        for drops in [false, true] {
            let mut agent = agent(Some(HOUR));
            agent.restart_drops_isolation = drops;
            agent.contact(START, &rules, 0);
            agent.restart();
            assert_eq!(agent.isolation(START + CONTACT_EVERY, &rules).is_none(), drops);
            assert!(agent.isolation(START + HOUR, &rules).is_some(), "it fetches again on contact");
        }
    }

    #[test]
    fn catching_up_keeps_what_was_fetched_before_a_change() {
        let mut agent = agent(Some(HOUR));
        let before = isolated(8);
        agent.catch_up(START + HOUR + CONTACT_EVERY, &before);
        let released = Rules::default();
        let later = START + HOUR + CONTACT_EVERY * 2;
        assert!(agent.isolation(later, &released).is_some(), "released on the server, not yet on the host");
        assert!(agent.isolation(START + HOUR * 2, &released).is_none());
        assert_eq!(agent.last_access(later), Some(START + HOUR));
    }
}
